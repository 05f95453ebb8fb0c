package schema

import (
	"slices"
	"strings"
)

// Axis says what became of something in a conversion.
type Axis string

// The axes of a fidelity report.
const (
	Preserved   Axis = "preserved"     // carried as it was
	Transformed Axis = "transformed"   // carried, in another form
	Dropped     Axis = "dropped"       // not carried
	NotInSource Axis = "not_in_source" // the target asks for it, the source has none
)

// Fidelity is the report of a conversion: every kind of thing that was carried,
// changed or lost, with a count and an example. The zero Fidelity is an empty
// report. It is not safe for concurrent use.
type Fidelity struct {
	items []FidelityItem
	index map[fidelityKey]int
}

type fidelityKey struct {
	axis Axis
	code string
}

// StatePrefix begins the codes of what is no content of the conversation: usage,
// cost, decisions, a vendor's own state. It stays in the log whatever becomes of
// it elsewhere.
const StatePrefix = "state-"

// FidelityItem is one line of a report. Codes are stable: lower case, words
// joined by hyphens, documented in docs/.
type FidelityItem struct {
	Axis    Axis   `json:"axis"`
	Code    string `json:"code"`
	Count   int64  `json:"count"`
	Example string `json:"example,omitzero"` // where the first one was: line, row, entry or call
}

// Add counts n things of a kind. The first example given stays.
func (f *Fidelity) Add(axis Axis, code string, n int64, example string) {
	if n == 0 {
		return
	}
	key := fidelityKey{axis, code}
	i, ok := f.index[key]
	if !ok {
		if f.index == nil {
			f.index = make(map[fidelityKey]int)
		}
		i = len(f.items)
		f.index[key] = i
		f.items = append(f.items, FidelityItem{Axis: axis, Code: code, Example: example})
	}
	f.items[i].Count += n
}

// Merge adds all counts of another report.
func (f *Fidelity) Merge(other *Fidelity) {
	for _, it := range other.items {
		f.Add(it.Axis, it.Code, it.Count, it.Example)
	}
}

// Items returns the lines of the report: by axis from preserved to not in
// source, then by code.
func (f *Fidelity) Items() []FidelityItem {
	out := slices.Clone(f.items)
	order := []Axis{Preserved, Transformed, Dropped, NotInSource}
	slices.SortFunc(out, func(a, b FidelityItem) int {
		if d := slices.Index(order, a.Axis) - slices.Index(order, b.Axis); d != 0 {
			return d
		}
		return strings.Compare(a.Code, b.Code)
	})
	return out
}

// Count returns how many things fell on an axis.
func (f *Fidelity) Count(axis Axis) int64 {
	var n int64
	for _, it := range f.items {
		if it.Axis == axis {
			n += it.Count
		}
	}
	return n
}

// ContentLost returns how many things of the conversation were dropped.
func (f *Fidelity) ContentLost() int64 {
	var n int64
	for _, it := range f.items {
		if it.Axis == Dropped && !strings.HasPrefix(it.Code, StatePrefix) {
			n += it.Count
		}
	}
	return n
}
