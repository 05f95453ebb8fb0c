package schema

import (
	"cmp"
	"fmt"
	"iter"
	"slices"
)

// Load returns the entry at a position of the log. [State.View] asks for the
// entries of one message at a time, mostly in rising order, and keeps none; a
// few are asked for twice.
type Load func(seq int64) (*Event, error)

// LoadFrom returns a Load over events in memory, the first at position 0.
func LoadFrom(events []*Event) Load {
	return func(seq int64) (*Event, error) {
		if seq < 0 || seq >= int64(len(events)) || events[seq] == nil {
			return nil, fmt.Errorf("no entry at position %d of %d", seq, len(events))
		}
		return events[seq], nil
	}
}

// ViewOption changes what [State.View] gives.
type ViewOption func(*viewOptions)

type viewOptions struct {
	uncompacted bool
	branch      *int64 // seq of the first entry of the branch's leaf
	since       int64
}

// Uncompacted gives the history as if it had never been compacted: everything
// that compactions cover, and no summaries.
func Uncompacted() ViewOption { return func(o *viewOptions) { o.uncompacted = true } }

// OfBranch gives another branch than the live one.
func OfBranch(b Branch) ViewOption { return func(o *viewOptions) { o.branch = &b.Seq } }

// Since gives only what the entries from position seq on add to the view. That
// is the rest of the view if none of them says anything of what is before: no
// compaction, no answer to an earlier call, no piece of an earlier response or
// message, and [State.Reorders] as it was.
func Since(seq int64) ViewOption { return func(o *viewOptions) { o.since = seq } }

// View yields the conversation of the live branch, as [Message] describes it.
// An error of load ends it and is yielded last, with an empty message.
func (s *State) View(load Load, options ...ViewOption) iter.Seq2[Message, error] {
	return func(yield func(Message, error) bool) {
		var o viewOptions
		for _, set := range options {
			set(&o)
		}
		b := &viewBuilder{s: s, d: s.settle(), load: load, options: o}
		units, err := b.build()
		if err != nil {
			yield(Message{}, err)
			return
		}
		w := &viewWriter{viewBuilder: b, units: units}
		w.write(yield)
	}
}

// unit is what gives one message, or a response and the results of its calls.
type unit struct {
	kind   unitKind
	entry  int32   // the first it is made from
	more   []int32 // further pieces of a user message
	resp   int32   // of unitResponse
	at     int     // of unitVendor: place in the compaction's view
	role   Role    // on the wire
	origin Origin
}

type unitKind uint8

const (
	unitUser     unitKind = iota // a user.message, with the pieces of the same message id
	unitSystem                   // a system.message
	unitResponse                 // all pieces of a response, then its results
	unitMarker                   // the text that a vendor sends in front of a summary
	unitSummary                  // the summary that stands in a compaction
	unitVendor                   // one message of a view written by a vendor
)

// viewBuilder puts the units of a branch in order.
type viewBuilder struct {
	s       *State
	d       *derived
	load    Load
	options viewOptions

	branch  *liveBranch
	units   []*unit
	users   map[string]*unit // by message id
	placed  map[int32]bool   // responses that have had their place
	pending *pendingCompaction
}

// pendingCompaction waits for its summary.
type pendingCompaction struct {
	fact   *compactedFact
	entry  int32
	before int // units that stood before it
}

func (b *viewBuilder) build() ([]*unit, error) {
	b.branch = b.d.livePath()
	if seq := b.options.branch; seq != nil {
		leaves := b.d.leaves()
		at, ok := slices.BinarySearchFunc(leaves, *seq, func(n int32, seq int64) int { return cmp.Compare(b.d.nodes[n].seq, seq) })
		if !ok {
			return nil, fmt.Errorf("view: no branch ends at entry %d", *seq)
		}
		other := b.d.pathTo(leaves[at])
		b.branch = &other
	}
	b.users = make(map[string]*unit)
	b.placed = make(map[int32]bool)
	path := b.branch.path
	if since := b.options.since; since > 0 {
		n := len(path)
		for n > 0 && b.d.nodes[path[n-1]].seq >= since {
			n--
		}
		path = path[n:]
	}
	for _, n := range path {
		for e := b.d.nodes[n].lo; e < b.d.nodes[n].hi; e++ {
			if err := b.place(e); err != nil {
				return nil, err
			}
		}
	}
	return b.units, nil
}

