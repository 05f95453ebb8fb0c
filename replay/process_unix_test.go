//go:build unix

package replay_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/google/go-cmp/cmp"

	"github.com/ownlog/ownlog/format"
	"github.com/ownlog/ownlog/replay"
	"github.com/ownlog/ownlog/replay/provider/scripted"
	"github.com/ownlog/ownlog/replay/tool"
	"github.com/ownlog/ownlog/schema"
)

// childEnv tells the test binary that it is an executor, and how to end.
const childEnv = "OWNLOG_REPLAY_TEST_CHILD"

// child is what an executor in a process of its own does.
type child struct {
	Dir     string         `json:"dir"`
	Log     string         `json:"log"`
	Effects string         `json:"effects"` // file that tools append to
	Plan    string         `json:"plan"`    // name of its scenario
	At      int            `json:"at"`      // the append it ends at, from 1; 0: none
	After   bool           `json:"after"`   // just after it rather than just before
	Call    int            `json:"call"`    // the dispatch it ends in, from 1; 0: none
	Count   string         `json:"count"`   // file for the numbers of appends and dispatches it lived through
	Signal  syscall.Signal `json:"signal"`  // that it gives itself there
	Go      string         `json:"go"`      // file that is there before a SIGCONT
}

// The child's exit codes besides 0 and 1.
const exitFenced = 7

const childTTL = 120 * time.Millisecond

func TestMain(m *testing.M) {
	if dir := os.Getenv(idleEnv); dir != "" {
		os.Exit(runIdle(dir))
	}
	if spec := os.Getenv(childEnv); spec != "" {
		os.Exit(runChild(spec))
	}
	os.Exit(m.Run())
}

