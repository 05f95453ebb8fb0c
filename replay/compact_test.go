package replay_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/ownlog/ownlog/format"
	"github.com/ownlog/ownlog/replay"
	"github.com/ownlog/ownlog/replay/provider"
	"github.com/ownlog/ownlog/replay/provider/scripted"
	"github.com/ownlog/ownlog/replay/tool"
	"github.com/ownlog/ownlog/schema"
)

// narrow is a provider that takes only so many messages.
type narrow struct {
	provider.Provider
	most int
	size int
}

func (n *narrow) Project(ctx context.Context, view *provider.View) (*provider.Request, error) {
	n.size = len(view.Messages)
	return n.Provider.Project(ctx, view)
}

func (n *narrow) Send(ctx context.Context, req *provider.Request, stream provider.Stream) (*provider.Response, error) {
	if n.size > n.most {
		return nil, &provider.Error{Class: schema.ErrorContextOverflow, Message: "too long"}
	}
	return n.Provider.Send(ctx, req, stream)
}

func TestOverflowCompacts(t *testing.T) {
	r := newRig(t)
	x := r.executor()
	for i := range 4 {
		x.Provider = &narrow{Provider: recordingOf(nil), most: 5}
		x.Provider = &narrow{Provider: always(fmt.Sprintf("answer %d", i)), most: 5}
		r.say(fmt.Sprintf("question %d", i))
		if out := r.run(x, replay.StatusIdle); out.Finished.Reason != schema.TurnEnd {
			t.Fatalf("turn %d ended %+v\n%s", i, out.Finished, strings.Join(r.story(), "\n"))
		}
	}
	story := strings.Join(r.story(), "\n")
	if n := strings.Count(story, "context.compacted"); n != 1 {
		t.Errorf("compacted %d times\n%s", n, story)
	}
	view := recordOf(t, r)
	if !view[0].Summary || !strings.Contains(view[0].Content[0].Text.Inline, "question 1") {
		t.Errorf("the view begins with %+v", view[0])
	}
	if last := view[len(view)-1]; last.Role != schema.RoleModel || len(view) > 5 {
		t.Errorf("the view has %d messages, the last %+v", len(view), last)
	}
}

// always says one thing.
func always(text string) provider.Provider { return alwaysProvider{scripted.New(), text} }

type alwaysProvider struct {
	provider.Provider
	text string
}

func (p alwaysProvider) Send(_ context.Context, req *provider.Request, _ provider.Stream) (*provider.Response, error) {
	return &provider.Response{Model: req.Model, Blocks: scripted.Say(p.text).Blocks, StopReason: "end_turn"}, nil
}

func TestHopelessOverflowEndsTheTurn(t *testing.T) {
	r := newRig(t)
	x := r.executor()
	x.Provider = &narrow{Provider: always("never"), most: 0}
	r.say("question")
	out := r.run(x, replay.StatusIdle)
	if out.Finished == nil || out.Finished.Class != schema.ErrorContextOverflow {
		t.Errorf("the turn ended %+v", out.Finished)
	}
}

func TestCompactIntoANewLog(t *testing.T) {
	r, _ := recordedSession(t)
	before, err := r.store.Head(t.Context(), r.log, -1)
	if err != nil {
		t.Fatal(err)
	}
	child, err := r.inbox.Compact(t.Context(), r.log, -1, 1, nil)
	if err != nil {
		t.Fatal(err)
	}
	if after, err := r.store.Head(t.Context(), r.log, -1); err != nil || after != before {
		t.Errorf("the session changed: %v, %v", after, err)
	}
	old := r.log
	r.log = child
	view := recordOf(t, r)
	if len(view) != 3 || !view[0].Summary || view[1].Content[0].Text.Inline != "and again" || view[2].Turn != 1 {
		t.Fatalf("the view of the new log: %+v", view)
	}
	x := r.executor()
	x.Provider, x.Tools = always("on"), tool.NewSet()
	r.say("go on")
	r.run(x, replay.StatusIdle)
	if story := strings.Join(r.story(), "\n"); !strings.Contains(story, "user.message 2/0 typed") {
		t.Errorf("turns do not go on:\n%s", story)
	}
	if _, err := r.inbox.Compact(t.Context(), old, -1, 9, nil); err == nil {
		t.Error("a log was compacted of which all is kept")
	}
}

func TestRunsAreNotWorkedOn(t *testing.T) {
	r, steps := recordedSession(t)
	n := &replay.NextStep{Store: r.store, Log: r.log, Size: -1, Provider: recordingOf(steps), Model: "m"}
	got, err := n.Compare(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	x := r.executor()
	out, err := x.Run(t.Context(), got.Run)
	if err != nil && !errors.Is(err, replay.ErrHeld) || out.Status != replay.StatusIdle {
		t.Errorf("%+v, %v", out, err)
	}
}

// TestCompactIsOneAppend: a new log that broke off halfway would be taken for a
// whole one.
func TestCompactIsOneAppend(t *testing.T) {
	r, _ := recordedSession(t)
	counting := &countingStore{Store: r.store}
	inbox := &replay.Inbox{Store: counting, Clock: r.clock}
	child, err := inbox.Compact(t.Context(), r.log, -1, 1, nil)
	if err != nil {
		t.Fatal(err)
	}
	if counting.appends != 1 {
		t.Errorf("%d appends, want 1", counting.appends)
	}
	checkValid(t, r.store, child)
}

type countingStore struct {
	format.Store
	appends int
}

func (s *countingStore) Append(ctx context.Context, log format.LogID, at int64, entries [][]byte) (int64, error) {
	s.appends++
	return s.Store.Append(ctx, log, at, entries)
}

// TestUncompacted: a session that was compacted can be gone on with as if it had
// not been, and what was sent can be checked afterwards.
func TestUncompacted(t *testing.T) {
	r := newRig(t)
	x := r.executor()
	x.CompactAbove = 1
	spy := &spyProvider{}
	for i := range 3 {
		step := scripted.Say(fmt.Sprintf("answer %d", i))
		step.Usage = &schema.Usage{Input: schema.Int(10)}
		spy.Provider = scripted.New(step, step, step, step)
		x.Provider = spy
		r.say(fmt.Sprintf("question %d", i))
		r.run(x, replay.StatusIdle)
	}
	if strings.Contains(string(spy.sent.Body), `"answer 0"`) {
		t.Fatalf("nothing was compacted:\n%s", spy.sent.Body)
	}
	before := strings.Count(strings.Join(r.story(), "\n"), "context.compacted")
	x.Uncompacted = true
	r.say("and now")
	r.run(x, replay.StatusIdle)
	body := string(spy.sent.Body)
	for _, said := range []string{"question 0", "question 1", "question 2", "and now"} {
		if !strings.Contains(body, `"`+said+`"`) {
			t.Errorf("%q is not in the request:\n%s", said, body)
		}
	}
	if after := strings.Count(strings.Join(r.story(), "\n"), "context.compacted"); after != before {
		t.Error("it was compacted again")
	}
	checks, err := replay.VerifyRequests(t.Context(), r.store, r.log, -1, func(name, api string) (provider.Provider, bool) {
		return scripted.New(), name == scripted.Name && api == scripted.API
	})
	if err != nil || len(checks) != 4 {
		t.Fatalf("%d checks, %v", len(checks), err)
	}
	for _, c := range checks {
		if c.Status != replay.CheckEqual {
			t.Errorf("%+v", c)
		}
	}
}
