package format_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ownlog/ownlog/format"
	"github.com/ownlog/ownlog/format/storetest"
)

func gapEntry(seq int64, _ string) ([]byte, error) {
	return fmt.Appendf(nil, `{"type":"log.gap","data":{"seq":%d}}`, seq), nil
}

// flip changes one bit of a file where text stands.
func flip(t *testing.T, path string, text string) {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	i := bytes.Index(b, []byte(text))
	if i < 0 {
		t.Fatalf("%s does not hold %q", path, text)
	}
	b[i] ^= 1
	writeFile(t, path, b)
}

func TestRecover(t *testing.T) {
	const n = 60
	entries := storetest.Entries("a", n)
	tests := []struct {
		name   string
		seal   bool
		damage func(t *testing.T, dir string)
		lost   []int64
	}{
		{"nothing", false, func(*testing.T, string) {}, nil},
		{"a line of a closed segment", false, func(t *testing.T, dir string) { flip(t, first(t, dir), `"a 3"`) }, []int64{3}},
		{"two lines", false, func(t *testing.T, dir string) {
			flip(t, first(t, dir), `"a 3"`)
			flip(t, first(t, dir), `"a 5"`)
		}, []int64{3, 5}},
		{"the header", false, func(t *testing.T, dir string) { flip(t, first(t, dir), `frontier`) }, nil},
		{"a line end", false, func(t *testing.T, dir string) { flip(t, first(t, dir), "\n{\"seq\":2") }, []int64{1, 2}},
		{"the first segment", false, func(t *testing.T, dir string) { remove(t, first(t, dir)) }, seqs(0, 10)},
		{"index and seek table", true, func(t *testing.T, dir string) {
			flip(t, first(t, dir), `{"ownlog":1,"first"`)
			flip(t, first(t, dir), "\xb1\xea\x92\x8f")
		}, nil},
		{"a frame", true, func(t *testing.T, dir string) {
			b, err := os.ReadFile(first(t, dir))
			if err != nil {
				t.Fatal(err)
			}
			second := 1 + bytes.Index(b[1:], []byte{0x28, 0xb5, 0x2f, 0xfd})
			b[second+100] ^= 1
			writeFile(t, first(t, dir), b)
		}, seqs(0, n)},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			dir := t.TempDir()
			s := openDir(t, dir, format.WithoutSync(), format.WithRollSize(1))
			log, into := format.NewLogID(), format.NewLogID()
			for i := 0; i < n; i += 10 {
				storetest.MustAppend(t, s, log, int64(i), entries[i:i+10])
			}
			if test.seal {
				if _, err := s.Seal(t.Context(), log); err != nil {
					t.Fatal(err)
				}
			}
			test.damage(t, filepath.Join(dir, "logs", log.String()))
			before := contents(t, filepath.Join(dir, "logs", log.String()))
			r, err := s.Recover(t.Context(), log, into, format.RecoverOptions{Gap: gapEntry})
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(before, contents(t, filepath.Join(dir, "logs", log.String()))); diff != "" {
				t.Errorf("the damaged log was changed:\n%s", diff)
			}
			want := make([][]byte, n)
			copy(want, entries)
			for _, seq := range test.lost {
				want[seq], _ = gapEntry(seq, "")
			}
			if diff := cmp.Diff(want, storetest.ReadAll(t, s, into, 0)); diff != "" {
				t.Errorf("recovered log (-want +got):\n%s", diff)
			}
			if r.Lost != int64(len(test.lost)) || r.Kept != n-r.Lost {
				t.Errorf("report %+v, want %d lost", r, len(test.lost))
			}
			mustVerify(t, s, into, want)
			if _, err := s.Recover(t.Context(), log, into, format.RecoverOptions{Gap: gapEntry}); !errors.Is(err, format.ErrExists) {
				t.Errorf("recover into a log that exists: %v", err)
			}
		})
	}
}

func TestRecoverFork(t *testing.T) {
	dir := t.TempDir()
	s := openDir(t, dir, format.WithoutSync())
	parent, child, into := format.NewLogID(), format.NewLogID(), format.NewLogID()
	want := storetest.Entries("a", 10)
	storetest.MustAppend(t, s, parent, 0, want)
	if err := s.CreateFork(t.Context(), child, parent, 6); err != nil {
		t.Fatal(err)
	}
	want = append(want[:6:6], storetest.Entries("b", 3)...)
	storetest.MustAppend(t, s, child, 6, want[6:])
	flip(t, first(t, filepath.Join(dir, "logs", parent.String())), `"a 4"`)
	if _, err := s.Recover(t.Context(), child, into, format.RecoverOptions{Gap: gapEntry}); err != nil {
		t.Fatal(err)
	}
	want[4], _ = gapEntry(4, "")
	if diff := cmp.Diff(want, storetest.ReadAll(t, s, into, 0)); diff != "" {
		t.Errorf("recovered fork (-want +got):\n%s", diff)
	}
}

func TestRecoverRefusesTooManyGaps(t *testing.T) {
	dir := t.TempDir()
	s := openDir(t, dir, format.WithoutSync(), format.WithRollSize(1))
	log := format.NewLogID()
	storetest.MustAppend(t, s, log, 0, storetest.Entries("a", 20))
	storetest.MustAppend(t, s, log, 20, storetest.Entries("b", 1))
	remove(t, first(t, filepath.Join(dir, "logs", log.String())))
	if _, err := s.Recover(t.Context(), log, format.NewLogID(), format.RecoverOptions{Gap: gapEntry, MaxGaps: 19}); err == nil {
		t.Error("20 gaps were written though 19 are allowed")
	}
}

// first returns the path of the first segment in a log's directory.
func first(t *testing.T, dir string) string {
	t.Helper()
	return filepath.Join(dir, names(t, dir)[0])
}

func remove(t *testing.T, path string) {
	t.Helper()
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
}

// contents returns the files in dir by name, the lock's apart.
func contents(t *testing.T, dir string) map[string]string {
	t.Helper()
	all := map[string]string{}
	for _, name := range names(t, dir) {
		if name == "lock" {
			continue
		}
		b, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		all[name] = string(b)
	}
	return all
}

func seqs(from, to int64) []int64 {
	var list []int64
	for ; from < to; from++ {
		list = append(list, from)
	}
	return list
}
