package format

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// TestLastLineWithoutLF: a last line that lacks its LF alone is an entry for
// everybody, before a reboot and after it: whoever reads, verifies, forks or packs
// the log says what the next writer takes over.
func TestLastLineWithoutLF(t *testing.T) {
	for _, reboot := range []bool{false, true} {
		t.Run(fmt.Sprintf("reboot %t", reboot), func(t *testing.T) {
			log := LogID{1}
			disk := newSimDisk()
			open := func(dir string) (*simProc, *DirStore) {
				p := &simProc{disk: disk}
				s, err := OpenDirStore(dir, withFS(p))
				if err != nil {
					t.Fatal(err)
				}
				return p, s
			}
			p, s := open("/s")
			var want [][]byte
			for i := range 3 {
				want = append(want, fmt.Appendf(nil, `{"n":%d,"time":"2026-01-02T03:04:0%dZ"}`, i, i))
			}
			if _, err := s.Append(t.Context(), log, 0, want[:2]); err != nil {
				t.Fatal(err)
			}
			// The writer dies in the middle of a write.
			cut, _ := appendEntryLine(nil, logSum(log), 2, 2, want[2])
			f, err := p.Open(filepath.Join(s.logDir(log), segmentName(0, textSuffix)), os.O_RDWR)
			if err != nil {
				t.Fatal(err)
			}
			st, err := f.Stat()
			if err != nil {
				t.Fatal(err)
			}
			if _, err := f.WriteAt(trimLF(cut), st.Size); err != nil {
				t.Fatal(err)
			}
			if reboot {
				// Nothing is lost.
				if err := f.Sync(); err != nil {
					t.Fatal(err)
				}
			}
			p.kill()
			if reboot {
				disk.crash(rand.New(rand.NewPCG(1, 1)))
			}

			_, s = open("/s")
			_, other := open("/other")
			check := func(what string, s *DirStore, id LogID) {
				t.Helper()
				list, err := entriesOf(s, id)
				if err != nil || !sameEntries(list, want) {
					t.Errorf("%s: read %q, %v", what, list, err)
				}
				info, err := s.Info(t.Context(), id)
				if err != nil || info.Size != int64(len(want)) {
					t.Errorf("%s: size %d, %v", what, info.Size, err)
				}
				head, err := s.Head(t.Context(), id, -1)
				r, verr := s.Verify(t.Context(), id, VerifyOptions{})
				if err != nil || verr != nil || !r.OK() || r.Head != head || head.Root != rootOf(want) {
					t.Errorf("%s: head %s, %v; verified %s: %s, %v", what, head, err, r.Head, r.Status, verr)
				}
			}
			check("left behind", s, log)
			between := 0
			for _, err := range s.ReadBetween(t.Context(), log, time.Unix(0, 0), time.Now()) {
				if between++; err != nil {
					t.Error(err)
				}
			}
			if between != len(want) {
				t.Errorf("by time: %d entries", between)
			}
			var packed bytes.Buffer
			if _, err := s.Pack(t.Context(), &packed, []LogID{log}, nil); err != nil {
				t.Fatal(err)
			}
			if _, err := other.Unpack(t.Context(), &packed, UnpackOptions{}); err != nil {
				t.Fatal(err)
			}
			check("unpacked", other, log)
			want = append(want, []byte(`{"n":"next"}`))
			if _, err := s.Append(t.Context(), log, 3, want[3:]); err != nil {
				t.Fatal(err)
			}
			check("gone on with", s, log)
		})
	}
}

// TestForkMakesDurable: a fork of entries whose writer died before its sync has
// them after a crash, and a pack that finds all its entries there leaves them durable.
func TestForkMakesDurable(t *testing.T) {
	log, child := LogID{1}, LogID{2}
	var want [][]byte
	for i := range 3 {
		want = append(want, fmt.Appendf(nil, `{"n":%d}`, i))
	}
	var packed bytes.Buffer
	from, err := OpenDirStore("/from", withFS(&simProc{disk: newSimDisk()}))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := from.Append(t.Context(), log, 0, want); err != nil {
		t.Fatal(err)
	}
	if _, err := from.Pack(t.Context(), &packed, []LogID{log}, nil); err != nil {
		t.Fatal(err)
	}
	for name, do := range map[string]func(s *DirStore) error{
		"fork": func(s *DirStore) error { return s.CreateFork(t.Context(), child, log, 3) },
		"unpack": func(s *DirStore) error {
			_, err := s.Unpack(t.Context(), bytes.NewReader(packed.Bytes()), UnpackOptions{})
			return err
		},
	} {
		for seed := range uint64(20) {
			disk := newSimDisk()
			p := &simProc{disk: disk}
			s, err := OpenDirStore("/s", withFS(p))
			if err != nil {
				t.Fatal(err)
			}
			if _, err := s.Append(t.Context(), log, 0, want[:1]); err != nil {
				t.Fatal(err)
			}
			p.fault = func(op, _ string) error {
				if p.dead = op == "sync"; p.dead {
					return errDead
				}
				return nil
			}
			if _, err := s.Append(t.Context(), log, 1, want[1:]); err == nil {
				t.Fatal("the append outlived its process")
			}
			p.kill()
			p = &simProc{disk: disk}
			if s, err = OpenDirStore("/s", withFS(p)); err != nil {
				t.Fatal(err)
			}
			if err := do(s); err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			p.kill()
			disk.crash(rand.New(rand.NewPCG(seed, 1)))
			if s, err = OpenDirStore("/s", withFS(&simProc{disk: disk})); err != nil {
				t.Fatal(err)
			}
			id := map[string]LogID{"fork": child, "unpack": log}[name]
			if list, err := entriesOf(s, id); err != nil || !sameEntries(list, want) {
				t.Errorf("%s, seed %d: read %q, %v", name, seed, list, err)
			}
		}
	}
}

func rootOf(entries [][]byte) Hash {
	var f Frontier
	for _, e := range entries {
		f.Push(LeafHash(e))
	}
	return f.Root()
}
