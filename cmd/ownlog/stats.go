package main

import (
	"errors"
	"fmt"
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

// statsVerb adds up what logs say.
func (s *session) statsVerb() *cli.Command {
	return &cli.Command{
		Name:      "stats",
		Usage:     "add up tokens, cost, tools, permissions and compactions",
		ArgsUsage: "[LOG...]",
		Description: "Costs are those that the source states, else tokens times list price; a model without a price is\n" +
			"counted as unpriced, not as free. The tables of export --to parquet hold the same figures.",
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "by", Usage: "group usage by these, separated by commas: day, project, model, vendor, session, subagent", Value: "model"},
			&cli.StringFlag{Name: "table", Usage: "only this one: usage, tools, permissions or compactions"},
			&cli.StringFlag{Name: "since", Usage: "only what happened then or later: a date, a time or an age"},
			&cli.StringFlag{Name: "until", Usage: "only what happened before then"},
			pricesFlag(),
			&cli.BoolFlag{Name: "csv", Usage: "print CSV; takes --table (default: usage)"},
		},
		Action: s.runStats,
	}
}

func pricesFlag() cli.Flag {
	return &cli.StringFlag{Name: "prices", Usage: "file of prices that go before the built-in ones"}
}

// readPrices returns the built-in prices, behind those of a file if one is named.
func readPrices(file string) (*schema.PriceTable, error) {
	prices, err := schema.DefaultPrices()
	if err != nil || file == "" {
		return prices, err
	}
	f, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	over, err := schema.ReadPrices(f)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	return prices.With(over), nil
}

func (s *session) runStats(c *cli.Context) (err error) {
	var q stats.Query
	for name := range strings.SplitSeq(c.String("by"), ",") {
		if name = strings.TrimSpace(name); name == "" {
			continue
		}
		if !slices.Contains(stats.Dimensions(), stats.Dimension(name)) {
			return usageError(fmt.Errorf("--by %s: want %v", name, stats.Dimensions()))
		}
		q.By = append(q.By, stats.Dimension(name))
	}
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
	store, refs, err := s.manyLogs(c)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, store.Close()) }()
	logs := make([]format.LogID, len(refs))
	for i, ref := range refs {
		if ref.Size >= 0 {
			return usageError(fmt.Errorf("%s@%d: figures are of whole logs", ref.Log, ref.Size))
		}
		logs[i] = ref.Log
	}
	report, err := stats.Collect(c.Context, store, slices.Values(logs), q)
	if err != nil {
		return err
	}
	return s.showStats(c, &report, q)
}

func (s *session) showStats(c *cli.Context, report *stats.Report, q stats.Query) error {
	tables := report.Tables(q.By)
	only := c.String("table")
	if c.Bool("csv") && only == "" {
		only = "usage"
	}
	if only != "" {
		tables = slices.DeleteFunc(tables, func(t stats.Table) bool { return t.Name != only })
		if len(tables) == 0 {
			return usageError(fmt.Errorf("--table %s: want usage, tools, permissions or compactions", only))
		}
	}
	var err error
	switch {
	case c.Bool("json"):
		err = s.statsJSON(report, tables, q)
	case c.Bool("csv"):
		err = tables[0].WriteCSV(s.Out)
	default:
		err = s.statsText(tables)
	}
	if err != nil {
		return err
	}
	for _, model := range slices.Sorted(maps.Keys(report.Unpriced)) {
		fmt.Fprintf(s.Err, "ownlog: no price for model %q: %d calls are not in the cost\n", model, report.Unpriced[model])
	}
	if len(report.Failed) > 0 {
		return checkFailed(fmt.Errorf("%d logs could not be read and are not counted, the first: %w", len(report.Failed), report.Failed[0]))
	}
	return nil
}

func (s *session) statsJSON(report *stats.Report, tables []stats.Table, q stats.Query) error {
	doc := map[string]any{"schema": "ownlog.stats/1", "prices": q.Prices.Version, "logs": report.Logs, "unpriced": report.Unpriced}
	for i := range tables {
		doc[tables[i].Name] = &tables[i]
	}
	return printJSON(s.Out, doc)
}

func (s *session) statsText(tables []stats.Table) error {
	for i, t := range tables {
		if len(t.Rows) == 0 {
			continue
		}
		if i > 0 {
			fmt.Fprintln(s.Out)
		}
		w := tabwriter.NewWriter(s.Out, 0, 0, 2, ' ', 0)
		names := make([]string, len(t.Header))
		for i, h := range t.Header {
			names[i] = shownColumn(h)
		}
		fmt.Fprintln(w, strings.Join(names, "\t"))
		for _, row := range t.Rows {
			cells := make([]string, len(row))
			for i, v := range row {
				cells[i] = shownCell(t.Header[i], v)
			}
			fmt.Fprintln(w, strings.Join(cells, "\t"))
		}
		if err := w.Flush(); err != nil {
			return err
		}
	}
	return nil
}

// shownColumn is a column's name for people; units are shown in the cells.
func shownColumn(name string) string {
	for _, unit := range []string{"_nusd", "_us", "_tokens"} {
		name = strings.TrimSuffix(name, unit)
	}
	return strings.ToUpper(strings.ReplaceAll(name, "_", " "))
}

// shownCell is a value for people.
func shownCell(column string, v any) string {
	switch v := v.(type) {
	case nil:
		return "-"
	case string:
		return oneLine(v, 60)
	case float64:
		return fmt.Sprintf("%.1f%%", 100*v)
	case int64:
		switch {
		case strings.HasSuffix(column, "_nusd"):
			return fmt.Sprintf("$%d.%04d", v/1e9, v%1e9/1e5)
		case strings.HasSuffix(column, "_us"):
			return (time.Duration(v) * time.Microsecond).Round(time.Millisecond).String()
		}
	}
	return fmt.Sprint(v)
}
