// Package storetest is the acceptance suite of [format.Store]: what every kind
// of store must do, tested through the interface alone.
//
//	func TestStore(t *testing.T) {
//		storetest.Run(t, func(t *testing.T) format.Store { return new(format.MemStore) })
//	}
package storetest

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ownlog/ownlog/format"
)

// Run tests the stores that open makes. Each call of open must give an empty
// store; what it needs to be closed, open registers with t.Cleanup.
func Run(t *testing.T, open func(t *testing.T) format.Store) {
	tests := []struct {
		name string
		test func(t *testing.T, s format.Store)
	}{
		{"append and read", appendAndRead},
		{"append at the wrong place", conflict},
		{"append nothing", appendNothing},
		{"append what is no entry", badEntry},
		{"append keeps no slices", appendKeepsNothing},
		{"unknown log", unknownLog},
		{"read from anywhere", readFrom},
		{"read what was there", readSnapshot},
		{"stop reading", stopReading},
		{"heads", heads},
		{"fork", fork},
		{"fork of a fork", forkOfFork},
		{"fork is not made twice", forkExists},
		{"list", list},
		{"blobs", blobs},
		{"watch", watch},
		{"concurrent appends", concurrentAppends},
		{"cancelled context", cancelled},
		{"settle", settle},
	}
	for _, test := range tests {
		t.Run(strings.ReplaceAll(test.name, " ", "-"), func(t *testing.T) { test.test(t, open(t)) })
	}
}

// Entries returns n entries that differ from each other and from those with
// another tag.
func Entries(tag string, n int) [][]byte {
	entries := make([][]byte, n)
	for i := range entries {
		entries[i] = fmt.Appendf(nil, `{"v":1,"type":"note.added","data":{"text":"%s %d","pad":"%s"}}`, tag, i, strings.Repeat("x", i%97))
	}
	return entries
}

// ReadAll returns the entries of a log from position from on, and fails the
// test unless they are numbered without a gap and match their leaves.
func ReadAll(t *testing.T, s format.Store, log format.LogID, from int64) [][]byte {
	t.Helper()
	var all [][]byte
	for e, err := range s.Read(t.Context(), log, from) {
		if err != nil {
			t.Fatalf("read log %s from %d: %v", log, from, err)
		}
		if want := from + int64(len(all)); e.Seq != want {
			t.Fatalf("read log %s: entry %d, want %d", log, e.Seq, want)
		}
		if e.Leaf != format.LeafHash(e.Bytes) {
			t.Fatalf("read log %s: leaf of entry %d does not match its bytes", log, e.Seq)
		}
		all = append(all, bytes.Clone(e.Bytes))
	}
	return all
}

// MustAppend appends entries and fails the test if it cannot.
func MustAppend(t *testing.T, s format.Store, log format.LogID, at int64, entries [][]byte) int64 {
	t.Helper()
	size, err := s.Append(t.Context(), log, at, entries)
	if err != nil {
		t.Fatalf("append %d entries at %d: %v", len(entries), at, err)
	}
	if want := at + int64(len(entries)); size != want {
		t.Fatalf("append %d entries at %d returned size %d, want %d", len(entries), at, size, want)
	}
	return size
}

// Root returns the root of the tree over entries.
func Root(entries [][]byte) format.Hash {
	var f format.Frontier
	for _, e := range entries {
		f.Push(format.LeafHash(e))
	}
	return f.Root()
}

func wantEntries(t *testing.T, got, want [][]byte) {
	t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Fatalf("entries differ (-want +got):\n%s", diff)
	}
}

func appendAndRead(t *testing.T, s format.Store) {
	log, entries := format.NewLogID(), Entries("a", 300)
	MustAppend(t, s, log, 0, entries[:1])
	MustAppend(t, s, log, 1, entries[1:100])
	MustAppend(t, s, log, 100, entries[100:])
	wantEntries(t, ReadAll(t, s, log, 0), entries)
	info, err := s.Info(t.Context(), log)
	if err != nil {
		t.Fatal(err)
	}
	info.StoredBytes = 0
	if diff := cmp.Diff(format.Info{ID: log, Size: 300}, info); diff != "" {
		t.Errorf("info (-want +got):\n%s", diff)
	}
}

func conflict(t *testing.T, s format.Store) {
	log, entries := format.NewLogID(), Entries("a", 3)
	for _, at := range []int64{1, 100} {
		if _, err := s.Append(t.Context(), log, at, entries); !isConflict(err, at, 0) {
			t.Errorf("append at %d to a log that does not exist: %v, want a conflict with size 0", at, err)
		}
	}
	MustAppend(t, s, log, 0, entries)
	for _, at := range []int64{0, 2, 4} {
		if _, err := s.Append(t.Context(), log, at, entries); !isConflict(err, at, 3) {
			t.Errorf("append at %d to a log of 3 entries: %v, want a conflict with size 3", at, err)
		}
	}
	wantEntries(t, ReadAll(t, s, log, 0), entries)
}

