package stats

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/ownlog/ownlog/convert/tables"
)

// Dimension is what usage can be grouped by.
type Dimension string

// The dimensions.
const (
	ByDay      Dimension = "day"      // UTC date of the call
	ByProject  Dimension = "project"  // last element of the repository, else of the folder
	ByModel    Dimension = "model"    // that answered, else that was asked
	ByVendor   Dimension = "vendor"   // whose session it is; empty: native
	BySession  Dimension = "session"  // the vendor's id, else the log's; a Claude Code subagent's is its session's
	BySubagent Dimension = "subagent" // the agent, else the session, of subagents; empty: not a subagent
)

// Dimensions returns all dimensions in their usual order.
func Dimensions() []Dimension {
	return []Dimension{ByDay, ByProject, ByModel, ByVendor, BySession, BySubagent}
}

func (d Dimension) check() error {
	if !slices.Contains(Dimensions(), d) {
		return fmt.Errorf("dimension %q: want one of %v", d, Dimensions())
	}
	return nil
}

// Usage is the tokens and the cost of a group of model calls.
type Usage struct {
	Group        []string // values of the dimensions, in their order; empty: absent
	Calls        int64    // all of them, failed ones too
	Failed       int64
	Input        int64 // tokens, without what came from or went to the cache
	Output       int64 // reasoning included
	Reasoning    int64
	CacheRead    int64
	CacheWrite5m int64
	CacheWrite1h int64
	CostNUSD     int64 // 10^-9 USD, of the calls whose cost is known
	Priced       int64 // calls whose cost is known
	Unpriced     int64 // calls that used tokens at a cost unknown
}

// count adds a call and reports whether it used tokens at a cost unknown.
func (u *Usage) count(row *tables.ModelCall) (unpriced bool) {
	u.Calls++
	if row.Status == "failed" {
		u.Failed++
	}
	used := false
	for _, c := range []struct {
		sum *int64
		n   *int64
	}{
		{&u.Input, row.Input}, {&u.Output, row.Output}, {&u.Reasoning, row.Reasoning}, {&u.CacheRead, row.CacheRead},
		{&u.CacheWrite5m, row.CacheWrite5m}, {&u.CacheWrite1h, row.CacheWrite1h},
	} {
		if c.n != nil {
			*c.sum += *c.n
			used = used || *c.n != 0
		}
	}
	switch {
	case row.CostNUSD != nil:
		u.CostNUSD += *row.CostNUSD
		u.Priced++
	case used:
		u.Unpriced++
		return true
	}
	return false
}

func (u *Usage) add(o *Usage) {
	u.Calls += o.Calls
	u.Failed += o.Failed
	u.Input += o.Input
	u.Output += o.Output
	u.Reasoning += o.Reasoning
	u.CacheRead += o.CacheRead
	u.CacheWrite5m += o.CacheWrite5m
	u.CacheWrite1h += o.CacheWrite1h
	u.CostNUSD += o.CostNUSD
	u.Priced += o.Priced
	u.Unpriced += o.Unpriced
}

// usageKey holds the values of the dimensions asked for; the others are empty.
type usageKey [6]string

func usageKeyOf(by []Dimension, call callKey, s *tables.Session) usageKey {
	var k usageKey
	for i, d := range by {
		if i == len(k) {
			break // a dimension is there twice
		}
		switch d {
		case ByDay:
			k[i] = call.day
		case ByModel:
			k[i] = call.model
		case ByProject:
			k[i] = first(s.Project)
		case ByVendor:
			k[i] = first(s.SourceVendor)
		case BySession:
			k[i] = first(s.SessionID, &s.LogID)
		case BySubagent:
			if s.Kind == "subagent" {
				k[i] = first(s.Agent, s.SessionID, &s.LogID)
			}
		}
	}
	return k
}

func (k usageKey) group(by []Dimension) []string {
	return slices.Clone(k[:min(len(by), len(k))])
}

func compareUsage(a, b usageKey) int { return slices.Compare(a[:], b[:]) }

// toolKey groups tools.
type toolKey struct{ vendor, tool string }

func compareTools(a, b toolKey) int {
	return cmp.Or(cmp.Compare(a.vendor, b.vendor), cmp.Compare(a.tool, b.tool))
}
