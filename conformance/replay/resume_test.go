package replay_test

import (
	"fmt"
	"strings"
	"testing"

	conformance "github.com/ownlog/ownlog/conformance/replay"
	"github.com/ownlog/ownlog/convert"
	"github.com/ownlog/ownlog/format"
	"github.com/ownlog/ownlog/replay"
	"github.com/ownlog/ownlog/replay/provider"
	"github.com/ownlog/ownlog/replay/provider/anthropic"
	"github.com/ownlog/ownlog/replay/provider/chat"
	"github.com/ownlog/ownlog/replay/provider/gemini"
	"github.com/ownlog/ownlog/replay/provider/openai"
	"github.com/ownlog/ownlog/replay/provider/providertest"
	"github.com/ownlog/ownlog/replay/tool"
	"github.com/ownlog/ownlog/schema"
)

// sessions imports all fixtures.
func sessions(t *testing.T) (*format.MemStore, []format.LogID) {
	t.Helper()
	store, logs, err := conformance.Fixtures(t.Context(), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	return store, logs
}

// api is an API with a strict server for it.
type api struct {
	name    string
	style   providertest.Style
	connect func(url string) provider.Provider
	model   string
}

func apis() []api {
	vllm, _ := chat.QuirksOf("vllm")
	deepseek, _ := chat.QuirksOf("deepseek")
	return []api{
		{"messages", providertest.MessagesStyle(), func(url string) provider.Provider {
			return anthropic.New(anthropic.Config{BaseURL: url, Key: providertest.Key})
		}, "claude-t"},
		{"responses", providertest.ResponsesStyle(), func(url string) provider.Provider {
			return openai.New(openai.Config{BaseURL: url, Key: providertest.Key})
		}, "gpt-t"},
		{"chat vllm", providertest.ChatStyle(providertest.ChatRules{MaxID: 40, SystemFirstOnly: true, ObjectArguments: true}), func(url string) provider.Provider {
			return chat.New(chat.Config{Quirks: vllm, BaseURL: url, Key: providertest.Key})
		}, "m-t"},
		{"chat deepseek", providertest.ChatStyle(providertest.ChatRules{MaxID: 40, ObjectArguments: true, DemandReasoning: true}), func(url string) provider.Provider {
			return chat.New(chat.Config{Quirks: deepseek, BaseURL: url, Key: providertest.Key})
		}, "m-t"},
		{"generate", providertest.GenerateStyle(), func(url string) provider.Provider {
			return gemini.New(gemini.Config{BaseURL: url, Key: providertest.Key})
		}, "gemini-3-t"},
	}
}

// TestEverySessionGoesOnEverywhere resumes every imported session on every API.
// Strict servers judge the requests.
func TestEverySessionGoesOnEverywhere(t *testing.T) {
	store, logs := sessions(t)
	for _, api := range apis() {
		t.Run(api.name, func(t *testing.T) {
			open := 0
			for _, log := range logs {
				server := providertest.NewServer(t, api.style, providertest.Reply{Reasoning: "hm", Text: "Going on."}, providertest.Reply{Text: "Still here."})
				x := &replay.Executor{Store: store, Provider: api.connect(server.URL), Model: api.model, Tools: conformance.Tools()}
				x.OnEvent = func(_ format.LogID, _ int64, ev *schema.Event) {
					if ev.Type == schema.TypeToolResult {
						open++
					}
				}
				if err := conformance.GoOn(t.Context(), x, log); err != nil {
					t.Errorf("log %s: %v", log, err)
				}
				server.Close()
			}
			if open == 0 {
				t.Error("no session had an open call: the test proves little")
			}
			t.Logf("%d sessions, %d open calls", len(logs), open)
		})
	}
}

// TestOpenCallsOfEachVendor resumes every session that holds calls of unknown
// outcome, on every API: each call is answered, none is run, and the model is told.
func TestOpenCallsOfEachVendor(t *testing.T) {
	store, logs := sessions(t)
	seen := map[string]int{}
	for _, mirror := range logs {
		vendor, unknown := unknownCalls(t, store, mirror)
		if len(unknown) == 0 {
			continue
		}
		for _, api := range apis() {
			seen[vendor+" on "+api.name]++
			resumeOpen(t, store, api, unknown, fmt.Sprintf("log %s, %s", mirror, api.name), func(x *replay.Executor) error {
				return conformance.GoOn(t.Context(), x, mirror)
			})
		}
	}
	wantAll(t, seen, "holds a call")
}

// TestSessionsThatEndedInAnOpenCall resumes, on every API, captures of tools that
// ended in a call, as they were before the next turn began: nobody says anything,
// and the executor goes on with the turn.
func TestSessionsThatEndedInAnOpenCall(t *testing.T) {
	store, logs := sessions(t)
	inbox := &replay.Inbox{Store: store}
	seen := map[string]int{}
	for _, mirror := range logs {
		for _, size := range turnEnds(t, store, mirror) {
			log, err := inbox.Fork(t.Context(), mirror, size, "resume")
			if err != nil {
				t.Fatal(err)
			}
			vendor, unknown := unknownCalls(t, store, log)
			st, err := replay.Look(t.Context(), store, log)
			if err != nil {
				t.Fatal(err)
			}
			if len(unknown) == 0 || !st.Running {
				continue // no call, or its user had ended the turn
			}
			for _, api := range apis() {
				seen[vendor+" on "+api.name]++
				resumeOpen(t, store, api, unknown, fmt.Sprintf("log %s@%d, %s", mirror, size, api.name), func(x *replay.Executor) error {
					log, err := inbox.Fork(t.Context(), mirror, size, "resume")
					if err != nil {
						return err
					}
					return conformance.Advance(t.Context(), x, inbox, log)
				})
			}
		}
	}
	wantAll(t, seen, "ends in a call")
}

func wantAll(t *testing.T, seen map[string]int, what string) {
	t.Helper()
	for _, vendor := range []string{"claude-code", "codex", "opencode"} {
		for _, api := range apis() {
			if seen[vendor+" on "+api.name] == 0 {
				t.Errorf("no session of %s that %s of unknown outcome was resumed on %s", vendor, what, api.name)
			}
		}
	}
	t.Logf("resumed: %v", seen)
}

// turnEnds returns how many entries a session has at the end of each turn.
func turnEnds(t *testing.T, store format.Store, mirror format.LogID) (sizes []int64) {
	t.Helper()
	var turn, size int64
	for e, err := range store.Read(t.Context(), mirror, 0) {
		if err != nil {
			t.Fatal(err)
		}
		norm, _, err := format.CutRaw(nil, e.Bytes)
		if err != nil {
			t.Fatal(err)
		}
		ev, err := schema.Decode(norm)
		if err != nil {
			t.Fatal(err)
		}
		if ev.Turn > turn {
			if turn > 0 && (ev.Source == nil || ev.Source.Part == 0) { // what one record says is not cut in two
				sizes = append(sizes, e.Seq)
			}
			turn = ev.Turn
		}
		size = e.Seq + 1
	}
	return append(sizes, size)
}

// resumeOpen resumes a session that holds calls of unknown outcome.
func resumeOpen(t *testing.T, store format.Store, api api, unknown map[schema.CallKey]bool, where string, goOn func(*replay.Executor) error) {
	t.Helper()
	server := providertest.NewServer(t, api.style, providertest.Reply{Text: "I see."}, providertest.Reply{Text: "Yes."})
	defer server.Close()
	x := &replay.Executor{Store: store, Provider: api.connect(server.URL), Model: api.model, Tools: conformance.Tools()}
	answered := map[schema.CallKey]schema.Status{}
	x.OnEvent = func(_ format.LogID, _ int64, ev *schema.Event) {
		switch d := ev.Data.(type) {
		case *schema.ToolResult:
			answered[d.CallKey] = d.Status
		case *schema.ToolStarted:
			if unknown[d.CallKey] {
				t.Errorf("%s: call %s was run again", where, d.CallKey)
			}
		}
	}
	if err := goOn(x); err != nil {
		t.Errorf("%s: %v", where, err)
		return
	}
	for key := range unknown {
		if answered[key] != schema.StatusUnknown {
			t.Errorf("%s: call %s was answered %q, want %q", where, key, answered[key], schema.StatusUnknown)
		}
	}
	if len(server.Bodies) == 0 || !strings.Contains(string(server.Bodies[0]), "not known") {
		t.Errorf("%s: the model is not told that the outcome of %v is not known", where, unknown)
	}
}

// unknownCalls returns the vendor of a session and its open calls of unknown
// outcome that must not be repeated.
func unknownCalls(t *testing.T, store format.Store, mirror format.LogID) (vendor string, unknown map[schema.CallKey]bool) {
	t.Helper()
	var s schema.State
	if err := convert.Fold(t.Context(), store, mirror, 0, -1, &s); err != nil {
		t.Fatal(err)
	}
	unknown = make(map[schema.CallKey]bool)
	for _, c := range s.OpenCalls() {
		if c.State == schema.CallUnknown && tool.Known().Effect(c.Name) == schema.EffectEffectful {
			unknown[c.Key] = true
		}
	}
	return s.Info().Vendor, unknown
}
