package format

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"sync"
)

const (
	// maxBatchBytes is about how much text is written before it is synced; longer
	// appends go in several batches.
	maxBatchBytes = 8 << 20
	// writeBytes is about how much is written at once: what fits into a cache.
	writeBytes = 256 << 10
)

// Append implements [Store]. Appends of several goroutines to one log that meet
// are written and synced together.
//
// After [ErrUnknown] the store may be used again: it opens the log anew, and
// takes over whatever the failed append left. [Settle] does what is to be done.
func (s *DirStore) Append(ctx context.Context, log LogID, at int64, entries [][]byte) (int64, error) {
	if at < 0 {
		return 0, fmt.Errorf("append to log %s at %d: positions begin at 0", log, at)
	}
	_, size, err := s.append(ctx, log, at, entries)
	return size, err
}

// AppendTail adds entries at the end of a log, wherever that is, and returns
// the position of the first of them and the new size. It is for entries whose
// meaning does not depend on what others append meanwhile. The log must exist.
func (s *DirStore) AppendTail(ctx context.Context, log LogID, entries [][]byte) (at, size int64, err error) {
	return s.append(ctx, log, anywhere, entries)
}

// anywhere is the position of an append that takes whatever the size is.
const anywhere = -1

func (s *DirStore) append(ctx context.Context, log LogID, at int64, entries [][]byte) (int64, int64, error) {
	if err := ctx.Err(); err != nil {
		return 0, 0, err
	}
	if s.readOnly {
		return 0, 0, fmt.Errorf("append to log %s: %w", log, ErrReadOnly)
	}
	for i, e := range entries {
		if err := CheckEntry(e); err != nil {
			return 0, 0, fmt.Errorf("log %s, entry %d: %w", log, max(at, 0)+int64(i), err)
		}
	}
	l, done := s.use(log)
	defer done()
	r := &appendRequest{ctx: ctx, at: at, entries: entries}
	l.queue.run(r, l.commit)
	if r.err != nil {
		return 0, 0, r.err
	}
	s.blobs.settle(entries)
	return r.at, r.size, nil
}

// appendRequest is one call of Append, or something else that is done while
// nobody appends.
type appendRequest struct {
	ctx     context.Context
	at      int64
	entries [][]byte
	instead func() error

	finished bool // err or size is set
	size     int64
	err      error

	// A request that came while another was served has both.
	done chan struct{} // closed when it is finished
	lead chan struct{} // gets a value when this request is to serve the queue
}

func (r *appendRequest) bytes() int {
	n := 0
	for _, e := range r.entries {
		n += len(e)
	}
	return n
}

func (r *appendRequest) finish(size int64, err error) {
	r.size, r.err, r.finished = size, err, true
	if r.done != nil {
		close(r.done)
	}
}

// commitQueue collects the appends to one log that come while another is being
// synced. One of the callers serves the others.
type commitQueue struct {
	mu      sync.Mutex
	waiting []*appendRequest
	busy    bool
}

// run returns when r is done. commit is called with requests to serve, by one
// goroutine at a time; it finishes each, or returns those to be tried again.
func (q *commitQueue) run(r *appendRequest, commit func([]*appendRequest) []*appendRequest) {
	q.mu.Lock()
	q.waiting = append(q.waiting, r)
	if q.busy {
		r.done, r.lead = make(chan struct{}), make(chan struct{}, 1)
		q.mu.Unlock()
		select {
		case <-r.done:
			return
		case <-r.lead:
		case <-r.ctx.Done():
			if q.leave(r) {
				r.err = r.ctx.Err()
				return
			}
			// It is being served, or is to serve.
			select {
			case <-r.done:
				return
			case <-r.lead:
			}
		}
		q.mu.Lock()
	}
	q.busy = true
	for {
		batch := q.take()
		q.mu.Unlock()
		again := commit(batch)
		q.mu.Lock()
		q.waiting = append(again, q.waiting...)
		if r.finished {
			break
		}
	}
	if len(q.waiting) > 0 {
		q.waiting[0].lead <- struct{}{}
	} else {
		q.busy = false
	}
	q.mu.Unlock()
}

// leave takes a request back that nobody serves yet.
func (q *commitQueue) leave(r *appendRequest) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(r.lead) > 0 {
		return false
	}
	for i, w := range q.waiting {
		if w == r {
			q.waiting = append(q.waiting[:i:i], q.waiting[i+1:]...)
			return true
		}
	}
	return false
}

// take removes the requests of the next commit, or one that is none. q.mu is held.
func (q *commitQueue) take() []*appendRequest {
	n, size := 0, 0
	for n < len(q.waiting) && q.waiting[n].instead == nil && (n == 0 || size < maxBatchBytes) {
		size += q.waiting[n].bytes()
		n++
	}
	n = max(n, 1)
	batch := q.waiting[:n:n]
	q.waiting = append([]*appendRequest(nil), q.waiting[n:]...)
	return batch
}

