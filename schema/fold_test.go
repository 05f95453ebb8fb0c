package schema

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// script builds a log for tests: one event after another.
type script struct {
	events []*Event
	line   int64
}

// record starts a vendor record: the next entries up to the next record are its
// run.
func (l *script) record(id, parent string, evs ...*Event) *script {
	l.line++
	for i, ev := range evs {
		ev.Source = &Source{Vendor: "claude-code", Line: l.line, Part: int64(i)}
		if i == 0 {
			ev.ID, ev.Parent = id, Parent{Known: true, ID: parent}
		}
		l.events = append(l.events, ev)
	}
	return l
}

// lines adds records of a vendor without a tree, one entry each.
func (l *script) lines(evs ...*Event) *script {
	for _, ev := range evs {
		l.line++
		ev.Source = &Source{Vendor: "codex", Line: l.line}
		l.events = append(l.events, ev)
	}
	return l
}

// row adds a row as a run.
func (l *script) row(id string, rev int64, evs ...*Event) *script {
	for i, ev := range evs {
		ev.Source = &Source{Vendor: "opencode", Row: &Row{Table: "part", ID: id}, Rev: rev, Part: int64(i)}
		l.events = append(l.events, ev)
	}
	return l
}

// live adds entries written natively.
func (l *script) live(evs ...*Event) *script {
	l.events = append(l.events, evs...)
	return l
}

func (l *script) state() *State {
	s := new(State)
	for i, ev := range l.events {
		s.Apply(int64(i), ev)
	}
	return s
}

func (l *script) view(t *testing.T, options ...ViewOption) []string {
	t.Helper()
	return viewText(t, l.state(), LoadFrom(l.events), options...)
}

// viewText renders a view, one line a message.
func viewText(t *testing.T, s *State, load Load, options ...ViewOption) []string {
	t.Helper()
	lines := []string{}
	for m, err := range s.View(load, options...) {
		if err != nil {
			t.Fatal(err)
		}
		var b strings.Builder
		b.WriteString(string(m.Role))
		if m.Summary {
			b.WriteString(" summary")
		}
		for _, p := range m.Content {
			b.WriteString(" " + p.Text.Inline)
		}
		for _, bl := range m.Blocks {
			if bl.Type == BlockToolCall {
				b.WriteString(" call:" + string(bl.CallKey))
			} else {
				b.WriteString(" " + bl.Text.Inline)
			}
		}
		if r := m.Result; r != nil {
			b.WriteString(" " + string(r.CallKey) + " " + string(r.Status))
			switch {
			case r.Recovered:
				b.WriteString(" recovered")
			case r.NotStarted:
				b.WriteString(" not-started")
			case r.Content == nil:
				b.WriteString(" open")
			}
			for _, p := range r.Content {
				b.WriteString(" " + p.Text.Inline)
			}
		}
		lines = append(lines, b.String())
	}
	return lines
}

func userSays(turn int64, text string) *Event {
	return &Event{Type: TypeUserMessage, Turn: turn, Data: &UserMessage{Content: []Part{TextPart(text)}, Origin: OriginTyped}}
}

func modelSays(turn, step int64, blocks ...Block) *Event {
	return &Event{Type: TypeModelOutput, Turn: turn, Step: step, Data: &ModelOutput{Blocks: blocks}}
}

func text(s string) Block { return Block{Type: BlockText, Text: String(s)} }

func calls(key string) Block {
	return Block{Type: BlockToolCall, CallKey: CallKey(key), VendorID: "id-" + key, Name: "shell", Kind: CallFunction}
}

func result(turn, step int64, key, out string) *Event {
	return &Event{Type: TypeToolResult, Turn: turn, Step: step, Data: &ToolResult{CallKey: CallKey(key), Status: StatusOK, Content: []Part{TextPart(out)}}}
}

func event(d Data) *Event { return &Event{Type: d.EventType(), Data: d} }

func wantView(t *testing.T, got []string, want ...string) {
	t.Helper()
	if want == nil {
		want = []string{}
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("view (-want +got):\n%s", d)
	}
}

