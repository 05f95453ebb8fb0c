package replay

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/ownlog/ownlog/replay/provider"
	"github.com/ownlog/ownlog/schema"
)

// errInterrupted is the cause that ends what is under way when a person stops
// the turn.
var errInterrupted = errors.New("the user interrupted the turn")

// askModel asks the model for the next response, or for one that was asked for
// before and never came.
func (r *run) askModel(ctx context.Context) error {
	s := r.session
	if over, err := r.overBudget(ctx); over || err != nil {
		return err
	}
	s.mu.Lock()
	pending := s.progress.request
	tooLong := r.CompactAbove > 0 && !r.Uncompacted && s.progress.contextTokens > r.CompactAbove && s.progress.compactions < maxCompactions
	s.mu.Unlock()
	if tooLong {
		if err := r.compact(ctx, "auto"); err != nil && !errors.Is(err, errNothingToCompact) {
			return err
		}
	}
	if pending != nil && pending.failure != nil {
		if ready, err := r.afterFailure(ctx, pending); !ready || err != nil {
			return err
		}
	}
	req, def, err := r.project(ctx)
	if err != nil {
		return err
	}
	ev := r.requested(req, &def, pending)
	if err := s.propose(ctx, ev); err != nil {
		return err
	}
	return r.send(ctx, req, ev)
}

// project makes the request from the fold.
func (r *run) project(ctx context.Context) (*provider.Request, schema.Definition, error) {
	def, _, err := r.definition(ctx)
	if err != nil {
		return nil, def, err
	}
	s := r.session
	s.mu.Lock()
	messages, same, err := s.state.asSent(s.progress.sent, viewOptions(r.Uncompacted)...)
	s.mu.Unlock()
	if err != nil {
		return nil, def, fmt.Errorf("log %s: %w", r.log, err)
	}
	model := r.Model
	if model == "" && def.Model != nil {
		model = def.Model.ID
	}
	if r.projector == nil {
		r.projector = provider.NewProjector(r.Provider)
	}
	req, err := r.projector.Project(ctx, &provider.View{Definition: def, Messages: messages, Model: model, Blobs: r.Store}, same)
	if err != nil {
		return nil, def, fmt.Errorf("log %s: project for %s: %w", r.log, r.Provider.Describe().Provider, err)
	}
	return req, def, nil
}

func (r *run) requested(req *provider.Request, def *schema.Definition, pending *request) *schema.Event {
	s := r.session
	about := r.Provider.Describe()
	d := &schema.ModelRequested{
		Attempt: 1, Provider: about.Provider, API: about.API, Model: req.Model,
		RequestSHA256: req.SHA256(), Projection: about.Projection, Losses: req.Losses,
	}
	if r.Uncompacted {
		d.Projection += uncompactedRules
	}
	if def.Model != nil {
		d.Params = fitJSON(def.Model.Params)
	}
	s.mu.Lock()
	turn, step := s.progress.turn, s.progress.step+1
	s.mu.Unlock()
	if pending != nil {
		d.RequestID, d.Attempt, turn, step = pending.id, pending.attempt+1, pending.turn, pending.step
	} else {
		d.RequestID = s.ids.EntryID()
	}
	req.Attempt = d.Attempt
	ev := s.event(schema.ActorExecutor, d)
	ev.Turn, ev.Step = turn, step
	return ev
}

// send sends the request and appends what came of it.
func (r *run) send(ctx context.Context, req *provider.Request, asked *schema.Event) error {
	s := r.session
	d := asked.Data.(*schema.ModelRequested)
	under, done := r.watched(ctx)
	var stream provider.Stream
	if r.OnDelta != nil {
		stream = func(delta provider.Delta) { r.OnDelta(r.log, delta) }
	}
	resp, err := r.Provider.Send(under, req, stream)
	if err != nil {
		failure := provider.AsError(under, err)
		done()
		return r.failed(ctx, asked, failure)
	}
	done()
	about := r.Provider.Describe()
	out := schema.ModelOutput{
		RequestID: d.RequestID, ResponseID: resp.ID, Provider: about.Provider, API: about.API, Model: resp.Model,
		StopReason: resp.StopReason, Blocks: resp.Blocks, Usage: resp.Usage, CostNUSD: resp.CostNUSD,
		LatencyUS: schema.Int(resp.Latency.Microseconds()),
	}
	if resp.First > 0 {
		out.FirstUS = schema.Int(resp.First.Microseconds())
	}
	if out.Blocks == nil {
		out.Blocks = []schema.Block{}
	}
	keep := context.WithoutCancel(ctx)
	numberCalls(out.Blocks, asked.Turn, asked.Step)
	if err := fitBlocks(keep, r.Store, out.Blocks); err != nil {
		return err
	}
	pieces := outputPieces(out)
	evs := make([]*schema.Event, len(pieces))
	for i, piece := range pieces {
		evs[i] = s.event(schema.ActorModel, piece)
		evs[i].Turn, evs[i].Step = asked.Turn, asked.Step
	}
	r.outcome.Steps++
	return s.recordNext(keep, nil, evs...)
}

