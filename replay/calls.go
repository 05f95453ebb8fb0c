package replay

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/ownlog/ownlog/replay/provider"
	"github.com/ownlog/ownlog/replay/tool"
	"github.com/ownlog/ownlog/schema"
)

// maxAttempts is how often a call that may be repeated is dispatched. One that
// outlives so many executors is likely what ends them.
const maxAttempts = 5

// judgement is what becomes of an open call.
type judgement struct {
	call   *call
	what   callAction
	reason string
	status schema.Status // of an answer
	// decided is what the policy decided for the record, nil: nothing.
	decided *Verdict
}

type callAction int

const (
	callLeave  callAction = iota // it waits for somebody else
	callAsk                      // a person must say
	callStart                    // dispatch it
	callAnswer                   // answer it without dispatching it
)

// advanceCalls does what can be done about the open calls: asks for every
// permission that is needed at once, answers what must not run, runs the rest.
func (r *run) advanceCalls(ctx context.Context) error {
	s := r.session
	s.mu.Lock()
	open := append([]*call(nil), s.progress.open...)
	s.mu.Unlock()
	var asks, answers []*schema.Event
	var starts []judgement
	for _, c := range open {
		j, err := r.judge(ctx, c)
		if err != nil {
			return err
		}
		switch j.what {
		case callAsk:
			asks = append(asks, r.ask(c, j.reason))
		case callAnswer:
			answers = append(answers, r.decided(j)...)
			answers = append(answers, r.answer(c, j.status, j.reason))
		case callStart:
			starts = append(starts, j)
		}
	}
	if evs := append(asks, answers...); len(evs) > 0 {
		if err := s.propose(ctx, evs...); err != nil {
			return err
		}
	}
	for len(starts) > 0 {
		n := 1
		for n < len(starts) && r.effect(starts[0].call) == schema.EffectReadonly && r.effect(starts[n].call) == schema.EffectReadonly {
			n++
		}
		if err := r.start(ctx, starts[:n]); err != nil {
			return err
		}
		starts = starts[n:]
	}
	return nil
}

// judge decides about one open call.
func (r *run) judge(ctx context.Context, c *call) (judgement, error) {
	answer := func(status schema.Status, text string) (judgement, error) {
		return judgement{call: c, what: callAnswer, status: status, reason: text}, nil
	}
	effect := r.effect(c)
	repeatable := effect == schema.EffectReadonly || effect == schema.EffectIdempotent
	switch {
	case c.answered || c.waiting() || c.detached:
		return judgement{call: c}, nil
	case c.frozen:
		return answer(schema.StatusUnknown, unknownText)
	case c.native && c.attempt > 0, !c.native && c.decidedHere && c.attempt > 0:
		if (repeatable || effect == schema.EffectKeyed) && c.attempt < maxAttempts {
			return judgement{call: c, what: callStart}, nil
		}
		return answer(schema.StatusUnknown, unknownText)
	case c.decidedHere && c.decision == schema.DecisionDeny:
		return answer(schema.StatusDenied, deniedText(c.message.Inline))
	case !c.native && c.outcome != nil:
		return answer(c.outcome.Status, recoveredText(c.outcome))
	case !c.native && !c.decidedHere && !repeatable:
		return answer(schema.StatusUnknown, unknownText)
	}
	if _, ok := r.Tools.Lookup(c.name); !ok {
		return answer(schema.StatusError, fmt.Sprintf("There is no tool named %q here.", c.name))
	}
	if c.kind == schema.CallFunction && c.args == nil {
		return answer(schema.StatusError, "The arguments are not a JSON object; the call was not run.")
	}
	if c.decidedHere {
		return judgement{call: c, what: callStart}, nil
	}
	r.session.mu.Lock()
	granted := r.session.progress.granted[c.name]
	r.session.mu.Unlock()
	if granted {
		return judgement{call: c, what: callStart}, nil
	}
	v, err := r.verdict(ctx, c)
	if err != nil {
		return judgement{}, err
	}
	j := judgement{call: c, what: callAsk, reason: v.Reason}
	if v.decides() {
		j.decided = &v
	}
	switch v.Action {
	case Allow:
		j.what = callStart
	case Deny:
		j.what, j.status, j.reason = callAnswer, schema.StatusDenied, deniedText(v.Reason)
	}
	return j, nil
}

func (r *run) verdict(ctx context.Context, c *call) (Verdict, error) {
	policy := r.policy()
	if !decidesAtOnce(policy) {
		if err := r.session.flush(ctx); err != nil {
			return Verdict{}, err
		}
	}
	v, err := policy.Decide(ctx, PolicyCall{Key: c.key, Tool: c.name, Args: c.args, Effect: r.effect(c)})
	if err != nil {
		return v, fmt.Errorf("log %s, call %s: policy: %w", r.log, c.key, err)
	}
	return v, nil
}

