package main

import (
	"bufio"
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
	for e, err := range ref.Store.Read(c.Context, ref.Log, c.Int64("from")) {
		if err != nil {
			return errors.Join(err, out.Flush())
		}
		if ref.Size >= 0 && e.Seq >= ref.Size {
			break
		}
		line := e.Bytes
		if e.Hole {
			line = []byte(`{"redacted":{"leaf":"` + e.Leaf.String() + `"}}`)
		}
		if _, err := out.Write(append(line, '\n')); err != nil {
			return err
		}
	}
	return out.Flush()
}
