package opencode

import (
	"bytes"
	"context"
	"database/sql"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"strings"
	"testing"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/google/go-cmp/cmp"

	"github.com/ownlog/ownlog/convert"
	"github.com/ownlog/ownlog/convert/claudecode"
	"github.com/ownlog/ownlog/convert/codex"
	"github.com/ownlog/ownlog/fixtures"
	"github.com/ownlog/ownlog/format"
	"github.com/ownlog/ownlog/schema"
)

// exported gives a log's files by name.
func (in *testImport) exported(t testing.TB, log format.LogID, options map[string]string) (files map[string]string, report *schema.Fidelity) {
	t.Helper()
	out := &memoryOutput{files: make(map[string]string)}
	report = new(schema.Fidelity)
	req := convert.ExportRequest{Store: in.store, Imports: in.imports, Log: log, Size: -1, Options: options, Out: out, Report: report}
	if err := in.vendor.Export(context.Background(), req); err != nil {
		t.Fatal(err)
	}
	return out.files, report
}

type memoryOutput struct{ files map[string]string }

func (o *memoryOutput) Create(name string) (w io.WriteCloser, err error) {
	return &memoryFile{out: o, name: name}, nil
}

type memoryFile struct {
	bytes.Buffer
	out  *memoryOutput
	name string
}

func (f *memoryFile) Close() error { f.out.files[f.name] = f.String(); return nil }

// TestImportFileHoldsTheRowsData: every message and part of the file is the data
// of its row, byte for byte, with its ids behind.
func TestImportFileHoldsTheRowsData(t *testing.T) {
	for _, name := range []string{"subagent", "killed", "sealed", "compaction"} {
		dir := fixture(t, name)
		in := newTestImport()
		in.run(t, nil, dir)
		in.ok(t)
		db, err := openDatabase(context.Background(), filepath.Join(dir, "opencode.db"), maxInline, false)
		if err != nil {
			t.Fatal(err)
		}
		defer db.Close()
		ids, _, err := db.sessions(context.Background())
		if err != nil {
			t.Fatal(err)
		}
		for _, id := range ids {
			files, report := in.exported(t, sessionLogID(id), nil)
			file := files[id+".json"]
			rows := 0
			for r, err := range db.session(context.Background(), id) {
				if err != nil {
					t.Fatal(err)
				}
				rec := fromRow(r.id, r.bytes)
				if r.table != tableMessage && r.table != tablePart {
					continue
				}
				rows++
				if want := string(rec.data[:len(rec.data)-1]) + `,"id":"` + r.id + `","sessionID":"` + id + `"`; !strings.Contains(file, want) {
					t.Errorf("%s: the data of %s %s is not in the file", name, r.table, r.id)
				}
			}
			kept := report.Count(schema.Preserved)
			if rows == 0 || int64(rows) != kept {
				t.Errorf("%s: %d rows, %d reported as preserved", name, rows, kept)
			}
			checkFile(t, file)
		}
	}
}

// checkFile checks an import file as the tool would.
func checkFile(t *testing.T, file string) {
	t.Helper()
	var doc exportDocument
	if err := unmarshal([]byte(file), &doc); err != nil {
		t.Fatalf("%v in %s", err, file)
	}
	users := make(map[string]bool)
	for _, m := range doc.Messages {
		if err := checkMessage(m.Info, m.Parts); err != nil {
			t.Error(err)
		}
		if stringAt(m.Info, "/role") == roleUser {
			users[stringAt(m.Info, "/id")] = true
		} else if parent := stringAt(m.Info, "/parentID"); !users[parent] {
			t.Errorf("message %s answers %q, which is no user message before it", stringAt(m.Info, "/id"), parent)
		}
	}
}

// TestExportFileComesBack: a file of `opencode export` is given back as it was.
func TestExportFileComesBack(t *testing.T) {
	dir := fixture(t, "sealed")
	in := newTestImport()
	in.run(t, nil, dir)
	var log format.LogID
	for _, r := range in.results {
		for _, o := range r.Outcomes {
			if o.Name.Kind == convert.LogSession {
				log = o.Log
			}
		}
	}
	files, _ := in.exported(t, log, nil)
	for name, content := range files {
		path := filepath.Join(t.TempDir(), name)
		pretty := jsontext.Value(content)
		if err := pretty.Indent(); err != nil {
			t.Fatal(err)
		}
		writeFile(t, path, string(pretty)+"\n\n")
		again := newTestImport()
		again.run(t, nil, path)
		if len(again.ok(t).results[0].Outcomes) != 1 {
			t.Fatalf("%s: %s %s", name, again.results[0].Status, again.results[0].Reason)
		}
		back, _ := again.exported(t, again.results[0].Outcomes[0].Log, nil)
		if got := back["session.json"]; got != string(pretty)+"\n\n" {
			t.Errorf("%s: the file did not come back as it was", name)
		}
		if diff := cmp.Diff(in.view(t, log), again.view(t, again.results[0].Outcomes[0].Log)); diff != "" {
			t.Errorf("%s: view of the rows (-), of the file (+):\n%s", name, diff)
		}
	}
}

