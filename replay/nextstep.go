package replay

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/ownlog/ownlog/format"
	"github.com/ownlog/ownlog/replay/provider"
	"github.com/ownlog/ownlog/schema"
)

// NextStep asks a model again for every response that a session recorded, each
// time on the recorded history before it. Steps do not depend on one another, so
// they are asked for side by side; no tool runs.
//
// What comes back is a log of its own, the run: its responses bear the turn and
// step of the recorded ones. A run that was stopped goes on where it was.
type NextStep struct {
	Store format.Store
	Log   format.LogID
	Size  int64 // of the history that counts; < 0: all
	// Run is the log of an earlier run to go on with; the zero id: a new one.
	Run      format.LogID
	Provider provider.Provider
	Model    string
	Params   jsontext.Value // see [Executor]
	// Definition is for sessions that have none. Nil: [DefaultDefinition] in
	// the vocabulary of the session's vendor.
	Definition *schema.Definition
	Parallel   int   // requests at once; default 4
	MaxCost    int64 // stop when the answers have cost that, in 10^-9 USD; 0: no limit
	// Price says what an answer costs when the provider does not; may be nil.
	Price Pricer
	// DryRun makes the requests and sends none.
	DryRun bool
	// OnStep is told of every step, in no order, from one goroutine at a time.
	OnStep func(StepComparison)
	Clock  Clock // nil: the machine's
	IDs    IDs   // nil: random
}

// linkNextStep is how a run's log is linked with the session it compares.
const linkNextStep = "next-step"

// isRun reports whether a log is the run of a comparison: its calls are compared,
// never run.
func isRun(c *conversation) bool {
	link := c.state.Info().Link
	return link != nil && link.Kind == linkNextStep
}

// SessionOfRun returns the session whose steps a run asks for again.
func SessionOfRun(ctx context.Context, store format.Store, run format.LogID) (format.LogID, error) {
	s, err := openSession(ctx, store, run, SystemClock{}, RandomIDs{})
	if err != nil {
		return format.LogID{}, err
	}
	if !isRun(s.state) {
		return format.LogID{}, fmt.Errorf("log %s is no run of another", run)
	}
	return format.ParseLogID(s.state.state.Info().Link.Session)
}

// ErrOverCost: the run has cost what it may. Go on with a higher limit.
var ErrOverCost = errors.New("the run has cost what it may")

// Comparison is a run compared with the record.
type Comparison struct {
	Run   format.LogID // the zero id of a dry run, and if there is no step
	Steps []StepComparison
	// Of the steps that were answered:
	Answered  int
	CallF1    float64 // mean of the steps' F1
	Arguments float64 // share of the calls in both whose arguments are equal; 1 if there are none
	Stops     float64 // share of the steps in which both call tools, or neither does
	// FirstDivergence is the index of the first step that differs in its
	// calls, -1: none.
	FirstDivergence int
	Usage           schema.Usage
	CostNUSD        int64
	LatencyUS       int64 // sum
}

// StepComparison is one step of a run.
type StepComparison struct {
	Turn     int64
	Step     int64
	Seq      int64  // of the recorded response
	Request  []byte // of a dry run: the body
	Losses   []schema.Loss
	Failure  *schema.ModelFailed // it was asked for and failed
	Answered bool
	Recorded []Call // what was called then
	Now      []Call // what is called now
	// Agreement.
	CallF1     float64 // of the multisets of tool names
	SharedArgs int     // calls in both, the k-th of a name with the k-th, with equal arguments
	Shared     int     // calls in both
	SameStop   bool
	Usage      *schema.Usage
	CostNUSD   int64
	LatencyUS  int64
}

// Call is a tool call as it is compared.
type Call struct {
	Tool string
	Args string // canonical JSON, or the text as it is
}

// Compare runs what is missing of the run and compares it with the record.
func (n *NextStep) Compare(ctx context.Context) (*Comparison, error) {
	clock, ids := n.Clock, n.IDs
	if clock == nil {
		clock = SystemClock{}
	}
	if ids == nil {
		ids = RandomIDs{}
	}
	c := &comparer{NextStep: n, clock: clock, ids: ids}
	if err := c.load(ctx); err != nil {
		return nil, err
	}
	steps, err := c.recorded(ctx)
	if err != nil {
		return nil, err
	}
	if n.DryRun || len(steps) == 0 {
		return &Comparison{Steps: steps, FirstDivergence: -1}, nil
	}
	if err := c.openRun(ctx); err != nil {
		return nil, err
	}
	err = c.ask(ctx, steps)
	return c.summary(steps), err
}

// comparer is one run of a NextStep.
type comparer struct {
	*NextStep
	clock Clock
	ids   IDs

	view       []schema.Message
	definition schema.Definition
	requests   []*provider.Request // by step

	mu   sync.Mutex
	run  *session
	cost int64
	// answers are those of the run so far, by turn and step.
	answers map[[2]int64]*schema.ModelOutput
}

