package replay

import (
	"fmt"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/ownlog/ownlog/schema"
)

// progress is what the step loop must know of a log besides the conversation:
// who may write, which turn runs, which calls and requests are open. It is a
// fold: a function of the entries alone.
type progress struct {
	size int64 // entries folded

	// The lease, as the log has it.
	epoch      int64
	holder     string
	held       bool
	leaseUntil time.Time // when it ends unless a hint says otherwise

	// The turn.
	turn     int64 // highest that was opened
	turnSeq  int64 // of its opener
	turnTime string
	running  bool
	step     int64 // last of the turn
	steps    map[int64]int64

	// What the model has seen.
	lastInput   int64 // newest entry that wants an answer, -1: none
	seen        int64 // newest entry the last response could have seen, -1: none
	interrupted bool  // an interrupt has not been acted upon
	compactions int   // of the turn
	compacted   int64 // the newest context.compacted, -1: none
	// contextTokens is how long the conversation was for the last response.
	contextTokens int64
	stop          string
	request       *request // asked and unanswered

	calls map[schema.CallKey]*call
	open  []*call // unanswered, in log order

	spent    map[int64]spending // of the turn, by step
	granted  map[string]bool    // tools allowed for the whole session
	native   bool               // a model was asked in this log, not in the source it mirrors
	imported bool               // some entries mirror an outside source
	sent     map[[2]int64]int64 // seq of the last request of a turn and step

	// Reasons to stop for good.
	hole    int64 // a redacted entry, -1: none
	unknown string
}

// call is a tool call that the log knows.
type call struct {
	key      schema.CallKey
	seq      int64
	turn     int64
	step     int64
	vendorID string
	name     string
	kind     schema.CallKind
	args     jsontext.Value
	argsRaw  schema.Text
	native   bool

	asked       bool
	decision    schema.Decision
	decidedHere bool // by a person or a policy in this log, not in the source it mirrors
	message     schema.Text

	attempt  int64 // of the last tool.started
	token    string
	effect   schema.Effect
	detached bool
	key1     string // idempotency key

	outcome  *schema.ToolResult // known, without an answer
	answered bool
	frozen   bool // an entry after it is redacted: it may have been answered
}

// request is a model request without an answer.
type request struct {
	id       string
	seq      int64
	attempt  int64
	turn     int64
	step     int64
	failure  *schema.ModelFailed // of this attempt, nil: its outcome is unknown
	failures int64               // in a row
	// failedSeq is the entry that says so.
	failedSeq int64
}

type spending struct {
	provider, model string
	usage           *schema.Usage
	cost            *int64 // as the provider states it
}

func newProgress() *progress {
	return &progress{
		lastInput: -1, seen: -1, hole: -1, compacted: -1,
		steps:   make(map[int64]int64),
		calls:   make(map[schema.CallKey]*call),
		spent:   make(map[int64]spending),
		granted: make(map[string]bool),
		sent:    make(map[[2]int64]int64),
	}
}

// skip folds a hole in.
func (p *progress) skip(seq int64) {
	p.size = seq + 1
	p.hole = seq
	for _, c := range p.open {
		c.frozen = true
	}
}

// apply folds one event in.
func (p *progress) apply(seq int64, ev *schema.Event) {
	p.size = seq + 1
	if ev.Source != nil {
		p.imported = true
	}
	if ev.Turn > p.turn {
		p.openTurn(ev.Turn, seq, ev.Time)
	}
	switch d := ev.Data.(type) {
	case *schema.LeaseAcquired:
		if ev.Epoch > p.epoch {
			p.epoch, p.holder, p.held = ev.Epoch, d.Holder, true
			p.leaseUntil = leaseEnd(ev.Time, d.TTLUS)
		}
	case *schema.LeaseReleased:
		if ev.Epoch == p.epoch {
			p.held = false
		}
	case *schema.TurnStarted:
		p.running = true
	case *schema.UserMessage:
		p.userMessage(seq, d)
	case *schema.UserInterrupt:
		if p.running && ev.Source == nil {
			p.interrupted = true
		}
		if ev.Source != nil {
			p.running = false
		}
	case *schema.ModelRequested:
		p.modelRequested(seq, ev, d)
	case *schema.ModelOutput:
		p.modelOutput(seq, ev, d)
	case *schema.ModelFailed:
		if r := p.request; r != nil && (d.RequestID == r.id || d.RequestID == "") {
			r.failure, r.failedSeq = d, seq
			r.failures++
		}
	case *schema.PermissionRequested:
		if c := p.calls[d.CallKey]; c != nil {
			c.asked, c.decision = true, ""
		}
	case *schema.PermissionDecided:
		p.decided(ev, d)
	case *schema.ToolStarted:
		if c := p.calls[d.CallKey]; c != nil {
			if d.Attempt > 0 {
				c.attempt = d.Attempt
			} else {
				c.attempt++ // a source that does not count
			}
			c.token, c.effect, c.detached, c.key1 = d.Token, d.Effect, d.Detached, d.IdempotencyKey
		}
	case *schema.ToolResult:
		p.toolResult(seq, ev, d)
	case *schema.TurnFinished:
		p.running, p.interrupted, p.request = false, false, nil
	case *schema.ContextCompacted:
		if ev.Source == nil {
			p.compactions, p.compacted, p.contextTokens = p.compactions+1, seq, 0
		}
	case *schema.Unknown:
		if ev.Crit {
			p.unknown = fmt.Sprintf("entry %d has the type %s", seq, ev.Type)
		}
	}
}

func leaseEnd(acquired string, ttlUS int64) time.Time {
	t, err := schema.ParseTime(acquired)
	if err != nil {
		return time.Time{}
	}
	return t.Add(time.Duration(ttlUS) * time.Microsecond)
}

