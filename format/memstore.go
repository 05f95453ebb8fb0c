package format

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"iter"
	"slices"
	"sync"
)

// MemStore keeps logs in memory. It is for tests, dry runs and small tools; it
// passes the same acceptance suite as the other stores. The zero MemStore is
// empty and ready. It is safe for concurrent use.
type MemStore struct {
	mu    sync.Mutex
	logs  map[LogID]*memLog
	blobs map[Hash][]byte
	grown chan struct{} // closed and replaced at every append
}

type memLog struct {
	fork    *Fork
	first   int64
	entries [][]byte
}

func (l *memLog) size() int64 { return l.first + int64(len(l.entries)) }

// Append implements [Store].
func (s *MemStore) Append(ctx context.Context, log LogID, at int64, entries [][]byte) (int64, error) {
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	for i, e := range entries {
		if err := CheckEntry(e); err != nil {
			return 0, fmt.Errorf("log %s, entry %d: %w", log, at+int64(i), err)
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	l := s.logs[log]
	if l == nil {
		l = new(memLog)
	}
	if at != l.size() {
		return 0, &ConflictError{Log: log, At: at, Size: l.size()}
	}
	if len(entries) == 0 {
		return at, nil
	}
	for _, e := range entries {
		l.entries = append(l.entries, bytes.Clone(e))
	}
	if s.logs == nil {
		s.logs = make(map[LogID]*memLog)
	}
	s.logs[log] = l
	if s.grown != nil {
		close(s.grown)
		s.grown = nil
	}
	return l.size(), nil
}

// CreateFork implements [Store].
func (s *MemStore) CreateFork(_ context.Context, child, parent LogID, size int64) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	p := s.logs[parent]
	switch {
	case p == nil:
		return fmt.Errorf("log %s: %w", parent, ErrNotFound)
	case s.logs[child] != nil:
		return fmt.Errorf("log %s: %w", child, ErrExists)
	case size < 0 || size > p.size():
		return fmt.Errorf("fork of log %s at %d: it has %d entries", parent, size, p.size())
	}
	s.logs[child] = &memLog{fork: &Fork{Log: parent, Size: size}, first: size}
	return nil
}

// Read implements [Store].
func (s *MemStore) Read(ctx context.Context, log LogID, from int64) iter.Seq2[Entry, error] {
	return func(yield func(Entry, error) bool) {
		s.mu.Lock()
		parts, err := s.history(log)
		s.mu.Unlock()
		if err == nil {
			err = ctx.Err()
		}
		if err != nil {
			yield(Entry{}, err)
			return
		}
		seq := int64(0)
		for _, part := range parts {
			for _, e := range part {
				if err := ctx.Err(); err != nil {
					yield(Entry{}, err)
					return
				}
				if seq >= from && !yield(Entry{Seq: seq, Bytes: e, Leaf: LeafHash(e)}, nil) {
					return
				}
				seq++
			}
		}
	}
}

// history returns the entries of a log, those of its ancestors first. s.mu is held.
func (s *MemStore) history(log LogID) ([][][]byte, error) {
	var parts [][][]byte
	end := int64(-1)
	for {
		l := s.logs[log]
		if l == nil {
			return nil, fmt.Errorf("log %s: %w", log, ErrNotFound)
		}
		own := l.entries
		if end >= 0 {
			own = own[:max(0, end-l.first)]
		}
		parts = append(parts, own)
		if l.fork == nil {
			slices.Reverse(parts)
			return parts, nil
		}
		if end < 0 || l.fork.Size < end {
			end = l.fork.Size
		}
		log = l.fork.Log
	}
}

// Info implements [Store].
func (s *MemStore) Info(_ context.Context, log LogID) (Info, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	l := s.logs[log]
	if l == nil {
		return Info{}, fmt.Errorf("log %s: %w", log, ErrNotFound)
	}
	return Info{ID: log, Size: l.size(), Fork: l.fork}, nil
}

// Head implements [Store].
func (s *MemStore) Head(ctx context.Context, log LogID, size int64) (Head, error) {
	var f Frontier
	for e, err := range s.Read(ctx, log, 0) {
		if err != nil {
			return Head{}, err
		}
		if f.Size() == size {
			break
		}
		f.Push(e.Leaf)
	}
	if size > f.Size() {
		return Head{}, fmt.Errorf("head of log %s at %d: it has %d entries", log, size, f.Size())
	}
	return Head{Log: log, Size: f.Size(), Root: f.Root()}, nil
}

// List implements [Store].
func (s *MemStore) List(context.Context) iter.Seq2[LogID, error] {
	s.mu.Lock()
	ids := make([]LogID, 0, len(s.logs))
	for id := range s.logs {
		ids = append(ids, id)
	}
	s.mu.Unlock()
	slices.SortFunc(ids, func(a, b LogID) int { return bytes.Compare(a[:], b[:]) })
	return func(yield func(LogID, error) bool) {
		for _, id := range ids {
			if !yield(id, nil) {
				return
			}
		}
	}
}

// Watch implements [Store].
func (s *MemStore) Watch(ctx context.Context, log LogID, from int64, wake func()) error {
	for {
		s.mu.Lock()
		l := s.logs[log]
		grown := l != nil && l.size() > from
		if grown {
			from = l.size()
		}
		if s.grown == nil {
			s.grown = make(chan struct{})
		}
		changed := s.grown
		s.mu.Unlock()
		if grown {
			wake()
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-changed:
		}
	}
}

// PutBlob implements [Store].
func (s *MemStore) PutBlob(_ context.Context, r io.Reader) (Hash, int64, error) {
	b, err := io.ReadAll(r)
	if err != nil {
		return Hash{}, 0, fmt.Errorf("store a blob: %w", err)
	}
	digest := Hash(sha256.Sum256(b))
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.blobs == nil {
		s.blobs = make(map[Hash][]byte)
	}
	s.blobs[digest] = b
	return digest, int64(len(b)), nil
}

// OpenBlob implements [Store].
func (s *MemStore) OpenBlob(_ context.Context, digest Hash) (io.ReadCloser, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	b, ok := s.blobs[digest]
	if !ok {
		return nil, fmt.Errorf("blob sha256:%s: %w", digest, ErrNotFound)
	}
	return io.NopCloser(bytes.NewReader(b)), nil
}

// Caps implements [Store].
func (s *MemStore) Caps() Caps { return Caps{Watch: true} }

var _ Store = (*MemStore)(nil)
