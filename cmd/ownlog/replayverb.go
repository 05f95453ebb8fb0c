package main

import (
	"errors"
	"fmt"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/urfave/cli/v2"

	"github.com/ownlog/ownlog/format"
	"github.com/ownlog/ownlog/replay"
	"github.com/ownlog/ownlog/replay/provider"
	"github.com/ownlog/ownlog/replay/provider/connect"
	"github.com/ownlog/ownlog/replay/provider/scripted"
	"github.com/ownlog/ownlog/schema"
)

// The modes of the replay verb.
const (
	modeNextStep = "next-step"
	modeVerify   = "verify"
)

// replayVerb compares a model with the record, or requests with their digests.
func (s *session) replayVerb() *cli.Command {
	return &cli.Command{
		Name:      "replay",
		Usage:     "ask a model for every recorded step again, or check recorded requests",
		ArgsUsage: "LOG[@SIZE]...",
		Description: "next-step asks for each recorded response on the recorded history before it and compares; no tool runs. The\n" +
			"answers are a log of their own: --run goes on with it. verify projects each recorded request again, asks\n" +
			"nobody, and exits 1 if a digest differs. With several LOGs each has a report, and a run, of its own.",
		Flags: append([]cli.Flag{
			&cli.StringFlag{Name: "mode", Value: modeNextStep, Usage: modeNextStep + " or " + modeVerify},
			&cli.StringSliceFlag{Name: "run", Usage: "log of an earlier run to go on with; may be repeated, one for each LOG"},
			&cli.BoolFlag{Name: "all", Usage: "every log of the store"},
			&cli.IntFlag{Name: "parallel", Value: 4, Usage: "requests at once"},
			&cli.Float64Flag{Name: "max-cost", Usage: "stop when the answers, of all LOGs, have cost so many US dollars"},
			&cli.BoolFlag{Name: "dry-run", Usage: "print requests and losses, send nothing"},
		}, providerFlags()...),
		Action: s.runReplay,
	}
}

func (s *session) runReplay(c *cli.Context) (err error) {
	if c.Bool("all") == (c.NArg() > 0) {
		return usageError(errors.New("replay takes one LOG or more, or --all"))
	}
	mode := c.String("mode")
	if mode != modeNextStep && mode != modeVerify {
		return usageError(fmt.Errorf("--mode %s: want %s or %s", mode, modeNextStep, modeVerify))
	}
	store, refs, err := s.manyLogs(c)
	if err != nil {
		return err
	}
	defer func() {
		for _, ref := range refs {
			if ref.Store != store {
				err = errors.Join(err, ref.Store.Close())
			}
		}
		err = errors.Join(err, store.Close())
	}()
	if mode == modeVerify {
		return s.verifyAll(c, refs)
	}
	return s.nextSteps(c, refs)
}

// nextSteps compares one session after the other, as long as the money lasts.
func (s *session) nextSteps(c *cli.Context, refs []logRef) error {
	p, err := s.newProvider(c)
	if err != nil {
		return err
	}
	if c.String("model") == "" {
		return usageError(errors.New("say which --model"))
	}
	params, err := modelParams(c)
	if err != nil {
		return err
	}
	prices, err := schema.DefaultPrices()
	if err != nil {
		return err
	}
	runs, err := runsOf(c, refs)
	if err != nil {
		return err
	}
	left := int64(c.Float64("max-cost") * 1e9)
	for _, ref := range refs {
		if c.Bool("all") {
			if _, err := replay.SessionOfRun(c.Context, ref.Store, ref.Log); err == nil {
				continue // a run itself
			}
		}
		n := &replay.NextStep{
			Store: ref.Store, Log: ref.Log, Size: ref.Size, Run: runs[ref.Log], Provider: p, Model: c.String("model"), Params: params, Parallel: c.Int("parallel"),
			MaxCost: left, Price: replay.PriceBy(prices), DryRun: c.Bool("dry-run"),
		}
		result, err := n.Compare(c.Context)
		if result != nil {
			err = errors.Join(s.showComparison(c, ref, result, len(refs) > 1), err)
		}
		if err != nil {
			return fmt.Errorf("log %s: %w", ref.Log, err)
		}
		if left > 0 {
			if left -= result.CostNUSD; left <= 0 && ref != refs[len(refs)-1] {
				return fmt.Errorf("after log %s: %w", ref.Log, replay.ErrOverCost)
			}
		}
	}
	return nil
}