// place adds the next entry of the branch.
func (b *viewBuilder) place(e int32) error {
	entry := &b.d.entries[e]
	switch body := b.s.facts[entry.fact].body.(type) {
	case *userFact:
		return b.placeUser(e, body)
	case *systemFact:
		b.units = append(b.units, &unit{kind: unitSystem, entry: e, role: body.role})
	case *outputFact:
		return b.placeResponse(e, entry.ref)
	case *compactedFact:
		if !b.options.uncompacted {
			return b.placeCompaction(e, body)
		}
	case int64:
		b.dropUserTurns(body)
	}
	return nil
}

func (b *viewBuilder) placeUser(e int32, u *userFact) error {
	if u.origin == OriginSummary && b.options.uncompacted {
		return nil
	}
	if one := b.users[u.messageID]; one != nil && u.messageID != "" {
		one.more = append(one.more, e)
		return nil
	}
	one := &unit{kind: unitUser, entry: e, role: RoleUser, origin: u.origin}
	if p := b.pending; p != nil && u.origin == OriginSummary && p.fact.summaryFrom == (responseKey{}) {
		b.pending = nil
		return b.compact(p, one)
	}
	b.units = append(b.units, one)
	if u.messageID != "" {
		b.users[u.messageID] = one
	}
	return nil
}

func (b *viewBuilder) placeResponse(e, ref int32) error {
	if b.placed[ref] {
		return nil
	}
	b.placed[ref] = true
	r := &b.d.responses[ref]
	one := &unit{kind: unitResponse, entry: e, resp: ref, role: RoleModel}
	if p := b.pending; p != nil && p.fact.summaryFrom == r.key && r.hasText {
		b.pending = nil
		marker := &unit{kind: unitMarker, entry: p.entry, role: RoleUser}
		return b.compact(p, marker, one)
	}
	if r.summary && b.options.uncompacted {
		return nil
	}
	b.units = append(b.units, one)
	return nil
}

// placeCompaction puts a compaction into effect, or lets it wait for its
// summary.
func (b *viewBuilder) placeCompaction(e int32, c *compactedFact) error {
	p := &pendingCompaction{fact: c, entry: e, before: len(b.units)}
	switch {
	case len(c.view) > 0:
		b.units = b.units[:0]
		for at, role := range c.view {
			b.units = append(b.units, &unit{kind: unitVendor, entry: e, at: at, role: role})
		}
		b.forgetUsers()
	case c.hasSummary:
		return b.compact(p, &unit{kind: unitSummary, entry: e, role: RoleUser})
	case c.summaryFrom != responseKey{}:
		b.pending = p
		if r, ok := b.d.byResponse[c.summaryFrom]; ok && b.takesEffect(r) {
			return nil
		}
		b.pending = nil
		if c.hasMarker {
			b.units = append(b.units, &unit{kind: unitMarker, entry: e, role: RoleUser})
		}
	case c.userMessages:
		return b.compact(p)
	default:
		b.pending = p
	}
	return nil
}

// takesEffect reports whether a response that is to be a summary will be placed
// further on and has text.
func (b *viewBuilder) takesEffect(ref int32) bool {
	r := &b.d.responses[ref]
	return r.hasText && !b.placed[ref] && b.d.isLive(r, b.branch) && !b.isFailed(r)
}

// compact lets summary stand for the units before the compaction: then comes
// what is kept of those, and what has come since.
func (b *viewBuilder) compact(p *pendingCompaction, summary ...*unit) error {
	before := b.units[:min(p.before, len(b.units))]
	since := slices.Clone(b.units[len(before):])
	lead, kept, err := b.kept(p, before)
	if err != nil {
		return err
	}
	b.units = slices.Concat(lead, summary, kept, since)
	b.forgetUsers()
	return nil
}

