package opencode

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/google/go-cmp/cmp"

	"github.com/ownlog/ownlog/convert"
	"github.com/ownlog/ownlog/schema"
)

// exportText is a session of one long answer as `opencode export` prints it.
func exportText(t testing.TB, pretty bool) string {
	t.Helper()
	u, a := madeID("msg", 0), madeID("msg", 10)
	withID := func(data, id, message string) string {
		return string(withIDs(jsontext.Value(data), id, "ses_a", message))
	}
	parts := []string{withID(`{"type":"step-start"}`, madeID("prt", 11), a)}
	for i := range int64(30) {
		parts = append(parts, withID(fmt.Sprintf(`{"type":"text","text":"%d é \"quoted\" } ] \\"}`, i), madeID("prt", 12+i), a))
	}
	long := strings.Repeat("much output, with \\\"quotes\\\" and \\ud83d\\ude00\\n", 12000)
	parts = append(parts, withID(`{"type":"tool","tool":"bash","callID":"c","state":{"status":"completed","input":{"command":"`+long+`"},"output":"`+long+`","time":{"start":1,"end":2}}}`, madeID("prt", 60), a))
	text := `{"info":{"id":"ses_a","slug":"s","projectID":"p","directory":"/w","title":"Title","version":"1.18.33","time":{"created":1,"updated":2}},"messages":[` +
		`{"info":` + withID(userData, u, "") + `,"parts":[` + withID(`{"type":"text","text":"hello"}`, madeID("prt", 1), u) + `]},` +
		`{"info":` + withID(assistantOf(u), a, "") + `,"parts":[` + strings.Join(parts, ",") + `]},` +
		`{"info":` + withID(userData, madeID("msg", 99), "") + `,"parts":[],"odd":[1,{"x":"]}"}]}],"later":true}`
	if !pretty {
		return text + "\n"
	}
	v := jsontext.Value(text)
	if err := v.Indent(jsontext.WithIndent("  "), jsontext.PreserveRawStrings(true)); err != nil {
		t.Fatal(err)
	}
	return string(v) + "\n\n"
}

// importExport imports one export file, read as a whole or piece by piece.
func importExport(t testing.TB, content string, pieces, final bool) *testImport {
	t.Helper()
	path := filepath.Join(t.TempDir(), "export.json")
	writeFile(t, path, content)
	in := newTestImport()
	if pieces {
		in.vendor.exportLimit, in.vendor.limit = 1000, 256<<10
	}
	in.runWith(t, convert.ImportOptions{Roots: []string{path}, Final: final})
	return in
}

// TestLongExportFilesAreUnderstood: a file that is too long for one record gives
// the same view as one that is not, and comes back byte for byte, from its log
// alone but for the bytes after its last brace.
func TestLongExportFilesAreUnderstood(t *testing.T) {
	for _, pretty := range []bool{false, true} {
		content := exportText(t, pretty)
		log := sessionLogID("ses_a/export")
		whole, pieces := importExport(t, content, false, false).ok(t), importExport(t, content, true, false).ok(t)
		if diff := cmp.Diff(whole.said(t, log), pieces.said(t, log)); diff != "" {
			t.Errorf("pretty %t: read as one record (-), in pieces (+):\n%s", pretty, diff)
		}
		if !strings.Contains(strings.Join(pieces.said(t, log), "\n"), "much output") {
			t.Error("the view does not hold the long output")
		}
		if diff := cmp.Diff(whole.findings(), pieces.findings()); diff != "" {
			t.Errorf("findings: as one record (-), in pieces (+):\n%s", diff)
		}
		checkCallKeys(t, pieces.events(t, log))
		records := 0
		for _, ev := range pieces.events(t, log) {
			if ev.Source.Part == 0 {
				records++
			}
		}
		if want := 1 + 3 + 1 + 32 + 1; records != want {
			t.Errorf("%d records, want %d: session, messages, parts and the last brace", records, want)
		}
		back, report := pieces.exported(t, log, nil)
		if back["session.json"] != content {
			t.Errorf("pretty %t: the file did not come back as it was", pretty)
		}
		if lost := report.Count(schema.Dropped); lost != 0 {
			t.Errorf("%d losses: %v", lost, report.Items())
		}
		pieces.imports = nil
		if back, _ := pieces.exported(t, log, nil); strings.TrimSpace(back["session.json"]) != strings.TrimSpace(content) {
			t.Error("the file did not come back from its log alone")
		}
		database := &convert.FolderOutput{Dir: t.TempDir()}
		if err := ExportDatabase(context.Background(), convert.ExportRequest{Store: pieces.store, Log: log, Size: -1, Out: database, Report: new(schema.Fidelity)}); err != nil {
			t.Fatal(err)
		}
		again := newTestImport()
		again.run(t, nil, database.Written[0])
		if diff := cmp.Diff(whole.said(t, log), again.ok(t).said(t, sessionLogID("ses_a"))); diff != "" {
			t.Errorf("of the file (-), of a database made of it (+):\n%s", diff)
		}
	}
}