// runsOf finds the session that each --run belongs to.
func runsOf(c *cli.Context, refs []logRef) (map[format.LogID]format.LogID, error) {
	runs := make(map[format.LogID]format.LogID)
	for _, name := range c.StringSlice("run") {
		run, err := format.ParseLogID(name)
		if err != nil {
			return nil, usageError(fmt.Errorf("--run: %w", err))
		}
		if len(refs) == 1 {
			runs[refs[0].Log] = run
			continue
		}
		of, err := replay.SessionOfRun(c.Context, refs[0].Store, run)
		if err != nil {
			return nil, err
		}
		runs[of] = run
	}
	if len(refs) == 1 && len(c.StringSlice("run")) > 1 {
		return nil, usageError(errors.New("--run: one for each LOG"))
	}
	return runs, nil
}

type comparisonJSON struct {
	Schema          string       `json:"schema"`
	Log             string       `json:"log"`
	Run             string       `json:"run,omitzero"`
	Steps           int          `json:"steps"`
	Answered        int          `json:"answered"`
	CallF1          float64      `json:"call_f1"`
	Arguments       float64      `json:"arguments"`
	Stops           float64      `json:"stops"`
	FirstDivergence int          `json:"first_divergence"`
	Usage           schema.Usage `json:"usage"`
	CostNUSD        int64        `json:"cost_nusd"`
	LatencyUS       int64        `json:"latency_us"`
	Each            []stepJSON   `json:"each"`
}

type stepJSON struct {
	Turn     int64          `json:"turn"`
	Step     int64          `json:"step"`
	Answered bool           `json:"answered"`
	CallF1   float64        `json:"call_f1"`
	Shared   int            `json:"shared"`
	SameArgs int            `json:"same_args"`
	SameStop bool           `json:"same_stop"`
	Failed   string         `json:"failed,omitzero"`
	Losses   []schema.Loss  `json:"losses,omitzero"`
	Request  jsontext.Value `json:"request,omitzero"`
}

func (s *session) showComparison(c *cli.Context, ref logRef, r *replay.Comparison, several bool) error {
	out := comparisonJSON{
		Schema: "ownlog.replay/1", Log: ref.Log.String(), Steps: len(r.Steps), Answered: r.Answered, CallF1: r.CallF1, Arguments: r.Arguments,
		Stops: r.Stops, FirstDivergence: r.FirstDivergence, Usage: r.Usage, CostNUSD: r.CostNUSD, LatencyUS: r.LatencyUS,
	}
	if !r.Run.IsZero() {
		out.Run = r.Run.String()
	}
	for _, step := range r.Steps {
		one := stepJSON{
			Turn: step.Turn, Step: step.Step, Answered: step.Answered, CallF1: step.CallF1, Shared: step.Shared, SameArgs: step.SharedArgs,
			SameStop: step.SameStop, Losses: step.Losses, Request: step.Request,
		}
		if step.Failure != nil {
			one.Failed = string(step.Failure.Class)
		}
		out.Each = append(out.Each, one)
	}
	if c.Bool("json") {
		return printJSON(s.Out, out)
	}
	var b strings.Builder
	if several {
		fmt.Fprintf(&b, "log %s\n", ref.Log)
	}
	for _, step := range out.Each {
		switch {
		case step.Request != nil:
			fmt.Fprintf(&b, "%d/%d  %d bytes%s\n", step.Turn, step.Step, len(step.Request), lossText(step.Losses))
		case step.Failed != "":
			fmt.Fprintf(&b, "%d/%d  failed: %s\n", step.Turn, step.Step, step.Failed)
		case !step.Answered:
			fmt.Fprintf(&b, "%d/%d  not asked\n", step.Turn, step.Step)
		default:
			fmt.Fprintf(&b, "%d/%d  calls %.2f, arguments %d of %d%s\n", step.Turn, step.Step, step.CallF1, step.SameArgs, step.Shared, lossText(step.Losses))
		}
	}
	if out.Run != "" {
		fmt.Fprintf(&b, "\nrun %s: %d of %d steps answered\n", out.Run, out.Answered, out.Steps)
		fmt.Fprintf(&b, "calls %.3f (F1), arguments %.3f, stops %.3f, first divergence %s\n", out.CallF1, out.Arguments, out.Stops, divergence(r))
		fmt.Fprintf(&b, "cost %.4f USD, latency %.1f s in all\n", float64(out.CostNUSD)/1e9, float64(out.LatencyUS)/1e6)
	}
	_, err := fmt.Fprint(s.Out, b.String())
	return err
}

