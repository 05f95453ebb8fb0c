package format

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"time"
)

// Info implements [Store].
func (s *DirStore) Info(ctx context.Context, log LogID) (Info, error) {
	t, err := s.tailOf(ctx, log)
	if err != nil {
		return Info{}, err
	}
	info := Info{ID: log, Size: t.size, Fork: t.fork}
	for _, f := range t.chain {
		if st, err := s.fs.Stat(f.path); err == nil {
			info.StoredBytes += st.Size
		}
	}
	return info, nil
}

// part is a piece of a history: the entries [from, to) are in the files of log.
type part struct {
	log      LogID
	from, to int64
}

// history returns the parts of a log's first size entries, oldest first.
func (s *DirStore) history(log LogID, t tailInfo) ([]part, error) {
	parts := []part{{log, t.begins(), t.size}}
	end := t.begins()
	seen := map[LogID]bool{log: true}
	for fork := t.fork; fork != nil; {
		if seen[fork.Log] || len(seen) > maxForks {
			return nil, fmt.Errorf("log %s: its chain of forks leads back to log %s, or is longer than %d", log, fork.Log, maxForks)
		}
		seen[fork.Log] = true
		parent, err := s.originOf(fork.Log)
		if errors.Is(err, ErrNotFound) {
			err = fmt.Errorf("log %s is a fork of log %s, which is missing: %w", log, fork.Log, ErrIncomplete)
		}
		if err != nil {
			return nil, err
		}
		begins := parent.begins()
		if begins < end {
			parts = append([]part{{fork.Log, begins, end}}, parts...)
			end = begins
		}
		fork = parent.fork
	}
	return parts, nil
}

// Read implements [Store].
func (s *DirStore) Read(ctx context.Context, log LogID, from int64) iter.Seq2[Entry, error] {
	return func(yield func(Entry, error) bool) {
		t, last, err := s.openTailOf(ctx, log)
		if last != nil {
			defer last.Close() //nolint:errcheck // only read from
		}
		corrupt := asCorrupt(err)
		if err != nil && (corrupt == nil || t.chain == nil) {
			yield(Entry{}, err)
			return
		}
		parts, err := s.history(log, t)
		if err != nil {
			yield(Entry{}, err)
			return
		}
		for _, p := range parts {
			if p.from = max(p.from, from); p.from >= p.to {
				continue
			}
			known := openChain{}
			if p.log == log {
				known = openChain{t.chain, last}
			}
			more, err := s.readPart(ctx, p, known, yield)
			if err != nil {
				yield(Entry{}, err)
			}
			if err != nil || !more {
				return
			}
		}
		if corrupt != nil {
			yield(Entry{}, corrupt)
		}
	}
}

// openChain is the segments of a log, nil if they are not known, and the file of
// the last if that is text and open.
type openChain struct {
	spans []span
	last  *textFile
}

// readPart yields the entries of a part; more is false when the caller stopped.
// known is the log's segments.
func (s *DirStore) readPart(ctx context.Context, p part, known openChain, yield func(Entry, error) bool) (more bool, err error) {
	seq := p.from
	for seq < p.to {
		var r *segmentReader
		var end int64
		var file io.Closer
		err := s.retry(func() (err error) {
			r, end, file, err = s.openAt(p.log, known, seq)
			known.spans = nil // they may have changed their form since
			return err
		})
		if err != nil {
			return false, err
		}
		more, err := s.readSegment(ctx, r, &seq, min(end, p.to), yield)
		if cerr := file.Close(); err == nil {
			err = cerr
		}
		if err != nil || !more {
			return false, err
		}
	}
	return true, nil
}

// openAt opens the segment that holds entry seq; end is where it ends. It looks
// for the log's segments if it is not given them.
func (s *DirStore) openAt(id LogID, known openChain, seq int64) (r *segmentReader, end int64, file io.Closer, err error) {
	chain := known.spans
	if chain == nil {
		if chain, err = s.chain(id); err != nil {
			return nil, 0, nil, err
		}
	}
	for i := len(chain) - 1; i >= 0; i-- {
		if f := chain[i]; f.first <= seq {
			if seq >= f.end {
				break
			}
			if known.last != nil && f.first == known.last.first && !f.sealed {
				// As it was when the size was read, even if it was sealed since.
				r = known.last.reader()
				_, _, err = r.readHeader(id, f.first)
				return r, f.end, known.last, err
			}
			r, file, err := s.openSpanAt(id, f, seq)
			return r, f.end, file, err
		}
	}
	return nil, 0, nil, fmt.Errorf("log %s: %w: entry %d is missing: copy the log again", id, ErrIncomplete, seq)
}

// readSegment yields the entries from *seq up to end, and moves *seq.
func (s *DirStore) readSegment(ctx context.Context, r *segmentReader, seq *int64, end int64, yield func(Entry, error) bool) (more bool, err error) {
	for *seq < end {
		if r.seq%64 == 0 {
			if err := ctx.Err(); err != nil {
				return false, err
			}
		}
		l, _, err := r.next()
		if err == io.EOF || err == nil && l.kind == lineSeal {
			return false, fmt.Errorf("%s: %w: it ends before entry %d: copy the log again", r.path, ErrIncomplete, *seq)
		}
		if err != nil {
			return false, err
		}
		if l.seq < *seq {
			continue
		}
		*seq = l.seq + 1
		if !yield(Entry{Seq: l.seq, Bytes: l.entry, Leaf: l.leaf(), Hole: l.kind == lineHole}, nil) {
			return false, nil
		}
	}
	return true, nil
}

