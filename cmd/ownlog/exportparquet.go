package main

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/urfave/cli/v2"

	"github.com/ownlog/ownlog/convert"
	"github.com/ownlog/ownlog/convert/parquet"
	"github.com/ownlog/ownlog/convert/tables"
	"github.com/ownlog/ownlog/format"
)

// parquetFlags are the flags of export --to parquet.
func parquetFlags() []cli.Flag {
	return []cli.Flag{
		&cli.StringFlag{Name: "tables", Usage: "parquet: only these tables, separated by commas"},
		&cli.StringFlag{Name: "since", Usage: "parquet: only sessions that started then or later"},
		&cli.StringFlag{Name: "until", Usage: "parquet: only sessions that started before then"},
		&cli.BoolFlag{Name: "with-payload", Usage: "parquet: the entries themselves in table events"},
		&cli.BoolFlag{Name: "no-text", Usage: "parquet: leave out what was said"},
		&cli.StringFlag{Name: "prices", Usage: "parquet: file of prices instead of the built-in list"},
		&cli.BoolFlag{Name: "compact", Usage: "parquet: one file for each table and date"},
	}
}

// exportParquet writes tables of the logs, or of all logs if none is named.
func (s *session) exportParquet(c *cli.Context, store *format.DirStore, refs []logRef) error {
	if c.String("out") == "" {
		return usageError(errors.New("--to parquet needs --out DIR"))
	}
	opts := parquet.Options{
		Out: c.String("out"), Compact: c.Bool("compact"),
		Prune: c.NArg() == 0, // the folder mirrors the store
		Rows:  tables.Options{Payload: c.Bool("with-payload"), NoText: c.Bool("no-text")},
	}
	var err error
	if opts.Rows.Prices, err = readPrices(c.String("prices")); err != nil {
		return err
	}
	now := time.Now()
	if opts.Since, err = parseSince(c.String("since"), now); err != nil {
		return usageError(err)
	}
	if opts.Until, err = parseSince(c.String("until"), now); err != nil {
		return usageError(err)
	}
	for name := range strings.SplitSeq(c.String("tables"), ",") {
		if name == "" {
			continue
		}
		t, err := parquet.ParseTable(strings.TrimSpace(name))
		if err != nil {
			return usageError(err)
		}
		opts.Tables = append(opts.Tables, t)
	}
	ids := make([]format.LogID, len(refs))
	for i, ref := range refs {
		if ref.Size >= 0 {
			return usageError(fmt.Errorf("%s@%d: tables are of whole logs", ref.Log, ref.Size))
		}
		ids[i] = ref.Log
	}
	opts.Rows.Fidelity = importReports(convert.OpenImports(filepath.Join(store.Dir(), "imports")))
	res, err := parquet.Export(c.Context, store, slices.Values(ids), opts)
	if err != nil {
		return err
	}
	return s.showParquet(c, res)
}

// importReports returns the report of a log's newest import as JSON. One that
// cannot be read is as good as none: it is beside the log, not in it.
func importReports(imports *convert.Imports) func(format.LogID) *string {
	return func(id format.LogID) *string {
		report, ok, err := imports.Report(id)
		if !ok || err != nil {
			return nil
		}
		b, err := json.Marshal(report, json.Deterministic(true))
		if err != nil {
			return nil
		}
		text := string(b)
		return &text
	}
}

func (s *session) showParquet(c *cli.Context, res parquet.Result) error {
	if c.Bool("json") {
		doc := parquetJSON{Schema: "ownlog.export.parquet/1", Logs: res.Logs, Exported: res.Exported, Unchanged: res.Unchanged, Outside: res.Outside, Removed: res.Removed, Rows: res.Rows}
		for _, f := range res.Failed {
			doc.Failed = append(doc.Failed, f.Error())
		}
		if err := printJSON(s.Out, doc); err != nil {
			return err
		}
	} else {
		fmt.Fprintf(s.Out, "%d logs: %d exported, %d unchanged, %d outside the dates; %d removed\n", res.Logs, res.Exported, res.Unchanged, res.Outside, res.Removed)
		for _, t := range parquet.Tables() {
			fmt.Fprintf(s.Out, "  %-13s %d rows\n", t, res.Rows[t])
		}
	}
	if len(res.Failed) > 0 {
		return checkFailed(fmt.Errorf("%d logs could not be exported, the first: %w", len(res.Failed), res.Failed[0]))
	}
	return nil
}

type parquetJSON struct {
	Schema    string                  `json:"schema"`
	Logs      int64                   `json:"logs"`
	Exported  int64                   `json:"exported"`
	Unchanged int64                   `json:"unchanged"`
	Outside   int64                   `json:"outside"`
	Removed   int64                   `json:"removed"` // logs that the store has no more
	Rows      map[parquet.Table]int64 `json:"rows"`    // written by this run
	Failed    []string                `json:"failed,omitzero"`
}
