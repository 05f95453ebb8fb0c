package replay_test

import (
	"io"
	"testing"

	"github.com/go-json-experiment/json"
	"github.com/google/go-cmp/cmp"

	"github.com/ownlog/ownlog/format"
	"github.com/ownlog/ownlog/replay"
	"github.com/ownlog/ownlog/replay/provider/scripted"
	"github.com/ownlog/ownlog/replay/tool"
	"github.com/ownlog/ownlog/schema"
)

// definitionOf returns the last definition that a log names, read by its digest.
func (r *rig) definitionOf() (def schema.Definition, count int) {
	r.t.Helper()
	for _, ev := range r.events() {
		d, ok := ev.Data.(*schema.SessionDefined)
		if !ok {
			continue
		}
		count++
		digest, err := format.ParseHash(d.Definition.Digest[len("sha256:"):])
		if err != nil {
			r.t.Fatal(err)
		}
		blob, err := r.store.OpenBlob(r.t.Context(), digest) // checks the digest
		if err != nil {
			r.t.Fatal(err)
		}
		b, err := io.ReadAll(blob)
		if err != nil {
			r.t.Fatal(err)
		}
		def = schema.Definition{}
		if err := json.Unmarshal(b, &def); err != nil {
			r.t.Fatal(err)
		}
	}
	return def, count
}

// TestDefinitions: a session runs under the definition that its log names, else
// under the one the executor brings, else under the built-in one; which, is in the
// log by digest.
func TestDefinitions(t *testing.T) {
	const file = `{"system":["You are from a file."],"tools":[{"name":"readonly"}],"budget":{"steps":1}}`
	brought, err := replay.ParseDefinition([]byte(file))
	if err != nil {
		t.Fatal(err)
	}
	r := newRig(t)
	spy := &spyProvider{Provider: scripted.New(calls("readonly"), calls("readonly"), scripted.Say("done"))}
	x := r.executor()
	x.Provider, x.Tools, x.Definition = spy, tool.NewSet(newEffects("readonly", schema.EffectReadonly)), brought
	r.say("go")
	if out := r.run(x, replay.StatusIdle); out.Finished.Reason != schema.TurnBudget || out.Steps != 1 {
		t.Errorf("%d steps, the turn ended %+v: want the budget of the definition to hold", out.Steps, out.Finished)
	}
	def, n := r.definitionOf()
	if d := cmp.Diff(brought.System, def.System); d != "" || n != 1 || def.Model == nil || def.Model.ID != "script" {
		t.Errorf("%d definitions, the last %+v", n, def)
	}

	// Another executor brings another; the log's stands.
	x.Definition = &schema.Definition{System: []string{"You are somebody else."}, Tools: brought.Tools}
	r.say("again")
	r.run(x, replay.StatusIdle)
	if def, n := r.definitionOf(); n != 1 || def.System[0] != "You are from a file." {
		t.Errorf("%d definitions, the last %+v", n, def)
	}

	// A switch of the model is an update, and nothing else changes.
	x.Model = "script-2"
	r.say("and on")
	r.run(x, replay.StatusIdle)
	switched := false
	for _, ev := range r.events() {
		if d, ok := ev.Data.(*schema.SessionUpdated); ok && d.Model != nil {
			switched = d.Model.ID == "script-2"
		}
	}
	if !switched || spy.sent.Model != "script-2" {
		t.Errorf("switched %t, asked %s", switched, spy.sent.Model)
	}

	plain := newRig(t)
	plain.say("go")
	plain.run(plain.executor(scripted.Say("hi")), replay.StatusIdle)
	def, _ = plain.definitionOf()
	if want := replay.DefaultDefinition(""); len(def.System) != 1 || def.System[0] != want.System[0] || len(def.Tools) != len(want.Tools) {
		t.Errorf("without a definition the session ran under %+v", def)
	}
	for _, bad := range []string{`{"system":["x"],"tols":[]}`, `{"system":`, `[]`} {
		if _, err := replay.ParseDefinition([]byte(bad)); err == nil {
			t.Errorf("the definition %s was taken", bad)
		}
	}
}
