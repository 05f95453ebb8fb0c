package schema

import (
	"bytes"
	_ "embed"
	"errors"
	"fmt"
	"io"
	"math"
	"math/bits"
	"slices"
	"strings"

	"github.com/go-json-experiment/json"
)

// PriceTable says what models cost per token, at list price, on a date. It is
// not changed after it is made, and then safe for concurrent use.
type PriceTable struct {
	// Version is the day the prices were looked up, YYYY-MM-DD.
	Version string `json:"version"`
	// Unit is [PriceUnit].
	Unit   string  `json:"unit"`
	Source string  `json:"source,omitzero"`
	Prices []Price `json:"prices"`

	index map[priceKey]int
}

// PriceUnit is the unit of all prices.
const PriceUnit = "10^-9 USD per token"

// Price is what one model costs.
type Price struct {
	Provider string `json:"provider"`
	// Model is the model's name without a date; names that end in a date are for
	// snapshots that cost something else.
	Model string `json:"model"`
	Rates
	// Tiers are the rates of long requests, shortest first.
	Tiers []PriceTier `json:"tiers,omitzero"`
}

// Rates are prices in 10^-9 USD per token. A rate that is nil is that of input.
type Rates struct {
	Input        int64  `json:"input"`
	Output       int64  `json:"output"`
	CacheRead    *int64 `json:"cache_read,omitzero"`
	CacheWrite   *int64 `json:"cache_write,omitzero"`    // kept for five minutes
	CacheWrite1h *int64 `json:"cache_write_1h,omitzero"` // kept for an hour
}

// PriceTier are the rates of all tokens of a request whose input, cache
// included, is above a number of tokens.
type PriceTier struct {
	Above int64 `json:"above"`
	Rates
}

type priceKey struct{ provider, model string }

//go:embed prices.json
var defaultPrices []byte

// maxPriceTable bounds what is read as a price table.
const maxPriceTable = 16 << 20

// DefaultPrices returns the table that ownlog was built with.
func DefaultPrices() (*PriceTable, error) { return ReadPrices(bytes.NewReader(defaultPrices)) }

// ReadPrices reads a table in the form of the built-in one, prices.json.
func ReadPrices(r io.Reader) (*PriceTable, error) {
	b, err := io.ReadAll(io.LimitReader(r, maxPriceTable+1))
	if err != nil {
		return nil, fmt.Errorf("price table: %w", err)
	}
	if len(b) > maxPriceTable {
		return nil, fmt.Errorf("price table: longer than %d bytes", maxPriceTable)
	}
	t := new(PriceTable)
	if err := json.Unmarshal(b, t, json.RejectUnknownMembers(true)); err != nil {
		return nil, fmt.Errorf("price table: %w", err)
	}
	if err := t.check(); err != nil {
		return nil, fmt.Errorf("price table: %w", err)
	}
	return t, nil
}

func (t *PriceTable) check() error {
	if t.Version == "" {
		return errors.New("no version: want the day of the prices, YYYY-MM-DD")
	}
	if t.Unit != PriceUnit {
		return fmt.Errorf("unit %q, want %q", t.Unit, PriceUnit)
	}
	t.index = make(map[priceKey]int)
	for i := range t.Prices {
		p := &t.Prices[i]
		key := priceKey{p.Provider, p.Model}
		if p.Provider == "" || p.Model == "" || p.Model != strings.ToLower(p.Model) {
			return fmt.Errorf("price %d: want provider and model in lower case, have %q and %q", i, p.Provider, p.Model)
		}
		if _, twice := t.index[key]; twice {
			return fmt.Errorf("price %d: %s of %s is there twice", i, p.Model, p.Provider)
		}
		t.index[key] = i
		rates := []Rates{p.Rates}
		for n, tier := range p.Tiers {
			if n > 0 && tier.Above <= p.Tiers[n-1].Above || tier.Above <= 0 {
				return fmt.Errorf("%s of %s: tiers are not in order", p.Model, p.Provider)
			}
			rates = append(rates, tier.Rates)
		}
		for _, r := range rates {
			if r.Input < 0 || r.Output < 0 || deref(r.CacheRead) < 0 || deref(r.CacheWrite) < 0 || deref(r.CacheWrite1h) < 0 {
				return fmt.Errorf("%s of %s: a price is below 0", p.Model, p.Provider)
			}
		}
	}
	return nil
}

// With returns a table in which the prices of over go before those of t. Its
// version names both.
func (t *PriceTable) With(over *PriceTable) *PriceTable {
	merged := &PriceTable{Version: t.Version + "+" + over.Version, Unit: PriceUnit, Source: over.Source, index: make(map[priceKey]int)}
	for _, p := range slices.Concat(over.Prices, t.Prices) {
		key := priceKey{p.Provider, p.Model}
		if _, have := merged.index[key]; !have {
			merged.index[key] = len(merged.Prices)
			merged.Prices = append(merged.Prices, p)
		}
	}
	return merged
}

