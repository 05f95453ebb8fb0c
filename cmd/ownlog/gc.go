package main

import (
	"errors"
	"fmt"

	"github.com/urfave/cli/v2"
)

// gcVerb removes blobs that nothing refers to.
func (s *session) gcVerb() *cli.Command {
	return &cli.Command{
		Name:   "gc",
		Usage:  "remove blobs that no log refers to",
		Flags:  []cli.Flag{&cli.BoolFlag{Name: "dry-run", Usage: "say what would be removed"}},
		Action: s.runGC,
	}
}

func (s *session) runGC(c *cli.Context) (err error) {
	store, _, err := s.openStore(c)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, store.Close()) }()
	report, err := store.GC(c.Context, nil, c.Bool("dry-run"))
	if err != nil {
		return err
	}
	if c.Bool("json") {
		return printJSON(s.Out, gcJSON{"ownlog.gc/1", report.Kept, report.Removed, report.RemovedBytes, c.Bool("dry-run")})
	}
	_, err = fmt.Fprintf(s.Out, "%d blobs kept, %d removed, %d bytes\n", report.Kept, report.Removed, report.RemovedBytes)
	return err
}

type gcJSON struct {
	Schema       string `json:"schema"`
	Kept         int    `json:"kept"`
	Removed      int    `json:"removed"`
	RemovedBytes int64  `json:"removed_bytes"`
	DryRun       bool   `json:"dry_run"`
}
