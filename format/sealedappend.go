package format

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
)

// SealedAppender adds entries to a log in sealed form at once, without writing
// text first: the files are byte for byte those that [DirStore.Append] of the
// same batches and then [DirStore.Seal] would make, as long as failed appends left
// nothing of note behind. It is for entries that exist
// already elsewhere, such as an import; whoever writes live wants the
// durability of each Append.
//
// It holds the log's lock from beginning to end: others who read or append to
// the log wait, in this process as well. So whoever has one open must neither
// use the log through the store, nor begin another one, in the same goroutine.
// It is not safe for concurrent use.
type SealedAppender struct {
	l  *dirLog
	at int64
	// out is the segment being written, text the text of the segments that Seal
	// would put into it, the last one apart.
	out  *sealedTemp
	text int64
	// first and off are those of the text segment that Append would be writing to.
	first, off int64
	fork       *Fork

	ack              int64
	pending, written int // bytes of the batch, as in [batch]
	named            []Hash
	err              error // why nothing can be added any more
}

// errAppenderClosed: Append or Commit after Commit or Close.
var errAppenderClosed = errors.New("the sealed appender was closed")

// AppendSealed begins to add entries at position at, which must be the log's
// size, in sealed form. A log that does not exist has size 0 and is made. The
// caller must call Close.
//
// Errors to branch on are those of [Store.Append]. After one, the log is as it
// was.
func (s *DirStore) AppendSealed(ctx context.Context, log LogID, at int64) (*SealedAppender, error) {
	if s.readOnly {
		return nil, fmt.Errorf("append to log %s: %w", log, ErrReadOnly)
	}
	a := &SealedAppender{l: &dirLog{store: s, id: log, dir: s.logDir(log), sum: logSum(log)}, at: at, ack: at}
	if err := a.begin(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("append to log %s: %w", log, err), a.l.close())
	}
	return a, nil
}

// begin takes the lock and copies what Seal would put into one segment with the
// new entries.
func (a *SealedAppender) begin(ctx context.Context) error {
	l := a.l
	if err := l.lockExclusive(ctx, a.at == 0); err != nil {
		if errors.Is(err, fs.ErrNotExist) && a.at > 0 {
			err = &ConflictError{Log: l.id, At: a.at}
		}
		return err
	}
	l.store.removeTemps(l.dir)
	if err := l.store.removeStale(l); err != nil {
		return err
	}
	for {
		chain, h, err := a.tail()
		if err != nil {
			return err
		}
		if h.first != a.at {
			return &ConflictError{Log: l.id, At: a.at, Size: h.first}
		}
		group, text, err := l.store.nextGroup(l.id, chain)
		if err != nil {
			return err
		}
		tail := chain[len(chain)-1]
		if group[len(group)-1].first != tail.first {
			if err := l.sealGroup(group, new(SealResult)); err != nil {
				return err
			}
			continue
		}
		if tail.path == "" {
			group = group[:len(group)-1]
			a.text = text
		} else {
			a.text = text - a.off
			// The record would lead appenders to a file that is about to go.
			if err := l.voidRecord(l.lock); err != nil {
				return err
			}
		}
		a.out, err = l.beginSealed(group, &h)
		return err
	}
}

// tail returns the segments of the log, the last one being the text that an
// append would write to, without a path if it is not there; h is the header of
// a segment that begins where the log ends, without a frontier where [dirLog.beginSealed]
// will copy the segment before it.
func (a *SealedAppender) tail() (chain []span, h header, err error) {
	l := a.l
	h.log = l.id
	if chain, err = l.store.chain(l.id); err != nil {
		return nil, h, err
	}
	if n := len(chain); n > 0 && !chain[n-1].sealed {
		// What is not known to be durable is made so first.
		t, err := l.openTail()
		if err != nil {
			return nil, h, err
		}
		if chain, err = l.store.chain(l.id); err != nil {
			return nil, h, err
		}
		chain[len(chain)-1].end = t.size
		h.first, h.frontier, h.fork = t.size, t.frontier, t.fork
		a.first, a.off, a.fork = t.first, t.off, t.fork
		return chain, h, nil
	} else if n > 0 {
		last := chain[n-1]
		text, err := l.store.sealedText(l.id, last)
		if err == nil && text < l.store.sealing.small {
			// What follows goes into one segment with it, and its frontier comes of
			// reading it for that.
			h.fork, err = l.store.forkOf(l.id, chain, nil)
		} else if err == nil {
			h.frontier, h.fork, err = l.store.sealedFrontier(l.id, last)
		}
		if err != nil {
			return nil, h, err
		}
		h.first = last.end
	}
	a.first, a.off, a.fork = h.first, int64(len(appendHeader(nil, &h))), h.fork
	return append(chain, span{first: h.first, end: h.first}), h, nil
}

