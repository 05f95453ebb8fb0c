package format

import (
	"context"
	"errors"
	"fmt"

	"golang.org/x/mod/sumdb/tlog"
)

// ErrProof is wrapped by every error about a proof that does not hold.
var ErrProof = errors.New("the proof does not hold")

// ProveExtension returns the consistency proof (RFC 6962, section 2.1.2) that
// the first newSize entries of a log begin with its first oldSize entries.
// [CheckExtension] checks it with nothing but the two heads.
func ProveExtension(ctx context.Context, s Store, log LogID, oldSize, newSize int64) ([]Hash, error) {
	if oldSize < 0 || oldSize > newSize {
		return nil, fmt.Errorf("prove that %d entries extend %d: the sizes are the wrong way round", newSize, oldSize)
	}
	if oldSize == 0 || oldSize == newSize {
		return nil, nil
	}
	p, err := tlog.ProveTree(newSize, oldSize, treeReader{ctx, s, log})
	if err != nil {
		return nil, fmt.Errorf("prove an extension of log %s: %w", log, err)
	}
	return fromTlog(p), nil
}

// CheckExtension tells whether newer extends older, which are heads of one log.
// Every head extends that of no entries. The error wraps [ErrProof].
func CheckExtension(proof []Hash, older, newer Head) error {
	switch {
	case older.Log != newer.Log:
		return fmt.Errorf("%w: the heads are of two logs, %s and %s", ErrProof, older.Log, newer.Log)
	case older.Size > newer.Size:
		return fmt.Errorf("%w: %d entries cannot extend %d", ErrProof, newer.Size, older.Size)
	case older.Size == newer.Size || older.Size == 0:
		var empty Frontier
		if older.Size == 0 && older.Root != empty.Root() || older.Size == newer.Size && older.Root != newer.Root || len(proof) > 0 {
			return fmt.Errorf("%w: the roots differ", ErrProof)
		}
		return nil
	}
	err := tlog.CheckTree(toTlog(proof), newer.Size, tlog.Hash(newer.Root), older.Size, tlog.Hash(older.Root))
	if err != nil {
		return fmt.Errorf("%w: %w", ErrProof, err)
	}
	return nil
}

// ProveInclusion returns the proof (RFC 6962, section 2.1.1) that entry seq is
// among the first size entries of a log.
func ProveInclusion(ctx context.Context, s Store, log LogID, seq, size int64) ([]Hash, error) {
	if seq < 0 || seq >= size {
		return nil, fmt.Errorf("prove that entry %d is among %d entries: it is not", seq, size)
	}
	p, err := tlog.ProveRecord(size, seq, treeReader{ctx, s, log})
	if err != nil {
		return nil, fmt.Errorf("prove entry %d of log %s: %w", seq, log, err)
	}
	return fromTlog(p), nil
}

// CheckInclusion tells whether the entry with that leaf is entry seq of the log
// that head names. The error wraps [ErrProof].
func CheckInclusion(proof []Hash, head Head, seq int64, leaf Hash) error {
	if seq < 0 || seq >= head.Size {
		return fmt.Errorf("%w: there is no entry %d among %d", ErrProof, seq, head.Size)
	}
	if err := tlog.CheckRecord(toTlog(proof), head.Size, tlog.Hash(head.Root), seq, tlog.Hash(leaf)); err != nil {
		return fmt.Errorf("%w: %w", ErrProof, err)
	}
	return nil
}

func fromTlog(p []tlog.Hash) []Hash {
	hashes := make([]Hash, len(p))
	for i, h := range p {
		hashes[i] = Hash(h)
	}
	return hashes
}

func toTlog(p []Hash) []tlog.Hash {
	hashes := make([]tlog.Hash, len(p))
	for i, h := range p {
		hashes[i] = tlog.Hash(h)
	}
	return hashes
}

// treeReader computes the nodes of a log's tree that a proof needs in one pass
// over its entries.
type treeReader struct {
	ctx context.Context
	s   Store
	log LogID
}

// subtree is a perfect subtree over the entries [from, to).
type subtree struct {
	from, to int64
	tree     Frontier
}

// ReadHashes implements [tlog.HashReader].
func (r treeReader) ReadHashes(indexes []int64) ([]tlog.Hash, error) {
	subtrees := make([]subtree, len(indexes))
	end := int64(0)
	for i, x := range indexes {
		level, n := tlog.SplitStoredHashIndex(x)
		subtrees[i] = subtree{from: n << level, to: (n + 1) << level}
		end = max(end, subtrees[i].to)
	}
	seq := int64(0)
	for e, err := range r.s.Read(r.ctx, r.log, 0) {
		if err != nil {
			return nil, err
		}
		if e.Seq >= end {
			break
		}
		for i := range subtrees {
			if t := &subtrees[i]; t.from <= e.Seq && e.Seq < t.to {
				t.tree.Push(e.Leaf)
			}
		}
		seq = e.Seq + 1
	}
	if seq < end {
		return nil, fmt.Errorf("it has %d entries, %d are needed", seq, end)
	}
	hashes := make([]tlog.Hash, len(indexes))
	for i := range subtrees {
		hashes[i] = tlog.Hash(subtrees[i].tree.Root())
	}
	return hashes, nil
}
