package replay

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/ownlog/ownlog/format"
	"github.com/ownlog/ownlog/schema"
)

// Errors a caller branches on with errors.Is.
var (
	// ErrFenced: another executor has taken over. This one has stopped for
	// good; what it was about to append is not in the log and no tool was run
	// for it.
	ErrFenced = errors.New("another executor has taken over the session")
	// ErrMirror: the log mirrors an outside source and only its importer
	// appends to it. Go on in a fork, see [Prepare].
	ErrMirror = errors.New("the log mirrors another tool's session: go on in a fork of it")
	// ErrHeld: another executor holds the lease. Try again when it has ended.
	ErrHeld = errors.New("another executor works on the session")
	// ErrRedacted: entries are missing, and nobody said to go on without them.
	ErrRedacted = errors.New("an entry is redacted: what it says about open calls is not known")
	// ErrUnsupported: an entry says that a reader must know its type.
	ErrUnsupported = errors.New("an entry must be understood and is not: use a newer version")
)

// errChanged: entries have come in before ours, and they are folded in now.
// What was about to be appended may no longer be right.
var errChanged = errors.New("the log has grown")

// unknownTries is how often an append of unknown outcome is tried again.
const unknownTries = 5

// session is a log, folded to its end, and the right to append to it. It is
// safe for concurrent use; progress and conversation only under mu.
type session struct {
	store format.Store
	log   format.LogID
	clock Clock
	ids   IDs
	// seen is shown entries once they are in the log, from position shown on. It
	// may be nil.
	seen  func(seq int64, ev *schema.Event)
	shown int64

	mu       sync.Mutex
	progress *progress
	state    *conversation
	// tail has happened and is folded in, but goes into the log with the next
	// append. It is there when nothing is under way that takes time.
	tail   []entry
	epoch  int64 // ours; 0: no lease
	fenced bool
}

// entry is an event on its way into the log.
type entry struct {
	event *schema.Event
	bytes []byte
	// still says whether it is to go in although others came before it. It is
	// called with the session's mutex held.
	still func() bool
}

// always is the still of what has happened.
func always() bool { return true }

// never is the still of what is decided from the log as it was.
func never() bool { return false }

// openSession folds a log to its end.
func openSession(ctx context.Context, store format.Store, log format.LogID, clock Clock, ids IDs) (*session, error) {
	s := &session{store: store, log: log, clock: clock, ids: ids}
	if _, err := s.foldAll(ctx, 0, nil); err != nil {
		return nil, err
	}
	return s, nil
}

// foldAll folds the log from its beginning. From position at on it counts the
// leading entries that are equal to ours.
func (s *session) foldAll(ctx context.Context, at int64, ours []entry) (mine int, err error) {
	s.progress, s.state = newProgress(), newConversation()
	if mine, err = s.catchUp(ctx, at, ours); err != nil {
		return mine, err
	}
	if s.progress.imported {
		s.progress.settle(&s.state.state)
	}
	return mine, nil
}

// catchUp reads from the last known position and folds in what is there. From
// position at on it counts the leading entries that are equal to ours. s.mu is
// held, or s not yet shared.
func (s *session) catchUp(ctx context.Context, at int64, ours []entry) (mine int, err error) {
	var norm []byte
	equal := true
	for e, err := range s.store.Read(ctx, s.log, s.progress.size) {
		if err != nil {
			return mine, err
		}
		if e.Hole {
			s.progress.skip(e.Seq)
			s.state.skip(e.Seq)
			equal = equal && e.Seq < at
			continue
		}
		if e.Seq >= at {
			if equal = equal && mine < len(ours) && bytes.Equal(e.Bytes, ours[mine].bytes); equal {
				mine++
			}
		}
		norm, _, err = format.CutRaw(norm, e.Bytes)
		if err != nil {
			return mine, fmt.Errorf("log %s, entry %d: %w", s.log, e.Seq, err)
		}
		ev, err := schema.Decode(norm)
		if err != nil {
			return mine, fmt.Errorf("log %s, entry %d: %w", s.log, e.Seq, err)
		}
		s.fold(e.Seq, ev)
		s.show(e.Seq, ev)
		if s.epoch > 0 && s.progress.epoch > s.epoch {
			s.fenced = true
		}
	}
	return mine, nil
}

func (s *session) fold(seq int64, ev *schema.Event) {
	s.progress.apply(seq, ev)
	s.state.apply(seq, ev)
}

// watchedBy shows every entry from here on to seen.
func (s *session) watchedBy(seen func(seq int64, ev *schema.Event)) {
	s.seen, s.shown = seen, s.progress.size
}

func (s *session) show(seq int64, ev *schema.Event) {
	if s.seen != nil && seq >= s.shown {
		s.shown = seq + 1
		s.seen(seq, ev)
	}
}

// event makes an event of now. With a lease it carries the epoch.
func (s *session) event(actor schema.ActorKind, data schema.Data) *schema.Event {
	return &schema.Event{
		Type: data.EventType(), Time: timestamp(s.clock.Now()), Actor: schema.Actor{Kind: actor},
		ID: s.ids.EntryID(), Epoch: s.epoch, Data: data,
	}
}

// propose appends events that are right only if nothing has come in since the
// fold: requests, starts, ends of turns. errChanged: something has.
func (s *session) propose(ctx context.Context, evs ...*schema.Event) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.append(ctx, never, evs)
}

