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
	At      int            `json:"at"`      // the append it ends at, from 1
	After   bool           `json:"after"`   // just after it rather than just before
	Signal  syscall.Signal `json:"signal"`  // that it gives itself there
	Marker  string         `json:"marker"`  // file it makes before a SIGSTOP
	GoOn    string         `json:"goOn"`    // file it waits for after a SIGSTOP
}

// The child's exit codes besides 0 and 1.
const exitFenced = 7

const childTTL = 120 * time.Millisecond

func TestMain(m *testing.M) {
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
	x := processExecutor(&signalStore{Store: dir, child: c}, c.Dir, c.Effects, "child")
	_, err = x.Run(context.Background(), log)
	return err
}

var processSteps = []scripted.Step{calls("effectful", "readonly", "effectful"), scripted.Say("done")}

func processExecutor(store format.Store, dir, file, holder string) *replay.Executor {
	set := tool.NewSet(
		fileEffects{"effectful", schema.EffectEffectful, file}, fileEffects{"readonly", schema.EffectReadonly, file},
	)
	return &replay.Executor{
		Store: store, Provider: scripted.New(processSteps...), Model: "script", Tools: set, Policy: fixedPolicy(replay.Allow),
		Hints: replay.DirHints{Dir: dir}, TTL: childTTL, Holder: holder,
	}
}

// fileEffects is a tool whose effect is a line in a file.
type fileEffects struct {
	name   string
	effect schema.Effect
	file   string
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
	_, err = fmt.Fprintln(f, string(call.Args))
	return tool.Result{Status: schema.StatusOK, Content: []schema.Part{schema.TextPart("done")}}, err
}

// signalStore gives its own process a signal at an append.
type signalStore struct {
	format.Store
	child *child
	mu    sync.Mutex
	count int
}

func (s *signalStore) Append(ctx context.Context, log format.LogID, at int64, entries [][]byte) (int64, error) {
	s.mu.Lock()
	s.count++
	here := s.count == s.child.At
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

func (s *signalStore) signal() {
	if s.child.Marker != "" {
		if err := os.WriteFile(s.child.Marker, nil, 0o600); err != nil {
			panic(err)
		}
	}
	if err := syscall.Kill(os.Getpid(), s.child.Signal); err != nil {
		panic(err)
	}
	for { // a signal may take effect a moment later
		if _, err := os.Stat(s.child.GoOn); err == nil {
			return
		}
		time.Sleep(time.Millisecond)
	}
}

// processTrial is a directory store with one session, for executors in several
// processes.
type processTrial struct {
	*trial
	dir, effects string
}

func newProcessTrial(t *testing.T) *processTrial {
	dir := t.TempDir()
	store, err := format.OpenDirStore(dir, format.WithoutSync())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { store.Close() })
	p := &processTrial{dir: dir, effects: filepath.Join(t.TempDir(), "effects")}
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
	c.Dir, c.Log, c.Effects = p.dir, p.log.String(), p.effects
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
	ctx, cancel := context.WithTimeout(p.t.Context(), time.Minute)
	defer cancel()
	for {
		out, err := processExecutor(p.store, p.dir, p.effects, "parent").Run(ctx, p.log)
		switch {
		case errors.Is(err, replay.ErrHeld) && ctx.Err() == nil:
			time.Sleep(20 * time.Millisecond)
			continue
		case err != nil:
			p.t.Fatalf("take over: %v\n%s", err, strings.Join(p.story(), "\n"))
		case out.Status != replay.StatusIdle:
			p.t.Fatalf("take over: %s", out.Status)
		}
		return
	}
}

