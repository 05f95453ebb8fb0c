package schema

import (
	"cmp"
	"slices"
)

// SessionInfo is what the log says about the session as a whole; the last
// statement of each counts.
type SessionInfo struct {
	Vendor        string // of the records; empty: written natively
	VendorSession string
	VendorVersion string
	Title         string
	CWD           string
	Git           Git
	Provider      string
	Origin        string
	Agent         string
	Link          *SessionLink // where the session came from
}

// DefinitionRef points to the definition in force.
type DefinitionRef struct {
	Seq  int64 // of the session.defined
	Blob Blob  // a [Definition]
	// Updates are the seqs of the session.updated entries since, which patch it.
	Updates []int64
}

// Lease is the newest claim on the session by an executor.
type Lease struct {
	Epoch    int64 // the highest epoch in the log; 0: never claimed
	Seq      int64 // of the lease.acquired
	Holder   string
	TTLUS    int64
	Released bool
}

// Request is a model request.
type Request struct {
	Seq                  int64
	RequestID            string
	Attempt              int64
	Provider, API, Model string
}

// Stop says why a replayer must not go on: an entry may have said something that
// it cannot know.
type Stop struct {
	Seq  int64
	Type Type // the unknown critical type; empty: a hole
}

// Fork is a statement that history is shared with another session.
type Fork struct {
	Seq int64
	SessionForked
}

// Link joins the session with a child or parent session.
type Link struct {
	Seq int64
	SessionLinked
}

// Finding is something unexpected that the fold came across, and went on.
type Finding struct {
	Code  string
	Count int64
	Seq   int64 // of the first
}

// The codes of the fold's findings.
const (
	FindingDanglingParent = "dangling-parent" // the parent is not in the log
	FindingCycle          = "parent-cycle"    // the live branch runs in a circle
	FindingDuplicateID    = "duplicate-id"    // two records have one id
	FindingDuplicateCall  = "duplicate-call"  // a call key was claimed twice
	FindingOrphanResult   = "orphan-result"   // a result, start or decision names no call of the log
	FindingGap            = "log-gap"         // an entry was lost
	FindingHole           = "hole"            // an entry was redacted
	FindingMissingLeaf    = "missing-leaf"    // the selected leaf is not in the log
	FindingUnknownType    = "unknown-type"    // an entry of a type of a later version
)

// TurnState is what the live branch of a session waits for.
type TurnState string

// The turn states.
const (
	StateIdle        TurnState = "idle"        // for input
	StateRunning     TurnState = "running"     // for a model or a tool
	StateWaiting     TurnState = "waiting"     // for a permission
	StateInterrupted TurnState = "interrupted" // for input, after a person stopped it
	StateFailed      TurnState = "failed"      // for input, after an error
)

// sessionFacts is what entries say about the session as a whole.
type sessionFacts struct {
	info       SessionInfo
	definition *DefinitionRef
	model      Model
	lease      Lease
	request    *Request
	blocks     []Stop
	forks      []Fork
	links      []Link
	turns      int64
	steps      map[int64]int64 // highest step of each turn
}

func (x *sessionFacts) add(f *fact) {
	x.turns = max(x.turns, f.turn)
	x.lease.Epoch = max(x.lease.Epoch, f.epoch)
	if f.step > 0 {
		if x.steps == nil {
			x.steps = make(map[int64]int64)
		}
		x.steps[f.turn] = max(x.steps[f.turn], f.step)
	}
	switch f.kind {
	case factOpened:
		x.open(f.body.(*openedFact))
	case factDefined:
		x.definition = &DefinitionRef{Seq: f.seq, Blob: *f.body.(*Blob)}
	case factUpdated:
		u := f.body.(*updatedFact)
		x.info.Title = cmp.Or(u.title, x.info.Title)
		x.useModel(u.model)
		if x.definition != nil {
			x.definition.Updates = append(x.definition.Updates, f.seq)
		}
	case factUser:
		x.useModel(f.body.(*userFact).model)
	case factForked:
		x.forks = append(x.forks, Fork{f.seq, *f.body.(*SessionForked)})
	case factLinked:
		x.links = append(x.links, Link{f.seq, *f.body.(*SessionLinked)})
	case factLeased:
		l := f.body.(*leaseFact)
		x.lease.Seq, x.lease.Holder, x.lease.TTLUS, x.lease.Released = f.seq, l.holder, l.ttl, false
	case factReleased:
		x.lease.Released = true
	case factRequested:
		x.request = f.body.(*Request)
	case factOutput:
		x.answered(f.body.(*outputFact).requestID)
	case factFailed:
		x.answered(f.body.(*failedFact).requestID)
	case factTurnFinished:
		x.request = nil
	case factHole:
		x.blocks = append(x.blocks, Stop{Seq: f.seq})
	case factUnknown:
		if t, crit := f.body.(Type); crit {
			x.blocks = append(x.blocks, Stop{Seq: f.seq, Type: t})
		}
	}
}