// numberCalls gives the calls of a response their places and keys, and makes
// their arguments fit to stand in an event.
func numberCalls(blocks []schema.Block, turn, step int64) {
	index := int64(0)
	for i := range blocks {
		b := &blocks[i]
		if b.Type != schema.BlockToolCall {
			continue
		}
		b.Index, b.CallKey = schema.Int(index), schema.NewCallKey(turn, step, index)
		index++
		if b.Kind == "" {
			b.Kind = schema.CallFunction
		}
		if b.Args == nil {
			continue
		}
		if args := fitJSON(b.Args); args != nil && args.Kind() == '{' {
			b.Args = args
		} else {
			if !b.ArgsRaw.Set {
				b.ArgsRaw = schema.String(string(b.Args))
			}
			b.Args = nil
		}
	}
}

// failed appends that a request failed, and when it may be sent again.
func (r *run) failed(ctx context.Context, asked *schema.Event, failure *provider.Error) error {
	s := r.session
	req := asked.Data.(*schema.ModelRequested)
	d := &schema.ModelFailed{
		RequestID: req.RequestID, Class: failure.Class, HTTPStatus: int64(failure.HTTPStatus), Attempt: req.Attempt,
	}
	if failure.Message != "" {
		d.Message = schema.String(failure.Message)
	}
	if failure.Retryable() {
		s.mu.Lock()
		failures := int64(1)
		if p := s.progress.request; p != nil {
			failures += p.failures
		}
		s.mu.Unlock()
		d.RetryAt = timestamp(s.clock.Now().Add(r.Retry.wait(failures, failure.RetryAfter)))
	}
	ev := s.event(schema.ActorExecutor, d)
	ev.Turn, ev.Step = asked.Turn, asked.Step
	return s.record(context.WithoutCancel(ctx), nil, ev)
}

// afterFailure decides what to do about a request that failed: wait for its time
// and send it again (ready), or end the turn.
func (r *run) afterFailure(ctx context.Context, pending *request) (ready bool, err error) {
	f := pending.failure
	if f.Class == schema.ErrorCancelled {
		return true, nil // the executor was stopped, the turn was not
	}
	if f.Class == schema.ErrorContextOverflow {
		s := r.session
		s.mu.Lock()
		compacted, done := s.progress.compactions, s.progress.compacted > pending.failedSeq
		s.mu.Unlock()
		if done {
			return true, nil
		}
		if compacted < maxCompactions && !r.Uncompacted {
			err := r.compact(ctx, "auto")
			if !errors.Is(err, errNothingToCompact) {
				return err == nil, err
			}
		}
	}
	if !provider.RetryableClass(f.Class) || pending.failures >= r.Retry.attempts() {
		return false, r.endTurn(ctx, &schema.TurnFinished{Reason: schema.TurnError, Class: f.Class, Message: f.Message})
	}
	at, err := schema.ParseTime(f.RetryAt)
	if err != nil {
		return true, nil
	}
	wait := at.Sub(r.session.clock.Now())
	if wait <= 0 {
		return true, nil
	}
	if r.Retry.Patience > 0 && wait > r.Retry.Patience {
		r.outcome.Status, r.outcome.Wake = StatusBackoff, at
		return false, nil
	}
	under, done := r.watched(ctx)
	defer done()
	if err := r.session.clock.Sleep(under, wait); err != nil {
		if ctx.Err() != nil {
			return false, context.Cause(ctx)
		}
		return false, r.session.refresh(ctx)
	}
	return true, nil
}

