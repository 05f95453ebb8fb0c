package format

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"iter"
	"maps"
	"math/rand/v2"
	"os"
	"slices"
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

// soakSeeds yields a seed for each round: from 0, or in a long run from what
// OWNLOG_SEED says.
func soakSeeds(t *testing.T, few int) iter.Seq[uint64] {
	t.Helper()
	rounds, from := soakRounds(t, few), uint64(0)
	if text := os.Getenv("OWNLOG_SEED"); text != "" {
		var err error
		if from, err = strconv.ParseUint(text, 10, 32); err != nil {
			t.Fatalf("OWNLOG_SEED=%q: want a number", text)
		}
	}
	return func(yield func(uint64) bool) {
		for i := range rounds {
			if !yield(from + uint64(i)) {
				return
			}
		}
	}
}

// crashWorld is a disk with two stores, the logs in them, what was acknowledged
// and what was tried since. Logs are appended to, sealed and forked in one store,
// packed, and unpacked in the other; blobs come and go.
type crashWorld struct {
	t     *testing.T
	rng   *rand.Rand
	disk  *simDisk
	proc  *simProc
	s     *DirStore // logs grow here
	other *DirStore // and are unpacked here

	logs   []*crashLog // of s
	copies []*crashLog // of other
	real   []string    // lines that agents wrote
	next   int
	seed   uint64
	// noSync: the stores are without sync, and survive the death of processes alone.
	noSync bool
	trace  []string
}

// crashLog is what is known of a log.
type crashLog struct {
	id    LogID
	acked [][]byte // for sure
	// sure: the log was acknowledged to exist, if only as an empty fork.
	sure bool
	// tried is what failed operations may have left behind acked: any of these,
	// or a beginning of it.
	tried [][][]byte
}

// may tells whether the log can hold n entries that are the first of list.
func (l *crashLog) may(list [][]byte) bool {
	if len(list) < len(l.acked) || !sameEntries(list[:len(l.acked)], l.acked) {
		return false
	}
	more := list[len(l.acked):]
	return len(more) == 0 || slices.ContainsFunc(l.tried, func(t [][]byte) bool {
		return len(more) <= len(t) && sameEntries(more, t[:len(more)])
	})
}

// mayBecome notes an operation that failed and would have made the log be list.
func (l *crashLog) mayBecome(list [][]byte) {
	if len(list) > len(l.acked) && sameEntries(list[:len(l.acked)], l.acked) {
		l.tried = append(l.tried, list[len(l.acked):])
	}
}

// is notes that the log is list for sure, or longer if it was.
func (l *crashLog) is(list [][]byte) {
	l.sure = true
	if len(list) < len(l.acked) {
		return
	}
	tried := l.tried
	before := len(l.acked)
	l.acked, l.tried = slices.Clip(list), nil
	for _, t := range tried {
		l.mayBecome(append(slices.Clip(list[:before]), t...))
	}
}

func sameEntries(a, b [][]byte) bool { return slices.EqualFunc(a, b, bytes.Equal) }

func newCrashWorld(t *testing.T, seed uint64, noSync bool) *crashWorld {
	w := &crashWorld{t: t, seed: seed, rng: rand.New(rand.NewPCG(seed, 7)), disk: newSimDisk(), real: realLines(t), noSync: noSync}
	w.logs = append(w.logs, &crashLog{id: DeriveLogID(fmt.Sprint(seed))})
	w.start()
	return w
}

