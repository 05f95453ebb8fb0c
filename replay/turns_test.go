package replay_test

import (
	"context"
	"errors"
	"iter"
	"strings"
	"testing"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/ownlog/ownlog/format"
	"github.com/ownlog/ownlog/replay"
	"github.com/ownlog/ownlog/replay/provider"
	"github.com/ownlog/ownlog/replay/provider/scripted"
	"github.com/ownlog/ownlog/replay/tool"
	"github.com/ownlog/ownlog/schema"
)

// actions makes tools of functions.
type action struct {
	name   string
	effect schema.Effect
	run    func(ctx context.Context, call tool.Call) (tool.Result, error)
}

func (a action) Definition() schema.ToolDefinition {
	return schema.ToolDefinition{Name: a.name, Description: a.name, Effect: a.effect}
}

func (a action) Run(ctx context.Context, call tool.Call) (tool.Result, error) {
	return a.run(ctx, call)
}

func ok(text string) tool.Result {
	return tool.Result{Status: schema.StatusOK, Content: []schema.Part{schema.TextPart(text)}}
}

func (r *rig) resultOf(key schema.CallKey) *schema.ToolResult {
	r.t.Helper()
	for _, ev := range r.events() {
		if d, ok := ev.Data.(*schema.ToolResult); ok && d.CallKey == key {
			return d
		}
	}
	r.t.Fatalf("call %s has no answer\n%s", key, strings.Join(r.story(), "\n"))
	return nil
}

func TestDeniedAndModifiedCalls(t *testing.T) {
	r := newRig(t)
	steps := []scripted.Step{calls("effectful", "effectful"), {Expect: "not with these files", Blocks: scripted.Say("fine").Blocks}}
	steps[1].Expect = ""
	e := newEffects("effectful", schema.EffectEffectful)
	x := r.executor(steps...)
	x.Tools = tool.NewSet(e)
	r.say("go")
	r.run(x, replay.StatusPermission)
	if _, err := r.inbox.Decide(t.Context(), r.log, replay.Answer{Decision: schema.DecisionAllow}); err == nil {
		t.Fatal("a decision that names no call was taken with two prompts open")
	}
	for _, a := range []replay.Answer{
		{Call: "1/1/0", Decision: schema.DecisionDeny, Message: "not with these files"},
		{Call: "1/1/1", Decision: schema.DecisionModify, Args: jsontext.Value(`{"n":"other"}`)},
	} {
		if _, err := r.inbox.Decide(t.Context(), r.log, a); err != nil {
			t.Fatal(err)
		}
	}
	r.run(x, replay.StatusIdle)
	if res := r.resultOf("1/1/0"); res.Status != schema.StatusDenied || !strings.Contains(res.Content[0].Text.Inline, "not with these files") {
		t.Errorf("the denied call: %+v", res)
	}
	if e.ran[`{"n":"other"}`] != 1 || len(e.ran) != 1 {
		t.Errorf("ran %v, want the modified call alone", e.ran)
	}
}

func TestDecisionForTheSession(t *testing.T) {
	r := newRig(t)
	e := newEffects("effectful", schema.EffectEffectful)
	x := r.executor(calls("effectful"), calls("effectful"), scripted.Say("done"))
	x.Tools = tool.NewSet(e)
	r.say("go")
	r.run(x, replay.StatusPermission)
	if _, err := r.inbox.Decide(t.Context(), r.log, replay.Answer{Decision: schema.DecisionAllow, Scope: replay.ScopeSession}); err != nil {
		t.Fatal(err)
	}
	r.run(x, replay.StatusIdle)
	if e.ran[`{"n":"effectful-0"}`] != 2 {
		t.Errorf("ran %v, want two without a second prompt", e.ran)
	}
}

