package stats

import (
	"context"
	"errors"
	"iter"
	"maps"
	"runtime"
	"slices"
	"sync"
	"time"

	"github.com/ownlog/ownlog/convert/tables"
	"github.com/ownlog/ownlog/format"
	"github.com/ownlog/ownlog/schema"
)

// Query says what to count and how to group it.
type Query struct {
	// By are the dimensions that usage is grouped by, in order; none: one total.
	By []Dimension
	// Since and Until bound the time of what is counted: model calls by their
	// end, tool calls by the time they were asked for, compactions by their own.
	// Not before Since, before Until. Zero: no bound. What has no time is counted
	// only without bounds.
	Since, Until time.Time
	// Prices tells the cost of calls whose source does not; it may be nil.
	Prices *schema.PriceTable
	// Workers is how many logs are read at once; 0: one for each processor.
	Workers int
}

// Report is the answer to a Query.
type Report struct {
	Usage       []Usage
	Tools       []Tools
	Permissions []Permissions
	Compactions []Compactions
	// Unpriced are the models that used tokens at a cost unknown, and the number
	// of those calls. The name is empty for calls that name no model.
	Unpriced map[string]int64
	// Logs is how many logs were read; Failed are those that could not be.
	Logs   int64
	Failed []LogError
}

// LogError is a log that could not be read.
type LogError struct {
	Log format.LogID
	Err error
}

func (e LogError) Error() string { return "log " + e.Log.String() + ": " + e.Err.Error() }

// Unwrap returns the cause.
func (e LogError) Unwrap() error { return e.Err }

// Collect reads the logs and adds up what they say. Logs that cannot be read are
// listed in the report and not counted at all.
func Collect(ctx context.Context, store format.Store, logs iter.Seq[format.LogID], q Query) (Report, error) {
	for _, d := range q.By {
		if err := d.check(); err != nil {
			return Report{}, err
		}
	}
	workers := q.Workers
	if workers <= 0 {
		workers = runtime.GOMAXPROCS(0)
	}
	queue := make(chan format.LogID)
	total := newSums()
	var mu sync.Mutex
	var group sync.WaitGroup
	for range workers {
		group.Go(func() {
			for log := range queue {
				sums, err := readLog(ctx, store, log, &q)
				mu.Lock()
				total.logs++
				if err != nil {
					total.failed = append(total.failed, LogError{log, err})
				} else {
					total.add(sums)
				}
				mu.Unlock()
			}
		})
	}
	seen := make(map[format.LogID]bool)
	for log := range logs {
		if seen[log] || ctx.Err() != nil {
			continue
		}
		seen[log] = true
		queue <- log
	}
	close(queue)
	group.Wait()
	if err := ctx.Err(); err != nil {
		return Report{}, err
	}
	return total.report(q.By), nil
}

// sums are the groups of one log, or of all.
type sums struct {
	usage       map[usageKey]*Usage
	tools       map[toolKey]*Tools
	permissions map[toolKey]*Permissions
	compactions map[string]*Compactions
	unpriced    map[string]int64
	logs        int64
	failed      []LogError
}

func newSums() *sums {
	return &sums{
		usage: make(map[usageKey]*Usage), tools: make(map[toolKey]*Tools), permissions: make(map[toolKey]*Permissions),
		compactions: make(map[string]*Compactions), unpriced: make(map[string]int64),
	}
}

// at returns the group of a key, making it if it is new.
func at[K comparable, V any](groups map[K]*V, key K) *V {
	v := groups[key]
	if v == nil {
		v = new(V)
		groups[key] = v
	}
	return v
}

func (s *sums) add(other *sums) {
	for k, v := range other.usage {
		at(s.usage, k).add(v)
	}
	for k, v := range other.tools {
		at(s.tools, k).add(v)
	}
	for k, v := range other.permissions {
		at(s.permissions, k).add(v)
	}
	for k, v := range other.compactions {
		at(s.compactions, k).add(v)
	}
	for k, v := range other.unpriced {
		s.unpriced[k] += v
	}
}

