package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/urfave/cli/v2"
	"golang.org/x/term"

	"github.com/ownlog/ownlog/convert/timeline"
	"github.com/ownlog/ownlog/format"
	"github.com/ownlog/ownlog/replay"
	"github.com/ownlog/ownlog/replay/provider"
	"github.com/ownlog/ownlog/replay/tool"
	"github.com/ownlog/ownlog/schema"
)

// resumeVerb goes on with a session, live.
func (s *session) resumeVerb() *cli.Command {
	return &cli.Command{
		Name:      "resume",
		Usage:     "go on with a session on any model",
		ArgsUsage: "LOG[@SIZE]",
		Description: "A log that mirrors a vendor's session is forked first; the mirror stays as it is. Tools run in --workdir.\n" +
			"What may change something is asked for: here, if this is a terminal, or from elsewhere with\n" +
			"ownlog allow|deny LOG. The question is an entry of the log and survives this process.",
		Flags: append([]cli.Flag{
			&cli.StringFlag{Name: "prompt", Aliases: []string{"p"}, Usage: "what to say; - reads it from standard input"},
			&cli.BoolFlag{Name: "stream", Usage: "show what the model says as it arrives (default: on a terminal)"},
			&cli.BoolFlag{Name: "no-ask", Usage: "never ask here; leave questions open in the log"},
			&cli.BoolFlag{Name: "wait", Usage: "stay until questions are answered, and calls finished, elsewhere, and go on"},
			&cli.BoolFlag{Name: "dry-run", Usage: "print the next request and what it loses; append and send nothing"},
		}, executorFlags()...),
		Action: s.runResume,
	}
}

// executorFlags are the flags of verbs that run sessions.
func executorFlags() []cli.Flag {
	return append([]cli.Flag{
		&cli.StringFlag{Name: "workdir", Usage: "folder that tools work in (default: the current one)"},
		&cli.StringFlag{Name: "policy", Usage: "file of rules: what is allowed, asked for, denied"},
		&cli.StringFlag{Name: "definition", Usage: "file of the session definition, for logs that have none"},
		&cli.Int64Flag{Name: "max-steps", Usage: "model responses in a turn"},
		&cli.Int64Flag{Name: "max-tokens", Usage: "tokens in a turn"},
		&cli.Float64Flag{Name: "max-cost", Usage: "USD in a turn"},
		&cli.DurationFlag{Name: "max-time", Usage: "time of a turn"},
		&cli.Int64Flag{Name: "compact-above", Usage: "compact when a request has more tokens (default: when the provider says it is too long)"},
		&cli.BoolFlag{Name: "uncompacted", Usage: "ask with the history as if it had never been compacted"},
		&cli.BoolFlag{Name: "accept-holes", Usage: "go on although entries are redacted"},
	}, providerFlags()...)
}

func (s *session) runResume(c *cli.Context) (err error) {
	ref, err := s.oneLog(c)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, ref.Store.Close()) }()
	executor, closeWorkspace, err := s.newExecutor(c, ref)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, closeWorkspace()) }()
	if c.Bool("dry-run") {
		return s.showRequest(c, ref, executor.Provider)
	}
	prompt, err := s.prompt(c)
	if err != nil {
		return err
	}
	inbox := &replay.Inbox{Store: ref.Store}
	log, err := liveLog(c.Context, inbox, ref)
	if err != nil {
		return err
	}
	if log != ref.Log {
		fmt.Fprintf(s.Err, "ownlog: goes on in log %s, a fork of %s\n", log, ref.Log)
	}
	if prompt != "" {
		if _, err := inbox.Say(c.Context, log, schema.TextPart(prompt)); err != nil {
			return err
		}
	}
	out, err := s.advance(c, executor, inbox, log)
	if err != nil {
		return err
	}
	return errors.Join(s.showOutcome(c, ref.Store, log, out), turnError(out))
}