func TestPolicyDenies(t *testing.T) {
	r := newRig(t)
	rules, err := replay.ParseRules([]byte(`{"rules":[{"tool":"shell","arg":"command","value":"rm *","action":"deny","reason":"nothing is removed"},{"tool":"shell","action":"allow"}]}`))
	if err != nil {
		t.Fatal(err)
	}
	x := r.executor(scripted.Call("", "shell", `{"command":"rm x"}`), scripted.Call("", "shell", `{"command":"echo hi"}`), scripted.Say("done"))
	x.Policy = rules
	r.say("go")
	r.run(x, replay.StatusIdle)
	if res := r.resultOf("1/1/0"); res.Status != schema.StatusDenied || !strings.Contains(res.Content[0].Text.Inline, "nothing is removed") {
		t.Errorf("the denied call: %+v", res)
	}
	if res := r.resultOf("1/2/0"); res.Status != schema.StatusOK {
		t.Errorf("the allowed call: %+v", res)
	}
	for _, bad := range []string{`{"rules":[{"action":"maybe"}]}`, `{"rule":[]}`, `{"rules":[{"action":"deny","tool":"["}]}`, `{"rules":[{"action":"deny","value":"x"}]}`} {
		if _, err := replay.ParseRules([]byte(bad)); err == nil {
			t.Errorf("the policy %s was taken", bad)
		}
	}
}

// TestPolicyIsOnRecord: what a rule allows or denies is in the log as a prompt and
// its decision, beside the start or the answer, so that it can be told later who
// allowed what.
func TestPolicyIsOnRecord(t *testing.T) {
	r := newRig(t)
	x := r.executor(calls("effectful", "keyed", "readonly"), scripted.Say("done"))
	e := newEffects("effectful", schema.EffectEffectful)
	x.Tools = tool.NewSet(e, newEffects("keyed", schema.EffectKeyed), newEffects("readonly", schema.EffectReadonly))
	rules, err := replay.ParseRules([]byte(`{"rules":[{"tool":"effectful","action":"allow","reason":"known to be fine"},{"tool":"keyed","action":"deny","reason":"not here"}]}`))
	if err != nil {
		t.Fatal(err)
	}
	x.Policy = rules
	r.say("go")
	r.run(x, replay.StatusIdle)
	r.wantStory(
		"session.opened 0/0", "user.message 1/0 typed", "lease.acquired 0/0 epoch 1", "session.defined 0/0 epoch 1",
		"model.requested 1/1 epoch 1 attempt 1", "model.output 1/1 epoch 1",
		"permission.requested 1/1 epoch 1 1/1/1", "permission.decided 1/1 epoch 1 1/1/1 deny", "tool.result 1/1 epoch 1 1/1/1 denied",
		"permission.requested 1/1 epoch 1 1/1/0", "permission.decided 1/1 epoch 1 1/1/0 allow",
		"tool.started 1/1 epoch 1 1/1/0 attempt 1 effectful", "tool.result 1/1 epoch 1 1/1/0 ok",
		"tool.started 1/1 epoch 1 1/1/2 attempt 1 readonly", "tool.result 1/1 epoch 1 1/1/2 ok",
		"model.requested 1/2 epoch 1 attempt 1", "model.output 1/2 epoch 1", "turn.finished 1/0 epoch 1 end_turn", "lease.released 0/0 epoch 1",
	)
	for _, ev := range r.events() {
		if d, ok := ev.Data.(*schema.PermissionDecided); ok && (d.By != replay.ByPolicy || d.Message.Inline == "") {
			t.Errorf("decided by %q, %q: want the policy and its reason", d.By, d.Message.Inline)
		}
	}
}

// TestPolicyAnswersOpenPrompts: an executor that comes with rules answers prompts
// that one without them has left open; the default policy leaves them.
func TestPolicyAnswersOpenPrompts(t *testing.T) {
	r := newRig(t)
	e := newEffects("effectful", schema.EffectEffectful)
	executor := func(rules string) *replay.Executor {
		x := r.executor(calls("effectful"), scripted.Say("done"))
		x.Tools = tool.NewSet(e)
		if rules != "" {
			parsed, err := replay.ParseRules([]byte(rules))
			if err != nil {
				t.Fatal(err)
			}
			x.Policy = parsed
		}
		return x
	}
	r.say("go")
	r.run(executor(""), replay.StatusPermission)
	size := len(r.events())
	for _, rules := range []string{"", `{"rules":[]}`, `{"rules":[{"action":"ask"}]}`} {
		r.run(executor(rules), replay.StatusPermission)
	}
	if n := len(r.events()); n != size {
		t.Errorf("a policy that decides nothing wrote %d entries", n-size)
	}
	r.run(executor(`{"rules":[{"tool":"eff*","action":"allow"}]}`), replay.StatusIdle)
	if n := strings.Count(strings.Join(r.story(), "\n"), "permission.requested"); n != 1 || e.ran[`{"n":"effectful-0"}`] != 1 {
		t.Errorf("%d prompts, ran %v: want the one that was open answered, and the call run once", n, e.ran)
	}
}

