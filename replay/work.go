package replay

import (
	"container/heap"
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/ownlog/ownlog/format"
)

// Worker advances all sessions of a store, many at once, in one process. Several
// workers may share a store: leases keep them apart. Mirrors are left alone.
//
// A goroutine lives only while a session is worked on; an idle one costs a few
// dozen bytes. A worker that has its hands full claims no lease.
type Worker struct {
	Store format.Store
	// Executor is for all sessions. Its Retry.Patience is cut to a second, so
	// that a session that waits for a provider holds nobody up.
	Executor *Executor
	// Sessions is how many are worked on at once; default 16.
	Sessions int
	// Poll is how often the store is looked through for new sessions and new
	// input; default 2 s.
	Poll time.Duration
	// Grace is how long steps under way may take when the worker is told to
	// stop; default 30 s. Then they are cut off.
	Grace time.Duration
	// UntilIdle ends the work when no session has anything to do but wait for
	// people.
	UntilIdle bool
	// OnOutcome is told of every run. May be nil.
	OnOutcome func(log format.LogID, out Outcome, err error)
}

// Defaults of a Worker.
const (
	defaultSessions = 16
	defaultPoll     = 2 * time.Second
	defaultGrace    = 30 * time.Second
	maxTrouble      = 10 // doublings of the wait after errors
)

// Work advances sessions until ctx ends, which is no error, or, with UntilIdle,
// until there is nothing to do. Errors of single sessions go to OnOutcome, and
// such a session is tried again later.
func (w *Worker) Work(ctx context.Context) error {
	x := *w.Executor
	x.Store, x.shared = w.Store, new(sharedDefinitions)
	if x.Retry.Patience <= 0 || x.Retry.Patience > time.Second {
		x.Retry.Patience = time.Second
	}
	hard, cut := context.WithCancelCause(context.WithoutCancel(ctx))
	defer cut(nil)
	stopGrace := context.AfterFunc(ctx, func() {
		time.AfterFunc(orDefault(w.Grace, defaultGrace), func() { cut(context.Cause(ctx)) })
	})
	defer stopGrace()
	s := &schedule{
		worker: w, executor: &x, clock: x.clock(), sessions: make(map[format.LogID]*workItem),
		done: make(chan finishedRun), next: make(chan *workItem), free: max(w.Sessions, 0),
	}
	if s.free == 0 {
		s.free = defaultSessions
	}
	err := s.run(ctx, hard)
	s.drain()
	return err
}

func orDefault(d, otherwise time.Duration) time.Duration {
	if d > 0 {
		return d
	}
	return otherwise
}

// workItem is what a worker keeps of a session.
type workItem struct {
	log     format.LogID
	size    int64 // of the log when it was last looked at
	wake    time.Time
	at      int // place in the heap, -1: none
	trouble int // errors in a row
	busy    bool
}

type finishedRun struct {
	item *workItem
	out  Outcome
	err  error
}

type schedule struct {
	worker   *Worker
	executor *Executor
	clock    Clock
	sessions map[format.LogID]*workItem
	queue    wakeQueue
	done     chan finishedRun
	next     chan *workItem // for a hand that has finished one; nil: no more
	free     int
	busy     int
	waiting  int // hands that have finished a session and wait for the next
	wg       sync.WaitGroup
}

func (s *schedule) run(ctx, hard context.Context) error {
	poll := orDefault(s.worker.Poll, defaultPoll)
	for {
		if err := s.look(ctx, hard); err != nil {
			if ctx.Err() != nil {
				return nil
			}
			return err
		}
		next := s.clock.Now().Add(poll)
		for s.clock.Now().Before(next) {
			s.dispatch(ctx, hard)
			s.retire()
			if s.worker.UntilIdle && s.busy == 0 && len(s.queue) == 0 {
				return nil
			}
			wait := next.Sub(s.clock.Now())
			if len(s.queue) > 0 && s.free > 0 {
				wait = min(wait, s.queue[0].wake.Sub(s.clock.Now()))
			}
			timer := time.NewTimer(max(wait, time.Millisecond))
			select {
			case <-ctx.Done():
				timer.Stop()
				return nil
			case f := <-s.done:
				s.finished(f)
			case <-timer.C:
			}
			timer.Stop()
		}
	}
}

