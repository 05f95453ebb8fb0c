package tables

import "github.com/ownlog/ownlog/schema"

// compaction gives out the row of a compaction.
func (p *projection) compaction(at place, data *schema.ContextCompacted) error {
	if !at.mine || p.sink.Compaction == nil {
		return nil
	}
	row := p.key.compactionRow(at.seq)
	row.Time, row.Turn = at.time, at.turn
	row.Trigger, row.TokensBefore, row.TokensAfter = p.names.ptr(data.Trigger), data.TokensBefore, data.TokensAfter
	row.SummaryFrom, row.Sealed = some(data.SummaryFrom), data.Seal != nil
	if len(data.Covers) == 2 {
		row.CoversFrom, row.CoversTo = &data.Covers[0], &data.Covers[1]
	}
	if data.Summary != nil {
		size, _ := contentDigest(data.Summary)
		row.SummaryBytes = &size
	}
	if data.Kept != nil {
		row.Kept = ptr(int64(len(data.Kept)))
	}
	if data.View != nil {
		row.ViewMessages = ptr(int64(len(data.View)))
	}
	return p.sink.Compaction(&row)
}
