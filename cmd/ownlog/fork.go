package main

import (
	"errors"
	"fmt"

	"github.com/urfave/cli/v2"

	"github.com/ownlog/ownlog/format"
	"github.com/ownlog/ownlog/replay"
)

// forkVerb makes a log that begins with the history of another.
func (s *session) forkVerb() *cli.Command {
	return &cli.Command{
		Name:        "fork",
		Usage:       "make a log that goes on from LOG, or from its first SIZE entries",
		ArgsUsage:   "LOG[@SIZE]",
		Description: "Nothing is copied: the new log points into the old one, which stays as it is.",
		Flags:       []cli.Flag{&cli.StringFlag{Name: "reason", Usage: "why, for the record"}},
		Action:      s.runFork,
	}
}

func (s *session) runFork(c *cli.Context) (err error) {
	ref, err := s.oneLog(c)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, ref.Store.Close()) }()
	inbox := replay.Inbox{Store: ref.Store}
	child, err := inbox.Fork(c.Context, ref.Log, ref.Size, c.String("reason"))
	if err != nil {
		return err
	}
	return s.printChild(c, "ownlog.fork/1", ref, child)
}

// printChild prints the head of a log that was made from another.
func (s *session) printChild(c *cli.Context, schema string, ref logRef, child format.LogID) error {
	head, err := ref.Store.Head(c.Context, child, -1)
	if err != nil {
		return err
	}
	if c.Bool("json") {
		return printJSON(s.Out, forkJSON{schema, child.String(), ref.Log.String(), head.String()})
	}
	_, err = fmt.Fprintln(s.Out, head)
	return err
}

type forkJSON struct {
	Schema string `json:"schema"`
	Log    string `json:"log"`
	Parent string `json:"parent"`
	Head   string `json:"head"`
}