// overBudget ends the turn if it has used up what it may.
func (r *run) overBudget(ctx context.Context) (bool, error) {
	def, _, err := r.definition(ctx)
	if err != nil {
		return false, err
	}
	if def.Budget == nil && r.Budget == (schema.Budget{}) {
		return false, nil
	}
	s := r.session
	s.mu.Lock()
	p := s.progress
	tokens, cost := p.spentInTurn(r.Price)
	steps := p.step
	if p.request != nil {
		steps-- // asked and not answered: to ask again is no other step
	}
	began, timeErr := schema.ParseTime(p.turnTime)
	s.mu.Unlock()
	spent := time.Duration(0)
	if timeErr == nil {
		spent = s.clock.Now().Sub(began)
	}
	for _, b := range []*schema.Budget{&r.Budget, def.Budget} {
		if b == nil {
			continue
		}
		what := ""
		switch {
		case b.Tokens > 0 && tokens >= b.Tokens:
			what = fmt.Sprintf("%d of %d tokens", tokens, b.Tokens)
		case b.CostNUSD > 0 && cost >= b.CostNUSD:
			what = fmt.Sprintf("%d of %d nano-USD", cost, b.CostNUSD)
		case b.Steps > 0 && steps >= b.Steps:
			what = fmt.Sprintf("%d of %d steps", steps, b.Steps)
		case b.TimeUS > 0 && spent.Microseconds() >= b.TimeUS:
			what = fmt.Sprintf("%s of %s", spent.Round(time.Millisecond), time.Duration(b.TimeUS)*time.Microsecond)
		}
		if what != "" {
			return true, r.endTurn(ctx, &schema.TurnFinished{
				Reason: schema.TurnBudget, Message: schema.String("the turn has used " + what),
			})
		}
	}
	return false, nil
}

// watchAfter is how long something may take before the log is watched meanwhile.
// What is over sooner finds out by the append that follows it; watching costs a
// store as much as reading.
const watchAfter = 100 * time.Millisecond

// watched returns a context for something that takes time. It ends when the log
// says that a person interrupted the turn or that the lease is lost. done must
// be called, before the run watches over something else.
func (r *run) watched(ctx context.Context) (under context.Context, done func()) {
	w := &r.watch
	s := r.session
	s.mu.Lock()
	w.from, w.epoch = s.progress.size, s.epoch
	s.mu.Unlock()
	w.under, w.cancel = context.WithCancelCause(ctx)
	w.looking.Add(1)
	if w.timer == nil {
		w.run, w.done = r, w.end
		w.timer = time.AfterFunc(watchAfter, w.look)
	} else {
		w.timer.Reset(watchAfter)
	}
	return w.under, w.done
}

// watch watches over one thing after the other, with one timer.
type watch struct {
	run         *run
	timer       *time.Timer
	from, epoch int64
	under       context.Context
	cancel      context.CancelCauseFunc
	looking     sync.WaitGroup
	done        func() // end
}

// look watches the log until under ends.
func (w *watch) look() {
	defer w.looking.Done()
	r := w.run
	_ = r.Store.Watch(w.under, r.log, w.from, func() {
		if cause := stopSign(w.under, r.Store, r.log, w.from, w.epoch); cause != nil {
			w.cancel(cause)
		}
	})
}

func (w *watch) end() {
	w.cancel(nil)
	if w.timer.Stop() {
		w.looking.Done()
		return
	}
	w.looking.Wait()
}

// asSent puts what came in while a model was answering behind the answer: the
// model had not seen it, and its seals bind the history it saw.
func asSent(view []schema.Message, sent map[[2]int64]int64) []schema.Message {
	if !anyLate(view, sent) {
		return view
	}
	out := make([]schema.Message, 0, len(view))
	for i := 0; i < len(view); i++ {
		m := view[i]
		seq, ok := sent[[2]int64{m.Turn, m.Step}]
		if m.Role != schema.RoleModel || !ok {
			out = append(out, m)
			continue
		}
		keep := len(out)
		for keep > 0 && isLate(&out[keep-1], seq) {
			keep--
		}
		late := append([]schema.Message(nil), out[keep:]...)
		out = append(out[:keep], m)
		for i+1 < len(view) && view[i+1].Role == schema.RoleTool && view[i+1].Turn == m.Turn && view[i+1].Step == m.Step {
			i++
			out = append(out, view[i])
		}
		out = append(out, late...)
	}
	return out
}

// isLate reports whether a message came in after a request was sent.
func isLate(m *schema.Message, request int64) bool {
	return m.Seq > request && m.Role != schema.RoleModel && m.Role != schema.RoleTool
}

func anyLate(view []schema.Message, sent map[[2]int64]int64) bool {
	for i := 1; i < len(view); i++ {
		if m := &view[i]; m.Role == schema.RoleModel {
			if seq, ok := sent[[2]int64{m.Turn, m.Step}]; ok && isLate(&view[i-1], seq) {
				return true
			}
		}
	}
	return false
}