// TestTreeAndDatabaseAreOneSession: a session that was migrated from the tree has
// one log and one view, whatever was imported first.
func TestTreeAndDatabaseAreOneSession(t *testing.T) {
	tree, db := fixture(t, "tree"), ""
	first := newTestImport()
	first.run(t, nil, tree)
	var logs []format.LogID
	for _, r := range first.ok(t).results {
		for _, o := range r.Outcomes {
			if o.Name.Kind == convert.LogSession {
				logs = append(logs, o.Log)
			}
		}
	}
	if len(logs) != 2 {
		t.Fatalf("%d sessions in the tree, want 2", len(logs))
	}
	// The database that the tool would have made of the tree.
	out := &convert.FolderOutput{Dir: t.TempDir()}
	req := convert.ExportRequest{Store: first.store, Log: logs[0], Size: -1, Out: out, Report: new(schema.Fidelity)}
	if err := ExportDatabase(context.Background(), req, logs[1:]...); err != nil {
		t.Fatal(err)
	}
	db = out.Written[0]
	second, third := newTestImport(), newTestImport()
	second.run(t, nil, tree)
	second.run(t, nil, db)
	third.run(t, nil, db)
	third.run(t, nil, tree)
	for _, log := range logs {
		want := first.view(t, log)
		if diff := cmp.Diff(want, second.ok(t).view(t, log)); diff != "" {
			t.Errorf("tree (-), tree then database (+):\n%s", diff)
		}
		if diff := cmp.Diff(want, third.ok(t).view(t, log)); diff != "" {
			t.Errorf("tree (-), database then tree (+):\n%s", diff)
		}
		if !strings.Contains(want, "tool_call(") {
			t.Errorf("the view says little:\n%s", want)
		}
	}
}

// TestSessionsComeToTheirProject: a session of another vendor comes into the project
// in whose folder it is, when a database has rows of both.
func TestSessionsComeToTheirProject(t *testing.T) {
	x := newTestDB(t)
	x.exec(`INSERT INTO project (id, worktree, time_created, time_updated, sandboxes) VALUES ('outer', '/work', 1, 1, '[]'), ('inner', '/work/in', 1, 1, '[]'), ('beside', '/work/in/si', 1, 1, '[]')`)
	for _, id := range []string{"outer", "inner", "beside"} {
		x.session("ses_"+id, "")
		x.exec("UPDATE session SET project_id = ?1 WHERE id = 'ses_' || ?1", id)
	}
	tests := []struct{ folder, project, path string }{
		{"/work/in", "inner", ""},
		{"/work/in/side", "inner", "side"},
		{"/work/inside/deep", "outer", "inside/deep"},
		{"/elsewhere", noProject, ""},
	}
	for _, tt := range tests {
		t.Run(tt.folder, func(t *testing.T) {
			dir := t.TempDir()
			sub, err := fs.Sub(fixtures.FS, codex.Name)
			if err != nil {
				t.Fatal(err)
			}
			copyTree(t, dir, sub)
			in := newTestImport()
			in.run(t, nil, x.path)
			var logs []format.LogID
			_, err = convert.Import(t.Context(), in.store, in.imports, convert.NewRegistry(codex.Vendor{}), convert.ImportOptions{
				Roots: []string{dir}, Progress: func(r convert.FileResult) { in.results = append(in.results, r) },
			})
			if err != nil {
				t.Fatal(err)
			}
			for _, r := range in.results {
				for _, o := range r.Outcomes {
					if o.Name.Kind == convert.LogSession {
						logs = append(logs, o.Log)
					}
				}
			}
			out := &convert.FolderOutput{Dir: t.TempDir()}
			req := convert.ExportRequest{
				Store: in.store, Imports: in.imports, Log: logs[0], Size: -1, Out: out, Report: new(schema.Fidelity),
				Options: map[string]string{OptionCWD: tt.folder, OptionOnly: "transcript"},
			}
			if err := ExportDatabase(t.Context(), req, logs[1:]...); err != nil {
				t.Fatal(err)
			}
			db, err := sql.Open("sqlite", out.Written[0])
			if err != nil {
				t.Fatal(err)
			}
			defer db.Close()
			var sessions, placed int
			if err := db.QueryRow(`SELECT count(*), sum(project_id = ?1 AND coalesce(path, '') = ?2) FROM session WHERE directory = ?3`, tt.project, tt.path, tt.folder).Scan(&sessions, &placed); err != nil {
				t.Fatal(err)
			}
			if sessions == 0 || placed != sessions {
				t.Errorf("%d of %d sessions of %s are in project %s, path %q", placed, sessions, tt.folder, tt.project, tt.path)
			}
		})
	}
}