func TestViewLinear(t *testing.T) {
	l := new(script).lines(
		userSays(1, "do it"),
		modelSays(1, 1, text("on it")),
		modelSays(1, 1, calls("1/1/0"), calls("1/1/1")),
		result(1, 1, "1/1/1", "second"),
		event(&VendorRecord{Kind: "noise"}),
		result(1, 1, "1/1/0", "first"),
		modelSays(1, 2, text("done")),
	)
	wantView(t, l.view(t),
		"user do it",
		"model on it call:1/1/0 call:1/1/1",
		"tool 1/1/1 ok second",
		"tool 1/1/0 ok first",
		"model done")
	if got := l.state().TurnState(); got != StateIdle {
		t.Errorf("turn state %s, want idle", got)
	}
}

// A parallel result hangs beside the path, between two blocks of the response.
func TestViewTreeParallelResults(t *testing.T) {
	l := new(script).
		record("u", "", userSays(1, "go")).
		record("a0", "u", modelSays(1, 1, text("Delegating."))).
		record("a1", "a0", modelSays(1, 1, calls("1/1/0"))).
		record("r0", "a1", event(&PermissionDecided{CallKey: "1/1/0", Decision: DecisionAllow}), result(1, 1, "1/1/0", "one")).
		record("a2", "a1", modelSays(1, 1, calls("1/1/1"))).
		record("r1", "a2", result(1, 1, "1/1/1", "two")).
		record("b", "r1", modelSays(1, 2, text("both")))
	wantView(t, l.view(t),
		"user go",
		"model Delegating. call:1/1/0 call:1/1/1",
		"tool 1/1/0 ok one",
		"tool 1/1/1 ok two",
		"model both")
}

func TestViewBlockPositions(t *testing.T) {
	second, first := modelSays(1, 1, text("second")), modelSays(1, 1, text("first"))
	second.Data.(*ModelOutput).Block, first.Data.(*ModelOutput).Block = Int(1), Int(0)
	l := new(script).record("a", "", second).record("b", "a", first)
	wantView(t, l.view(t), "model first second")
	first.Data.(*ModelOutput).Block = nil
	wantView(t, l.view(t), "model second first")
}

func TestViewBranches(t *testing.T) {
	branches := func() *script {
		return new(script).
			record("u", "", userSays(1, "root")).
			record("a", "u", modelSays(1, 1, text("A"))).
			record("b", "u", modelSays(1, 2, text("B"))).
			record("a2", "a", userSays(2, "after A")).
			record("b2", "b", userSays(3, "after B"))
	}
	side := userSays(3, "aside")
	side.Side = true
	for _, test := range []struct {
		name string
		log  *script
		want []string
	}{
		{"last record", branches(), []string{"user root", "model B", "user after B"}},
		{"selected, followed to its tip", branches().lines(event(&BranchSelected{Leaf: "a"})), []string{"user root", "model A", "user after A"}},
		{"selected before it is written", new(script).lines(event(&BranchSelected{Leaf: "b"})).
			record("u", "", userSays(1, "root")).record("b", "u", userSays(2, "B")).record("a", "u", userSays(3, "A")), []string{"user root", "user B"}},
		{"selected but missing", branches().lines(event(&BranchSelected{Leaf: "nowhere"})), []string{"user root", "model B", "user after B"}},
		{"the last selection counts", branches().lines(event(&BranchSelected{Leaf: "a"}), event(&BranchSelected{Leaf: "b"})), []string{"user root", "model B", "user after B"}},
		{"side lane", branches().record("s", "b2", side), []string{"user root", "model B", "user after B"}},
		{"second root", branches().record("n", "", userSays(4, "anew")), []string{"user anew"}},
		{"dangling parent", branches().record("n", "lost", userSays(4, "more")), []string{"user root", "model B", "user after B", "user more"}},
		{"parent to come", new(script).record("c", "p", userSays(2, "child")).record("p", "", userSays(1, "parent")).
			lines(event(&BranchSelected{Leaf: "p"})), []string{"user parent", "user child"}},
		{"cycle", new(script).record("x", "y", userSays(1, "x")).record("y", "x", userSays(1, "y")), []string{"user x", "user y"}},
		{"own parent", new(script).record("x", "x", userSays(1, "x")), []string{"user x"}},
		{"native entries follow the live branch", branches().lines(event(&BranchSelected{Leaf: "a"})).live(userSays(4, "native")), []string{"user root", "model A", "user after A", "user native"}},
		{"records through the chain", new(script).record("u", "", userSays(1, "u")).record("v", "u", event(&VendorRecord{Kind: "progress"})).
			record("w", "v", modelSays(1, 1, text("w"))), []string{"user u", "model w"}},
	} {
		t.Run(test.name, func(t *testing.T) { wantView(t, test.log.view(t), test.want...) })
	}
}