// kept returns what a compaction leaves of the units before it: what stands
// before the summary, and after.
func (b *viewBuilder) kept(p *pendingCompaction, before []*unit) (lead, tail []*unit, err error) {
	c := p.fact
	switch {
	case c.hasKept:
		tail, err = b.keptRecords(p)
		return nil, tail, err
	case c.keptFrom != "":
		return nil, b.keptFrom(c.keptFrom, before), nil
	case c.userMessages:
		for _, u := range before {
			if u.role == RoleUser {
				lead = append(lead, u)
			}
		}
		return lead, nil, nil
	case c.hasCovers:
		for _, u := range before {
			switch seq := b.seq(u); {
			case seq < c.covers[0]:
				lead = append(lead, u)
			case seq > c.covers[1]:
				tail = append(tail, u)
			}
		}
	}
	return lead, tail, nil
}

// keptRecords makes units of the records that a compaction lists.
func (b *viewBuilder) keptRecords(p *pendingCompaction) ([]*unit, error) {
	ev, err := b.event(p.entry)
	if err != nil {
		return nil, err
	}
	data, ok := ev.Data.(*ContextCompacted)
	if !ok {
		return nil, b.mismatch(p.entry, ev)
	}
	keep := &viewBuilder{s: b.s, d: b.d, load: b.load, branch: b.branch, users: make(map[string]*unit), placed: make(map[int32]bool)}
	for _, id := range data.Kept {
		n, ok := b.d.byID[id]
		if !ok {
			continue
		}
		for e := b.d.nodes[n].lo; e < b.d.nodes[n].hi; e++ {
			switch b.s.facts[b.d.entries[e].fact].kind {
			case factUser, factSystem, factOutput:
				if err := keep.place(e); err != nil {
					return nil, err
				}
			}
		}
	}
	return keep.units, nil
}

// keptFrom returns the units from the named message, or record, on.
func (b *viewBuilder) keptFrom(id string, before []*unit) []*unit {
	n, isNode := b.d.byID[id]
	for i, u := range before {
		entry := &b.d.entries[u.entry]
		switch f := b.s.facts[entry.fact].body.(type) {
		case *userFact:
			if f.messageID == id {
				return before[i:]
			}
		case *outputFact:
			if f.messageID == id {
				return before[i:]
			}
		}
		if isNode && entry.node == n {
			return before[i:]
		}
	}
	return nil
}

// dropUserTurns cuts the view before its n-th last user message.
func (b *viewBuilder) dropUserTurns(n int64) {
	for i := len(b.units) - 1; i >= 0 && n > 0; i-- {
		u := b.units[i]
		if u.kind == unitUser || u.kind == unitVendor && u.role == RoleUser {
			b.units = b.units[:i]
			n--
		}
	}
	if p := b.pending; p != nil {
		p.before = min(p.before, len(b.units))
	}
	b.forgetUsers()
}

// forgetUsers leaves only the user messages that are in the view to be joined
// by further pieces.
func (b *viewBuilder) forgetUsers() {
	clear(b.users)
	for _, u := range b.units {
		if u.kind != unitUser {
			continue
		}
		if id := b.s.facts[b.d.entries[u.entry].fact].body.(*userFact).messageID; id != "" {
			b.users[id] = u
		}
	}
}

// isFailed reports whether a response ended in an error and is not sent again. A
// cancelled one is, if there is more to it than reasoning.
func (b *viewBuilder) isFailed(r *response) bool {
	class, failed := b.d.failed[r.messageID]
	if !failed || r.messageID == "" {
		return false
	}
	return class != ErrorCancelled || r.onlyReasoning
}

func (b *viewBuilder) seq(u *unit) int64 { return b.s.facts[b.d.entries[u.entry].fact].seq }

func (b *viewBuilder) event(entry int32) (*Event, error) {
	seq := b.s.facts[b.d.entries[entry].fact].seq
	ev, err := b.load(seq)
	if err != nil {
		return nil, fmt.Errorf("view: entry %d: %w", seq, err)
	}
	return ev, nil
}

// mismatch is the error for an entry that is not what was folded.
func (b *viewBuilder) mismatch(entry int32, ev *Event) error {
	f := &b.s.facts[b.d.entries[entry].fact]
	return fmt.Errorf("view: entry %d is a %s now, not what the state was made from", f.seq, ev.Type)
}
