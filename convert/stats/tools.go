package stats

import (
	"github.com/ownlog/ownlog/convert/tables"
	"github.com/ownlog/ownlog/schema"
)

// Tools is how the calls of a tool ended.
type Tools struct {
	Vendor, Tool string // empty: native; nested work without a name
	Calls        int64
	OK           int64
	Error        int64
	Denied       int64
	Cancelled    int64
	Timeout      int64
	Unknown      int64 // unknown, orphaned, waiting or not started
	Timed        int64 // calls whose duration is known
	DurationUS   int64 // sum over those, in microseconds
	OutputBytes  int64
}

// Failures returns the calls that ended in an error, a denial, a cancellation or
// a timeout.
func (t *Tools) Failures() int64 { return t.Error + t.Denied + t.Cancelled + t.Timeout }

// FailureRate returns failures as a share of the calls whose end is known, 0 if
// there are none.
func (t *Tools) FailureRate() float64 {
	known := t.Calls - t.Unknown
	if known == 0 {
		return 0
	}
	return float64(t.Failures()) / float64(known)
}

func (t *Tools) count(row *tables.ToolCall) {
	t.Calls++
	switch schema.Status(row.Status) {
	case schema.StatusOK:
		t.OK++
	case schema.StatusError:
		t.Error++
	case schema.StatusDenied:
		t.Denied++
	case schema.StatusCancelled:
		t.Cancelled++
	case schema.StatusTimeout:
		t.Timeout++
	default:
		t.Unknown++
	}
	if row.DurationUS != nil {
		t.Timed++
		t.DurationUS += *row.DurationUS
	}
	if row.OutputBytes != nil {
		t.OutputBytes += *row.OutputBytes
	}
}

func (t *Tools) add(o *Tools) {
	t.Calls += o.Calls
	t.OK += o.OK
	t.Error += o.Error
	t.Denied += o.Denied
	t.Cancelled += o.Cancelled
	t.Timeout += o.Timeout
	t.Unknown += o.Unknown
	t.Timed += o.Timed
	t.DurationUS += o.DurationUS
	t.OutputBytes += o.OutputBytes
}

// Permissions is what became of the prompts and decisions about a tool.
type Permissions struct {
	Vendor, Tool string
	Asked        int64 // calls for which a prompt is recorded
	Allowed      int64 // by decision, also where no prompt is recorded
	Denied       int64
	Modified     int64
	Open         int64 // prompts without a decision
	Waited       int64 // decisions whose wait is known
	WaitUS       int64 // sum over those, in microseconds
	LongestUS    int64
}

func (p *Permissions) count(row *tables.ToolCall) {
	if row.PermRequested != nil {
		p.Asked++
		if row.Decision == nil {
			p.Open++
		}
	}
	switch schema.Decision(first(row.Decision)) {
	case schema.DecisionAllow:
		p.Allowed++
	case schema.DecisionDeny:
		p.Denied++
	case schema.DecisionModify:
		p.Modified++
	}
	if w := row.PermissionWait; w != nil {
		p.Waited++
		p.WaitUS += *w
		p.LongestUS = max(p.LongestUS, *w)
	}
}

func (p *Permissions) add(o *Permissions) {
	p.Asked += o.Asked
	p.Allowed += o.Allowed
	p.Denied += o.Denied
	p.Modified += o.Modified
	p.Open += o.Open
	p.Waited += o.Waited
	p.WaitUS += o.WaitUS
	p.LongestUS = max(p.LongestUS, o.LongestUS)
}

// Compactions is how often contexts were compacted.
type Compactions struct {
	Trigger      string // empty: not stated
	Count        int64
	Sessions     int64 // logs in which there is one
	Measured     int64 // compactions whose tokens before are known
	TokensBefore int64 // sum over those
}

func (c *Compactions) count(row *tables.Compaction, firstOfLog bool) {
	c.Count++
	if firstOfLog {
		c.Sessions++
	}
	if row.TokensBefore != nil {
		c.Measured++
		c.TokensBefore += *row.TokensBefore
	}
}

func (c *Compactions) add(o *Compactions) {
	c.Count += o.Count
	c.Sessions += o.Sessions
	c.Measured += o.Measured
	c.TokensBefore += o.TokensBefore
}
