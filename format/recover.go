package format

import (
	"context"
	"fmt"
)

// RecoverOptions say how to recover a log.
type RecoverOptions struct {
	// Gap makes the entry that stands for one that was lost. The format knows
	// no event types: the caller does.
	Gap func(seq int64, reason string) ([]byte, error)
	// MaxGaps is how many lost entries are accepted, a million if it is 0:
	// damaged numbers must not fill the disk.
	MaxGaps int64
}

// RecoverReport is what recovering a log did.
type RecoverReport struct {
	// Head is that of the new log.
	Head Head
	// Kept is how many entries are in it unchanged, Lost how many are not, and
	// Holes how many of those had been redacted.
	Kept, Lost, Holes int64
}

const defaultMaxGaps = 1_000_000

// recoverBatch is about how many bytes of entries are appended at once.
const recoverBatch = 4 << 20

// Recover writes a new log with what is readable of a damaged one. Every
// readable entry keeps its position, each lost one is replaced by a gap; a fork
// takes its parents' entries into itself. The damaged log is left as it is.
//
// The new log goes as far as the old one is known to have gone: to the last
// readable line, the beginning of the last segment or the last seal. What was
// lost behind that cannot be told; compare with a head that you kept.
func (s *DirStore) Recover(ctx context.Context, damaged, into LogID, opts RecoverOptions) (RecoverReport, error) {
	r := recovery{store: s, into: into, opts: opts}
	if r.opts.MaxGaps == 0 {
		r.opts.MaxGaps = defaultMaxGaps
	}
	err := r.run(ctx, damaged)
	if err == nil {
		r.report.Head, err = s.Head(ctx, into, -1)
	}
	if err != nil {
		return r.report, fmt.Errorf("recover log %s: %w", damaged, err)
	}
	return r.report, nil
}

// recovery is a new log in the making.
type recovery struct {
	store  *DirStore
	into   LogID
	opts   RecoverOptions
	report RecoverReport

	seq     int64
	size    int64 // appended so far
	pending [][]byte
	bytes   int
}

func (r *recovery) run(ctx context.Context, damaged LogID) error {
	segments, err := listSegments(r.store.fs, r.store.logDir(r.into))
	if err != nil {
		return err
	}
	if len(segments) > 0 {
		return fmt.Errorf("log %s: %w", r.into, ErrExists)
	}
	v := r.store.newVerifier(damaged, VerifyOptions{}, nil)
	lineage, err := v.lineage()
	if err != nil {
		return err
	}
	for i, k := range lineage {
		to := int64(openEnd)
		if i+1 < len(lineage) {
			to = lineage[i+1].begins
		}
		if err := r.part(ctx, k.log, to); err != nil {
			return err
		}
	}
	if r.seq == 0 {
		return fmt.Errorf("%w: nothing in it can be read", ErrIncomplete)
	}
	return r.flush(ctx)
}

// part takes the entries up to to from the files of one log.
func (r *recovery) part(ctx context.Context, log LogID, to int64) error {
	v, err := r.store.newSalvage(log)
	if err != nil {
		return err
	}
	defer v.close()
	for r.seq < to {
		if err := ctx.Err(); err != nil {
			return err
		}
		l, ok, err := v.next(r.seq)
		if err != nil {
			return err
		}
		if !ok || l.seq >= to {
			break
		}
		if err := r.gaps(ctx, l.seq, "damaged or missing"); err != nil {
			return err
		}
		if err := r.take(ctx, l); err != nil {
			return err
		}
	}
	if to == openEnd {
		to = max(v.proven, r.seq)
	}
	return r.gaps(ctx, to, "damaged or missing")
}

// take appends one readable line.
func (r *recovery) take(ctx context.Context, l line) error {
	if l.kind == lineHole {
		r.report.Holes++
		return r.gaps(ctx, l.seq+1, "redacted, leaf "+l.hash.String())
	}
	if err := CheckEntry(l.entry); err != nil {
		return r.gaps(ctx, l.seq+1, err.Error())
	}
	r.report.Kept++
	return r.add(ctx, append([]byte(nil), l.entry...))
}

// gaps fills the positions up to end.
func (r *recovery) gaps(ctx context.Context, end int64, reason string) error {
	if lost := r.report.Lost + end - r.seq; lost > r.opts.MaxGaps {
		return fmt.Errorf("%d entries are lost, more than %d: nothing more was done", lost, r.opts.MaxGaps)
	}
	for r.seq < end {
		entry, err := r.opts.Gap(r.seq, reason)
		if err != nil {
			return err
		}
		r.report.Lost++
		if err := r.add(ctx, entry); err != nil {
			return err
		}
	}
	return nil
}

func (r *recovery) add(ctx context.Context, entry []byte) error {
	r.pending = append(r.pending, entry)
	r.bytes += len(entry)
	r.seq++
	if r.bytes < recoverBatch {
		return nil
	}
	return r.flush(ctx)
}

func (r *recovery) flush(ctx context.Context) error {
	size, err := r.store.Append(ctx, r.into, r.size, r.pending)
	if err != nil {
		return err
	}
	r.size, r.pending, r.bytes = size, r.pending[:0], 0
	return nil
}
