package stats

import (
	"bytes"
	"slices"
	"testing"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/google/go-cmp/cmp"

	"github.com/ownlog/ownlog/convert/tables/samplelog"
	"github.com/ownlog/ownlog/format"
	"github.com/ownlog/ownlog/schema"
)

func samplePrices(t *testing.T) *schema.PriceTable {
	t.Helper()
	prices, err := samplelog.Prices("test")
	if err != nil {
		t.Fatal(err)
	}
	return prices
}

func collect(t *testing.T, q Query) Report {
	t.Helper()
	store := new(format.MemStore)
	if err := samplelog.Fill(t.Context(), store); err != nil {
		t.Fatal(err)
	}
	r, err := Collect(t.Context(), store, slices.Values(samplelog.Logs()), q)
	if err != nil {
		t.Fatal(err)
	}
	if len(r.Failed) > 0 {
		t.Fatal(r.Failed)
	}
	return r
}

// csvOf renders one table of a report for comparison.
func csvOf(t *testing.T, r Report, by []Dimension, name string) string {
	t.Helper()
	for _, table := range r.Tables(by) {
		if table.Name == name {
			var b bytes.Buffer
			if err := table.WriteCSV(&b); err != nil {
				t.Fatal(err)
			}
			return b.String()
		}
	}
	t.Fatalf("no table %s", name)
	return ""
}

func TestUsage(t *testing.T) {
	const figures = "calls,failed,input_tokens,output_tokens,reasoning_tokens,cache_read_tokens,cache_write_5m_tokens,cache_write_1h_tokens,cost_nusd,unpriced_calls\n"
	for _, tt := range []struct {
		name string
		q    Query
		want string
	}{
		{"total", Query{}, figures + "8,2,1108,178,0,410,9,4,0,5\n"},
		{"priced", Query{Prices: samplePrices(t)}, figures + "8,2,1108,178,0,410,9,4,181000,2\n"},
		{"by day", Query{By: []Dimension{ByDay}}, "day," + figures +
			",1,0,1,1,0,0,0,0,,1\n" +
			"2026-11-21,4,1,107,74,0,410,9,4,,3\n" +
			"2026-11-22,1,0,0,3,0,0,0,0,0,0\n" +
			"2026-11-23,2,1,1000,100,0,0,0,0,,1\n"},
		{"by vendor and model", Query{By: []Dimension{ByVendor, ByModel}, Prices: samplePrices(t)}, "vendor,model," + figures +
			"claude-code,claude-sonnet-4-5,4,1,107,74,0,410,9,4,181000,0\n" +
			"claude-code,gpt-5,1,1,0,0,0,0,0,0,,0\n" +
			"claude-code,gpt-5-2025-08-07,1,0,1000,100,0,0,0,0,,1\n" +
			"claude-code,unheard-of,1,0,1,1,0,0,0,0,,1\n" +
			"opencode,made-up-1,1,0,0,3,0,0,0,0,0,0\n"},
		{"by project, session, subagent", Query{By: []Dimension{ByProject, BySession, BySubagent}}, "project,session,subagent," + figures +
			",sess-timeless,,1,0,1,1,0,0,0,0,,1\n" +
			"shop,ses_1,helper,1,0,0,3,0,0,0,0,0,0\n" +
			"shop,sess-tree,,6,2,1107,174,0,410,9,4,,4\n"},
		{"of a day", Query{Since: day(22), Until: day(23)}, figures + "1,0,0,3,0,0,0,0,0,0\n"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if diff := cmp.Diff(tt.want, csvOf(t, collect(t, tt.q), tt.q.By, "usage")); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		})
	}
}

func day(d int) time.Time { return time.Date(2026, 11, d, 0, 0, 0, 0, time.UTC) }

func TestUnpricedModelsAreNamed(t *testing.T) {
	r := collect(t, Query{Prices: samplePrices(t)})
	if diff := cmp.Diff(map[string]int64{"gpt-5-2025-08-07": 1, "unheard-of": 1}, r.Unpriced); diff != "" {
		t.Error(diff)
	}
}

