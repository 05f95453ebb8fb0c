package claudecode

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/google/go-cmp/cmp"

	"github.com/ownlog/ownlog/convert"
	"github.com/ownlog/ownlog/format"
	"github.com/ownlog/ownlog/schema"
)

// native makes an entry written live.
func native(turn, step int64, actor schema.ActorKind, data schema.Data) *schema.Event {
	return &schema.Event{
		Time: fmt.Sprintf("2026-03-01T10:%02d:%02d.5Z", turn, step), Actor: schema.Actor{Kind: actor},
		Turn: turn, Step: step, Data: data,
	}
}

func (s *testStore) appendEvents(t testing.TB, log format.LogID, events ...*schema.Event) {
	t.Helper()
	var at int64
	if info, err := s.Info(t.Context(), log); err == nil {
		at = info.Size
	}
	var entries [][]byte
	for _, ev := range events {
		b, err := schema.Encode(nil, ev)
		if err != nil {
			t.Fatal(err)
		}
		entries = append(entries, b)
	}
	if _, err := s.Append(t.Context(), log, at, entries); err != nil {
		t.Fatal(err)
	}
}

func callBlock(key schema.CallKey, name, args string) schema.Block {
	return schema.Block{Type: schema.BlockToolCall, CallKey: key, Name: name, Kind: schema.CallFunction, Args: jsontext.Value(args)}
}

func textOutput(blocks ...schema.Block) *schema.ModelOutput {
	return &schema.ModelOutput{Provider: "acme", Model: "acme-1", Blocks: blocks}
}

// everything is a native session with one of each thing that needs care.
func everything(s *testStore, t testing.TB) []*schema.Event {
	t.Helper()
	image := convert.NewBlob([]byte("\x89PNG\r\n\x1a\nnot really"), "image/png")
	long := convert.NewBlob([]byte(strings.Repeat("long ", 60000)), "text/plain")
	for _, b := range []convert.PendingBlob{image, long} {
		if _, _, err := s.PutBlob(t.Context(), strings.NewReader(string(b.Data))); err != nil {
			t.Fatal(err)
		}
	}
	sent := false
	text := func(s string) schema.Block { return schema.Block{Type: schema.BlockText, Text: schema.String(s)} }
	return []*schema.Event{
		native(0, 0, schema.ActorExecutor, &schema.SessionOpened{CWD: "/home/dev/harbour", Title: "Harbour"}),
		native(0, 0, schema.ActorExecutor, &schema.SystemMessage{Role: schema.RoleDeveloper, Kind: "environment", Content: []schema.Part{schema.TextPart("The harbour opens at eight.")}}),
		native(1, 0, schema.ActorUser, &schema.UserMessage{Origin: schema.OriginTyped, Content: []schema.Part{
			schema.TextPart("Look at this."), {Type: schema.PartImage, Blob: &image.Ref}, {Type: schema.PartFile, URI: "file:///home/dev/harbour/x", Sent: &sent},
		}}),
		native(1, 1, schema.ActorModel, textOutput(
			schema.Block{Type: schema.BlockReasoning, Text: schema.String("hm")},
			schema.Block{Type: schema.BlockReasoning, Seal: &schema.Seal{Provider: "openai", API: "responses", Kind: schema.SealEncrypted, Item: jsontext.Value(`{"type":"reasoning"}`)}},
			schema.Block{Type: schema.BlockReasoning, Seal: &schema.Seal{Provider: "anthropic", API: "messages", Kind: schema.SealSignature, Item: jsontext.Value(`{"type":"thinking","thinking":"aha","signature":"c2ln"}`)}},
			text("Reading."), text(""),
			callBlock("1/1/0", "read", `{"path":"/home/dev/harbour/boats.txt"}`),
			callBlock("1/1/1", "look at", `{"at":"sea"}`),
			schema.Block{Type: schema.BlockToolCall, CallKey: "1/1/2", Name: "patch", Kind: schema.CallCustom, ArgsRaw: schema.String("*** begin")},
			schema.Block{Type: schema.BlockToolCall, CallKey: "1/1/3", Namespace: "mcp", Name: "ask", Kind: schema.CallFunction, ArgsRaw: schema.String("{oops")},
			schema.Block{Type: schema.BlockToolCall, CallKey: "1/1/4", Name: "web_search", Kind: schema.CallServer},
		)),
		native(1, 1, schema.ActorTool, &schema.ToolResult{CallKey: "1/1/1", Status: schema.StatusError, Content: []schema.Part{schema.TextPart("fog")}}),
		native(1, 1, schema.ActorTool, &schema.ToolResult{CallKey: "1/1/0", Status: schema.StatusOK, Content: []schema.Part{{Type: schema.PartText, Text: schema.Text{Blob: &long.Ref, Set: true}}, {Type: schema.PartImage, Blob: &image.Ref}}}),
		native(1, 1, schema.ActorTool, &schema.ToolResult{CallKey: "1/1/2", Status: schema.StatusOK, ExitCode: schema.Int(0)}),
		native(1, 2, schema.ActorExecutor, &schema.ModelOutput{Synthetic: true, Blocks: []schema.Block{text("never said")}}),
		native(1, 3, schema.ActorModel, textOutput(text("Three boats."))),
		native(2, 0, schema.ActorUser, &schema.UserMessage{Origin: schema.OriginTyped, Content: []schema.Part{schema.TextPart("Good.")}}),
	}
}

