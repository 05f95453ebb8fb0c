//go:build !purego

package format

import (
	"math/bits"

	"golang.org/x/sys/cpu"
)

// blockScan is where [scanBlocks] stands in an object. objectscan_amd64.s knows
// the offsets of its fields.
type blockScan struct {
	depth int64
	//lint:ignore U1000 scanBlocks goes on from it
	inString uint64 // all ones inside a string
	//lint:ignore U1000 scanBlocks goes on from it
	escaped uint64 // 1 if the next byte is escaped
	// open and closed are the brackets outside strings of the last block, one bit
	// for each byte.
	open, closed uint64
	stop         blockStop
}

// blockStop is why scanBlocks returned.
type blockStop int64

const (
	stopEnd     blockStop = iota // all blocks were looked at
	stopDepth                    // in the last block the depth may have come to 0 or above MaxDepth: it was not added
	stopUnclear                  // a backslash outside strings: not for this scan to judge
)

// scanBlocks looks at b, whose length is a multiple of 64, block by block of 64
// bytes, and returns how many bytes it looked at.
//
//go:noescape
func scanBlocks(b []byte, s *blockScan) int

var hasBlockScan = cpu.X86.HasAVX2 && cpu.X86.HasPCLMULQDQ && cpu.X86.HasPOPCNT && cpu.X86.HasBMI1

// surelyObject tells whether b is one object of a depth up to MaxDepth in the
// sense of [scanObject], without saying what is wrong. False may also mean that
// it cannot tell.
//
// Strings in JSON are short: looking for the end of each costs more than
// finding all quotes, backslashes and brackets of 64 bytes at once. A quote that
// is not escaped flips whether bytes are in a string, so that a sum modulo 2
// over all quotes in front of a byte tells where it stands.
func surelyObject(b []byte) bool {
	if !hasBlockScan || len(b) == 0 || b[0] != '{' {
		return false
	}
	var s blockScan
	whole := len(b) &^ 63
	for p := 0; p < whole; {
		p += scanBlocks(b[p:whole], &s)
		if end, ended := s.settle(); ended {
			return p-64+end == len(b)
		}
	}
	var rest [64]byte
	copy(rest[:], b[whole:])
	scanBlocks(rest[:], &s)
	end, ended := s.settle()
	return ended && whole+end == len(b)
}

// settle goes through the brackets of the last block if scanBlocks stopped at
// it. ended is set when there is nothing more to look at; end is then where in
// the block the object ends, or out of it if there is no such place.
func (s *blockScan) settle() (end int, ended bool) {
	const nowhere = -64
	switch s.stop {
	case stopEnd:
		return 0, false
	case stopUnclear:
		return nowhere, true
	}
	for both := s.open | s.closed; both != 0; both &= both - 1 {
		i := bits.TrailingZeros64(both)
		if s.open>>i&1 != 0 {
			s.depth++
		} else {
			s.depth--
		}
		switch s.depth {
		case 0:
			return i + 1, true
		case MaxDepth + 1:
			return nowhere, true
		}
	}
	return 0, false
}
