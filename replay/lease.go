package replay

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/ownlog/ownlog/format"
	"github.com/ownlog/ownlog/schema"
)

// DefaultTTL is how long a lease holds without being renewed.
const DefaultTTL = 15 * time.Second

// Hint is what an executor says of its lease beside the log, so that others need
// not try. It decides nothing: whoever appends the next epoch has the lease.
type Hint struct {
	Epoch    int64     `json:"epoch"`
	Holder   string    `json:"holder"`
	Until    time.Time `json:"until"`
	Released bool      `json:"released,omitzero"`
}

// Hints keeps the hints of a store's logs. Losing them costs waiting, not
// safety.
type Hints interface {
	// ReadHint returns the hint of a log; ok is false if there is none.
	ReadHint(ctx context.Context, log format.LogID) (hint Hint, ok bool, err error)
	WriteHint(ctx context.Context, log format.LogID, hint Hint) error
}

// MemHints keeps hints in memory. The zero MemHints is empty and ready.
type MemHints struct {
	mu    sync.Mutex
	hints map[format.LogID]Hint
}

// ReadHint implements [Hints].
func (h *MemHints) ReadHint(_ context.Context, log format.LogID) (Hint, bool, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	hint, ok := h.hints[log]
	return hint, ok, nil
}

// WriteHint implements [Hints].
func (h *MemHints) WriteHint(_ context.Context, log format.LogID, hint Hint) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.hints == nil {
		h.hints = make(map[format.LogID]Hint)
	}
	h.hints[log] = hint
	return nil
}

// DirHints keeps hints in the files `logs/<log-id>/lease` of a directory store.
type DirHints struct {
	// Dir is the store's directory.
	Dir string
}

func (h DirHints) path(log format.LogID) string {
	return filepath.Join(h.Dir, "logs", log.String(), "lease")
}

// ReadHint implements [Hints]. A hint that cannot be read as one counts as none.
func (h DirHints) ReadHint(_ context.Context, log format.LogID) (Hint, bool, error) {
	b, err := os.ReadFile(h.path(log))
	if errors.Is(err, fs.ErrNotExist) {
		return Hint{}, false, nil
	}
	if err != nil {
		return Hint{}, false, fmt.Errorf("lease hint: %w", err)
	}
	var hint Hint
	if json.Unmarshal(b, &hint) != nil {
		return Hint{}, false, nil
	}
	return hint, true, nil
}

// WriteHint implements [Hints]. The file is replaced at once and not synced.
func (h DirHints) WriteHint(_ context.Context, log format.LogID, hint Hint) error {
	b, err := json.Marshal(hint)
	if err != nil {
		return fmt.Errorf("lease hint: %w", err)
	}
	path := h.path(log)
	tmp, err := os.CreateTemp(filepath.Dir(path), ".tmp-lease-")
	if err != nil {
		return fmt.Errorf("lease hint: %w", err)
	}
	_, err = tmp.Write(b)
	if cerr := tmp.Close(); err == nil {
		err = cerr
	}
	if err == nil {
		err = os.Rename(tmp.Name(), path)
	}
	if err != nil {
		os.Remove(tmp.Name())
		return fmt.Errorf("lease hint: %w", err)
	}
	return nil
}

// HeldError says who holds the lease. It wraps [ErrHeld].
type HeldError struct {
	Log    format.LogID
	Holder string
	Until  time.Time
}

func (e *HeldError) Error() string {
	return fmt.Sprintf("log %s: %v: %s, until %s", e.Log, ErrHeld, e.Holder, e.Until.UTC().Format(time.RFC3339))
}

func (e *HeldError) Unwrap() error { return ErrHeld }

// lease is the lease of one session while an executor works.
type lease struct {
	session *session
	hints   Hints // may be nil
	holder  string
	ttl     time.Duration
	stop    context.CancelFunc

	mu     sync.Mutex
	hinted bool // there is a hint of this lease
	over   bool // no other is to be written
}

// acquire takes the lease: by appending the next epoch at the tail, when the
// log and the hint say that nobody holds it.
func acquire(ctx context.Context, s *session, hints Hints, holder string, ttl time.Duration) (*lease, error) {
	for {
		if err := s.free(ctx, hints); err != nil {
			return nil, err
		}
		s.mu.Lock()
		ev := s.event(schema.ActorExecutor, &schema.LeaseAcquired{Holder: holder, TTLUS: ttl.Microseconds()})
		ev.Epoch = s.progress.epoch + 1
		err := s.append(ctx, never, []*schema.Event{ev})
		if err == nil {
			s.epoch = ev.Epoch
		}
		s.mu.Unlock()
		if errors.Is(err, errChanged) {
			continue
		}
		if err != nil {
			return nil, err
		}
		l := &lease{session: s, hints: hints, holder: holder, ttl: ttl}
		l.renewing(ctx)
		return l, nil
	}
}

// free returns a [*HeldError] if somebody seems to hold the lease.
func (s *session) free(ctx context.Context, hints Hints) error {
	s.mu.Lock()
	held, epoch, holder, until := s.progress.held, s.progress.epoch, s.progress.holder, s.progress.leaseUntil
	s.mu.Unlock()
	if !held {
		return nil
	}
	if hints != nil {
		hint, ok, err := hints.ReadHint(ctx, s.log)
		if err != nil {
			return err
		}
		if ok && hint.Epoch == epoch {
			until = hint.Until
			if hint.Released {
				return nil
			}
		}
	}
	if s.clock.Now().Before(until) {
		return &HeldError{Log: s.log, Holder: holder, Until: until}
	}
	return nil
}

// renewing writes the hint three times in every ttl, until the lease is over.
// The first ttl is in the log, so a lease that is over sooner needs none. A hint
// that cannot be written costs others nothing but a needless try, so errors are
// left alone.
func (l *lease) renewing(ctx context.Context) {
	ctx, l.stop = context.WithCancel(ctx)
	if l.hints == nil {
		return
	}
	go func() {
		for l.session.clock.Sleep(ctx, l.ttl/3) == nil {
			l.hint(ctx, false)
		}
	}()
}

// hint writes the hint; the one that says that the lease is over is the last, and
// only written over another.
func (l *lease) hint(ctx context.Context, released bool) {
	if l.hints == nil {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.over || released && !l.hinted {
		return
	}
	l.hinted, l.over = true, released
	_ = l.hints.WriteHint(ctx, l.session.log, Hint{
		Epoch: l.session.epoch, Holder: l.holder, Until: l.session.clock.Now().Add(l.ttl), Released: released,
	})
}

// abandon stops renewing a lease that is lost.
func (l *lease) abandon() {
	l.stop()
	l.mu.Lock()
	l.over = true
	l.mu.Unlock()
}

// released makes the event that ends the lease.
func (l *lease) released() *schema.Event {
	ev := l.session.event(schema.ActorExecutor, &schema.LeaseReleased{Holder: l.holder})
	return ev
}

// end stops renewing and, unless the log says already that the lease is over,
// appends that it is.
func (l *lease) end(ctx context.Context) error {
	l.stop()
	s := l.session
	s.mu.Lock()
	fenced, held := s.fenced, s.progress.held
	s.mu.Unlock()
	if fenced {
		l.abandon()
		return nil
	}
	if held {
		if err := s.record(ctx, nil, l.released()); err != nil {
			l.abandon()
			return err
		}
	}
	l.hint(ctx, true)
	return nil
}