func TestViewDropUserTurns(t *testing.T) {
	l := new(script).lines(
		userSays(1, "one"), modelSays(1, 1, text("1")),
		userSays(2, "two"), modelSays(2, 1, text("2")),
		userSays(3, "three"), modelSays(3, 1, text("3")),
		event(&BranchSelected{DropUserTurns: 2}),
		userSays(4, "four"),
	)
	wantView(t, l.view(t), "user one", "model 1", "user four")
	l = new(script).lines(userSays(1, "one"), event(&BranchSelected{DropUserTurns: 9}))
	wantView(t, l.view(t))
}

// Codex writes the whole new history into the compaction.
func TestViewCompactedByView(t *testing.T) {
	view := []ViewMessage{
		{Role: RoleUser, Content: []Part{TextPart("summary of it")}},
		{Role: RoleModel, Blocks: []Block{{Type: BlockToolCall, Name: "shell", Kind: CallFunction, VendorID: "id-1/1/0"}}},
		{Role: RoleTool, VendorID: "id-1/1/0", Content: []Part{TextPart("old")}},
		{Role: RoleModel, Blocks: []Block{{Type: BlockToolCall, Name: "shell", Kind: CallFunction, VendorID: "id-1/2/0"}}},
		{Role: RoleModel, Blocks: []Block{{Type: BlockToolCall, Name: "shell", Kind: CallFunction, VendorID: "nobody's"}}},
	}
	l := new(script).lines(
		userSays(1, "one"), modelSays(1, 1, calls("1/1/0")), result(1, 1, "1/1/0", "old"), modelSays(1, 2, calls("1/2/0")),
		event(&ContextCompacted{View: view}),
		modelSays(1, 2), // usage that comes late is no second place
		result(1, 2, "1/2/0", "late"),
		userSays(2, "two"),
	)
	wantView(t, l.view(t),
		"user summary of it", "model call:1/1/0", "tool 1/1/0 ok old",
		"model call:1/2/0", "tool 1/2/0 ok late",
		"model call:0/0/0", "tool 0/0/0 unknown open",
		"user two")
	wantView(t, l.view(t, Uncompacted()),
		"user one", "model call:1/1/0", "tool 1/1/0 ok old", "model call:1/2/0", "tool 1/2/0 ok late", "user two")
}

func TestViewCompactedUserMessages(t *testing.T) {
	l := new(script).lines(
		userSays(1, "one"), modelSays(1, 1, text("1")), userSays(2, "two"), modelSays(2, 1, text("2")),
		event(&ContextCompacted{Summary: []Part{TextPart("S")}, UserMessages: true}),
		userSays(3, "three"),
	)
	wantView(t, l.view(t), "user one", "user two", "user summary S", "user three")
}

// Claude Code: a boundary with a parent of its own, the summary after it, then
// the records it keeps.
func TestViewCompactedBySummaryMessage(t *testing.T) {
	summary := userSays(2, "S")
	summary.Data.(*UserMessage).Origin = OriginSummary
	boundary := &ContextCompacted{LogicalParent: "b", Kept: []string{"a", "r", "b"}}
	l := new(script).
		record("u", "", userSays(1, "one")).
		record("a", "u", modelSays(1, 1, calls("1/1/0"))).
		record("r", "a", result(1, 1, "1/1/0", "out")).
		record("b", "r", modelSays(1, 2, text("done"))).
		record("c", "", event(boundary))
	wantView(t, l.view(t), "user one", "model call:1/1/0", "tool 1/1/0 ok out", "model done")
	l.record("s", "c", summary).record("v", "s", userSays(3, "go on"))
	wantView(t, l.view(t), "user summary S", "model call:1/1/0", "tool 1/1/0 ok out", "model done", "user go on")
	wantView(t, l.view(t, Uncompacted()), "user one", "model call:1/1/0", "tool 1/1/0 ok out", "model done", "user go on")
}