func runChild(spec string) int {
	var c child
	if err := json.Unmarshal([]byte(spec), &c); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	err := c.run()
	switch {
	case errors.Is(err, replay.ErrFenced):
		return exitFenced
	case err != nil:
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

func (c *child) run() error {
	dir, err := format.OpenDirStore(c.Dir, format.WithoutSync())
	if err != nil {
		return err
	}
	defer dir.Close()
	log, err := format.ParseLogID(c.Log)
	if err != nil {
		return err
	}
	store := &signalStore{Store: dir, child: c}
	x := processExecutor(store, c.Plan, c.Dir, c.Effects, "child")
	x.Tools = processTools(c.Effects, store.called)
	_, err = x.Run(context.Background(), log)
	if err == nil && c.Count != "" {
		err = os.WriteFile(c.Count, fmt.Appendf(nil, "%d %d", store.appends, store.calls), 0o600)
	}
	return err
}

// plans are what executors in processes are killed in.
var plans = map[string]scenario{
	"single":   {steps: []scripted.Step{calls("effectful"), scripted.Say("done")}, allow: replay.Allow},
	"parallel": {steps: []scripted.Step{calls("effectful", "readonly", "readonly", "effectful"), scripted.Say("done")}, allow: replay.Allow},
	"gated":    {steps: []scripted.Step{calls("effectful", "readonly", "effectful"), scripted.Say("done")}, allow: replay.Ask},
}

func processExecutor(store format.Store, plan, dir, file, holder string) *replay.Executor {
	p := plans[plan]
	return &replay.Executor{
		Store: store, Provider: scripted.New(p.steps...), Model: "script", Tools: processTools(file, nil), Policy: fixedPolicy(p.allow),
		Hints: replay.DirHints{Dir: dir}, TTL: childTTL, Holder: holder,
	}
}

func processTools(file string, called func()) *tool.Set {
	return tool.NewSet(
		fileEffects{"effectful", schema.EffectEffectful, file, called}, fileEffects{"readonly", schema.EffectReadonly, file, called},
	)
}

// fileEffects is a tool whose effect is a line in a file; called, if not nil, is
// called inside every call, before the effect and after it.
type fileEffects struct {
	name   string
	effect schema.Effect
	file   string
	called func()
}

func (e fileEffects) Definition() schema.ToolDefinition {
	return schema.ToolDefinition{Name: e.name, Description: "writes a line", Effect: e.effect}
}

func (e fileEffects) Run(_ context.Context, call tool.Call) (tool.Result, error) {
	f, err := os.OpenFile(e.file, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return tool.Result{}, err
	}
	defer f.Close()
	if e.called != nil {
		e.called()
	}
	_, err = fmt.Fprintln(f, string(call.Args))
	if e.called != nil {
		e.called()
	}
	return tool.Result{Status: schema.StatusOK, Content: []schema.Part{schema.TextPart("done")}}, err
}

// signalStore gives its own process a signal at an append.
type signalStore struct {
	format.Store
	child   *child
	mu      sync.Mutex
	appends int
	calls   int // twice in each call: before its effect, and after
}

// called ends the process in a call.
func (s *signalStore) called() {
	s.mu.Lock()
	s.calls++
	here := s.calls == s.child.Call
	s.mu.Unlock()
	if here {
		s.signal()
	}
}

func (s *signalStore) Append(ctx context.Context, log format.LogID, at int64, entries [][]byte) (int64, error) {
	if len(entries) == 0 { // only asks whether the log has grown
		return s.Store.Append(ctx, log, at, nil)
	}
	s.mu.Lock()
	s.appends++
	here := s.appends == s.child.At
	s.mu.Unlock()
	if here && !s.child.After {
		s.signal()
	}
	next, err := s.Store.Append(ctx, log, at, entries)
	if here && s.child.After {
		s.signal()
	}
	return next, err
}

// Watch does not poll: a process that is stopped while it holds the store's lock
// file keeps everybody out, and here it is to be stopped between appends.
func (s *signalStore) Watch(ctx context.Context, _ format.LogID, _ int64, _ func()) error {
	<-ctx.Done()
	return context.Cause(ctx)
}

// signal returns only when the process was continued: a signal may take effect a
// moment after it was sent.
func (s *signalStore) signal() {
	if err := syscall.Kill(os.Getpid(), s.child.Signal); err != nil {
		panic(err)
	}
	for {
		if _, err := os.Stat(s.child.Go); err == nil && s.child.Go != "" {
			return
		}
		time.Sleep(time.Millisecond)
	}
}

// processTrial is a directory store with one session, for executors in several
// processes.
type processTrial struct {
	*trial
	plan, dir, effects string
}

func newProcessTrial(t *testing.T, plan string) *processTrial {
	dir := t.TempDir()
	store, err := format.OpenDirStore(dir, format.WithoutSync())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { store.Close() })
	p := &processTrial{plan: plan, dir: dir, effects: filepath.Join(t.TempDir(), "effects")}
	inbox := &replay.Inbox{Store: store}
	log, err := inbox.Create(t.Context(), schema.SessionOpened{})
	if err != nil {
		t.Fatal(err)
	}
	p.trial = &trial{rig: &rig{t: t, store: store, log: log, inbox: inbox}}
	p.say("go")
	return p
}

func (p *processTrial) start(c child) *exec.Cmd {
	p.t.Helper()
	c.Plan, c.Dir, c.Log, c.Effects = p.plan, p.dir, p.log.String(), p.effects
	spec, err := json.Marshal(c)
	if err != nil {
		p.t.Fatal(err)
	}
	cmd := exec.Command(os.Args[0], "-test.run=^$")
	cmd.Env = append(os.Environ(), childEnv+"="+string(spec))
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		p.t.Fatal(err)
	}
	return cmd
}

// takeOver works on the session to its end, once the lease of the other has
// run out.
func (p *processTrial) takeOver() {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.t.Context(), 2*time.Minute)
	defer cancel()
	for {
		out, err := processExecutor(p.store, p.plan, p.dir, p.effects, "parent").Run(ctx, p.log)
		switch {
		case errors.Is(err, replay.ErrHeld) && ctx.Err() == nil:
			time.Sleep(20 * time.Millisecond)
			continue
		case err == nil && out.Status == replay.StatusPermission:
			p.allowAll(out.Standing.Permissions)
			continue
		case err != nil:
			p.t.Fatalf("take over: %v\n%s", err, strings.Join(p.story(), "\n"))
		case out.Status != replay.StatusIdle:
			p.t.Fatalf("take over: %s", out.Status)
		}
		return
	}
}