func isConflict(err error, at, size int64) bool {
	var c *format.ConflictError
	return errors.As(err, &c) && c.At == at && c.Size == size
}

func appendNothing(t *testing.T, s format.Store) {
	log := format.NewLogID()
	if size, err := s.Append(t.Context(), log, 0, nil); err != nil || size != 0 {
		t.Errorf("append nothing to a log that does not exist: size %d, %v", size, err)
	}
	if _, err := s.Info(t.Context(), log); !errors.Is(err, format.ErrNotFound) {
		t.Errorf("appending nothing made a log: %v", err)
	}
	MustAppend(t, s, log, 0, Entries("a", 2))
	MustAppend(t, s, log, 2, nil)
	if _, err := s.Append(t.Context(), log, 1, nil); !isConflict(err, 1, 2) {
		t.Errorf("append nothing at the wrong place: %v, want a conflict", err)
	}
}

func badEntry(t *testing.T, s format.Store) {
	log := format.NewLogID()
	for _, bad := range []string{``, `[]`, `{"a":1}{}`, "{\"a\":\n1}", `{"a": 1}`, `{"a":1,"a":2}`} {
		if _, err := s.Append(t.Context(), log, 0, [][]byte{[]byte(`{}`), []byte(bad)}); !errors.Is(err, format.ErrEntry) {
			t.Errorf("append %q: %v, want ErrEntry", bad, err)
		}
	}
	if _, err := s.Info(t.Context(), log); !errors.Is(err, format.ErrNotFound) {
		t.Errorf("a refused batch left something behind: %v", err)
	}
}

func appendKeepsNothing(t *testing.T, s format.Store) {
	log, entry := format.NewLogID(), []byte(`{"a":"before"}`)
	MustAppend(t, s, log, 0, [][]byte{entry})
	copy(entry, `{"a":"behind"}`)
	wantEntries(t, ReadAll(t, s, log, 0), [][]byte{[]byte(`{"a":"before"}`)})
}

func unknownLog(t *testing.T, s format.Store) {
	log := format.NewLogID()
	if _, err := s.Info(t.Context(), log); !errors.Is(err, format.ErrNotFound) {
		t.Errorf("info: %v, want ErrNotFound", err)
	}
	if _, err := s.Head(t.Context(), log, -1); !errors.Is(err, format.ErrNotFound) {
		t.Errorf("head: %v, want ErrNotFound", err)
	}
	if err := s.CreateFork(t.Context(), format.NewLogID(), log, 0); !errors.Is(err, format.ErrNotFound) {
		t.Errorf("fork: %v, want ErrNotFound", err)
	}
	n := 0
	for _, err := range s.Read(t.Context(), log, 0) {
		n++
		if !errors.Is(err, format.ErrNotFound) {
			t.Errorf("read: %v, want ErrNotFound", err)
		}
	}
	if n != 1 {
		t.Errorf("read yielded %d times, want the error alone", n)
	}
}

func readFrom(t *testing.T, s format.Store) {
	log, entries := format.NewLogID(), Entries("a", 50)
	MustAppend(t, s, log, 0, entries)
	for from := int64(0); from <= 50; from++ {
		wantEntries(t, ReadAll(t, s, log, from), append([][]byte(nil), entries[from:]...))
	}
	if got := ReadAll(t, s, log, 51); len(got) != 0 {
		t.Errorf("reading behind the end yielded %d entries", len(got))
	}
}

func readSnapshot(t *testing.T, s format.Store) {
	log, entries := format.NewLogID(), Entries("a", 20)
	MustAppend(t, s, log, 0, entries[:10])
	n := 0
	for e, err := range s.Read(t.Context(), log, 0) {
		if err != nil {
			t.Fatal(err)
		}
		if e.Seq == 0 {
			MustAppend(t, s, log, 10, entries[10:])
		}
		n++
	}
	if n != 10 {
		t.Errorf("read %d entries, want the 10 that were there when it began", n)
	}
}

func stopReading(t *testing.T, s format.Store) {
	log := format.NewLogID()
	MustAppend(t, s, log, 0, Entries("a", 10))
	for e, err := range s.Read(t.Context(), log, 3) {
		if err != nil {
			t.Fatal(err)
		}
		if e.Seq == 5 {
			break
		}
	}
	MustAppend(t, s, log, 10, Entries("b", 1))
}