func divergence(r *replay.Comparison) string {
	if r.FirstDivergence < 0 {
		return "none"
	}
	step := r.Steps[r.FirstDivergence]
	return fmt.Sprintf("at %d/%d", step.Turn, step.Step)
}

func lossText(losses []schema.Loss) string {
	var b strings.Builder
	for _, l := range losses {
		fmt.Fprintf(&b, ", %s %d", l.Code, l.Count)
	}
	return b.String()
}

type requestsJSON struct {
	Schema   string      `json:"schema"`
	Log      string      `json:"log"`
	Equal    int         `json:"equal"`
	Differ   int         `json:"different"`
	Skipped  int         `json:"skipped"`
	Requests []checkJSON `json:"requests"`
}

type checkJSON struct {
	Seq    int64  `json:"seq"`
	Turn   int64  `json:"turn"`
	Step   int64  `json:"step"`
	Status string `json:"status"`
	Want   string `json:"want,omitzero"`
	Got    string `json:"got,omitzero"`
	Reason string `json:"reason,omitzero"`
}

// verifyAll checks the requests of all logs before it says that some differ.
func (s *session) verifyAll(c *cli.Context, refs []logRef) error {
	differ := 0
	for _, ref := range refs {
		n, err := s.verifyRequests(c, ref, len(refs) > 1)
		if err != nil {
			return fmt.Errorf("log %s: %w", ref.Log, err)
		}
		differ += n
	}
	if differ > 0 {
		return checkFailed(fmt.Errorf("%d requests are not what the log says was sent", differ))
	}
	return nil
}

// verifyRequests reports on one log and returns how many requests differ.
func (s *session) verifyRequests(c *cli.Context, ref logRef, several bool) (differ int, err error) {
	checks, err := replay.VerifyRequests(c.Context, ref.Store, ref.Log, ref.Size, projector)
	if err != nil {
		return 0, err
	}
	out := requestsJSON{Schema: "ownlog.replay-verify/1", Log: ref.Log.String(), Requests: []checkJSON{}}
	for _, check := range checks {
		switch check.Status {
		case replay.CheckEqual:
			out.Equal++
		case replay.CheckDifferent:
			out.Differ++
		case replay.CheckSkipped:
			out.Skipped++
		}
		out.Requests = append(out.Requests, checkJSON{check.Seq, check.Turn, check.Step, string(check.Status), check.Want, check.Got, check.Reason})
	}
	if c.Bool("json") {
		return out.Differ, printJSON(s.Out, out)
	}
	var b strings.Builder
	if several {
		fmt.Fprintf(&b, "log %s\n", ref.Log)
	}
	for _, r := range out.Requests {
		if r.Status != string(replay.CheckEqual) {
			fmt.Fprintf(&b, "entry %d, step %d/%d: %s%s\n", r.Seq, r.Turn, r.Step, r.Status, reasonText(r))
		}
	}
	fmt.Fprintf(&b, "%d requests equal, %d different, %d skipped\n", out.Equal, out.Differ, out.Skipped)
	_, err = fmt.Fprint(s.Out, b.String())
	return out.Differ, err
}

func reasonText(r checkJSON) string {
	if r.Reason != "" {
		return ": " + r.Reason
	}
	return fmt.Sprintf(": recorded %s, now %s", r.Want, r.Got)
}

// projector makes a provider that is only asked to project.
func projector(name, api string) (provider.Provider, bool) {
	if name == scripted.Name {
		return scripted.New(), true
	}
	p, err := connect.Open(name, connect.Settings{BaseURL: "http://localhost"}, func(string) string { return "" })
	if err != nil {
		return nil, false
	}
	return p, p.Describe().API == api
}
