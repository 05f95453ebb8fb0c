package tables

import (
	"context"

	"github.com/ownlog/ownlog/format"
	"github.com/ownlog/ownlog/schema"
)

// scanLimit is how many entries are looked at to learn whose session a log is,
// before rows are made; those of row sources are all looked at.
const scanLimit = 4096

// heldLimit bounds the bytes of entries that are kept while a log is looked
// through. Most logs say in their first entries whose they are, and are then
// read once; the others are read twice.
const heldLimit = 1 << 20

// scan is what must be known of a log before its first row can be made.
type scan struct {
	session string // newest session.opened in reach
	vendor  string
	// newest tells where the newest revision of each source row stands. It is
	// empty for sources that are files.
	newest map[schema.Row]int64

	dec    decoder
	own    int64 // first entry that is the log's own
	opened bool  // a session.opened was seen that counts
}

// superseded reports whether a newer revision of the event's source row stands
// in the log. What says that a row is gone is the newest one itself, and says
// nothing else.
func (s *scan) superseded(src *schema.Source) bool {
	if src == nil || src.Row == nil {
		return false
	}
	return s.newest[*src.Row] > src.Rev
}

// enough reports whether the entry seq and those behind it need not be looked at.
func (s *scan) enough(seq int64) bool {
	if seq == s.own {
		s.opened = false // a fork may open again, under an id of its own
	}
	rows := len(s.newest) > 0
	return seq >= s.own && !rows && (s.opened || seq >= s.own+scanLimit)
}

// look takes the next entry.
func (s *scan) look(e format.Entry) {
	if e.Hole {
		return
	}
	ev, err := s.dec.event(e.Bytes, isOpening)
	if err != nil {
		return
	}
	s.see(ev)
	if o, ok := ev.Data.(*schema.SessionOpened); ok && o.VendorSession != "" {
		s.session, s.opened = o.VendorSession, true
	}
}

func isOpening(t schema.Type) bool { return t == schema.TypeSessionOpened }

func (s *scan) see(ev *schema.Event) {
	src := ev.Source
	if src == nil {
		return
	}
	if s.vendor == "" {
		s.vendor = src.Vendor
	}
	if src.Row == nil {
		return
	}
	if s.newest == nil {
		s.newest = make(map[schema.Row]int64)
	}
	if old, ok := s.newest[*src.Row]; !ok || src.Rev > old {
		s.newest[*src.Row] = src.Rev
	}
}

// Started returns the start of a log's session in microseconds since 1970, the
// time of its first own entry that has one; nil if none has.
func Started(ctx context.Context, store format.Store, log format.LogID) (*int64, error) {
	info, err := store.Info(ctx, log)
	if err != nil {
		return nil, err
	}
	own := int64(0)
	if info.Fork != nil {
		own = info.Fork.Size
	}
	var d decoder
	none := func(schema.Type) bool { return false }
	for e, err := range store.Read(ctx, log, own) {
		if err != nil {
			return nil, err
		}
		if e.Hole {
			continue
		}
		if ev, err := d.event(e.Bytes, none); err == nil && micros(ev.Time) != nil {
			return micros(ev.Time), nil
		}
	}
	return nil, nil
}