// Append adds one batch. Entries must pass [CheckEntry]; they are not kept after
// the call. They are durable, and others can see them, only after Commit; of a
// long log, whole segments before that.
func (a *SealedAppender) Append(ctx context.Context, entries [][]byte) error {
	return a.append(ctx, entries, false)
}

// AppendJoined is Append for entries of which those that keep a record were made
// by [JoinRaw] from one that [CheckRaw] accepted: records are most of what is
// imported, and are not checked again.
func (a *SealedAppender) AppendJoined(ctx context.Context, entries [][]byte) error {
	return a.append(ctx, entries, true)
}

func (a *SealedAppender) append(ctx context.Context, entries [][]byte, rawChecked bool) error {
	for i, e := range entries {
		if err := checkEntry(e, rawChecked); err != nil {
			return fmt.Errorf("log %s, entry %d: %w", a.l.id, a.Size()+int64(i), err)
		}
	}
	if a.err == nil {
		a.err = a.add(ctx, entries)
	}
	if a.err != nil {
		return fmt.Errorf("append to log %s: %w", a.l.id, a.err)
	}
	a.named = a.l.store.blobs.namedBy(a.named, entries)
	return nil
}

// Size returns the size that the log will have.
func (a *SealedAppender) Size() int64 {
	if a.out == nil {
		return a.ack
	}
	return a.out.w.seq
}

func (a *SealedAppender) add(ctx context.Context, entries [][]byte) error {
	for _, e := range entries {
		if a.ack == a.Size() {
			if err := ctx.Err(); err != nil {
				return err
			}
			if err := a.roll(); err != nil {
				return err
			}
		}
		n, err := a.out.w.append(a.ack, e)
		if err != nil {
			return err
		}
		a.off += int64(n)
		if a.pending += n; a.pending < writeBytes {
			continue
		}
		if a.written, a.pending = a.written+a.pending, 0; a.written >= maxBatchBytes {
			a.endBatch()
		}
	}
	a.endBatch()
	return nil
}

func (a *SealedAppender) endBatch() { a.ack, a.pending, a.written = a.Size(), 0, 0 }

// roll does what the next batch does to a text segment that is full, and begins a
// new sealed segment where Seal would.
func (a *SealedAppender) roll() error {
	size := a.Size()
	if a.off < a.l.store.rollSize || size == a.first {
		return nil
	}
	h := header{log: a.l.id, first: size, frontier: a.out.w.frontier.Clone(), fork: a.fork}
	a.text += a.off
	a.first, a.off = size, int64(len(appendHeader(nil, &h)))
	if a.text < a.l.store.sealing.group {
		return nil
	}
	if err := a.publish(); err != nil {
		return err
	}
	var err error
	a.text = 0
	a.out, err = a.l.beginSealed(nil, &h)
	return err
}

// publish makes the segment visible and durable.
func (a *SealedAppender) publish() error {
	out := a.out
	a.out = nil
	err := out.publish(new(SealResult))
	if err != nil && out.named {
		err = fmt.Errorf("%w: %w", ErrUnknown, err)
	}
	return err
}

// Commit makes the entries durable and visible to others, lets go of the log
// and returns its head. After [ErrUnknown] do as after that of [Store.Append];
// after another error of it the log is as it was, but for whole segments of a
// long log.
func (a *SealedAppender) Commit() (Head, error) {
	head := Head{Log: a.l.id, Size: a.Size()}
	if a.err == nil {
		head.Root = a.out.w.frontier.Root()
		if head.Size > a.at {
			a.err = a.publish()
		}
	}
	if a.err != nil {
		return Head{}, fmt.Errorf("append to log %s: %w", a.l.id, errors.Join(a.err, a.Close()))
	}
	a.l.store.blobs.settleNamed(a.named)
	return head, a.Close()
}

// Close lets go of the log; without a Commit before, what was added is dropped.
// It may be called again.
func (a *SealedAppender) Close() error {
	var err error
	if a.out != nil {
		err = a.out.abandon()
		a.out = nil
	}
	if a.err == nil {
		a.err = errAppenderClosed
	}
	return errors.Join(err, a.l.close())
}
