package replay_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ownlog/ownlog/format"
	"github.com/ownlog/ownlog/replay"
	"github.com/ownlog/ownlog/replay/provider/scripted"
	"github.com/ownlog/ownlog/replay/tool"
	"github.com/ownlog/ownlog/schema"
)

// soak reports whether long tests are asked for: the environment variable
// OWNLOG_SOAK is set.
func soak() bool { return os.Getenv("OWNLOG_SOAK") != "" }

// errCrashed is what a dead executor's store says.
var errCrashed = errors.New("crashed")

// crashStore is a store as an executor sees it that dies at its n-th append, of
// whose entries the first lands get into the log. To ask whether the log has grown
// is no append.
type crashStore struct {
	format.Store
	mu    sync.Mutex
	left  int
	lands int // more than there are: all
	of    int // entries of that append
	dead  bool
}

func (s *crashStore) Append(ctx context.Context, log format.LogID, at int64, entries [][]byte) (int64, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.dead {
		return 0, errCrashed
	}
	if len(entries) > 0 {
		s.left--
	}
	if s.left > 0 || len(entries) == 0 {
		return s.Store.Append(ctx, log, at, entries)
	}
	s.dead, s.of = true, len(entries)
	if _, err := s.Store.Append(ctx, log, at, entries[:min(s.lands, len(entries))]); err != nil {
		return 0, err
	}
	return 0, errCrashed
}

// effects is a tool that counts how often each call took effect.
type effects struct {
	name   string
	effect schema.Effect
	mu     *sync.Mutex
	ran    map[string]int
}

func newEffects(name string, effect schema.Effect) *effects {
	return &effects{name: name, effect: effect, mu: new(sync.Mutex), ran: make(map[string]int)}
}

func (e *effects) Definition() schema.ToolDefinition {
	return schema.ToolDefinition{Name: e.name, Description: "counts", Effect: e.effect}
}

func (e *effects) Run(_ context.Context, call tool.Call) (tool.Result, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	key := string(call.Args)
	if e.effect == schema.EffectKeyed {
		key += call.IdempotencyKey
		if e.ran[key] > 0 {
			return tool.Result{Status: schema.StatusOK, Content: []schema.Part{schema.TextPart("done before")}}, nil
		}
	}
	e.ran[key]++
	return tool.Result{Status: schema.StatusOK, Content: []schema.Part{schema.TextPart("done")}}, nil
}

// scenario is a session to be disturbed.
type scenario struct {
	name  string
	steps []scripted.Step
	allow replay.Action
	// policy, if not nil, decides instead of allow.
	policy replay.Policy
}

func calls(tools ...string) scripted.Step {
	s := scripted.Step{StopReason: "tool_use"}
	for i, name := range tools {
		s.Blocks = append(s.Blocks, scripted.Call("", name, fmt.Sprintf(`{"n":"%s-%d"}`, name, i)).Blocks...)
	}
	return s
}

var scenarios = []scenario{
	{"no tool", []scripted.Step{scripted.Say("hello")}, replay.Allow, nil},
	{"single", []scripted.Step{calls("effectful"), scripted.Say("done")}, replay.Allow, nil},
	{"parallel", []scripted.Step{calls("readonly", "readonly", "effectful", "keyed", "idempotent"), scripted.Say("done")}, replay.Allow, nil},
	{"gated", []scripted.Step{calls("effectful", "readonly", "effectful"), calls("keyed"), scripted.Say("done")}, replay.Ask, nil},
	{"ruled", []scripted.Step{calls("effectful", "readonly", "keyed"), calls("readonly", "effectful"), scripted.Say("done")}, "", &replay.Rules{Rules: []replay.Rule{
		{Tool: "keyed", Action: replay.Deny, Reason: "not here"}, {Action: replay.Allow},
	}}},
	{"failing", []scripted.Step{
		{Failures: []scripted.Failure{{Class: schema.ErrorOverloaded}, {Class: schema.ErrorRateLimit, RetryAfterMS: 90_000}}, Blocks: calls("effectful").Blocks},
		scripted.Say("done"),
	}, replay.Allow, nil},
}

type fixedPolicy replay.Action

func (p fixedPolicy) Decide(context.Context, replay.PolicyCall) (replay.Verdict, error) {
	return replay.Verdict{Action: replay.Action(p)}, nil
}

// trial is one disturbed run of a scenario.
type trial struct {
	*rig
	tools map[string]*effects
	set   *tool.Set
}

