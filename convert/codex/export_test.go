package codex

import (
	"bytes"
	"context"
	"encoding/base64"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/google/go-cmp/cmp"

	"github.com/ownlog/ownlog/convert"
	"github.com/ownlog/ownlog/fixtures"
	"github.com/ownlog/ownlog/format"
	"github.com/ownlog/ownlog/schema"
)

// testLog is a log in memory.
type testLog struct {
	store    *format.MemStore
	imports  *convert.Imports
	log      format.LogID
	size     int64
	findings []convert.Finding // of the import that made it
}

// importContent imports one rollout into a store of its own.
func importContent(t testing.TB, content []byte) testLog {
	t.Helper()
	l := testLog{store: new(format.MemStore), imports: convert.OpenImports("")}
	m := convert.NewMirror(l.store, l.imports, false)
	head, err := identifyRollout(bytes.NewReader(content), true)
	if err != nil {
		t.Fatal(err)
	}
	out, err := m.MirrorTranscript(context.Background(), convert.Transcript{
		Vendor: Name, Path: "rollout.jsonl", Content: bytes.NewReader(content), Final: true,
		Identify: func(*convert.Record) (convert.LogName, bool) {
			return convert.LogName{Vendor: Name, Kind: convert.LogSession, ID: head.id}, true
		},
		NewMapper: func(f convert.Findings) convert.Mapper { return NewMapper(f, Base{}) },
	})
	if err != nil {
		t.Fatal(err)
	}
	l.log, l.size, l.findings = out.Log, out.Head.Size, out.Findings
	return l
}

// export exports the log; the report says what became of it.
func (l testLog) export(t testing.TB, options map[string]string) ([]byte, *schema.Fidelity) {
	t.Helper()
	var out bytes.Buffer
	report := new(schema.Fidelity)
	err := Vendor{}.Export(context.Background(), convert.ExportRequest{
		Store: l.store, Imports: l.imports, Log: l.log, Size: -1,
		Out: &convert.WriterOutput{W: &out}, Report: report, Options: options,
	})
	if err != nil {
		t.Fatal(err)
	}
	return out.Bytes(), report
}

// view lists the messages of the live view in words.
func (l testLog) view(t testing.TB) (list []string) {
	t.Helper()
	ctx := context.Background()
	var state schema.State
	if err := convert.Fold(ctx, l.store, l.log, 0, -1, &state); err != nil {
		t.Fatal(err)
	}
	load := convert.NewEventLoader(ctx, l.store, l.log)
	defer load.Close()
	for m, err := range state.View(load.Load) {
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, words(t, l, m)...)
	}
	return list
}

