package main

import (
	"bufio"
	"context"
	"errors"

	"github.com/urfave/cli/v2"

	"github.com/ownlog/ownlog/convert"
	"github.com/ownlog/ownlog/convert/timeline"
)

// tailVerb shows the last events, and those to come.
func (s *session) tailVerb() *cli.Command {
	return &cli.Command{
		Name:      "tail",
		Usage:     "show the last events, and with --follow those to come",
		ArgsUsage: "LOG",
		Flags: []cli.Flag{
			&cli.Int64Flag{Name: "entries", Aliases: []string{"n"}, Usage: "how many", Value: 20},
			&cli.BoolFlag{Name: "follow", Aliases: []string{"f"}, Usage: "go on until interrupted"},
			&cli.IntFlag{Name: "width", Usage: "characters of text in a line", Value: 100},
		},
		Action: s.runTail,
	}
}

func (s *session) runTail(c *cli.Context) (err error) {
	ref, err := s.oneLog(c)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, ref.Store.Close()) }()
	n := c.Int64("entries")
	if n < 0 || c.Int("width") < 1 {
		return usageError(errors.New("--entries and --width: want no negative number"))
	}
	end := ref.Size
	if end < 0 {
		end = ref.there
	}
	next := max(0, end-n)
	show := func(to int64) error {
		if to <= next {
			return nil
		}
		from := next
		next = to
		return s.showEntries(c, ref, from, to)
	}
	if err := show(end); err != nil || !c.Bool("follow") {
		return err
	}
	var failed error
	ctx, stop := context.WithCancel(c.Context)
	defer stop()
	err = ref.Store.Watch(ctx, ref.Log, next, func() {
		info, err := ref.Store.Info(c.Context, ref.Log)
		if err == nil {
			err = show(info.Size)
		}
		if err != nil {
			failed = err
			stop()
		}
	})
	if failed != nil {
		return failed
	}
	if c.Context.Err() != nil {
		return nil // interrupted, as --follow is meant to be
	}
	return err
}

// showEntries prints a stretch of a log as a timeline, or as JSON.
func (s *session) showEntries(c *cli.Context, ref logRef, from, to int64) error {
	out := bufio.NewWriter(s.Out)
	var err error
	if c.Bool("json") {
		err = convert.WalkEvents(c.Context, ref.Store, ref.Log, from, to, func(e convert.LogEvent) error {
			return printJSON(out, showEventJSON(e))
		})
	} else {
		err = timeline.Write(c.Context, out, ref.Store, ref.Log, timeline.Options{
			From: from, To: to, Width: c.Int("width"), Records: c.Command.Name == "tail" || c.Bool("records"),
		})
	}
	return errors.Join(err, out.Flush())
}
