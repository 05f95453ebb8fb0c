package replay_test

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ownlog/ownlog/convert"
	"github.com/ownlog/ownlog/convert/claudecode"
	"github.com/ownlog/ownlog/convert/codex"
	"github.com/ownlog/ownlog/convert/opencode"
	"github.com/ownlog/ownlog/fixtures"
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
	dir := t.TempDir()
	if err := os.CopyFS(dir, fixtures.FS); err != nil {
		t.Fatal(err)
	}
	// Embedded files may have lost the modes that a database needs.
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			err = os.Chmod(path, 0o600)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	store := new(format.MemStore)
	reg := convert.NewRegistry(&claudecode.Vendor{}, &codex.Vendor{}, &opencode.Vendor{})
	summary, err := convert.Import(t.Context(), store, convert.OpenImports(""), reg, convert.ImportOptions{Roots: []string{dir}})
	if err != nil {
		t.Fatalf("%v: %+v", err, summary)
	}
	var logs []format.LogID
	for id, err := range store.List(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		if conversation(t, store, id) {
			logs = append(logs, id)
		}
	}
	if len(logs) < 15 {
		t.Fatalf("only %d sessions in the fixtures", len(logs))
	}
	return store, logs
}

// conversation reports whether a log holds messages, and not assets only.
func conversation(t *testing.T, store format.Store, log format.LogID) bool {
	for e, err := range store.Read(t.Context(), log, 0) {
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
		if ev.Type == schema.TypeUserMessage {
			return true
		}
	}
	return false
}

// noTool stands in for every tool: what sessions of others ask for is not run
// here.
type noTool struct{ tool.Tool }

func (noTool) Run(context.Context, tool.Call) (tool.Result, error) {
	return tool.Result{Status: schema.StatusOK, Content: []schema.Part{schema.TextPart("ok")}}, nil
}

func tools() *tool.Set {
	set := new(tool.Set)
	for _, d := range tool.Known().Definitions() {
		t, _ := tool.Known().Lookup(d.Name)
		set.Add(d.Name, noTool{t})
	}
	return set
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
				x := &replay.Executor{Store: store, Provider: api.connect(server.URL), Model: api.model, Tools: tools()}
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

// goOn forks a session, says two things in it, and answers prompts with yes.
func goOn(t *testing.T, x *replay.Executor, mirror format.LogID, open *int) error {
	inbox := &replay.Inbox{Store: x.Store}
	log, forked, err := inbox.Prepare(t.Context(), mirror, "resume")
	if err != nil || !forked {
		return fmt.Errorf("forked %t: %w", forked, err)
	}
	before := x.OnEvent
	defer func() { x.OnEvent = before }()
	x.OnEvent = func(_ format.LogID, _ int64, ev *schema.Event) {
		if ev.Type == schema.TypeToolResult {
			*open++
		}
	}
	for _, text := range []string{"go on", "and again"} {
		if _, err := inbox.Say(t.Context(), log, schema.TextPart(text)); err != nil {
			return err
		}
		for range 10 {
			out, err := x.Run(t.Context(), log)
			if err != nil {
				return err
			}
			if f := out.Finished; f != nil && f.Reason != schema.TurnEnd {
				return fmt.Errorf("the turn ended %s %s %s", f.Reason, f.Class, f.Message.Inline)
			}
			if out.Status == replay.StatusIdle {
				if out.Steps == 0 {
					return fmt.Errorf("no model was asked")
				}
				break
			}
			for _, p := range out.Standing.Permissions {
				if _, err := inbox.Decide(t.Context(), log, replay.Answer{Call: p.Key, Decision: schema.DecisionAllow}); err != nil {
					return err
				}
			}
		}
	}
	return nil
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
			Store: store, Provider: anthropic.New(anthropic.Config{BaseURL: server.URL, Key: providertest.Key}), Model: "claude-t", Tools: tools(),
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
