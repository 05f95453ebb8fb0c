package tables

import (
	"github.com/ownlog/ownlog/format"
	"github.com/ownlog/ownlog/schema"
)

// event makes the row of an entry; ev is nil for holes and for entries that are
// no event, err says why not.
func (p *projection) event(e format.Entry, ev *schema.Event, err error, superseded bool) *Event {
	made := p.key.eventRow(e.Seq)
	row := &made
	row.Superseded, row.PayloadDigest = superseded, e.Leaf.String()
	if e.Hole {
		return row
	}
	row.Bytes = ptr(int64(len(e.Bytes)))
	if p.opts.Payload {
		row.Payload = ptr(string(e.Bytes))
	}
	if err != nil {
		row.Finding = p.names.ptr("not an event")
		return row
	}
	row.Type = p.names.ptr(string(ev.Type))
	row.ActorKind = p.names.ptr(string(ev.Actor.Kind))
	row.ActorID = p.names.ptr(ev.Actor.ID)
	row.Time = micros(ev.Time)
	row.Turn, row.Step = nonzero(ev.Turn), nonzero(ev.Step)
	row.RecordID, row.RecordParent = some(ev.ID), some(ev.Parent.ID)
	p.source(row, ev.Source)
	switch data := ev.Data.(type) {
	case *schema.VendorRecord:
		row.VendorKind, row.Finding = p.names.ptr(data.Kind), p.names.ptr(data.Finding)
		if data.Damaged && row.Finding == nil {
			row.Finding = p.names.ptr("damaged")
		}
	case *schema.SystemMessage:
		row.VendorKind = p.names.ptr(data.Kind)
	}
	return row
}

func (p *projection) source(row *Event, src *schema.Source) {
	if src == nil {
		return
	}
	row.SourceLine = nonzero(src.Line)
	row.SourcePart = ptr(src.Part)
	if src.Row != nil {
		row.SourceTable, row.SourceRow = p.names.ptr(src.Row.Table), some(src.Row.ID)
		row.SourceRev = ptr(src.Rev)
	}
}
