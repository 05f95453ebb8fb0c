package convert

import (
	"fmt"

	"github.com/ownlog/ownlog/format"
	"github.com/ownlog/ownlog/schema"
)

// rawOverhead is what format.JoinRaw adds to an entry besides the record: the
// member names and at most six digits.
const rawOverhead = len(`{"rawlen":262144,"raw":`)

// runEncoder makes the entries of runs. It keeps its buffers: entries are valid
// until reset.
type runEncoder struct {
	norm    []byte   // one event
	arena   []byte   // the entries, one after the other
	entries [][]byte // of the last run
	blobs   []PendingBlob
}

// encode makes the entries of a run: it says where the events come from, puts the
// record's bytes into the first, and moves long strings to blobs. It returns the
// entries and all blobs that must be stored before them, valid until the next
// call as lists. An event that cannot be an entry becomes a vendor.record with a
// finding; the bytes are kept anyway.
func (r *runEncoder) encode(vendor string, run *Run) (entries [][]byte, blobs []PendingBlob, err error) {
	r.entries = r.entries[:0]
	r.blobs = append(r.blobs[:0], run.Blobs...)
	put := func(data []byte, media string) (schema.Blob, error) {
		blob := NewBlob(data, media)
		r.blobs = append(r.blobs, blob)
		return blob.Ref, nil
	}
	for part, ev := range run.Events {
		ev.Source = sourceOf(vendor, run, int64(part))
		var raw []byte
		switch {
		case part > 0:
		case run.Record.Stored != nil:
			ev.RawBlob = run.Record.Stored
		default:
			var kept []PendingBlob
			raw, kept = keepRecord(ev, &run.Record)
			r.blobs = append(r.blobs, kept...)
		}
		budget := format.MaxEntry - len(raw) - rawOverhead
		if err := schema.Spill(ev, budget, put); err != nil {
			ev.Data = &schema.VendorRecord{Kind: string(ev.Data.EventType()), Finding: "cannot be an entry"}
		}
		if r.norm, err = schema.Encode(r.norm[:0], ev); err != nil {
			return nil, nil, fmt.Errorf("line %d: %w", run.Record.Line, err)
		}
		start := r.reserve(len(r.norm) + len(raw) + rawOverhead)
		r.arena = format.JoinRaw(r.arena, r.norm, raw)
		r.entries = append(r.entries, r.arena[start:len(r.arena):len(r.arena)])
	}
	return r.entries, r.blobs, nil
}

// reserve makes room for n bytes and returns where they begin. Entries made
// before stay where they are.
func (r *runEncoder) reserve(n int) int {
	if cap(r.arena)-len(r.arena) < n {
		r.arena = make([]byte, 0, max(n, min(2*cap(r.arena)+arenaFirst, arenaMost)))
	}
	return len(r.arena)
}

// An arena begins small, since many sessions are, and grows up to a batch.
const (
	arenaFirst = 64 << 10
	arenaMost  = batchBytes + format.MaxEntry
)

// reset makes the entries' memory free for others.
func (r *runEncoder) reset() {
	r.arena = r.arena[:0]
	if cap(r.norm) > 2*format.MaxEntry {
		r.norm = nil
	}
}

// sourceOf names the record of a run's part-th event.
func sourceOf(vendor string, run *Run, part int64) *schema.Source {
	src := &schema.Source{Vendor: vendor, Line: run.Record.Line, Row: run.Row, Rev: run.Rev, Part: part}
	if run.Row != nil {
		src.Line = 0
	}
	if part == 0 && run.Record.HasSep {
		sep := string(run.Record.Sep)
		src.Sep = &sep
	}
	return src
}

// damagedEvents are the events of a record that is not one JSON object.
func damagedEvents() []*schema.Event {
	return []*schema.Event{{
		Actor: schema.Actor{Kind: schema.ActorImport},
		Data:  &schema.VendorRecord{Damaged: true},
	}}
}
