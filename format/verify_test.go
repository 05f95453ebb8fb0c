package format_test

import (
	"bytes"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ownlog/ownlog/format"
	"github.com/ownlog/ownlog/format/storetest"
)

// verify returns the report and the problems, one a line.
func verify(t *testing.T, s *format.DirStore, log format.LogID, opts format.VerifyOptions) (format.VerifyReport, string) {
	t.Helper()
	var problems strings.Builder
	opts.Problem = func(p format.Problem) { fmt.Fprintf(&problems, "%s %s: %v\n", p.Severity, p.Rule, p.CorruptError) }
	r, err := s.Verify(t.Context(), log, opts)
	if err != nil {
		t.Fatalf("verify: %v", err)
	}
	return r, problems.String()
}

// mustVerify fails the test unless the log is whole and has exactly those entries.
func mustVerify(t *testing.T, s *format.DirStore, log format.LogID, entries [][]byte) {
	t.Helper()
	want := format.Head{Log: log, Size: int64(len(entries)), Root: storetest.Root(entries)}
	r, problems := verify(t, s, log, format.VerifyOptions{Strict: true, Expect: []format.Head{want}})
	if !r.OK() || r.Head != want || problems != "" {
		t.Fatalf("verify: %s, head %s, want %s; problems:\n%s", r.Status, r.Head, want, problems)
	}
}

// variedStore makes a store with everything in it that verification looks at: a
// parent of sealed, closed and open segments, a fork inside its middle, a blob.
func variedStore(t *testing.T, dir string) (logs []format.LogID, want map[format.LogID][][]byte) {
	t.Helper()
	s := openDir(t, dir, format.WithoutSync(), format.WithRollSize(300))
	digest, n, err := s.PutBlob(t.Context(), strings.NewReader(strings.Repeat("blob", 50)))
	if err != nil {
		t.Fatal(err)
	}
	parent, entries := format.NewLogID(), shortEntries(14)
	entries[3] = fmt.Appendf(nil, `{"v":1,"type":"x.image","time":"2026-01-02T03:04:05.67Z","data":{"image":{"blob":"sha256:%s","size":%d}}}`, digest, n)
	for i := range 8 {
		storetest.MustAppend(t, s, parent, int64(i), entries[i:i+1])
	}
	if _, err := s.Seal(t.Context(), parent); err != nil {
		t.Fatal(err)
	}
	for i := 8; i < 14; i += 2 {
		storetest.MustAppend(t, s, parent, int64(i), entries[i:i+2])
	}
	child := format.NewLogID()
	if err := s.CreateFork(t.Context(), child, parent, 5); err != nil {
		t.Fatal(err)
	}
	own := storetest.Entries("b", 4)
	storetest.MustAppend(t, s, child, 5, own)
	return []format.LogID{parent, child}, map[format.LogID][][]byte{parent: entries, child: append(append([][]byte(nil), entries[:5]...), own...)}
}

// shortEntries keeps a test that goes through every byte short.
func shortEntries(n int) [][]byte {
	entries := make([][]byte, n)
	for i := range entries {
		entries[i] = fmt.Appendf(nil, `{"type":"x","n":%d}`, i)
	}
	return entries
}

func TestVerifyWholeStore(t *testing.T) {
	dir := t.TempDir()
	logs, want := variedStore(t, dir)
	s := openDir(t, dir, format.ReadOnly())
	for _, log := range logs {
		mustVerify(t, s, log, want[log])
	}
}

// TestVerifyFindsEveryFlippedByte flips a bit of every byte of every file, one
// at a time.
func TestVerifyFindsEveryFlippedByte(t *testing.T) {
	dir := t.TempDir()
	logs, _ := variedStore(t, dir)
	s := openDir(t, dir, format.ReadOnly())
	rng := rand.New(rand.NewPCG(1, 2))
	files := 0
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || d.Name() == "lock" {
			return err
		}
		files++
		owner := logs[0] // also of the blob
		if filepath.Base(filepath.Dir(path)) == logs[1].String() {
			owner = logs[1]
		}
		content, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		defer func() { writeFile(t, path, content) }()
		for i := range content {
			flipped := bytes.Clone(content)
			flipped[i] ^= 1 << rng.IntN(8)
			writeFile(t, path, flipped)
			if r, _ := verify(t, s, owner, format.VerifyOptions{}); r.OK() {
				t.Errorf("%s: byte %d of %d changed from %q to %q, and verify found nothing", d.Name(), i, len(content), content[i], flipped[i])
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if files < 6 {
		t.Errorf("only %d files were tried: the store has lost its variety", files)
	}
}

func writeFile(t *testing.T, path string, b []byte) {
	t.Helper()
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
}

// TestVerifySaysWhere checks the place that is reported.
func TestVerifySaysWhere(t *testing.T) {
	dir := t.TempDir()
	s := openDir(t, dir, format.WithoutSync())
	log, entries := format.NewLogID(), storetest.Entries("a", 20)
	storetest.MustAppend(t, s, log, 0, entries)
	path := filepath.Join(dir, "logs", log.String(), "0000000000000000.jsonl")
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	at := bytes.Index(content, []byte(`"a 7"`))
	content[at+1] = 'b'
	writeFile(t, path, content)
	var got []format.Problem
	r, err := s.Verify(t.Context(), log, format.VerifyOptions{Problem: func(p format.Problem) { got = append(got, p) }})
	if err != nil {
		t.Fatal(err)
	}
	if r.Status != format.SeverityCorrupt || r.Head.Size != 7 || len(got) != 1 {
		t.Fatalf("%+v, problems %v", r, got)
	}
	line := int64(bytes.LastIndexByte(content[:at], '\n') + 1)
	if p := got[0]; p.Path != path || p.Offset != line || p.Line != 9 || p.Seq != 7 || p.Rule != "line-crc" || p.Want == "" || p.Got == "" {
		t.Errorf("problem is %+v, want line 9 at byte %d, entry 7", p.CorruptError, line)
	}
}
