package claudecode

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"github.com/ownlog/ownlog/convert"
)

// mirror imports content as one file and gives it back.
func mirror(t testing.TB, content []byte, final bool) (convert.Outcome, []byte) {
	t.Helper()
	store := newTestStore()
	m := convert.NewMirror(&store.MemStore, store.imports, false)
	out, err := m.MirrorTranscript(t.Context(), convert.Transcript{
		Vendor: Name, Path: "x.jsonl", Content: bytes.NewReader(content), Final: final,
		Identify:  identifyRecord,
		NewMapper: func(f convert.Findings) convert.Mapper { return newMapper(f) },
	})
	if errors.Is(err, convert.ErrNothing) {
		return out, content // the file waits, no log is made
	}
	if err != nil {
		t.Fatal(err)
	}
	files, _ := store.export(t, out.Log, out.Head.Size, nil)
	for _, back := range files {
		return out, []byte(back)
	}
	t.Fatal("nothing comes back")
	return out, nil
}

// TestDamagedInput: what can be read is read, and every byte comes back.
func TestDamagedInput(t *testing.T) {
	const (
		one = `{"type":"user","uuid":"a","parentUuid":null,"sessionId":"s","message":{"role":"user","content":"one"}}`
		two = `{"type":"user","uuid":"b","parentUuid":"a","sessionId":"s","message":{"role":"user","content":"two"}}`
	)
	for _, test := range []struct {
		name, content string
		records       int64
		finding       string // and where; empty: none
	}{
		{"whole", one + "\n" + two + "\n", 2, ""},
		{"torn last line", one + "\n" + two[:40], 1, ""},
		{"no final newline", one + "\n" + two, 2, ""},
		{"NUL block", one + "\n" + strings.Repeat("\x00", 600) + "\n" + two + "\n", 3, "damaged-record line 2, offset 103"},
		{"glued on one line", one + two + "\n", 2, "glued-records line 1, offset 102"},
		{"lone surrogate", strings.Replace(one, "one", `\ud800`, 1) + "\n" + two + "\n", 2, "lone-surrogate line 1, offset 0"},
		{"invalid UTF-8", strings.Replace(one, "one", "\xff\xfe", 1) + "\n" + two + "\n", 2, "invalid-utf8 line 1, offset 0"},
		{"duplicate uuid", one + "\n" + one + "\n", 2, FindingDuplicate + " line 2, offset 103"},
		{"dangling parent", two + "\n", 1, FindingDangling + " line 1, offset 0"},
		{"cycle", strings.Replace(one, "null", `"b"`, 1) + "\n" + two + "\n", 2, FindingCycle + " line 1, offset 0"},
		{"CRLF, BOM and blank lines", "\xef\xbb\xbf" + one + "\r\n\r\n \t" + two + "\r\n", 2, "odd-separator line 1, offset 3"},
		{"garbage line", one + "\nnot JSON\n" + two + "\n", 3, "damaged-record line 2, offset 103"},
		{"array line", one + "\n[1,2]\n" + two + "\n", 3, "damaged-record line 2, offset 103"},
		{"over several lines", strings.ReplaceAll(one, ",", ",\n") + "\n" + two + "\n", 2, ""},
		{"wrong types", `{"type":"assistant","message":[],"uuid":3}` + "\n" + two + "\n", 2, FindingUnexpected + " line 1, offset 0"},
		{"deep nesting", `{"type":"user","sessionId":"s","message":{"content":[{"type":"x","y":` + strings.Repeat("[", 500) + strings.Repeat("]", 500) + `}]}}` + "\n", 1, ""},
		{"a long damaged line before the one that names the session", strings.Repeat("y", 1<<20+1) + "\n" + two + "\n", 2, "damaged-record line 1, offset 0"},
		{"long line", `{"type":"user","sessionId":"s","message":{"content":"` + strings.Repeat("long", 500_000) + `"}}` + "\n" + two, 2, FindingDangling + " line 2, offset 2000057"},
	} {
		out, back := mirror(t, []byte(test.content), false)
		if !bytes.Equal(back, []byte(test.content)) {
			t.Errorf("%s: %q comes back as %q", test.name, clip(test.content), clip(string(back)))
		}
		if out.Records != test.records {
			t.Errorf("%s: %d records, want %d", test.name, out.Records, test.records)
		}
		var found bool
		for _, f := range out.Findings {
			found = found || f.Code+" "+f.Where == test.finding
		}
		if test.finding != "" && !found || test.finding == "" && len(out.Findings) > 0 {
			t.Errorf("%s: want finding %q, got %+v", test.name, test.finding, out.Findings)
		}
	}
}

func clip(s string) string { return s[:min(len(s), 200)] }

// FuzzRoundTrip: import and export are the identity on any bytes.
func FuzzRoundTrip(f *testing.F) {
	for _, content := range transcripts(f) {
		f.Add(content[:min(len(content), 2000)], false)
	}
	f.Add([]byte("{}\r\n\x00{\"type\":\"user\",\"message\":{}}{}x"), true)
	f.Fuzz(func(t *testing.T, content []byte, final bool) {
		if _, back := mirror(t, content, final); !bytes.Equal(back, content) {
			t.Errorf("%q comes back as %q", content, back)
		}
	})
}

// TestMirrorInSteps: a transcript imported at every line end and at once gives one
// head.
func TestMirrorInSteps(t *testing.T) {
	for name, content := range transcripts(t) {
		atOnce, _ := mirror(t, content, false)
		store := newTestStore()
		m := convert.NewMirror(&store.MemStore, store.imports, false)
		var last convert.Outcome
		for end := range content {
			if end != len(content)-1 && (content[end] != '\n' || end%7 != 0) {
				continue
			}
			var err error
			last, err = m.MirrorTranscript(t.Context(), convert.Transcript{
				Vendor: Name, Path: "x.jsonl", Content: bytes.NewReader(content[:end+1]),
				Identify:  identifyRecord,
				NewMapper: func(f convert.Findings) convert.Mapper { return newMapper(f) },
			})
			if err != nil && !errors.Is(err, convert.ErrNothing) {
				t.Fatal(err)
			}
		}
		if last.Head != atOnce.Head {
			t.Errorf("%s: %s in steps, %s at once", name, last.Head, atOnce.Head)
		}
	}
}
