//go:build conformance

package claudecode

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/google/go-cmp/cmp"

	"github.com/ownlog/ownlog/convert"
	"github.com/ownlog/ownlog/convert/claudecode"
	"github.com/ownlog/ownlog/format"
	"github.com/ownlog/ownlog/schema"
)

// write appends entries as an executor would.
func write(t *testing.T, store format.Store, log format.LogID, at int64, events ...*schema.Event) {
	t.Helper()
	var entries [][]byte
	for _, ev := range events {
		b, err := schema.Encode(nil, ev)
		if err != nil {
			t.Fatal(err)
		}
		entries = append(entries, b)
	}
	if _, err := store.Append(t.Context(), log, at, entries); err != nil {
		t.Fatal(err)
	}
}

func event(turn, step int64, actor schema.ActorKind, data schema.Data) *schema.Event {
	return &schema.Event{Time: "2026-11-24T08:00:00Z", Actor: schema.Actor{Kind: actor}, Turn: turn, Step: step, Data: data}
}

func userSays(turn int64, text string) *schema.Event {
	return event(turn, 0, schema.ActorUser, &schema.UserMessage{Origin: schema.OriginTyped, Content: []schema.Part{schema.TextPart(text)}})
}

func modelSays(turn, step int64, blocks ...schema.Block) *schema.Event {
	return event(turn, step, schema.ActorModel, &schema.ModelOutput{Provider: "acme", Model: "acme-1", Blocks: blocks})
}

func toolSaid(turn, step int64, key schema.CallKey, text string) *schema.Event {
	return event(turn, step, schema.ActorTool, &schema.ToolResult{CallKey: key, Status: schema.StatusOK, Content: []schema.Part{schema.TextPart(text)}})
}

func callsTool(key schema.CallKey, name, args string) schema.Block {
	return schema.Block{Type: schema.BlockToolCall, CallKey: key, Name: name, Kind: schema.CallFunction, Args: jsontext.Value(args)}
}

func sayText(text string) schema.Block {
	return schema.Block{Type: schema.BlockText, Text: schema.String(text)}
}

// TestResumeByTitle: a session that was never a vendor's is found by its title,
// and sent whole; a compaction in it stands for what it covers.
func TestResumeByTitle(t *testing.T) {
	tool := installTool(t)
	store := new(format.MemStore)
	log := format.NewLogID()
	write(t, store, log, 0,
		event(0, 0, schema.ActorExecutor, &schema.SessionOpened{CWD: "/home/dev/harbour", Title: "Harbour night watch"}),
		userSays(1, "Count the boats."),
		modelSays(1, 1, callsTool("1/1/0", "count boats", `{"where":"pier"}`), callsTool("1/1/1", "count boats", `{"where":"bay"}`)),
		toolSaid(1, 1, "1/1/1", "2"),
		toolSaid(1, 1, "1/1/0", "5"),
		modelSays(1, 2, sayText("Seven.")),
		event(1, 0, schema.ActorExecutor, &schema.ContextCompacted{Trigger: "manual", Covers: []int64{1, 5}, Summary: []schema.Part{schema.TextPart("Seven boats were counted.")}}),
		userSays(2, "And the lamps?"),
		modelSays(2, 1, sayText("None is lit."), callsTool("2/1/0", "light", `{}`)),
	)
	// Titles are looked up in the project of the folder where the tool runs.
	home, work := t.TempDir(), t.TempDir()
	exportTo(t, store, nil, log, filepath.Join(home, ".claude"), claudecode.OptionCWD, work)
	p := startProvider(t)
	const prompt = "conformance: light them"
	resume(t, tool, home, work, "Harbour night watch", askedModel, prompt, p)
	got := saidOnWire(t, p.sent(t, prompt))
	want := append(saidInLog(t, store, log, askedModel), "user text "+prompt)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-log +sent:\n%s", diff)
	}
	if slices.Contains(got, "user text Count the boats.") {
		t.Error("what the compaction covers was sent")
	}
}

// TestResumeFork: a fork of a mirrored session, gone on with live, begins with the
// parent's bytes; the tool resumes it and sends both.
func TestResumeFork(t *testing.T) {
	tool := installTool(t)
	store := new(format.MemStore)
	imports := convert.OpenImports("")
	// One with a compaction, one without a request log, one with an open call.
	chosen := []string{"55555555-5555-4555-8555-555555555555", "99999999-9999-4999-8999-999999999999", "0a0a0a0a-0000-4000-8000-000000000001"}
	for _, s := range importFixtures(t, store, imports) {
		if !slices.Contains(chosen, s.name.ID) {
			continue
		}
		t.Run(s.name.ID, func(t *testing.T) {
			info, err := store.Info(t.Context(), s.log)
			if err != nil {
				t.Fatal(err)
			}
			var state schema.State
			if err := convert.Fold(t.Context(), store, s.log, 0, -1, &state); err != nil {
				t.Fatal(err)
			}
			fork := format.NewLogID()
			if err := store.CreateFork(t.Context(), fork, s.log, info.Size); err != nil {
				t.Fatal(err)
			}
			var events []*schema.Event
			for _, c := range state.OpenCalls() {
				var turn, step, index int64
				if _, err := fmt.Sscanf(string(c.Key), "%d/%d/%d", &turn, &step, &index); err != nil {
					t.Fatal(err)
				}
				events = append(events, toolSaid(turn, step, c.Key, "answered late"))
			}
			turn := state.Turns() + 1
			key := schema.NewCallKey(turn, 1, 0)
			events = append(events,
				userSays(turn, "Go on elsewhere."),
				modelSays(turn, 1, sayText("Looking."), callsTool(key, "Bash", `{"command":"ls"}`)),
				toolSaid(turn, 1, key, "boats.txt"),
				modelSays(turn, 2, sayText("One file.")))
			write(t, store, fork, info.Size, events...)

			home := t.TempDir()
			file := exportTo(t, store, imports, fork, filepath.Join(home, ".claude"))
			parent := exportTo(t, store, imports, s.log, filepath.Join(t.TempDir(), ".claude"))
			requirePrefix(t, parent, file)
			p := startProvider(t)
			const prompt = "conformance: and now"
			resume(t, tool, home, t.TempDir(), strings.TrimSuffix(filepath.Base(file), ".jsonl"), askedModel, prompt, p)
			want := append(saidInLog(t, store, fork, askedModel), "user text "+prompt)
			if diff := cmp.Diff(want, saidOnWire(t, p.sent(t, prompt))); diff != "" {
				t.Errorf("-log +sent:\n%s", diff)
			}
		})
	}
}

// requirePrefix checks that one file begins with another's bytes.
func requirePrefix(t *testing.T, shorter, longer string) {
	t.Helper()
	a, err := os.ReadFile(shorter)
	if err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(longer)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.HasPrefix(b, bytes.TrimSuffix(a, []byte("\n"))) {
		t.Errorf("%s does not begin with the bytes of %s", longer, shorter)
	}
}