// load folds the recorded session.
func (c *comparer) load(ctx context.Context) error {
	s := &session{store: c.Store, log: c.Log, clock: c.clock, ids: c.ids, progress: newProgress(), state: newConversation()}
	err := eachEvent(ctx, c.Store, c.Log, c.Size, func(seq int64, ev *schema.Event) error {
		if ev == nil {
			s.progress.skip(seq)
			s.state.skip(seq)
			return nil
		}
		s.fold(seq, ev)
		return nil
	})
	if err != nil {
		return err
	}
	view, err := s.state.view(schema.Uncompacted())
	if err != nil {
		return err
	}
	c.view = asSent(view, s.progress.sent)
	d := &definitions{store: c.Store}
	def, known, err := d.current(ctx, s.state)
	if err != nil {
		return err
	}
	fallback := c.Definition
	if fallback == nil {
		f := DefaultDefinition(s.state.state.Info().Vendor)
		fallback = &f
	}
	if !known {
		def = *fallback
	}
	if len(def.Tools) == 0 {
		def.Tools = fallback.Tools
	}
	if m := def.Model; m != nil && m.Provider != c.Provider.Describe().Provider {
		def.Model = nil // its parameters are another provider's
	}
	if c.Params != nil {
		def.Model = &schema.Model{Params: c.Params}
	}
	c.definition = def
	return nil
}

// recorded makes the request of every recorded response that answers something.
func (c *comparer) recorded(ctx context.Context) ([]StepComparison, error) {
	var steps []StepComparison
	for i := range c.view {
		m := &c.view[i]
		if m.Role != schema.RoleModel || m.Synthetic || m.Aborted || i == 0 || c.view[i-1].Role == schema.RoleModel {
			continue
		}
		req, err := c.Provider.Project(ctx, &provider.View{Definition: c.definition, Messages: c.view[:i], Model: c.Model, Blobs: c.Store})
		if err != nil {
			return nil, fmt.Errorf("log %s, entry %d: project: %w", c.Log, m.Seq, err)
		}
		step := StepComparison{Turn: m.Turn, Step: m.Step, Seq: m.Seq, Losses: req.Losses, Recorded: callsOf(m.Blocks)}
		if c.DryRun {
			step.Request = req.Body
		}
		steps = append(steps, step)
		c.requests = append(c.requests, req)
	}
	return steps, nil
}

// openRun begins the run's log, or reads what is there of it.
func (c *comparer) openRun(ctx context.Context) error {
	c.answers = make(map[[2]int64]*schema.ModelOutput)
	in := &Inbox{Store: c.Store, Clock: c.clock, IDs: c.ids}
	if c.Run.IsZero() {
		about := c.Provider.Describe()
		run, err := in.Create(ctx, schema.SessionOpened{
			Title: fmt.Sprintf("next step of %s by %s %s", c.Log, about.Provider, c.Model),
			Link:  &schema.SessionLink{Session: c.Log.String(), Kind: linkNextStep},
			Model: &schema.Model{Provider: about.Provider, API: about.API, ID: c.Model},
		})
		if err != nil {
			return err
		}
		c.Run = run
	}
	var err error
	if c.run, err = in.open(ctx, c.Run); err != nil {
		return err
	}
	if info := c.run.state.state.Info(); info.Link == nil || info.Link.Session != c.Log.String() {
		return fmt.Errorf("log %s is no run of log %s", c.Run, c.Log)
	}
	return eachEvent(ctx, c.Store, c.Run, -1, func(_ int64, ev *schema.Event) error {
		if ev == nil {
			return nil
		}
		if out, ok := ev.Data.(*schema.ModelOutput); ok {
			at := [2]int64{ev.Turn, ev.Step}
			if have := c.answers[at]; have != nil {
				have.Blocks = append(have.Blocks, out.Blocks...)
			} else {
				c.answers[at] = out
				c.cost += c.costOf(out)
			}
		}
		return nil
	})
}

func (c *comparer) costOf(out *schema.ModelOutput) int64 {
	return c.Price.cost(out.Provider, out.Model, out.Usage, out.CostNUSD)
}

