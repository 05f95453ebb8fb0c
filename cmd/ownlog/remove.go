package main

import (
	"errors"
	"fmt"

	"github.com/urfave/cli/v2"
)

// rmVerb removes logs.
func (s *session) rmVerb() *cli.Command {
	return &cli.Command{
		Name:        "rm",
		Usage:       "remove logs; refused while forks begin with their entries",
		ArgsUsage:   "LOG...",
		Description: "Blobs stay until ownlog gc. The sources a log was imported from are never touched.",
		Flags:       []cli.Flag{&cli.BoolFlag{Name: "yes", Usage: "really remove; without it the logs are only named"}},
		Action:      s.runRm,
	}
}

func (s *session) runRm(c *cli.Context) (err error) {
	if c.NArg() == 0 {
		return usageError(errors.New("rm takes at least one LOG"))
	}
	store, refs, err := s.manyLogs(c)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, store.Close()) }()
	for _, ref := range refs {
		if ref.Size >= 0 {
			return usageError(fmt.Errorf("%s@%d: logs are removed whole", ref.Log, ref.Size))
		}
		head, err := ref.Store.Head(c.Context, ref.Log, -1)
		if err != nil {
			return err
		}
		if c.Bool("yes") {
			if err := ref.Store.Remove(c.Context, ref.Log); err != nil {
				return err
			}
		}
		if c.Bool("json") {
			err = printJSON(s.Out, rmJSON{"ownlog.rm/1", head.String(), c.Bool("yes")})
		} else if c.Bool("yes") {
			_, err = fmt.Fprintf(s.Out, "removed %s\n", head)
		} else {
			_, err = fmt.Fprintf(s.Out, "would remove %s; say --yes\n", head)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

type rmJSON struct {
	Schema  string `json:"schema"`
	Head    string `json:"head"`
	Removed bool   `json:"removed"`
}