func (s *sums) report(by []Dimension) Report {
	r := Report{Unpriced: s.unpriced, Logs: s.logs, Failed: s.failed}
	for _, k := range slices.SortedFunc(maps.Keys(s.usage), compareUsage) {
		u := s.usage[k]
		u.Group = k.group(by)
		r.Usage = append(r.Usage, *u)
	}
	for _, k := range slices.SortedFunc(maps.Keys(s.tools), compareTools) {
		t := s.tools[k]
		t.Vendor, t.Tool = k.vendor, k.tool
		r.Tools = append(r.Tools, *t)
	}
	for _, k := range slices.SortedFunc(maps.Keys(s.permissions), compareTools) {
		p := s.permissions[k]
		p.Vendor, p.Tool = k.vendor, k.tool
		r.Permissions = append(r.Permissions, *p)
	}
	for _, k := range slices.Sorted(maps.Keys(s.compactions)) {
		c := s.compactions[k]
		c.Trigger = k
		r.Compactions = append(r.Compactions, *c)
	}
	return r
}

// readLog adds up one log.
func readLog(ctx context.Context, store format.Store, log format.LogID, q *Query) (*sums, error) {
	l := logReader{q: q, sums: newSums(), calls: make(map[callKey]*Usage), compacted: make(map[string]bool)}
	_, err := tables.Project(ctx, store, log, tables.Options{NoText: true, Prices: q.Prices}, tables.Sink{
		Session: l.session, ModelCall: l.modelCall, ToolCall: l.toolCall, Compaction: l.compaction,
	})
	if err != nil && !errors.Is(err, context.Canceled) {
		return nil, err
	}
	return l.sums, err
}

// logReader takes the rows of one log. What the session is comes last, so model
// calls are first grouped by what they say themselves.
type logReader struct {
	q         *Query
	sums      *sums
	calls     map[callKey]*Usage
	compacted map[string]bool // by trigger
}

type callKey struct{ day, model string }

func (l *logReader) inside(us *int64) bool {
	if l.q.Since.IsZero() && l.q.Until.IsZero() {
		return true
	}
	if us == nil {
		return false
	}
	t := time.UnixMicro(*us)
	return !t.Before(l.q.Since) && (l.q.Until.IsZero() || t.Before(l.q.Until))
}

func (l *logReader) modelCall(row *tables.ModelCall) error {
	when := row.Finished
	if when == nil {
		when = row.Requested
	}
	if !l.inside(when) {
		return nil
	}
	key := callKey{model: first(row.Model, row.ModelAsked)}
	if when != nil {
		key.day = time.UnixMicro(*when).UTC().Format(time.DateOnly)
	}
	if at(l.calls, key).count(row) {
		l.sums.unpriced[key.model]++
	}
	return nil
}

func (l *logReader) toolCall(row *tables.ToolCall) error {
	if row.Inherited || !l.inside(row.Requested) {
		return nil
	}
	key := toolKey{vendor: first(row.SourceVendor), tool: first(row.Tool)}
	at(l.sums.tools, key).count(row)
	if row.PermRequested != nil || row.Decision != nil {
		at(l.sums.permissions, key).count(row)
	}
	return nil
}

func (l *logReader) compaction(row *tables.Compaction) error {
	if l.inside(row.Time) {
		trigger := first(row.Trigger)
		at(l.sums.compactions, trigger).count(row, !l.compacted[trigger])
		l.compacted[trigger] = true
	}
	return nil
}

func (l *logReader) session(row *tables.Session) error {
	for key, u := range l.calls {
		at(l.sums.usage, usageKeyOf(l.q.By, key, row)).add(u)
	}
	return nil
}

// first returns the first string that is there, else the empty one.
func first(values ...*string) string {
	for _, v := range values {
		if v != nil {
			return *v
		}
	}
	return ""
}