func TestRetriesAreEntries(t *testing.T) {
	r := newRig(t)
	step := scripted.Say("at last")
	step.Failures = []scripted.Failure{
		{Class: schema.ErrorRateLimit, HTTPStatus: 429, RetryAfterMS: 120_000, Message: "slow down"}, {Class: schema.ErrorNetwork},
	}
	r.say("go")
	began := r.clock.Now()
	x := r.executor(step)
	x.Retry.Patience = time.Minute
	out := r.run(x, replay.StatusBackoff)
	if wait := out.Wake.Sub(began); wait < 120*time.Second || wait > 121*time.Second {
		t.Errorf("wake after %s, want 2 minutes", wait)
	}
	x.Retry.Patience = 0
	r.run(x, replay.StatusIdle)
	if waited := r.clock.Now().Sub(began); waited < 122*time.Second {
		t.Errorf("waited %s, want 2 minutes for the first failure and 2 s for the second", waited)
	}
	r.wantStory(
		"session.opened 0/0", "user.message 1/0 typed",
		"lease.acquired 0/0 epoch 1", "session.defined 0/0 epoch 1",
		"model.requested 1/1 epoch 1 attempt 1", "model.failed 1/1 epoch 1 rate_limit",
		"lease.released 0/0 epoch 1", "lease.acquired 0/0 epoch 2",
		"model.requested 1/1 epoch 2 attempt 2", "model.failed 1/1 epoch 2 network",
		"model.requested 1/1 epoch 2 attempt 3", "model.output 1/1 epoch 2",
		"turn.finished 1/0 epoch 2 end_turn", "lease.released 0/0 epoch 2",
	)
}

func TestFailuresEndTheTurn(t *testing.T) {
	for _, class := range []schema.ErrorClass{schema.ErrorAuth, schema.ErrorBadRequest, schema.ErrorOverloaded} {
		r := newRig(t)
		step := scripted.Say("never")
		for range 20 {
			step.Failures = append(step.Failures, scripted.Failure{Class: class, Message: "no"})
		}
		r.say("go")
		x := r.executor(step)
		x.Retry.Attempts = 3
		out := r.run(x, replay.StatusIdle)
		if out.Finished == nil || out.Finished.Reason != schema.TurnError || out.Finished.Class != class {
			t.Errorf("%s: the turn ended %+v", class, out.Finished)
		}
		want := 1
		if class == schema.ErrorOverloaded {
			want = 3
		}
		if n := strings.Count(strings.Join(r.story(), "\n"), "model.requested"); n != want {
			t.Errorf("%s: asked %d times, want %d", class, n, want)
		}
	}
}

func TestBudgets(t *testing.T) {
	for name, b := range map[string]schema.Budget{
		"steps": {Steps: 2}, "tokens": {Tokens: 250}, "time": {TimeUS: 25_000}, "cost": {CostNUSD: 15},
	} {
		r := newRig(t)
		var steps []scripted.Step
		for range 30 {
			s := calls("readonly")
			s.Usage = &schema.Usage{Input: schema.Int(100), Output: schema.Int(50)}
			steps = append(steps, s)
		}
		x := r.executor(steps...)
		x.Tools, x.Budget = tool.NewSet(newEffects("readonly", schema.EffectReadonly)), b
		x.Price = func(provider, _ string, u *schema.Usage) (int64, bool) {
			return *u.Output / 5, provider == scripted.Name
		}
		r.say("go")
		out := r.run(x, replay.StatusIdle)
		if out.Finished == nil || out.Finished.Reason != schema.TurnBudget {
			t.Errorf("%s: the turn ended %+v", name, out.Finished)
		}
		if name != "time" && out.Steps != 2 {
			t.Errorf("%s: %d steps, want 2", name, out.Steps)
		}
		r.say("again") // a budget is a turn's
		if out := r.run(x, replay.StatusIdle); out.Steps == 0 {
			t.Errorf("%s: the next turn did nothing", name)
		}
	}
}

// A request that failed and is sent again is the same step.
func TestBudgetOfStepsAllowsRetries(t *testing.T) {
	r := newRig(t)
	step := scripted.Say("at last")
	step.Failures = []scripted.Failure{{Class: schema.ErrorOverloaded}, {Class: schema.ErrorNetwork}}
	x := r.executor(step)
	x.Budget.Steps = 1
	r.say("go")
	if out := r.run(x, replay.StatusIdle); out.Finished == nil || out.Finished.Reason != schema.TurnEnd {
		t.Errorf("the turn ended %+v", out.Finished)
	}
}

