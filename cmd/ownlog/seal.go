package main

import (
	"errors"
	"fmt"

	"github.com/urfave/cli/v2"
)

// sealVerb compresses logs.
func (s *session) sealVerb() *cli.Command {
	return &cli.Command{
		Name:        "seal",
		Usage:       "compress the text segments of logs; heads do not change",
		ArgsUsage:   "[LOG...]",
		Description: "Import seals what it wrote. Sealed segments are .zst files: zstd -dc reads them.",
		Flags:       []cli.Flag{&cli.BoolFlag{Name: "closed-only", Usage: "leave the segment that is being written to"}},
		Action:      s.runSeal,
	}
}

func (s *session) runSeal(c *cli.Context) (err error) {
	store, refs, err := s.manyLogs(c)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, store.Close()) }()
	for _, ref := range refs {
		seal := ref.Store.Seal
		if c.Bool("closed-only") {
			seal = ref.Store.SealClosed
		}
		res, err := seal(c.Context, ref.Log)
		if err != nil {
			return err
		}
		if c.Bool("json") {
			err = printJSON(s.Out, sealJSON{"ownlog.seal/1", ref.Log.String(), res.Segments, res.Entries, res.TextBytes, res.StoredBytes})
		} else if res.Segments > 0 {
			_, err = fmt.Fprintf(s.Out, "%s  %d entries: %d bytes of text in %d bytes\n", ref.Log, res.Entries, res.TextBytes, res.StoredBytes)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

type sealJSON struct {
	Schema      string `json:"schema"`
	Log         string `json:"log"`
	Segments    int    `json:"segments"`
	Entries     int64  `json:"entries"`
	TextBytes   int64  `json:"text_bytes"`
	StoredBytes int64  `json:"stored_bytes"`
}
