package main

import (
	"errors"
	"fmt"

	"github.com/urfave/cli/v2"
)

// headVerb prints heads.
func (s *session) headVerb() *cli.Command {
	return &cli.Command{
		Name:        "head",
		Usage:       "print heads: id@size#root names a whole history",
		ArgsUsage:   "[LOG...]",
		Description: "Without a LOG it prints the heads of all logs. Keep heads elsewhere: a head proves later that nothing\nbefore it was changed or lost (ownlog verify --expect HEAD, ownlog extends OLD NEW).",
		Action:      s.runHead,
	}
}

func (s *session) runHead(c *cli.Context) (err error) {
	store, refs, err := s.manyLogs(c)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, store.Close()) }()
	for _, ref := range refs {
		head, err := ref.Store.Head(c.Context, ref.Log, ref.Size)
		if err != nil {
			return err
		}
		if c.Bool("json") {
			err = printJSON(s.Out, headJSON{Schema: "ownlog.head/1", Head: head.String(), Log: head.Log.String(), Size: head.Size, Root: head.Root.String()})
		} else {
			_, err = fmt.Fprintln(s.Out, head)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

type headJSON struct {
	Schema string `json:"schema"`
	Head   string `json:"head"`
	Log    string `json:"log"`
	Size   int64  `json:"size"`
	Root   string `json:"root"` // hexadecimal
}