func (p *progress) openTurn(turn, seq int64, at string) {
	p.turn, p.turnSeq, p.turnTime, p.step = turn, seq, at, p.steps[turn]
	p.interrupted, p.request, p.compactions = false, nil, 0
	clear(p.spent)
}

func (p *progress) userMessage(seq int64, d *schema.UserMessage) {
	if d.Origin == schema.OriginSummary {
		return // stands for what was answered
	}
	p.running = true
	p.lastInput = seq
}

func (p *progress) modelRequested(seq int64, ev *schema.Event, d *schema.ModelRequested) {
	if ev.Source != nil {
		return // the source's own request; its answer, if any, is in the log
	}
	p.native = true
	r := p.request
	if r == nil || r.id != d.RequestID {
		r = &request{id: d.RequestID}
		p.request = r
	}
	r.seq, r.attempt, r.turn, r.step, r.failure = seq, d.Attempt, ev.Turn, ev.Step, nil
	p.sent[[2]int64{ev.Turn, ev.Step}] = seq
	p.countStep(ev)
}

func (p *progress) countStep(ev *schema.Event) {
	if ev.Step > p.steps[ev.Turn] {
		p.steps[ev.Turn] = ev.Step
	}
	p.step = p.steps[p.turn]
}

func (p *progress) modelOutput(seq int64, ev *schema.Event, d *schema.ModelOutput) {
	firstPiece := ev.Step > p.steps[ev.Turn] || (p.request != nil && d.RequestID == p.request.id)
	p.countStep(ev)
	if r := p.request; r != nil && d.RequestID == r.id {
		p.seen, p.request = r.seq, nil
	} else if ev.Source != nil && firstPiece && !d.Synthetic {
		p.seen = seq
		p.running = true
	}
	if d.StopReason != "" || firstPiece {
		p.stop = d.StopReason
	}
	if d.Usage != nil || d.CostNUSD != nil {
		spent := p.spent[ev.Step]
		spent.provider, spent.model = d.Provider, d.Model
		if d.Usage != nil {
			spent.usage = d.Usage
			p.contextTokens = tokensOf(d.Usage)
		}
		if d.CostNUSD != nil {
			spent.cost = d.CostNUSD
		}
		if ev.Turn == p.turn {
			p.spent[ev.Step] = spent
		}
	}
	for i := range d.Blocks {
		b := &d.Blocks[i]
		if b.Type != schema.BlockToolCall || b.Kind == schema.CallServer || b.CallKey == "" {
			continue
		}
		if p.calls[b.CallKey] != nil {
			continue // a newer revision of a row repeats its key
		}
		c := &call{
			key: b.CallKey, seq: seq, turn: ev.Turn, step: ev.Step, vendorID: b.VendorID,
			name: b.Name, kind: b.Kind, args: b.Args, argsRaw: b.ArgsRaw, native: ev.Source == nil,
		}
		p.calls[b.CallKey] = c
		p.open = append(p.open, c)
		p.running = true
	}
}

func (p *progress) decided(ev *schema.Event, d *schema.PermissionDecided) {
	c := p.calls[d.CallKey]
	if c == nil || c.answered || (ev.Source == nil && (!c.asked || c.decision != "")) {
		return
	}
	c.decision, c.message, c.decidedHere = d.Decision, d.Message, ev.Source == nil
	if d.Decision == schema.DecisionModify && d.Args != nil {
		c.args, c.argsRaw = d.Args, schema.Text{}
	}
	if d.Scope == ScopeSession && d.Decision == schema.DecisionAllow {
		p.granted[c.name] = true
	}
}

func (p *progress) toolResult(seq int64, ev *schema.Event, d *schema.ToolResult) {
	c := p.calls[d.CallKey]
	if c == nil || d.Nested {
		return
	}
	if d.Content == nil {
		if !c.answered {
			c.outcome = d
		}
		return
	}
	if c.answered && ev.Source == nil {
		return // the first answer stands
	}
	c.answered = true
	for i, o := range p.open {
		if o == c {
			p.open = append(p.open[:i:i], p.open[i+1:]...)
			break
		}
	}
	p.lastInput = max(p.lastInput, seq)
}

// settle corrects what the entries alone, taken in a line, cannot say of a log
// that mirrors a source: calls off the live branch are not open, and whether a
// turn runs follows from what the branch ends in.
func (p *progress) settle(state *schema.State) {
	live := make(map[schema.CallKey]bool)
	for _, c := range state.OpenCalls() {
		live[c.Key] = true
	}
	open := p.open[:0:0]
	for _, c := range p.open {
		if live[c.key] {
			open = append(open, c)
		}
	}
	p.open = open
	if p.native {
		return
	}
	turn := state.TurnState()
	p.running = turn == schema.StateRunning || turn == schema.StateWaiting
	if state.NeedsModel() {
		p.seen = min(p.seen, p.lastInput-1)
	} else if len(p.open) == 0 {
		p.seen = max(p.seen, p.lastInput)
	}
}

// wantsAnswer reports whether something has come in since the last request.
func (p *progress) wantsAnswer() bool { return p.lastInput > p.seen }

// spentInTurn sums what the current turn has used.
func (p *progress) spentInTurn(price Pricer) (tokens, costNUSD int64) {
	for _, spent := range p.spent {
		if spent.usage != nil {
			tokens += tokensOf(spent.usage)
		}
		costNUSD += price.cost(spent.provider, spent.model, spent.usage, spent.cost)
	}
	return tokens, costNUSD
}

// tokensOf sums what a response has read and written.
func tokensOf(u *schema.Usage) int64 {
	sum := int64(0)
	for _, n := range []*int64{u.Input, u.CacheRead, u.CacheWrite, u.Output} {
		if n != nil {
			sum += *n
		}
	}
	return sum
}
