package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/ownlog/ownlog/format"
	"github.com/ownlog/ownlog/replay"
	"github.com/ownlog/ownlog/replay/provider"
	"github.com/ownlog/ownlog/schema"
)

// replayVerb asks a model again, or checks recorded requests.
func (s *session) replayVerb() *cli.Command {
	return &cli.Command{
		Name:      "replay",
		Usage:     "ask another model for every recorded step, or check recorded requests",
		ArgsUsage: "LOG[@SIZE]",
		Description: "--mode next-step asks the model for each response of the record, on the recorded history before it, and\n" +
			"compares the calls. No tool runs. The answers are a log of their own: a run that was stopped goes on with --run.\n" +
			"--mode verify asks nobody: it projects every recorded request again and exits with 1 if its digest differs.",
		Flags: append([]cli.Flag{
			&cli.StringFlag{Name: "mode", Usage: "next-step or verify", Value: "next-step"},
			&cli.StringFlag{Name: "run", Usage: "next-step: log of an earlier run to go on with"},
			&cli.IntFlag{Name: "parallel", Usage: "next-step: requests at once", Value: 4},
			&cli.Float64Flag{Name: "max-cost", Usage: "next-step: stop when the answers have cost so many USD"},
			&cli.BoolFlag{Name: "dry-run", Usage: "next-step: make the requests, print what they lose, send none"},
		}, providerFlags()...),
		Action: s.runReplay,
	}
}

func (s *session) runReplay(c *cli.Context) (err error) {
	ref, err := s.oneLog(c)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, ref.Store.Close()) }()
	switch c.String("mode") {
	case "next-step":
		return s.replayNextStep(c, ref)
	case "verify":
		return s.replayVerify(c, ref)
	}
	return usageError(fmt.Errorf("--mode %s: want next-step or verify", c.String("mode")))
}

func (s *session) replayNextStep(c *cli.Context, ref logRef) error {
	asked, err := s.newProvider(c)
	if err != nil {
		return err
	}
	prices, err := schema.DefaultPrices()
	if err != nil {
		return err
	}
	next := &replay.NextStep{
		Store: ref.Store, Log: ref.Log, Size: ref.Size, Provider: asked, Model: c.String("model"), Parallel: c.Int("parallel"),
		MaxCost: int64(c.Float64("max-cost") * 1e9), Price: replay.PriceBy(prices), DryRun: c.Bool("dry-run"),
		OnStep: func(step replay.StepComparison) { s.showStep(c, step) },
	}
	if name := c.String("run"); name != "" {
		run, err := s.resolve(c.Context, ref.Store, ref.Imports, name)
		if err != nil {
			return err
		}
		next.Run = run.Log
	}
	result, err := next.Compare(c.Context)
	if err != nil {
		return err
	}
	if next.DryRun {
		for _, step := range result.Steps {
			s.showStep(c, step)
		}
	}
	return s.showComparison(c, ref.Store, result)
}

// replayStep is the JSON document for a step.
type replayStep struct {
	Schema     string        `json:"schema"`
	Turn       int64         `json:"turn"`
	Step       int64         `json:"step"`
	Seq        int64         `json:"seq"`
	Answered   bool          `json:"answered"`
	Recorded   []string      `json:"recorded"` // names of the tools called
	Now        []string      `json:"now"`
	CallF1     float64       `json:"call_f1"`
	Shared     int           `json:"shared"`
	SharedArgs int           `json:"shared_args"`
	SameStop   bool          `json:"same_stop"`
	CostNUSD   int64         `json:"cost_nusd,omitzero"`
	LatencyUS  int64         `json:"latency_us,omitzero"`
	Losses     []schema.Loss `json:"losses,omitzero"`
	Request    string        `json:"request,omitzero"` // of a dry run
	Failure    string        `json:"failure,omitzero"`
}

func (s *session) showStep(c *cli.Context, step replay.StepComparison) {
	doc := replayStep{
		Schema: "ownlog.replay.step/1", Turn: step.Turn, Step: step.Step, Seq: step.Seq, Answered: step.Answered,
		Recorded: callNames(step.Recorded), Now: callNames(step.Now), CallF1: step.CallF1, Shared: step.Shared,
		SharedArgs: step.SharedArgs, SameStop: step.SameStop, CostNUSD: step.CostNUSD, LatencyUS: step.LatencyUS,
		Losses: step.Losses, Request: string(step.Request),
	}
	if step.Failure != nil {
		doc.Failure = string(step.Failure.Class) + " " + step.Failure.Message.Inline
	}
	if c.Bool("json") {
		_ = printJSON(s.Out, doc) // the exit code tells of a broken pipe
		return
	}
	fmt.Fprintf(s.Out, "%d/%d  recorded [%s]  now [%s]  %s\n", step.Turn, step.Step,
		strings.Join(doc.Recorded, " "), strings.Join(doc.Now, " "), stepVerdict(step, doc))
}

func stepVerdict(step replay.StepComparison, doc replayStep) string {
	switch {
	case doc.Failure != "":
		return "failed: " + doc.Failure
	case !step.Answered:
		lost := int64(0)
		for _, l := range step.Losses {
			lost += l.Count
		}
		return fmt.Sprintf("not asked; a request of %d bytes, %d things lost", len(step.Request), lost)
	case step.CallF1 == 1 && step.SharedArgs == step.Shared:
		return "agrees"
	}
	return fmt.Sprintf("calls F1 %.2f, arguments equal %d of %d", step.CallF1, step.SharedArgs, step.Shared)
}

