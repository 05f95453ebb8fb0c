package replay

import (
	"context"
	"errors"
	"fmt"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/ownlog/ownlog/format"
	"github.com/ownlog/ownlog/schema"
)

// ErrNotOpen: there is no such open permission or call. Look at what is open
// with [Look].
var ErrNotOpen = errors.New("not open in this log")

// Inbox appends what people and other processes have to say to a session:
// messages, decisions, interrupts, results. Such entries need no lease; the
// executor at work, or the next one, folds them in.
type Inbox struct {
	Store format.Store
	Clock Clock // nil: the machine's
	IDs   IDs   // nil: random
}

func (in *Inbox) open(ctx context.Context, log format.LogID) (*session, error) {
	if log.Derived() {
		return nil, fmt.Errorf("log %s: %w", log, ErrMirror)
	}
	clock, ids := in.Clock, in.IDs
	if clock == nil {
		clock = SystemClock{}
	}
	if ids == nil {
		ids = RandomIDs{}
	}
	return openSession(ctx, in.Store, log, clock, ids)
}

// put appends what make makes of the log as it stands, and makes it again when
// the log has grown meanwhile.
func (in *Inbox) put(ctx context.Context, log format.LogID, build func(s *session) (*schema.Event, error)) (seq int64, err error) {
	s, err := in.open(ctx, log)
	if err != nil {
		return 0, err
	}
	for {
		s.mu.Lock()
		ev, err := build(s)
		if err == nil {
			err = s.append(ctx, never, []*schema.Event{ev})
		}
		seq := s.progress.size - 1
		s.mu.Unlock()
		if errors.Is(err, errChanged) {
			continue
		}
		return seq, err
	}
}

// Say appends a message of the user. While a turn runs it is queued and opens
// none. It returns the entry's position.
func (in *Inbox) Say(ctx context.Context, log format.LogID, content ...schema.Part) (int64, error) {
	return in.put(ctx, log, func(s *session) (*schema.Event, error) {
		p := s.progress
		ev := s.event(schema.ActorUser, &schema.UserMessage{Content: content, Origin: schema.OriginTyped})
		ev.Turn = p.turn + 1
		if p.running {
			ev.Turn = p.turn
			ev.Data.(*schema.UserMessage).Origin = schema.OriginQueued
		}
		return ev, nil
	})
}

// Interrupt asks whoever works on the session to stop the turn.
func (in *Inbox) Interrupt(ctx context.Context, log format.LogID, reason string) (int64, error) {
	return in.put(ctx, log, func(s *session) (*schema.Event, error) {
		ev := s.event(schema.ActorUser, &schema.UserInterrupt{Scope: "turn", Reason: reason})
		ev.Turn = s.progress.turn
		return ev, nil
	})
}

// Answer is an answer to an open permission prompt.
type Answer struct {
	// Call names the prompt. Empty: the only one that is open.
	Call     schema.CallKey
	Decision schema.Decision
	By       string         // who decided; empty: user
	Scope    string         // [ScopeOnce] or [ScopeSession]; empty: once
	Args     jsontext.Value // with modify: the arguments to use instead, a JSON object
	Message  string         // told to the model when denied
}

// Decide answers an open permission prompt. ErrNotOpen if there is none of that
// name, or it is answered already.
func (in *Inbox) Decide(ctx context.Context, log format.LogID, answer Answer) (int64, error) {
	switch answer.Decision {
	case schema.DecisionAllow, schema.DecisionDeny:
	case schema.DecisionModify:
		if answer.Args.Kind() != '{' {
			return 0, errors.New("modify: want the new arguments, a JSON object")
		}
	default:
		return 0, fmt.Errorf("decision %q: want allow, deny or modify", answer.Decision)
	}
	return in.put(ctx, log, func(s *session) (*schema.Event, error) {
		var found *call
		for _, c := range s.progress.open {
			if !c.waiting() || answer.Call != "" && c.key != answer.Call {
				continue
			}
			if found != nil {
				return nil, fmt.Errorf("log %s: several prompts are open (%s, %s): say which", log, found.key, c.key)
			}
			found = c
		}
		if found == nil {
			return nil, fmt.Errorf("permission %s of log %s: %w", answer.Call, log, ErrNotOpen)
		}
		d := &schema.PermissionDecided{
			CallKey: found.key, Decision: answer.Decision, By: answer.By, Scope: answer.Scope, Args: fitJSON(answer.Args),
		}
		if d.By == "" {
			d.By = "user"
		}
		if d.Scope == "" {
			d.Scope = ScopeOnce
		}
		if answer.Message != "" {
			d.Message = schema.String(answer.Message)
		}
		ev := s.event(schema.ActorUser, d)
		ev.Turn, ev.Step = found.turn, found.step
		return ev, nil
	})
}

