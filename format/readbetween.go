package format

import (
	"context"
	"fmt"
	"io"
	"iter"
	"time"
)

// ReadBetween yields the entries of a log whose time lies in [from, to], in the
// order of the log. Entries without a time are left out. Of sealed segments
// only the frames are read that can hold such entries by their index, which is
// believed here and checked by [DirStore.Verify].
func (s *DirStore) ReadBetween(ctx context.Context, log LogID, from, to time.Time) iter.Seq2[Entry, error] {
	return func(yield func(Entry, error) bool) {
		r := timeReader{store: s, from: []byte(timeText(from)), to: []byte(timeText(to)), yield: yield}
		if err := r.run(ctx, log); err != nil {
			yield(Entry{}, err)
		}
	}
}

// timeText spells a time as entries do.
func timeText(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000000000Z") }

type timeReader struct {
	store    *DirStore
	from, to []byte
	yield    func(Entry, error) bool
	stopped  bool
}

func (r *timeReader) run(ctx context.Context, log LogID) error {
	t, err := r.store.tailOf(ctx, log)
	if err != nil {
		return err
	}
	parts, err := r.store.history(log, t)
	if err != nil {
		return err
	}
	for _, p := range parts {
		for seq := p.from; seq < p.to && !r.stopped; {
			if err := ctx.Err(); err != nil {
				return err
			}
			end := seq
			err := r.store.retry(func() (err error) {
				end, err = r.segment(p, seq)
				return err
			})
			if err != nil {
				return err
			}
			seq = end
		}
	}
	return nil
}

// segment yields what fits of the segment that holds entry seq, and returns
// where it ends.
func (r *timeReader) segment(p part, seq int64) (int64, error) {
	chain, err := r.store.chain(p.log)
	if err != nil {
		return seq, err
	}
	for _, f := range chain {
		if f.first > seq || seq >= f.end {
			continue
		}
		end := min(f.end, p.to)
		if f.sealed {
			return end, r.sealed(p.log, f, seq, end)
		}
		reader, _, file, err := r.store.openSpan(p.log, f)
		if err != nil {
			return seq, err
		}
		defer file.Close() //nolint:errcheck // only read from
		return end, r.lines(reader, seq, end)
	}
	return seq, fmt.Errorf("log %s: %w: entry %d is missing: copy the log again", p.log, ErrIncomplete, seq)
}

// sealed reads the frames that overlap the times.
func (r *timeReader) sealed(log LogID, f span, seq, end int64) error {
	file, sealed, err := r.store.openSealedFile(log, f.path, f.first)
	if err != nil {
		return err
	}
	defer file.Close() //nolint:errcheck // only read from
	for i, b := range sealed.blocks {
		last := b.first + b.count
		if b.count == 0 || last <= seq || b.first >= end || b.tmin == "" || compareTimes([]byte(b.tmin), r.to) > 0 || compareTimes([]byte(b.tmax), r.from) < 0 {
			continue
		}
		if err := r.lines(sealed.readerOf(i), max(seq, b.first), min(end, last)); err != nil || r.stopped {
			return err
		}
	}
	return nil
}

// lines yields what fits of the entries [seq, end).
func (r *timeReader) lines(reader *segmentReader, seq, end int64) error {
	for reader.seq < end && !r.stopped {
		l, _, err := reader.next()
		if err == io.EOF || err == nil && l.kind == lineSeal {
			return fmt.Errorf("%s: %w: it ends before entry %d: copy the log again", reader.path, ErrIncomplete, end)
		}
		if err != nil {
			return err
		}
		if l.seq < seq || l.kind != lineEntry {
			continue
		}
		at, ok := unquoted(topMembers(l.entry).time)
		if !ok || !isTime(at) || compareTimes(at, r.from) < 0 || compareTimes(at, r.to) > 0 {
			continue
		}
		r.stopped = !r.yield(Entry{Seq: l.seq, Bytes: l.entry, Leaf: l.leaf()}, nil)
	}
	return nil
}
