package convert

import (
	"bytes"
	"encoding/binary"
	"math/bits"
	"slices"
	"sync"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"
)

// Unquote returns the text of a JSON string of a record, which stands in v with
// its quotes. Invalid UTF-8 and lone surrogates become U+FFFD. It does what
// [jsontext.AppendUnquote] does, and leaves everything unusual to it; texts are
// most of a session, and it takes a third of the time for them.
func Unquote(v []byte) string {
	if len(v) < 2 {
		return ""
	}
	inner := v[1 : len(v)-1]
	if !utf8.Valid(inner) {
		return unquoteSlowly(v)
	}
	i := bytes.IndexByte(inner, '\\')
	if i < 0 {
		return string(inner)
	}
	room := unquoteRoom.Get().(*[]byte)
	defer func() {
		if cap(*room) <= maxUnquoteRoom {
			unquoteRoom.Put(room)
		}
	}()
	*room = slices.Grow((*room)[:0], len(inner))
	text := (*room)[:len(inner)] // no escape is shorter than what it stands for
	n := copy(text, inner[:i])
	for i < len(inner) {
		// Eight bytes at once as long as none is a backslash.
		for len(inner)-i >= 8 {
			w := binary.LittleEndian.Uint64(inner[i:])
			binary.LittleEndian.PutUint64(text[n:n+8:len(text)], w)
			x := w ^ everyByte*'\\'
			if found := (x - everyByte) &^ x & highBits; found != 0 {
				k := bits.TrailingZeros64(found) / 8
				i, n = i+k, n+k
				break
			}
			i, n = i+8, n+8
		}
		if i == len(inner) {
			break
		}
		c := inner[i]
		if c != '\\' {
			text[n] = c
			i, n = i+1, n+1
			continue
		}
		if i+1 == len(inner) {
			return unquoteSlowly(v)
		}
		switch c := inner[i+1]; c {
		case '"', '\\', '/':
			text[n] = c
		case 'n':
			text[n] = '\n'
		case 't':
			text[n] = '\t'
		case 'r':
			text[n] = '\r'
		case 'b':
			text[n] = '\b'
		case 'f':
			text[n] = '\f'
		case 'u':
			r, ok := hexRune(inner[i+2:])
			if !ok || 0xd800 <= r && r <= 0xdfff {
				return unquoteSlowly(v)
			}
			n += utf8.EncodeRune(text[n:n+utf8.UTFMax], r)
			i += 6
			continue
		default:
			return unquoteSlowly(v)
		}
		i, n = i+2, n+1
	}
	return string(text[:n])
}

const (
	everyByte = 0x0101010101010101
	highBits  = 0x8080808080808080
)

// maxUnquoteRoom is the most memory, in bytes, that is kept for the next text.
const maxUnquoteRoom = 1 << 20

// unquoteRoom is where texts are made before their length is known.
var unquoteRoom = sync.Pool{New: func() any { return new([]byte) }}

// unquoteSlowly is Unquote by the library.
func unquoteSlowly(v []byte) string {
	// The error is about what became U+FFFD.
	text, _ := jsontext.AppendUnquote(make([]byte, 0, len(v)), v)
	return string(text)
}

// hexRune reads the four digits that b begins with.
func hexRune(b []byte) (r rune, ok bool) {
	if len(b) < 4 {
		return 0, false
	}
	for _, c := range b[:4] {
		switch {
		case '0' <= c && c <= '9':
			r = r<<4 | rune(c-'0')
		case 'a' <= c && c <= 'f':
			r = r<<4 | rune(c-'a'+10)
		case 'A' <= c && c <= 'F':
			r = r<<4 | rune(c-'A'+10)
		default:
			return 0, false
		}
	}
	return r, true
}