func TestInterrupts(t *testing.T) {
	t.Run("while a tool runs", func(t *testing.T) {
		r := newRig(t)
		x := r.executor(calls("slow", "effectful"), scripted.Say("never"))
		e := newEffects("effectful", schema.EffectEffectful)
		x.Tools = tool.NewSet(e, action{"slow", schema.EffectEffectful, func(ctx context.Context, _ tool.Call) (tool.Result, error) {
			if _, err := r.inbox.Interrupt(ctx, r.log, "enough"); err != nil {
				return tool.Result{}, err
			}
			<-ctx.Done()
			return tool.Result{Status: schema.StatusCancelled}, nil
		}})
		x.Policy = fixedPolicy(replay.Allow)
		r.say("go")
		out := r.run(x, replay.StatusIdle)
		if out.Finished == nil || out.Finished.Reason != schema.TurnInterrupted {
			t.Errorf("the turn ended %+v", out.Finished)
		}
		if len(e.ran) != 0 {
			t.Error("a tool ran after the interrupt")
		}
		for _, key := range []schema.CallKey{"1/1/0", "1/1/1"} {
			if res := r.resultOf(key); res.Status != schema.StatusCancelled {
				t.Errorf("%s: %+v", key, res)
			}
		}
	})
	t.Run("while a model answers", func(t *testing.T) {
		r := newRig(t)
		r.say("go")
		x := r.executor(scripted.Step{Blocks: scripted.Say("never").Blocks, DelayMS: 600_000})
		x.OnEvent = func(log format.LogID, _ int64, ev *schema.Event) {
			if ev.Type == schema.TypeModelRequested {
				go func() { _, _ = r.inbox.Interrupt(context.Background(), log, "enough") }()
			}
		}
		if out := r.run(x, replay.StatusIdle); out.Finished == nil || out.Finished.Reason != schema.TurnInterrupted {
			t.Errorf("the turn ended %+v", out.Finished)
		}
	})
	t.Run("while a prompt is open", func(t *testing.T) {
		r := newRig(t)
		x := r.executor(calls("effectful"))
		x.Tools = tool.NewSet(newEffects("effectful", schema.EffectEffectful))
		r.say("go")
		r.run(x, replay.StatusPermission)
		if _, err := r.inbox.Interrupt(t.Context(), r.log, "enough"); err != nil {
			t.Fatal(err)
		}
		r.run(x, replay.StatusIdle)
		if res := r.resultOf("1/1/0"); res.Status != schema.StatusCancelled {
			t.Errorf("%+v", res)
		}
	})
}

// gated is a provider that answers only once its gate is open.
type gated struct {
	provider.Provider
	gate chan struct{}
}

