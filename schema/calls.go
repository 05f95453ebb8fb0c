package schema

import (
	"cmp"
	"slices"
)

// response is one answer of a model: all model.output entries of a turn and step.
type response struct {
	key    responseKey
	pieces []int32 // entries
	calls  []int32
	usage  *Usage
	cost   *int64

	provider, api, model string
	messageID            string
	hasText              bool
	onlyReasoning        bool // its blocks are all reasoning
	blocks               int
	aborted, unfinished  bool
	summary              bool
	positions            bool // every piece says its position
}

// call is what the log says about one tool call.
type call struct {
	callFact
	response  int32
	entry     int32 // the piece that holds it
	seq       int64
	native    bool
	results   []int32      // entries that answer it
	outcome   *resultFact  // the last outcome without an answer
	endSeq    int64        // of the entry that tells it
	started   *startedFact // the last start
	startSeq  int64
	askSeq    int64 // of the last permission.requested, plus 1
	waiting   bool  // no decision has answered it
	decision  Decision
	decideSeq int64
	cleared   bool // a decision written natively: it had not started until then
}

// refer enters a conversation entry into the response or call that it belongs
// to and returns that one's index.
func (d *derived) refer(f *fact, entry int32) int32 {
	switch b := f.body.(type) {
	case *outputFact:
		return d.addPiece(f, b, entry)
	case *resultFact:
		c := d.callOf(b.key, b.nested, f.seq)
		if c == noRef || b.nested {
			return noRef
		}
		call := &d.calls[c]
		if b.answers {
			call.results = append(call.results, entry)
			call.waiting = false
		} else {
			call.outcome, call.endSeq = b, f.seq
		}
		return c
	case *startedFact:
		if c := d.callOf(b.key, false, f.seq); c != noRef {
			d.calls[c].started, d.calls[c].startSeq, d.calls[c].waiting = b, f.seq, false
			return c
		}
	case *askedFact:
		if c := d.callOf(b.key, false, f.seq); c != noRef {
			d.calls[c].askSeq, d.calls[c].waiting, d.calls[c].cleared = f.seq+1, true, false
			return c
		}
	case *decidedFact:
		if c := d.callOf(b.key, false, f.seq); c != noRef {
			call := &d.calls[c]
			// Until a decision written natively the call was known not to run.
			call.cleared = f.native && call.waiting
			call.waiting, call.decision, call.decideSeq = false, b.decision, f.seq
			return c
		}
	}
	return noRef
}

// callOf finds the call of a key; for nested work, the outer call.
func (d *derived) callOf(key CallKey, nested bool, seq int64) int32 {
	if nested {
		key = key.Outer()
	}
	if c, ok := d.byCall[key]; ok {
		return c
	}
	d.find(FindingOrphanResult, seq)
	return noRef
}

// addPiece adds a model.output to its response.
func (d *derived) addPiece(f *fact, o *outputFact, entry int32) int32 {
	key := responseKey{turn: f.turn, step: f.step}
	if f.step == 0 {
		key.seq = f.seq
	}
	at, ok := d.byResponse[key]
	if !ok {
		at = int32(len(d.responses))
		d.byResponse[key] = at
		d.responses = append(d.responses, response{key: key, positions: true, onlyReasoning: true})
	}
	r := &d.responses[at]
	r.pieces = append(r.pieces, entry)
	if o.usage != nil {
		r.usage = o.usage
	}
	if o.costNUSD != nil {
		r.cost = o.costNUSD
	}
	r.provider = cmp.Or(o.provider, r.provider)
	r.api = cmp.Or(o.api, r.api)
	r.model = cmp.Or(o.model, r.model)
	r.messageID = cmp.Or(r.messageID, o.messageID)
	r.hasText = r.hasText || o.hasText
	r.onlyReasoning = r.onlyReasoning && (o.blocks == 0 || o.onlyReasoning)
	r.blocks += o.blocks
	r.aborted = r.aborted || o.aborted
	r.unfinished = r.unfinished || o.unfinished
	r.summary = r.summary || o.summary
	r.positions = r.positions && (o.block >= 0 || o.blocks == 0)
	for _, cf := range o.calls {
		if _, claimed := d.byCall[cf.key]; claimed {
			d.find(FindingDuplicateCall, f.seq)
			continue
		}
		c := int32(len(d.calls))
		d.byCall[cf.key] = c
		d.calls = append(d.calls, call{callFact: cf, response: at, entry: entry, seq: f.seq, native: f.native})
		r.calls = append(r.calls, c)
	}
	return at
}

