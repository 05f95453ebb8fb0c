package format

import (
	"crypto/sha256"
	"math/bits"
)

// LeafHash returns the leaf that stands for an entry in the tree:
// SHA-256 of 0x00 and the entry's bytes (RFC 6962, section 2.1).
func LeafHash(entry []byte) Hash {
	h := sha256.New()
	h.Write([]byte{0x00})
	h.Write(entry)
	var leaf Hash
	h.Sum(leaf[:0])
	return leaf
}

// nodeHash returns SHA-256 of 0x01, left and right.
func nodeHash(left, right Hash) Hash {
	var b [1 + 2*len(left)]byte
	b[0] = 0x01
	copy(b[1:], left[:])
	copy(b[1+len(left):], right[:])
	return sha256.Sum256(b[:])
}

// Frontier is the compact form of the tree over a log's first Size entries: the
// roots of its perfect subtrees, largest first, as many as Size has bits set.
// It is all that is needed to go on hashing. The zero Frontier is the empty
// tree. It is not safe for concurrent use.
type Frontier struct {
	size  int64
	nodes []Hash
}

// Size returns the number of leaves.
func (f *Frontier) Size() int64 { return f.size }

// Nodes returns a copy of the subtree roots, largest subtree first.
func (f *Frontier) Nodes() []Hash { return append([]Hash(nil), f.nodes...) }

// NewFrontier returns the frontier of size leaves with the given subtree roots,
// and false if their number is wrong for that size.
func NewFrontier(size int64, nodes []Hash) (Frontier, bool) {
	if size < 0 || size > MaxSize || bits.OnesCount64(uint64(size)) != len(nodes) {
		return Frontier{}, false
	}
	return Frontier{size: size, nodes: append([]Hash(nil), nodes...)}, true
}

// Push adds a leaf.
func (f *Frontier) Push(leaf Hash) {
	node := leaf
	for n := f.size; n&1 == 1; n >>= 1 {
		last := len(f.nodes) - 1
		node = nodeHash(f.nodes[last], node)
		f.nodes = f.nodes[:last]
	}
	f.nodes = append(f.nodes, node)
	f.size++
}

// Root returns the root of the tree. That of the empty tree is SHA-256 of nothing.
func (f *Frontier) Root() Hash {
	if len(f.nodes) == 0 {
		return sha256.Sum256(nil)
	}
	root := f.nodes[len(f.nodes)-1]
	for i := len(f.nodes) - 2; i >= 0; i-- {
		root = nodeHash(f.nodes[i], root)
	}
	return root
}

// Clone returns a copy that grows on its own.
func (f *Frontier) Clone() Frontier { return Frontier{size: f.size, nodes: f.Nodes()} }

// become makes f the same as g, in the memory that f has.
func (f *Frontier) become(g *Frontier) { f.size, f.nodes = g.size, append(f.nodes[:0], g.nodes...) }

// leafInPlace is [LeafHash] of b[1:] without copying: b[0] is changed while it
// hashes.
func leafInPlace(b []byte) Hash {
	keep := b[0]
	b[0] = 0x00
	leaf := Hash(sha256.Sum256(b))
	b[0] = keep
	return leaf
}
