package schema

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const someTime = "2026-11-24T09:30:00Z"

// validate runs a validator over a log; sourced entries have their record.
func validate(t *testing.T, o ValidatorOptions, run func(v *Validator)) []string {
	t.Helper()
	found := []string{}
	o.Report = func(p Problem) { found = append(found, p.Code) }
	v := NewValidator(o)
	run(v)
	v.Close()
	return found
}

func (l *script) validate(t *testing.T, o ValidatorOptions) []string {
	t.Helper()
	return validate(t, o, func(v *Validator) {
		for i, ev := range l.events {
			if ev.Source == nil && ev.Time == "" {
				ev.Time = someTime
			}
			if ev.Actor.Kind == "" {
				ev.Actor.Kind = ActorExecutor
			}
			b, err := Encode(nil, ev)
			if err != nil {
				t.Fatal(err)
			}
			v.Entry(int64(i), b, ev.Source != nil && ev.Source.Part == 0)
		}
	})
}

func TestValidator(t *testing.T) {
	call := func(turn, step, index int64) Block {
		b := calls(string(NewCallKey(turn, step, index)))
		b.Index = Int(index)
		return b
	}
	epoch := func(n int64, ev *Event) *Event { ev.Epoch = n; return ev }
	lease := func(n int64) *Event { return epoch(n, event(&LeaseAcquired{Holder: "h"})) }
	timed := func(s string, ev *Event) *Event { ev.Time = s; return ev }
	caused := func(by int64, ev *Event) *Event { ev.Causes = []int64{by}; return ev }
	for _, test := range []struct {
		name string
		log  *script
		want []string
	}{
		{"imported", new(script).record("u", "", userSays(1, "q")).record("a", "u", modelSays(1, 1, call(1, 1, 0))).
			record("r", "a", event(&PermissionDecided{CallKey: "1/1/0", Decision: DecisionAllow}), result(1, 1, "1/1/0", "x")).lines(result(1, 1, "1/1/0", "again")), nil},
		{"native", new(script).live(lease(1), userSays(1, "q"), event(&ModelRequested{RequestID: "r", Attempt: 1}), modelSays(1, 1, call(1, 1, 0)),
			event(&PermissionRequested{CallKey: "1/1/0"}), event(&PermissionDecided{CallKey: "1/1/0", Decision: DecisionDeny}), result(1, 1, "1/1/0", "no")), nil},
		{"no time", new(script).live(timed("", userSays(1, "q")), timed("2026-13-01T00:00:00Z", userSays(2, "q"))), []string{ProblemTime}},
		{"epochs", new(script).live(lease(1), lease(1), lease(3), epoch(2, userSays(1, "late"))), []string{ProblemEpoch, ProblemEpoch, ProblemFenced}},
		{"epoch without a lease", new(script).live(epoch(4, userSays(1, "q"))), []string{ProblemEpoch}},
		{"call claimed twice", new(script).lines(modelSays(1, 1, call(1, 1, 0)), modelSays(1, 1, call(1, 1, 0))), []string{ProblemCallClaimed}},
		{"a revision repeats its call", new(script).row("t", 0, modelSays(1, 1, call(1, 1, 0))).row("t", 1, modelSays(1, 1, call(1, 1, 0))), nil},
		{"another row's call", new(script).row("t", 0, modelSays(1, 1, call(1, 1, 0))).row("o", 1, modelSays(1, 1, call(1, 1, 0))), []string{ProblemCallClaimed}},
		{"call of another response", new(script).lines(modelSays(1, 1, call(1, 2, 0))), []string{ProblemCallKey}},
		{"call without a key", new(script).lines(modelSays(1, 1, Block{Type: BlockToolCall, Name: "x"})), []string{ProblemNoCallKey}},
		{"result of no call", new(script).lines(result(1, 1, "1/1/0", "x")), []string{ProblemUnknownCall}},
		{"nested result", new(script).lines(modelSays(1, 1, call(1, 1, 0)), event(&ToolResult{CallKey: "1/1/0.3", Nested: true, Status: StatusOK})), nil},
		{"nested result of no call", new(script).lines(event(&ToolResult{CallKey: "1/1/0.3", Nested: true, Status: StatusOK})), []string{ProblemUnknownCall}},
		{"answered twice natively", new(script).live(modelSays(1, 1, call(1, 1, 0)), result(1, 1, "1/1/0", "x"), result(1, 1, "1/1/0", "y")), []string{ProblemCallAnswered}},
		{"native decision about nothing", new(script).live(modelSays(1, 1, call(1, 1, 0)), event(&PermissionDecided{CallKey: "1/1/0", Decision: DecisionAllow})), []string{ProblemNoPermission}},
		{"request not logged", new(script).live(func() *Event { ev := modelSays(1, 1); ev.Data.(*ModelOutput).RequestID = "r"; return ev }()), []string{ProblemRequest}},
		{"compaction of what is to come", new(script).live(event(&ContextCompacted{Covers: []int64{0, 0}})), []string{ProblemCovers}},
		{"cause to come", new(script).live(caused(0, userSays(1, "q"))), []string{ProblemCause}},
		{"gap elsewhere", new(script).live(event(&LogGap{Seq: 3})), []string{ProblemGap}},
		{"numbers skipped", new(script).lines(userSays(2, "q"), modelSays(2, 2)), []string{ProblemNumbering, ProblemNumbering}},
		{"numbers skipped after a gap", new(script).live(event(&LogGap{Seq: 0})).lines(userSays(2, "q"), modelSays(2, 2)), nil},
		{"later types", new(script).live(event(&Unknown{Type: "a.b", JSON: []byte(`{}`)}), func() *Event { e := event(&Unknown{Type: "a.b", JSON: []byte(`{}`)}); e.Crit = true; return e }()),
			[]string{ProblemUnknownType, ProblemCritical}},
	} {
		t.Run(test.name, func(t *testing.T) {
			if d := cmp.Diff(strings.Join(test.want, "\n"), strings.Join(test.log.validate(t, ValidatorOptions{}), "\n")); d != "" {
				t.Errorf("problems (-want +got):\n%s", d)
			}
		})
	}
}