// OpenCode: a marker, a response that is the summary, and a tail from a message.
func TestViewCompactedBySummaryResponse(t *testing.T) {
	user := func(turn int64, id, s string) *Event {
		ev := userSays(turn, s)
		ev.Data.(*UserMessage).MessageID = id
		return ev
	}
	l := new(script).lines(
		user(1, "m1", "one"), modelSays(1, 1, text("1")),
		user(2, "m2", "two"), user(2, "m2", "(more)"), modelSays(2, 1, text("2")),
		event(&ContextCompacted{Marker: String("What did we do?"), SummaryFrom: "3/1", KeptFrom: "m2"}),
		modelSays(3, 1),
	)
	wantView(t, l.view(t), "user one", "model 1", "user two (more)", "model 2", "user What did we do?")
	summary := modelSays(3, 1, text("S"))
	summary.Data.(*ModelOutput).Summary = true
	l.lines(summary, user(4, "m4", "four"))
	wantView(t, l.view(t), "user What did we do?", "model summary S", "user two (more)", "model 2", "user four")
	wantView(t, l.view(t, Uncompacted()), "user one", "model 1", "user two (more)", "model 2", "user four")
}

func TestViewCompactedNatively(t *testing.T) {
	l := new(script).live(
		userSays(1, "one"), modelSays(1, 1, text("1")), userSays(2, "two"), modelSays(2, 1, text("2")),
		event(&ContextCompacted{Covers: []int64{0, 1}, Summary: []Part{TextPart("S")}}),
		userSays(3, "three"),
	)
	wantView(t, l.view(t), "user summary S", "user two", "model 2", "user three")
}

func TestRevisions(t *testing.T) {
	run := func(status string) []*Event {
		evs := []*Event{modelSays(1, 1, calls("1/1/0")), event(&ToolStarted{CallKey: "1/1/0"})}
		if status == "completed" {
			evs = append(evs, result(1, 1, "1/1/0", "out"))
		}
		return evs
	}
	usage := func(n int64) *Event {
		ev := modelSays(1, 1)
		ev.Data.(*ModelOutput).Usage = &Usage{Output: Int(n)}
		return ev
	}
	steps := new(script).
		row("m", 0, userSays(1, "hi")).
		row("t", 0, run("running")...).
		row("f", 0, usage(5)).
		row("t", 1, run("running")...).
		row("n", 0, modelSays(1, 2, text("done"))).
		row("t", 2, run("completed")...).
		row("f", 1, usage(7))
	once := new(script).
		row("m", 0, userSays(1, "hi")).
		row("t", 0, run("completed")...).
		row("f", 0, usage(7)).
		row("n", 0, modelSays(1, 2, text("done")))
	want := []string{"user hi", "model call:1/1/0", "tool 1/1/0 ok out", "model done"}
	wantView(t, once.view(t), want...)
	wantView(t, steps.view(t), want...)
	if d := cmp.Diff(once.state().Usage(), steps.state().Usage()); d != "" {
		t.Errorf("usage (-once +in steps):\n%s", d)
	}
	steps.row("t", 3, event(&VendorRecord{Kind: "gone"}))
	wantView(t, steps.view(t), "user hi", "model done")
	steps.row("m", 1, event(&VendorRecord{Kind: KindGone})).row("m", 2, userSays(1, "hi again"))
	wantView(t, steps.view(t), "model done", "user hi again")
	if f := steps.state().Findings(); len(f) > 0 {
		t.Errorf("findings %v, want none: a revision repeats its own call", f)
	}
}

func TestOpenCalls(t *testing.T) {
	outcome := event(&ToolResult{CallKey: "1/1/0", Status: StatusError, ExitCode: Int(3)})
	for _, test := range []struct {
		name string
		log  *script
		want CallState
		view string
		turn TurnState
	}{
		{"imported", new(script).lines(modelSays(1, 1, calls("1/1/0"))), CallUnknown, "unknown open", StateRunning},
		{"native", new(script).live(modelSays(1, 1, calls("1/1/0"))), CallNotStarted, "unknown not-started", StateRunning},
		{"native, started", new(script).live(modelSays(1, 1, calls("1/1/0")), event(&ToolStarted{CallKey: "1/1/0"})), CallUnknown, "unknown open", StateRunning},
		{"imported, waiting", new(script).lines(modelSays(1, 1, calls("1/1/0")), event(&PermissionRequested{CallKey: "1/1/0"})), CallWaiting, "unknown not-started", StateWaiting},
		{"imported, decided here", new(script).lines(modelSays(1, 1, calls("1/1/0")), event(&PermissionRequested{CallKey: "1/1/0"})).
			live(event(&PermissionDecided{CallKey: "1/1/0", Decision: DecisionAllow})), CallNotStarted, "unknown not-started", StateRunning},
		{"imported, decided there", new(script).lines(modelSays(1, 1, calls("1/1/0")), event(&PermissionDecided{CallKey: "1/1/0", Decision: DecisionAllow})), CallUnknown, "unknown open", StateRunning},
		{"outcome known", new(script).lines(modelSays(1, 1, calls("1/1/0")), outcome), CallRecovered, "error recovered", StateRunning},
		{"outcome known before the call's other piece", new(script).lines(modelSays(1, 1, calls("1/1/0")), outcome, modelSays(1, 1, text("x"))), CallRecovered, "error recovered", StateRunning},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := test.log.state()
			open := s.OpenCalls()
			if len(open) != 1 || open[0].State != test.want {
				t.Fatalf("open calls %+v, want one %s", open, test.want)
			}
			if got := s.TurnState(); got != test.turn {
				t.Errorf("turn state %s, want %s", got, test.turn)
			}
			view := test.log.view(t)
			if got := view[len(view)-1]; got != "tool 1/1/0 "+test.view {
				t.Errorf("last message %q, want %q", got, "tool 1/1/0 "+test.view)
			}
		})
	}
}

