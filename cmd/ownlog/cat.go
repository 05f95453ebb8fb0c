package main

import (
	"bufio"
	"context"
	"errors"

	"github.com/urfave/cli/v2"
)

// catVerb prints entries as they are stored.
func (s *session) catVerb() *cli.Command {
	return &cli.Command{
		Name:        "cat",
		Usage:       "print the entries, byte for byte, one JSON object a line",
		ArgsUsage:   "LOG",
		Description: "An entry that was redacted is printed as {\"redacted\":{\"leaf\":...}}. --json changes nothing.",
		Flags:       []cli.Flag{&cli.Int64Flag{Name: "from", Usage: "first entry"}},
		Action:      s.runCat,
	}
}

func (s *session) runCat(c *cli.Context) (err error) {
	ref, err := s.oneLog(c)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, ref.Store.Close()) }()
	out := bufio.NewWriterSize(s.Out, 256<<10)
	err = writeEntries(c.Context, ref, c.Int64("from"), out)
	return errors.Join(err, out.Flush())
}

// writeEntries writes entries from a position on, a line each.
func writeEntries(ctx context.Context, ref logRef, from int64, w *bufio.Writer) error {
	for e, err := range ref.Store.Read(ctx, ref.Log, from) {
		if err != nil {
			return err
		}
		if ref.Size >= 0 && e.Seq >= ref.Size {
			return nil
		}
		line := e.Bytes
		if e.Hole {
			line = []byte(`{"redacted":{"leaf":"` + e.Leaf.String() + `"}}`)
		}
		if _, err := w.Write(line); err != nil {
			return err
		}
		if err := w.WriteByte('\n'); err != nil {
			return err
		}
	}
	return nil
}
