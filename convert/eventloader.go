package convert

import (
	"context"
	"fmt"
	"iter"

	"github.com/ownlog/ownlog/format"
	"github.com/ownlog/ownlog/schema"
)

// EventLoader loads single entries of a log, for [schema.State.View]. It reads
// on from where it is as long as the next entry asked for is not far away. It is
// not safe for concurrent use; call Close when done.
type EventLoader struct {
	ctx   context.Context //nolint:containedctx // schema.Load takes none
	store format.Store
	log   format.LogID

	next func() (format.Entry, error, bool)
	stop func()
	at   int64 // position that next gives
	buf  []byte
}

// NewEventLoader returns a loader of the log's entries; ctx holds for all loads.
func NewEventLoader(ctx context.Context, store format.Store, log format.LogID) *EventLoader {
	return &EventLoader{ctx: ctx, store: store, log: log}
}

// readAhead is how many entries are rather skipped than looked up anew.
const readAhead = 64

// Load returns the entry at a position. It implements [schema.Load].
func (l *EventLoader) Load(seq int64) (*schema.Event, error) {
	if l.next == nil || seq < l.at || seq > l.at+readAhead {
		l.Close()
		l.next, l.stop = iter.Pull2(l.store.Read(l.ctx, l.log, seq))
		l.at = seq
	}
	for {
		e, err, ok := l.next()
		if !ok {
			l.Close()
			return nil, fmt.Errorf("log %s has no entry %d", l.log, seq)
		}
		if err != nil {
			l.Close()
			return nil, err
		}
		l.at = e.Seq + 1
		if e.Seq < seq {
			continue
		}
		if e.Hole {
			return nil, fmt.Errorf("log %s, entry %d: redacted", l.log, seq)
		}
		norm, _, err := format.CutRaw(l.buf, e.Bytes)
		if err != nil {
			return nil, fmt.Errorf("log %s, entry %d: %w", l.log, seq, err)
		}
		l.buf = norm
		ev, err := schema.Decode(norm)
		if err != nil {
			return nil, fmt.Errorf("log %s, entry %d: %w", l.log, seq, err)
		}
		return ev, nil
	}
}

// Close lets go of the log. The loader may be used again.
func (l *EventLoader) Close() {
	if l.stop != nil {
		l.stop()
	}
	l.next, l.stop = nil, nil
}

// Fold applies the entries of a log from position from up to, not including,
// position to (negative: all) to a state.
func Fold(ctx context.Context, store format.Store, log format.LogID, from, to int64, state *schema.State) error {
	return WalkEvents(ctx, store, log, from, to, func(e LogEvent) error {
		if e.Event == nil {
			state.ApplyHole(e.Seq)
		} else {
			state.Apply(e.Seq, e.Event)
		}
		return nil
	})
}
