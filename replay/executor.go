package replay

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/ownlog/ownlog/format"
	"github.com/ownlog/ownlog/replay/provider"
	"github.com/ownlog/ownlog/replay/tool"
	"github.com/ownlog/ownlog/schema"
)

// Executor advances sessions. Its fields are set once, before the first use;
// then it is safe for concurrent use, for one session or many.
type Executor struct {
	Store    format.Store
	Provider provider.Provider
	// Model is the id of the model to ask. Empty: the definition's, which must
	// then be this provider's.
	Model string
	// Params, a JSON object without whitespace outside strings, are sent with
	// every request in place of the definition's, and stand in the log from then
	// on. Nil: the definition's, if they are for this provider.
	Params jsontext.Value
	// Definition is for sessions whose log has none, and lends its tools to
	// those whose definition has no tools. Nil: [DefaultDefinition] in the
	// vocabulary of the vendor that the session comes from.
	Definition *schema.Definition
	// Tools do the work. Nil: every call is answered with an error.
	Tools *tool.Set
	// Policy judges calls. Nil: [DefaultPolicy].
	Policy    Policy
	Workspace *tool.Workspace // where tools work; may be nil
	Limits    tool.Limits     // of each call
	// Budget bounds each turn besides the definition's own budget.
	Budget schema.Budget
	// Price says what responses cost, for budgets, where the provider does not.
	// Nil: such responses count as free.
	Price Pricer
	Retry Retry
	// Hints keeps others from trying while the lease holds. Nil: they go by the
	// lease's entry alone, so a turn longer than TTL may be taken over.
	Hints  Hints
	Holder string        // who this is; empty: host and process id
	TTL    time.Duration // of the lease; 0: DefaultTTL
	Clock  Clock         // nil: the machine's
	IDs    IDs           // nil: random
	// OnEvent is shown every entry that comes into the log during a run, this
	// executor's and others'. OnDelta is shown what streams in. May be nil.
	OnEvent func(log format.LogID, seq int64, ev *schema.Event)
	OnDelta func(log format.LogID, d provider.Delta)
	// Summarize makes the summary when the conversation no longer fits the
	// model. Nil: [Extract].
	Summarize Summarizer
	// CompactAbove compacts before a request once the last response has read
	// and written so many tokens. 0: only when the provider says that the
	// request is too long.
	CompactAbove int64
	// Uncompacted asks with the history as if it had never been compacted. What
	// is logged of a request says so.
	Uncompacted bool
	// AcceptHoles goes on although entries are redacted. Calls before a hole
	// are answered as unknown, never run.
	AcceptHoles bool

	shared *sharedDefinitions // of a worker's sessions; may be nil
}

// Retry says how failed requests are repeated. Zero values stand for the
// defaults.
type Retry struct {
	// Attempts is how often a request is sent in all; default 6.
	Attempts int64
	// Base is the wait after the first failure, doubled with each; default 1 s.
	// A provider's Retry-After wins when it is longer.
	Base time.Duration
	// Max is the longest wait of our own making; default 1 min.
	Max time.Duration
	// Patience is the longest wait that Run sits out; for a longer one it
	// returns StatusBackoff. Default: any.
	Patience time.Duration
}

func (r Retry) attempts() int64 {
	if r.Attempts > 0 {
		return r.Attempts
	}
	return 6
}

// wait returns how long to wait after the n-th failure in a row, from 1.
func (r Retry) wait(n int64, after time.Duration) time.Duration {
	base, most := r.Base, r.Max
	if base <= 0 {
		base = time.Second
	}
	if most <= 0 {
		most = time.Minute
	}
	d := base
	for i := int64(1); i < n && d < most; i++ {
		d *= 2
	}
	return max(min(d, most), after)
}

// Status is why a run ended.
type Status string

// The statuses.
const (
	StatusIdle       Status = "idle"       // the turn is over; waits for input
	StatusPermission Status = "permission" // waits for decisions, and perhaps for results from elsewhere
	StatusDetached   Status = "detached"   // waits for results from elsewhere
	StatusBackoff    Status = "backoff"    // waits until Wake to ask the provider again
)

// Outcome is where a run has left a session.
type Outcome struct {
	Status   Status
	Standing Standing
	// Wake is when to run again, with StatusBackoff.
	Wake time.Time
	// Finished is how the last turn ended, if this run ended one.
	Finished *schema.TurnFinished
	// Steps counts the responses this run got.
	Steps int
}

// Run advances a session until it waits for somebody. It takes the lease if
// there is something to do, and gives it back. When ctx ends, tools and
// requests under way are stopped, what became of them is appended, the lease is
// given back, and the cause of ctx returned.
//
// Errors to branch on: [ErrMirror], [ErrHeld], [ErrFenced], [ErrRedacted],
// [ErrUnsupported], and the store's.
func (x *Executor) Run(ctx context.Context, log format.LogID) (Outcome, error) {
	return x.runUntil(ctx, ctx, log)
}