func TestValidatorRuns(t *testing.T) {
	part := func(line, n int64) *Event {
		return &Event{Actor: Actor{Kind: ActorImport}, Source: &Source{Vendor: "codex", Line: line, Part: n}, Data: &VendorRecord{}}
	}
	gone := &Event{Source: &Source{Vendor: "opencode", Row: &Row{"part", "p"}, Rev: 1}, Data: &VendorRecord{Kind: KindGone}}
	for _, test := range []struct {
		name string
		run  func(v *Validator)
		want []string
	}{
		{"good", func(v *Validator) {
			v.Event(0, part(1, 0), true)
			v.Event(1, part(1, 1), false)
			v.Event(2, part(2, 0), true)
			v.Event(3, gone, false)
		}, nil},
		{"a part alone", func(v *Validator) { v.Event(0, part(1, 1), false) }, []string{ProblemRun}},
		{"a part of another record", func(v *Validator) { v.Event(0, part(1, 0), true); v.Event(1, part(2, 1), false) }, []string{ProblemRun}},
		{"a part left out", func(v *Validator) { v.Event(0, part(1, 0), true); v.Event(1, part(1, 2), false) }, []string{ProblemRun}},
		{"bytes twice", func(v *Validator) { v.Event(0, part(1, 0), true); v.Event(1, part(1, 1), true) }, []string{ProblemRunBytes}},
		{"no bytes", func(v *Validator) { v.Event(0, part(1, 0), false) }, []string{ProblemRunBytes}},
		{"position left out", func(v *Validator) { v.Event(0, part(1, 0), true); v.Event(2, part(2, 0), true) }, []string{ProblemSeq}},
		{"a hole inside a run", func(v *Validator) {
			v.Event(0, part(1, 0), true)
			v.Hole(1, [32]byte{})
			v.Event(2, part(1, 2), false)
		}, []string{ProblemRun, ProblemHole}},
		{"native entry with a record", func(v *Validator) { v.Event(0, &Event{Time: someTime, Raw64: "AA==", Data: &NoteAdded{}}, false) }, []string{ProblemRunBytes}},
	} {
		t.Run(test.name, func(t *testing.T) {
			if d := cmp.Diff(strings.Join(test.want, "\n"), strings.Join(validate(t, ValidatorOptions{}, test.run), "\n")); d != "" {
				t.Errorf("problems (-want +got):\n%s", d)
			}
		})
	}
}

func TestValidatorHoles(t *testing.T) {
	leaf := [32]byte{0xab}
	hexLeaf := "ab" + strings.Repeat("00", 31)
	named := func(seq int64, leaf string) *Event {
		return timedNote(&LogRedacted{Seqs: []int64{seq}, Leaves: []string{leaf}})
	}
	for _, test := range []struct {
		name string
		by   *Event
		want []string
	}{
		{"named", named(0, hexLeaf), nil},
		{"not named", timedNote(&NoteAdded{}), []string{ProblemHole}},
		{"another leaf", named(0, strings.Repeat("00", 32)), []string{ProblemNotHole, ProblemHole}},
		{"no hole", named(1, hexLeaf), []string{ProblemNotHole, ProblemHole}},
		{"leaves missing", timedNote(&LogRedacted{Seqs: []int64{0}}), []string{ProblemNotHole, ProblemHole}},
	} {
		t.Run(test.name, func(t *testing.T) {
			got := validate(t, ValidatorOptions{}, func(v *Validator) {
				v.Hole(0, leaf)
				v.Event(1, test.by, false)
			})
			if d := cmp.Diff(strings.Join(test.want, "\n"), strings.Join(got, "\n")); d != "" {
				t.Errorf("problems (-want +got):\n%s", d)
			}
		})
	}
}

func timedNote(d Data) *Event { return &Event{Time: someTime, Data: d} }

func TestValidatorLooksOutside(t *testing.T) {
	blob := Blob{Digest: "sha256:" + strings.Repeat("0", 64), Size: 1}
	asked := 0
	o := ValidatorOptions{
		Blob: func(b Blob) error { asked++; return errors.New("missing") },
		Head: func(log string, size int64) (string, error) {
			if log == "gone" {
				return "", errors.New("no such log")
			}
			return "root", nil
		},
		Canonical: true,
	}
	fork := func(log, root string) *Event {
		return timedNote(&SessionForked{From: &ForkOrigin{Log: log, Size: 3, Root: root}})
	}
	got := validate(t, o, func(v *Validator) {
		v.Event(0, timedNote(&NoteAdded{Text: Text{Blob: &blob, Set: true}}), false)
		v.Event(1, timedNote(&NoteAdded{Text: Text{Blob: &blob, Set: true}}), false)
		v.Event(2, fork("l", "root"), false)
		v.Event(3, fork("l", "other"), false)
		v.Event(4, fork("gone", "root"), false)
		v.Entry(5, []byte(`{"v":1,"type":"note.added","time":"`+someTime+`","actor":{"kind":"user"},"data":{"text":"x","later":1}}`), false)
		v.Entry(6, []byte(`{"v":1,"type":"note.added","data":{"text":"x"}}`), false)
	})
	want := []string{ProblemBlob, ProblemForkHead, ProblemForkHead, ProblemNotCanonical, ProblemMissing}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("problems (-want +got):\n%s", d)
	}
	if asked != 1 {
		t.Errorf("one blob was asked for %d times", asked)
	}
}
