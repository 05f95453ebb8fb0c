package convert

import "slices"

// Finding is something that a source holds and should not, or that its importer
// does not know: with a stable code, a count, and the place of the first one.
type Finding struct {
	Code  string `json:"code"`
	Count int64  `json:"count"`
	Where string `json:"where,omitzero"`
}

// FindingCounts counts findings by code. The zero FindingCounts is empty.
type FindingCounts struct{ list []Finding }

// Add implements [Findings].
func (f *FindingCounts) Add(code, where string) { f.addN(Finding{Code: code, Count: 1, Where: where}) }

// addN adds a finding with its count.
func (f *FindingCounts) addN(finding Finding) {
	for i := range f.list {
		if f.list[i].Code == finding.Code {
			f.list[i].Count += finding.Count
			return
		}
	}
	f.list = append(f.list, finding)
}

// List returns the findings in the order of their first occurrence.
func (f *FindingCounts) List() []Finding { return slices.Clone(f.list) }
