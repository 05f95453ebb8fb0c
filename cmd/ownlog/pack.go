package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/urfave/cli/v2"

	"github.com/ownlog/ownlog/convert"
	"github.com/ownlog/ownlog/format"
)

// packVerb writes logs and all they need as one file.
func (s *session) packVerb() *cli.Command {
	return &cli.Command{
		Name:      "pack",
		Usage:     "write logs, the logs they are forks of, and their blobs as one tar",
		ArgsUsage: "[LOG...]",
		Description: "A pack can be kept, sent, encrypted (ownlog pack | age -r ...), and unpacked into another store. Without\n" +
			"--out it goes to standard output, and the heads to standard error.",
		Flags:  []cli.Flag{&cli.StringFlag{Name: "out", Aliases: []string{"o"}, Usage: "file to write"}},
		Action: s.runPack,
	}
}

func (s *session) runPack(c *cli.Context) (err error) {
	store, refs, err := s.manyLogs(c)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, store.Close()) }()
	logs := make([]format.LogID, len(refs))
	for i, ref := range refs {
		if ref.Size >= 0 {
			return usageError(fmt.Errorf("%s@%d: packs hold whole logs; fork it first", ref.Log, ref.Size))
		}
		if ref.Store != store {
			return usageError(fmt.Errorf("%s is in another store; name that with --store", ref.Log))
		}
		logs[i] = ref.Log
	}
	_, imports, err := openStoreAt(store.Dir())
	if err != nil {
		return err
	}
	endings, err := imports.PackEndings(logs)
	if err != nil {
		return err
	}
	out, heads := s.Out, s.Err
	var file io.WriteCloser
	if name := c.String("out"); name != "" {
		if file, err = convert.CreateFile(name); err != nil {
			return err
		}
		out, heads = file, s.Out
	} else if isTerminalEscaper(s.Out) {
		return usageError(errors.New("a pack is not text; name a file with --out"))
	}
	w := bufio.NewWriterSize(out, 1<<20)
	report, err := store.Pack(c.Context, w, logs, endings)
	if err == nil {
		err = w.Flush()
	}
	if err != nil {
		return err
	}
	if file != nil {
		if err := file.Close(); err != nil {
			return err
		}
	}
	return showPack(heads, c.Bool("json"), "ownlog.pack/1", report)
}

// unpackVerb adds the logs of a pack to the store.
func (s *session) unpackVerb() *cli.Command {
	return &cli.Command{
		Name:        "unpack",
		Usage:       "add the logs of a pack to the store, after checking all of it",
		ArgsUsage:   "FILE|-",
		Description: "A log that is there already must be the beginning or the continuation of the pack's, else nothing is done.",
		Flags:       []cli.Flag{&cli.Int64Flag{Name: "max-bytes", Usage: "refuse packs with more", Value: format.DefaultUnpackLimit}},
		Action:      s.runUnpack,
	}
}

func (s *session) runUnpack(c *cli.Context) (err error) {
	if c.NArg() != 1 {
		return usageError(errors.New("unpack takes one FILE, or - for standard input"))
	}
	in := s.In
	if name := c.Args().First(); name != "-" {
		f, err := os.Open(name)
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, f.Close()) }()
		in = f
	}
	store, imports, err := s.openStore(c)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, store.Close()) }()
	report, err := store.Unpack(c.Context, bufio.NewReaderSize(in, 1<<20), format.UnpackOptions{MaxBytes: c.Int64("max-bytes")})
	var diverged *format.DivergedError
	if errors.Is(err, format.ErrPack) || errors.As(err, &diverged) {
		return checkFailed(err)
	}
	if errors.Is(err, io.ErrUnexpectedEOF) {
		return checkFailed(fmt.Errorf("the pack is cut off: %w", err))
	}
	if err != nil {
		return err
	}
	if err := imports.UnpackEndings(report.Imports); err != nil {
		return err
	}
	return showPack(s.Out, c.Bool("json"), "ownlog.unpack/1", report)
}

func showPack(w io.Writer, asJSON bool, schema string, report format.PackReport) error {
	if asJSON {
		doc := packJSON{Schema: schema, Blobs: report.Blobs}
		for _, h := range report.Heads {
			doc.Heads = append(doc.Heads, h.String())
		}
		for _, h := range report.Ancestors {
			doc.Ancestors = append(doc.Ancestors, h.String())
		}
		return printJSON(w, doc)
	}
	for _, h := range report.Heads {
		if _, err := fmt.Fprintln(w, h); err != nil {
			return err
		}
	}
	return nil
}

type packJSON struct {
	Schema    string   `json:"schema"`
	Heads     []string `json:"heads"`
	Ancestors []string `json:"ancestors,omitzero"`
	Blobs     int      `json:"blobs"`
}