// look finds sessions that are new or have grown. Hands that are free take them at
// once.
func (s *schedule) look(ctx, hard context.Context) error {
	for id, err := range s.worker.Store.List(ctx) {
		if err != nil {
			return fmt.Errorf("look through the store: %w", err)
		}
		if id.Derived() {
			continue
		}
		item := s.sessions[id]
		if item == nil {
			item = &workItem{log: id, at: -1}
			s.sessions[id] = item
			// Whoever opens it finds out how long it is.
			s.wakeAt(item, s.clock.Now())
			s.collect()
			s.dispatch(ctx, hard)
			continue
		}
		if item.busy || item.at >= 0 {
			continue
		}
		info, err := s.worker.Store.Info(ctx, id)
		if errors.Is(err, format.ErrNotFound) {
			delete(s.sessions, id)
			continue
		}
		if err != nil {
			s.report(id, Outcome{}, err)
			continue
		}
		if info.Size != item.size {
			item.size = info.Size
			s.wakeAt(item, s.clock.Now())
		}
	}
	return nil
}

func (s *schedule) wakeAt(item *workItem, at time.Time) {
	item.wake = at
	if item.at < 0 {
		heap.Push(&s.queue, item)
	} else {
		heap.Fix(&s.queue, item.at)
	}
}

// dispatch starts what is due, as far as there are hands.
func (s *schedule) dispatch(ctx, hard context.Context) {
	for s.free > 0 && len(s.queue) > 0 && !s.queue[0].wake.After(s.clock.Now()) && ctx.Err() == nil {
		item := heap.Pop(&s.queue).(*workItem)
		item.busy = true
		s.free--
		s.busy++
		if s.waiting > 0 {
			s.waiting--
			s.next <- item
			continue
		}
		s.wg.Go(func() { s.hand(ctx, hard, item) })
	}
}

// hand works on one session after the other, as long as there is one at once: a
// goroutine that is new has to make its stack as large as the last one's was.
func (s *schedule) hand(ctx, hard context.Context, item *workItem) {
	for item != nil {
		out, err := s.executor.runUntil(hard, ctx, item.log)
		s.done <- finishedRun{item, out, err}
		item = <-s.next
	}
}

// retire sends the hands home that nothing is there for.
func (s *schedule) retire() {
	for ; s.waiting > 0; s.waiting-- {
		s.next <- nil
	}
}

// collect takes in what has finished, without waiting for it.
func (s *schedule) collect() {
	for {
		select {
		case f := <-s.done:
			s.finished(f)
		default:
			return
		}
	}
}

func (s *schedule) finished(f finishedRun) {
	item := f.item
	item.busy = false
	s.free++
	s.busy--
	s.waiting++
	if f.out.Standing.Size > 0 {
		item.size = f.out.Standing.Size
	}
	var held *HeldError
	switch {
	case errors.Is(f.err, format.ErrNotFound) && f.out.Standing.Size == 0:
		delete(s.sessions, item.log) // removed before it was opened
		return
	case errors.As(f.err, &held):
		// Somebody else's business, until the lease ends or is given back.
		next := s.clock.Now().Add(orDefault(s.worker.Poll, defaultPoll))
		if held.Until.Before(next) {
			next = held.Until
		}
		s.wakeAt(item, next)
		return
	case errors.Is(f.err, ErrFenced):
		item.size = 0 // look again at what the other has made of it
	case errors.Is(f.err, ErrRedacted), errors.Is(f.err, ErrUnsupported):
		// Trying again changes nothing, until the log grows.
	case f.err != nil && !errors.Is(f.err, context.Canceled):
		item.trouble = min(item.trouble+1, maxTrouble)
		s.wakeAt(item, s.clock.Now().Add(time.Second<<item.trouble))
	case f.out.Status == StatusBackoff:
		s.wakeAt(item, f.out.Wake)
	}
	if f.err == nil {
		item.trouble = 0
	}
	s.report(item.log, f.out, f.err)
}

func (s *schedule) report(log format.LogID, out Outcome, err error) {
	if s.worker.OnOutcome != nil {
		s.worker.OnOutcome(log, out, err)
	}
}

// drain waits for what is under way.
func (s *schedule) drain() {
	close(s.next)
	go func() {
		s.wg.Wait()
		close(s.done)
	}()
	for f := range s.done {
		s.finished(f)
	}
}

// wakeQueue is a heap of sessions by the time they are due.
type wakeQueue []*workItem

// Len implements [heap.Interface].
func (q wakeQueue) Len() int { return len(q) }

// Less implements [heap.Interface].
func (q wakeQueue) Less(i, j int) bool { return q[i].wake.Before(q[j].wake) }

// Swap implements [heap.Interface].
func (q wakeQueue) Swap(i, j int) {
	q[i], q[j] = q[j], q[i]
	q[i].at, q[j].at = i, j
}

// Push implements [heap.Interface].
func (q *wakeQueue) Push(x any) {
	item := x.(*workItem)
	item.at = len(*q)
	*q = append(*q, item)
}

// Pop implements [heap.Interface].
func (q *wakeQueue) Pop() any {
	old := *q
	item := old[len(old)-1]
	old[len(old)-1] = nil
	*q = old[:len(old)-1]
	item.at = -1
	return item
}