func heads(t *testing.T, s format.Store) {
	log, entries := format.NewLogID(), Entries("a", 70)
	MustAppend(t, s, log, 0, entries[:33])
	MustAppend(t, s, log, 33, entries[33:])
	for size := range int64(71) {
		got, err := s.Head(t.Context(), log, size)
		if err != nil {
			t.Fatal(err)
		}
		want := format.Head{Log: log, Size: size, Root: Root(entries[:size])}
		if got != want {
			t.Fatalf("head at %d: %s, want %s", size, got, want)
		}
	}
	got, err := s.Head(t.Context(), log, -1)
	if want := (format.Head{Log: log, Size: 70, Root: Root(entries)}); err != nil || got != want {
		t.Errorf("head of all: %s, %v, want %s", got, err, want)
	}
	if _, err := s.Head(t.Context(), log, 71); err == nil {
		t.Error("there is a head behind the end")
	}
}

func fork(t *testing.T, s format.Store) {
	parent, entries, more := format.NewLogID(), Entries("a", 40), Entries("b", 15)
	MustAppend(t, s, parent, 0, entries)
	for _, size := range []int64{0, 1, 17, 39, 40} {
		child := format.NewLogID()
		if err := s.CreateFork(t.Context(), child, parent, size); err != nil {
			t.Fatalf("fork at %d: %v", size, err)
		}
		want := slices.Clone(entries[:size])
		wantEntries(t, ReadAll(t, s, child, size), nil)
		if got := ReadAll(t, s, child, 0); int64(len(got)) != size {
			t.Fatalf("fork at %d has %d entries", size, len(got))
		}
		if _, err := s.Append(t.Context(), child, size+1, more); !isConflict(err, size+1, size) {
			t.Errorf("append to the fork at the wrong place: %v", err)
		}
		MustAppend(t, s, child, size, more)
		want = append(want, more...)
		wantEntries(t, ReadAll(t, s, child, 0), want)
		for at := range int64(len(want) + 1) {
			head, err := s.Head(t.Context(), child, at)
			if err != nil || head != (format.Head{Log: child, Size: at, Root: Root(want[:at])}) {
				t.Fatalf("head of the fork at %d: %s, %v", at, head, err)
			}
		}
		info, err := s.Info(t.Context(), child)
		if err != nil {
			t.Fatal(err)
		}
		info.StoredBytes = 0
		if diff := cmp.Diff(format.Info{ID: child, Size: size + 15, Fork: &format.Fork{Log: parent, Size: size}}, info); diff != "" {
			t.Errorf("info of the fork (-want +got):\n%s", diff)
		}
	}
	if err := s.CreateFork(t.Context(), format.NewLogID(), parent, 41); err == nil {
		t.Error("forked behind the end")
	}
	wantEntries(t, ReadAll(t, s, parent, 0), entries)
}

func forkOfFork(t *testing.T, s format.Store) {
	a, entries := format.NewLogID(), Entries("a", 20)
	MustAppend(t, s, a, 0, entries)
	b := format.NewLogID()
	if err := s.CreateFork(t.Context(), b, a, 10); err != nil {
		t.Fatal(err)
	}
	ofB := append(slices.Clone(entries[:10]), Entries("b", 10)...)
	MustAppend(t, s, b, 10, ofB[10:])
	for _, size := range []int64{0, 5, 9, 10, 11, 20} {
		c := format.NewLogID()
		if err := s.CreateFork(t.Context(), c, b, size); err != nil {
			t.Fatalf("fork of a fork at %d: %v", size, err)
		}
		want := append(slices.Clone(ofB[:size]), Entries("c", 3)...)
		MustAppend(t, s, c, size, want[size:])
		wantEntries(t, ReadAll(t, s, c, 0), want)
		head, err := s.Head(t.Context(), c, -1)
		if err != nil || head.Root != Root(want) {
			t.Errorf("head of a fork of a fork at %d: %s, %v", size, head, err)
		}
	}
}

func forkExists(t *testing.T, s format.Store) {
	a, b := format.NewLogID(), format.NewLogID()
	MustAppend(t, s, a, 0, Entries("a", 5))
	if err := s.CreateFork(t.Context(), b, a, 5); err != nil {
		t.Fatal(err)
	}
	if err := s.CreateFork(t.Context(), b, a, 5); !errors.Is(err, format.ErrExists) {
		t.Errorf("second fork of the same id: %v, want ErrExists", err)
	}
	if err := s.CreateFork(t.Context(), a, a, 5); err == nil {
		t.Error("a log became a fork of itself")
	}
}

func list(t *testing.T, s format.Store) {
	var want []string
	for range 10 {
		id := format.NewLogID()
		MustAppend(t, s, id, 0, Entries("a", 1))
		want = append(want, id.String())
	}
	slices.Sort(want)
	var got []string
	for id, err := range s.List(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, id.String())
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("list (-want +got):\n%s", diff)
	}
}

