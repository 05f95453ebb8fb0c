package schema

import (
	"cmp"
	"math"
	"slices"
)

// UsageTotal sums the last usage of each response, over all branches.
type UsageTotal struct {
	Provider, Model string // that answered; empty in a total over all
	Responses       int64
	WithUsage       int64 // responses whose usage is known
	Input           int64 // tokens, without what came from or went to the cache
	CacheRead       int64
	CacheWrite      int64
	CacheWrite1h    int64 // the part of CacheWrite kept for an hour
	Output          int64 // reasoning included
	Reasoning       int64
	WithCost        int64 // responses whose cost the source states
	CostNUSD        int64 // sum of those, in 10^-9 USD
}

// Usage returns the totals of the log.
func (s *State) Usage() UsageTotal {
	var total UsageTotal
	d := s.settle()
	for i := range d.responses {
		total.add(&d.responses[i])
	}
	return total
}

// UsageByModel returns the totals of each answering model, by provider and name.
func (s *State) UsageByModel() []UsageTotal {
	d := s.settle()
	at := make(map[[2]string]int)
	var totals []UsageTotal
	for i := range d.responses {
		r := &d.responses[i]
		key := [2]string{r.provider, r.model}
		n, ok := at[key]
		if !ok {
			n = len(totals)
			at[key] = n
			totals = append(totals, UsageTotal{Provider: r.provider, Model: r.model})
		}
		totals[n].add(r)
	}
	slices.SortFunc(totals, func(a, b UsageTotal) int {
		return cmp.Or(cmp.Compare(a.Provider, b.Provider), cmp.Compare(a.Model, b.Model))
	})
	return totals
}

func (t *UsageTotal) add(r *response) {
	t.Responses++
	if u := r.usage; u != nil {
		t.WithUsage++
		t.Input = addCount(t.Input, deref(u.Input))
		t.CacheRead = addCount(t.CacheRead, deref(u.CacheRead))
		t.CacheWrite = addCount(t.CacheWrite, deref(u.CacheWrite))
		t.CacheWrite1h = addCount(t.CacheWrite1h, u.CacheWrite1h)
		t.Output = addCount(t.Output, deref(u.Output))
		t.Reasoning = addCount(t.Reasoning, deref(u.Reasoning))
	}
	if r.cost != nil {
		t.WithCost++
		t.CostNUSD = addCount(t.CostNUSD, *r.cost)
	}
}

// addCount adds without ever running over: a hostile log gives a wrong total,
// not a negative one.
func addCount(a, b int64) int64 {
	if b > 0 && a > math.MaxInt64-b {
		return math.MaxInt64
	}
	return a + max(b, 0)
}

func deref(n *int64) int64 {
	if n == nil {
		return 0
	}
	return *n
}
