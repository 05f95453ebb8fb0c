package tables

import (
	"slices"

	"github.com/ownlog/ownlog/schema"
)

// modelCalls gathers the rows of model_calls: pieces of a response, its usage
// and its request may stand anywhere in the log.
type modelCalls struct {
	rows []*modelCall
	// responses by turn and step, requests without an answer by id.
	responses map[response]*modelCall
	open      map[string]*modelCall

	total, failures int64
	peak            *int64
}

// response identifies a response as the fold does: by turn and step, or by the
// entry where there is no step.
type response struct{ turn, step, seq int64 }

type modelCall struct {
	row   ModelCall
	mine  bool // something of it stands in this log, not in its parent
	usage *schema.Usage
	// joined is set when the row went into another one.
	joined     bool
	unfinished bool // a piece says that the source does not tell how it ended
}

func (m *modelCalls) begin() {
	m.responses = make(map[response]*modelCall)
	m.open = make(map[string]*modelCall)
}

func (m *modelCalls) add(p *projection, at place) *modelCall {
	c := &modelCall{row: p.key.modelCallRow(at.seq)}
	c.row.Turn, c.row.Step = at.turn, at.step
	c.row.Status = "open"
	m.rows = append(m.rows, c)
	return c
}

func (m *modelCalls) requested(p *projection, at place, data *schema.ModelRequested) {
	c := m.add(p, at)
	c.mine = at.mine
	c.row.RequestID = some(data.RequestID)
	c.row.Attempt = nonzero(data.Attempt)
	c.row.Requested = at.time
	c.row.Provider = p.names.ptr(data.Provider)
	c.row.ModelAsked = p.names.ptr(data.Model)
	if data.RequestID != "" {
		m.open[data.RequestID] = c
	}
}

// take returns the open request of that id and closes it.
func (m *modelCalls) take(id string) *modelCall {
	c := m.open[id]
	delete(m.open, id)
	return c
}

func (m *modelCalls) output(p *projection, at place, data *schema.ModelOutput) {
	if data.Synthetic {
		return
	}
	key := response{turn: at.ev.Turn, step: at.ev.Step}
	if key.step == 0 {
		key.seq = at.seq
	}
	c := m.responses[key]
	if c == nil {
		if c = m.take(data.RequestID); c == nil {
			c = m.add(p, at)
		}
		m.responses[key] = c
		c.row.Turn, c.row.Step = at.turn, at.step
		c.row.Status = "ok"
	} else if data.RequestID != "" {
		m.join(c, data.RequestID)
	}
	c.mine = c.mine || at.mine
	row := &c.row
	row.RequestID = last(row.RequestID, some(data.RequestID))
	row.ResponseID = last(row.ResponseID, some(data.ResponseID))
	row.Provider = last(row.Provider, p.names.ptr(data.Provider))
	row.Model = last(row.Model, p.names.ptr(data.Model))
	row.StopReason = last(row.StopReason, p.names.ptr(data.StopReason))
	row.Finished = latest(row.Finished, at.time)
	row.LatencyUS = last(row.LatencyUS, data.LatencyUS)
	row.TTFTUS = last(row.TTFTUS, data.FirstUS)
	if data.CostNUSD != nil {
		row.CostNUSD, row.CostSource = data.CostNUSD, p.names.ptr("source")
	}
	if data.Usage != nil {
		c.usage = data.Usage
	}
	if data.Aborted {
		row.Status = "aborted"
	}
	c.unfinished = c.unfinished || data.Unfinished
	row.Summary = row.Summary || data.Summary
	row.Blocks += int64(len(data.Blocks))
	for i := range data.Blocks {
		if data.Blocks[i].Type == schema.BlockToolCall {
			row.ToolCalls++
		}
	}
}

// join takes what a request said, if it turns out only now that a response
// answers it.
func (m *modelCalls) join(c *modelCall, id string) {
	req := m.take(id)
	if req == nil {
		return
	}
	c.row.Requested = last(c.row.Requested, req.row.Requested)
	c.row.Attempt = last(c.row.Attempt, req.row.Attempt)
	c.row.ModelAsked = last(c.row.ModelAsked, req.row.ModelAsked)
	c.row.Provider = last(req.row.Provider, c.row.Provider)
	c.row.Seq = min(c.row.Seq, req.row.Seq)
	req.joined = true
}

func (m *modelCalls) failed(p *projection, at place, data *schema.ModelFailed) {
	var c *modelCall
	if data.RequestID != "" {
		c = m.take(data.RequestID)
	}
	if c == nil {
		c = m.add(p, at)
	}
	c.mine = c.mine || at.mine
	c.row.Status = "failed"
	c.row.RequestID = last(c.row.RequestID, some(data.RequestID))
	c.row.Attempt = last(c.row.Attempt, nonzero(data.Attempt))
	c.row.ErrorClass = p.names.ptr(string(data.Class))
	c.row.HTTPStatus = nonzero(data.HTTPStatus)
	c.row.Finished = at.time
}

func (m *modelCalls) end(p *projection) error {
	slices.SortStableFunc(m.rows, func(a, b *modelCall) int { return int(a.row.Seq - b.row.Seq) })
	for _, c := range m.rows {
		if !c.mine || c.joined {
			continue
		}
		c.finish(p)
		m.total++
		if c.row.Status == "failed" {
			m.failures++
		}
		if u := c.usage; u != nil && u.Input != nil {
			m.peak = latest(m.peak, ptr(*u.Input+value(u.CacheRead)+value(u.CacheWrite)))
		}
		if p.sink.ModelCall != nil {
			if err := p.sink.ModelCall(&c.row); err != nil {
				return err
			}
		}
	}
	return nil
}

func (c *modelCall) finish(p *projection) {
	if c.row.LatencyUS == nil {
		c.row.LatencyUS = between(c.row.Requested, c.row.Finished)
	}
	row := &c.row
	if c.unfinished && row.StopReason == nil && row.Status == "ok" {
		row.Status = "open"
	}
	u := c.usage
	if u == nil {
		return
	}
	row.Input, row.Output, row.Reasoning, row.CacheRead = u.Input, u.Output, u.Reasoning, u.CacheRead
	if u.CacheWrite != nil {
		row.CacheWrite5m, row.CacheWrite1h = ptr(*u.CacheWrite-u.CacheWrite1h), ptr(u.CacheWrite1h)
	}
	model := last(row.ModelAsked, row.Model)
	if row.CostNUSD != nil || p.opts.Prices == nil || model == nil {
		return
	}
	if price, ok := p.opts.Prices.Lookup(text(row.Provider), *model); ok {
		row.CostNUSD, row.CostSource = ptr(price.Cost(u)), p.names.ptr("prices")
		row.PricesVersion = p.names.ptr(p.opts.Prices.Version)
	}
}

func value(n *int64) int64 {
	if n == nil {
		return 0
	}
	return *n
}

func text(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}
