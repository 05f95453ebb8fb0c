package claudecode

import (
	"cmp"
	"maps"
	"slices"

	"github.com/ownlog/ownlog/convert"
	"github.com/ownlog/ownlog/schema"
)

// Codes of what an import may come across.
const (
	FindingUnknownType  = "unknown-record-type"    // a record type, attachment or system subtype never seen before
	FindingUnexpected   = "unexpected-member-type" // a member of another JSON type than known; the record is kept as it is
	FindingOrphanResult = "orphan-result"          // a result whose call is not in the transcript
	FindingBadTime      = "bad-time"               // a timestamp that is no point in time
	FindingDuplicate    = "duplicate-uuid"         // a uuid that an earlier record has
	FindingDangling     = "dangling-parent"        // a parent that is not in the transcript
	FindingCycle        = "parent-cycle"           // records that are their own ancestors
)

// mapper turns the records of one transcript into events, by the rules of
// spec/mapping-claude-code.md. It implements [convert.Mapper].
type mapper struct {
	findings convert.Findings

	opened bool // session.opened was written
	forked bool // session.forked was written
	named  bool // agent is known
	agent  string

	turns     int64               // turns opened
	nodes     map[string]response // where records of the tree stand, by id
	steps     map[int64]int64     // responses by turn
	responses map[stepKey]int64   // step of a response by turn and message id
	indexes   map[response]int64  // calls by response
	calls     calls
	pending   map[string]place // parents not seen yet, with the first record that names them
	edges     edges

	failures    int64  // model.failed since the last output
	lastRequest string // id of the last request logged
	requests    int64  // requests logged

	rec record // scratch
}

// stepKey is what the pieces of one response share.
type stepKey struct {
	turn int64
	id   string
}

func newMapper(findings convert.Findings) *mapper {
	return &mapper{
		findings:  findings,
		nodes:     make(map[string]response),
		steps:     make(map[int64]int64),
		responses: make(map[stepKey]int64),
		indexes:   make(map[response]int64),
		calls:     make(calls),
		pending:   make(map[string]place),
	}
}

// Map implements [convert.Mapper].
func (m *mapper) Map(rec *convert.Record, run *convert.Run) {
	r := &m.rec
	r.read(rec.Bytes)
	w := &writer{mapper: m, rec: r, at: place{rec.Line, rec.Offset}}
	typ := r.text(fType, "type")
	w.node = r.node()
	if !m.named {
		var id identity
		if id, m.named = identify(r); m.named {
			m.agent = id.agent
		}
	}
	if w.node.side && m.agent != "" {
		w.node.side = false // the whole transcript is the agent's
	}
	if r.bad == "" {
		w.mapType(typ)
	}
	if r.bad != "" {
		w.discard()
		w.finding(FindingUnexpected)
		w.add(schema.ActorExecutor, &schema.VendorRecord{Kind: typ, Finding: "unexpected type of " + r.bad})
	}
	w.finish(run)
}

// open makes the event that says which session this is, nil if the record does
// not say or an earlier one did.
func (m *mapper) open(r *record) *schema.SessionOpened {
	if m.opened || !r.has(fSessionID) || !r.has(fCWD) {
		return nil
	}
	session, ok := unquote(r.members[fSessionID])
	cwd, ok2 := unquote(r.members[fCWD])
	if !ok || !ok2 {
		return nil
	}
	m.opened = true
	o := &schema.SessionOpened{VendorSession: session, CWD: cwd, Agent: m.agent}
	o.VendorVersion, _ = unquote(r.members[fVersion])
	if branch, _ := unquote(r.members[fGitBranch]); branch != "" {
		o.Git = &schema.Git{Branch: branch}
	}
	if m.agent != "" {
		o.Link = &schema.SessionLink{Session: session, Kind: "subagent"}
	}
	return o
}

// turnOf returns the turn of the record with that id, the turn opened last if
// it is not known.
func (m *mapper) turnOf(id string) int64 {
	if at, ok := m.nodes[id]; ok {
		return at.turn
	}
	return m.turns
}

// stepOf returns the step of a response, a new one for a new message id; without
// an id every record is a response of its own.
func (m *mapper) stepOf(turn int64, messageID string) int64 {
	key := stepKey{turn, messageID}
	if messageID != "" {
		if step, ok := m.responses[key]; ok {
			return step
		}
	}
	m.steps[turn]++
	if messageID != "" {
		m.responses[key] = m.steps[turn]
	}
	return m.steps[turn]
}

// End implements [convert.Ender].
func (m *mapper) End() {
	if m.findings == nil {
		return
	}
	for _, at := range slices.SortedFunc(maps.Values(m.pending), place.compare) {
		m.findings.Add(FindingDangling, at.String())
	}
	for _, at := range m.edges.cycles() {
		m.findings.Add(FindingCycle, at.String())
	}
}

// place is where a record stands in its transcript.
type place struct{ line, offset int64 }

func (p place) compare(q place) int { return cmp.Compare(p.offset, q.offset) }

func (p place) String() string {
	return (&convert.Record{Line: p.line, Offset: p.offset}).Where()
}

// writer builds the run of one record.
type writer struct {
	mapper *mapper
	rec    *record
	at     place
	node   node
	turn   int64 // of the record, once it is known
	step   int64 // of the response that the record is a piece of
	events []*schema.Event
	blobs  blobs
}

// add appends an event at the record's turn.
func (w *writer) add(actor schema.ActorKind, data schema.Data) *schema.Event {
	ev := &schema.Event{Actor: schema.Actor{Kind: actor}, Time: w.node.time, Turn: w.turn, Data: data}
	w.events = append(w.events, ev)
	return ev
}

// addAt appends an event about a call or response at that one's turn and step.
func (w *writer) addAt(actor schema.ActorKind, at response, data schema.Data) *schema.Event {
	ev := w.add(actor, data)
	ev.Turn, ev.Step = at.turn, at.step
	return ev
}

// discard forgets what was made of the record so far.
func (w *writer) discard() {
	w.events, w.blobs.pending, w.turn, w.step = nil, nil, 0, 0
	if w.node.id != "" {
		w.turn = w.mapper.turnOf(w.node.parent.ID)
	}
}

// finding counts one at the record's place.
func (w *writer) finding(code string) {
	if w.mapper.findings != nil {
		w.mapper.findings.Add(code, w.at.String())
	}
}

// finish puts the record into the tree and the events into the run.
func (w *writer) finish(run *convert.Run) {
	m, n := w.mapper, w.node
	if first := w.events[0]; n.id != "" {
		first.ID, first.Parent = n.id, n.parent
		if _, known := m.nodes[n.id]; known {
			w.finding(FindingDuplicate)
		}
		m.nodes[n.id] = response{w.turn, w.step}
		delete(m.pending, n.id)
		if p := n.parent.ID; p != "" {
			if _, known := m.nodes[p]; !known {
				if _, waits := m.pending[p]; !waits {
					m.pending[p] = w.at
				}
				m.edges.ahead()
			}
			m.edges.add(n.id, p, w.at)
		}
	} else if n.parent.Known {
		first.Parent = n.parent
	}
	if n.time == "" && kind(w.rec.members[fTimestamp]) == '"' {
		w.finding(FindingBadTime)
	}
	if o := m.open(w.rec); o != nil {
		opened := &schema.Event{Actor: schema.Actor{Kind: schema.ActorExecutor}, Time: n.time, Data: o}
		w.events = append([]*schema.Event{opened}, w.events...)
	}
	for _, ev := range w.events {
		ev.Side = n.side
	}
	run.Events, run.Blobs = w.events, w.blobs.pending
}