// allowAll answers prompts as another process would.
func (p *processTrial) allowAll(open []replay.OpenCall) {
	p.t.Helper()
	for _, call := range open {
		if _, err := p.inbox.Decide(p.t.Context(), p.log, replay.Answer{Call: call.Key, Decision: schema.DecisionAllow}); err != nil {
			p.t.Fatal(err)
		}
	}
}

// checkEffects checks that each effectful call took effect at most once and that
// every call has one answer.
func (p *processTrial) checkEffects(where string) {
	p.t.Helper()
	b, err := os.ReadFile(p.effects)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		p.t.Fatal(err)
	}
	answers := map[schema.CallKey]int{}
	for _, ev := range p.events() {
		switch d := ev.Data.(type) {
		case *schema.ToolResult:
			answers[d.CallKey]++
		case *schema.ModelOutput:
			for _, block := range d.Blocks {
				if block.Type != schema.BlockToolCall {
					continue
				}
				answers[block.CallKey] += 0
				if n := strings.Count(string(b), string(block.Args)+"\n"); n > 1 && block.Name == "effectful" {
					p.t.Errorf("%s: %s took effect %d times\n%s", where, block.Args, n, strings.Join(p.story(), "\n"))
				}
			}
		}
	}
	for key, n := range answers {
		if n != 1 {
			p.t.Errorf("%s: call %s has %d answers\n%s", where, key, n, strings.Join(p.story(), "\n"))
		}
	}
}

// untilKilled runs executors in processes of their own, answering prompts in
// between, until one kills itself; killed is false if the session ended first.
func (p *processTrial) untilKilled(c child) (killed bool) {
	p.t.Helper()
	for {
		c.Count = filepath.Join(p.t.TempDir(), "count")
		err := p.start(c).Wait()
		var exit *exec.ExitError
		if errors.As(err, &exit) && exit.Sys().(syscall.WaitStatus).Signal() == syscall.SIGKILL {
			return true
		}
		if err != nil {
			p.t.Fatal(err)
		}
		st, err := replay.Look(p.t.Context(), p.store, p.log)
		if err != nil {
			p.t.Fatal(err)
		}
		if len(st.Permissions) == 0 {
			return false
		}
		// What is asked for is there although its process is gone.
		p.allowAll(st.Permissions)
		b, err := os.ReadFile(c.Count)
		if err != nil {
			p.t.Fatal(err)
		}
		var appends, calls int
		if _, err := fmt.Sscan(string(b), &appends, &calls); err != nil {
			p.t.Fatal(err)
		}
		c.At, c.Call = c.At-appends, c.Call-calls // the same place, counted from here
	}
}

// TestKill9 kills an executor's process at every append and inside every call, of
// single, parallel and gated tools; another goes on. At appends it is before or
// after, with OWNLOG_SOAK before and after.
func TestKill9(t *testing.T) {
	for plan := range plans {
		t.Run(plan, func(t *testing.T) {
			t.Parallel()
			calm := newProcessTrial(t, plan)
			calm.takeOver()
			want := calm.essence()
			points := 0
			try := func(where string, c child) bool {
				c.Signal = syscall.SIGKILL
				p := newProcessTrial(t, plan)
				killed := p.untilKilled(c)
				p.takeOver()
				p.checkEffects(where)
				if diff := cmp.Diff(want, p.essence()); diff != "" {
					t.Errorf("%s: the log differs from an undisturbed one (-want +got):\n%s", where, diff)
				}
				checkValid(t, p.store, p.log)
				points++
				return killed
			}
			for n, killed := 1, true; killed; n++ {
				killed = try(fmt.Sprintf("kill -9 at append %d, after %t", n, n%2 == 1), child{At: n, After: n%2 == 1})
				if soak() {
					killed = try(fmt.Sprintf("kill -9 at append %d, after %t", n, n%2 == 0), child{At: n, After: n%2 == 0}) || killed
				}
				if !killed && n < 8 {
					t.Errorf("only %d appends", n-1)
				}
			}
			n := 1
			for try(fmt.Sprintf("kill -9 in call, place %d", n), child{Call: n}) {
				n++
			}
			if calls := strings.Count(strings.Join(calm.story(), "\n"), "tool.result"); n-1 != 2*calls {
				t.Errorf("killed at %d places in %d calls, want two in each", n-1, calls)
			}
			t.Logf("%d places", points)
		})
	}
}

