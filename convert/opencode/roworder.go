package opencode

import (
	"github.com/ownlog/ownlog/schema"
)

// rowOrder finds rows of a session that its log has in front of rows which the
// source has in front of them: two processes write to one session, messages are
// put back, clocks are set. What counts is the order of messages and parts.
type rowOrder struct {
	// places are where the log has these rows. It is nil for a log that is new,
	// which has them as the source does.
	places map[schema.Row]int64
	next   int64 // place of the next row that is put
	last   int64 // place of the row read last
}

// newPlaces is the place of the first row that is put: behind all entries.
const newPlaces = int64(1) << 60

func ordered(row schema.Row) bool { return row.Table == tableMessage || row.Table == tablePart }

// restore takes note of a row that the log has.
func (o *rowOrder) restore(row schema.Row, seq int64, gone bool) {
	if !ordered(row) {
		return
	}
	if o.places == nil {
		o.places, o.next = make(map[schema.Row]int64), newPlaces
	}
	if _, placed := o.places[row]; gone {
		delete(o.places, row)
	} else if !placed {
		o.places[row] = seq
	}
}

// moves takes the next row of the source and tells whether the log has it too far
// in front. The place of a row that means nothing says nothing. It is not asked of a
// log without places.
func (o *rowOrder) moves(row schema.Row, meaningless bool) bool {
	if !ordered(row) {
		return false
	}
	place, known := o.places[row]
	move := known && place < o.last && !meaningless
	if move || !known {
		place = o.next
		o.next++
		o.places[row] = place
	}
	if !meaningless {
		o.last = place
	}
	return move
}
