package opencode

import (
	"bytes"
	"encoding/binary"
	"math/bits"
)

// jsonWalk goes over JSON text without building anything of it. It takes what
// [lenient] takes: any bytes in strings, lone surrogates, names given twice.
type jsonWalk struct {
	b []byte
	i int
	// spaced is set when whitespace other than blanks stood between tokens.
	spaced bool
}

const maxJSONDepth = 10000 // as jsontext

// checkJSON reports whether b is one JSON value without whitespace around it,
// and whether it is free of control bytes.
func checkJSON(b []byte) (valid, oneLine bool) {
	w := jsonWalk{b: b}
	valid = w.value(0) && w.i == len(b)
	return valid, valid && !w.spaced
}

// space goes over whitespace.
func (w *jsonWalk) space() {
	for w.i < len(w.b) {
		switch w.b[w.i] {
		case ' ':
		case '\t', '\n', '\r':
			w.spaced = true
		default:
			return
		}
		w.i++
	}
}

// value goes over one value that begins here.
func (w *jsonWalk) value(depth int) bool {
	if w.i >= len(w.b) || depth > maxJSONDepth {
		return false
	}
	switch c := w.b[w.i]; {
	case c == '"':
		return w.text()
	case c == '{':
		return w.object(depth)
	case c == '[':
		return w.array(depth)
	case c == 't':
		return w.literal("true")
	case c == 'f':
		return w.literal("false")
	case c == 'n':
		return w.literal("null")
	}
	return w.number()
}

func (w *jsonWalk) literal(s string) bool {
	if !bytes.HasPrefix(w.b[w.i:], []byte(s)) {
		return false
	}
	w.i += len(s)
	return true
}

func (w *jsonWalk) digits() bool {
	start := w.i
	for w.i < len(w.b) && w.b[w.i]-'0' <= 9 {
		w.i++
	}
	return w.i > start
}

func (w *jsonWalk) at(c byte) bool {
	if w.i < len(w.b) && w.b[w.i] == c {
		w.i++
		return true
	}
	return false
}

func (w *jsonWalk) number() bool {
	w.at('-')
	if !w.at('0') && !w.digits() {
		return false
	}
	if w.at('.') && !w.digits() {
		return false
	}
	if w.at('e') || w.at('E') {
		_ = w.at('+') || w.at('-')
		return w.digits()
	}
	return true
}

const (
	everyByte = 0x0101010101010101
	highBits  = 0x8080808080808080
)

// special returns the place of the first quote, backslash or control byte.
func special(b []byte) int {
	i := 0
	for ; i+8 <= len(b); i += 8 {
		x := binary.LittleEndian.Uint64(b[i:])
		quote, slash := x^(everyByte*'"'), x^(everyByte*'\\')
		found := (quote-everyByte)&^quote | (slash-everyByte)&^slash | (x-everyByte*0x20)&^x
		if found &= highBits; found != 0 {
			return i + bits.TrailingZeros64(found)/8
		}
	}
	for ; i < len(b); i++ {
		if c := b[i]; c == '"' || c == '\\' || c < 0x20 {
			break
		}
	}
	return i
}

// text goes over a string.
func (w *jsonWalk) text() bool {
	for i := w.i + 1; ; {
		i += special(w.b[i:])
		switch {
		case i >= len(w.b) || w.b[i] < 0x20:
			return false
		case w.b[i] == '"':
			w.i = i + 1
			return true
		case i+1 >= len(w.b):
			return false
		}
		switch w.b[i+1] {
		case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
			i += 2
		case 'u':
			if i+6 > len(w.b) || !isHex(w.b[i+2:i+6]) {
				return false
			}
			i += 6
		default:
			return false
		}
	}
}

func isHex(b []byte) bool {
	for _, c := range b {
		if !(c >= '0' && c <= '9' || c >= 'a' && c <= 'f' || c >= 'A' && c <= 'F') {
			return false
		}
	}
	return true
}

func (w *jsonWalk) array(depth int) bool {
	w.i++
	if w.space(); w.at(']') {
		return true
	}
	for {
		if w.space(); !w.value(depth + 1) {
			return false
		}
		if w.space(); w.at(']') {
			return true
		}
		if !w.at(',') {
			return false
		}
	}
}

// object goes over an object.
func (w *jsonWalk) object(depth int) bool {
	w.i++
	if w.space(); w.at('}') {
		return true
	}
	for {
		w.space()
		if w.i >= len(w.b) || w.b[w.i] != '"' || !w.text() {
			return false
		}
		if w.space(); !w.at(':') {
			return false
		}
		if w.space(); !w.value(depth + 1) {
			return false
		}
		if w.space(); w.at('}') {
			return true
		}
		if !w.at(',') {
			return false
		}
	}
}