// words says a message without ids, numbers and seals.
func words(t testing.TB, l testLog, m schema.Message) (list []string) {
	t.Helper()
	text := func(x schema.Text) string {
		s, err := loadText(context.Background(), l.store, x)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	parts := func(prefix string, content []schema.Part) {
		for _, p := range content {
			if last := len(list) - 1; prefix == "result" && p.Type == schema.PartText && last >= 0 && strings.HasPrefix(list[last], "result text ") {
				list[last] = joinTexts([]string{list[last], text(p.Text)})
				continue
			}
			if p.Blob != nil {
				prefix += " blob " + p.Blob.Digest
			}
			list = append(list, fmt.Sprintf("%s %s %s%s", prefix, p.Type, p.VendorType, text(p.Text)))
		}
	}
	if m.Result != nil && m.Result.Content == nil {
		said, err := convert.UnansweredText(context.Background(), l.store, l.log, m.Result)
		if err != nil {
			t.Fatal(err)
		}
		return []string{"result text " + said}
	}
	if m.Result != nil {
		parts("result", m.Result.Content)
		return list
	}
	parts(string(m.Role), m.Content)
	for _, b := range m.Blocks {
		if b.Type == schema.BlockReasoning && (b.Seal == nil || b.Seal.Provider == "") {
			continue // has no form in a rollout
		}
		list = append(list, fmt.Sprintf("model %s %s %s%s%s", b.Type, b.Kind, b.Name, text(b.Text), text(b.ArgsRaw)))
	}
	return list
}

// TestMirrorsAreGivenBack compares bytes and path: the recordings were made where
// the local time is UTC.
func TestMirrorsAreGivenBack(t *testing.T) {
	rollouts(t, func(name string, content []byte) {
		l := importContent(t, content)
		out := &convert.FolderOutput{Dir: t.TempDir()}
		err := Vendor{}.Export(context.Background(), convert.ExportRequest{
			Store: l.store, Imports: l.imports, Log: l.log, Size: -1, Out: out, Options: map[string]string{OptionOnly: "transcript"},
		})
		if err != nil {
			t.Fatal(err)
		}
		got, err := os.ReadFile(out.Written[0])
		if err != nil || !bytes.Equal(got, content) {
			t.Errorf("%s: not the bytes that were there, %v", name, err)
		}
		if path := filepath.ToSlash(out.Written[0]); !strings.HasSuffix(path, name[strings.Index(name, "/sessions/"):]) {
			t.Errorf("%s: given back as %s", name, path)
		}
	})
}

// damaged are rollouts as crashes, concatenations and other tools leave them, and
// what the import says about them. Counts are given where they are not 1.
var damaged = map[string]struct{ content, findings string }{
	"torn last line": {
		`{"type":"session_meta","payload":{"id":"d"}}` + "\n" + `{"type":"response_item","payload":{"type":"mess`,
		"damaged-record line 2, offset 45",
	},
	"torn, then continued": {
		`{"type":"session_meta","payload":{"id":"d"}}` + "\n" + `{"type":"respo` + "\n" + `{"type":"event_msg","payload":{"type":"task_started"}}` + "\n",
		"damaged-record line 2, offset 45",
	},
	"glued lines": {
		`{"type":"session_meta","payload":{"id":"d"}}{"type":"event_msg","payload":{"type":"task_started"}}` + "\n",
		"glued-records line 1, offset 44",
	},
	"bytes of value zero": {
		`{"type":"session_meta","payload":{"id":"d"}}` + "\n" + strings.Repeat("\x00", 4096) + "\n" + `{"type":"event_msg","payload":{"type":"task_started"}}`,
		"damaged-record line 2, offset 45",
	},
	"doubled ordinals": {
		`{"ordinal":0,"type":"session_meta","payload":{"id":"d"}}` + "\n" + `{"ordinal":0,"type":"event_msg","payload":{"type":"task_started"}}` + "\n",
		"odd-ordinal line 2, offset 57",
	},
	"an ordinal left out": {
		`{"ordinal":0,"type":"session_meta","payload":{"id":"d"}}` + "\n" + `{"ordinal":2,"type":"event_msg","payload":{"type":"task_started"}}` + "\n",
		"odd-ordinal line 2, offset 57",
	},
	"ordinals that are no numbers": {
		`{"ordinal":"0","type":"session_meta","payload":{"id":"d"}}` + "\n" + `{"ordinal":-1,"type":"event_msg","payload":{"type":"task_started"}}` + "\n",
		"2 odd-ordinal line 1, offset 0",
	},
	"a line without its ordinal": {
		`{"ordinal":7,"type":"session_meta","payload":{"id":"d","history_mode":"paginated"}}` + "\n" + `{"type":"event_msg","payload":{"type":"task_started"}}` + "\n",
		"odd-ordinal line 2, offset 84",
	},
	"windows line ends": {
		"\ufeff" + `{"type":"session_meta","payload":{"id":"d"}}` + "\r\n\r\n" + `{"type":"event_msg","payload":{"type":"task_started"}}` + "\r\n",
		"2 odd-separator line 1, offset 3",
	},
	"broken UTF-8": {
		`{"type":"session_meta","payload":{"id":"d","cwd":"` + "\xff\xfe" + `"}}` + "\n",
		"invalid-utf8 line 1, offset 0",
	},
	"lone surrogate": {
		`{"type":"response_item","payload":{"type":"message","role":"user","content":[{"type":"input_text","text":"\ud83d"}]}}` + "\n",
		"lone-surrogate line 1, offset 0",
	},
	"members twice": {`{"type":"session_meta","type":"session_meta","payload":{"id":"d","id":"e"}}` + "\n", ""},
	"an image that is none": {
		`{"type":"response_item","payload":{"type":"message","role":"user","content":[{"type":"input_image","image_url":"data:image/png;base64,` + strings.Repeat("A", 5000) + `"}]}}` + "\n",
		"unreadable-image line 1, offset 0",
	},
	"an image that is not base64": {
		`{"type":"response_item","payload":{"type":"message","role":"user","content":[{"type":"input_image","image_url":"data:image/png;base64,***"}]}}` + "\n",
		"unreadable-image line 1, offset 0",
	},
	"session_meta in between": {
		`{"type":"session_meta","payload":{"id":"d"}}` + "\n" + `{"type":"session_meta","payload":{"id":"other"}}` + "\n",
		"second-session line 2, offset 45",
	},
	"session_meta of the session that was copied": {
		`{"type":"session_meta","payload":{"id":"d","forked_from_id":"other"}}` + "\n" + `{"type":"session_meta","payload":{"id":"other"}}` + "\n",
		"",
	},
	"nothing but garbage": {"not a session\n", "damaged-record line 1, offset 0"},
}

// TestDamagedRolloutsAreGivenBack: every byte comes back, and what is wrong is
// said with its place.
func TestDamagedRolloutsAreGivenBack(t *testing.T) {
	for name, d := range damaged {
		l := importContent(t, []byte(d.content))
		if got, _ := l.export(t, map[string]string{OptionOnly: "transcript"}); string(got) != d.content {
			t.Errorf("%s: comes back as %q, not %q", name, got, d.content)
		}
		var found []string
		for _, f := range l.findings {
			said := f.Code + " " + f.Where
			if f.Count != 1 {
				said = fmt.Sprint(f.Count, " ", said)
			}
			found = append(found, said)
		}
		if got := strings.Join(found, "; "); got != d.findings {
			t.Errorf("%s: findings %q, want %q", name, got, d.findings)
		}
	}
}

// FuzzRoundTrip imports anything that holds a record and gives it back.
func FuzzRoundTrip(f *testing.F) {
	for _, d := range damaged {
		f.Add([]byte(d.content))
	}
	f.Fuzz(func(t *testing.T, content []byte) {
		if len(bytes.TrimSpace(bytes.TrimPrefix(content, []byte("\ufeff")))) == 0 {
			return // no record: the importer refuses it
		}
		got, _ := importContent(t, content).export(t, map[string]string{OptionOnly: "transcript"})
		if !bytes.Equal(got, content) {
			t.Errorf("comes back as %q, not %q", got, content)
		}
	})
}

// TestRewrittenSessionsSayTheSame writes the recordings anew, imports them again,
// and compares what the model would be shown.
func TestRewrittenSessionsSayTheSame(t *testing.T) {
	rollouts(t, func(name string, content []byte) {
		from := importContent(t, content)
		want := from.view(t)
		for _, paginated := range []string{"false", "true"} {
			options := map[string]string{OptionRewrite: "true", OptionPaginated: paginated}
			got, _ := from.export(t, options)
			again, _ := from.export(t, options)
			if !bytes.Equal(got, again) {
				t.Errorf("%s: two exports differ", name)
			}
			if !bytes.Contains(bytes.SplitN(got, []byte("\n"), 2)[0], []byte(`"model_provider":"`)) {
				t.Errorf("%s: no model_provider in the first line", name)
			}
			to := importContent(t, got)
			if diff := cmp.Diff(want, to.view(t)); diff != "" {
				t.Errorf("%s, paginated %s: the view differs (-want +got):\n%s", name, paginated, diff)
			}
		}
	})
}

// native makes a log of events that no vendor recorded.
func native(t testing.TB, blobs [][]byte, events ...*schema.Event) testLog {
	t.Helper()
	ctx := context.Background()
	l := testLog{store: new(format.MemStore), imports: convert.OpenImports(""), log: format.LogID{15: 1}}
	for _, b := range blobs {
		if _, _, err := l.store.PutBlob(ctx, bytes.NewReader(b)); err != nil {
			t.Fatal(err)
		}
	}
	l.append(t, events...)
	return l
}

func (l *testLog) append(t testing.TB, events ...*schema.Event) {
	t.Helper()
	var entries [][]byte
	for _, ev := range events {
		b, err := schema.Encode(nil, ev)
		if err != nil {
			t.Fatal(err)
		}
		entries = append(entries, b)
	}
	size, err := l.store.Append(context.Background(), l.log, l.size, entries)
	if err != nil {
		t.Fatal(err)
	}
	l.size = size
}

func event(turn, step int64, kind schema.ActorKind, data schema.Data) *schema.Event {
	return &schema.Event{Time: "2026-01-02T03:04:05.678912Z", Actor: schema.Actor{Kind: kind}, Turn: turn, Step: step, Data: data}
}

func callBlock(key schema.CallKey, index int64, kind schema.CallKind, name, args string) schema.Block {
	b := schema.Block{Type: schema.BlockToolCall, Index: schema.Int(index), CallKey: key, VendorID: "v", Name: name, Kind: kind}
	if jsontext.Value(args).IsValid() {
		b.Args = []byte(args)
	} else {
		b.ArgsRaw = schema.String(args)
	}
	return b
}

// odds is a session with everything that a rollout has no simple form for.
func odds(t testing.TB) testLog {
	png, err := base64.StdEncoding.DecodeString("iVBORw0KGgoAAAANSUhEUgAAAAgAAAAICAIAAABLbSncAAAAEklEQVR4nGP4z8CAFWEXHbQSACj/P8Fu7N9hAAAAAElFTkSuQmCC")
	if err != nil {
		t.Fatal(err)
	}
	image := convert.NewBlob(png, "image/png").Ref
	seal := func(provider string) *schema.Seal {
		return &schema.Seal{Provider: provider, API: apiResponses, Model: "m", Kind: schema.SealEncrypted, Item: []byte(`{"type":"reasoning","summary":[],"encrypted_content":"E"}`)}
	}
	long := strings.Repeat("0123456789", 5_000)
	return native(t, [][]byte{png},
		event(0, 0, schema.ActorExecutor, &schema.SessionOpened{CWD: "/home/user/proj", Title: "odds"}),
		event(0, 0, schema.ActorSystem, &schema.SystemMessage{Role: schema.RoleUser, Kind: "reminder", Content: []schema.Part{schema.TextPart("mind the gap")}}),
		event(1, 0, schema.ActorUser, &schema.UserMessage{Origin: schema.OriginTyped, Content: []schema.Part{schema.TextPart("look"), {Type: schema.PartImage, Blob: &image}}}),
		event(1, 1, schema.ActorModel, &schema.ModelOutput{Provider: "openai", Model: "m", StopReason: "tool_use", Usage: &schema.Usage{Input: schema.Int(1)}, Blocks: []schema.Block{
			{Type: schema.BlockReasoning, Text: schema.String("hm")},
			{Type: schema.BlockReasoning, Seal: seal("openai")},
			{Type: schema.BlockReasoning, Seal: seal("anthropic")},
			{Type: schema.BlockText, Text: schema.String("I look."), Phase: "commentary"},
			callBlock("1/1/0", 0, schema.CallFunction, "mcp.tool/x", `{"a": 1}`),
			callBlock("1/1/1", 1, schema.CallFunction, "Read", "{not json"),
			callBlock("1/1/2", 2, schema.CallCustom, "patch", "*** Begin"),
			callBlock("1/1/3", 3, schema.CallFunction, "Wait", `{}`),
			callBlock("1/1/4", 4, schema.CallServer, "search", `{}`),
		}}),
		event(1, 1, schema.ActorTool, &schema.ToolResult{CallKey: "1/1/2", Status: schema.StatusError, Content: []schema.Part{}}),
		event(1, 1, schema.ActorTool, &schema.ToolResult{CallKey: "1/1/0", Status: schema.StatusOK, Content: []schema.Part{schema.TextPart("see"), {Type: schema.PartImage, Blob: &image}}}),
		event(1, 1, schema.ActorTool, &schema.ToolResult{CallKey: "1/1/1", Status: schema.StatusDenied, Content: []schema.Part{schema.TextPart(long)}}),
		event(1, 2, schema.ActorModel, &schema.ModelOutput{Synthetic: true, Blocks: []schema.Block{{Type: schema.BlockText, Text: schema.String("No response requested.")}}}),
		event(2, 0, schema.ActorUser, &schema.UserMessage{Origin: schema.OriginTyped, Content: []schema.Part{schema.TextPart("and now")}}),
		event(2, 1, schema.ActorModel, &schema.ModelOutput{Provider: "openai", Model: "m", Blocks: []schema.Block{{Type: schema.BlockText, Text: schema.String("Done.")}}}),
	)
}

// TestForeignSessions pins the rollouts that a log of another origin becomes.
func TestForeignSessions(t *testing.T) {
	for name, options := range map[string]map[string]string{
		"legacy":    nil,
		"paginated": {OptionPaginated: "true", OptionProvider: "other"},
	} {
		t.Run(name, func(t *testing.T) {
			got, report := odds(t).export(t, options)
			for _, it := range report.Items() {
				got = fmt.Appendf(got, "report %s %s: %d, first at %s\n", it.Axis, it.Code, it.Count, it.Example)
			}
			long := strings.Repeat("0123456789", 5_000)
			checkGolden(t, "odds."+name+".jsonl", bytes.ReplaceAll(got, []byte(long), []byte("[5000 times 0123456789]")))
		})
	}
}

// TestTextsOfFreeFormCalls: 0.98.0 takes the output of such a call as a string
// alone; the form that only newer versions take keeps the list.
func TestTextsOfFreeFormCalls(t *testing.T) {
	l := native(t, nil,
		event(1, 0, schema.ActorUser, &schema.UserMessage{Origin: schema.OriginTyped, Content: []schema.Part{schema.TextPart("run it")}}),
		event(1, 1, schema.ActorModel, &schema.ModelOutput{Blocks: []schema.Block{callBlock("1/1/0", 0, schema.CallCustom, "exec", "x()")}}),
		event(1, 1, schema.ActorTool, &schema.ToolResult{CallKey: "1/1/0", Status: schema.StatusOK, Content: []schema.Part{
			schema.TextPart("Output:\n"), schema.TextPart("one"), schema.TextPart("two"),
		}}))
	for paginated, want := range map[string]string{
		"false": `"output":"Output:\none\ntwo"`,
		"true":  `"output":[{"type":"input_text","text":"Output:\n"},{"type":"input_text","text":"one"},{"type":"input_text","text":"two"}]`,
	} {
		got, report := l.export(t, map[string]string{OptionPaginated: paginated})
		if !strings.Contains(string(got), want) {
			t.Errorf("paginated %s: no %s in\n%s", paginated, want, got)
		}
		if n := report.Count(schema.Transformed); (n == 1) != (paginated == "false") {
			t.Errorf("paginated %s: %d changes are reported", paginated, n)
		}
	}
}

func TestRemapPaths(t *testing.T) {
	const args = `{"path": "/home/user/proj/a.txt", "cwd":"/home/user/proj","other":["/home/user/project", 1, "x /home/user/proj/b"], "n":null}`
	got, n := remapPaths([]byte(args), "/home/user/proj", "/srv/p")
	want := `{"path": "/srv/p/a.txt", "cwd":"/srv/p","other":["/home/user/project", 1, "x /home/user/proj/b"], "n":null}`
	if string(got) != want || n != 2 {
		t.Errorf("%d replaced: %s, want 2: %s", n, got, want)
	}
}

// TestNativeEntriesFollowTheRecords goes on with a fork of a mirrored session.
func TestNativeEntriesFollowTheRecords(t *testing.T) {
	content := fixture(t, "approval-kill")
	l := importContent(t, content)
	child := testLog{store: l.store, imports: l.imports, log: format.LogID{15: 2}, size: l.size}
	if err := l.store.CreateFork(context.Background(), child.log, l.log, l.size); err != nil {
		t.Fatal(err)
	}
	child.append(t,
		event(3, 0, schema.ActorUser, &schema.UserMessage{Origin: schema.OriginTyped, Content: []schema.Part{schema.TextPart("go on")}}),
		event(3, 1, schema.ActorModel, &schema.ModelOutput{Provider: "mock", Blocks: []schema.Block{{Type: schema.BlockText, Text: schema.String("Went on.")}}}),
	)
	got, _ := child.export(t, nil)
	if !bytes.HasPrefix(got, content) {
		t.Fatal("the export does not begin with the records of the mirror")
	}
	checkGolden(t, "approval-kill.continued.jsonl", got[len(content):])
	want := append(l.view(t), "user text go on", "model text  Went on.")
	if diff := cmp.Diff(want, importContent(t, got).view(t)); diff != "" {
		t.Errorf("the view differs (-want +got):\n%s", diff)
	}
}

// fixture reads the one rollout of a recording.
func fixture(t testing.TB, name string) (content []byte) {
	t.Helper()
	files, err := fs.Glob(fixtures.FS, "codex/"+name+"/sessions/*/*/*/*.jsonl")
	if err == nil && len(files) == 1 {
		content, err = fs.ReadFile(fixtures.FS, files[0])
	}
	if err != nil || len(content) == 0 {
		t.Fatalf("recording %s: %d rollouts, %v", name, len(files), err)
	}
	return content
}