// realLines are lines of a session that a real tool recorded.
func realLines(t *testing.T) []string {
	t.Helper()
	b, err := os.ReadFile("../fixtures/claude-code/projects/-home-dev-proj-s04/55555555-5555-4555-8555-555555555555.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	lines := slices.DeleteFunc(strings.Split(string(b), "\n"), func(line string) bool { return line == "" || len(line) > 4000 })
	if len(lines) < 10 {
		t.Fatalf("only %d lines of a session", len(lines))
	}
	return lines
}

// start starts a process.
func (w *crashWorld) start() {
	w.proc = &simProc{disk: w.disk}
	open := func(dir string) *DirStore {
		opts := []DirOption{withFS(w.proc), WithRollSize(int64(1500 + w.rng.IntN(3000)))}
		if w.noSync {
			opts = append(opts, WithoutSync())
		}
		s, err := OpenDirStore(dir, opts...)
		if err != nil {
			w.t.Fatal(err)
		}
		// So small that a log has several sealed segments.
		s.sealing = sealLimits{group: int64(2000 + w.rng.IntN(6000)), small: int64(w.rng.IntN(2000))}
		return s
	}
	w.s, w.other = open("/store"), open("/other")
}

func (w *crashWorld) entries() [][]byte {
	list := make([][]byte, 1+w.rng.IntN(6))
	for i := range list {
		w.next++
		if w.rng.IntN(2) == 0 {
			raw := w.real[w.next%len(w.real)]
			list[i] = fmt.Appendf(nil, `{"rawlen":%d,"type":"x","n":%d,"raw":%s}`, len(raw), w.next, raw)
		} else {
			list[i] = fmt.Appendf(nil, `{"type":"x","n":%d,"text":"%s"}`, w.next, strings.Repeat("z", w.rng.IntN(900)))
		}
	}
	return list
}

// step does one thing, and reports whether it could.
func (w *crashWorld) step() error {
	l := w.logs[w.rng.IntN(len(w.logs))]
	switch w.rng.IntN(20) {
	case 0, 1:
		_, err := w.s.Seal(context.Background(), l.id)
		return w.note(err, "seal %s", l.id)
	case 2, 3:
		_, err := w.s.SealClosed(context.Background(), l.id)
		return w.note(err, "seal closed %s", l.id)
	case 4:
		if len(w.logs) < 4 && len(l.acked) > 0 {
			return w.fork(l)
		}
	case 5:
		_, err := w.s.GC(context.Background(), nil, false)
		if errors.Is(err, errBlobsPending) {
			err = nil
		}
		return w.note(err, "collect garbage")
	case 6:
		return w.copy(l)
	case 7, 8, 9:
		return w.append(l, w.sealed)
	case 10, 11:
		return w.held(l)
	}
	return w.append(l, w.live)
}

// note remembers what was done. That there is no log yet is no error.
func (w *crashWorld) note(err error, format string, args ...any) error {
	w.trace = append(w.trace, fmt.Sprintf(format, args...)+fmt.Sprintf(": %v", err))
	if errors.Is(err, ErrNotFound) || errors.Is(err, errDropped) {
		return nil
	}
	return err
}

// append appends to a log, by live or sealed, and notes what came of it.
func (w *crashWorld) append(l *crashLog, how func(id LogID, at int64, batch [][]byte) (int64, error)) error {
	batch := w.entries()
	if w.rng.IntN(4) == 0 {
		e, err := w.blobEntry()
		if err != nil {
			return w.note(err, "put a blob")
		}
		batch = append(batch, e)
	}
	before, err := w.list(w.s, l)
	if err != nil {
		return err
	}
	if !l.sure && len(before) == 0 && l != w.logs[0] {
		return nil // the fork was not made, or not to the end
	}
	at := int64(len(before))
	size, err := how(l.id, at, batch)
	var conflict *ConflictError
	if errors.As(err, &conflict) {
		w.fail("append to %s at %d, to which it can be read: %v", l.id, at, err)
	}
	after := append(before, batch...)
	if err != nil {
		l.mayBecome(after)
		if errors.Is(err, ErrNotFound) {
			w.fail("append to %s at %d: %v", l.id, at, err)
		}
		return w.note(err, "append %d to %s at %d", len(batch), l.id, at)
	}
	_ = w.note(nil, "append %d to %s at %d", len(batch), l.id, at)
	l.is(after)
	l.tried = nil // what was not taken is dead
	if size != int64(len(after)) {
		w.fail("append returned %d, want %d", size, len(after))
	}
	return nil
}

func (w *crashWorld) live(id LogID, at int64, batch [][]byte) (int64, error) {
	return w.s.Append(context.Background(), id, at, batch)
}

// held appends several times under one lock.
func (w *crashWorld) held(l *crashLog) error {
	release, err := w.s.Hold(context.Background(), l.id)
	if err != nil {
		return w.note(err, "hold %s", l.id)
	}
	_ = w.note(nil, "hold %s", l.id)
	for range 1 + w.rng.IntN(4) {
		if err = w.append(l, w.live); err != nil {
			break
		}
	}
	return w.note(errors.Join(err, release()), "release %s", l.id)
}

// sealed appends in sealed form; now and then it drops what it appended. Of that,
// segments that were full are there.
func (w *crashWorld) sealed(id LogID, at int64, batch [][]byte) (int64, error) {
	a, err := w.s.AppendSealed(context.Background(), id, at)
	if err != nil {
		return 0, err
	}
	for part := range slices.Chunk(batch, 1+w.rng.IntN(3)) {
		if err := a.Append(context.Background(), part); err != nil {
			return 0, errors.Join(err, a.Close())
		}
	}
	if w.rng.IntN(5) == 0 {
		return 0, errors.Join(errDropped, a.Close())
	}
	head, err := a.Commit()
	return head.Size, err
}

var errDropped = errors.New("dropped")

// blobEntry stores a blob, often one that was there before, and returns an entry
// that names it.
func (w *crashWorld) blobEntry() ([]byte, error) {
	w.next++
	content := strings.Repeat(w.real[w.rng.IntN(6)], 2)
	digest, n, err := w.s.PutBlob(context.Background(), strings.NewReader(content))
	if err != nil {
		return nil, err
	}
	return fmt.Appendf(nil, `{"type":"x","n":%d,"data":{"blob":"sha256:%s","size":%d}}`, w.next, digest, n), nil
}

// fork makes a fork of l.
func (w *crashWorld) fork(l *crashLog) error {
	w.next++
	child := &crashLog{id: DeriveLogID(fmt.Sprint(l.id, w.next))}
	// What is there counts, acknowledged or not: the fork makes it durable.
	list, err := w.list(w.s, l)
	if err != nil {
		return err
	}
	prefix := list[:1+w.rng.IntN(len(list))]
	w.logs = append(w.logs, child)
	err = w.s.CreateFork(context.Background(), child.id, l.id, int64(len(prefix)))
	if err == nil {
		l.is(prefix)
		child.is(prefix)
	} else {
		child.mayBecome(prefix)
	}
	return w.note(err, "fork %s of %s at %d", child.id, l.id, len(prefix))
}

// copy packs a log, with those it is a fork of, and unpacks it in the other store.
func (w *crashWorld) copy(l *crashLog) error {
	var packed bytes.Buffer
	report, err := w.s.Pack(context.Background(), &packed, []LogID{l.id}, nil)
	if err != nil {
		return w.note(err, "pack %s", l.id)
	}
	var lists [][][]byte
	heads := append(report.Ancestors, report.Heads...)
	for _, h := range heads {
		i := slices.IndexFunc(w.logs, func(l *crashLog) bool { return l.id == h.Log })
		list, err := w.list(w.s, w.logs[i])
		if err != nil {
			return err
		}
		if int64(len(list)) != h.Size {
			w.fail("packed %s, and the log has %d entries", h, len(list))
		}
		lists = append(lists, list)
	}
	_, err = w.other.Unpack(context.Background(), &packed, UnpackOptions{})
	for i, h := range heads {
		at := slices.IndexFunc(w.copies, func(l *crashLog) bool { return l.id == h.Log })
		if at < 0 {
			at, w.copies = len(w.copies), append(w.copies, &crashLog{id: h.Log})
		}
		if err == nil {
			w.copies[at].is(lists[i])
		} else {
			w.copies[at].mayBecome(lists[i])
		}
	}
	var diverged *DivergedError
	if errors.As(err, &diverged) {
		// What was packed had not been acknowledged, was lost, and came otherwise.
		w.checkDiverged(diverged.Log)
		err = nil
	}
	return w.note(err, "unpack %s", l.id)
}

// checkDiverged fails if one of the two forms of a log begins with the other.
func (w *crashWorld) checkDiverged(id LogID) {
	w.t.Helper()
	a, errA := w.list(w.s, &crashLog{id: id})
	b, errB := w.list(w.other, &crashLog{id: id})
	if n := min(len(a), len(b)); errA == nil && errB == nil && sameEntries(a[:n], b[:n]) {
		w.fail("unpack says that log %s diverged, and it did not", id)
	}
}

func (w *crashWorld) fail(format string, args ...any) {
	w.t.Helper()
	w.t.Fatalf("seed %d: %s\nwhat happened:\n  %s\nwhat is there:\n%s", w.seed, fmt.Sprintf(format, args...), strings.Join(w.trace, "\n  "), w.dump())
}

// dump lists the files of the disk, and the beginnings of lines of text.
func (w *crashWorld) dump() string {
	var b strings.Builder
	var walk func(path string, n *simInode)
	walk = func(path string, n *simInode) {
		for _, name := range slices.Sorted(maps.Keys(n.names)) {
			c, path := n.names[name], path+"/"+name
			if c.names != nil {
				walk(path, c)
				continue
			}
			fmt.Fprintf(&b, "  %s: inode %d, %d bytes\n", path, c.id, len(c.data))
			if strings.HasSuffix(name, textSuffix) || name == lockName {
				for line := range bytes.Lines(c.data) {
					fmt.Fprintf(&b, "    %d bytes: %.60q\n", len(line), line)
				}
			}
		}
	}
	walk("", w.disk.root)
	return b.String()
}

// list reads a log; one that does not exist has no entries.
func (w *crashWorld) list(s *DirStore, l *crashLog) ([][]byte, error) {
	var list [][]byte
	for e, err := range s.Read(context.Background(), l.id, 0) {
		if errors.Is(err, ErrNotFound) && !l.sure {
			return nil, nil
		}
		if err != nil {
			return nil, err
		}
		list = append(list, bytes.Clone(e.Bytes))
	}
	return list, nil
}

// check reads everything as a new process does: nothing acknowledged is lost,
// nothing else than what was tried is there, and nothing is called damaged.
func (w *crashWorld) check() {
	w.t.Helper()
	for _, l := range w.logs {
		w.checkLog(w.s, l)
	}
	for _, l := range w.copies {
		w.checkLog(w.other, l)
	}
}

func (w *crashWorld) checkLog(s *DirStore, l *crashLog) {
	w.t.Helper()
	list, err := w.list(s, l)
	if err != nil {
		w.fail("read %s in %s: %v", l.id, s.Dir(), err)
	}
	if !l.may(list) {
		w.fail("log %s in %s has %d entries, not those that were appended; %d were acknowledged", l.id, s.Dir(), len(list), len(l.acked))
	}
	r, err := s.Verify(context.Background(), l.id, VerifyOptions{Problem: func(p Problem) { _ = w.note(p.CorruptError, "problem: %s", p.Severity) }})
	if errors.Is(err, ErrNotFound) && len(list) == 0 && !l.sure {
		return
	}
	if err != nil {
		w.fail("verify: %v", err)
	}
	if !r.OK() || r.Head.Size != int64(len(list)) {
		w.fail("verify %s in %s: %s, %d entries of %d", l.id, s.Dir(), r.Status, r.Head.Size, len(list))
	}
}

// die lets the process die before one of its operations. In half of the rounds
// that is one which changes names or makes them durable, and soon: what a death
// leaves half done is then what the next process finds, and may die over.
func (w *crashWorld) die() {
	left, any := w.rng.IntN(300), true
	if w.rng.IntN(2) == 0 {
		left, any = w.rng.IntN(10), false
	}
	w.proc.fault = func(op, _ string) error {
		switch op {
		default:
			if !any {
				return nil
			}
		case "link", "rename", "remove", "syncdir":
		}
		if left--; left < 0 {
			w.proc.dead = true
			return errDead
		}
		return nil
	}
}

// TestCrash stops the machine at any operation of the protocol, loses what a
// disk may lose, and looks at what is left.
func TestCrash(t *testing.T) {
	for seed := range soakSeeds(t, 20) {
		w := newCrashWorld(t, seed, false)
		for round := range 6 {
			w.die()
			for w.step() == nil {
			}
			_ = w.note(nil, "round %d: crash", round)
			w.proc.kill()
			w.disk.crash(w.rng)
			w.start()
			w.check()
		}
	}
}

// TestKill kills the process at any operation; the page cache survives. In every
// third round nothing is ever synced.
func TestKill(t *testing.T) {
	for seed := range soakSeeds(t, 21) {
		w := newCrashWorld(t, seed, seed%3 == 2)
		for round := range 6 {
			w.die()
			for w.step() == nil {
			}
			_ = w.note(nil, "round %d: kill", round)
			w.proc.kill()
			if round%3 == 2 && !w.noSync {
				_ = w.note(nil, "crash")
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
	for seed := range soakSeeds(t, 20) {
		w := newCrashWorld(t, seed, false)
		for round := range 4 {
			w.proc.fault = func(op, name string) error {
				switch op {
				case "write", "sync", "syncdir", "link", "rename", "create", "mkdir":
					if w.rng.IntN(25) == 0 {
						_ = w.note(nil, "%s %s fails", op, name)
						if op == "write" {
							return []error{syscall.ENOSPC, syscall.EIO, errShortWrite}[w.rng.IntN(3)]
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
				_ = w.note(nil, "round %d: kill", round)
				w.proc.kill()
				w.start()
				w.check()
			}
			_ = w.note(nil, "round %d: crash", round)
			w.proc.kill()
			w.disk.crash(w.rng)
			w.start()
			w.check()
		}
	}
}
