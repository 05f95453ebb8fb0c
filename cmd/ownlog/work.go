package main

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/ownlog/ownlog/format"
	"github.com/ownlog/ownlog/replay"
	"github.com/ownlog/ownlog/replay/provider"
	"github.com/ownlog/ownlog/replay/tool"
)

// workVerb advances all sessions of a store.
func (s *session) workVerb() *cli.Command {
	return &cli.Command{
		Name:  "work",
		Usage: "advance all sessions of the store until told to stop",
		Description: "Sessions that mirror another tool's are left alone: resume makes forks of them. Several workers may share a\n" +
			"store. The first interrupt lets steps under way finish.",
		Flags: append([]cli.Flag{
			&cli.IntFlag{Name: "sessions", Value: 16, Usage: "how many are worked on at once"},
			&cli.IntFlag{Name: "requests", Usage: "how many requests are under way at once (default: no limit)"},
			&cli.StringSliceFlag{Name: "tool-limit", Usage: "how many calls of a tool run at once, as 'shell=2'; may be repeated"},
			&cli.BoolFlag{Name: "until-idle", Usage: "stop when no session has anything to do but wait for people"},
		}, executorFlags()...),
		Action: s.runWork,
	}
}

func (s *session) runWork(c *cli.Context) (err error) {
	if c.NArg() > 0 {
		return usageError(errors.New("work takes no LOG: it advances all; see ownlog resume"))
	}
	store, _, err := s.openStore(c)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, store.Close()) }()
	x, closeWorkspace, err := s.newExecutor(c, logRef{Store: store})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, closeWorkspace()) }()
	x.Provider = provider.Limit(x.Provider, c.Int("requests"))
	x.OnEvent, x.OnDelta = nil, nil
	if err := limitTools(x.Tools, c.StringSlice("tool-limit")); err != nil {
		return usageError(err)
	}
	worker := &replay.Worker{
		Store: store, Executor: x, Sessions: c.Int("sessions"), UntilIdle: c.Bool("until-idle"),
		OnOutcome: func(log format.LogID, out replay.Outcome, err error) { s.showWork(c, log, out, err) },
	}
	return worker.Work(c.Context)
}

// limitTools reads limits of the form NAME=N.
func limitTools(set *tool.Set, limits []string) error {
	for _, limit := range limits {
		name, number, _ := strings.Cut(limit, "=")
		n, err := strconv.Atoi(number)
		if err != nil || n < 1 {
			return fmt.Errorf("--tool-limit %s: want NAME=N, N at least 1", limit)
		}
		if !set.Limit(name, n) {
			return fmt.Errorf("--tool-limit %s: there is no tool of that name", limit)
		}
	}
	return nil
}

type workJSON struct {
	Schema string `json:"schema"`
	Log    string `json:"log"`
	Status string `json:"status,omitzero"`
	Steps  int    `json:"steps"`
	Error  string `json:"error,omitzero"`
}

// showWork prints a line for every run that did something.
func (s *session) showWork(c *cli.Context, log format.LogID, out replay.Outcome, err error) {
	if errors.Is(err, replay.ErrFenced) || errors.Is(err, context.Canceled) {
		return
	}
	line := workJSON{Schema: "ownlog.work/1", Log: log.String(), Status: string(out.Status), Steps: out.Steps}
	if err != nil {
		line.Error = err.Error()
	}
	if c.Bool("json") {
		// What cannot be printed must not stop the work.
		_ = printJSON(s.Out, line)
		return
	}
	if err != nil {
		fmt.Fprintf(s.Err, "ownlog: %s: %s\n", log, err)
		return
	}
	if out.Steps > 0 || out.Status == replay.StatusPermission {
		fmt.Fprintf(s.Out, "%s  %s, %d steps\n", log, out.Status, out.Steps)
	}
}
