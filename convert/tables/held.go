package tables

import "github.com/ownlog/ownlog/format"

// held keeps entries until rows can be made of them.
type held struct {
	whole   bool // all entries were kept
	entries []heldEntry
	bytes   []byte
}

// heldEntry is an entry whose bytes are bytes[off:end] of its held.
type heldEntry struct {
	format.Entry
	off, end int
}

// add copies an entry. What would go beyond the limit is not kept, and what was
// kept before is dropped.
func (h *held) add(e format.Entry) {
	if !h.whole {
		return
	}
	if len(h.bytes)+len(e.Bytes) > heldLimit || len(h.entries) > scanLimit {
		*h = held{}
		return
	}
	off := len(h.bytes)
	h.bytes = append(h.bytes, e.Bytes...)
	e.Bytes = nil
	h.entries = append(h.entries, heldEntry{e, off, len(h.bytes)})
}

// give hands on the entries and forgets them.
func (h *held) give(entry func(format.Entry) error) error {
	for _, e := range h.entries {
		if !e.Hole {
			e.Bytes = h.bytes[e.off:e.end]
		}
		if err := entry(e.Entry); err != nil {
			return err
		}
	}
	*h = held{whole: true}
	return nil
}