func callNames(calls []replay.Call) []string {
	names := make([]string, len(calls))
	for i, call := range calls {
		names[i] = call.Tool
	}
	return names
}

// replayReport is the JSON document for a run.
type replayReport struct {
	Schema          string  `json:"schema"`
	Run             string  `json:"run,omitzero"`
	Head            string  `json:"head,omitzero"`
	Steps           int     `json:"steps"`
	Answered        int     `json:"answered"`
	CallF1          float64 `json:"call_f1"`
	Arguments       float64 `json:"arguments"`
	Stops           float64 `json:"stops"`
	FirstDivergence int     `json:"first_divergence"`
	CostNUSD        int64   `json:"cost_nusd"`
	LatencyUS       int64   `json:"latency_us"`
}

func (s *session) showComparison(c *cli.Context, store format.Store, r *replay.Comparison) error {
	doc := replayReport{
		Schema: "ownlog.replay/1", Steps: len(r.Steps), Answered: r.Answered, CallF1: r.CallF1, Arguments: r.Arguments,
		Stops: r.Stops, FirstDivergence: r.FirstDivergence, CostNUSD: r.CostNUSD, LatencyUS: r.LatencyUS,
	}
	if !r.Run.IsZero() {
		head, err := store.Head(c.Context, r.Run, -1)
		if err != nil {
			return err
		}
		doc.Run, doc.Head = r.Run.String(), head.String()
	}
	if c.Bool("json") {
		return printJSON(s.Out, doc)
	}
	if r.Answered > 0 {
		fmt.Fprintf(s.Out, "%d of %d steps answered: calls F1 %.3f, arguments equal %.3f, stop or call as recorded %.3f\n",
			r.Answered, len(r.Steps), r.CallF1, r.Arguments, r.Stops)
	}
	_, err := fmt.Fprintln(s.Out, doc.Head)
	return err
}

// replayVerify projects recorded requests again.
func (s *session) replayVerify(c *cli.Context, ref logRef) error {
	checks, err := replay.VerifyRequests(c.Context, ref.Store, ref.Log, ref.Size, projectorFor)
	if err != nil {
		return err
	}
	count := make(map[replay.CheckStatus]int)
	for _, check := range checks {
		count[check.Status]++
		if c.Bool("json") {
			doc := requestCheck{"ownlog.replay.request/1", check.Seq, check.Turn, check.Step, check.Status, check.Want, check.Got, check.Reason}
			if err := printJSON(s.Out, doc); err != nil {
				return err
			}
		} else if check.Status != replay.CheckEqual {
			fmt.Fprintf(s.Out, "entry %d: %s: recorded %s, now %s %s\n", check.Seq, check.Status, check.Want, check.Got, check.Reason)
		}
	}
	if !c.Bool("json") {
		fmt.Fprintf(s.Out, "%d requests: %d equal, %d different, %d not checked\n",
			len(checks), count[replay.CheckEqual], count[replay.CheckDifferent], count[replay.CheckSkipped])
	}
	if n := count[replay.CheckDifferent]; n > 0 {
		return checkFailed(fmt.Errorf("%d recorded requests are projected differently now", n))
	}
	return nil
}

type requestCheck struct {
	Schema string             `json:"schema"`
	Seq    int64              `json:"seq"`
	Turn   int64              `json:"turn"`
	Step   int64              `json:"step"`
	Status replay.CheckStatus `json:"status"`
	Want   string             `json:"want,omitzero"`
	Got    string             `json:"got,omitzero"`
	Reason string             `json:"reason,omitzero"`
}

// compactVerb makes a shorter log of a session.
func (s *session) compactVerb() *cli.Command {
	return &cli.Command{
		Name:        "compact",
		Usage:       "make a log that begins with a summary of LOG and its last turns",
		ArgsUsage:   "LOG[@SIZE]",
		Description: "LOG stays as it is. Without --provider the summary is an extract that no model wrote.",
		Flags:       append([]cli.Flag{&cli.IntFlag{Name: "keep-turns", Usage: "turns that are kept as they were", Value: 2}}, providerFlags()...),
		Action:      s.runCompact,
	}
}

func (s *session) runCompact(c *cli.Context) (err error) {
	ref, err := s.oneLog(c)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, ref.Store.Close()) }()
	summarize := replay.Summarizer(replay.Extract)
	if c.String("provider") != "" {
		asked, err := s.newProvider(c)
		if err != nil {
			return err
		}
		summarize = replay.BySummary(asked, c.String("model"), replay.DefaultDefinition(""))
	}
	inbox := &replay.Inbox{Store: ref.Store}
	log, err := inbox.Compact(c.Context, ref.Log, ref.Size, c.Int("keep-turns"), summarize)
	if err != nil {
		return err
	}
	head, err := ref.Store.Head(c.Context, log, -1)
	if err != nil {
		return err
	}
	if c.Bool("json") {
		return printJSON(s.Out, forkJSON{"ownlog.compact/1", log.String(), ref.Log.String(), head.String()})
	}
	_, err = fmt.Fprintln(s.Out, head)
	return err
}

// showRequest prints the request that resume would send next.
func (s *session) showRequest(ctx context.Context, c *cli.Context, ref logRef, p provider.Provider) error {
	req, err := replay.ProjectNow(ctx, ref.Store, ref.Log, p, c.String("model"))
	if err != nil {
		return err
	}
	for _, l := range req.Losses {
		fmt.Fprintf(s.Err, "lost: %s, %d times\n", l.Code, l.Count)
	}
	_, err = fmt.Fprintf(s.Out, "%s\n", req.Body)
	return err
}
