package format

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"
)

// TestNamesAreDurableBeforeWhatReliesOnThem lets a process die between two
// changes of names, lets the next one, which sees what is not durable yet, die
// as well, and then the machine: a disk keeps some of the changes of both,
// whatever their order. No acknowledged entry is lost and nothing is called damaged.
func TestNamesAreDurableBeforeWhatReliesOnThem(t *testing.T) {
	log, child := LogID{1}, LogID{2}
	sealedAppend := func(s *DirStore, at int64) error {
		a, err := s.AppendSealed(t.Context(), log, at)
		if err != nil {
			return err
		}
		if err := a.Append(t.Context(), [][]byte{[]byte(`{"n":"sealed"}`)}); err != nil {
			return err
		}
		_, err = a.Commit()
		return err
	}
	type step struct {
		name string
		do   func(s *DirStore, size int64) error
	}
	seal := step{"seal", func(s *DirStore, _ int64) error { _, err := s.Seal(t.Context(), log); return err }}
	sealed := step{"sealed append", sealedAppend}
	first := []step{seal, sealed}
	second := []step{seal, sealed,
		{"append", func(s *DirStore, at int64) error {
			_, err := s.Append(t.Context(), log, at, [][]byte{[]byte(`{"n":"live"}`)})
			return err
		}},
		{"fork", func(s *DirStore, size int64) error { return s.CreateFork(t.Context(), child, log, size) }},
	}
	for _, a := range first {
		for _, b := range second {
			for before, diedA := 0, true; diedA; before++ {
				for after, diedB := 0, true; diedB; after++ {
					for seed := range uint64(5) {
						name := fmt.Sprintf("%s, dead before change %d; %s, dead before change %d; seed %d", a.name, before, b.name, after, seed)
						died := tryTwice(t, name, seed, log, child, []func(*DirStore, int64) error{a.do, b.do}, []int{before, after})
						diedA, diedB = died[0], died[1]
					}
				}
			}
		}
	}
}

// tryTwice lets two processes do one thing each, and die before that many changes
// of names; it reports which did.
func tryTwice(t *testing.T, name string, seed uint64, log, child LogID, do []func(*DirStore, int64) error, dies []int) (died [2]bool) {
	t.Helper()
	disk := newSimDisk()
	open := func(changes int) (*simProc, *DirStore) {
		p := &simProc{disk: disk}
		if changes >= 0 {
			p.fault = func(op, _ string) error {
				switch op {
				case "link", "rename", "remove", "syncdir":
					if changes--; changes < 0 {
						p.dead = true
						return errDead
					}
				}
				return nil
			}
		}
		s, err := OpenDirStore("/s", withFS(p), WithRollSize(200))
		if err != nil {
			t.Fatal(err)
		}
		return p, s
	}
	p, s := open(-1)
	var want [][]byte
	for i := range 3 {
		e := fmt.Appendf(nil, `{"n":%d,"pad":"%0150d"}`, i, 0)
		if _, err := s.Append(t.Context(), log, int64(i), [][]byte{e}); err != nil {
			t.Fatal(err)
		}
		want = append(want, e)
	}
	p.kill()

	forked := int64(-1)
	for i, do := range do {
		p, s := open(dies[i])
		list, err := entriesOf(s, log)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		switch err := do(s, int64(len(list))); {
		case err == nil:
			// What the operation relied on is durable.
			want = list
			if _, err := s.Info(t.Context(), child); err == nil {
				forked = int64(len(list))
			}
		case !errors.Is(err, errDead):
			t.Fatalf("%s: %v", name, err)
		}
		died[i] = p.dead
		p.kill()
	}
	disk.crash(rand.New(rand.NewPCG(seed, 1)))
	_, s = open(-1)
	list, err := entriesOf(s, log)
	if err != nil || len(list) < len(want) || !sameEntries(list[:len(want)], want) {
		t.Fatalf("%s: %d entries of %d, %v", name, len(list), len(want), err)
	}
	for _, id := range []LogID{log, child} {
		r, err := s.Verify(t.Context(), id, VerifyOptions{Problem: func(p Problem) { t.Logf("%s: %v", name, p) }})
		if errors.Is(err, ErrNotFound) && id == child && forked < 0 {
			continue
		}
		if err != nil || !r.OK() || id == child && forked >= 0 && r.Head.Size != forked {
			t.Fatalf("%s: log %s: %v with %d entries, %v", name, id, r.Status, r.Head.Size, err)
		}
	}
	return died
}

// entriesOf reads a log; one that does not exist has none.
func entriesOf(s *DirStore, log LogID) ([][]byte, error) {
	var list [][]byte
	for e, err := range s.Read(context.Background(), log, 0) {
		if err != nil {
			return list, err
		}
		list = append(list, bytes.Clone(e.Bytes))
	}
	return list, nil
}
