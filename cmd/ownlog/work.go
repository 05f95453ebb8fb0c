package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/ownlog/ownlog/format"
	"github.com/ownlog/ownlog/replay"
)

// workVerb advances all sessions of a store.
func (s *session) workVerb() *cli.Command {
	return &cli.Command{
		Name:  "work",
		Usage: "advance all sessions of the store that have something to do",
		Description: "It runs until interrupted, or with --until-idle until nothing is left but waiting for people. Several workers\n" +
			"may share a store. Logs that mirror a vendor's session are left alone. Questions are left open in the logs.",
		Flags: append([]cli.Flag{
			&cli.IntFlag{Name: "sessions", Usage: "how many at once", Value: 16},
			&cli.DurationFlag{Name: "poll", Usage: "how often to look for new input", Value: 2 * time.Second},
			&cli.DurationFlag{Name: "grace", Usage: "how long steps under way may take after an interrupt", Value: 30 * time.Second},
			&cli.BoolFlag{Name: "until-idle", Usage: "end when no session has anything to do"},
		}, executorFlags()...),
		Action: s.runWork,
	}
}

func (s *session) runWork(c *cli.Context) (err error) {
	if c.NArg() > 0 {
		return usageError(errors.New("work takes no operands; ownlog resume LOG advances one session"))
	}
	store, imports, err := s.openStore(c)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, store.Close()) }()
	executor, closeWorkspace, err := s.newExecutor(c, logRef{Store: store, Imports: imports})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, closeWorkspace()) }()
	executor.OnEvent = nil
	w := &replay.Worker{
		Store: store, Executor: executor, Sessions: c.Int("sessions"), Poll: c.Duration("poll"), Grace: c.Duration("grace"),
		UntilIdle: c.Bool("until-idle"),
		OnOutcome: func(log format.LogID, out replay.Outcome, err error) { s.showWork(c, store, log, out, err) },
	}
	return w.Work(c.Context)
}

// showWork shows where a run has left a session.
func (s *session) showWork(c *cli.Context, store format.Store, log format.LogID, out replay.Outcome, err error) {
	if err != nil {
		fmt.Fprintf(s.Err, "ownlog: log %s: %v\n", log, err)
		return
	}
	head, err := store.Head(context.WithoutCancel(c.Context), log, -1)
	if err != nil {
		fmt.Fprintf(s.Err, "ownlog: log %s: %v\n", log, err)
		return
	}
	if c.Bool("json") {
		// The command's exit code tells of a broken pipe.
		_ = printJSON(s.Out, outcomeJSON(head, out))
		return
	}
	fmt.Fprintf(s.Out, "%-10s %s\n", out.Status, head)
}
