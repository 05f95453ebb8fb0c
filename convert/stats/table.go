package stats

import (
	"encoding/csv"
	"fmt"
	"io"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// Table is figures to be shown: in columns on a terminal, as CSV, or, marshalled,
// as a JSON array of objects.
type Table struct {
	Name   string
	Header []string
	// Rows hold string, int64 and float64 values, nil for what is absent. Names
	// of columns say the unit: _us microseconds, _nusd 10^-9 USD, _rate a share
	// from 0 to 1; others are counts.
	Rows [][]any
}

// Tables returns the report as tables; by are the dimensions of its query. There
// are always four: usage, tools, permissions and compactions.
func (r *Report) Tables(by []Dimension) []Table {
	return []Table{r.usageTable(by), r.toolsTable(), r.permissionsTable(), r.compactionsTable()}
}

func (r *Report) usageTable(by []Dimension) Table {
	t := Table{Name: "usage"}
	for _, d := range by {
		t.Header = append(t.Header, string(d))
	}
	t.Header = append(t.Header, "calls", "failed", "input_tokens", "output_tokens", "reasoning_tokens", "cache_read_tokens",
		"cache_write_5m_tokens", "cache_write_1h_tokens", "cost_nusd", "unpriced_calls")
	for i := range r.Usage {
		u := &r.Usage[i]
		var row []any
		for _, value := range u.Group {
			row = append(row, named(value))
		}
		var cost any
		if u.Priced > 0 {
			cost = u.CostNUSD
		}
		t.Rows = append(t.Rows, append(row, u.Calls, u.Failed, u.Input, u.Output, u.Reasoning, u.CacheRead, u.CacheWrite5m,
			u.CacheWrite1h, cost, u.Unpriced))
	}
	return t
}

func (r *Report) toolsTable() Table {
	t := Table{Name: "tools", Header: []string{"vendor", "tool", "calls", "ok", "error", "denied", "cancelled", "timeout", "unknown",
		"failure_rate", "mean_duration_us", "output_bytes"}}
	for i := range r.Tools {
		c := &r.Tools[i]
		var rate any
		if c.Calls > c.Unknown {
			rate = c.FailureRate()
		}
		t.Rows = append(t.Rows, []any{named(c.Vendor), named(c.Tool), c.Calls, c.OK, c.Error, c.Denied, c.Cancelled, c.Timeout, c.Unknown,
			rate, mean(c.DurationUS, c.Timed), c.OutputBytes})
	}
	return t
}

func (r *Report) permissionsTable() Table {
	t := Table{Name: "permissions", Header: []string{"vendor", "tool", "asked", "allowed", "denied", "modified", "open",
		"mean_wait_us", "longest_wait_us"}}
	for i := range r.Permissions {
		p := &r.Permissions[i]
		var longest any
		if p.Waited > 0 {
			longest = p.LongestUS
		}
		t.Rows = append(t.Rows, []any{named(p.Vendor), named(p.Tool), p.Asked, p.Allowed, p.Denied, p.Modified, p.Open,
			mean(p.WaitUS, p.Waited), longest})
	}
	return t
}

func (r *Report) compactionsTable() Table {
	t := Table{Name: "compactions", Header: []string{"trigger", "compactions", "logs", "mean_tokens_before"}}
	for i := range r.Compactions {
		c := &r.Compactions[i]
		t.Rows = append(t.Rows, []any{named(c.Trigger), c.Count, c.Sessions, mean(c.TokensBefore, c.Measured)})
	}
	return t
}

func named(s string) any {
	if s == "" {
		return nil
	}
	return s
}

func mean(sum, n int64) any {
	if n == 0 {
		return nil
	}
	return sum / n
}

// MarshalJSONTo writes an array of objects, members in the order of the columns.
func (t *Table) MarshalJSONTo(enc *jsontext.Encoder) error {
	if err := enc.WriteToken(jsontext.BeginArray); err != nil {
		return err
	}
	for _, row := range t.Rows {
		if err := enc.WriteToken(jsontext.BeginObject); err != nil {
			return err
		}
		for i, v := range row {
			if err := enc.WriteToken(jsontext.String(t.Header[i])); err != nil {
				return err
			}
			if err := json.MarshalEncode(enc, v); err != nil {
				return err
			}
		}
		if err := enc.WriteToken(jsontext.EndObject); err != nil {
			return err
		}
	}
	return enc.WriteToken(jsontext.EndArray)
}

// WriteCSV writes the table with a header line; what is absent is empty.
func (t *Table) WriteCSV(w io.Writer) error {
	c := csv.NewWriter(w)
	if err := c.Write(t.Header); err != nil {
		return err
	}
	line := make([]string, len(t.Header))
	for _, row := range t.Rows {
		for i, v := range row {
			line[i] = ""
			if v != nil {
				line[i] = fmt.Sprint(v)
			}
		}
		if err := c.Write(line); err != nil {
			return err
		}
	}
	c.Flush()
	return c.Error()
}