func blobs(t *testing.T, s format.Store) {
	for _, content := range []string{"", "a", strings.Repeat("0123456789", 100_000)} {
		for range 2 { // the second time it is there already
			digest, n, err := s.PutBlob(t.Context(), strings.NewReader(content))
			if err != nil {
				t.Fatal(err)
			}
			if want := format.Hash(sha256.Sum256([]byte(content))); digest != want || n != int64(len(content)) {
				t.Fatalf("put: %s of %d bytes, want %s of %d", digest, n, want, len(content))
			}
			r, err := s.OpenBlob(t.Context(), digest)
			if err != nil {
				t.Fatal(err)
			}
			got, err := io.ReadAll(r)
			if err != nil || string(got) != content {
				t.Errorf("read %d bytes, %v, want %d", len(got), err, len(content))
			}
			if err := r.Close(); err != nil {
				t.Error(err)
			}
		}
	}
	if _, err := s.OpenBlob(t.Context(), format.Hash{1}); !errors.Is(err, format.ErrNotFound) {
		t.Errorf("open a blob that is not there: %v, want ErrNotFound", err)
	}
}

func watch(t *testing.T, s format.Store) {
	log := format.NewLogID()
	MustAppend(t, s, log, 0, Entries("a", 1))
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	woken := make(chan struct{}, 1)
	ended := make(chan error, 1)
	go func() {
		ended <- s.Watch(ctx, log, 1, func() {
			select {
			case woken <- struct{}{}:
			default:
			}
		})
	}()
	MustAppend(t, s, log, 1, Entries("b", 1))
	select {
	case <-woken:
	case <-ctx.Done():
		t.Error("watch did not wake")
	}
	cancel()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Errorf("watch ended with %v", err)
	}
}

// concurrentAppends lets several goroutines add entries by compare-and-append:
// each must come out once, in its goroutine's order.
func concurrentAppends(t *testing.T, s format.Store) {
	const writers, each = 8, 25
	log := format.NewLogID()
	var wg sync.WaitGroup
	for w := range writers {
		wg.Add(1)
		go func() {
			defer wg.Done()
			at := int64(0)
			for i := range each {
				entry := fmt.Appendf(nil, `{"w":%d,"i":%d}`, w, i)
				for {
					size, err := s.Append(t.Context(), log, at, [][]byte{entry})
					var c *format.ConflictError
					if errors.As(err, &c) {
						at = c.Size
						continue
					}
					if err != nil {
						t.Errorf("writer %d: %v", w, err)
						return
					}
					at = size
					break
				}
			}
		}()
	}
	wg.Wait()
	next := map[byte]int{}
	all := ReadAll(t, s, log, 0)
	for _, e := range all {
		var w, i int
		if _, err := fmt.Sscanf(string(e), `{"w":%d,"i":%d}`, &w, &i); err != nil {
			t.Fatal(err)
		}
		if next[byte(w)] != i {
			t.Fatalf("writer %d: entry %d, want %d", w, i, next[byte(w)])
		}
		next[byte(w)]++
	}
	if len(all) != writers*each {
		t.Errorf("%d entries, want %d", len(all), writers*each)
	}
}

func cancelled(t *testing.T, s format.Store) {
	log := format.NewLogID()
	MustAppend(t, s, log, 0, Entries("a", 3))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s.Append(ctx, log, 3, Entries("b", 1)); !errors.Is(err, context.Canceled) {
		t.Errorf("append: %v, want context.Canceled", err)
	}
	for _, err := range s.Read(ctx, log, 0) {
		if !errors.Is(err, context.Canceled) {
			t.Errorf("read: %v, want context.Canceled", err)
		}
		break
	}
	if got := ReadAll(t, s, log, 0); len(got) != 3 {
		t.Errorf("%d entries, want 3", len(got))
	}
}

// settle checks that entries already there are not appended again.
func settle(t *testing.T, s format.Store) {
	log, entries := format.NewLogID(), Entries("a", 9)
	MustAppend(t, s, log, 0, entries[:4])
	size, err := format.Settle(t.Context(), s, log, 0, entries)
	if err != nil || size != 9 {
		t.Fatalf("settle: size %d, %v, want 9", size, err)
	}
	wantEntries(t, ReadAll(t, s, log, 0), entries)
	size, err = format.Settle(t.Context(), s, log, 3, entries[3:])
	if err != nil || size != 9 {
		t.Errorf("settle what is there: size %d, %v, want 9", size, err)
	}
	other := Entries("b", 2)
	if _, err := format.Settle(t.Context(), s, log, 4, append(slices.Clone(entries[4:6]), other...)); !isConflict(err, 6, 9) {
		t.Errorf("settle among others' entries: %v, want a conflict at 6", err)
	}
}
