package claudecode

import (
	"bytes"
	"strconv"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/ownlog/ownlog/convert"
)

// Records are found to be JSON before they get here, so that members can be
// picked out by skipping over what is not wanted; a tool's structured result
// alone is often most of a record. Nothing here trusts that for safety: bytes
// that are not JSON end a walk early.

// members walks over the members of a JSON object.
type members struct {
	b []byte
	i int
}

// object starts a walk; v is one JSON value. A value that is not an object has
// no members.
func object(v []byte) members {
	if kind(v) != '{' {
		return members{}
	}
	return members{b: v, i: 1}
}

// next returns the name of the next member and its value as it stands.
func (m *members) next() (name, value []byte, ok bool) {
	i := skipSpace(m.b, m.i)
	if i < len(m.b) && m.b[i] == ',' {
		i = skipSpace(m.b, i+1)
	}
	if i >= len(m.b) || m.b[i] != '"' {
		return nil, nil, false
	}
	end := skipString(m.b, i)
	if end < 0 {
		return nil, nil, false
	}
	name = m.b[i+1 : end-1]
	if bytes.IndexByte(name, '\\') >= 0 {
		name, _ = jsontext.AppendUnquote(nil, m.b[i:end])
	}
	i = skipSpace(m.b, end)
	if i >= len(m.b) || m.b[i] != ':' {
		return nil, nil, false
	}
	i = skipSpace(m.b, i+1)
	end = skipValue(m.b, i)
	if end < 0 {
		return nil, nil, false
	}
	m.i = end
	return name, m.b[i:end], true
}

// elements walks over the elements of a JSON array.
type elements struct {
	b []byte
	i int
}

// array starts a walk; v is one JSON value. A value that is not an array has no
// elements.
func array(v []byte) elements {
	if kind(v) != '[' {
		return elements{}
	}
	return elements{b: v, i: 1}
}

// next returns the next element as it stands.
func (e *elements) next() (value []byte, ok bool) {
	i := skipSpace(e.b, e.i)
	if i < len(e.b) && e.b[i] == ',' {
		i = skipSpace(e.b, i+1)
	}
	if i >= len(e.b) || e.b[i] == ']' {
		return nil, false
	}
	end := skipValue(e.b, i)
	if end < 0 {
		return nil, false
	}
	e.i = end
	return e.b[i:end], true
}

// member returns the value of one member, the last of that name, nil if there
// is none.
func member(v []byte, name string) []byte {
	var found []byte
	m := object(v)
	for {
		n, value, ok := m.next()
		if !ok {
			return found
		}
		if string(n) == name {
			found = value
		}
	}
}

// kind is the first byte of a JSON value: '{', '[', '"', 't', 'f', 'n', '-' or
// a digit; 0 of nothing.
func kind(v []byte) byte {
	if len(v) == 0 {
		return 0
	}
	return v[0]
}

func skipSpace(b []byte, i int) int {
	for i < len(b) && (b[i] == ' ' || b[i] == '\t' || b[i] == '\n' || b[i] == '\r') {
		i++
	}
	return i
}

// skipValue returns the end of the value that starts at i, -1 if it has none.
func skipValue(b []byte, i int) int {
	if i >= len(b) {
		return -1
	}
	switch b[i] {
	case '"':
		return skipString(b, i)
	case '{', '[':
		return skipNested(b, i)
	case ',', ':', ']', '}':
		return -1
	}
	for i < len(b) {
		switch b[i] {
		case ',', ']', '}', ' ', '\t', '\n', '\r':
			return i
		}
		i++
	}
	return i
}

func skipNested(b []byte, i int) int {
	depth := 0
	for i < len(b) {
		switch b[i] {
		case '"':
			if i = skipString(b, i); i < 0 {
				return -1
			}
			continue
		case '{', '[':
			depth++
		case '}', ']':
			if depth--; depth == 0 {
				return i + 1
			}
		}
		i++
	}
	return -1
}

// skipString returns the end of the string whose opening quote stands at i.
func skipString(b []byte, i int) int {
	i++
	for {
		j := bytes.IndexByte(b[i:], '"')
		if j < 0 {
			return -1
		}
		quote := i + j
		escapes := quote
		for escapes > i && b[escapes-1] == '\\' {
			escapes--
		}
		if (quote-escapes)%2 == 0 {
			return quote + 1
		}
		i = quote + 1
	}
}

// unquote decodes a JSON string; lone surrogates and invalid UTF-8 become
// U+FFFD. ok is false for any other value.
func unquote(v []byte) (s string, ok bool) {
	if len(v) < 2 || v[0] != '"' {
		return "", false
	}
	return convert.Unquote(v), true
}

// integer decodes a JSON number without fraction or exponent that every reader
// can hold.
func integer(v []byte) (n int64, ok bool) {
	n, err := strconv.ParseInt(string(v), 10, 64)
	return n, err == nil && n < 1<<53 && n > -(1<<53)
}

// microseconds scales a JSON number of milliseconds; what is finer than a
// microsecond is cut off. It does not go through a float.
func microseconds(v []byte) (us int64, ok bool) {
	whole, fraction, _ := bytes.Cut(v, []byte{'.'})
	if len(fraction) > 3 {
		fraction = fraction[:3]
	}
	ms, err := strconv.ParseInt(string(whole), 10, 64)
	if err != nil || ms < 0 || ms > 1<<42 {
		return 0, false
	}
	us = ms * 1000
	scale := int64(100)
	for _, c := range fraction {
		if c < '0' || c > '9' {
			return 0, false
		}
		us += int64(c-'0') * scale
		scale /= 10
	}
	return us, true
}