// showRequest prints the request that resume would send next.
func (s *session) showRequest(c *cli.Context, ref logRef, p provider.Provider) error {
	if ref.Size >= 0 {
		return usageError(errors.New("--dry-run: makes the request of a whole log; fork it first"))
	}
	params, err := modelParams(c)
	if err != nil {
		return err
	}
	req, err := replay.ProjectNow(c.Context, ref.Store, ref.Log, p, c.String("model"), params, c.Bool("uncompacted"))
	if err != nil {
		return err
	}
	for _, l := range req.Losses {
		fmt.Fprintf(s.Err, "lost: %s, %d times\n", l.Code, l.Count)
	}
	_, err = fmt.Fprintf(s.Out, "%s\n", req.Body)
	return err
}

// liveLog returns the log in which the session goes on.
func liveLog(ctx context.Context, inbox *replay.Inbox, ref logRef) (format.LogID, error) {
	if ref.Size >= 0 {
		return inbox.Fork(ctx, ref.Log, ref.Size, "resume")
	}
	log, _, err := inbox.Prepare(ctx, ref.Log, "resume")
	return log, err
}

// newExecutor makes the executor that the command line asks for.
func (s *session) newExecutor(c *cli.Context, ref logRef) (*replay.Executor, func() error, error) {
	asked, err := s.newProvider(c)
	if err != nil {
		return nil, nil, err
	}
	params, err := modelParams(c)
	if err != nil {
		return nil, nil, err
	}
	prices, err := schema.DefaultPrices()
	if err != nil {
		return nil, nil, err
	}
	x := &replay.Executor{
		Store: ref.Store, Provider: asked, Model: c.String("model"), Params: params, Tools: tool.Known(),
		Hints: replay.DirHints{Dir: ref.Store.Dir()},
		Price: replay.PriceBy(prices), CompactAbove: c.Int64("compact-above"), AcceptHoles: c.Bool("accept-holes"), Uncompacted: c.Bool("uncompacted"),
		Budget: schema.Budget{
			Steps: c.Int64("max-steps"), Tokens: c.Int64("max-tokens"),
			CostNUSD: int64(c.Float64("max-cost") * 1e9), TimeUS: (c.Duration("max-time") + time.Microsecond - 1).Microseconds(), // the shortest is a limit, too
		},
	}
	if name := c.String("policy"); name != "" {
		b, err := os.ReadFile(name)
		if err != nil {
			return nil, nil, err
		}
		if x.Policy, err = replay.ParseRules(b); err != nil {
			return nil, nil, usageError(fmt.Errorf("%s: %w", name, err))
		}
	}
	if name := c.String("definition"); name != "" {
		b, err := os.ReadFile(name)
		if err != nil {
			return nil, nil, err
		}
		if x.Definition, err = replay.ParseDefinition(b); err != nil {
			return nil, nil, usageError(fmt.Errorf("%s: %w", name, err))
		}
	}
	dir := c.String("workdir")
	if dir == "" {
		dir = "."
	}
	if x.Workspace, err = tool.OpenWorkspace(dir); err != nil {
		return nil, nil, err
	}
	if !c.Bool("json") {
		s.showLive(x, c.Bool("stream") || isTerminalEscaper(s.Out))
	}
	return x, x.Workspace.Close, nil
}

// prompt returns what is to be said, empty for nothing.
func (s *session) prompt(c *cli.Context) (string, error) {
	text := c.String("prompt")
	if text != "-" {
		return text, nil
	}
	b, err := io.ReadAll(io.LimitReader(s.In, maxPrompt+1))
	if err == nil && len(b) > maxPrompt {
		err = usageError(fmt.Errorf("the prompt has more than %d bytes", maxPrompt))
	}
	return string(b), err
}

// maxPrompt is the longest prompt taken from standard input, in bytes.
const maxPrompt = 8 << 20

