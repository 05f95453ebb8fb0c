package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"text/tabwriter"

	"github.com/urfave/cli/v2"

	"github.com/ownlog/ownlog/convert"
	"github.com/ownlog/ownlog/convert/opencode"
	"github.com/ownlog/ownlog/format"
	"github.com/ownlog/ownlog/schema"
)

// exportVerb gives logs back to a vendor, or writes them in another form.
func (s *session) exportVerb() *cli.Command {
	return &cli.Command{
		Name:      "export",
		Usage:     "write logs in a vendor's own form, as JSON Lines or as Parquet",
		ArgsUsage: "LOG...",
		Description: "To the vendor it came from, a session is given back byte for byte. To another, it is written anew, and the\n" +
			"fidelity report on standard error says what was carried, changed and lost.",
		Flags: append([]cli.Flag{
			&cli.StringFlag{Name: "to", Usage: "claude-code, codex, opencode, opencode-db, jsonl or parquet (default: the vendor it came from)"},
			&cli.StringFlag{Name: "out", Aliases: []string{"o"}, Usage: "folder to write to (default: one file to standard output)"},
			&cli.BoolFlag{Name: "install", Usage: "put it where the vendor's tool finds it, never over anything, and print how to go on there"},
			&cli.BoolFlag{Name: "force", Usage: "write over files that are there"},
			&cli.StringFlag{Name: "sha256", Usage: "of several contents that ended at this size, the one with this digest"},
			&cli.Int64Flag{Name: "max-loss", Usage: "fail when more than this many pieces of content are dropped"},
			&cli.StringFlag{Name: "cwd", Usage: "working folder the session gets in the target"},
			&cli.BoolFlag{Name: "remap", Usage: "with --cwd: replace the old working folder in tool arguments, too"},
			&cli.BoolFlag{Name: "paginated", Usage: "codex: write the paginated form, which shows tool calls"},
			&cli.StringFlag{Name: "only", Usage: "transcript: leave out subagents and side files"},
			&cli.StringFlag{Name: "provider", Usage: "codex, opencode: name of the provider the session is given to"},
			&cli.StringFlag{Name: "model", Usage: "opencode: model of messages that name none"},
			&cli.StringFlag{Name: "system", Usage: "codex: keep, to give the session's system prompt to the tool instead of its own"},
			&cli.BoolFlag{Name: "rewrite", Usage: "codex: write the session anew instead of giving its bytes back"},
		}, parquetFlags()...),
		Action: s.runExport,
	}
}

func (s *session) runExport(c *cli.Context) (err error) {
	if c.NArg() == 0 && c.String("to") != targetParquet {
		return usageError(errors.New("export takes at least one LOG; see ownlog ls"))
	}
	store, refs, err := s.manyLogs(c)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, store.Close()) }()
	if c.String("to") == targetParquet {
		return s.exportParquet(c, store, refs)
	}
	if c.Bool("install") {
		return s.install(c, refs)
	}
	var out convert.Output = &convert.WriterOutput{W: s.Out}
	folder := &convert.FolderOutput{Dir: c.String("out"), Overwrite: c.Bool("force")}
	if c.String("out") != "" {
		out = folder
	}
	total := new(schema.Fidelity)
	if c.String("to") == targetDatabase && len(refs) > 1 {
		if err := s.exportDatabase(c, refs, out, total); err != nil {
			return err
		}
		refs = nil
	}
	for _, ref := range refs {
		report := new(schema.Fidelity)
		if err := s.exportLog(c, ref, out, report); err != nil {
			return fmt.Errorf("export log %s: %w", ref.Log, err)
		}
		total.Merge(report)
	}
	if err := s.showExport(c, folder.Written, total); err != nil {
		return err
	}
	return checkLoss(c, total)
}

// checkLoss fails when more content was dropped than --max-loss allows.
func checkLoss(c *cli.Context, report *schema.Fidelity) error {
	if limit := c.Int64("max-loss"); c.IsSet("max-loss") && report.ContentLost() > limit {
		return checkFailed(fmt.Errorf("%d things were dropped, at most %d were allowed", report.ContentLost(), limit))
	}
	return nil
}

// vendorOptions are the flags that are handed to the vendor by name.
var vendorOptions = []string{"to", "cwd", "remap", "paginated", "only", "provider", "model", "system", "rewrite"}