// TestExportView pins the records that a log of another kind becomes.
func TestExportView(t *testing.T) {
	store := newTestStore()
	log := (convert.LogName{Vendor: "acme", Kind: convert.LogSession, ID: "everything"}).LogID()
	store.appendEvents(t, log, everything(store, t)...)
	out, report := store.export(t, log, -1, map[string]string{OptionCWD: "/srv/harbour", OptionRemap: "true"})
	if len(out) != 1 {
		t.Fatalf("%d files, want one", len(out))
	}
	var got string
	for name, content := range out {
		got = name + "\n" + strings.ReplaceAll(content, strings.Repeat("long ", 60000), "<long text>")
	}
	for _, item := range report.Items() {
		got += fmt.Sprintf("%s %s %d %s\n", item.Axis, item.Code, item.Count, item.Example)
	}
	golden := filepath.Join("testdata", "everything.export")
	if *update {
		if err := os.WriteFile(golden, []byte(got), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(strings.Split(string(want), "\n"), strings.Split(got, "\n")); diff != "" {
		t.Errorf("-want +got (go test -update writes %s):\n%s", golden, diff)
	}
	again, _ := store.export(t, log, -1, map[string]string{OptionCWD: "/srv/harbour", OptionRemap: "true"})
	if diff := cmp.Diff(out, again); diff != "" {
		t.Errorf("two exports differ:\n%s", diff)
	}
}

// TestExportBeginsWithUser: the API refuses a history that begins with the model.
func TestExportBeginsWithUser(t *testing.T) {
	store := newTestStore()
	log := (convert.LogName{Vendor: "acme", Kind: convert.LogSession, ID: "answer first"}).LogID()
	store.appendEvents(t, log,
		native(1, 1, schema.ActorModel, textOutput(schema.Block{Type: schema.BlockText, Text: schema.String("Ahoy.")})),
		native(2, 0, schema.ActorUser, &schema.UserMessage{Origin: schema.OriginTyped, Content: []schema.Part{schema.TextPart("Ahoy!")}}),
	)
	out, report := store.export(t, log, -1, nil)
	for _, content := range out {
		m := mapAll(t, []byte(content))
		var kinds []string
		for _, ev := range m.events {
			kinds = append(kinds, string(ev.Type))
		}
		want := []string{"system.message", "model.output", "user.message", "session.updated", "branch.selected"}
		if diff := cmp.Diff(want, kinds); diff != "" {
			t.Errorf("-want +got:\n%s", diff)
		}
	}
	if !slices.ContainsFunc(report.Items(), func(i schema.FidelityItem) bool { return i.Code == codeFirstMessage }) {
		t.Errorf("the report does not say so: %+v", report.Items())
	}
}

// TestExportContinuesMirror: a fork of a mirror begins with the bytes of the
// mirrored file, and its own entries follow as records of the same tree.
func TestExportContinuesMirror(t *testing.T) {
	store := newTestStore()
	files := homeFiles(t)
	const name = "projects/-home-dev-harbour/0a0a0a0a-0000-4000-8000-000000000001.jsonl"
	store.importDir(t, writeHome(t, map[string]string{name: files[name]}))
	parent := (convert.LogName{Vendor: Name, Kind: convert.LogSession, ID: "0a0a0a0a-0000-4000-8000-000000000001"}).LogID()
	info, err := store.Info(t.Context(), parent)
	if err != nil {
		t.Fatal(err)
	}
	fork := (convert.LogName{Vendor: "test", Kind: convert.LogFork, ID: "x"}).LogID()
	if err := store.CreateFork(t.Context(), fork, parent, info.Size); err != nil {
		t.Fatal(err)
	}
	store.appendEvents(t, fork,
		native(8, 1, schema.ActorTool, &schema.ToolResult{CallKey: "8/1/0", Status: schema.StatusOK, Content: []schema.Part{schema.TextPart("slept")}}),
		native(9, 0, schema.ActorUser, &schema.UserMessage{Origin: schema.OriginTyped, Content: []schema.Part{schema.TextPart("Well?")}}),
		native(9, 1, schema.ActorModel, textOutput(callBlock("9/1/0", "Bash", `{"command":"ls"}`))),
		native(9, 1, schema.ActorTool, &schema.ToolResult{CallKey: "9/1/0", Status: schema.StatusOK, Content: []schema.Part{schema.TextPart("boats.txt")}}),
		native(9, 2, schema.ActorModel, textOutput(schema.Block{Type: schema.BlockText, Text: schema.String("One file.")})),
	)
	out, _ := store.export(t, fork, -1, nil)
	got, ok := out["projects/-home-dev-harbour/"+fork.String()+".jsonl"]
	if !ok {
		t.Fatalf("no file of the fork among %v", slices.Collect(maps.Keys(out)))
	}
	rest, ok := strings.CutPrefix(got, files[name])
	if !ok {
		t.Fatal("the parent's bytes do not come first")
	}
	// What was written is read again as what it was.
	m := mapAll(t, []byte(got))
	checkInvariants(t, "fork", m.events)
	var kinds []string
	for _, ev := range m.events[info.Size:] {
		kinds = append(kinds, string(ev.Type))
	}
	want := []string{"tool.result", "user.message", "model.output", "tool.result", "model.output", "branch.selected"}
	if diff := cmp.Diff(want, kinds); diff != "" {
		t.Errorf("records after the mirror -want +got:\n%s\n%s", diff, rest)
	}
	if first := m.events[info.Size]; first.Parent.ID != "a11" {
		t.Errorf("the first record hangs off %q, want the live leaf a11", first.Parent.ID)
	}
}