// TestForeignSessionsBecomeImportFiles exports the recordings of the other
// vendors, checks the files as the tool would, and reads them back: what a model
// is shown must be the same but for what the fidelity report names.
func TestForeignSessionsBecomeImportFiles(t *testing.T) {
	for _, vendor := range []convert.Vendor{claudecode.Vendor{}, codex.Vendor{}} {
		dir := t.TempDir()
		sub, err := fs.Sub(fixtures.FS, vendor.Name())
		if err != nil {
			t.Fatal(err)
		}
		copyTree(t, dir, sub)
		in := newTestImport()
		summary, err := convert.Import(context.Background(), in.store, in.imports, convert.NewRegistry(vendor), convert.ImportOptions{
			Roots: []string{dir}, Progress: func(r convert.FileResult) { in.results = append(in.results, r) },
		})
		if err != nil || summary.Appended == 0 {
			t.Fatalf("%s: %d entries, %v", vendor.Name(), summary.Appended, err)
		}
		for _, r := range in.results {
			for _, o := range r.Outcomes {
				if o.Name.Kind == convert.LogSession {
					t.Run(vendor.Name()+"/"+filepath.Base(r.Path), func(t *testing.T) { checkForeign(t, in, o.Log) })
				}
			}
		}
	}
}

// checkDatabase makes a database of a log that is not OpenCode's and of the sessions
// in it, and compares what our importer reads there with what it reads from the files.
func checkDatabase(t *testing.T, in *testImport, log format.LogID) {
	out, files := &convert.FolderOutput{Dir: t.TempDir()}, &convert.FolderOutput{Dir: t.TempDir()}
	req := convert.ExportRequest{Store: in.store, Log: log, Size: -1, Out: files, Report: new(schema.Fidelity)}
	if err := (Vendor{}).Export(context.Background(), req); err != nil {
		t.Fatal(err)
	}
	req.Out, req.Report = out, new(schema.Fidelity)
	if err := ExportDatabase(context.Background(), req, log); err != nil { // twice: it is in there once
		t.Fatal(err)
	}
	database := newTestImport()
	database.run(t, nil, out.Written[0])
	database.ok(t)
	sessions := 0
	for _, r := range database.results {
		for _, o := range r.Outcomes {
			if o.Name.Kind == convert.LogSession {
				sessions++
			}
		}
	}
	if sessions != len(files.Written) || len(files.Written) == 0 {
		t.Fatalf("%d sessions in the database, %d files", sessions, len(files.Written))
	}
	for _, path := range files.Written {
		id := strings.TrimSuffix(filepath.Base(path), ".json")
		file := newTestImport()
		file.run(t, nil, path)
		if diff := cmp.Diff(file.ok(t).view(t, sessionLogID(id+"/export")), database.view(t, sessionLogID(id))); diff != "" {
			t.Errorf("%s: of the file (-), of the database (+):\n%s", id, diff)
		}
	}
	for _, item := range req.Report.Items() {
		if strings.HasSuffix(item.Code, "-refused") {
			t.Errorf("the database refused a row: %v", item)
		}
	}
}

func checkForeign(t *testing.T, in *testImport, log format.LogID) {
	checkDatabase(t, in, log)
	files, report := in.exported(t, log, map[string]string{OptionOnly: "transcript"})
	again, _ := in.exported(t, log, map[string]string{OptionOnly: "transcript"})
	if !cmp.Equal(files, again) {
		t.Error("two exports differ")
	}
	if len(files) != 1 {
		t.Fatalf("%d files, want 1", len(files))
	}
	for name, file := range files {
		checkFile(t, file)
		path := filepath.Join(t.TempDir(), name)
		writeFile(t, path, file)
		back := newTestImport()
		back.run(t, nil, path)
		if len(back.ok(t).results) == 0 || len(back.results[0].Outcomes) == 0 {
			t.Fatalf("the file was not imported: %+v", back.results)
		}
		want, got := in.said(t, log), back.said(t, back.results[0].Outcomes[0].Log)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("said in the log (-), in the export (+); report %v:\n%s", report.Items(), diff)
		}
	}
}