func TestServerCallsAreNeverOpen(t *testing.T) {
	c := calls("1/1/0")
	c.Kind = CallServer
	l := new(script).lines(userSays(1, "q"), modelSays(1, 1, c, text("found")))
	wantView(t, l.view(t), "user q", "model call:1/1/0 found")
	s := l.state()
	if open := s.OpenCalls(); len(open) > 0 || s.TurnState() != StateIdle {
		t.Errorf("open %v, turn %s; want none, idle", open, s.TurnState())
	}
}

func TestHoleStopsReplay(t *testing.T) {
	l := new(script).live(modelSays(1, 1, calls("1/1/0")))
	s := l.state()
	s.ApplyHole(1)
	if open := s.OpenCalls(); open[0].State != CallUnknown {
		t.Errorf("a call before a hole is %s, want unknown: the hole may be its start", open[0].State)
	}
	if d := cmp.Diff([]Stop{{Seq: 1}}, s.Blocked()); d != "" {
		t.Errorf("blocked (-want +got):\n%s", d)
	}
	unknown := event(&Unknown{Type: "later.type"})
	s.Apply(2, unknown)
	unknown.Crit = true
	s.Apply(3, unknown)
	if d := cmp.Diff([]Stop{{Seq: 1}, {Seq: 3, Type: "later.type"}}, s.Blocked()); d != "" {
		t.Errorf("blocked (-want +got):\n%s", d)
	}
	if s.Size() != 4 {
		t.Errorf("size %d, want 4", s.Size())
	}
}

func TestUsageCountsOncePerResponse(t *testing.T) {
	piece := func(turn, step, in int64, model string) *Event {
		ev := modelSays(turn, step, text("x"))
		d := ev.Data.(*ModelOutput)
		d.Usage, d.Model, d.CostNUSD = &Usage{Input: Int(in), Output: Int(1)}, model, Int(100)
		return ev
	}
	s := new(script).lines(piece(1, 1, 10, "m"), piece(1, 1, 12, "m"), piece(1, 2, 20, "n"), modelSays(2, 1, text("no usage"))).state()
	want := UsageTotal{Responses: 3, WithUsage: 2, Input: 32, Output: 2, WithCost: 2, CostNUSD: 200}
	if d := cmp.Diff(want, s.Usage()); d != "" {
		t.Errorf("usage (-want +got):\n%s", d)
	}
	by := s.UsageByModel()
	if len(by) != 3 || by[1].Model != "m" || by[1].Input != 12 || by[2].Input != 20 {
		t.Errorf("by model %+v", by)
	}
}