// Deliver appends the result of a call that was dispatched with that attempt
// token. ErrNotOpen if no open call has it.
func (in *Inbox) Deliver(ctx context.Context, log format.LogID, token string, result schema.ToolResult) (int64, error) {
	if token == "" {
		return 0, errors.New("result: no attempt token")
	}
	return in.put(ctx, log, func(s *session) (*schema.Event, error) {
		for _, c := range s.progress.open {
			if c.token != token {
				continue
			}
			d := result
			d.CallKey, d.VendorID, d.Attempt, d.Token = c.key, c.vendorID, c.attempt, token
			if d.Content == nil {
				d.Content = []schema.Part{}
			}
			if d.Status == "" {
				d.Status = schema.StatusOK
			}
			ev := s.event(schema.ActorTool, &d)
			ev.Turn, ev.Step = c.turn, c.step
			return ev, nil
		}
		return nil, fmt.Errorf("a call of log %s with this token: %w", log, ErrNotOpen)
	})
}

// waiting reports whether the call waits for a person.
func (c *call) waiting() bool { return c.asked && c.decision == "" && !c.answered && !c.frozen }

// Standing is where a session stands: what it waits for.
type Standing struct {
	Size    int64
	Turn    int64
	Running bool // a turn has begun and has not ended
	// Permissions are the open prompts.
	Permissions []OpenCall
	// Detached are the calls whose results come from elsewhere.
	Detached []OpenCall
	// Epoch, Holder and Held are the newest lease, as the log has it.
	Epoch  int64
	Holder string
	Held   bool
}

// OpenCall is a call that waits for somebody.
type OpenCall struct {
	Key   schema.CallKey
	Tool  string
	Args  jsontext.Value
	Text  string // the input, when it is not a JSON object
	Token string // of a detached call
}

func (c *call) openCall() OpenCall {
	return OpenCall{Key: c.key, Tool: c.name, Args: c.args, Text: c.argsRaw.Inline, Token: c.token}
}

// Look folds a log and says where it stands. It works on mirrors too.
func Look(ctx context.Context, store format.Store, log format.LogID) (Standing, error) {
	s, err := openSession(ctx, store, log, SystemClock{}, RandomIDs{})
	if err != nil {
		return Standing{}, err
	}
	return s.standing(), nil
}

func (s *session) standing() Standing {
	p := s.progress
	st := Standing{Size: p.size, Turn: p.turn, Running: p.running, Epoch: p.epoch, Holder: p.holder, Held: p.held}
	for _, c := range p.open {
		switch {
		case c.waiting():
			st.Permissions = append(st.Permissions, c.openCall())
		case c.detached:
			st.Detached = append(st.Detached, c.openCall())
		}
	}
	return st
}

// Create begins a session in a log of its own.
func (in *Inbox) Create(ctx context.Context, opened schema.SessionOpened) (format.LogID, error) {
	s := in.begin()
	return s.log, s.propose(ctx, s.event(schema.ActorUser, &opened))
}

// begin returns a session in a log that does not exist yet.
func (in *Inbox) begin() *session {
	clock, ids := in.Clock, in.IDs
	if clock == nil {
		clock = SystemClock{}
	}
	if ids == nil {
		ids = RandomIDs{}
	}
	return &session{store: in.Store, log: ids.LogID(), clock: clock, ids: ids, progress: newProgress(), state: newConversation()}
}