// prompted returns the decisions of the policy about prompts that are open.
func (r *run) prompted(ctx context.Context) ([]*schema.Event, error) {
	s := r.session
	s.mu.Lock()
	open := append([]*call(nil), s.progress.open...)
	s.mu.Unlock()
	var evs []*schema.Event
	for _, c := range open {
		if !c.waiting() {
			continue
		}
		v, err := r.verdict(ctx, c)
		if err != nil {
			return nil, err
		}
		if v.decides() {
			evs = append(evs, r.decision(c, v))
		}
	}
	return evs, nil
}

// decided makes the prompt and the decision of a policy that decided for the
// record.
func (r *run) decided(j judgement) []*schema.Event {
	if j.decided == nil {
		return nil
	}
	return []*schema.Event{r.ask(j.call, ""), r.decision(j.call, *j.decided)}
}

func (r *run) decision(c *call, v Verdict) *schema.Event {
	d := &schema.PermissionDecided{CallKey: c.key, Decision: schema.DecisionAllow, By: v.By, Scope: ScopeOnce}
	if v.Action == Deny {
		d.Decision = schema.DecisionDeny
	}
	if v.Reason != "" {
		d.Message = schema.String(v.Reason)
	}
	ev := r.session.event(schema.ActorExecutor, d)
	ev.Turn, ev.Step = c.turn, c.step
	return ev
}

// effect is the class that was recorded when the call was started, else the
// tool's.
func (r *run) effect(c *call) schema.Effect {
	if c.effect != "" {
		return c.effect
	}
	return r.Tools.Effect(c.name)
}

func (r *run) ask(c *call, reason string) *schema.Event {
	ev := r.session.event(schema.ActorExecutor, &schema.PermissionRequested{
		CallKey: c.key, Tool: c.name, Args: c.args, Reason: reason,
		Options: []schema.Decision{schema.DecisionAllow, schema.DecisionDeny, schema.DecisionModify},
	})
	ev.Turn, ev.Step = c.turn, c.step
	return ev
}

// answer makes the result of a call that is not, or no longer, run.
func (r *run) answer(c *call, status schema.Status, text string) *schema.Event {
	ev := r.session.event(schema.ActorExecutor, &schema.ToolResult{
		CallKey: c.key, VendorID: c.vendorID, Attempt: c.attempt, Token: c.token, Status: status,
		Content: []schema.Part{schema.TextPart(text)},
	})
	ev.Turn, ev.Step = c.turn, c.step
	return ev
}

// start makes calls durable as started, then dispatches them, several at once
// only if none changes anything.
func (r *run) start(ctx context.Context, judged []judgement) error {
	s := r.session
	calls, evs := make([]*call, len(judged)), make([]*schema.Event, len(judged))
	var decided []*schema.Event
	for i, j := range judged {
		c := j.call
		calls[i] = c
		decided = append(decided, r.decided(j)...)
		d := &schema.ToolStarted{CallKey: c.key, Attempt: c.attempt + 1, Token: s.ids.EntryID(), Effect: r.effect(c)}
		if !c.native && c.attempt == 0 {
			d.Attempt = 2 // the first was the source's
		}
		if d.Effect == schema.EffectKeyed {
			d.IdempotencyKey = c.key1
			if d.IdempotencyKey == "" {
				d.IdempotencyKey = s.ids.EntryID()
			}
		}
		evs[i] = s.event(schema.ActorExecutor, d)
		evs[i].Turn, evs[i].Step = c.turn, c.step
	}
	if err := s.propose(ctx, append(decided, evs...)...); err != nil {
		return err
	}
	// The epoch once more, as late as can be: another executor may have taken
	// over, and a person may have said stop.
	if err := s.holds(ctx); err != nil {
		return err
	}
	s.mu.Lock()
	stop := s.progress.interrupted
	s.mu.Unlock()
	if stop {
		var cancelled []*schema.Event
		for _, c := range calls {
			cancelled = append(cancelled, r.answer(c, schema.StatusCancelled, notRunText))
		}
		return s.record(ctx, nil, cancelled...)
	}
	under, done := r.watched(ctx)
	defer done()
	errs := make([]error, len(calls))
	group := &group{left: len(calls)}
	var wg sync.WaitGroup
	for i, c := range calls {
		dispatch := func() { errs[i] = r.dispatch(ctx, under, group, c, evs[i].Data.(*schema.ToolStarted)) }
		if i < len(calls)-1 {
			wg.Go(dispatch)
		} else {
			dispatch()
		}
	}
	wg.Wait()
	return errors.Join(errs...)
}

// group is calls that run side by side.
type group struct {
	mu   sync.Mutex
	left int
}

// last counts a call that has ended; it reports whether it is the last.
func (g *group) last() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.left--
	return g.left == 0
}