// begun returns the arguments of the readonly calls that have started and have no
// answer yet.
func (p *processTrial) begun() map[string]bool {
	p.t.Helper()
	args, begun := map[schema.CallKey]string{}, map[string]bool{}
	for _, ev := range p.events() {
		switch d := ev.Data.(type) {
		case *schema.ModelOutput:
			for _, b := range d.Blocks {
				args[b.CallKey] = string(b.Args)
			}
		case *schema.ToolStarted:
			if d.Effect == schema.EffectReadonly {
				begun[args[d.CallKey]] = true
			}
		case *schema.ToolResult:
			delete(begun, args[d.CallKey])
		}
	}
	return begun
}

// stopOrEnd waits until a process has stopped or ended. One that has ended must
// not be waited for again.
func stopOrEnd(t *testing.T, cmd *exec.Cmd) syscall.WaitStatus {
	t.Helper()
	for {
		var state syscall.WaitStatus
		_, err := syscall.Wait4(cmd.Process.Pid, &state, syscall.WUNTRACED, nil)
		switch {
		case errors.Is(err, syscall.EINTR):
		case err != nil:
			t.Fatal(err)
		default:
			return state
		}
	}
}

// TestStoppedExecutorIsFenced stops an executor's process right after each of
// its appends for longer than its lease, lets another take over, and lets the
// first go on: its next append fails, and it runs no tool but such as it had begun
// side by side with others before it was stopped, which change nothing.
func TestStoppedExecutorIsFenced(t *testing.T) {
	fenced := 0
	for n := 1; n <= 20; n++ {
		p := newProcessTrial(t, "parallel")
		goOn := filepath.Join(t.TempDir(), "go")
		cmd := p.start(child{At: n, After: true, Signal: syscall.SIGSTOP, Go: goOn})
		t.Cleanup(func() { _ = cmd.Process.Kill() })
		state := stopOrEnd(t, cmd)
		if !state.Stopped() {
			if state.ExitStatus() != 0 {
				t.Fatalf("the executor ended with %d", state.ExitStatus())
			}
			if fenced < 6 {
				t.Errorf("only %d executors were fenced", fenced)
			}
			return // it has no n-th append
		}
		begun := p.begun()
		p.takeOver()
		size := len(p.events())
		effects, _ := os.ReadFile(p.effects)
		if err := os.WriteFile(goOn, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := cmd.Process.Signal(syscall.SIGCONT); err != nil {
			t.Fatal(err)
		}
		err := cmd.Wait()
		where := fmt.Sprintf("stopped after append %d", n)
		p.checkEffects(where)
		if now := len(p.events()); now != size {
			t.Errorf("%s: it appended %d entries afterwards\n%s", where, now-size, strings.Join(p.story(), "\n"))
		}
		now, _ := os.ReadFile(p.effects)
		for line := range strings.Lines(string(now[len(effects):])) {
			if args := strings.TrimSuffix(line, "\n"); !begun[args] {
				t.Errorf("%s: it ran %s afterwards\n%s", where, args, strings.Join(p.story(), "\n"))
			}
		}
		var exit *exec.ExitError
		switch {
		case errors.As(err, &exit) && exit.ExitCode() == exitFenced:
			fenced++
		case err != nil:
			t.Errorf("%s: %v", where, err)
		}
	}
}
