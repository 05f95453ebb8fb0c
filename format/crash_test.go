package format

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

// soakRounds returns how many rounds a randomised test does: few by default,
// as many as the environment variable OWNLOG_SOAK says in a long run.
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

// crashWorld is a disk, what was acknowledged on it, and what was tried since.
type crashWorld struct {
	t    *testing.T
	rng  *rand.Rand
	disk *simDisk
	proc *simProc
	s    *DirStore

	log   LogID
	acked [][]byte // for sure
	tried [][]byte // behind acked: what failed appends may have left
	next  int
	trace []string
}

func newCrashWorld(t *testing.T, seed uint64) *crashWorld {
	w := &crashWorld{t: t, rng: rand.New(rand.NewPCG(seed, 7)), disk: newSimDisk(), log: DeriveLogID(fmt.Sprint(seed))}
	w.start()
	return w
}

// start starts a process.
func (w *crashWorld) start() {
	w.proc = &simProc{disk: w.disk}
	s, err := OpenDirStore("/store", withFS(w.proc), WithRollSize(int64(1500+w.rng.IntN(3000))))
	if err != nil {
		w.t.Fatal(err)
	}
	w.s = s
}

func (w *crashWorld) entries() [][]byte {
	list := make([][]byte, 1+w.rng.IntN(6))
	for i := range list {
		w.next++
		list[i] = fmt.Appendf(nil, `{"type":"x","n":%d,"text":"%s"}`, w.next, strings.Repeat("z", w.rng.IntN(900)))
	}
	return list
}

// step does one thing, and reports whether it could.
func (w *crashWorld) step() error {
	switch w.rng.IntN(8) {
	case 0:
		_, err := w.s.Seal(context.Background(), w.log)
		if errors.Is(err, ErrNotFound) {
			err = nil
		}
		w.note("seal: %v", err)
		return err
	case 1:
		_, err := w.s.SealClosed(context.Background(), w.log)
		if errors.Is(err, ErrNotFound) {
			err = nil
		}
		w.note("seal closed: %v", err)
		return err
	}
	return w.append()
}

func (w *crashWorld) note(format string, args ...any) {
	w.trace = append(w.trace, fmt.Sprintf(format, args...))
}

// append appends where the log ends, and notes what came of it.
func (w *crashWorld) append() error {
	batch := w.entries()
	info, err := w.s.Info(context.Background(), w.log)
	if err != nil && !errors.Is(err, ErrNotFound) {
		return err
	}
	have := w.known()
	if info.Size < int64(len(w.acked)) || info.Size > int64(len(have)) {
		w.fail("the log has %d entries; %d were acknowledged, %d tried", info.Size, len(w.acked), len(have))
	}
	size, err := w.s.Append(context.Background(), w.log, info.Size, batch)
	w.note("append %d at %d: %v", len(batch), info.Size, err)
	if err != nil {
		// What an earlier failure may have left in front is still possible, and so
		// is any part of this batch.
		w.tried = append(have[:info.Size:info.Size], batch...)[len(w.acked):]
		return err
	}
	w.acked = append(have[:info.Size:info.Size], batch...)
	w.tried = nil
	if size != int64(len(w.acked)) {
		w.fail("append returned %d, want %d", size, len(w.acked))
	}
	return nil
}

// known returns all entries that can be there.
func (w *crashWorld) known() [][]byte { return append(w.acked[:len(w.acked):len(w.acked)], w.tried...) }

func (w *crashWorld) fail(format string, args ...any) {
	w.t.Helper()
	w.t.Fatalf("%s\nwhat happened:\n  %s", fmt.Sprintf(format, args...), strings.Join(w.trace, "\n  "))
}

// check reads everything as a new process does: nothing acknowledged is lost,
// nothing else than what was tried is there, and nothing is called damaged.
func (w *crashWorld) check() {
	w.t.Helper()
	n, have := 0, w.known()
	for e, err := range w.s.Read(context.Background(), w.log, 0) {
		if errors.Is(err, ErrNotFound) && len(w.acked) == 0 {
			return
		}
		if err != nil {
			w.fail("read: %v", err)
		}
		if n >= len(have) || !bytes.Equal(e.Bytes, have[n]) {
			w.fail("entry %d is %.60q, which was not appended there", n, e.Bytes)
		}
		n++
	}
	if n < len(w.acked) {
		w.fail("%d entries are there, %d were acknowledged", n, len(w.acked))
	}
	r, err := w.s.Verify(context.Background(), w.log, VerifyOptions{Problem: func(p Problem) { w.note("problem: %s %v", p.Severity, p.CorruptError) }})
	if err != nil {
		w.fail("verify: %v", err)
	}
	// A whole last line without its LF counts for verification, which judges by
	// the rules of recovery, and not for readers.
	kept := int64(n)
	if r.Status == SeverityTorn && r.Head.Size == kept+1 && n < len(have) {
		kept++
	}
	if !r.OK() || r.Head.Size != kept {
		w.fail("verify: %s, %d entries of %d", r.Status, r.Head.Size, n)
	}
}

// TestCrash stops the machine at any operation of the protocol, loses what a
// disk may lose, and looks at what is left.
func TestCrash(t *testing.T) {
	for seed := range soakRounds(t, 40) {
		w := newCrashWorld(t, uint64(seed))
		for round := range 6 {
			left := w.rng.IntN(120)
			w.proc.fault = func(string, string) error {
				if left--; left < 0 {
					w.proc.dead = true
					return errDead
				}
				return nil
			}
			for w.step() == nil {
			}
			w.note("round %d: crash", round)
			w.proc.kill()
			w.disk.crash(w.rng)
			w.start()
			w.check()
		}
	}
}

// TestKill kills the process at any operation; the page cache survives.
func TestKill(t *testing.T) {
	for seed := range soakRounds(t, 40) {
		w := newCrashWorld(t, uint64(seed))
		for round := range 6 {
			left := w.rng.IntN(120)
			w.proc.fault = func(string, string) error {
				if left--; left < 0 {
					w.proc.dead = true
					return errDead
				}
				return nil
			}
			for w.step() == nil {
			}
			w.note("round %d: kill", round)
			w.proc.kill()
			if round%3 == 2 {
				w.note("crash")
				w.disk.crash(w.rng)
			}
			w.start()
			w.check()
		}
	}
}

// TestFaults lets operations fail by chance, with what a full or dying disk
// says, and crashes in the end: what was acknowledged in between must be there.
func TestFaults(t *testing.T) {
	for seed := range soakRounds(t, 40) {
		w := newCrashWorld(t, uint64(seed))
		for round := range 4 {
			w.proc.fault = func(op, name string) error {
				switch op {
				case "write", "sync", "syncdir", "link", "rename", "create", "mkdir":
					if w.rng.IntN(25) == 0 {
						w.note("%s %s fails", op, name)
						if op == "write" {
							return syscall.ENOSPC
						}
						return syscall.EIO
					}
				}
				return nil
			}
			for range 20 {
				// The same store goes on after an error: it opens the log anew.
				_ = w.step()
			}
			w.proc.fault = nil
			w.check()
			if w.rng.IntN(2) == 0 {
				w.note("round %d: kill", round)
				w.proc.kill()
				w.start()
				w.check()
			}
			w.note("round %d: crash", round)
			w.proc.kill()
			w.disk.crash(w.rng)
			w.start()
			w.check()
		}
	}
}