// advance runs the session, asking the person about permissions in between, or
// waiting until somebody else has answered.
func (s *session) advance(c *cli.Context, x *replay.Executor, inbox *replay.Inbox, log format.LogID) (replay.Outcome, error) {
	var typed <-chan string
	if s.mayAsk(c) {
		typed = s.lines()
	}
	for {
		out, err := x.Run(c.Context, log)
		waits := out.Status == replay.StatusPermission || out.Status == replay.StatusDetached
		if err != nil || !waits {
			return out, err
		}
		if typed != nil && out.Status == replay.StatusPermission {
			if goOn, err := s.askAll(c.Context, typed, inbox, log, out.Standing); !goOn || err != nil {
				return out, err
			}
			continue
		}
		if !c.Bool("wait") {
			return out, nil
		}
		if err := s.showWaiting(c, log, out); err != nil {
			return out, err
		}
		grown, stop := watchGrowth(c.Context, x.Store, log, out.Standing.Size)
		select {
		case <-grown:
		case <-c.Context.Done():
		}
		stop()
		if c.Context.Err() != nil {
			return out, context.Cause(c.Context)
		}
	}
}

func (s *session) mayAsk(c *cli.Context) bool {
	f, ok := s.In.(*os.File)
	return ok && term.IsTerminal(int(f.Fd())) && !c.Bool("no-ask") && c.String("prompt") != "-"
}

// lines gives what is typed, line by line; it is closed at the end of input.
func (s *session) lines() <-chan string {
	typed := make(chan string)
	go func() {
		defer close(typed)
		in := bufio.NewReader(s.In)
		for {
			line, err := in.ReadString('\n')
			if err != nil {
				return
			}
			typed <- line
		}
	}()
	return typed
}

// watchGrowth returns a channel that is closed when the log has more than size
// entries. stop must be called.
func watchGrowth(ctx context.Context, store format.Store, log format.LogID, size int64) (grown <-chan struct{}, stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	signal, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		once := sync.OnceFunc(func() { close(signal) })
		_ = store.Watch(ctx, log, size, func() {
			if info, err := store.Info(ctx, log); err != nil || info.Size > size {
				once()
			}
		})
	}()
	return signal, func() {
		cancel()
		<-ended
	}
}

// askAll puts the open questions, one after the other, until all are answered,
// here or elsewhere. It reports false if the person leaves one open.
func (s *session) askAll(ctx context.Context, typed <-chan string, inbox *replay.Inbox, log format.LogID, at replay.Standing) (goOn bool, err error) {
	grown, stop := watchGrowth(ctx, inbox.Store, log, at.Size)
	defer func() { stop() }()
	for _, call := range at.Permissions {
		answer, ok, elsewhere := s.ask(ctx, typed, grown, call)
		switch {
		case elsewhere:
			fmt.Fprintf(s.Err, "\nownlog: the log has grown; looking again\n")
			return true, nil
		case !ok:
			return false, nil
		}
		_, err := inbox.Decide(ctx, log, answer)
		if errors.Is(err, replay.ErrNotOpen) {
			return true, nil // somebody else was quicker
		}
		if err != nil {
			return false, err
		}
		stop()
		info, err := inbox.Store.Info(ctx, log)
		if err != nil {
			return false, err
		}
		grown, stop = watchGrowth(ctx, inbox.Store, log, info.Size)
	}
	return true, nil
}

// ask puts one question; ok is false if the person leaves it open, elsewhere is
// true if the log grows before there is an answer.
func (s *session) ask(ctx context.Context, typed <-chan string, grown <-chan struct{}, call replay.OpenCall) (answer replay.Answer, ok, elsewhere bool) {
	args := string(call.Args)
	if args == "" {
		args = call.Text
	}
	for {
		fmt.Fprintf(s.Err, "allow %s %s? [y]es, [a]lways in this session, [n]o, [l]eave open: ", call.Tool, args)
		var line string
		var more bool
		select {
		case line, more = <-typed:
		case <-grown:
			return answer, false, true
		case <-ctx.Done():
		}
		if !more {
			return answer, false, false // the end of input leaves the question open
		}
		answer = replay.Answer{Call: call.Key, Decision: schema.DecisionAllow}
		switch strings.ToLower(strings.TrimSpace(line)) {
		case "y", "yes":
			return answer, true, false
		case "a", "always":
			answer.Scope = replay.ScopeSession
			return answer, true, false
		case "n", "no":
			answer.Decision = schema.DecisionDeny
			return answer, true, false
		case "l", "leave":
			return answer, false, false
		}
	}
}

