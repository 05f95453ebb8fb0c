package schema

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// randomRows is a session of a vendor that changes its rows in place, as an
// import sees it: revisions come in between, the last of each row counts.
type randomRows struct {
	rand *rand.Rand
	rows []string
	last map[string][]*Event
	revs map[string]int64
	log  *script
}

func newRandomRows(seed uint64) *randomRows {
	return &randomRows{rand: rand.New(rand.NewPCG(seed, 1)), last: make(map[string][]*Event), revs: make(map[string]int64), log: new(script)}
}

// step adds a new row, or a revision of an old one.
func (r *randomRows) step() {
	var id string
	if len(r.rows) > 0 && r.rand.IntN(2) == 0 {
		id = r.rows[r.rand.IntN(len(r.rows))]
		r.revs[id]++
		if isGone(r.last[id][0]) { // it comes again behind the others
			r.rows = append(slices.DeleteFunc(r.rows, func(row string) bool { return row == id }), id)
		}
	} else {
		id = fmt.Sprint("row", len(r.rows))
		r.rows = append(r.rows, id)
	}
	r.last[id] = r.run(id)
	r.log.row(id, r.revs[id], r.last[id]...)
}

// run is a row's run; its kind depends on the row alone, its content on chance.
func (r *randomRows) run(id string) []*Event {
	n := int64(0)
	if _, err := fmt.Sscanf(id, "row%d", &n); err != nil {
		panic(err)
	}
	turn := n/4 + 1
	switch n % 4 {
	case 0:
		return []*Event{userSays(turn, fmt.Sprint(id, " ", r.revs[id]))}
	case 1:
		key := NewCallKey(turn, 1, 0)
		evs := []*Event{modelSays(turn, 1, calls(string(key))), event(&ToolStarted{CallKey: key}), result(turn, 1, string(key), fmt.Sprint(r.revs[id]))}
		return evs[:1+r.revs[id]%3]
	case 2:
		ev := modelSays(turn, 1)
		ev.Data.(*ModelOutput).Usage = &Usage{Output: Int(r.revs[id])}
		return []*Event{ev}
	}
	if r.revs[id]%3 == 2 {
		return []*Event{event(&VendorRecord{Kind: KindGone})}
	}
	return []*Event{modelSays(turn, 2, text(fmt.Sprint(id, " ", r.revs[id])))}
}

// stateSummary is all that a state says.
func stateSummary(t *testing.T, s *State, l *script) map[string]any {
	t.Helper()
	open := []string{}
	for _, c := range s.OpenCalls() {
		open = append(open, fmt.Sprint(c.Key, " ", c.State, " ", c.Started))
	}
	return map[string]any{
		"view": viewText(t, s, LoadFrom(l.events)), "whole": viewText(t, s, LoadFrom(l.events), Uncompacted()),
		"open": open, "usage": s.Usage(), "turn": s.TurnState(), "needs": s.NeedsModel(), "turns": s.Turns(), "findings": len(s.Findings()),
	}
}

// Any sequence of revisions folds to the state of the last ones alone.
func TestRevisionsFoldToTheLastState(t *testing.T) {
	for seed := range uint64(200) {
		r := newRandomRows(seed)
		for range 5 + seed%20 {
			r.step()
		}
		once := new(script)
		for _, id := range r.rows {
			var run []*Event
			for _, ev := range r.last[id] {
				same := *ev
				run = append(run, &same)
			}
			once.row(id, 0, run...)
		}
		want := stateSummary(t, once.state(), once)
		if d := cmp.Diff(want, stateSummary(t, r.log.state(), r.log)); d != "" {
			t.Fatalf("seed %d: state (-of the last rows +of all steps):\n%s", seed, d)
		}
	}
}

// What was asked in between does not change a state.
func TestFoldIsTheSameHoweverItIsRead(t *testing.T) {
	for seed := range uint64(100) {
		r := newRandomRows(seed)
		for range 20 {
			r.step()
		}
		var asked State
		for i, ev := range r.log.events {
			asked.Apply(int64(i), ev)
			if i%3 == int(seed%3) {
				asked.OpenCalls()
				asked.TurnState()
			}
		}
		if d := cmp.Diff(stateSummary(t, r.log.state(), r.log), stateSummary(t, &asked, r.log)); d != "" {
			t.Fatalf("seed %d: state (-asked at the end +asked all along):\n%s", seed, d)
		}
	}
}

// randomTree is a log of tree records with branches, unknown and late parents.
func randomTree(seed uint64) *script {
	rnd := rand.New(rand.NewPCG(seed, 2))
	l := new(script)
	for i := range 3 + rnd.IntN(25) {
		id, parent := fmt.Sprint("n", i), ""
		if i > 0 {
			parent = fmt.Sprint("n", rnd.IntN(i+2))
		}
		turn := int64(i/3 + 1)
		var ev *Event
		switch rnd.IntN(6) {
		case 0, 1:
			ev = userSays(turn, id)
		case 2:
			ev = modelSays(turn, 1, calls(string(NewCallKey(turn, 1, int64(i)))))
		case 3:
			ev = result(turn, 1, string(NewCallKey(turn, 1, int64(rnd.IntN(i+1)))), id)
		case 4:
			ev = event(&ContextCompacted{LogicalParent: fmt.Sprint("n", rnd.IntN(i+1)), Kept: []string{fmt.Sprint("n", rnd.IntN(i+1))}})
		default:
			ev = userSays(turn, id)
			ev.Data.(*UserMessage).Origin = OriginSummary
		}
		ev.Side = rnd.IntN(8) == 0
		l.record(id, parent, ev)
		if rnd.IntN(8) == 0 {
			l.lines(event(&BranchSelected{Leaf: fmt.Sprint("n", rnd.IntN(i+3))}))
		}
		if rnd.IntN(10) == 0 {
			l.live(userSays(turn, fmt.Sprint("native", i)))
		}
	}
	return l
}

// On any tree: the live leaf found step by step is the one found at the end, no
// call of the view is without exactly one result, and none is answered before
// it is made.
func TestTreeProperties(t *testing.T) {
	for seed := range uint64(500) {
		l := randomTree(seed)
		whole := l.state()
		var asked State
		for i, ev := range l.events {
			asked.Apply(int64(i), ev)
			asked.TurnState()
		}
		if d := cmp.Diff(stateSummary(t, whole, l), stateSummary(t, &asked, l)); d != "" {
			t.Fatalf("seed %d: state (-asked at the end +asked all along):\n%s", seed, d)
		}
		open := make(map[CallKey]bool)
		for m, err := range whole.View(LoadFrom(l.events)) {
			if err != nil {
				t.Fatal(err)
			}
			for _, b := range m.Blocks {
				if b.Type == BlockToolCall {
					open[b.CallKey] = true
				}
			}
			if m.Result != nil {
				if !open[m.Result.CallKey] {
					t.Fatalf("seed %d: a result of %s without its call before it", seed, m.Result.CallKey)
				}
				delete(open, m.Result.CallKey)
			}
		}
		if len(open) > 0 {
			t.Fatalf("seed %d: calls without a result in the view: %v", seed, open)
		}
	}
}