func TestTurnState(t *testing.T) {
	finished := func(r TurnReason) *Event { return event(&TurnFinished{Reason: r}) }
	for _, test := range []struct {
		name  string
		log   *script
		want  TurnState
		needs bool
	}{
		{"empty", new(script), StateIdle, false},
		{"unanswered", new(script).live(userSays(1, "q")), StateRunning, true},
		{"answered", new(script).live(userSays(1, "q"), modelSays(1, 1, text("a"))), StateIdle, false},
		{"answered inside a turn", new(script).lines(event(&TurnStarted{}), userSays(1, "q"), modelSays(1, 1, text("a"))), StateRunning, false},
		{"turn ended", new(script).lines(event(&TurnStarted{}), userSays(1, "q"), modelSays(1, 1, text("a")), finished(TurnEnd)), StateIdle, false},
		{"all results in", new(script).live(userSays(1, "q"), modelSays(1, 1, calls("1/1/0")), result(1, 1, "1/1/0", "r")), StateRunning, true},
		{"one result missing", new(script).live(modelSays(1, 1, calls("1/1/0"), calls("1/1/1")), result(1, 1, "1/1/0", "r")), StateRunning, false},
		{"interrupt", new(script).lines(userSays(1, "q"), event(&UserInterrupt{}), event(&SystemMessage{Role: RoleUser})), StateInterrupted, false},
		{"failed", new(script).lines(userSays(1, "q"), event(&ModelFailed{Class: ErrorServer})), StateFailed, true},
		{"failed, then asked again", new(script).lines(userSays(1, "q"), event(&ModelFailed{Class: ErrorServer}), modelSays(1, 1, text("a"))), StateIdle, false},
		{"turn failed", new(script).lines(userSays(1, "q"), finished(TurnError)), StateFailed, false},
		{"outcome after the end", new(script).lines(modelSays(1, 1, calls("1/1/0")), result(1, 1, "1/1/0", "r"), finished(TurnEnd),
			event(&ToolResult{CallKey: "1/1/0", Status: StatusOK})), StateIdle, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := test.log.state()
			if got := s.TurnState(); got != test.want {
				t.Errorf("turn state %s, want %s", got, test.want)
			}
			if got := s.NeedsModel(); got != test.needs {
				t.Errorf("needs model %t, want %t", got, test.needs)
			}
		})
	}
}

func TestBranches(t *testing.T) {
	l := new(script).
		record("u", "", userSays(1, "root")).
		record("a", "u", modelSays(1, 1, calls("1/1/0"), calls("1/1/1"))).
		record("r0", "a", result(1, 1, "1/1/0", "beside")).
		record("r1", "a", result(1, 1, "1/1/1", "on the path")).
		record("b", "r1", userSays(2, "first try")).
		record("c", "r1", userSays(3, "second try")).
		record("d", "c", modelSays(3, 1, text("answer")))
	s := l.state()
	want := []Branch{{Seq: 4, Leaf: "b", Fork: 3, Nodes: 1}, {Seq: 6, Leaf: "d", Fork: -1, Live: true, Nodes: 5}}
	got := s.Branches()
	if d := cmp.Diff(want, got); d != "" {
		t.Fatalf("branches (-want +got):\n%s", d)
	}
	wantView(t, l.view(t, OfBranch(got[0])), "user root", "model call:1/1/0 call:1/1/1", "tool 1/1/0 ok beside", "tool 1/1/1 ok on the path", "user first try")
	linear := new(script).live(userSays(1, "q"), modelSays(1, 1, text("a"))).state()
	if got := linear.Branches(); len(got) != 1 || !got[0].Live {
		t.Errorf("branches of a linear log %+v, want one, live", got)
	}
	for _, err := range s.View(LoadFrom(l.events), OfBranch(Branch{Seq: 1})) {
		if err == nil {
			t.Error("a view of a branch that is none")
		}
	}
}

func TestViewOfResponse(t *testing.T) {
	first := modelSays(1, 1, text("a"))
	*first.Data.(*ModelOutput) = ModelOutput{ItemID: "i1", Provider: "p", API: "x", Model: "m", ResponseID: "r", Blocks: []Block{text("a")}, Usage: &Usage{Output: Int(1)}, Unfinished: true}
	last := modelSays(1, 1)
	*last.Data.(*ModelOutput) = ModelOutput{ItemID: "i2", StopReason: "stop", Usage: &Usage{Output: Int(2)}, CostNUSD: Int(9), Aborted: true}
	first.Time = someTime
	l := new(script).lines(first, last)
	for m, err := range l.state().View(LoadFrom(l.events)) {
		want := Message{Role: RoleModel, Time: someTime, Turn: 1, Step: 1, Provider: "p", API: "x", Model: "m", ResponseID: "r", StopReason: "stop",
			Blocks: []Block{text("a")}, Usage: &Usage{Output: Int(2)}, CostNUSD: Int(9), Aborted: true, Unfinished: true, ItemIDs: []string{"i1", "i2"}}
		if d := cmp.Diff(want, m); err != nil || d != "" {
			t.Errorf("message, %v (-want +got):\n%s", err, d)
		}
	}
}