// checkEffects checks that each effectful call took effect at most once and has
// one answer.
func (p *processTrial) checkEffects(where string) {
	p.t.Helper()
	b, err := os.ReadFile(p.effects)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		p.t.Fatal(err)
	}
	for _, args := range []string{`{"n":"effectful-0"}`, `{"n":"effectful-2"}`} {
		if n := strings.Count(string(b), args+"\n"); n > 1 {
			p.t.Errorf("%s: %s took effect %d times\n%s", where, args, n, strings.Join(p.story(), "\n"))
		}
	}
	answers := map[schema.CallKey]int{}
	for _, ev := range p.events() {
		if d, ok := ev.Data.(*schema.ToolResult); ok {
			answers[d.CallKey]++
		}
	}
	for _, key := range []schema.CallKey{"1/1/0", "1/1/1", "1/1/2"} {
		if answers[key] != 1 {
			p.t.Errorf("%s: call %s has %d answers\n%s", where, key, answers[key], strings.Join(p.story(), "\n"))
		}
	}
}

// TestKill9 kills an executor's process before or after every append, with
// OWNLOG_SOAK before and after; another goes on.
func TestKill9(t *testing.T) {
	for n := 1; ; n++ {
		killed := false
		for _, after := range []bool{false, true} {
			if !soak() && after == (n%2 == 0) {
				continue
			}
			p := newProcessTrial(t)
			err := p.start(child{At: n, After: after, Signal: syscall.SIGKILL}).Wait()
			var exit *exec.ExitError
			if errors.As(err, &exit) && exit.Sys().(syscall.WaitStatus).Signal() == syscall.SIGKILL {
				killed = true
			} else if err != nil {
				t.Fatal(err)
			}
			p.takeOver()
			p.checkEffects(fmt.Sprintf("kill -9 at append %d, after %t", n, after))
		}
		if !killed {
			if n < 8 {
				t.Errorf("only %d appends", n-1)
			}
			return
		}
	}
}

// TestStoppedExecutorIsFenced stops an executor's process right after each of
// its appends for longer than its lease, lets another take over, and lets the
// first go on: its next append fails, and it runs no tool.
func TestStoppedExecutorIsFenced(t *testing.T) {
	fenced := 0
	for n := 1; n <= 20; n++ {
		p := newProcessTrial(t)
		marker, goOn := filepath.Join(t.TempDir(), "stopped"), filepath.Join(t.TempDir(), "on")
		cmd := p.start(child{At: n, After: true, Signal: syscall.SIGSTOP, Marker: marker, GoOn: goOn})
		t.Cleanup(func() { _ = cmd.Process.Kill() })
		done := make(chan error, 1)
		go func() { done <- cmd.Wait() }()
		stopped := false
		for !stopped {
			select {
			case err := <-done:
				if err != nil {
					t.Fatal(err)
				}
				if fenced < 6 {
					t.Errorf("only %d executors were fenced", fenced)
				}
				return // it has no n-th append
			case <-time.After(5 * time.Millisecond):
				_, err := os.Stat(marker)
				stopped = err == nil
			}
		}
		p.takeOver()
		size := len(p.events())
		effects, _ := os.ReadFile(p.effects)
		if err := os.WriteFile(goOn, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		err := goOnUntil(t, cmd, done)
		where := fmt.Sprintf("stopped after append %d", n)
		p.checkEffects(where)
		if now := len(p.events()); now != size {
			t.Errorf("%s: it appended %d entries afterwards\n%s", where, now-size, strings.Join(p.story(), "\n"))
		}
		if now, _ := os.ReadFile(p.effects); string(now) != string(effects) {
			t.Errorf("%s: it ran a tool afterwards", where)
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

// goOnUntil lets a stopped process go on until it ends, even if the stop comes
// late.
func goOnUntil(t *testing.T, cmd *exec.Cmd, done <-chan error) error {
	t.Helper()
	for {
		if err := cmd.Process.Signal(syscall.SIGCONT); err != nil && !errors.Is(err, os.ErrProcessDone) {
			t.Fatal(err)
		}
		select {
		case err := <-done:
			return err
		case <-time.After(5 * time.Millisecond):
		}
	}
}