// commit serves requests with one pass through the protocol. It returns those
// that are to be tried again because the first one, for which the lock was
// waited for, gave up.
func (l *dirLog) commit(reqs []*appendRequest) (again []*appendRequest) {
	if do := reqs[0].instead; do != nil {
		reqs[0].finish(0, do())
		return nil
	}
	if err := l.lockToAppend(reqs); err != nil {
		if reqs[0].ctx.Err() != nil {
			reqs[0].finish(0, reqs[0].ctx.Err())
			return reqs[1:]
		}
		// Where a log was to be made, it is the store that is not there.
		missing := errors.Is(err, fs.ErrNotExist) && !wantsCreation(reqs)
		for _, r := range reqs {
			switch {
			case missing && r.at == anywhere:
				r.finish(0, fmt.Errorf("log %s: %w", l.id, ErrNotFound))
			case missing && r.at > 0:
				r.finish(0, &ConflictError{Log: l.id, At: r.at})
			case missing:
				r.finish(0, nil)
			default:
				r.finish(0, fmt.Errorf("append to log %s: %w", l.id, err))
			}
		}
		return nil
	}
	answers := l.commitLocked(reqs)
	if l.lock != nil && !l.held() {
		if err := l.lock.Unlock(); err != nil {
			l.poison()
		}
	}
	for i, r := range reqs {
		r.finish(answers[i].size, answers[i].err)
	}
	return nil
}

func (l *dirLog) lockToAppend(reqs []*appendRequest) error {
	if l.held() {
		return nil
	}
	return l.lockExclusive(reqs[0].ctx, wantsCreation(reqs))
}

// wantsCreation tells whether one of the requests may make a log.
func wantsCreation(reqs []*appendRequest) bool {
	for _, r := range reqs {
		if r.at == 0 && len(r.entries) > 0 {
			return true
		}
	}
	return false
}

type appendAnswer struct {
	size int64
	err  error
}

func (l *dirLog) commitLocked(reqs []*appendRequest) []appendAnswer {
	answers := make([]appendAnswer, len(reqs))
	fail := func(err error) []appendAnswer {
		for i := range answers {
			answers[i] = appendAnswer{err: err}
		}
		return answers
	}
	t, err := l.openTail()
	if err != nil {
		l.poison()
		return fail(fmt.Errorf("append to log %s: %w", l.id, err))
	}
	b := batch{log: l, tail: t, ack: l.batchStart(t), size: t.size, frontier: &l.next}
	b.frontier.become(&t.frontier)
	defer b.done()
	for i, r := range reqs {
		if r.at == anywhere {
			r.at = b.size
		}
		if r.at != b.size {
			answers[i].err = &ConflictError{Log: l.id, At: r.at, Size: b.size}
			continue
		}
		for _, e := range r.entries {
			if err = b.add(e); err != nil {
				break
			}
		}
		if err != nil {
			break
		}
		answers[i].size = b.size
	}
	if err == nil {
		err = b.flush()
	}
	if err != nil {
		l.poison()
		return fail(fmt.Errorf("append to log %s: %w: %w", l.id, ErrUnknown, err))
	}
	return answers
}

// buffer returns an empty buffer for the lines of a batch.
func (s *DirStore) buffer() []byte {
	if b, ok := s.buffers.Get().(*[]byte); ok {
		return (*b)[:0]
	}
	return nil
}

// batch is lines on their way into the open segment.
type batch struct {
	log      *dirLog
	tail     *openSegment
	buf      []byte
	written  int   // bytes that were written and not synced
	ack      int64 // the size of the log that the record knows
	size     int64
	frontier *Frontier
}

func (b *batch) add(entry []byte) error {
	if b.size == b.ack {
		if err := b.roll(); err != nil {
			return err
		}
	}
	if b.buf == nil {
		b.buf = b.log.store.buffer()
	}
	var leaf Hash
	b.buf, leaf = appendEntryLine(b.buf, b.log.sum, b.size, b.ack, entry)
	b.frontier.Push(leaf)
	b.size++
	if len(b.buf) < writeBytes {
		return nil
	}
	if err := b.write(); err != nil || b.written < maxBatchBytes {
		return err
	}
	return b.flush()
}

// roll begins a new segment if the open one is full.
func (b *batch) roll() error {
	t := b.tail
	if t.off < b.log.store.rollSize || t.size == t.first {
		return nil
	}
	next, err := b.log.newSegment(tailSource{header: header{log: b.log.id, first: t.size, frontier: t.frontier, fork: t.fork}})
	if err != nil {
		return err
	}
	b.log.setTail(next)
	b.tail = next
	return b.log.writeRecord(next)
}

func (b *batch) write() error {
	err := b.tail.write(b.buf)
	b.written += len(b.buf)
	b.buf = b.buf[:0]
	return err
}

// flush makes the lines durable and only then moves the tail.
func (b *batch) flush() error {
	t := b.tail
	if b.size == t.size {
		return nil
	}
	if err := b.write(); err != nil {
		return err
	}
	if !b.log.store.noSync {
		if err := t.file.Datasync(); err != nil {
			return err
		}
	}
	t.size = b.size
	t.frontier.become(b.frontier)
	b.written = 0
	if b.log.batchGoesOn(t) {
		return nil
	}
	// The entries are durable whether the record says so or not. But a batch
	// behind one that it does not know would look, to the next writer, like
	// lines that were lost.
	if err := b.log.writeRecord(t); err != nil {
		return err
	}
	b.ack = b.size
	return nil
}

// done gives the buffer back.
func (b *batch) done() {
	if used := b.buf; used != nil {
		b.log.store.buffers.Put(&used)
	}
}