// said lists the texts, calls and answers that every crossing must keep.
func (in *testImport) said(t *testing.T, log format.LogID) (list []string) {
	events := in.events(t, log)
	var state schema.State
	for i, ev := range events {
		state.Apply(int64(i), ev)
	}
	calls := make(map[schema.CallKey]int)
	for m, err := range state.View(schema.LoadFrom(events)) {
		if err != nil {
			t.Fatal(err)
		}
		if m.Synthetic {
			continue
		}
		for _, p := range append(m.Content, renderedParts(m)...) {
			if p.Type == schema.PartText && (len(m.Rendered) == 0 || p.Name == "rendered") && in.inline(t, p.Text) != "" {
				list = append(list, "said: "+in.inline(t, p.Text))
			}
		}
		for _, b := range m.Blocks {
			switch {
			case b.Type == schema.BlockText && in.inline(t, b.Text) != "":
				list = append(list, "text: "+in.inline(t, b.Text))
			case b.Type == schema.BlockToolCall && b.Kind != schema.CallServer:
				calls[b.CallKey] = len(calls)
				list = append(list, fmt.Sprintf("call %d", calls[b.CallKey]))
			}
		}
		if m.Result != nil {
			if n, ok := calls[m.Result.CallKey]; ok {
				var texts []string
				if m.Result.Content == nil {
					text, err := convert.UnansweredText(t.Context(), in.store, log, m.Result)
					if err != nil {
						t.Fatal(err)
					}
					texts = append(texts, text)
				}
				for _, p := range m.Result.Content {
					if p.Type == schema.PartText {
						texts = append(texts, in.inline(t, p.Text))
					}
				}
				list = append(list, fmt.Sprintf("answer %d: %s", n, strings.Join(texts, "\n")))
			}
		}
	}
	// Answers go in the order of their calls in the target.
	var others, answers []string
	for _, s := range list {
		if strings.HasPrefix(s, "answer ") {
			answers = append(answers, s)
		} else {
			others = append(others, s)
		}
	}
	sortStrings(answers)
	return append(others, answers...)
}

func renderedParts(m schema.Message) (parts []schema.Part) {
	for _, r := range m.Rendered {
		parts = append(parts, schema.Part{Type: schema.PartText, Text: r, Name: "rendered"})
	}
	return parts
}

// inline gives a text that may stand in a blob.
func (in *testImport) inline(t *testing.T, text schema.Text) string {
	t.Helper()
	if text.Blob == nil {
		return text.Inline
	}
	digest, err := convert.BlobDigest(*text.Blob)
	if err != nil {
		t.Fatal(err)
	}
	r, err := in.store.OpenBlob(context.Background(), digest)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	var b bytes.Buffer
	if _, err := b.ReadFrom(r); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// TestForkOfASessionGoesOnAfterItsRows: what was added to a fork follows the rows
// as new messages, and a call answered later has its answer in its part.
func TestForkOfASessionGoesOnAfterItsRows(t *testing.T) {
	dir := fixture(t, "killed")
	in := newTestImport()
	in.run(t, nil, dir)
	var log format.LogID
	for _, r := range in.ok(t).results {
		for _, o := range r.Outcomes {
			if o.Name.Kind == convert.LogSession {
				log = o.Log
			}
		}
	}
	size := int64(len(in.events(t, log)))
	fork := format.NewLogID()
	if err := in.store.CreateFork(context.Background(), fork, log, size); err != nil {
		t.Fatal(err)
	}
	var entries [][]byte
	for _, ev := range []*schema.Event{
		{Actor: schema.Actor{Kind: schema.ActorTool}, Turn: 1, Step: 1, Data: &schema.ToolResult{CallKey: "1/1/0", Status: schema.StatusOK, Content: []schema.Part{schema.TextPart("late answer")}}},
		{Time: "2026-11-24T00:00:00Z", Actor: schema.Actor{Kind: schema.ActorUser}, Turn: 2, Data: &schema.UserMessage{Content: []schema.Part{schema.TextPart("go on")}, Origin: schema.OriginTyped}},
		{Time: "2026-11-24T00:00:01Z", Actor: schema.Actor{Kind: schema.ActorModel}, Turn: 2, Step: 1, Data: &schema.ModelOutput{Provider: "fake", Model: "m1", Blocks: []schema.Block{{Type: schema.BlockText, Text: schema.String("gone on")}}}},
	} {
		b, err := schema.Encode(nil, ev)
		if err != nil {
			t.Fatal(err)
		}
		entries = append(entries, b)
	}
	if _, err := in.store.Append(context.Background(), fork, size, entries); err != nil {
		t.Fatal(err)
	}
	files, _ := in.exported(t, fork, nil)
	if len(files) != 1 {
		t.Fatalf("%d files, want 1", len(files))
	}
	for name, file := range files {
		checkFile(t, file)
		path := filepath.Join(t.TempDir(), name)
		writeFile(t, path, file)
		back := newTestImport()
		back.run(t, nil, path)
		if diff := cmp.Diff(in.said(t, fork), back.ok(t).said(t, back.results[0].Outcomes[0].Log)); diff != "" {
			t.Errorf("said in the fork (-), in the export (+):\n%s", diff)
		}
	}
}