// Head implements [Store]. It takes the word of the segment headers for what
// lies in front of them; [DirStore.Verify] does not.
func (s *DirStore) Head(ctx context.Context, log LogID, size int64) (Head, error) {
	t, err := s.tailOf(ctx, log)
	if err != nil {
		return Head{}, err
	}
	if size < 0 || size == t.size {
		return Head{Log: log, Size: t.size, Root: t.root}, nil
	}
	if size > t.size {
		return Head{}, fmt.Errorf("head of log %s at %d: it has %d entries", log, size, t.size)
	}
	f, err := s.frontierAt(ctx, log, t, size)
	if err != nil {
		return Head{}, err
	}
	return Head{Log: log, Size: size, Root: f.Root()}, nil
}

// frontierAt returns the frontier of the first size entries of a log, at most
// those it has, reading at most one segment.
func (s *DirStore) frontierAt(ctx context.Context, log LogID, t tailInfo, size int64) (Frontier, error) {
	switch {
	case size == 0:
		return Frontier{}, nil
	case size == t.size && t.frontier != nil:
		return t.frontier.Clone(), nil
	}
	parts, err := s.history(log, t)
	if err != nil {
		return Frontier{}, err
	}
	owner := log
	for _, p := range parts {
		if p.from < size && size <= p.to {
			owner = p.log
		}
	}
	var f Frontier
	err = s.retry(func() error {
		r, h, file, err := s.openBefore(owner, size)
		if err != nil {
			return err
		}
		defer file.Close() //nolint:errcheck // only read from
		f = h.frontier.Clone()
		for f.Size() < size {
			l, _, err := r.next()
			if err == io.EOF || err == nil && l.kind == lineSeal {
				return fmt.Errorf("%s: %w: it ends before entry %d: copy the log again", r.path, ErrIncomplete, f.Size())
			}
			if err != nil {
				return err
			}
			f.Push(l.leaf())
		}
		return ctx.Err()
	})
	return f, err
}

// openBefore opens the last segment that begins at or before size.
func (s *DirStore) openBefore(id LogID, size int64) (*segmentReader, header, fsFile, error) {
	chain, err := s.chain(id)
	if err != nil {
		return nil, header{}, nil, err
	}
	for i := len(chain) - 1; i >= 0; i-- {
		if chain[i].first <= size {
			return s.openSpan(id, chain[i])
		}
	}
	return nil, header{}, nil, fmt.Errorf("log %s: %w: entry %d is missing: copy the log again", id, ErrIncomplete, size-1)
}

// CreateFork implements [Store].
func (s *DirStore) CreateFork(ctx context.Context, child, parent LogID, size int64) error {
	if s.readOnly {
		return fmt.Errorf("fork log %s: %w", parent, ErrReadOnly)
	}
	if child == parent {
		if _, err := s.tailOf(ctx, parent); err != nil {
			return err
		}
		return fmt.Errorf("log %s: %w", child, ErrExists)
	}
	// Before any lock is taken: two logs that are each to become a fork of the
	// other would wait for each other.
	if segments, err := listSegments(s.fs, s.logDir(child)); err == nil && len(segments) > 0 {
		return fmt.Errorf("log %s: %w", child, ErrExists)
	}
	unlock, t, err := s.holdSettled(ctx, parent, size)
	if err != nil {
		return fmt.Errorf("fork log %s: %w", parent, err)
	}
	defer unlock()
	if size < 0 || size > t.size {
		return fmt.Errorf("fork of log %s at %d: it has %d entries", parent, size, t.size)
	}
	frontier, err := s.frontierAt(ctx, parent, t, size)
	if err != nil {
		return err
	}
	l := &dirLog{store: s, id: child, dir: s.logDir(child), sum: logSum(child)}
	defer l.close() //nolint:errcheck // unlocks; what was written is synced
	if err := l.lockExclusive(ctx, true); err != nil {
		return fmt.Errorf("fork log %s: %w", parent, err)
	}
	segments, err := listSegments(s.fs, l.dir)
	if err != nil {
		return fmt.Errorf("fork log %s: %w", parent, err)
	}
	if len(segments) > 0 {
		return fmt.Errorf("log %s: %w", child, ErrExists)
	}
	h := header{log: child, first: size, frontier: frontier, fork: &Fork{Log: parent, Size: size}}
	if l.tail, err = l.newSegment(tailSource{header: h}); err != nil {
		return fmt.Errorf("fork log %s: %w", parent, err)
	}
	// Without a record the next append judges the new segment anew.
	_ = l.writeRecord(l.tail)
	return nil
}

// watchInterval is how often Watch looks.
const watchInterval = 100 * time.Millisecond

// Watch implements [Store] by polling.
func (s *DirStore) Watch(ctx context.Context, log LogID, from int64, wake func()) error {
	tick := time.NewTicker(watchInterval)
	defer tick.Stop()
	for {
		t, err := s.tailOf(ctx, log)
		switch {
		case err == nil && t.size > from:
			from = t.size
			wake()
		case err != nil && ctx.Err() == nil && !errors.Is(err, ErrNotFound) && !errors.Is(err, fs.ErrNotExist):
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
	}
}

var _ Store = (*DirStore)(nil)