// showLive shows entries as they are appended and, if asked for, responses as they
// stream in.
func (s *session) showLive(x *replay.Executor, stream bool) {
	live := newLiveText(s.Out)
	x.OnEvent = func(_ format.LogID, seq int64, ev *schema.Event) {
		line := timeline.Describe(ev)
		live.line(fmt.Sprintf("%6d  %-10s %s", seq, line.Who, oneLine(line.Text, 120)))
	}
	if stream {
		x.OnDelta = func(_ format.LogID, d provider.Delta) { live.delta(d) }
	}
}

// showOutcome says where the session stands.
func (s *session) showOutcome(c *cli.Context, store format.Store, log format.LogID, out replay.Outcome) error {
	head, err := store.Head(c.Context, log, -1)
	if err != nil {
		return err
	}
	if c.Bool("json") {
		return printJSON(s.Out, outcomeJSON(head, out))
	}
	if err := s.showWaiting(c, log, out); err != nil {
		return err
	}
	_, err = fmt.Fprintln(s.Out, head)
	return err
}

// turnError is the error that the last turn ended in, nil if in none.
func turnError(out replay.Outcome) error {
	f := out.Finished
	if f == nil || f.Reason != schema.TurnError {
		return nil
	}
	if f.Message.Inline == "" {
		return fmt.Errorf("the turn ended in an error of class %s", f.Class)
	}
	return fmt.Errorf("the turn ended in an error of class %s: %s", f.Class, f.Message.Inline)
}

// showWaiting says what the session waits for, and how to answer.
func (s *session) showWaiting(c *cli.Context, log format.LogID, out replay.Outcome) (err error) {
	if c.Bool("json") {
		return nil
	}
	switch out.Status {
	case replay.StatusPermission:
		for _, call := range out.Standing.Permissions {
			_, err = fmt.Fprintf(s.Out, "waits for permission: %s %s %s\n  ownlog allow %s %s\n", call.Key, call.Tool, call.Args, log, call.Key)
		}
	case replay.StatusDetached:
		for _, call := range out.Standing.Detached {
			_, err = fmt.Fprintf(s.Out, "waits for the result of %s\n  ownlog result %s %s\n", call.Key, log, call.Token)
		}
	case replay.StatusBackoff:
		_, err = fmt.Fprintf(s.Out, "waits until %s to ask the provider again\n", out.Wake.Format(time.RFC3339))
	}
	return err
}

// resumeOutcome is the JSON document for where a session stands.
type resumeOutcome struct {
	Schema      string        `json:"schema"`
	Log         string        `json:"log"`
	Head        string        `json:"head"`
	Status      replay.Status `json:"status"`
	Steps       int           `json:"steps"`
	Finished    string        `json:"finished,omitzero"` // why the last turn ended, if one did
	Wake        string        `json:"wake,omitzero"`
	Permissions []openCall    `json:"permissions,omitzero"`
	Detached    []openCall    `json:"detached,omitzero"`
}

type openCall struct {
	Call schema.CallKey `json:"call"`
	Tool string         `json:"tool"`
	Args string         `json:"args,omitzero"`
}

func outcomeJSON(head format.Head, out replay.Outcome) resumeOutcome {
	doc := resumeOutcome{
		Schema: "ownlog.resume/1", Log: head.Log.String(), Head: head.String(), Status: out.Status, Steps: out.Steps,
		Permissions: openCallsJSON(out.Standing.Permissions), Detached: openCallsJSON(out.Standing.Detached),
	}
	if out.Finished != nil {
		doc.Finished = string(out.Finished.Reason)
	}
	if !out.Wake.IsZero() {
		doc.Wake = out.Wake.UTC().Format(time.RFC3339Nano)
	}
	return doc
}

func openCallsJSON(calls []replay.OpenCall) []openCall {
	var list []openCall
	for _, call := range calls {
		list = append(list, openCall{call.Key, call.Tool, string(call.Args)})
	}
	return list
}
