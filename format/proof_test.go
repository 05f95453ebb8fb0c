package format_test

import (
	"errors"
	"testing"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/ownlog/ownlog/format"
	"github.com/ownlog/ownlog/format/storetest"
)

// TestTreeAgreesWithTlog compares roots and frontiers with another
// implementation of RFC 6962.
func TestTreeAgreesWithTlog(t *testing.T) {
	var stored []tlog.Hash
	reader := tlog.HashReaderFunc(func(indexes []int64) ([]tlog.Hash, error) {
		var list []tlog.Hash
		for _, x := range indexes {
			list = append(list, stored[x])
		}
		return list, nil
	})
	var f format.Frontier
	for i, e := range storetest.Entries("a", 300) {
		if leaf := format.LeafHash(e); tlog.Hash(leaf) != tlog.RecordHash(e) {
			t.Fatalf("leaf %d differs", i)
		}
		want, err := tlog.TreeHash(int64(i), reader)
		if err != nil {
			t.Fatal(err)
		}
		if i > 0 && tlog.Hash(f.Root()) != want { // tlog calls the empty tree zero
			t.Fatalf("root of %d entries: %s, want %s", i, f.Root(), format.Hash(want))
		}
		again, ok := format.NewFrontier(f.Size(), f.Nodes())
		if !ok || again.Root() != f.Root() {
			t.Fatalf("frontier of %d entries does not survive", i)
		}
		hashes, err := tlog.StoredHashes(int64(i), e, reader)
		if err != nil {
			t.Fatal(err)
		}
		stored = append(stored, hashes...)
		f.Push(format.LeafHash(e))
	}
}

func TestProofs(t *testing.T) {
	const n = 40
	s, log, entries := new(format.MemStore), format.NewLogID(), storetest.Entries("a", n)
	storetest.MustAppend(t, s, log, 0, entries)
	heads := make([]format.Head, n+1)
	for i := range heads {
		heads[i] = format.Head{Log: log, Size: int64(i), Root: storetest.Root(entries[:i])}
	}
	for newer := range heads {
		for older := range newer + 1 {
			proof, err := format.ProveExtension(t.Context(), s, log, int64(older), int64(newer))
			if err != nil {
				t.Fatal(err)
			}
			if err := format.CheckExtension(proof, heads[older], heads[newer]); err != nil {
				t.Errorf("%d extends %d: %v", newer, older, err)
			}
			wrong := heads[older]
			wrong.Root[7] ^= 1
			if err := format.CheckExtension(proof, wrong, heads[newer]); !errors.Is(err, format.ErrProof) {
				t.Errorf("%d extends a head of %d that it does not have: %v", newer, older, err)
			}
		}
		for seq := range newer {
			proof, err := format.ProveInclusion(t.Context(), s, log, int64(seq), int64(newer))
			if err != nil {
				t.Fatal(err)
			}
			if err := format.CheckInclusion(proof, heads[newer], int64(seq), format.LeafHash(entries[seq])); err != nil {
				t.Errorf("entry %d of %d: %v", seq, newer, err)
			}
			if err := format.CheckInclusion(proof, heads[newer], int64(seq), format.LeafHash(entries[(seq+1)%n])); !errors.Is(err, format.ErrProof) {
				t.Errorf("another entry at %d of %d: %v", seq, newer, err)
			}
		}
	}
	if _, err := format.ProveExtension(t.Context(), s, log, 3, n+1); err == nil {
		t.Error("proved something about entries that are not there")
	}
}
