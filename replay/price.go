package replay

import "github.com/ownlog/ownlog/schema"

// Pricer says what a response costs, in 10^-9 USD; ok is false if it does not
// know.
type Pricer func(provider, model string, u *schema.Usage) (nanoUSD int64, ok bool)

// PriceBy prices by a table.
func PriceBy(table *schema.PriceTable) Pricer {
	return func(provider, model string, u *schema.Usage) (int64, bool) {
		p, ok := table.Lookup(provider, model)
		if !ok {
			return 0, false
		}
		return p.Cost(u), true
	}
}

// cost is what the provider says a response costs, else what the table says, else
// nothing.
func (price Pricer) cost(provider, model string, u *schema.Usage, stated *int64) int64 {
	if stated != nil {
		return *stated
	}
	if price != nil && u != nil {
		if n, ok := price(provider, model, u); ok {
			return n
		}
	}
	return 0
}
