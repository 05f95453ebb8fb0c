package convert

import (
	"fmt"

	"github.com/ownlog/ownlog/format"
	"github.com/ownlog/ownlog/schema"
)

// rawOverhead is what format.JoinRaw adds to an entry besides the record: the
// member names and at most six digits.
const rawOverhead = len(`{"rawlen":262144,"raw":`)

// encodeRun makes the entries of a run: it says where the events come from, puts
// the record's bytes into the first, and moves long strings to blobs. It returns
// the entries and all blobs that must be stored before them. An event that cannot
// be an entry becomes a vendor.record with a finding; the bytes are kept anyway.
func encodeRun(vendor string, run *Run) (entries [][]byte, blobs []PendingBlob, err error) {
	blobs = run.Blobs
	put := func(data []byte, media string) (schema.Blob, error) {
		blob := NewBlob(data, media)
		blobs = append(blobs, blob)
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
			raw, kept = keepRecord(ev, run.Record.Bytes)
			blobs = append(blobs, kept...)
		}
		budget := format.MaxEntry - len(raw) - rawOverhead
		if err := schema.Spill(ev, budget, put); err != nil {
			ev.Data = &schema.VendorRecord{Kind: string(ev.Data.EventType()), Finding: "cannot be an entry"}
		}
		norm, err := schema.Encode(nil, ev)
		if err != nil {
			return nil, nil, fmt.Errorf("line %d: %w", run.Record.Line, err)
		}
		entry := norm
		if len(raw) > 0 {
			entry = format.JoinRaw(make([]byte, 0, len(norm)+len(raw)+rawOverhead), norm, raw)
		}
		entries = append(entries, entry)
	}
	return entries, blobs, nil
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

// damagedRun is the run of a record that is not one JSON object.
func damagedRun(rec Record) Run {
	return Run{Record: rec, Events: []*schema.Event{{
		Actor: schema.Actor{Kind: schema.ActorImport},
		Data:  &schema.VendorRecord{Damaged: true},
	}}}
}
