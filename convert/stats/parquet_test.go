package stats

import (
	"io"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	pq "github.com/parquet-go/parquet-go"

	"github.com/ownlog/ownlog/convert/parquet"
	"github.com/ownlog/ownlog/convert/tables"
	"github.com/ownlog/ownlog/convert/tables/samplelog"
	"github.com/ownlog/ownlog/format"
)

// readTable returns the rows of all files of a table of a fresh export.
func readTable[T any](t *testing.T, out string, table parquet.Table) []T {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(out, string(table), "date=*", "*.parquet"))
	if err != nil || len(files) < 2 {
		t.Fatalf("%d files of %s: %v", len(files), table, err)
	}
	var all []T
	for _, name := range files {
		f, err := os.Open(name)
		if err != nil {
			t.Fatal(err)
		}
		r := pq.NewGenericReader[T](f)
		rows := make([]T, r.NumRows())
		if n, err := r.Read(rows); n != len(rows) || err != nil && err != io.EOF {
			t.Fatalf("%s: %d of %d rows, %v", name, n, len(rows), err)
		}
		all = append(all, rows...)
		if err := f.Close(); err != nil {
			t.Fatal(err)
		}
	}
	return all
}

// TestFiguresEqualTheParquetTables adds up the files by a loop of its own.
func TestFiguresEqualTheParquetTables(t *testing.T) {
	store := new(format.MemStore)
	if err := samplelog.Fill(t.Context(), store); err != nil {
		t.Fatal(err)
	}
	out, prices := t.TempDir(), samplePrices(t)
	if _, err := parquet.Export(t.Context(), store, slices.Values(samplelog.Logs()), parquet.Options{Out: out, Rows: tables.Options{Prices: prices}}); err != nil {
		t.Fatal(err)
	}
	sum := func(to *int64, n *int64) {
		if n != nil {
			*to += *n
		}
	}

	usage := make(map[string]Usage)
	for _, c := range readTable[tables.ModelCall](t, out, parquet.ModelCalls) {
		day, model := "", ""
		if when := slices.IndexFunc([]*int64{c.Finished, c.Requested}, func(p *int64) bool { return p != nil }); when >= 0 {
			day = time.UnixMicro(*[]*int64{c.Finished, c.Requested}[when]).UTC().Format(time.DateOnly)
		}
		if c.Model != nil {
			model = *c.Model
		} else if c.ModelAsked != nil {
			model = *c.ModelAsked
		}
		u := usage[day+" "+model]
		u.Group = []string{day, model}
		u.Calls++
		if c.Status == "failed" {
			u.Failed++
		}
		sum(&u.Input, c.Input)
		sum(&u.Output, c.Output)
		sum(&u.Reasoning, c.Reasoning)
		sum(&u.CacheRead, c.CacheRead)
		sum(&u.CacheWrite5m, c.CacheWrite5m)
		sum(&u.CacheWrite1h, c.CacheWrite1h)
		sum(&u.CostNUSD, c.CostNUSD)
		if c.CostNUSD != nil {
			u.Priced++
		} else if c.Input != nil && *c.Input+*c.Output > 0 {
			u.Unpriced++
		}
		usage[day+" "+model] = u
	}
	r := collect(t, Query{By: []Dimension{ByDay, ByModel}, Prices: prices})
	got := make(map[string]Usage)
	for _, u := range r.Usage {
		got[u.Group[0]+" "+u.Group[1]] = u
	}
	if diff := cmp.Diff(usage, got); diff != "" {
		t.Errorf("usage by day and model (-files +stats):\n%s", diff)
	}

	calls := make(map[string]int64)
	for _, c := range readTable[tables.ToolCall](t, out, parquet.ToolCalls) {
		if !c.Inherited {
			calls[*c.SourceVendor+" "+*c.Tool+" "+c.Status]++
		}
	}
	counted := make(map[string]int64)
	for _, tool := range r.Tools {
		key := tool.Vendor + " " + tool.Tool + " "
		for status, n := range map[string]int64{"ok": tool.OK, "error": tool.Error, "denied": tool.Denied, "cancelled": tool.Cancelled, "timeout": tool.Timeout} {
			if n > 0 {
				counted[key+status] = n
			}
		}
		for _, status := range []string{"unknown", "orphaned", "waiting", "not_started"} {
			if n := calls[key+status]; n > 0 {
				tool.Unknown -= n
				counted[key+status] = n
			}
		}
		if tool.Unknown != 0 {
			t.Errorf("%s: %d calls of unknown end are not in the files", key, tool.Unknown)
		}
	}
	if diff := cmp.Diff(calls, counted); diff != "" {
		t.Errorf("tool calls (-files +stats):\n%s", diff)
	}
	if files := readTable[tables.Compaction](t, out, parquet.Compactions); int64(len(files)) != r.Compactions[0].Count+r.Compactions[1].Count {
		t.Errorf("%d compactions in the files, stats %+v", len(files), r.Compactions)
	}
}