// isLive reports whether a piece of the response is on the branch.
func (d *derived) isLive(r *response, b *liveBranch) bool {
	return slices.ContainsFunc(r.pieces, func(e int32) bool { return b.on[d.entries[e].node] })
}

// CallState is what is known about a call that has no answer.
type CallState string

// The states of open calls.
const (
	CallWaiting    CallState = "waiting"     // a permission prompt is open: not started
	CallNotStarted CallState = "not-started" // nothing was dispatched
	CallUnknown    CallState = "unknown"     // it may have run, wholly or in part
	CallRecovered  CallState = "recovered"   // it ended, and the outcome is known, not the answer
)

// OpenCall is a tool call of the live branch that has no answer.
type OpenCall struct {
	Key       CallKey
	Seq       int64 // of the model.output that holds it
	VendorID  string
	Namespace string
	Name      string
	Kind      CallKind
	Imported  bool
	State     CallState
	// Of the last tool.started.
	Started        bool
	StartSeq       int64
	Attempt        int64
	Token          string
	Effect         Effect
	IdempotencyKey string
	Detached       bool
	// Decision answers the last permission prompt; empty: none was decided.
	Decision    Decision
	DecisionSeq int64
	// Of an outcome without an answer.
	Status   Status
	ExitCode *int64
}

// OpenPermission is a prompt that waits for a decision.
type OpenPermission struct {
	CallKey CallKey
	Seq     int64 // of the permission.requested
}

// OpenCalls returns the calls of the live branch that have no answer, in call
// order. Calls run by the provider are never open.
func (s *State) OpenCalls() []OpenCall {
	d := s.settle()
	b := d.livePath()
	var open []OpenCall
	for i := range d.responses {
		if len(d.responses[i].calls) == 0 || !d.isLive(&d.responses[i], b) {
			continue
		}
		for _, c := range d.responses[i].calls {
			if d.isOpen(&d.calls[c]) {
				open = append(open, d.openCall(&d.calls[c]))
			}
		}
	}
	return open
}

func (d *derived) isOpen(c *call) bool { return c.kind != CallServer && len(c.results) == 0 }

func (d *derived) openCall(c *call) OpenCall {
	o := OpenCall{
		Key: c.key, Seq: c.seq, VendorID: c.vendorID, Namespace: c.namespace, Name: c.name, Kind: c.kind,
		Imported: !c.native, State: d.callState(c), Decision: c.decision, DecisionSeq: c.decideSeq,
	}
	if c.started != nil {
		o.Started, o.StartSeq = true, c.startSeq
		o.Attempt, o.Token, o.Effect, o.IdempotencyKey = c.started.attempt, c.started.token, c.started.effect, c.started.idem
		o.Detached = c.started.detached
	}
	if c.outcome != nil {
		o.Status, o.ExitCode = c.outcome.status, copyInt(c.outcome.exit)
	}
	return o
}

// callState judges a call without an answer. An entry that was lost or redacted
// after it may have been its start.
func (d *derived) callState(c *call) CallState {
	known := max(c.seq, c.askSeq-1, c.decideSeq) >= d.barrier
	switch {
	case c.outcome != nil:
		return CallRecovered
	case c.started != nil || !known:
		return CallUnknown
	case c.waiting:
		return CallWaiting
	case c.native || c.cleared:
		return CallNotStarted
	}
	return CallUnknown
}

// Call returns what is known about a call, whether it is open, on the live
// branch, or not; ok is false if the log has no such call. Answered calls have
// no State.
func (s *State) Call(key CallKey) (c OpenCall, ok bool) {
	d := s.settle()
	i, ok := d.byCall[key]
	if !ok {
		return OpenCall{}, false
	}
	c = d.openCall(&d.calls[i])
	if !d.isOpen(&d.calls[i]) {
		c.State = ""
	}
	return c, true
}

// OpenPermissions returns the prompts of the live branch that wait for a
// decision, in call order.
func (s *State) OpenPermissions() []OpenPermission {
	var open []OpenPermission
	d := s.settle()
	for _, c := range s.OpenCalls() {
		if in := &d.calls[d.byCall[c.Key]]; in.waiting {
			open = append(open, OpenPermission{CallKey: c.Key, Seq: in.askSeq - 1})
		}
	}
	return open
}
