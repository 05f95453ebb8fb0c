package main

import (
	"io"
	"iter"
	"math/rand"
	"testing"

	"github.com/ownlog/ownlog/convert"
	"github.com/ownlog/ownlog/convert/parquet"
	"github.com/ownlog/ownlog/convert/stats"
	"github.com/ownlog/ownlog/convert/summary"
	"github.com/ownlog/ownlog/convert/timeline"
	"github.com/ownlog/ownlog/format"
	"github.com/ownlog/ownlog/schema"
)

// TestLogsThatSayNextToNothing: a log of any event types in any order, with data
// that lacks everything, is shown, summed up, exported and tabulated, or refused
// with an error; nothing panics.
func TestLogsThatSayNextToNothing(t *testing.T) {
	rng := rand.New(rand.NewSource(1)) //nolint:gosec // a test wants the same numbers each time
	for round := range 60 {
		store, log := new(format.MemStore), format.NewLogID()
		entries := hostileEntries(t, rng, round)
		if _, err := store.Append(t.Context(), log, 0, entries); err != nil {
			t.Fatal(err)
		}
		logs := func() iter.Seq[format.LogID] { return func(yield func(format.LogID) bool) { yield(log) } }
		// Errors are fine; a panic ends the test.
		_ = timeline.Write(t.Context(), io.Discard, store, log, timeline.Options{To: -1, Records: true})
		_, _ = summary.Of(t.Context(), store, log)
		_, _ = stats.Collect(t.Context(), store, logs(), stats.Query{})
		if round%20 == 0 {
			_, _ = parquet.Export(t.Context(), store, logs(), parquet.Options{Out: t.TempDir()})
		}
		for v := range registry().Vendors() {
			_ = v.Export(t.Context(), convert.ExportRequest{
				Store: store, Log: log, Size: -1, Options: map[string]string{}, Report: new(schema.Fidelity),
				Out: &convert.FolderOutput{Dir: t.TempDir()},
			})
		}
	}
}

// hostileEntries returns events of random types with empty data, or data with
// numbers and names that mean nothing.
func hostileEntries(t *testing.T, rng *rand.Rand, round int) [][]byte {
	t.Helper()
	types := schema.Types()
	var entries [][]byte
	for i := range 40 {
		ev := &schema.Event{Data: schema.NewData(types[(i+round)%len(types)])}
		if i >= len(types) {
			ev.Data = schema.NewData(types[rng.Intn(len(types))])
		}
		ev.Turn, ev.Step = rng.Int63n(3), rng.Int63n(3)
		switch round % 4 {
		case 1:
			ev.ID, ev.Parent = string(rune('a'+rng.Intn(6))), schema.Parent{Known: true, ID: string(rune('a' + rng.Intn(7)))}
			ev.Source = &schema.Source{Vendor: "claude-code", Line: int64(i)}
		case 2:
			ev.Source = &schema.Source{Vendor: "codex", Line: int64(i), Part: rng.Int63n(2)}
		case 3:
			ev.Source = &schema.Source{Vendor: "opencode", Row: &schema.Row{Table: "part", ID: string(rune('a' + rng.Intn(5)))}, Rev: rng.Int63n(2)}
		}
		switch d := ev.Data.(type) {
		case *schema.ModelOutput:
			d.Blocks = []schema.Block{{Type: schema.BlockToolCall}, {}, {Type: schema.BlockReasoning, Seal: &schema.Seal{}}, {Type: schema.BlockToolCall, CallKey: "1/1/0"}}
		case *schema.UserMessage:
			d.Content = []schema.Part{{}, {Type: schema.PartImage}, {Type: schema.PartFile, Blob: &schema.Blob{Digest: "sha256:x"}}}
		case *schema.ToolResult:
			d.CallKey, d.Content = "1/1/0", []schema.Part{{Type: schema.PartOpaque}}
		case *schema.ContextCompacted:
			d.View = []schema.ViewMessage{{}, {Role: schema.RoleTool}, {Role: schema.RoleModel, Blocks: []schema.Block{{}}}}
		}
		b, err := schema.Encode(nil, ev)
		if err != nil {
			t.Fatal(err)
		}
		entries = append(entries, b)
	}
	return entries
}
