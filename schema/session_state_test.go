package schema

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestSessionInfo(t *testing.T) {
	l := new(script).lines(
		event(&SessionOpened{VendorSession: "old", CWD: "/a", Title: "first", Git: &Git{Branch: "main"}, Provider: "openai", Link: &SessionLink{Session: "mother"}}),
		event(&SessionUpdated{Title: "second"}),
		event(&SessionOpened{VendorSession: "new", VendorVersion: "2"}),
		event(&SessionForked{Reason: "r"}),
		event(&SessionLinked{Child: "c"}),
	)
	s := l.state()
	want := SessionInfo{Vendor: "codex", VendorSession: "new", VendorVersion: "2", Title: "second", CWD: "/a", Git: Git{Branch: "main"}, Provider: "openai", Link: &SessionLink{Session: "mother"}}
	if d := cmp.Diff(want, s.Info()); d != "" {
		t.Errorf("info (-want +got):\n%s", d)
	}
	if f := s.Forks(); len(f) != 1 || f[0].Seq != 3 || f[0].Reason != "r" {
		t.Errorf("forks %+v", f)
	}
	if links := s.Links(); len(links) != 1 || links[0].Seq != 4 || links[0].Child != "c" {
		t.Errorf("links %+v", links)
	}
}

func TestSessionDefinition(t *testing.T) {
	blob := Blob{Digest: "sha256:x", Size: 2}
	l := new(script).live(event(&SessionUpdated{Title: "t"}))
	if _, ok := l.state().Definition(); ok {
		t.Error("a log without a definition has one")
	}
	l.live(event(&SessionDefined{Definition: &blob}), event(&SessionUpdated{ToolsRemoved: []string{"x"}}), userSays(1, "q"), event(&SessionUpdated{Title: "u"}))
	ref, ok := l.state().Definition()
	if d := cmp.Diff(DefinitionRef{Seq: 1, Blob: blob, Updates: []int64{2, 4}}, ref); d != "" || !ok {
		t.Errorf("definition, %t (-want +got):\n%s", ok, d)
	}
}

func TestSessionModel(t *testing.T) {
	answer := modelSays(1, 1, text("x"))
	answer.Data.(*ModelOutput).Provider, answer.Data.(*ModelOutput).Model = "p", "answered"
	asked := userSays(1, "q")
	asked.Data.(*UserMessage).Model = &Model{Provider: "q", ID: "asked"}
	for _, test := range []struct {
		name string
		log  *script
		want Model
	}{
		{"nothing said", new(script), Model{}},
		{"who answered", new(script).lines(answer), Model{Provider: "p", ID: "answered"}},
		{"what was asked for", new(script).lines(asked, answer), Model{Provider: "q", ID: "asked"}},
		{"effort of the same model", new(script).lines(event(&SessionUpdated{Model: &Model{Provider: "p", ID: "m", Effort: "low", Params: []byte(`{}`)}}), event(&SessionUpdated{Model: &Model{Effort: "high"}})),
			Model{Provider: "p", ID: "m", Effort: "high"}},
		{"another model of the provider", new(script).lines(event(&SessionOpened{Model: &Model{Provider: "p", ID: "m", Effort: "low"}}), event(&SessionUpdated{Model: &Model{ID: "n"}})),
			Model{Provider: "p", ID: "n"}},
	} {
		if d := cmp.Diff(test.want, test.log.state().Model()); d != "" {
			t.Errorf("%s: model (-want +got):\n%s", test.name, d)
		}
	}
}

func TestLease(t *testing.T) {
	lease := event(&LeaseAcquired{Holder: "h", TTLUS: 5})
	lease.Epoch = 3
	l := new(script).live(lease)
	if d := cmp.Diff(Lease{Epoch: 3, Holder: "h", TTLUS: 5}, l.state().Lease()); d != "" {
		t.Errorf("lease (-want +got):\n%s", d)
	}
	l.live(event(&LeaseReleased{Holder: "h"}))
	if s := l.state().Lease(); !s.Released || s.Epoch != 3 {
		t.Errorf("lease %+v, want epoch 3, released", s)
	}
}

