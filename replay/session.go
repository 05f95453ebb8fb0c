package replay

import (
	"bytes"
	"context"
	"errors"
	"fmt"
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
	seen  func(seq int64, ev *schema.Event) // may be nil

	mu       sync.Mutex
	progress *progress
	state    *conversation
	epoch    int64 // ours; 0: no lease
	fenced   bool
}

// openSession folds a log to its end.
func openSession(ctx context.Context, store format.Store, log format.LogID, clock Clock, ids IDs) (*session, error) {
	s := &session{store: store, log: log, clock: clock, ids: ids, progress: newProgress(), state: newConversation()}
	if err := s.catchUp(ctx, nil); err != nil {
		return nil, err
	}
	if s.progress.imported {
		s.progress.settle(&s.state.state)
	}
	return s, nil
}

// catchUp reads from the last known position and folds in what is there. With
// ours, entries equal to the leading ones of ours are counted in mine. s.mu is
// held, or s not yet shared.
func (s *session) catchUp(ctx context.Context, ours [][]byte) error {
	_, err := s.catchUpWith(ctx, ours)
	return err
}

func (s *session) catchUpWith(ctx context.Context, ours [][]byte) (mine int, err error) {
	var norm []byte
	equal := true
	for e, err := range s.store.Read(ctx, s.log, s.progress.size) {
		if err != nil {
			return mine, err
		}
		if e.Hole {
			s.progress.skip(e.Seq)
			s.state.skip(e.Seq)
			equal = false
			continue
		}
		if equal && mine < len(ours) && bytes.Equal(e.Bytes, ours[mine]) {
			mine++
		} else {
			equal = false
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
		if s.epoch > 0 && s.progress.epoch > s.epoch {
			s.fenced = true
		}
	}
	return mine, nil
}

func (s *session) fold(seq int64, ev *schema.Event) {
	s.progress.apply(seq, ev)
	s.state.apply(seq, ev)
	if s.seen != nil {
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
	return s.append(ctx, func() bool { return false }, evs)
}

// record appends events that say what has happened, whatever has come in since.
// With still, it gives up with errChanged when that is false.
func (s *session) record(ctx context.Context, still func() bool, evs ...*schema.Event) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if still == nil {
		still = func() bool { return true }
	}
	return s.append(ctx, still, evs)
}

// append is rules 3 to 5 of the lease: append at the last known position; on a
// conflict find out what came in. s.mu is held.
func (s *session) append(ctx context.Context, again func() bool, evs []*schema.Event) error {
	if s.fenced {
		return ErrFenced
	}
	entries := make([][]byte, len(evs))
	for i, ev := range evs {
		if err := shrink(ctx, s.store, ev); err != nil {
			return err
		}
		b, err := schema.Encode(nil, ev)
		if err != nil {
			return err
		}
		entries[i] = b
	}
	unknown := 0
	for len(entries) > 0 {
		at := s.progress.size
		_, err := s.store.Append(ctx, s.log, at, entries)
		var conflict *format.ConflictError
		switch {
		case err == nil:
			for i, ev := range evs {
				s.fold(at+int64(i), ev)
			}
			return nil
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
		mine, err := s.catchUpWith(ctx, entries)
		switch {
		case err != nil:
			return err
		case s.fenced:
			return ErrFenced
		}
		entries, evs = entries[mine:], evs[mine:]
		if len(entries) > 0 && s.progress.size > at+int64(mine) && !again() {
			return errChanged
		}
	}
	return nil
}

// refresh folds in what others have appended.
func (s *session) refresh(ctx context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.catchUp(ctx, nil); err != nil {
		return err
	}
	if s.fenced {
		return ErrFenced
	}
	return nil
}

// holds checks the epoch in the log once more, as late as possible before a
// tool is dispatched.
func (s *session) holds(ctx context.Context) error { return s.refresh(ctx) }