// runUntil is Run with a second, softer end: when soft ends, the step under way
// is finished and no other begun.
func (x *Executor) runUntil(ctx, soft context.Context, log format.LogID) (Outcome, error) {
	if log.Derived() {
		return Outcome{}, fmt.Errorf("log %s: %w", log, ErrMirror)
	}
	if x.Provider == nil || x.Store == nil {
		return Outcome{}, errors.New("executor: no provider or no store")
	}
	r := &run{Executor: x, log: log, soft: soft, defined: definitions{store: x.Store, shared: x.shared}}
	s, err := openSession(ctx, x.Store, log, x.clock(), x.ids())
	if err != nil {
		return Outcome{}, err
	}
	r.session = s
	if out, done, err := r.rest(ctx); done || err != nil {
		return out, err
	}
	l, err := acquire(ctx, s, x.Hints, x.holder(), x.ttl())
	if err != nil {
		return Outcome{}, err
	}
	r.lease = l
	if x.OnEvent != nil {
		s.watchedBy(func(seq int64, ev *schema.Event) { x.OnEvent(log, seq, ev) })
	}
	out, err := r.loop(ctx)
	if errors.Is(err, ErrFenced) {
		l.abandon()
		return out, err
	}
	// The lease is given back even when ctx is over.
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	if endErr := l.end(last); err == nil {
		err = endErr
	}
	out.Standing = s.standing()
	return out, err
}

func (x *Executor) clock() Clock {
	if x.Clock != nil {
		return x.Clock
	}
	return SystemClock{}
}

func (x *Executor) ids() IDs {
	if x.IDs != nil {
		return x.IDs
	}
	return RandomIDs{}
}

func (x *Executor) ttl() time.Duration {
	if x.TTL > 0 {
		return x.TTL
	}
	return DefaultTTL
}

func (x *Executor) holder() string {
	if x.Holder != "" {
		return x.Holder
	}
	host, err := os.Hostname()
	if err != nil {
		host = "unknown"
	}
	return fmt.Sprintf("%s/%d", host, os.Getpid())
}

func (x *Executor) policy() Policy {
	if x.Policy != nil {
		return x.Policy
	}
	return DefaultPolicy{}
}

// run is one run of one session.
type run struct {
	*Executor
	log     format.LogID
	soft    context.Context // ends between steps
	session *session
	lease   *lease
	outcome Outcome
	watch   watch

	defined   definitions
	projector provider.Projector // nil before the first request
}

// action is what the fold says is to be done next.
type action int

const (
	actRest   action = iota // nothing
	actCancel               // stop the turn: a person said so
	actCalls                // decide, run or answer tool calls
	actWait                 // for decisions or for results from elsewhere
	actModel                // ask the model
	actFinish               // end the turn
)

// next reads the table of crash points: what the last durable entries ask for.
func (p *progress) next() action {
	switch {
	case !p.running:
		return actRest
	case p.interrupted:
		return actCancel
	case p.actionable():
		return actCalls
	case len(p.open) > 0:
		return actWait
	case p.request != nil || p.wantsAnswer() || provider.StopOf(p.stop) == provider.StopPause:
		return actModel
	}
	return actFinish
}

// actionable reports whether an open call waits for the executor rather than
// for somebody else.
func (p *progress) actionable() bool {
	for _, c := range p.open {
		if !c.waiting() && !c.detached {
			return true
		}
	}
	return false
}

// check refuses logs that must not be gone on with.
func (r *run) check(p *progress) error {
	if p.unknown != "" {
		return fmt.Errorf("log %s: %w: %s", r.log, ErrUnsupported, p.unknown)
	}
	if p.hole >= 0 && !r.AcceptHoles {
		return fmt.Errorf("log %s, entry %d: %w", r.log, p.hole, ErrRedacted)
	}
	return nil
}

// rest says whether there is nothing to do for an executor, and why.
func (r *run) rest(ctx context.Context) (Outcome, bool, error) {
	s := r.session
	s.mu.Lock()
	next, err := s.progress.next(), r.check(s.progress)
	s.mu.Unlock()
	out := r.outcome
	out.Standing = s.standing()
	if err != nil {
		return out, false, err
	}
	if isRun(s.state) {
		next = actRest
	}
	switch next {
	case actRest:
		out.Status = StatusIdle
	case actWait:
		if evs, err := r.prompted(ctx); len(evs) > 0 || err != nil {
			return out, false, err
		}
		out.Status = StatusDetached
		if len(out.Standing.Permissions) > 0 {
			out.Status = StatusPermission
		}
	default:
		return out, false, nil
	}
	return out, true, nil
}