func TestTools(t *testing.T) {
	want := "vendor,tool,calls,ok,error,denied,cancelled,timeout,unknown,failure_rate,mean_duration_us,output_bytes\n" +
		"claude-code,Agent,1,0,1,0,0,0,0,1,,16\n" +
		"claude-code,Bash,1,0,0,1,0,0,0,1,,0\n" +
		"claude-code,Read,1,1,0,0,0,0,0,0,,12\n" +
		"claude-code,apply,1,0,0,0,0,0,1,,,0\n" +
		"claude-code,put,1,0,0,0,0,0,1,,,0\n" +
		"claude-code,shell,2,0,0,0,0,0,2,,,0\n" +
		"opencode,bash,1,1,0,0,0,0,0,0,1250000,5\n"
	if diff := cmp.Diff(want, csvOf(t, collect(t, Query{}), nil, "tools")); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

func TestPermissions(t *testing.T) {
	want := "vendor,tool,asked,allowed,denied,modified,open,mean_wait_us,longest_wait_us\n" +
		"claude-code,Bash,1,0,1,0,0,5000000,5000000\n" +
		"claude-code,shell,1,0,0,0,1,,\n"
	if diff := cmp.Diff(want, csvOf(t, collect(t, Query{}), nil, "permissions")); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

func TestCompactions(t *testing.T) {
	want := "trigger,compactions,logs,mean_tokens_before\nauto,1,1,190\nmanual,1,1,\n"
	if diff := cmp.Diff(want, csvOf(t, collect(t, Query{}), nil, "compactions")); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

func TestTableAsJSON(t *testing.T) {
	table := Table{Header: []string{"a", "b", "c"}, Rows: [][]any{{"x", int64(1), nil}, {nil, int64(0), 0.5}}}
	got, err := json.Marshal(&table)
	if err != nil {
		t.Fatal(err)
	}
	if want := `[{"a":"x","b":1,"c":null},{"a":null,"b":0,"c":0.5}]`; string(got) != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestUnknownDimension(t *testing.T) {
	if _, err := Collect(t.Context(), new(format.MemStore), slices.Values([]format.LogID(nil)), Query{By: []Dimension{"colour"}}); err == nil {
		t.Error("no error for a dimension that does not exist")
	}
}

// TestUsageEqualsTheFold checks the sums against the fold's, which counts by its
// own code.
func TestUsageEqualsTheFold(t *testing.T) {
	store := new(format.MemStore)
	if err := samplelog.Fill(t.Context(), store); err != nil {
		t.Fatal(err)
	}
	for _, log := range samplelog.Logs() {
		if log == samplelog.Fork {
			continue // the fold counts its parent's too
		}
		var state schema.State
		for e, err := range store.Read(t.Context(), log, 0) {
			if err != nil {
				t.Fatal(err)
			}
			norm, _, err := format.CutRaw(nil, e.Bytes)
			if err != nil {
				t.Fatal(err)
			}
			ev, err := schema.Decode(norm)
			if err != nil {
				t.Fatal(err)
			}
			state.Apply(e.Seq, ev)
		}
		fold := state.Usage()
		r, err := Collect(t.Context(), store, slices.Values([]format.LogID{log}), Query{})
		if err != nil {
			t.Fatal(err)
		}
		var got Usage
		for i := range r.Usage {
			got.add(&r.Usage[i])
		}
		want := []int64{fold.Responses, fold.Input, fold.Output, fold.Reasoning, fold.CacheRead, fold.CacheWrite, fold.CacheWrite1h, fold.CostNUSD}
		sums := []int64{got.Calls - got.Failed, got.Input, got.Output, got.Reasoning, got.CacheRead, got.CacheWrite5m + got.CacheWrite1h, got.CacheWrite1h, got.CostNUSD}
		if diff := cmp.Diff(want, sums); diff != "" {
			t.Errorf("log %s: responses, input, output, reasoning, cache read, cache write, of it for an hour, cost (-fold +stats)\n%s", log, diff)
		}
	}
}