// exportOptions takes the vendor's options from the command line.
func exportOptions(c *cli.Context) map[string]string {
	options := make(map[string]string)
	for _, name := range vendorOptions {
		if c.IsSet(name) {
			options[name] = fmt.Sprint(c.Value(name))
		}
	}
	return options
}

// exportLog writes one log.
func (s *session) exportLog(c *cli.Context, ref logRef, out convert.Output, report *schema.Fidelity) error {
	to := c.String("to")
	if to == targetEntries {
		return exportEntries(c.Context, ref, out)
	}
	vendor, err := exportTarget(c.Context, ref, to)
	if err != nil {
		return err
	}
	return vendor.Export(c.Context, convert.ExportRequest{
		Store: ref.Store, Imports: ref.Imports, Log: ref.Log, Size: ref.Size, SHA256: c.String("sha256"),
		Options: exportOptions(c), Out: out, Report: report,
	})
}

// The targets that are no vendor's.
const (
	targetEntries  = "jsonl"
	targetParquet  = "parquet"
	targetDatabase = "opencode-db"
)

// exportDatabase writes several sessions into one database.
func (s *session) exportDatabase(c *cli.Context, refs []logRef, out convert.Output, report *schema.Fidelity) error {
	var more []format.LogID
	for _, ref := range refs {
		if ref.Size >= 0 || ref.Store != refs[0].Store {
			return usageError(errors.New("a database of several sessions takes whole logs of one store"))
		}
		more = append(more, ref.Log)
	}
	return opencode.ExportDatabase(c.Context, convert.ExportRequest{
		Store: refs[0].Store, Imports: refs[0].Imports, Log: refs[0].Log, Size: -1, Out: out, Report: report,
	}, more[1:]...)
}

// exportTarget finds the vendor to export to: the one named, else the one that the
// log came from.
func exportTarget(ctx context.Context, ref logRef, to string) (convert.Vendor, error) {
	name := to
	if to == targetDatabase {
		name = "opencode"
	}
	if name == "" {
		origin, err := vendorOf(ctx, ref)
		if err != nil {
			return nil, err
		}
		if origin == "" {
			return nil, usageError(errors.New("it was not imported from a vendor; say --to what"))
		}
		name = origin
	}
	if v := registry().Lookup(name); v != nil {
		return v, nil
	}
	return nil, usageError(fmt.Errorf("--to %s: want claude-code, codex, opencode, opencode-db, jsonl or parquet", to))
}

// vendorOf returns the vendor whose records a log begins with, empty if it was
// written natively.
func vendorOf(ctx context.Context, ref logRef) (string, error) {
	vendor := ""
	err := convert.WalkEvents(ctx, ref.Store, ref.Log, 0, 1, func(e convert.LogEvent) error {
		if e.Event != nil {
			vendor = e.Event.Source.VendorName()
		}
		return nil
	})
	return vendor, err
}

// exportEntries writes the entries as they are, a line each.
func exportEntries(ctx context.Context, ref logRef, out convert.Output) error {
	f, err := out.Create(ref.Log.String() + ".jsonl")
	if err != nil {
		return err
	}
	w := bufio.NewWriterSize(f, 256<<10)
	if err := writeEntries(ctx, ref, 0, w); err != nil {
		return err
	}
	if err := w.Flush(); err != nil {
		return err
	}
	return f.Close()
}

// showExport says what was written where and what became of the content.
func (s *session) showExport(c *cli.Context, written []string, report *schema.Fidelity) error {
	if c.Bool("json") && c.String("out") != "" {
		return printJSON(s.Out, exportJSON{"ownlog.export/1", written, report.Items()})
	}
	for _, name := range written {
		if _, err := fmt.Fprintln(s.Out, name); err != nil {
			return err
		}
	}
	w := tabwriter.NewWriter(s.Err, 0, 0, 2, ' ', 0)
	for _, it := range report.Items() {
		fmt.Fprintf(w, "%s\t%s\t%d\t%s\n", it.Axis, it.Code, it.Count, it.Example)
	}
	return w.Flush()
}

type exportJSON struct {
	Schema   string                `json:"schema"`
	Files    []string              `json:"files"`
	Fidelity []schema.FidelityItem `json:"fidelity"`
}