func newTrial(t *testing.T) *trial {
	tr := &trial{rig: newRig(t), tools: make(map[string]*effects), set: new(tool.Set)}
	for _, effect := range []schema.Effect{schema.EffectReadonly, schema.EffectIdempotent, schema.EffectKeyed, schema.EffectEffectful} {
		e := newEffects(string(effect), effect)
		tr.tools[string(effect)] = e
		tr.set.Add(string(effect), e)
	}
	return tr
}

func (tr *trial) executorFor(s scenario) *replay.Executor {
	x := tr.executor(s.steps...)
	x.Tools, x.Policy = tr.set, fixedPolicy(s.allow)
	if s.policy != nil {
		x.Policy = s.policy
	}
	return x
}

// finish runs the session to its end, answering prompts as another process
// would.
func (tr *trial) finish(s scenario) {
	tr.t.Helper()
	tr.clock.Sleep(tr.t.Context(), time.Minute) // outlast a dead executor's lease
	for range 20 {
		out, err := tr.executorFor(s).Run(tr.t.Context(), tr.log)
		if err != nil {
			tr.t.Fatalf("%v\n%s", err, strings.Join(tr.story(), "\n"))
		}
		if out.Status == replay.StatusIdle {
			return
		}
		for _, p := range out.Standing.Permissions {
			if _, err := tr.inbox.Decide(tr.t.Context(), tr.log, replay.Answer{Call: p.Key, Decision: schema.DecisionAllow}); err != nil {
				tr.t.Fatal(err)
			}
		}
	}
	tr.t.Fatalf("the session does not end\n%s", strings.Join(tr.story(), "\n"))
}

// essence is the log without what a crash may change: epochs, attempts, leases,
// requests and starts that were repeated, failures.
func (tr *trial) essence() []string {
	var out []string
	seen := map[string]bool{}
	for _, ev := range tr.events() {
		line := fmt.Sprintf("%s %d/%d", ev.Type, ev.Turn, ev.Step)
		switch d := ev.Data.(type) {
		case *schema.LeaseAcquired, *schema.LeaseReleased, *schema.ModelFailed:
			continue
		case *schema.ToolStarted:
			line += " " + string(d.CallKey)
		case *schema.ToolResult:
			line += " " + string(d.CallKey)
		case *schema.PermissionRequested:
			line += " " + string(d.CallKey)
		case *schema.PermissionDecided:
			line += " " + string(d.CallKey)
		case *schema.TurnFinished:
			line += " " + string(d.Reason)
		}
		if !seen[line] {
			seen[line] = true
			out = append(out, line)
		}
	}
	slices.Sort(out) // calls that run side by side end in any order
	return out
}

// checkCalls checks that every call has one answer and none that must not be
// repeated was.
func (tr *trial) checkCalls(where string) {
	tr.t.Helper()
	answers := map[schema.CallKey]int{}
	unknown := map[schema.CallKey]bool{}
	for _, ev := range tr.events() {
		switch d := ev.Data.(type) {
		case *schema.ModelOutput:
			for _, b := range d.Blocks {
				if b.Type == schema.BlockToolCall {
					answers[b.CallKey] += 0
				}
			}
		case *schema.ToolResult:
			answers[d.CallKey]++
			unknown[d.CallKey] = d.Status == schema.StatusUnknown
		}
	}
	for key, n := range answers {
		if n != 1 {
			tr.t.Errorf("%s: call %s has %d answers\n%s", where, key, n, strings.Join(tr.story(), "\n"))
		}
	}
	for _, name := range []string{"effectful", "keyed"} {
		for args, n := range tr.tools[name].ran {
			if n > 1 {
				tr.t.Errorf("%s: %s %s took effect %d times\n%s", where, name, args, n, strings.Join(tr.story(), "\n"))
			}
		}
	}
}

// TestCrashMatrix lets an executor die at every append, with every number of its
// entries in the log.
func TestCrashMatrix(t *testing.T) {
	for _, s := range scenarios {
		t.Run(s.name, func(t *testing.T) {
			calm := newTrial(t)
			calm.say("go")
			calm.finish(s)
			calm.checkCalls("undisturbed")
			want := calm.essence()
			points := 0
			for n, crashed := 1, true; crashed; n++ {
				for lands, of := 0, 1; lands <= of && crashed; lands++ {
					tr := newTrial(t)
					tr.say("go")
					of, crashed = tr.disturb(s, n, lands)
					tr.finish(s)
					where := fmt.Sprintf("crash at append %d, %d of its %d entries there", n, lands, of)
					tr.checkCalls(where)
					if diff := cmp.Diff(want, tr.essence()); diff != "" {
						t.Errorf("%s: the log differs from an undisturbed one (-want +got):\n%s", where, diff)
					}
					points++
				}
			}
			t.Logf("%d crash points", points)
		})
	}
}