// dispatch runs one call and records its result. That of the last of a group goes
// in with what is next; the others do not wait for it.
func (r *run) dispatch(ctx, under context.Context, g *group, c *call, started *schema.ToolStarted) error {
	s := r.session
	t, ok := r.Tools.Lookup(c.name)
	if !ok {
		return s.record(ctx, nil, r.answer(c, schema.StatusError, fmt.Sprintf("There is no tool named %q here.", c.name)))
	}
	began := s.clock.Now()
	res, err := t.Run(under, tool.Call{
		Key: c.key, Name: c.name, Args: c.args, Text: c.argsRaw.Inline, Attempt: started.Attempt,
		IdempotencyKey: started.IdempotencyKey, Token: started.Token, Workspace: r.Workspace, Limits: r.Limits,
	})
	took := s.clock.Now().Sub(began)
	keep := context.WithoutCancel(ctx)
	unanswered := func() bool {
		now := s.progress.calls[c.key]
		return now == nil || !now.answered
	}
	switch {
	case err == nil && res.Detached:
		return s.record(keep, unanswered, r.detached(c, started))
	case under.Err() != nil:
		if errors.Is(context.Cause(under), ErrFenced) {
			return ErrFenced
		}
		if ctx.Err() != nil && started.Effect != schema.EffectEffectful {
			return nil // the executor is being stopped; the next one runs it again
		}
		if err != nil || res.Status == "" || res.Status == schema.StatusCancelled {
			res = tool.Result{Status: schema.StatusCancelled, Content: append(res.Content, schema.TextPart(stoppedText))}
		}
	case err != nil:
		res = tool.Result{Status: schema.StatusUnknown, Content: []schema.Part{schema.TextPart(unknownText + " (" + err.Error() + ")")}}
	}
	evs, err := r.results(keep, c, started, &res, took)
	if err != nil {
		return err
	}
	if g.last() {
		return s.recordNext(keep, unanswered, evs...)
	}
	return s.record(keep, unanswered, evs...)
}

// results makes the events that say what came of a call.
func (r *run) results(ctx context.Context, c *call, started *schema.ToolStarted, res *tool.Result, took time.Duration) ([]*schema.Event, error) {
	s := r.session
	d := &schema.ToolResult{
		CallKey: c.key, VendorID: c.vendorID, Attempt: started.Attempt, Token: started.Token, Status: res.Status,
		Content: res.Content, ExitCode: res.ExitCode, DurationUS: schema.Int(took.Microseconds()), Structured: fitJSON(res.Structured),
	}
	if d.Status == "" {
		d.Status = schema.StatusOK
	}
	if d.Content == nil {
		d.Content = []schema.Part{}
	}
	for _, img := range res.Images {
		digest, size, err := r.Store.PutBlob(ctx, bytes.NewReader(img.Bytes))
		if err != nil {
			return nil, err
		}
		d.Content = append(d.Content, schema.Part{
			Type: schema.PartImage, Blob: &schema.Blob{Digest: provider.Digest(digest), Size: size, Media: img.Media},
		})
	}
	ev := s.event(schema.ActorTool, d)
	ev.Turn, ev.Step = c.turn, c.step
	evs := []*schema.Event{ev}
	for i := range res.Files {
		f := res.Files[i]
		f.CallKey = c.key
		fev := s.event(schema.ActorTool, &f)
		fev.Turn, fev.Step = c.turn, c.step
		evs = append(evs, fev)
	}
	return evs, nil
}

// detached says that the call goes on elsewhere.
func (r *run) detached(c *call, started *schema.ToolStarted) *schema.Event {
	d := *started
	d.Detached = true
	ev := r.session.event(schema.ActorExecutor, &d)
	ev.Turn, ev.Step = c.turn, c.step
	return ev
}

// What the model is told about calls that have no result of their own. The texts
// are part of the log, so changing them changes no session that has them.
const (
	unknownText = "The outcome of this call is not known: the process that ran it ended before it was recorded. " +
		"It may have taken effect, wholly or in part. Check the state of things before you repeat it."
	notRunText  = "This call was not run: the user interrupted the turn."
	stoppedText = "This call was stopped before it ended. It may have taken effect in part."
)

func cancelledText(c *call) string {
	if c.attempt > 0 || !c.native {
		return stoppedText
	}
	return notRunText
}

func deniedText(reason string) string {
	if reason == "" {
		return "Permission for this call was denied; it was not run."
	}
	return "Permission for this call was denied; it was not run. Reason: " + reason
}

func recoveredText(outcome *schema.ToolResult) string {
	text := "The output of this call was lost; recovered is that it ended with status " + string(outcome.Status)
	if outcome.ExitCode != nil {
		text += fmt.Sprintf(" and exit code %d", *outcome.ExitCode)
	}
	return text + "."
}
