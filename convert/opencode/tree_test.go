package opencode

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ownlog/ownlog/convert"
	"github.com/ownlog/ownlog/schema"
)

// smallTree writes a session as releases before 1.2 kept it, and returns its files
// by table.
func smallTree(t testing.TB, text string) (root string, files map[string]string) {
	t.Helper()
	root = filepath.Join(t.TempDir(), treeFolder)
	u, a := madeID("msg", 0), madeID("msg", 10)
	put := func(content string, path ...string) string {
		full := filepath.Join(append([]string{root}, path...)...)
		if err := os.MkdirAll(filepath.Dir(full), 0o700); err != nil {
			t.Fatal(err)
		}
		writeFile(t, full, content)
		return full
	}
	return root, map[string]string{
		tableSession: put("{\n  \"id\": \"ses_a\",\n  \"projectID\": \"p\",\n  \"directory\": \"/w\",\n  \"title\": \"Title\",\n  \"version\": \"1.1.0\",\n  \"time\": {\"created\": 1, \"updated\": 2}\n}\n", tableSession, "p", "ses_a.json"),
		tableMessage: put(string(withIDs([]byte(userData), u, "ses_a", "")), tableMessage, "ses_a", u+".json"),
		"assistant":  put(string(withIDs([]byte(assistantOf(u)), a, "ses_a", ""))+"\n", tableMessage, "ses_a", a+".json"),
		tablePart:    put(`{"id":"`+madeID("prt", 1)+`","sessionID":"ses_a","messageID":"`+u+`","type":"text","text":"hello"}`, tablePart, u, madeID("prt", 1)+".json"),
		"tool": put(`{"id":"`+madeID("prt", 12)+`","sessionID":"ses_a","messageID":"`+a+`","type":"tool","tool":"bash","callID":"c","state":{"status":"completed","input":{"command":"ls"},"output":"`+text+`","time":{"start":1,"end":2}}}`+"\n",
			tablePart, a, madeID("prt", 12)+".json"),
	}
}

// TestTreeFilesTooBigForMemory: they are streamed, mean what they would mean if
// they were small, and come back byte for byte.
func TestTreeFilesTooBigForMemory(t *testing.T) {
	const limit = 512 << 10
	output := strings.Repeat("much output, é\\n", 60<<10)
	root, files := smallTree(t, output)
	big := newTestImport()
	big.vendor.limit = limit
	big.run(t, nil, root)
	small := newTestImport()
	small.run(t, nil, root)
	log := sessionLogID("ses_a")
	if diff := cmp.Diff(small.ok(t).said(t, log), big.ok(t).said(t, log)); diff != "" {
		t.Errorf("read whole (-), as a stream (+):\n%s", diff)
	}
	want, err := os.ReadFile(files["tool"])
	if err != nil || len(want) <= limit {
		t.Fatalf("%d bytes, want more than %d: %v", len(want), limit, err)
	}
	found := false
	err = convert.LatestRows(context.Background(), big.store, log, -1, func(row schema.Row, record []byte) error {
		found = found || string(record) == string(want)
		return nil
	})
	if err != nil || !found {
		t.Errorf("the file is not kept as it is: %v", err)
	}
	streamed, _ := big.exported(t, log, nil)
	if wholeFile, _ := small.exported(t, log, nil); streamed["ses_a.json"] != wholeFile["ses_a.json"] {
		t.Error("exported as a stream and from memory, the session is not the same")
	}
	database := &convert.FolderOutput{Dir: t.TempDir()}
	if err := ExportDatabase(context.Background(), convert.ExportRequest{Store: big.store, Log: log, Size: -1, Out: database, Report: new(schema.Fidelity)}); err != nil {
		t.Fatal(err)
	}
	both := newTestImport() // the rows of the database count, its big ones too
	both.run(t, nil, database.Written[0])
	both.run(t, nil, root)
	if diff := cmp.Diff(small.said(t, log), both.ok(t).said(t, log)); diff != "" {
		t.Errorf("of the tree (-), of a database made of it and the tree (+):\n%s", diff)
	}
	size := len(big.events(t, log))
	writeFile(t, filepath.Join(root, tableMessage, "ses_a", "msg_new.json"), `{"role":`) // so that the tree is read again
	big.run(t, nil, root)
	if again := len(big.events(t, log)); again != size+1 {
		t.Errorf("one new file added %d entries", again-size)
	}
	writeFile(t, files["tool"], strings.TrimSuffix(string(want), "}}\n"))
	damaged := newTestImport()
	damaged.vendor.limit = limit
	damaged.run(t, nil, root)
	if got := damaged.ok(t).findings()["file-not-json"]; got != 2 {
		t.Errorf("%d files that are no JSON, want 2", got)
	}
}

// brokenFiles is OpenCode on a disk of which some files cannot be read.
type brokenFiles struct {
	Vendor
	broken map[string]bool // by path
}

var errBroken = errors.New("input/output error")

func (v brokenFiles) Import(ctx context.Context, m *convert.Mirror, src convert.Source) error {
	open := src.Open
	src.Open = func(ctx context.Context, f convert.File) (io.ReadCloser, error) {
		if v.broken[f.Path] {
			return nil, errBroken
		}
		return open(ctx, f)
	}
	return v.Vendor.Import(ctx, m, src)
}

// TestTreeFileThatCannotBeRead: it fails alone, the others are imported, nothing
// is said to be gone, and it is imported once it can be read.
func TestTreeFileThatCannotBeRead(t *testing.T) {
	for _, which := range []string{tableSession, tableMessage, "assistant", tablePart, "tool"} {
		root, files := smallTree(t, "out")
		log := sessionLogID("ses_a")
		whole := newTestImport()
		whole.run(t, nil, root)
		want := whole.ok(t).folded(t, log)
		for _, limit := range []int64{0, 10} {
			in := newTestImport()
			in.vendor.limit = limit
			run := func(broken string) {
				in.results = nil
				summary, err := convert.Import(context.Background(), in.store, in.imports, convert.NewRegistry(brokenFiles{in.vendor, map[string]bool{broken: true}}), convert.ImportOptions{
					Roots: []string{root}, Progress: func(r convert.FileResult) { in.results = append(in.results, r) },
				})
				if err != nil {
					t.Fatal(err)
				}
				in.summary = summary
			}
			run(files[which])
			for _, r := range in.results {
				failed := r.Path == files[which]
				if (r.Status == convert.FileFailed) != failed || failed && !errors.Is(r.Err, errBroken) || !failed && r.Status != convert.FileImported {
					t.Errorf("%s cannot be read, %s: %s %s", which, filepath.Base(r.Path), r.Status, r.Reason)
				}
			}
			outcomes := 0
			for _, r := range in.results {
				outcomes += len(r.Outcomes)
			}
			if outcomes != 1 || in.summary.Complete() {
				t.Errorf("%s cannot be read: %d outcomes, complete %t", which, outcomes, in.summary.Complete())
			}
			rows := 0
			err := convert.LatestRows(context.Background(), in.store, log, -1, func(schema.Row, []byte) error { rows++; return nil })
			if err != nil || rows != len(files)-1 {
				t.Errorf("%s cannot be read: %d rows of the others, want %d: %v", which, rows, len(files)-1, err)
			}
			run("")
			if diff := cmp.Diff(want, in.ok(t).folded(t, log)); diff != "" && limit == 0 {
				t.Errorf("%s could not be read at first; view: want (-), got (+):\n%s", which, diff)
			}
		}
	}
}