// answered closes the open request, if the answer is its or does not say whose
// it is.
func (x *sessionFacts) answered(requestID string) {
	if x.request != nil && (requestID == "" || requestID == x.request.RequestID) {
		x.request = nil
	}
}

func (x *sessionFacts) open(o *openedFact) {
	in, d := &x.info, &o.data
	in.Vendor = cmp.Or(o.vendor, in.Vendor)
	in.VendorSession = cmp.Or(d.VendorSession, in.VendorSession)
	in.VendorVersion = cmp.Or(d.VendorVersion, in.VendorVersion)
	in.Title = cmp.Or(d.Title, in.Title)
	in.CWD = cmp.Or(d.CWD, in.CWD)
	in.Provider = cmp.Or(d.Provider, in.Provider)
	in.Origin = cmp.Or(d.Origin, in.Origin)
	in.Agent = cmp.Or(d.Agent, in.Agent)
	if d.Git != nil {
		in.Git = *d.Git
	}
	if d.Link != nil {
		in.Link = d.Link
	}
	x.useModel(d.Model)
}

// useModel takes a statement of the model in use; what it leaves out stays,
// unless the model is another.
func (x *sessionFacts) useModel(m *Model) {
	switch {
	case m == nil:
	case m.ID != "" && m.ID != x.model.ID:
		provider := cmp.Or(m.Provider, x.model.Provider)
		x.model = *m
		x.model.Provider = provider
	default:
		x.model.Provider = cmp.Or(m.Provider, x.model.Provider)
		x.model.API = cmp.Or(m.API, x.model.API)
		x.model.Variant = cmp.Or(m.Variant, x.model.Variant)
		x.model.Effort = cmp.Or(m.Effort, x.model.Effort)
	}
}

// Info returns what the log says about the session as a whole.
func (s *State) Info() SessionInfo { return s.settle().session.info }

// Definition returns where the definition in force is; ok is false if the log
// has none.
func (s *State) Definition() (ref DefinitionRef, ok bool) {
	d := s.settle().session.definition
	if d == nil {
		return DefinitionRef{}, false
	}
	ref = *d
	ref.Updates = slices.Clone(d.Updates)
	return ref, true
}

// Model returns the model in use: what the session was last said to run under,
// else the one that answered last. Params are not kept.
func (s *State) Model() Model {
	d := s.settle()
	if d.session.model.ID != "" || len(d.responses) == 0 {
		return d.session.model
	}
	for i := len(d.responses) - 1; i >= 0; i-- {
		if r := &d.responses[i]; r.model != "" {
			return Model{Provider: r.provider, API: r.api, ID: r.model}
		}
	}
	return d.session.model
}

// Lease returns the newest lease.
func (s *State) Lease() Lease { return s.settle().session.lease }

// OpenRequest returns the model request that has neither an answer nor a
// failure; a later request supersedes one before.
func (s *State) OpenRequest() (r Request, ok bool) {
	if r := s.settle().session.request; r != nil {
		return *r, true
	}
	return Request{}, false
}

// Blocked returns the entries that stop a replayer, in order: holes, and entries
// marked critical of types that this version does not know. Reading goes on
// past them, running does not, unless a person says so.
func (s *State) Blocked() []Stop { return slices.Clone(s.settle().session.blocks) }

// Forks returns the statements about shared history, in order; the last counts.
func (s *State) Forks() []Fork { return slices.Clone(s.settle().session.forks) }

// Links returns the links to child and parent sessions, in order.
func (s *State) Links() []Link { return slices.Clone(s.settle().session.links) }

// Turns returns the number of the newest turn over all branches, 0 before any.
func (s *State) Turns() int64 { return s.settle().session.turns }

// Steps returns the number of the newest response of a turn, 0 before any.
func (s *State) Steps(turn int64) int64 { return s.settle().session.steps[turn] }

// Findings returns what the fold came across, by code.
func (s *State) Findings() []Finding {
	d := s.settle()
	var all []Finding
	for _, f := range d.counts {
		all = append(all, *f)
	}
	if n, first := d.dangling(); n > 0 {
		all = append(all, Finding{Code: FindingDanglingParent, Count: n, Seq: first})
	}
	if b := d.livePath(); b.cyclic {
		all = append(all, Finding{Code: FindingCycle, Count: 1, Seq: d.nodes[b.path[0]].seq})
	}
	if d.leaf.selected && d.leaf.start == noNode {
		all = append(all, Finding{Code: FindingMissingLeaf, Count: 1, Seq: d.leaf.seq})
	}
	slices.SortFunc(all, func(a, b Finding) int { return cmp.Compare(a.Code, b.Code) })
	return all
}