func TestViewSealedCompaction(t *testing.T) {
	seal := &Seal{Provider: "p", API: "a", Model: "m", Kind: SealEncrypted, Item: []byte(`{}`)}
	l := new(script).lines(userSays(1, "one"), event(&ContextCompacted{Seal: seal}), userSays(2, "two"))
	var got []Message
	for m, err := range l.state().View(LoadFrom(l.events)) {
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, m)
	}
	if len(got) != 2 || got[0].Role != RoleModel || !got[0].Summary || got[0].Blocks[0].Seal != seal || got[1].Content[0].Text.Inline != "two" {
		t.Errorf("view %+v, want the sealed summary, then two", got)
	}
}

func TestViewKeptFromAResponse(t *testing.T) {
	answer := modelSays(1, 1, text("1"))
	answer.Data.(*ModelOutput).MessageID = "m1"
	l := new(script).lines(userSays(1, "one"), answer, event(&ContextCompacted{Summary: []Part{TextPart("S")}, KeptFrom: "m1"}))
	wantView(t, l.view(t), "user summary S", "model 1")
	native := userSays(2, "two")
	native.ID = "random"
	l = new(script).live(userSays(1, "one"), native, event(&ContextCompacted{Summary: []Part{TextPart("S")}, KeptFrom: "random"}))
	wantView(t, l.view(t), "user summary S", "user two")
}

func TestViewLeavesFailedResponsesOut(t *testing.T) {
	piece := func(step int64, id string, b Block) *Event {
		ev := modelSays(1, step, b)
		ev.Data.(*ModelOutput).MessageID = id
		return ev
	}
	failed := func(id string, c ErrorClass) *Event { return event(&ModelFailed{MessageID: id, Class: c}) }
	reasoning := Block{Type: BlockReasoning, Text: String("hm")}
	l := new(script).lines(
		failed("a", ErrorServer), piece(1, "a", text("broken")),
		failed("b", ErrorCancelled), piece(2, "b", text("stopped")),
		failed("c", ErrorCancelled), piece(3, "c", reasoning),
		piece(4, "d", text("fine")),
	)
	wantView(t, l.view(t), "model stopped", "model fine")
}

// A log that changed between fold and view is an error, not a wrong view.
func TestViewOfAnotherLog(t *testing.T) {
	for _, l := range []*script{
		new(script).lines(userSays(1, "q")),
		new(script).lines(event(&SystemMessage{Role: RoleUser, Content: []Part{TextPart("x")}})),
		new(script).lines(modelSays(1, 1, text("a"))),
		new(script).lines(modelSays(1, 1, calls("1/1/0")), result(1, 1, "1/1/0", "x")),
		new(script).lines(event(&ContextCompacted{Summary: []Part{TextPart("S")}})),
		new(script).lines(event(&ContextCompacted{View: []ViewMessage{{Role: RoleUser, Content: []Part{TextPart("S")}}}})),
		new(script).lines(event(&ContextCompacted{Summary: []Part{TextPart("S")}, Kept: []string{"x"}})),
	} {
		s := l.state()
		other := LoadFrom([]*Event{timedNote(&NoteAdded{}), timedNote(&NoteAdded{})})
		var last error
		for _, err := range s.View(other) {
			last = err
		}
		if last == nil {
			t.Errorf("the view of %s from another log ends without an error", l.events[0].Type)
		}
		for _, err := range s.View(LoadFrom(nil)) {
			last = err
		}
		if last == nil {
			t.Errorf("the view of %s from nothing ends without an error", l.events[0].Type)
		}
	}
}

// A reader may stop after any message.
func TestViewStops(t *testing.T) {
	view := []ViewMessage{{Role: RoleUser, Content: []Part{TextPart("v")}}, {Role: RoleModel, Blocks: []Block{{Type: BlockToolCall, VendorID: "x"}}}}
	l := new(script).lines(event(&ContextCompacted{View: view}), userSays(1, "q"), event(&SystemMessage{Role: RoleUser, Content: []Part{TextPart("x")}}),
		modelSays(1, 1, calls("1/1/0"), calls("1/1/1")), result(1, 1, "1/1/0", "x"))
	s := l.state()
	for stop := 1; stop <= 8; stop++ {
		n := 0
		for _, err := range s.View(LoadFrom(l.events)) {
			if err != nil {
				t.Fatal(err)
			}
			if n++; n == stop {
				break
			}
		}
		if n != stop {
			t.Errorf("%d messages, want %d", n, stop)
		}
	}
}