func TestOpenRequest(t *testing.T) {
	ask := func(id string) *Event { return event(&ModelRequested{RequestID: id, Attempt: 1, Model: "m"}) }
	answer := func(id string) *Event {
		ev := modelSays(1, 1, text("x"))
		ev.Data.(*ModelOutput).RequestID = id
		return ev
	}
	for _, test := range []struct {
		name string
		log  *script
		want string
	}{
		{"none", new(script), ""},
		{"open", new(script).live(ask("a")), "a"},
		{"superseded", new(script).live(ask("a"), ask("b")), "b"},
		{"answered", new(script).live(ask("a"), answer("a")), ""},
		{"an older one answered", new(script).live(ask("a"), ask("b"), answer("a")), "b"},
		{"answered by who does not say", new(script).live(ask("a"), answer("")), ""},
		{"failed", new(script).live(ask("a"), event(&ModelFailed{RequestID: "a", Class: ErrorServer})), ""},
		{"turn over", new(script).live(ask("a"), event(&TurnFinished{Reason: TurnInterrupted})), ""},
	} {
		r, ok := test.log.state().OpenRequest()
		if r.RequestID != test.want || ok != (test.want != "") {
			t.Errorf("%s: open request %q, %t; want %q", test.name, r.RequestID, ok, test.want)
		}
	}
}

func TestNumbersGoOnWhereTheyStopped(t *testing.T) {
	s := new(script).lines(userSays(1, "q"), modelSays(1, 1), modelSays(1, 2), userSays(2, "r")).state()
	if s.Turns() != 2 || s.Steps(1) != 2 || s.Steps(2) != 0 || s.Steps(9) != 0 {
		t.Errorf("turns %d, steps %d and %d", s.Turns(), s.Steps(1), s.Steps(2))
	}
}

func TestCall(t *testing.T) {
	s := new(script).lines(modelSays(1, 1, calls("1/1/0")), result(1, 1, "1/1/0", "x")).state()
	if c, ok := s.Call("1/1/0"); !ok || c.State != "" || c.Name != "shell" || !c.Imported {
		t.Errorf("an answered call: %+v, %t", c, ok)
	}
	if _, ok := s.Call("9/1/0"); ok {
		t.Error("a call that is none")
	}
	s = new(script).live(modelSays(1, 1, calls("1/1/0")), event(&ToolStarted{CallKey: "1/1/0", Attempt: 2, Token: "t", Effect: EffectKeyed, IdempotencyKey: "k", Detached: true})).state()
	want := OpenCall{Key: "1/1/0", VendorID: "id-1/1/0", Name: "shell", Kind: CallFunction, State: CallUnknown,
		Started: true, StartSeq: 1, Attempt: 2, Token: "t", Effect: EffectKeyed, IdempotencyKey: "k", Detached: true}
	if c, _ := s.Call("1/1/0"); !cmp.Equal(want, c) {
		t.Errorf("a started call (-want +got):\n%s", cmp.Diff(want, c))
	}
}

func TestLiveLeaf(t *testing.T) {
	l := new(script).record("u", "", userSays(1, "q")).record("a", "u", modelSays(1, 1, text("a")))
	if got := l.state().LiveLeaf(); got != "a" {
		t.Errorf("live leaf %q, want a", got)
	}
	native := userSays(2, "native")
	native.ID = "random"
	if got := l.live(native).state().LiveLeaf(); got != "a" {
		t.Errorf("live leaf %q after a native entry, want a: the source's newest record", got)
	}
	if got := new(script).lines(userSays(1, "q")).state().LiveLeaf(); got != "" {
		t.Errorf("live leaf %q of a linear log, want none", got)
	}
}

func TestFindings(t *testing.T) {
	l := new(script).
		record("a", "lost", userSays(1, "a")).
		record("a", "a", userSays(2, "same id")).
		lines(event(&BranchSelected{Leaf: "nowhere"}), result(1, 1, "1/1/0", "no call"), event(&LogGap{Seq: 4}), modelSays(3, 1, calls("3/1/0")), modelSays(3, 1, calls("3/1/0")))
	want := []Finding{
		{FindingDanglingParent, 1, 0}, {FindingDuplicateCall, 1, 6}, {FindingDuplicateID, 1, 1},
		{FindingGap, 1, 4}, {FindingMissingLeaf, 1, 2}, {FindingOrphanResult, 1, 3},
	}
	if d := cmp.Diff(want, l.state().Findings()); d != "" {
		t.Errorf("findings (-want +got):\n%s", d)
	}
	cycle := new(script).record("x", "y", userSays(1, "x")).record("y", "x", userSays(1, "y")).state().Findings()
	if len(cycle) != 1 || cycle[0].Code != FindingCycle {
		t.Errorf("findings %v, want a cycle", cycle)
	}
}