// disturb lets executors work until one of them dies at the n-th append of all,
// answering prompts meanwhile. It reports whether one died, and how many entries
// it was about to append.
func (tr *trial) disturb(s scenario, n, lands int) (of int, crashed bool) {
	store := &crashStore{Store: tr.store, left: n, lands: lands}
	for range 20 {
		x := tr.executorFor(s)
		x.Store = store
		out, err := x.Run(tr.t.Context(), tr.log)
		if errors.Is(err, errCrashed) {
			return store.of, true
		}
		if err != nil {
			tr.t.Fatal(err)
		}
		if out.Status == replay.StatusIdle {
			return 0, false
		}
		for _, p := range out.Standing.Permissions {
			if _, err := tr.inbox.Decide(tr.t.Context(), tr.log, replay.Answer{Call: p.Key, Decision: schema.DecisionAllow}); err != nil {
				tr.t.Fatal(err)
			}
		}
	}
	return 0, false
}

// TestRacingWorkers lets workers race for sessions and die at random: for 60, with
// OWNLOG_SOAK for 200.
func TestRacingWorkers(t *testing.T) {
	const workers = 8
	sessions := 60
	if soak() {
		sessions = 200
	}
	store := new(format.MemStore)
	inbox := &replay.Inbox{Store: store}
	logs := make([]format.LogID, sessions)
	for i := range logs {
		log, err := inbox.Create(t.Context(), schema.SessionOpened{})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := inbox.Say(t.Context(), log, schema.TextPart("go")); err != nil {
			t.Fatal(err)
		}
		logs[i] = log
	}
	ran := make([]*effects, sessions)
	for i := range ran {
		ran[i] = newEffects("effectful", schema.EffectEffectful)
	}
	steps := []scripted.Step{calls("effectful", "effectful"), calls("effectful"), scripted.Say("done")}
	steps[1].Blocks[0].Args = []byte(`{"n":"third"}`)
	done := func(i int) bool {
		st, err := replay.Look(t.Context(), store, logs[i])
		return err == nil && !st.Running
	}
	var wg sync.WaitGroup
	for w := range workers {
		wg.Add(1)
		go func() {
			defer wg.Done()
			random := rand.New(rand.NewPCG(uint64(w), 7))
			for {
				open := 0
				for _, i := range random.Perm(sessions) {
					if done(i) {
						continue
					}
					open++
					x := &replay.Executor{
						Store: &crashStore{Store: store, left: 1 + random.IntN(9), lands: random.IntN(4)}, Provider: scripted.New(steps...),
						Model: "script", Tools: tool.NewSet(ran[i]), Policy: fixedPolicy(replay.Allow), TTL: 100 * time.Millisecond,
						Holder: fmt.Sprintf("worker %d", w),
					}
					_, err := x.Run(t.Context(), logs[i])
					if err != nil && !errors.Is(err, errCrashed) && !errors.Is(err, replay.ErrHeld) && !errors.Is(err, replay.ErrFenced) {
						t.Errorf("worker %d: %v", w, err)
						return
					}
				}
				if open == 0 {
					return
				}
			}
		}()
	}
	wg.Wait()
	for i := range logs {
		for args, n := range ran[i].ran {
			if n > 1 {
				t.Errorf("session %d: %s took effect %d times", i, args, n)
			}
		}
		tr := &trial{rig: &rig{t: t, store: store, log: logs[i]}, tools: map[string]*effects{"effectful": ran[i], "keyed": newEffects("", "")}}
		tr.checkCalls(fmt.Sprintf("session %d", i))
		epoch, steps := int64(0), map[string]int{}
		for _, ev := range tr.events() {
			if ev.Epoch > 0 && ev.Epoch < epoch {
				t.Fatalf("session %d: an entry of epoch %d after epoch %d", i, ev.Epoch, epoch)
			}
			epoch = max(epoch, ev.Epoch)
			if ev.Type == schema.TypeModelOutput {
				steps[fmt.Sprint(ev.Turn, "/", ev.Step)]++
			}
		}
		if len(steps) != 3 || steps["1/1"] != 1 || steps["1/2"] != 1 || steps["1/3"] != 1 {
			t.Errorf("session %d: responses %v, want each of 1/1, 1/2, 1/3 once", i, steps)
		}
	}
}
