package schema

import "slices"

// derived is what the fold makes of the facts, added one by one in the order of
// their places. It is thrown away and made again when an entry comes to stand
// before others.
type derived struct {
	nodes    []node
	byID     map[string]int32   // the newest node of each record id
	awaited  map[string][]int32 // nodes whose parent has not appeared yet
	open     int32              // the node of the current run, noNode: none yet
	lastMain int32              // the newest node off every side lane
	lastSide int32
	leaf     leafFinder
	entries  []treeEntry
	live     liveBranch
	reorders int64 // see State.Reorders

	responses  []response
	byResponse map[responseKey]int32
	calls      []call
	byCall     map[CallKey]int32
	failed     map[string]ErrorClass // failed responses, by message id
	barrier    int64                 // seq of the last hole or gap, plus 1

	session sessionFacts
	counts  map[string]*Finding
}

// node is one record of a vendor's tree with all entries of its run, or one
// conversation entry that belongs to no tree.
type node struct {
	seq    int64
	parent int32 // noNode: a root
	lo, hi int32 // its entries
	side   bool
	below  bool // the selected leaf's node or one of its descendants; see leafFinder
}

// treeEntry is a conversation entry on the tree.
type treeEntry struct {
	fact int32
	node int32
	ref  int32 // the response of a piece, the call of a result; noRef: none
}

const (
	noNode = int32(-1)
	noRef  = int32(-1)
)

func newDerived() *derived {
	return &derived{
		byID: make(map[string]int32), awaited: make(map[string][]int32),
		open: noNode, lastMain: noNode, lastSide: noNode,
		leaf:       leafFinder{start: noNode, leaf: noNode},
		byResponse: make(map[responseKey]int32), byCall: make(map[CallKey]int32),
		failed: make(map[string]ErrorClass), counts: make(map[string]*Finding),
	}
}

// add folds in a fact whose index is i; first: it begins a run.
func (d *derived) add(i int32, f *fact, first bool) {
	d.live.known = false
	if first {
		d.open = noNode
	}
	d.session.add(f)
	d.note(f)
	switch f.kind {
	case factLeaf:
		d.selectLeaf(f.body.(string), f.seq)
	case factFailed:
		if m := f.body.(*failedFact); m.messageID != "" {
			d.failed[m.messageID] = m.class
		}
	}
	inTree := f.id != "" && !f.native
	if !inTree && !f.kind.conversation() {
		return
	}
	fresh := d.open == noNode
	if fresh {
		d.open = d.newNode(f)
	}
	if f.id != "" {
		d.nameNode(d.open, f)
	}
	if f.kind.conversation() {
		d.entries = append(d.entries, treeEntry{fact: i, node: d.open, ref: d.refer(f, int32(len(d.entries)))})
		d.nodes[d.open].hi = int32(len(d.entries))
	}
	if fresh && !inTree {
		d.open = noNode // without an id an entry is a node of its own
	}
}

// note counts what a reader of the log should know about.
func (d *derived) note(f *fact) {
	switch f.kind {
	case factGap:
		d.barrier = max(d.barrier, f.seq+1)
		d.find(FindingGap, f.seq)
	case factHole:
		d.barrier = max(d.barrier, f.seq+1)
		d.find(FindingHole, f.seq)
	case factUnknown:
		d.find(FindingUnknownType, f.seq)
	}
}

func (d *derived) find(code string, seq int64) {
	if f, ok := d.counts[code]; ok {
		f.Count++
		return
	}
	d.counts[code] = &Finding{Code: code, Count: 1, Seq: seq}
}

// newNode adds a node for a record, or for an entry that belongs to no tree.
func (d *derived) newNode(f *fact) int32 {
	n := int32(len(d.nodes))
	at := int32(len(d.entries))
	parent, awaits := noNode, ""
	switch {
	case f.parent.Known && f.parent.ID != "":
		parent, awaits = d.resolve(f.parent.ID, f.side)
	case f.kind == factCompacted && f.id != "" && !f.native:
		// The boundary begins a tree of its own; what it covers comes before.
		parent, awaits = d.resolve(f.body.(*compactedFact).logicalParent, f.side)
	case f.parent.Known || f.id != "" && !f.native:
		// a root
	default:
		parent = d.leafNode()
	}
	d.nodes = append(d.nodes, node{seq: f.seq, parent: parent, lo: at, hi: at, side: f.side})
	if awaits != "" {
		d.awaited[awaits] = append(d.awaited[awaits], n)
	}
	if f.side {
		d.lastSide = n
	} else {
		d.lastMain = n
	}
	d.leaf.added(d, n)
	return n
}

// resolve finds the node of a record id. One that has not appeared is awaited;
// until then, and if it never appears, the node before stands for it.
func (d *derived) resolve(id string, side bool) (parent int32, awaits string) {
	if n, ok := d.byID[id]; ok && id != "" {
		return n, ""
	}
	if side && d.lastSide != noNode {
		return d.lastSide, id
	}
	return d.lastMain, id
}

