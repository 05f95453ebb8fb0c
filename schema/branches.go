package schema

import (
	"cmp"
	"slices"
)

// Branch is one line of the conversation, from a root to a leaf of the tree.
type Branch struct {
	Seq  int64  // of the first entry of its leaf; names the branch
	Leaf string // record id of the leaf, empty if it has none
	Fork int64  // seq of the newest entry that it shares with the live branch, -1 if none
	Live bool
	Side bool // the leaf is on a side lane
	// Nodes is the number of records and entries on it that the live branch does
	// not have; on the live branch, of all.
	Nodes int64
}

// Branches returns all branches in the order of their leaves. Parallel results
// and pieces of responses hang beside the path that goes on; such a leaf, with
// no conversation of its own, is no branch. A linear log has one branch.
func (s *State) Branches() []Branch {
	d := s.settle()
	live := d.livePath()
	var all []Branch
	for _, leaf := range d.leaves() {
		b := Branch{Seq: d.nodes[leaf].seq, Fork: -1, Live: live.on[leaf], Side: d.nodes[leaf].side}
		own := false
		// A path is never longer than all nodes, unless it runs in a circle.
		for n := leaf; n != noNode && b.Nodes < int64(len(d.nodes)); n = d.nodes[n].parent {
			if live.on[n] && !b.Live {
				b.Fork = d.nodes[n].seq
				break
			}
			b.Nodes++
			own = own || d.isTalk(s, n)
		}
		if !own && !b.Live {
			continue
		}
		b.Leaf = s.recordID(leaf)
		all = append(all, b)
	}
	return all
}

// leaves returns the nodes that are nobody's parent, in order; in a circle, none.
func (d *derived) leaves() []int32 {
	parent := make([]bool, len(d.nodes))
	for i := range d.nodes {
		if p := d.nodes[i].parent; p != noNode {
			parent[p] = true
		}
	}
	var leaves []int32
	for n := range int32(len(d.nodes)) {
		if !parent[n] {
			leaves = append(leaves, n)
		}
	}
	slices.SortFunc(leaves, func(a, b int32) int { return cmp.Compare(d.nodes[a].seq, d.nodes[b].seq) })
	return leaves
}

// isTalk reports whether a node is more than results and pieces of responses
// that the live branch shows anyway.
func (d *derived) isTalk(s *State, n int32) bool {
	live := d.livePath()
	for e := d.nodes[n].lo; e < d.nodes[n].hi; e++ {
		entry := &d.entries[e]
		switch s.facts[entry.fact].kind {
		case factUser:
			return true
		case factOutput:
			if !d.isLive(&d.responses[entry.ref], live) {
				return true
			}
		case factResult:
			if entry.ref != noRef && !d.isLive(&d.responses[d.calls[entry.ref].response], live) {
				return true
			}
		}
	}
	return false
}

// recordID returns the id that the source gives a node, empty if none.
func (s *State) recordID(n int32) string {
	at, ok := slices.BinarySearchFunc(s.facts, s.derived.nodes[n].seq, func(f fact, seq int64) int { return cmp.Compare(f.seq, seq) })
	if !ok || s.facts[at].native {
		return ""
	}
	return s.facts[at].id
}