// TestLongExportInSteps: whatever of a long file is there, an import of it gives a
// prefix of what the whole file gives, and the rest is taken up later.
func TestLongExportInSteps(t *testing.T) {
	content := exportText(t, true)
	whole := importExport(t, content, true, false).ok(t)
	log := sessionLogID("ses_a/export")
	want := whole.results[0].Outcomes[0].Head
	path := filepath.Join(t.TempDir(), "export.json")
	grown := newTestImport()
	grown.vendor.exportLimit, grown.vendor.limit = 1000, 256<<10
	for cut := 1; cut < len(content); cut += 1 + cut/4 {
		writeFile(t, path, content[:cut])
		grown.run(t, nil, path)
		inside := strings.Contains(content[cut:], "much output") && strings.Contains(content[:cut], "much output")
		if r := grown.results[0]; r.Status == convert.FileFailed && (!inside || !strings.Contains(r.Reason, "ends inside a value")) {
			t.Fatalf("cut at %d: %s", cut, r.Reason)
		}
	}
	writeFile(t, path, content)
	grown.run(t, nil, path)
	if got := grown.ok(t).results[0].Outcomes[0].Head; got != want {
		t.Errorf("in steps %s, at once %s", got, want)
	}
	if back, _ := grown.exported(t, log, nil); back["session.json"] != content {
		t.Error("the file did not come back as it was")
	}
}

// TestDamagedLongExports: what can be read is, and every byte comes back.
func TestDamagedLongExports(t *testing.T) {
	good := exportText(t, false)
	at := strings.Index(good, `{"type":"text","text":"7 `)
	odd := strings.Repeat(`"\"x ]",`, 400<<10/8) // longer than what stands in an entry, shorter than a piece
	tests := []struct {
		name, content string
		final         bool
		texts         int // of the thirty
		findings      map[string]int64
	}{
		{"cut inside a part", good[:at+10], true, 7, map[string]int64{"damaged-record": 1}},
		{"cut inside a long value", good[:strings.LastIndex(good, "much output")], true, 30, map[string]int64{"damaged-record": 1}},
		{"a part is no JSON", strings.Replace(good, `"text":"7 `, `"text":7 "7 `, 1), false, 29, map[string]int64{"file-not-json": 1}},
		{"the form is lost", good[:at] + `;` + good[at:], false, 7, map[string]int64{"damaged-record": 2}},
		{"text behind", good + "{\"more\":1}\ntext\n", false, 30, map[string]int64{"damaged-record": 1}},
		{"much of something else", strings.Replace(good, `"messages":[`, `"other":[`+odd+odd+odd+`0],"messages":[`, 1), false, 30, map[string]int64{}},
		{"bytes that are not UTF-8 between", strings.Replace(good, `"messages":[`, "\"x\":\"\xff\",\"messages\":[", 1), false, 30, map[string]int64{"invalid-utf8": 1}},
		{"a byte order mark", "\xef\xbb\xbf" + good, false, 30, map[string]int64{}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			in := importExport(t, tt.content, true, tt.final).ok(t)
			log := in.results[0].Outcomes[0].Log
			if want := sessionLogID("ses_a/export"); log != want {
				t.Errorf("log %s, want %s", log, want)
			}
			texts := 0
			for _, s := range in.said(t, log) {
				if strings.Contains(s, `é "quoted"`) {
					texts++
				}
			}
			if texts != tt.texts {
				t.Errorf("%d texts, want %d", texts, tt.texts)
			}
			if diff := cmp.Diff(tt.findings, in.findings()); diff != "" {
				t.Errorf("findings: want (-), got (+):\n%s", diff)
			}
			if back, _ := in.exported(t, log, nil); back["session.json"] != tt.content {
				t.Errorf("the file did not come back as it was")
			}
		})
	}
}

// FuzzExportReader: separators, records and end are the bytes of the source,
// whatever it is, and no record is longer than the limit allows.
func FuzzExportReader(f *testing.F) {
	for _, s := range []string{
		`{"info":{"id":"a"},"messages":[{"info":{"id":"m"},"parts":[{"id":"p"},{}]},{}]}`, "{\"info\" : 1 ,\n\"x\":[[]],\"messages\":[]} \n", `{}`, `{"info":"` + strings.Repeat("x", 300) + `"}`,
		"\xef\xbb\xbf{\"a\":\"\xff\",\"info\":{}}", `{"messages":[{"info":{},"parts":[1,"]",null`, `[]`, ``, `{"in\u0066o":{"a":"\\\""}}tail`, "\n0",
	} {
		f.Add(s, true)
		f.Add(s, false)
	}
	f.Fuzz(func(t *testing.T, s string, final bool) {
		stored := make(map[string][]byte)
		var mu sync.Mutex
		put := func(r io.Reader) (schema.Blob, error) {
			b, err := io.ReadAll(r)
			ref := convert.NewBlob(b, "").Ref
			mu.Lock()
			defer mu.Unlock()
			stored[ref.Digest] = b
			return ref, err
		}
		r := newExportReader(context.Background(), strings.NewReader(s), final, 64, put)
		defer r.Close()
		var got bytes.Buffer
		for {
			rec, err := r.Next()
			if err == io.EOF {
				got.Write(r.End())
				break
			}
			if err != nil {
				if final || !strings.Contains(err.Error(), "ends inside a value") {
					t.Fatal(err)
				}
				return
			}
			if int64(got.Len()+len(rec.Sep)) != rec.Offset {
				t.Fatalf("a record at byte %d says that it is at %d", got.Len()+len(rec.Sep), rec.Offset)
			}
			got.Write(rec.Sep)
			if want := int64(1 + bytes.Count(got.Bytes(), []byte{'\n'})); rec.Line != want {
				t.Fatalf("a record on line %d says that it is on %d", want, rec.Line)
			}
			if rec.Stored != nil {
				got.Write(stored[rec.Stored.Digest])
			}
			got.Write(rec.Bytes)
		}
		if got.String() != s || r.Size() != int64(len(s)) {
			t.Fatalf("got %q", got.String())
		}
	})
}
