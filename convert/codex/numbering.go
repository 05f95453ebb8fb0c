package codex

import "github.com/ownlog/ownlog/schema"

// numbering gives turns, steps and calls their numbers (spec/mapping-codex.md,
// "Numbers"). They count in log order and depend on nothing that comes later.
type numbering struct {
	turn    int64 // turns opened so far
	running bool  // a task was started and has neither completed nor aborted
	turns   map[string]int64
	steps   map[int64]*turnSteps
	open    *step

	calls  map[string][]*call // by the vendor's id
	byTurn map[int64][]*call  // of each turn, in log order
}

// turnSteps are the model responses of one turn.
type turnSteps struct {
	count int64
	// last is the latest step; metered tells whether its usage is known.
	last    *step
	metered bool
}

// step is one model response.
type step struct {
	turn, number int64
	sampled      sampledThrough
	calls        int64
}

// sampledThrough is metadata.sampled_through_sequence: what the model had seen
// when it made an item. Items of one response have the same.
type sampledThrough struct {
	known bool
	seq   int64
}

// call is a tool call that the model made.
type call struct {
	key        schema.CallKey
	turn, step int64
	answer     string // type of the item that answers it; empty if none ever does
	answered   bool
	nested     int64
}

func newNumbering() numbering {
	return numbering{
		turns:  map[string]int64{},
		steps:  map[int64]*turnSteps{},
		calls:  map[string][]*call{},
		byTurn: map[int64][]*call{},
	}
}

// startTask opens a turn that the record names.
func (n *numbering) startTask(vendorTurn string) int64 {
	n.open = nil
	n.running = true
	n.turn++
	if vendorTurn != "" {
		n.turns[vendorTurn] = n.turn
	}
	return n.turn
}

// endTask closes a turn and returns its number.
func (n *numbering) endTask(vendorTurn string) int64 {
	n.open = nil
	n.running = false
	return n.turnOf(vendorTurn)
}

// userInput opens a turn for real input that no task announced.
func (n *numbering) userInput() int64 {
	n.open = nil
	if !n.running {
		n.turn++
	}
	return n.turn
}

// turnOf returns the number of a turn by the vendor's id, the current turn's if
// the id is unknown.
func (n *numbering) turnOf(vendorTurn string) int64 {
	if t, ok := n.turns[vendorTurn]; ok {
		return t
	}
	return n.turn
}

// close ends the open step.
func (n *numbering) close() { n.open = nil }

// modelItem returns the step that an item made by the model belongs to.
func (n *numbering) modelItem(sampled sampledThrough) *step {
	if n.open == nil || n.open.sampled != sampled {
		n.open = n.newStep(n.turn)
		n.open.sampled = sampled
	}
	return n.open
}

func (n *numbering) newStep(turn int64) *step {
	t := n.steps[turn]
	if t == nil {
		t = &turnSteps{}
		n.steps[turn] = t
	}
	t.count++
	t.last = &step{turn: turn, number: t.count}
	t.metered = false
	return t.last
}

// meter returns the step that a usage belongs to: the last one of the turn. A
// response that left no item behind has no step yet; it gets one of its own, so
// that its usage is counted beside that of the response before it.
func (n *numbering) meter(turn int64) *step {
	t := n.steps[turn]
	if t == nil || t.metered {
		n.newStep(turn)
		t = n.steps[turn]
	}
	t.metered = true
	return t.last
}

// newCall numbers a tool call of the response s. answer is the type of the item
// that will answer it, empty for a call that the provider runs.
func (n *numbering) newCall(s *step, vendorID, answer string) (key schema.CallKey, index int64) {
	index = s.calls
	s.calls++
	c := &call{key: schema.NewCallKey(s.turn, s.number, index), turn: s.turn, step: s.number, answer: answer}
	if answer != "" {
		n.byTurn[s.turn] = append(n.byTurn[s.turn], c)
		n.calls[vendorID] = append(n.calls[vendorID], c)
	}
	return c.key, index
}

// answering finds the call that an item of the given type answers, any type if
// it is empty: of the open calls with that id those of the latest response, of
// these the first; with none open the last call. Nil: there is no such call.
func (n *numbering) answering(vendorID, answer string) *call {
	if vendorID == "" {
		return nil
	}
	var open, last *call
	for _, c := range n.calls[vendorID] {
		if answer != "" && c.answer != answer {
			continue
		}
		last = c
		if !c.answered && (open == nil || open.turn != c.turn || open.step != c.step) {
			open = c
		}
	}
	if open != nil {
		return open
	}
	return last
}

// working finds the call that work without a call id of its own was done for:
// the last open call of the turn, else its last call.
func (n *numbering) working(turn int64) *call {
	calls := n.byTurn[turn]
	for i := len(calls) - 1; i >= 0; i-- {
		if !calls[i].answered {
			return calls[i]
		}
	}
	if len(calls) == 0 {
		return nil
	}
	return calls[len(calls)-1]
}
