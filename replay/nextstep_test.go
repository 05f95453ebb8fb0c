package replay_test

import (
	"errors"
	"testing"

	"github.com/ownlog/ownlog/format"
	"github.com/ownlog/ownlog/replay"
	"github.com/ownlog/ownlog/replay/provider"
	"github.com/ownlog/ownlog/replay/provider/anthropic"
	"github.com/ownlog/ownlog/replay/provider/scripted"
	"github.com/ownlog/ownlog/replay/tool"
	"github.com/ownlog/ownlog/schema"
)

// recordedSession is a session of three steps and two turns.
func recordedSession(t *testing.T) (*rig, []scripted.Step) {
	r := newRig(t)
	steps := []scripted.Step{calls("readonly", "readonly"), calls("readonly"), scripted.Say("done"), scripted.Say("again")}
	x := r.executor(steps...)
	x.Tools = tool.NewSet(newEffects("readonly", schema.EffectReadonly))
	r.say("go")
	r.run(x, replay.StatusIdle)
	r.say("and again")
	r.run(x, replay.StatusIdle)
	return r, steps
}

func recordOf(t *testing.T, r *rig) []schema.Message {
	var s schema.State
	for i, ev := range r.events() {
		s.Apply(int64(i), ev)
	}
	var view []schema.Message
	for m, err := range s.View(schema.LoadFrom(r.events())) {
		if err != nil {
			t.Fatal(err)
		}
		view = append(view, m)
	}
	return view
}

func TestNextStep(t *testing.T) {
	r, steps := recordedSession(t)
	size := len(r.events())
	n := &replay.NextStep{Store: r.store, Log: r.log, Size: -1, Provider: scripted.Recording(recordOf(t, r)), Model: "m"}
	same, err := n.Compare(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if same.Answered != 4 || same.CallF1 != 1 || same.Arguments != 1 || same.Stops != 1 || same.FirstDivergence != -1 {
		t.Errorf("a recording compared with itself: %+v", same)
	}
	if len(r.events()) != size {
		t.Error("the comparison wrote into the session")
	}
	other := append([]scripted.Step{}, steps...)
	other[1] = calls("readonly", "something")
	other[3] = calls("readonly")
	changed := replay.NextStep{Store: r.store, Log: r.log, Size: -1, Provider: recordingOf(other), Model: "m"}
	got, err := changed.Compare(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	// Steps: 1, 2/3 (one of two names shared), 1, 0.
	if want := (1 + 2.0/3 + 1 + 0) / 4; got.CallF1 < want-1e-9 || got.CallF1 > want+1e-9 || got.Stops != 0.75 || got.FirstDivergence != 1 {
		t.Errorf("F1 %v, stops %v, first divergence %d; want %v, 0.75, 1", got.CallF1, got.Stops, got.FirstDivergence, want)
	}
}

// recordingOf answers the n-th step of a history with the n-th of steps.
func recordingOf(steps []scripted.Step) provider.Provider {
	var view []schema.Message
	for _, s := range steps {
		view = append(view, schema.Message{Role: schema.RoleModel, Blocks: s.Blocks, StopReason: s.StopReason, Usage: s.Usage})
	}
	return scripted.Recording(view)
}

func TestNextStepGoesOn(t *testing.T) {
	r, steps := recordedSession(t)
	for i := range steps {
		steps[i].Usage = &schema.Usage{Output: schema.Int(1)}
	}
	n := &replay.NextStep{
		Store: r.store, Log: r.log, Size: -1, Provider: recordingOf(steps), Model: "m", Parallel: 1, MaxCost: 2,
		Price: func(string, string, *schema.Usage) (int64, bool) { return 1, true },
	}
	part, err := n.Compare(t.Context())
	if !errors.Is(err, replay.ErrOverCost) || part.Answered != 2 {
		t.Fatalf("%d answered, %v: want 2 and ErrOverCost", part.Answered, err)
	}
	n.MaxCost = 0
	whole, err := n.Compare(t.Context())
	if err != nil || whole.Answered != 4 || whole.Run != part.Run || whole.CostNUSD != 4 {
		t.Fatalf("%+v, %v", whole, err)
	}
	asked := 0
	for e, err := range r.store.Read(t.Context(), whole.Run, 0) {
		if err != nil {
			t.Fatal(err)
		}
		ev, err := schema.Decode(e.Bytes)
		if err != nil {
			t.Fatal(err)
		}
		if ev.Type == schema.TypeModelRequested {
			asked++
		}
	}
	if asked != 4 {
		t.Errorf("asked %d times for 4 steps", asked)
	}
	n.Run = r.log
	if _, err := n.Compare(t.Context()); err == nil {
		t.Error("a session was taken for a run")
	}
}

func TestNextStepDryRun(t *testing.T) {
	r, _ := recordedSession(t)
	n := &replay.NextStep{Store: r.store, Log: r.log, Size: -1, Provider: anthropic.New(anthropic.Config{BaseURL: "http://nowhere.invalid"}), Model: "m", DryRun: true}
	got, err := n.Compare(t.Context())
	if err != nil || len(got.Steps) != 4 || len(got.Steps[0].Request) == 0 || !got.Run.IsZero() {
		t.Fatalf("%+v, %v", got, err)
	}
}

func TestVerifyRequests(t *testing.T) {
	r, steps := recordedSession(t)
	projector := func(name, api string) (provider.Provider, bool) {
		return scripted.New(steps...), name == scripted.Name && api == scripted.API
	}
	checks, err := replay.VerifyRequests(t.Context(), r.store, r.log, -1, projector)
	if err != nil {
		t.Fatal(err)
	}
	if len(checks) != 4 {
		t.Fatalf("%d requests, want 4", len(checks))
	}
	for _, c := range checks {
		if c.Status != replay.CheckEqual {
			t.Errorf("%+v", c)
		}
	}
	// A copy in which an early result differs.
	copied := format.NewLogID()
	at := int64(0)
	for _, ev := range r.events() {
		if d, ok := ev.Data.(*schema.ToolResult); ok && d.CallKey == "1/1/0" {
			d.Content[0].Text = schema.String("something else")
		}
		b, err := schema.Encode(nil, ev)
		if err != nil {
			t.Fatal(err)
		}
		if at, err = r.store.Append(t.Context(), copied, at, [][]byte{b}); err != nil {
			t.Fatal(err)
		}
	}
	checks, err = replay.VerifyRequests(t.Context(), r.store, copied, -1, projector)
	if err != nil {
		t.Fatal(err)
	}
	var got []replay.CheckStatus
	for _, c := range checks {
		got = append(got, c.Status)
	}
	if want := []replay.CheckStatus{"equal", "different", "different", "different"}; len(got) != 4 || got[0] != want[0] || got[1] != want[1] || got[3] != want[3] {
		t.Errorf("%v, want %v", got, want)
	}
	if skipped, err := replay.VerifyRequests(t.Context(), r.store, r.log, -1, func(string, string) (provider.Provider, bool) { return nil, false }); err != nil || skipped[0].Status != replay.CheckSkipped {
		t.Errorf("%+v, %v", skipped, err)
	}
}