// loop does step after step. errChanged from a step means that the log has
// grown: look again.
func (r *run) loop(ctx context.Context) (Outcome, error) {
	if err := r.define(ctx); err != nil {
		return r.outcome, err
	}
	for {
		if ctx.Err() != nil {
			return r.outcome, context.Cause(ctx)
		}
		if r.soft.Err() != nil {
			return r.outcome, context.Cause(r.soft)
		}
		out, done, err := r.rest(ctx)
		if done || err != nil {
			return out, err
		}
		r.session.mu.Lock()
		next := r.session.progress.next()
		r.session.mu.Unlock()
		switch next {
		case actCancel:
			err = r.cancelTurn(ctx)
		case actCalls:
			err = r.advanceCalls(ctx)
		case actWait:
			err = r.answerPrompts(ctx)
		case actModel:
			err = r.askModel(ctx)
		case actFinish:
			err = r.finishTurn(ctx)
		}
		if r.outcome.Status == StatusBackoff {
			return r.outcome, err
		}
		if err != nil && !errors.Is(err, errChanged) {
			return r.outcome, err
		}
	}
}

// define sees to it that the log names the definition the session runs under.
func (r *run) define(ctx context.Context) error {
	s := r.session
	def, known, err := r.definition(ctx)
	if err != nil {
		return err
	}
	model, err := r.model(&def, known)
	if err != nil {
		return err
	}
	for {
		var ev *schema.Event
		if !known {
			d := r.fallback()
			d.Model = model
			blob, err := writeDefinition(ctx, r.Store, &d)
			if err != nil {
				return err
			}
			ev = s.event(schema.ActorExecutor, &schema.SessionDefined{Definition: blob})
		} else {
			u := new(schema.SessionUpdated)
			if m := def.Model; m == nil || m.Provider != model.Provider || m.API != model.API || m.ID != model.ID || !bytes.Equal(m.Params, model.Params) {
				u.Model = model
			}
			if len(def.Tools) == 0 {
				u.ToolsAdded = r.fallback().Tools
			}
			if u.Model == nil && len(u.ToolsAdded) == 0 {
				return nil
			}
			ev = s.event(schema.ActorExecutor, u)
		}
		err := s.record(ctx, nil, ev)
		if !errors.Is(err, errChanged) {
			return err
		}
	}
}

// fallback is the definition for a session whose log has none.
func (r *run) fallback() schema.Definition {
	if r.Definition != nil {
		return *r.Definition
	}
	s := r.session
	s.mu.Lock()
	defer s.mu.Unlock()
	return DefaultDefinition(s.state.state.Info().Vendor)
}

// model says which model is asked, and how.
func (r *run) model(def *schema.Definition, known bool) (*schema.Model, error) {
	about := r.Provider.Describe()
	m := &schema.Model{Provider: about.Provider, API: about.API, ID: r.Model}
	have := def.Model
	if !known && r.Definition != nil {
		have = r.Definition.Model
	}
	if have != nil && (have.Provider == "" || have.Provider == about.Provider) {
		m.Params, m.Effort = have.Params, have.Effort
		if m.ID == "" {
			m.ID = have.ID
		}
	}
	if r.Params != nil {
		m.Params = r.Params
	}
	if m.ID == "" {
		return nil, fmt.Errorf("log %s: no model is named for provider %s: say which", r.log, about.Provider)
	}
	return m, nil
}

// definition returns the definition in force; known is false if the log has none.
func (r *run) definition(ctx context.Context) (def schema.Definition, known bool, err error) {
	r.session.mu.Lock()
	defer r.session.mu.Unlock()
	return r.defined.current(ctx, r.session.state)
}

// answerPrompts appends what the policy decides about open prompts.
func (r *run) answerPrompts(ctx context.Context) error {
	evs, err := r.prompted(ctx)
	if err != nil || len(evs) == 0 {
		return err
	}
	return r.session.propose(ctx, evs...)
}

// cancelTurn answers what is open and ends the turn.
func (r *run) cancelTurn(ctx context.Context) error {
	s := r.session
	s.mu.Lock()
	var evs []*schema.Event
	for _, c := range s.progress.open {
		evs = append(evs, r.answer(c, schema.StatusCancelled, cancelledText(c)))
	}
	s.mu.Unlock()
	evs = append(evs, r.finish(&schema.TurnFinished{Reason: schema.TurnInterrupted}))
	return s.propose(ctx, evs...)
}

// finishTurn ends a turn in which nothing is left to do.
func (r *run) finishTurn(ctx context.Context) error {
	reason := schema.TurnEnd
	switch provider.StopOf(r.session.progress.stop) {
	case provider.StopMaxTokens:
		reason = schema.TurnMaxTokens
	case provider.StopRefusal:
		reason = schema.TurnRefusal
	}
	return r.endTurn(ctx, &schema.TurnFinished{Reason: reason})
}

// endTurn appends the end of the turn and of the lease at once.
func (r *run) endTurn(ctx context.Context, d *schema.TurnFinished) error {
	return r.session.propose(ctx, r.finish(d), r.lease.released())
}

func (r *run) finish(d *schema.TurnFinished) *schema.Event {
	s := r.session
	if began, err := schema.ParseTime(s.progress.turnTime); err == nil {
		d.DurationUS = schema.Int(max(0, s.clock.Now().Sub(began).Microseconds()))
	}
	ev := s.event(schema.ActorExecutor, d)
	ev.Turn = s.progress.turn
	r.outcome.Finished = d
	return ev
}
