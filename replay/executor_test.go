package replay_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
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

// fakeClock moves only when told to, or slept on.
type fakeClock struct {
	mu  sync.Mutex
	now time.Time
}

func newFakeClock() *fakeClock {
	return &fakeClock{now: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)}
}

func (c *fakeClock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(time.Millisecond)
	return c.now
}

func (c *fakeClock) Sleep(ctx context.Context, d time.Duration) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
	return nil
}

// rig is a store, a working directory and what an executor needs.
type rig struct {
	t     *testing.T
	store format.Store
	log   format.LogID
	clock *fakeClock
	dir   string
	inbox *replay.Inbox
}

func newRig(t *testing.T) *rig {
	r := &rig{t: t, store: new(format.MemStore), clock: newFakeClock(), dir: t.TempDir()}
	r.inbox = &replay.Inbox{Store: r.store, Clock: r.clock}
	log, err := r.inbox.Create(t.Context(), schema.SessionOpened{Title: "test"})
	if err != nil {
		t.Fatal(err)
	}
	r.log = log
	t.Cleanup(func() { checkValid(t, r.store, r.log) })
	return r
}

func (r *rig) executor(steps ...scripted.Step) *replay.Executor {
	w, err := tool.OpenWorkspace(r.dir)
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() { w.Close() })
	return &replay.Executor{
		Store: r.store, Provider: scripted.New(steps...), Model: "script", Tools: tool.Builtin(),
		Workspace: w, Clock: r.clock, Holder: "test",
	}
}

func (r *rig) say(text string) {
	r.t.Helper()
	if _, err := r.inbox.Say(r.t.Context(), r.log, schema.TextPart(text)); err != nil {
		r.t.Fatal(err)
	}
}

func (r *rig) run(x *replay.Executor, want replay.Status) replay.Outcome {
	r.t.Helper()
	out, err := x.Run(r.t.Context(), r.log)
	if err != nil {
		r.t.Fatalf("run: %v\n%s", err, strings.Join(r.story(), "\n"))
	}
	if out.Status != want {
		r.t.Fatalf("run ended %q, want %q\n%s", out.Status, want, strings.Join(r.story(), "\n"))
	}
	return out
}

func (r *rig) events() []*schema.Event {
	r.t.Helper()
	var evs []*schema.Event
	for e, err := range r.store.Read(r.t.Context(), r.log, 0) {
		if err != nil {
			r.t.Fatal(err)
		}
		norm, _, err := format.CutRaw(nil, e.Bytes)
		if err != nil {
			r.t.Fatal(err)
		}
		ev, err := schema.Decode(norm)
		if err != nil {
			r.t.Fatal(err)
		}
		evs = append(evs, ev)
	}
	return evs
}

// story is the log, a line an entry.
func (r *rig) story() []string {
	r.t.Helper()
	var lines []string
	for _, ev := range r.events() {
		line := fmt.Sprintf("%s %d/%d", ev.Type, ev.Turn, ev.Step)
		if ev.Epoch > 0 {
			line += fmt.Sprintf(" epoch %d", ev.Epoch)
		}
		switch d := ev.Data.(type) {
		case *schema.UserMessage:
			line += " " + string(d.Origin)
		case *schema.ModelRequested:
			line += fmt.Sprintf(" attempt %d", d.Attempt)
		case *schema.ModelFailed:
			line += " " + string(d.Class)
		case *schema.PermissionRequested:
			line += " " + string(d.CallKey)
		case *schema.PermissionDecided:
			line += " " + string(d.CallKey) + " " + string(d.Decision)
		case *schema.ToolStarted:
			line += fmt.Sprintf(" %s attempt %d %s", d.CallKey, d.Attempt, d.Effect)
		case *schema.ToolResult:
			line += fmt.Sprintf(" %s %s", d.CallKey, d.Status)
		case *schema.TurnFinished:
			line += " " + string(d.Reason)
		}
		lines = append(lines, line)
	}
	return lines
}

func (r *rig) wantStory(want ...string) {
	r.t.Helper()
	if diff := cmp.Diff(want, r.story()); diff != "" {
		r.t.Errorf("the log differs (-want +got):\n%s", diff)
	}
}

func TestOneTurnThroughAPermissionPrompt(t *testing.T) {
	r := newRig(t)
	steps := []scripted.Step{
		scripted.Call("I will write it.", "shell", `{"command":"printf done > out.txt; echo written"}`),
		{Expect: "written", Blocks: scripted.Say("It is written.").Blocks, StopReason: "end_turn"},
	}
	r.say("write out.txt")
	out := r.run(r.executor(steps...), replay.StatusPermission)
	if len(out.Standing.Permissions) != 1 || out.Standing.Permissions[0].Key != "1/1/0" {
		t.Fatalf("open permissions: %+v", out.Standing.Permissions)
	}
	if _, err := os.Stat(filepath.Join(r.dir, "out.txt")); err == nil {
		t.Fatal("the tool ran before it was allowed")
	}
	// A run in between finds nothing to do and writes nothing.
	size := len(r.events())
	r.run(r.executor(steps...), replay.StatusPermission)
	if n := len(r.events()); n != size {
		t.Fatalf("a run with nothing to do wrote %d entries", n-size)
	}
	if _, err := r.inbox.Decide(t.Context(), r.log, replay.Answer{Decision: schema.DecisionAllow}); err != nil {
		t.Fatal(err)
	}
	if _, err := r.inbox.Decide(t.Context(), r.log, replay.Answer{Decision: schema.DecisionDeny}); !errors.Is(err, replay.ErrNotOpen) {
		t.Fatalf("a second decision: %v, want ErrNotOpen", err)
	}
	r.run(r.executor(steps...), replay.StatusIdle)
	r.wantStory(
		"session.opened 0/0",
		"user.message 1/0 typed",
		"lease.acquired 0/0 epoch 1",
		"session.defined 0/0 epoch 1",
		"model.requested 1/1 epoch 1 attempt 1",
		"model.output 1/1 epoch 1",
		"permission.requested 1/1 epoch 1 1/1/0",
		"lease.released 0/0 epoch 1",
		"permission.decided 1/1 1/1/0 allow",
		"lease.acquired 0/0 epoch 2",
		"tool.started 1/1 epoch 2 1/1/0 attempt 1 effectful",
		"tool.result 1/1 epoch 2 1/1/0 ok",
		"model.requested 1/2 epoch 2 attempt 1",
		"model.output 1/2 epoch 2",
		"turn.finished 1/0 epoch 2 end_turn",
		"lease.released 0/0 epoch 2",
	)
	if b, err := os.ReadFile(filepath.Join(r.dir, "out.txt")); err != nil || string(b) != "done" {
		t.Errorf("out.txt: %q, %v", b, err)
	}
}