// nameNode gives a node a record id. A later record of the same id takes it
// over; records that came before keep their parent.
func (d *derived) nameNode(n int32, f *fact) {
	if old, ok := d.byID[f.id]; ok && old != n {
		d.find(FindingDuplicateID, f.seq)
	}
	d.byID[f.id] = n
	if len(d.awaited[f.id]) > 0 || d.leaf.selected && d.leaf.id == f.id {
		d.reorders++
	}
	for _, child := range d.awaited[f.id] {
		d.nodes[child].parent = n
		d.leaf.stale = true
	}
	delete(d.awaited, f.id)
	if d.leaf.selected && d.leaf.id == f.id {
		d.leaf.start, d.leaf.stale = n, true
	}
}

// leafFinder follows the selected leaf forward to its tip: the newest of its
// descendants.
type leafFinder struct {
	selected bool
	id       string
	seq      int64 // of the entry that selected it
	start    int32 // its node, noNode while it has not appeared
	leaf     int32
	stale    bool // node.below and leaf must be found again
}

// selectLeaf makes a record the live branch's leaf.
func (d *derived) selectLeaf(id string, seq int64) {
	l := &d.leaf
	if l.selected && l.id == id {
		return
	}
	l.selected, l.id, l.seq, l.start, l.stale = true, id, seq, noNode, true
	d.reorders++
	if n, ok := d.byID[id]; ok {
		l.start = n
	}
}

// added takes note of a new node.
func (l *leafFinder) added(d *derived, n int32) {
	if l.start == noNode || l.stale {
		return
	}
	if p := d.nodes[n].parent; p != noNode && d.nodes[p].below {
		d.nodes[n].below = true
		if l.counts(d, n) {
			l.leaf = n
		}
	}
}

// counts reports whether a descendant can be the live leaf: side lanes only if
// one was selected.
func (l *leafFinder) counts(d *derived, n int32) bool {
	return !d.nodes[n].side || d.nodes[l.start].side
}

// leafNode returns the node at the tip of the live branch, noNode if there is
// none.
func (d *derived) leafNode() int32 {
	l := &d.leaf
	if l.start == noNode {
		if d.lastMain == noNode {
			return d.lastSide
		}
		return d.lastMain
	}
	if l.stale {
		l.leaf, l.stale = d.tip(l.start), false
	}
	return l.leaf
}

// tip marks a node and its descendants and returns the newest of those, the node
// itself if it has none. Side lanes count only if the node is on one itself.
func (d *derived) tip(start int32) int32 {
	const unknown, above, below = 0, 1, 2
	mark := make([]byte, len(d.nodes))
	mark[start] = below
	newest := noNode
	var way []int32
	for n := range int32(len(d.nodes)) {
		way = way[:0]
		at := n
		for at != noNode && mark[at] == unknown {
			mark[at] = above // until known better; also ends a cycle
			way = append(way, at)
			at = d.nodes[at].parent
		}
		isBelow := at != noNode && mark[at] == below
		for _, w := range way {
			if isBelow {
				mark[w] = below
			}
		}
		d.nodes[n].below = isBelow
		if isBelow && n != start && d.leaf.counts(d, n) {
			newest = n
		}
	}
	if newest == noNode {
		return start
	}
	return newest
}

// liveBranch is the path from the root to the live leaf.
type liveBranch struct {
	known bool
	path  []int32 // nodes, root first
	on    []bool  // by node
	// cyclic: the walk to the root came back to where it had been.
	cyclic bool
}

// livePath returns the live branch.
func (d *derived) livePath() *liveBranch {
	if !d.live.known {
		d.live = d.pathTo(d.leafNode())
		d.live.known = true
	}
	return &d.live
}

// pathTo walks from a node to its root. A cycle is cut where it repeats.
func (d *derived) pathTo(leaf int32) liveBranch {
	b := liveBranch{on: make([]bool, len(d.nodes))}
	for n := leaf; n != noNode; n = d.nodes[n].parent {
		if b.on[n] {
			b.cyclic = true
			break
		}
		b.on[n] = true
		b.path = append(b.path, n)
	}
	slices.Reverse(b.path)
	return b
}

// dangling returns how many nodes still await their parent and the seq of the
// first.
func (d *derived) dangling() (count, first int64) {
	first = -1
	for _, children := range d.awaited {
		for _, n := range children {
			count++
			if seq := d.nodes[n].seq; first < 0 || seq < first {
				first = seq
			}
		}
	}
	return count, first
}

// LiveLeaf returns the id of the newest record on the live branch that has one,
// empty if none has: what a vendor's own next record would hang off.
func (s *State) LiveLeaf() string {
	path := s.settle().livePath().path
	for _, n := range slices.Backward(path) {
		if id := s.recordID(n); id != "" {
			return id
		}
	}
	return ""
}
