package convert

import (
	"bytes"

	"github.com/go-json-experiment/json/jsontext"
)

// Records are found to be JSON before they are mapped, so that members can be
// picked out by skipping over what is not wanted; a tool's structured result
// alone is often most of a record. Nothing here trusts that for safety: bytes
// that are not JSON end a walk early.

// Members walks over the members of a JSON object.
type Members struct {
	b     []byte
	i     int
	start int // of the member that was returned last
}

// MembersOf starts a walk; v is one JSON value. A value that is not an object has
// no members.
func MembersOf(v []byte) Members {
	if len(v) == 0 || v[0] != '{' {
		return Members{}
	}
	return Members{b: v, i: 1}
}

// Next returns the name of the next member and its value as it stands: parts of
// the object, unless the name is written with escapes.
func (m *Members) Next() (name, value []byte, ok bool) {
	i := skipSpace(m.b, m.i)
	if i < len(m.b) && m.b[i] == ',' {
		i = skipSpace(m.b, i+1)
	}
	if i >= len(m.b) || m.b[i] != '"' {
		return nil, nil, false
	}
	end := SkipString(m.b, i)
	if end < 0 {
		return nil, nil, false
	}
	start := i
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
	m.start, m.i = start, end
	return name, m.b[i:end], true
}

// Spelled returns the member that Next returned, name and value, as it stands.
func (m *Members) Spelled() []byte { return m.b[m.start:m.i] }

// Elements walks over the elements of a JSON array.
type Elements struct {
	b []byte
	i int
}

// ElementsOf starts a walk; v is one JSON value. A value that is not an array has no
// elements.
func ElementsOf(v []byte) Elements {
	if len(v) == 0 || v[0] != '[' {
		return Elements{}
	}
	return Elements{b: v, i: 1}
}

// Next returns the next element as it stands.
func (e *Elements) Next() (value []byte, ok bool) {
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
		return SkipString(b, i)
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
			if i = SkipString(b, i); i < 0 {
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

// SkipString returns the end of the JSON string whose opening quote stands at i, -1
// if it has none.
func SkipString(b []byte, i int) int {
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
