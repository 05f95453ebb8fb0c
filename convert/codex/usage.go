package codex

import "github.com/ownlog/ownlog/schema"

// usageRecord maps the usage of one provider response.
func (r *record) usageRecord() {
	m, p := r.m, &r.m.payload
	response, turn := p.str("response_id"), p.str("turn_id")
	usage, f := r.usage(p.must("usage", '{'))
	if finding := p.finding(); finding != "" {
		f = finding
	}
	if f != "" {
		r.keep("token_usage_record", f)
		return
	}
	m.hasUsageRecords = true
	s := m.numbers.meter(m.numbers.turnOf(turn))
	m.numbers.close()
	r.add(schema.ActorModel, s.turn, s.number, &schema.ModelOutput{
		ResponseID: response, Provider: m.provider, Model: m.model, Blocks: []schema.Block{}, Usage: usage,
	})
}

// tokenCount maps the running totals of files that have nothing better: a
// response was made when the totals changed.
func (r *record) tokenCount(p *object) (finding string) {
	m := r.m
	if m.paginated || m.hasUsageRecords {
		return ""
	}
	info := p.get("info")
	if info.kind() != '{' {
		return ""
	}
	o := &m.item
	o.parse(info)
	total, last := o.of("total_token_usage", '{'), o.of("last_token_usage", '{')
	if f := o.finding(); f != "" {
		return "info: " + f
	}
	if total == nil || last == nil || string(total) == m.totalUsage {
		return ""
	}
	usage, f := r.usage(last)
	if f != "" {
		return "info: " + f
	}
	m.totalUsage = string(total)
	s := m.numbers.meter(m.numbers.turn)
	r.add(schema.ActorModel, s.turn, s.number, &schema.ModelOutput{
		Provider: m.provider, Model: m.model, Blocks: []schema.Block{}, Usage: usage,
	})
	return ""
}

// usage reads a token usage. The vendor's input contains what came from and went
// to the cache; the log's does not.
func (r *record) usage(v value) (*schema.Usage, string) {
	o := &r.m.scratch
	o.parse(v)
	u := &schema.Usage{}
	for _, f := range []struct {
		name string
		into **int64
	}{
		{"cached_input_tokens", &u.CacheRead},
		{"cache_write_input_tokens", &u.CacheWrite},
		{"output_tokens", &u.Output},
		{"reasoning_output_tokens", &u.Reasoning},
	} {
		if n, ok := o.integer(f.name); ok {
			*f.into = schema.Int(n)
		}
	}
	if n, ok := o.integer("input_tokens"); ok {
		for _, part := range []*int64{u.CacheRead, u.CacheWrite} {
			if part != nil {
				n -= *part
			}
		}
		u.Input = schema.Int(max(n, 0))
	}
	return u, o.finding()
}