func (g gated) Send(ctx context.Context, req *provider.Request, stream provider.Stream) (*provider.Response, error) {
	select {
	case <-g.gate:
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	return g.Provider.Send(ctx, req, stream)
}

// TestQueuedMessage: what is said while a model answers comes behind the answer
// in the next request, which the model has not seen.
func TestQueuedMessage(t *testing.T) {
	r := newRig(t)
	steps := []scripted.Step{calls("readonly"), {Expect: "also this", Blocks: scripted.Say("done").Blocks}}
	x := r.executor()
	gate := make(chan struct{})
	x.Provider = gated{scripted.New(steps...), gate}
	x.Tools = tool.NewSet(newEffects("readonly", schema.EffectReadonly))
	x.OnEvent = func(log format.LogID, _ int64, ev *schema.Event) {
		if ev.Type == schema.TypeModelRequested && ev.Step == 1 {
			go func() {
				defer close(gate)
				_, _ = r.inbox.Say(context.Background(), log, schema.TextPart("also this"))
			}()
		}
	}
	r.say("go")
	r.run(x, replay.StatusIdle)
	story := strings.Join(r.story(), "\n")
	if !strings.Contains(story, "model.requested 1/1 epoch 1 attempt 1\nuser.message 1/0 queued\nmodel.output 1/1") {
		t.Errorf("the message did not come while the model answered:\n%s", story)
	}
	r.say("next turn")
	if story := r.story(); story[len(story)-1] != "user.message 2/0 typed" {
		t.Errorf("the next message: %s", story[len(story)-1])
	}
}

func TestResultFromElsewhere(t *testing.T) {
	r := newRig(t)
	x := r.executor(calls("remote"), scripted.Step{Expect: "from afar", Blocks: scripted.Say("done").Blocks})
	x.Tools = tool.NewSet(action{"remote", schema.EffectEffectful, func(context.Context, tool.Call) (tool.Result, error) {
		return tool.Result{Detached: true}, nil
	}})
	x.Policy = fixedPolicy(replay.Allow)
	r.say("go")
	out := r.run(x, replay.StatusDetached)
	if len(out.Standing.Detached) != 1 {
		t.Fatalf("%+v", out.Standing)
	}
	r.run(x, replay.StatusDetached)
	token := out.Standing.Detached[0].Token
	res := schema.ToolResult{Content: []schema.Part{schema.TextPart("from afar")}}
	if _, err := r.inbox.Deliver(t.Context(), r.log, "wrong", res); !errors.Is(err, replay.ErrNotOpen) {
		t.Errorf("a wrong token: %v", err)
	}
	if _, err := r.inbox.Deliver(t.Context(), r.log, token, res); err != nil {
		t.Fatal(err)
	}
	if _, err := r.inbox.Deliver(t.Context(), r.log, token, res); !errors.Is(err, replay.ErrNotOpen) {
		t.Errorf("a second result: %v", err)
	}
	r.run(x, replay.StatusIdle)
}

func TestLeaseIsRespected(t *testing.T) {
	r := newRig(t)
	r.say("go")
	x := r.executor(scripted.Say("hi"))
	x.Store = &crashStore{Store: r.store, left: 2, lands: 1}
	if _, err := x.Run(t.Context(), r.log); !errors.Is(err, errCrashed) {
		t.Fatal(err)
	}
	var held *replay.HeldError
	if _, err := r.executor(scripted.Say("hi")).Run(t.Context(), r.log); !errors.As(err, &held) || held.Holder != "test" {
		t.Fatalf("%v, want that test holds the lease", err)
	}
	_ = r.clock.Sleep(t.Context(), replay.DefaultTTL)
	r.run(r.executor(scripted.Say("hi")), replay.StatusIdle)
}

func TestCancelledRunGoesOnLater(t *testing.T) {
	r := newRig(t)
	r.say("go")
	ctx, cancel := context.WithCancel(t.Context())
	x := r.executor(scripted.Step{Blocks: scripted.Say("hi").Blocks, DelayMS: 600_000})
	x.OnEvent = func(_ format.LogID, _ int64, ev *schema.Event) {
		if ev.Type == schema.TypeModelRequested {
			cancel()
		}
	}
	if _, err := x.Run(ctx, r.log); !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	if st, err := replay.Look(t.Context(), r.store, r.log); err != nil || st.Held || !st.Running {
		t.Errorf("after a cancelled run: %+v, %v", st, err)
	}
	r.run(r.executor(scripted.Say("hi")), replay.StatusIdle)
	if !strings.Contains(strings.Join(r.story(), "\n"), "model.requested 1/1 epoch 2 attempt 2") {
		t.Errorf("the request was not sent again:\n%s", strings.Join(r.story(), "\n"))
	}
}

// TestCancelledInACall: an executor that is stopped while tools run leaves the
// answer of one that must not be repeated, and lets the next run the others again.
func TestCancelledInACall(t *testing.T) {
	for _, effect := range []schema.Effect{schema.EffectEffectful, schema.EffectReadonly} {
		r := newRig(t)
		r.say("go")
		ctx, cancel := context.WithCancel(t.Context())
		ran := 0
		slow := action{"slow", effect, func(ctx context.Context, _ tool.Call) (tool.Result, error) {
			if ran++; ran > 1 {
				return ok("done"), nil
			}
			cancel()
			<-ctx.Done()
			return tool.Result{Status: schema.StatusCancelled}, nil
		}}
		x := r.executor(calls("slow"), scripted.Say("done"))
		x.Tools, x.Policy = tool.NewSet(slow), fixedPolicy(replay.Allow)
		if _, err := x.Run(ctx, r.log); !errors.Is(err, context.Canceled) {
			t.Fatalf("%s: %v, want canceled", effect, err)
		}
		if st, err := replay.Look(t.Context(), r.store, r.log); err != nil || st.Held || !st.Running {
			t.Errorf("%s: after a cancelled run: %+v, %v", effect, st, err)
		}
		r.run(x, replay.StatusIdle)
		want, status := 1, schema.StatusCancelled
		if effect == schema.EffectReadonly {
			want, status = 2, schema.StatusOK
		}
		if res := r.resultOf("1/1/0"); ran != want || res.Status != status {
			t.Errorf("%s: ran %d times, answered %s; want %d times, %s", effect, ran, res.Status, want, status)
		}
	}
}

// importedLog makes a log that mirrors a source: a user's message and a response
// with calls of a readonly, an effectful and a recovered outcome.
func importedLog(t *testing.T, store format.Store) format.LogID {
	t.Helper()
	log := format.DeriveLogID("ownlog:1:codex:session:test")
	line := int64(0)
	put := func(turn, step int64, data schema.Data) {
		line++
		ev := &schema.Event{
			Type: data.EventType(), Actor: schema.Actor{Kind: schema.ActorImport}, Turn: turn, Step: step,
			Source: &schema.Source{Vendor: "codex", Line: line}, Data: data,
		}
		b, err := schema.Encode(nil, ev)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := store.Append(t.Context(), log, line-1, [][]byte{format.JoinRaw(nil, b, []byte(`{"record":true}`))}); err != nil {
			t.Fatal(err)
		}
	}
	call := func(i int64, name string) schema.Block {
		return schema.Block{
			Type: schema.BlockToolCall, Kind: schema.CallFunction, Index: schema.Int(i), CallKey: schema.NewCallKey(1, 1, i),
			VendorID: "call_x", Name: name, Args: jsontext.Value(`{"n":"` + name + `"}`),
		}
	}
	put(0, 0, &schema.SessionOpened{VendorSession: "s", CWD: "/somewhere"})
	put(1, 0, &schema.UserMessage{Content: []schema.Part{schema.TextPart("go")}, Origin: schema.OriginTyped})
	put(1, 1, &schema.ModelOutput{Provider: "openai", API: "responses", Model: "gpt-t", Blocks: []schema.Block{call(0, "readonly"), call(1, "effectful"), call(2, "known")}})
	put(1, 1, &schema.ToolResult{CallKey: "1/1/2", Status: schema.StatusOK, ExitCode: schema.Int(0)})
	return log
}

func TestMirrorGoesOnInAFork(t *testing.T) {
	r := newRig(t)
	mirror := importedLog(t, r.store)
	read, write := newEffects("readonly", schema.EffectReadonly), newEffects("effectful", schema.EffectEffectful)
	x := r.executor(scripted.Step{Expect: "also", Blocks: scripted.Say("done").Blocks})
	x.Tools = tool.NewSet(read, write)
	if _, err := x.Run(t.Context(), mirror); !errors.Is(err, replay.ErrMirror) {
		t.Fatalf("resuming a mirror in place: %v", err)
	}
	if _, err := r.inbox.Say(t.Context(), mirror, schema.TextPart("no")); !errors.Is(err, replay.ErrMirror) {
		t.Fatalf("writing into a mirror: %v", err)
	}
	before, err := r.store.Head(t.Context(), mirror, -1)
	if err != nil {
		t.Fatal(err)
	}
	live, forked, err := r.inbox.Prepare(t.Context(), mirror, "resume")
	if err != nil || !forked || live.Derived() {
		t.Fatalf("%v %v %v", live, forked, err)
	}
	r.log = live
	r.say("also")
	r.run(x, replay.StatusIdle)
	if after, err := r.store.Head(t.Context(), mirror, -1); err != nil || after != before {
		t.Errorf("the mirror changed: %v %v", after, err)
	}
	if read.ran[`{"n":"readonly"}`] != 1 || len(write.ran) != 0 {
		t.Errorf("ran %v %v: want the readonly call again, the effectful one not", read.ran, write.ran)
	}
	if res := r.resultOf("1/1/1"); res.Status != schema.StatusUnknown {
		t.Errorf("the effectful call: %+v", res)
	}
	recovered := 0
	for _, ev := range r.events() {
		if d, ok := ev.Data.(*schema.ToolResult); ok && d.CallKey == "1/1/2" && d.Content != nil {
			recovered++
			if !strings.Contains(d.Content[0].Text.Inline, "exit code 0") {
				t.Errorf("the recovered call: %+v", d)
			}
		}
	}
	if recovered != 1 {
		t.Errorf("the recovered call has %d answers", recovered)
	}
	found := false
	for _, ev := range r.events() {
		if d, ok := ev.Data.(*schema.SessionForked); ok {
			found = d.From != nil && d.From.Log == mirror.String() && d.From.Size == before.Size
		}
	}
	if !found {
		t.Error("the fork does not say where it comes from")
	}
}

func TestHolesStopAnExecutor(t *testing.T) {
	r := newRig(t)
	r.say("go")
	x := r.executor(calls("effectful"), scripted.Say("done"))
	e := newEffects("effectful", schema.EffectEffectful)
	x.Tools = tool.NewSet(e)
	r.run(x, replay.StatusPermission)
	if _, err := r.inbox.Decide(t.Context(), r.log, replay.Answer{Decision: schema.DecisionAllow}); err != nil {
		t.Fatal(err)
	}
	x.Store = holeStore{r.store, int64(len(r.events())) - 1}
	if _, err := x.Run(t.Context(), r.log); !errors.Is(err, replay.ErrRedacted) {
		t.Fatalf("%v, want ErrRedacted", err)
	}
	x.AcceptHoles = true
	if _, err := x.Run(t.Context(), r.log); err != nil {
		t.Fatal(err)
	}
	if len(e.ran) != 0 || r.resultOf("1/1/0").Status != schema.StatusUnknown {
		t.Errorf("a call before a hole: ran %v, %+v", e.ran, r.resultOf("1/1/0"))
	}
}

// holeStore shows one entry as redacted.
type holeStore struct {
	format.Store
	seq int64
}

func (s holeStore) Read(ctx context.Context, log format.LogID, from int64) iter.Seq2[format.Entry, error] {
	return func(yield func(format.Entry, error) bool) {
		for e, err := range s.Store.Read(ctx, log, from) {
			if err == nil && e.Seq == s.seq {
				e.Hole, e.Bytes = true, nil
			}
			if !yield(e, err) {
				return
			}
		}
	}
}

// lossyStore reports some appends as of unknown outcome, made or not.
type lossyStore struct {
	format.Store
	n int
}

func (s *lossyStore) Append(ctx context.Context, log format.LogID, at int64, entries [][]byte) (int64, error) {
	s.n++
	switch s.n % 3 {
	case 0:
		return 0, format.ErrUnknown
	case 1:
		if _, err := s.Store.Append(ctx, log, at, entries); err != nil {
			return 0, err
		}
		return 0, format.ErrUnknown
	}
	return s.Store.Append(ctx, log, at, entries)
}

func TestUnknownAppends(t *testing.T) {
	r := newRig(t)
	r.say("go")
	x := r.executor(calls("effectful", "readonly"), scripted.Say("done"))
	e := newEffects("effectful", schema.EffectEffectful)
	x.Tools, x.Policy = tool.NewSet(e, newEffects("readonly", schema.EffectReadonly)), fixedPolicy(replay.Allow)
	x.Store = &lossyStore{Store: r.store}
	r.run(x, replay.StatusIdle)
	seen := map[string]bool{}
	for _, ev := range r.events() {
		if seen[ev.ID] {
			t.Errorf("an entry is there twice: %s", ev.Type)
		}
		seen[ev.ID] = true
	}
	if e.ran[`{"n":"effectful-0"}`] != 1 {
		t.Errorf("ran %v", e.ran)
	}
}

// TestRequestDigest: what is logged is the digest of what is sent.
func TestRequestDigest(t *testing.T) {
	r := newRig(t)
	r.say("go")
	spy := &spyProvider{Provider: scripted.New(scripted.Say("hi"))}
	x := r.executor()
	x.Provider = spy
	r.run(x, replay.StatusIdle)
	for _, ev := range r.events() {
		if d, ok := ev.Data.(*schema.ModelRequested); ok && d.RequestSHA256 != spy.sent.SHA256() {
			t.Errorf("logged %s, sent %s", d.RequestSHA256, spy.sent.SHA256())
		}
	}
}

type spyProvider struct {
	provider.Provider
	sent *provider.Request
}

func (p *spyProvider) Send(ctx context.Context, req *provider.Request, stream provider.Stream) (*provider.Response, error) {
	p.sent = req
	return p.Provider.Send(ctx, req, stream)
}
