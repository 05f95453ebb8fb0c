package tables

import "github.com/ownlog/ownlog/schema"

// ListPrices returns the prices of a table. They hold for any time: the table has
// one day's.
func ListPrices(table *schema.PriceTable) Prices { return listPrices{table} }

type listPrices struct{ table *schema.PriceTable }

func (l listPrices) Cost(provider, model, _ string, u *schema.Usage) (nusd int64, ok bool) {
	price, ok := l.table.Lookup(provider, model)
	if !ok {
		return 0, false
	}
	return price.Cost(u), true
}

func (l listPrices) Version() string { return l.table.Version }