// ask asks for the steps that the run has no answer to, several at once.
func (c *comparer) ask(ctx context.Context, steps []StepComparison) error {
	parallel := c.Parallel
	if parallel <= 0 {
		parallel = 4
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	slots := make(chan struct{}, parallel)
	var wg sync.WaitGroup
	for i := range steps {
		step := &steps[i]
		if out := c.answers[[2]int64{step.Turn, step.Step}]; out != nil {
			c.judge(step, out)
			continue
		}
		select {
		case slots <- struct{}{}:
		case <-ctx.Done():
		}
		if ctx.Err() != nil {
			break
		}
		wg.Add(1)
		go func() {
			defer wg.Done()
			defer func() { <-slots }()
			if err := c.askOne(ctx, step, c.requests[i]); err != nil {
				cancel(err)
			}
		}()
	}
	wg.Wait()
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return nil
}

// askOne asks for one step and appends what came of it. A failure of the request
// is the step's, not the run's.
func (c *comparer) askOne(ctx context.Context, step *StepComparison, req *provider.Request) error {
	c.mu.Lock()
	over := c.MaxCost > 0 && c.cost >= c.MaxCost
	c.mu.Unlock()
	if over {
		return ErrOverCost
	}
	about := c.Provider.Describe()
	id := c.ids.EntryID()
	put := func(actor schema.ActorKind, data schema.Data) error {
		ev := c.run.event(actor, data)
		ev.Turn, ev.Step = step.Turn, step.Step
		return c.run.record(context.WithoutCancel(ctx), nil, ev)
	}
	err := put(schema.ActorExecutor, &schema.ModelRequested{
		RequestID: id, Attempt: 1, Provider: about.Provider, API: about.API, Model: req.Model,
		RequestSHA256: req.SHA256(), Projection: about.Projection, Losses: req.Losses,
	})
	if err != nil {
		return err
	}
	sent := *req
	sent.Attempt = 1
	resp, err := c.Provider.Send(ctx, &sent, nil)
	if err != nil {
		e := provider.AsError(ctx, err)
		step.Failure = &schema.ModelFailed{RequestID: id, Class: e.Class, HTTPStatus: int64(e.HTTPStatus), Attempt: 1, Message: schema.String(e.Message)}
		return put(schema.ActorExecutor, step.Failure)
	}
	out := &schema.ModelOutput{
		RequestID: id, ResponseID: resp.ID, Provider: about.Provider, API: about.API, Model: resp.Model, StopReason: resp.StopReason,
		Blocks: resp.Blocks, Usage: resp.Usage, CostNUSD: resp.CostNUSD, LatencyUS: schema.Int(resp.Latency.Microseconds()),
	}
	if out.Blocks == nil {
		out.Blocks = []schema.Block{}
	}
	numberCalls(out.Blocks, step.Turn, step.Step)
	if err := fitBlocks(ctx, c.Store, out.Blocks); err != nil {
		return err
	}
	for _, piece := range outputPieces(*out) {
		if err := put(schema.ActorModel, piece); err != nil {
			return err
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.cost += c.costOf(out)
	c.judge(step, out)
	if c.OnStep != nil {
		c.OnStep(*step)
	}
	return nil
}

// judge compares a response with the recorded one.
func (c *comparer) judge(step *StepComparison, out *schema.ModelOutput) {
	step.Answered = true
	step.Now = callsOf(out.Blocks)
	step.Usage, step.CostNUSD = out.Usage, c.costOf(out)
	if out.LatencyUS != nil {
		step.LatencyUS = *out.LatencyUS
	}
	step.SameStop = len(step.Recorded) > 0 == (len(step.Now) > 0)
	step.Shared, step.SharedArgs, step.CallF1 = agreement(step.Recorded, step.Now)
}

// agreement matches the k-th call of each tool with the k-th.
func agreement(recorded, now []Call) (shared, sameArgs int, f1 float64) {
	seen := make(map[string]int)
	for _, call := range now {
		k := seen[call.Tool]
		seen[call.Tool]++
		for _, r := range recorded {
			if r.Tool != call.Tool {
				continue
			}
			if k == 0 {
				shared++
				if r.Args == call.Args {
					sameArgs++
				}
				break
			}
			k--
		}
	}
	if len(recorded)+len(now) == 0 {
		return 0, 0, 1
	}
	return shared, sameArgs, 2 * float64(shared) / float64(len(recorded)+len(now))
}

func callsOf(blocks []schema.Block) []Call {
	var out []Call
	for i := range blocks {
		b := &blocks[i]
		if b.Type != schema.BlockToolCall || b.Kind == schema.CallServer {
			continue
		}
		call := Call{Tool: b.Name, Args: b.ArgsRaw.Inline}
		if b.Args != nil {
			v := jsontext.Value(slices.Clone(b.Args))
			if v.Canonicalize() == nil {
				call.Args = string(v)
			}
		}
		out = append(out, call)
	}
	return out
}

func (c *comparer) summary(steps []StepComparison) *Comparison {
	out := &Comparison{Run: c.Run, Steps: steps, FirstDivergence: -1}
	shared, same, stops := 0, 0, 0
	var input, read, output int64
	for i := range steps {
		s := &steps[i]
		if !s.Answered {
			continue
		}
		out.Answered++
		out.CallF1 += s.CallF1
		shared += s.Shared
		same += s.SharedArgs
		if s.SameStop {
			stops++
		}
		if out.FirstDivergence < 0 && (s.CallF1 < 1 || s.SharedArgs < s.Shared) {
			out.FirstDivergence = i
		}
		out.CostNUSD += s.CostNUSD
		out.LatencyUS += s.LatencyUS
		if u := s.Usage; u != nil {
			for sum, n := range map[*int64]*int64{&input: u.Input, &read: u.CacheRead, &output: u.Output} {
				if n != nil {
					*sum += *n
				}
			}
		}
	}
	out.Usage = schema.Usage{Input: schema.Int(input), CacheRead: schema.Int(read), Output: schema.Int(output)}
	out.Arguments = 1
	if shared > 0 {
		out.Arguments = float64(same) / float64(shared)
	}
	if out.Answered > 0 {
		out.CallF1 /= float64(out.Answered)
		out.Stops = float64(stops) / float64(out.Answered)
	}
	return out
}
