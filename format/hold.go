package format

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"sync"
)

// maxHeldBatch is how many bytes are appended without a sync to a log that is
// held before the lock record is written: what the next writer copies when the
// holder died.
const maxHeldBatch = 1 << 20

// Hold takes a log's lock until release is called: appends to it through this
// store need not take the lock, look for what other writers did, and note what
// they did, one by one. It is for one writer that appends much. Each append is
// written, and synced unless the store is without sync, before it is
// acknowledged, as ever.
//
// Until then everybody else who wants the lock waits: other processes and stores
// that append to the log or read it, and whoever seals, verifies, packs, forks or
// removes it, through this store as well. This store's reads and appends do
// not. A holder that dies loses the lock and nothing else; one that is stopped
// keeps it.
//
// The log must exist: else the error is [ErrNotFound]. Several holds of one
// store share the lock; the last release lets it go. release must be called
// before the store is closed, and does nothing when called again. After an append failed with [ErrUnknown]
// the log is not held any more, and appends take the lock one by one.
func (s *DirStore) Hold(ctx context.Context, log LogID) (release func() error, err error) {
	if s.readOnly {
		return nil, fmt.Errorf("hold log %s: %w", log, ErrReadOnly)
	}
	l, done := s.use(log)
	var lock fsFile
	err = l.betweenCommits(ctx, func() error {
		lock, err = l.hold(ctx)
		return err
	})
	if err != nil {
		done()
		return nil, fmt.Errorf("hold log %s: %w", log, err)
	}
	return sync.OnceValue(func() error {
		defer done()
		return l.betweenCommits(context.WithoutCancel(ctx), func() error { return l.release(lock) })
	}), nil
}

// betweenCommits runs do while nobody of this store appends.
func (l *dirLog) betweenCommits(ctx context.Context, do func() error) error {
	r := &appendRequest{ctx: ctx, instead: do}
	l.queue.run(r, l.commit)
	return r.err
}

func (l *dirLog) held() bool { return l.holders.Load() > 0 }

// hold adds a holder, and returns the lock that it holds.
func (l *dirLog) hold(ctx context.Context) (fsFile, error) {
	if l.held() {
		l.holders.Add(1)
		return l.lock, nil
	}
	if err := l.lockExclusive(ctx, false); err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			err = ErrNotFound
		}
		return nil, err
	}
	t, err := l.openTail()
	if err != nil {
		l.poison()
		return nil, err
	}
	l.recorded.off, l.recorded.size = t.off, t.size
	l.holders.Store(1)
	return l.lock, nil
}

// release takes a holder away, unless the lock that it held is lost already.
func (l *dirLog) release(lock fsFile) error {
	if !l.held() || l.lock != lock || l.holders.Add(-1) > 0 {
		return nil
	}
	if l.recorded.off != l.tail.off {
		// An outdated record costs the next writer a copy of the last batch.
		_ = l.writeRecord(l.tail)
	}
	if err := l.lock.Unlock(); err != nil {
		l.poison()
		return err
	}
	return nil
}

// batchGoesOn tells whether the next append may belong to the batch of the last:
// nothing was synced in between, and nobody else could have looked at the record.
func (l *dirLog) batchGoesOn(t *openSegment) bool {
	return l.held() && l.store.noSync && t.off-l.recorded.off < maxHeldBatch
}

// batchStart returns the size of the log at which the batch of the next append began.
func (l *dirLog) batchStart(t *openSegment) int64 {
	if l.batchGoesOn(t) {
		return l.recorded.size
	}
	return t.size
}

// heldFrontier returns the frontier of a log that this store holds, nil if it does not.
func (s *DirStore) heldFrontier(ctx context.Context, id LogID) (f *Frontier, err error) {
	s.mu.Lock()
	l := s.logs[id]
	s.mu.Unlock()
	if l == nil || !l.held() {
		return nil, nil
	}
	err = l.betweenCommits(ctx, func() error {
		if l.held() {
			clone := l.tail.frontier.Clone()
			f = &clone
		}
		return nil
	})
	return f, err
}