// record appends events that say what has happened, whatever has come in since.
// With still, it gives up with errChanged when that is false.
func (s *session) record(ctx context.Context, still func() bool, evs ...*schema.Event) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if still == nil {
		still = always
	}
	return s.append(ctx, still, evs)
}

// recordNext is record for what is followed at once by another append: the
// events are folded in, and go into the log together with what comes next, in
// one batch with one sync. Whoever lets time pass before that calls flush.
func (s *session) recordNext(ctx context.Context, still func() bool, evs ...*schema.Event) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.fenced {
		return ErrFenced
	}
	if still == nil {
		still = always
	}
	entries, err := s.encode(ctx, still, evs)
	if err != nil {
		return err
	}
	s.tail = append(s.tail, entries...)
	for _, ev := range evs {
		s.fold(s.progress.size, ev)
	}
	return nil
}

// flush appends what [session.recordNext] has kept back.
func (s *session) flush(ctx context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.flushLocked(ctx)
}

func (s *session) flushLocked(ctx context.Context) error {
	if len(s.tail) == 0 {
		return nil
	}
	return s.append(ctx, never, nil)
}

// entrySize is how long an entry is expected to be, in bytes: most are shorter.
const entrySize = 512

func (s *session) encode(ctx context.Context, still func() bool, evs []*schema.Event) ([]entry, error) {
	entries := make([]entry, len(evs))
	for i, ev := range evs {
		if err := shrink(ctx, s.store, ev); err != nil {
			return nil, err
		}
		b, err := schema.Encode(make([]byte, 0, entrySize), ev)
		if err != nil {
			return nil, err
		}
		entries[i] = entry{ev, b, still}
	}
	return entries, nil
}

// append is rules 3 to 5 of the lease: append at the last known position; on a
// conflict find out what came in. What was kept back goes first. s.mu is held.
func (s *session) append(ctx context.Context, still func() bool, evs []*schema.Event) error {
	if s.fenced {
		return ErrFenced
	}
	fresh, err := s.encode(ctx, still, evs)
	if err != nil {
		return err
	}
	batch := append(s.tail[:len(s.tail):len(s.tail)], fresh...)
	most := s.store.Caps().MaxBatch
	dropped, unknown := false, 0
	for len(batch) > 0 {
		at, n := s.progress.size-int64(len(s.tail)), len(batch)
		if most > 0 {
			n = min(n, most)
		}
		_, err := s.store.Append(ctx, s.log, at, bytesOf(batch[:n]))
		var conflict *format.ConflictError
		switch {
		case err == nil:
			s.appended(at, batch[:n])
			batch = batch[n:]
			continue
		case errors.As(err, &conflict):
		case errors.Is(err, format.ErrUnknown) && unknown < unknownTries:
			// The same bytes at the same position: either they are there and
			// the next append conflicts with them, or they go in now.
			unknown++
			if err := s.clock.Sleep(ctx, time.Duration(unknown)*20*time.Millisecond); err != nil {
				return err
			}
			continue
		default:
			return err
		}
		mine, err := s.take(ctx, at, batch)
		switch {
		case err != nil:
			return err
		case s.fenced:
			return ErrFenced
		}
		batch = batch[mine:]
		if s.progress.size > at+int64(mine) {
			all := len(batch)
			batch = slices.DeleteFunc(batch, func(e entry) bool { return !e.still() })
			dropped = dropped || len(batch) < all
		}
	}
	if dropped {
		return errChanged
	}
	return nil
}

func bytesOf(entries []entry) [][]byte {
	out := make([][]byte, len(entries))
	for i := range entries {
		out[i] = entries[i].bytes
	}
	return out
}

// appended notes that entries, the first of which were kept back, are in the log.
func (s *session) appended(at int64, entries []entry) {
	kept := min(len(s.tail), len(entries))
	s.tail = s.tail[kept:]
	for i := range entries {
		seq := at + int64(i)
		if i >= kept {
			s.fold(seq, entries[i].event)
		}
		s.show(seq, entries[i].event)
	}
}

// take folds in what stands in the log from position at on and counts how many
// of ours are there. What was kept back has been folded in at places where
// others are now, so with it the fold begins anew.
func (s *session) take(ctx context.Context, at int64, ours []entry) (mine int, err error) {
	if len(s.tail) == 0 {
		return s.catchUp(ctx, at, ours)
	}
	s.tail = nil
	return s.foldAll(ctx, at, ours)
}

// refresh folds in what others have appended.
func (s *session) refresh(ctx context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.flushLocked(ctx); err != nil && !errors.Is(err, errChanged) {
		return err
	}
	if _, err := s.catchUp(ctx, s.progress.size, nil); err != nil {
		return err
	}
	if s.fenced {
		return ErrFenced
	}
	return nil
}

// holds checks once more, as late as possible before a tool is dispatched, that
// nothing has come in, and folds it in otherwise. An append of nothing asks the
// store just that, at less than the cost of reading.
func (s *session) holds(ctx context.Context) error {
	s.mu.Lock()
	_, err := s.store.Append(ctx, s.log, s.progress.size, nil)
	s.mu.Unlock()
	if err != nil {
		return s.refresh(ctx)
	}
	return nil
}
