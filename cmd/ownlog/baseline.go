package main

import (
	"fmt"
	"io"
	"os"

	"github.com/go-json-experiment/json"
)

// baseline holds the findings that are known: how often each, by where it is and
// which rule. The zero baseline knows none.
type baseline map[string]int64

// maxBaseline is the largest baseline file, in bytes.
const maxBaseline = 256 << 20

// readBaseline reads what `verify --format json` printed.
func readBaseline(name string) (baseline, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	var doc verifyJSON
	if err := json.UnmarshalRead(io.LimitReader(f, maxBaseline), &doc); err != nil {
		return nil, usageError(fmt.Errorf("%s: not what verify --format json prints: %w", name, err))
	}
	if doc.Schema != schemaVerify {
		return nil, usageError(fmt.Errorf("%s: its schema is %q, want %q", name, doc.Schema, schemaVerify))
	}
	known := make(baseline)
	for i := range doc.Logs {
		for j := range doc.Logs[i].Findings {
			f := &doc.Logs[i].Findings[j]
			known[findingKey(&doc.Logs[i], f)] += max(1, f.Count)
		}
	}
	return known, nil
}

// holds tells whether a finding is known, and uses it up: what was there once
// and is there twice now is new once.
func (b baseline) holds(doc *verifyLog, f *verifyFinding) bool {
	key := findingKey(doc, f)
	n := max(1, f.Count)
	if b[key] < n {
		return false
	}
	b[key] -= n
	return true
}

// findingKey says where a finding is and what it breaks. It has no message,
// whose wording may change, and no path of the store, which may move.
func findingKey(doc *verifyLog, f *verifyFinding) string {
	at := func(n *int64) int64 {
		if n == nil {
			return -1
		}
		return *n
	}
	return fmt.Sprintf("%s %q seq %d line %d offset %d", f.Rule, doc.name(), at(f.Seq), f.Line, at(f.Offset))
}
