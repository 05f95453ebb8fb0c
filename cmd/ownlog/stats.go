package main

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/ownlog/ownlog/convert/stats"
	"github.com/ownlog/ownlog/format"
	"github.com/ownlog/ownlog/schema"
)

// statsVerb adds up usage, tools, permissions and compactions.
func (s *session) statsVerb() *cli.Command {
	var names []string
	for _, d := range stats.Dimensions() {
		names = append(names, string(d))
	}
	return &cli.Command{
		Name:        "stats",
		Usage:       "tokens, cost, tool failures, waits for permission",
		ArgsUsage:   "[LOG...]",
		Description: "Figures are those of the Parquet tables. A cost that nobody knows is left empty, never 0.",
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "by", Usage: "group usage by these, separated by commas: " + strings.Join(names, ", "), Value: "model"},
			&cli.StringFlag{Name: "since", Usage: "only what happened then or later"},
			&cli.StringFlag{Name: "until", Usage: "only what happened before then"},
			&cli.StringFlag{Name: "prices", Usage: "file of prices instead of the built-in list"},
			&cli.BoolFlag{Name: "csv", Usage: "print CSV"},
			&cli.StringFlag{Name: "table", Usage: "only this table: usage, tools, permissions or compactions"},
		},
		Action: s.runStats,
	}
}

func (s *session) runStats(c *cli.Context) (err error) {
	q := stats.Query{}
	now := time.Now()
	if q.Since, err = parseSince(c.String("since"), now); err != nil {
		return usageError(err)
	}
	if q.Until, err = parseSince(c.String("until"), now); err != nil {
		return usageError(err)
	}
	if q.Prices, err = readPrices(c.String("prices")); err != nil {
		return err
	}
	for name := range strings.SplitSeq(c.String("by"), ",") {
		if name = strings.TrimSpace(name); name == "" {
			continue
		}
		if !slices.Contains(stats.Dimensions(), stats.Dimension(name)) {
			return usageError(fmt.Errorf("--by %s: not among %v", name, stats.Dimensions()))
		}
		q.By = append(q.By, stats.Dimension(name))
	}
	store, refs, err := s.manyLogs(c)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, store.Close()) }()
	ids := make([]format.LogID, len(refs))
	for i, ref := range refs {
		ids[i] = ref.Log
	}
	report, err := stats.Collect(c.Context, store, slices.Values(ids), q)
	if err != nil {
		return err
	}
	list := report.Tables(q.By)
	if only := c.String("table"); only != "" {
		list = slices.DeleteFunc(list, func(t stats.Table) bool { return t.Name != only })
		if len(list) == 0 {
			return usageError(fmt.Errorf("--table %s: want usage, tools, permissions or compactions", only))
		}
	}
	if err := s.showStats(c, list); err != nil {
		return err
	}
	for _, model := range slices.Sorted(maps.Keys(report.Unpriced)) {
		fmt.Fprintf(s.Err, "ownlog: no price is known for model %q (%d calls); --prices FILE names one\n", model, report.Unpriced[model])
	}
	if len(report.Failed) > 0 {
		return checkFailed(fmt.Errorf("%d logs could not be read, the first: %w", len(report.Failed), report.Failed[0]))
	}
	return nil
}

// readPrices reads a price list, or takes the built-in one.
func readPrices(name string) (*schema.PriceTable, error) {
	if name == "" {
		return schema.DefaultPrices()
	}
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	table, err := schema.ReadPrices(f)
	if err = errors.Join(err, f.Close()); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return table, nil
}

func (s *session) showStats(c *cli.Context, list []stats.Table) error {
	switch {
	case c.Bool("json"):
		doc := statsJSON{Schema: "ownlog.stats/1", Tables: make(map[string]*stats.Table)}
		for i := range list {
			doc.Tables[list[i].Name] = &list[i]
		}
		return printJSON(s.Out, doc)
	case c.Bool("csv"):
		if len(list) != 1 {
			return usageError(errors.New("--csv prints one table; say which with --table"))
		}
		return list[0].WriteCSV(s.Out)
	}
	for _, t := range list {
		if err := showTable(s.Out, t); err != nil {
			return err
		}
	}
	return nil
}

type statsJSON struct {
	Schema string                  `json:"schema"`
	Tables map[string]*stats.Table `json:"tables"`
}

// showTable prints a table in columns.
func showTable(out io.Writer, t stats.Table) error {
	if len(t.Rows) == 0 {
		return nil
	}
	fmt.Fprintf(out, "%s\n", t.Name)
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintf(w, "  %s\n", strings.Join(t.Header, "\t"))
	for _, row := range t.Rows {
		cells := make([]string, len(row))
		for i, v := range row {
			cells[i] = cell(v)
		}
		fmt.Fprintf(w, "  %s\n", strings.Join(cells, "\t"))
	}
	return w.Flush()
}

func cell(v any) string {
	switch v := v.(type) {
	case nil:
		return "-"
	case float64:
		return fmt.Sprintf("%.3f", v)
	}
	return oneLine(fmt.Sprint(v), 40)
}