// Lookup finds the price of a model, ok is false if the table does not know it:
// its cost is then unknown, not 0. The name may carry what hosts and tools add:
// a provider in front (`anthropic/`, `us.anthropic.`), a date or `-latest`
// behind, a version of the host (`-v1:0`, `@20250929`), a context size (`[1m]`).
// provider is who answered; empty: the model's own provider. Other providers set
// their own prices, so theirs are known only if the table lists them.
func (t *PriceTable) Lookup(provider, model string) (p Price, ok bool) {
	provider = strings.ToLower(provider)
	for _, name := range modelNames(model) {
		if provider != "" {
			if i, ok := t.index[priceKey{provider, name}]; ok {
				return t.Prices[i], true
			}
			continue
		}
		for i := range t.Prices {
			if t.Prices[i].Model == name {
				return t.Prices[i], true
			}
		}
	}
	return Price{}, false
}

// modelNames returns the names to look for, the most exact first.
func modelNames(model string) []string {
	name := strings.ToLower(strings.TrimSpace(model))
	if i := strings.IndexByte(name, '['); i > 0 {
		name = name[:i]
	}
	if i := strings.LastIndexByte(name, '/'); i >= 0 {
		name = name[i+1:]
	}
	if i := strings.Index(name, "anthropic."); i >= 0 {
		name = name[i+len("anthropic."):]
	}
	if i := strings.LastIndex(name, "-v"); i > 0 && strings.ContainsRune(name[i:], ':') {
		name = name[:i]
	}
	name = strings.Replace(name, "@", "-", 1)
	names := []string{name}
	if short := withoutDate(name); short != name {
		names = append(names, short)
	}
	return names
}

// withoutDate takes a date (20250929 or 2025-09-29) or `-latest` off a name.
func withoutDate(name string) string {
	if short, ok := strings.CutSuffix(name, "-latest"); ok {
		return short
	}
	for _, form := range []string{"-00000000", "-0000-00-00"} {
		at := len(name) - len(form)
		if at <= 0 {
			continue
		}
		matches := true
		for i := range len(form) {
			if c := name[at+i]; form[i] == '0' && !isDigit(c) || form[i] == '-' && c != '-' {
				matches = false
			}
		}
		if matches {
			return name[:at]
		}
	}
	return name
}

// Cost returns what a response costs, in 10^-9 USD.
func (p *Price) Cost(u *Usage) int64 {
	cached := addCount(deref(u.CacheRead), deref(u.CacheWrite))
	long := addCount(deref(u.Input), cached)
	rates := p.Rates
	for _, tier := range p.Tiers {
		if long > tier.Above {
			rates = tier.Rates
		}
	}
	hour := min(max(u.CacheWrite1h, 0), max(deref(u.CacheWrite), 0))
	cost := times(deref(u.Input), rates.Input)
	cost = addCount(cost, times(deref(u.CacheRead), rates.of(rates.CacheRead)))
	cost = addCount(cost, times(deref(u.CacheWrite)-hour, rates.of(rates.CacheWrite)))
	cost = addCount(cost, times(hour, rates.of(rates.CacheWrite1h)))
	return addCount(cost, times(deref(u.Output), rates.Output))
}

// of returns a rate, that of input if it is not said.
func (r *Rates) of(rate *int64) int64 {
	if rate == nil {
		return r.Input
	}
	return *rate
}

// times multiplies without running over.
func times(tokens, rate int64) int64 {
	hi, lo := bits.Mul64(uint64(max(tokens, 0)), uint64(max(rate, 0)))
	if hi > 0 || lo > math.MaxInt64 {
		return math.MaxInt64
	}
	return int64(lo)
}

// CostTotal is what a session cost.
type CostTotal struct {
	NUSD      int64 // sum of what is known, in 10^-9 USD
	Stated    int64 // responses whose cost the source states
	Estimated int64 // responses whose cost follows from usage and list price
	// Unknown are responses with usage but without a price; their cost is not in
	// the sum. Models names them, in order.
	Unknown int64
	Models  []string
}

// Cost sums what the responses of all branches cost: as the source states it,
// else by the table. Responses that no model made, and such without usage, cost
// nothing.
func (s *State) Cost(t *PriceTable) CostTotal {
	var total CostTotal
	d := s.settle()
	for i := range d.responses {
		r := &d.responses[i]
		if r.cost != nil {
			total.Stated++
			total.NUSD = addCount(total.NUSD, *r.cost)
			continue
		}
		if r.usage == nil {
			continue
		}
		p, ok := t.Lookup(r.provider, r.model)
		if !ok {
			total.Unknown++
			total.Models = append(total.Models, r.model)
			continue
		}
		total.Estimated++
		total.NUSD = addCount(total.NUSD, p.Cost(r.usage))
	}
	slices.Sort(total.Models)
	total.Models = slices.Compact(total.Models)
	return total
}
