package conformance

import (
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/ownlog/ownlog/format"
)

// soakRounds returns few, or what the environment variable OWNLOG_SOAK says.
func soakRounds(t *testing.T, few int) int {
	t.Helper()
	text := os.Getenv("OWNLOG_SOAK")
	if text == "" {
		return few
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 {
		t.Fatalf("OWNLOG_SOAK=%q: want a number of rounds", text)
	}
	return n
}

// words is text that compresses like a session does.
func words(rng *rand.Rand, n int) string {
	vocabulary := strings.Fields(`the agent reads a file and runs the tests func return error
		string if err != nil package main import fmt context 0x7f stdout exit status build cache go vet line
		{"path" "content" "offset" "limit"} [ ] => -> // see above`)
	var b strings.Builder
	for b.Len() < n {
		b.WriteString(vocabulary[rng.IntN(len(vocabulary))])
		b.WriteByte(' ')
	}
	return strings.ReplaceAll(b.String()[:n], `"`, `\"`)
}

func noteEntry(rng *rand.Rand, i, size int) []byte {
	return fmt.Appendf(nil, `{"v":1,"type":"note.added","time":"2026-01-02T03:%02d:%02dZ","actor":{"kind":"user"},"id":"%022d","data":{"text":"%s"}}`,
		i/60%60, i%60, i, words(rng, size))
}

// flipStore makes a store with a log of which sealed bytes of text are sealed
// and some are not, a blob and a fork; it returns the log and the fork.
func flipStore(t *testing.T, dir string, rng *rand.Rand, sealed int) (log, child format.LogID) {
	t.Helper()
	s, err := format.OpenDirStore(dir, format.WithoutSync(), format.WithRollSize(10<<20))
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	log, child = format.DeriveLogID("flips"), format.DeriveLogID("flips, forked")
	at := int64(0)
	put := func(log format.LogID, at int64, n, size int) int64 {
		var batch [][]byte
		for range n {
			batch = append(batch, noteEntry(rng, int(at)+len(batch), size))
		}
		next, err := s.Append(t.Context(), log, at, batch)
		if err != nil {
			t.Fatal(err)
		}
		return next
	}
	for at*600 < int64(sealed) {
		at = put(log, at, 100, 500)
	}
	if _, err := s.Seal(t.Context(), log); err != nil {
		t.Fatal(err)
	}
	digest, size, err := s.PutBlob(t.Context(), strings.NewReader(words(rng, 20_000)))
	if err != nil {
		t.Fatal(err)
	}
	reference := fmt.Appendf(nil, `{"v":1,"type":"user.message","actor":{"kind":"user"},"data":{"content":[{"type":"image","blob":{"blob":"sha256:%s","size":%d}}]}}`, digest, size)
	if at, err = s.Append(t.Context(), log, at, [][]byte{reference}); err != nil {
		t.Fatal(err)
	}
	for range 10 {
		at = put(log, at, 3, 200)
	}
	if err := s.CreateFork(t.Context(), child, log, at-5); err != nil {
		t.Fatal(err)
	}
	forked := at - 5
	for range 5 {
		forked = put(child, forked, 2, 100)
	}
	return log, child
}

// Any flipped bit of any file that carries something is found, and none is
// taken for a torn tail. OWNLOG_SOAK says how many bits are flipped.
func TestFlips(t *testing.T) {
	rng := rand.New(rand.NewPCG(11, 13))
	dir := t.TempDir()
	flips, sealed := soakRounds(t, 200), 100_000
	if flips > 200 {
		sealed = 6_000_000 // two frames
	}
	log, child := flipStore(t, dir, rng, sealed)
	s, err := format.OpenDirStore(dir, format.ReadOnly())
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	status := func(log format.LogID) format.Severity {
		r, err := s.Verify(t.Context(), log, format.VerifyOptions{})
		if err != nil {
			t.Fatal(err)
		}
		return r.Status
	}
	for _, id := range []format.LogID{log, child} {
		if got := status(id); got != format.SeverityOK {
			t.Fatalf("before any flip %v is %v", id, got)
		}
	}
	files := carriers(t, dir)
	for range flips {
		path := files[rng.IntN(len(files))]
		size := fileSize(t, path)
		at := rng.Int64N(size)
		if rng.IntN(2) == 0 { // headers, indexes, seek tables and tails are small
			at = size - 1 - rng.Int64N(min(size, 4096))
		}
		bit := byte(1) << rng.IntN(8)
		owner := log
		if strings.Contains(path, child.String()) {
			owner = child
		}
		flip(t, path, at, bit)
		if got := status(owner); got != format.SeverityCorrupt && got != format.SeverityUnsupported {
			t.Errorf("%s: bit %#02x of byte %d flipped, and the log is %v", filepath.Base(path), bit, at, got)
		}
		flip(t, path, at, bit)
	}
	t.Logf("%d bits flipped in %d files", flips, len(files))
}

// carriers are the files that carry a part of a log: segments and blobs.
func carriers(t *testing.T, dir string) []string {
	t.Helper()
	var files []string
	var forms string
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		name := d.Name()
		if strings.HasSuffix(name, ".jsonl") || strings.HasSuffix(name, ".zst") || len(name) == 64 {
			files = append(files, path)
			forms += filepath.Ext(name) + " "
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(files) < 4 || !strings.Contains(forms, ".zst") || !strings.Contains(forms, ".jsonl") {
		t.Fatalf("the store lacks variety: %s", forms)
	}
	return files
}

func fileSize(t *testing.T, path string) int64 {
	t.Helper()
	st, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	return st.Size()
}

// flip changes a bit of a file in place; twice is as before.
func flip(t *testing.T, path string, at int64, bit byte) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var b [1]byte
	if _, err := f.ReadAt(b[:], at); err != nil {
		t.Fatal(err)
	}
	b[0] ^= bit
	if _, err := f.WriteAt(b[:], at); err != nil {
		t.Fatal(err)
	}
}
