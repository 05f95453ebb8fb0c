package replay_test

import (
	"strings"
	"testing"

	conformance "github.com/ownlog/ownlog/conformance/replay"
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

// TestEverySessionGoesOnEverywhere resumes every imported session on every API.
// Strict servers judge the requests.
func TestEverySessionGoesOnEverywhere(t *testing.T) {
	store, logs := sessions(t)
	vllm, _ := chat.QuirksOf("vllm")
	deepseek, _ := chat.QuirksOf("deepseek")
	apis := map[string]struct {
		style   providertest.Style
		connect func(url string) provider.Provider
		model   string
	}{
		"messages": {providertest.MessagesStyle(), func(url string) provider.Provider {
			return anthropic.New(anthropic.Config{BaseURL: url, Key: providertest.Key})
		}, "claude-t"},
		"responses": {providertest.ResponsesStyle(), func(url string) provider.Provider {
			return openai.New(openai.Config{BaseURL: url, Key: providertest.Key})
		}, "gpt-t"},
		"chat vllm": {providertest.ChatStyle(providertest.ChatRules{MaxID: 40, SystemFirstOnly: true, ObjectArguments: true}), func(url string) provider.Provider {
			return chat.New(chat.Config{Quirks: vllm, BaseURL: url, Key: providertest.Key})
		}, "m-t"},
		"chat deepseek": {providertest.ChatStyle(providertest.ChatRules{MaxID: 40, ObjectArguments: true, DemandReasoning: true}), func(url string) provider.Provider {
			return chat.New(chat.Config{Quirks: deepseek, BaseURL: url, Key: providertest.Key})
		}, "m-t"},
		"generate": {providertest.GenerateStyle(), func(url string) provider.Provider {
			return gemini.New(gemini.Config{BaseURL: url, Key: providertest.Key})
		}, "gemini-3-t"},
	}
	for name, api := range apis {
		t.Run(name, func(t *testing.T) {
			open := 0
			for _, log := range logs {
				server := providertest.NewServer(t, api.style, providertest.Reply{Reasoning: "hm", Text: "Going on."}, providertest.Reply{Text: "Still here."})
				x := &replay.Executor{Store: store, Provider: api.connect(server.URL), Model: api.model, Tools: conformance.Tools()}
				if err := goOn(t, x, log, &open); err != nil {
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

// goOn says two things in a fork of a session and counts the results of calls.
func goOn(t *testing.T, x *replay.Executor, mirror format.LogID, results *int) error {
	t.Helper()
	x.OnEvent = func(_ format.LogID, _ int64, ev *schema.Event) {
		if ev.Type == schema.TypeToolResult {
			*results++
		}
	}
	return conformance.GoOn(t.Context(), x, mirror)
}

// TestOpenCallsOfEachVendor resumes the captures that ended in an open call: each
// call is answered, and none whose outcome is unknown is run.
func TestOpenCallsOfEachVendor(t *testing.T) {
	store, logs := sessions(t)
	seen := map[string]int{}
	for _, mirror := range logs {
		var s schema.State
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
			s.Apply(e.Seq, ev)
		}
		unknown := map[schema.CallKey]bool{}
		for _, c := range s.OpenCalls() {
			if c.State == schema.CallUnknown && tool.Known().Effect(c.Name) == schema.EffectEffectful {
				unknown[c.Key] = true
			}
		}
		if len(unknown) == 0 {
			continue
		}
		seen[s.Info().Vendor]++
		server := providertest.NewServer(t, providertest.MessagesStyle(), providertest.Reply{Text: "I see."}, providertest.Reply{Text: "Yes."})
		x := &replay.Executor{
			Store: store, Provider: anthropic.New(anthropic.Config{BaseURL: server.URL, Key: providertest.Key}), Model: "claude-t", Tools: conformance.Tools(),
		}
		open := 0
		if err := goOn(t, x, mirror, &open); err != nil {
			t.Errorf("log %s: %v", mirror, err)
			continue
		}
		if !strings.Contains(string(server.Bodies[0]), "not known") {
			t.Errorf("log %s: the model is not told that the outcome of %v is not known", mirror, unknown)
		}
	}
	for _, vendor := range []string{"claude-code", "codex", "opencode"} {
		t.Logf("%s: %d sessions with calls of unknown outcome", vendor, seen[vendor])
		if seen[vendor] == 0 {
			t.Errorf("no session of %s ends in a call of unknown outcome", vendor)
		}
	}
}
