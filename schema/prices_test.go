package schema

import (
	"math"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestDefaultPrices(t *testing.T) {
	table, err := DefaultPrices()
	if err != nil {
		t.Fatal(err)
	}
	for i := range table.Prices {
		p := &table.Prices[i]
		if p.Input == 0 || p.Output <= p.Input {
			t.Errorf("%s: input %d, output %d: a slip?", p.Model, p.Input, p.Output)
		}
		if p.CacheRead != nil && *p.CacheRead >= p.Input {
			t.Errorf("%s: reading the cache costs %d, input %d: a slip?", p.Model, *p.CacheRead, p.Input)
		}
	}
}

func TestPriceLookup(t *testing.T) {
	table, err := DefaultPrices()
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct{ provider, model, want string }{
		{"anthropic", "claude-sonnet-4-5", "claude-sonnet-4-5"},
		{"", "claude-sonnet-4-5-20250929", "claude-sonnet-4-5"},
		{"", "Claude-Sonnet-4-5-20250929[1m]", "claude-sonnet-4-5"},
		{"", "us.anthropic.claude-sonnet-4-5-20250929-v1:0", "claude-sonnet-4-5"},
		{"", "claude-sonnet-4-5@20250929", "claude-sonnet-4-5"},
		{"", "claude-3-5-haiku-latest", "claude-3-5-haiku"},
		{"openai", "gpt-5-2025-08-07", "gpt-5"},
		{"openai", "openai/gpt-5", "gpt-5"},
		{"openai", "gpt-4o-2024-05-13", "gpt-4o-2024-05-13"},
		{"openai", "gpt-4o-2024-08-06", "gpt-4o"},
		{"OpenAI", "gpt-5", "gpt-5"},
		{"somebody", "gpt-5", ""},
		{"", "gpt-5-turbo", ""},
		{"", "claude-sonnet-4-5-2025", ""},
		{"", "<synthetic>", ""},
		{"", "", ""},
	} {
		p, ok := table.Lookup(test.provider, test.model)
		if ok != (test.want != "") || p.Model != test.want {
			t.Errorf("%s of %q: %q, %t; want %q", test.model, test.provider, p.Model, ok, test.want)
		}
	}
}

func TestPriceCost(t *testing.T) {
	full := Price{Rates: Rates{Input: 3000, Output: 15000, CacheRead: Int(300), CacheWrite: Int(3750), CacheWrite1h: Int(6000)},
		Tiers: []PriceTier{{Above: 1000, Rates: Rates{Input: 6000, Output: 22500}}}}
	for _, test := range []struct {
		name  string
		usage Usage
		want  int64
	}{
		{"nothing", Usage{}, 0},
		{"each", Usage{Input: Int(1), Output: Int(1), CacheRead: Int(1), CacheWrite: Int(3), CacheWrite1h: 1}, 3000 + 15000 + 300 + 2*3750 + 6000},
		{"as long as the short ones get", Usage{Input: Int(600), CacheRead: Int(400)}, 600*3000 + 400*300},
		{"long, with rates not said", Usage{Input: Int(601), CacheRead: Int(400), Output: Int(1)}, 601*6000 + 400*6000 + 22500},
		{"hostile", Usage{Input: Int(-5), Output: Int(math.MaxInt64)}, math.MaxInt64},
	} {
		if got := full.Cost(&test.usage); got != test.want {
			t.Errorf("%s: %d, want %d", test.name, got, test.want)
		}
	}
}

func TestReadPrices(t *testing.T) {
	const head = `{"version":"2026-01-01","unit":"10^-9 USD per token","prices":[`
	for _, test := range []struct{ name, table, err string }{
		{"good", head + `{"provider":"p","model":"m","input":1,"output":2}]}`, ""},
		{"twice", head + `{"provider":"p","model":"m","input":1,"output":2},{"provider":"p","model":"m","input":1,"output":2}]}`, "twice"},
		{"below 0", head + `{"provider":"p","model":"m","input":-1,"output":2}]}`, "below 0"},
		{"a slip in a name", head + `{"provider":"p","model":"m","inputs":1,"output":2}]}`, "inputs"},
		{"a fraction", head + `{"provider":"p","model":"m","input":1.5,"output":2}]}`, "input"},
		{"another unit", `{"version":"x","unit":"USD","prices":[]}`, "unit"},
		{"no version", `{"unit":"10^-9 USD per token","prices":[]}`, "version"},
		{"tiers in disorder", head + `{"provider":"p","model":"m","input":1,"output":2,"tiers":[{"above":5,"input":1,"output":1},{"above":5,"input":1,"output":1}]}]}`, "order"},
	} {
		_, err := ReadPrices(strings.NewReader(test.table))
		if (err == nil) != (test.err == "") || err != nil && !strings.Contains(err.Error(), test.err) {
			t.Errorf("%s: error %v, want %q", test.name, err, test.err)
		}
	}
}

func TestPricesWith(t *testing.T) {
	table, err := DefaultPrices()
	if err != nil {
		t.Fatal(err)
	}
	mine, err := ReadPrices(strings.NewReader(`{"version":"mine","unit":"10^-9 USD per token","prices":[{"provider":"openai","model":"gpt-5","input":7,"output":9},{"provider":"local","model":"tiny","input":0,"output":0}]}`))
	if err != nil {
		t.Fatal(err)
	}
	both := table.With(mine)
	if p, ok := both.Lookup("openai", "gpt-5"); !ok || p.Input != 7 {
		t.Errorf("gpt-5 costs %d, want the override's 7", p.Input)
	}
	if _, ok := both.Lookup("local", "tiny"); !ok {
		t.Error("the override's own model is not found")
	}
	if _, ok := both.Lookup("anthropic", "claude-haiku-4-5"); !ok {
		t.Error("a built-in model is not found")
	}
	if both.Version != table.Version+"+mine" {
		t.Errorf("version %s", both.Version)
	}
}

func TestStateCost(t *testing.T) {
	table, err := ReadPrices(strings.NewReader(`{"version":"v","unit":"10^-9 USD per token","prices":[{"provider":"p","model":"m","input":10,"output":20}]}`))
	if err != nil {
		t.Fatal(err)
	}
	response := func(step int64, model string, cost *int64) *Event {
		ev := modelSays(1, step)
		d := ev.Data.(*ModelOutput)
		d.Model, d.Usage, d.CostNUSD = model, &Usage{Input: Int(2), Output: Int(1)}, cost
		return ev
	}
	s := new(script).lines(response(1, "m", nil), response(1, "m", nil), response(2, "m", Int(5)), response(3, "other", nil), modelSays(1, 4)).state()
	want := CostTotal{NUSD: 40 + 5, Stated: 1, Estimated: 1, Unknown: 1, Models: []string{"other"}}
	if d := cmp.Diff(want, s.Cost(table)); d != "" {
		t.Errorf("cost (-want +got):\n%s", d)
	}
}
