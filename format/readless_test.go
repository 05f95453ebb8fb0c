package format

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"
)

// TestReadsWhatIsAskedFor: the end of a long sealed log, an entry in its middle,
// or a span of time is read without the rest of the log.
func TestReadsWhatIsAskedFor(t *testing.T) {
	log := LogID{1}
	disk := newSimDisk()
	s, err := OpenDirStore("/s", withFS(&simProc{disk: disk}))
	if err != nil {
		t.Fatal(err)
	}
	a, err := s.AppendSealed(t.Context(), log, 0)
	if err != nil {
		t.Fatal(err)
	}
	// Four frames and some, of text that does not compress to nothing.
	const n, size = 40, 500_000
	start := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	rng := rand.NewChaCha8([32]byte{1})
	for i := range n {
		text := make([]byte, size/2)
		_, _ = rng.Read(text)
		e := fmt.Appendf(nil, `{"n":%d,"time":%q,"text":"%x"}`, i, start.Add(time.Duration(i)*time.Second).Format(time.RFC3339), text)
		if err := a.Append(t.Context(), [][]byte{e}); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := a.Commit(); err != nil {
		t.Fatal(err)
	}
	info, err := s.Info(t.Context(), log)
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		name string
		read func(s *DirStore) (int, error)
		want int
	}{
		{"the last two", func(s *DirStore) (got int, err error) {
			for _, err := range s.Read(t.Context(), log, n-2) {
				if err != nil {
					return got, err
				}
				got++
			}
			return got, nil
		}, 2},
		{"one in the middle", func(s *DirStore) (int, error) {
			for e, err := range s.Read(t.Context(), log, n/2) {
				if err != nil || e.Seq != n/2 {
					return 0, fmt.Errorf("entry %d, %w", e.Seq, err)
				}
				break
			}
			return 1, nil
		}, 1},
		{"three seconds", func(s *DirStore) (got int, err error) {
			for _, err := range s.ReadBetween(t.Context(), log, start.Add(9*time.Second), start.Add(11*time.Second)) {
				if err != nil {
					return got, err
				}
				got++
			}
			return got, nil
		}, 3},
	} {
		p := &simProc{disk: disk}
		s, err := OpenDirStore("/s", withFS(p))
		if err != nil {
			t.Fatal(err)
		}
		got, err := test.read(s)
		if err != nil || got != test.want {
			t.Errorf("%s: %d entries, want %d, %v", test.name, got, test.want, err)
		}
		// Each lies in one frame.
		if p.read > info.StoredBytes*4/10 {
			t.Errorf("%s: %d bytes were read of %d", test.name, p.read, info.StoredBytes)
		}
	}
}
