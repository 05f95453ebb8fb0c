package claudecode

import (
	"bytes"
	"cmp"
	"slices"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/ownlog/ownlog/convert"
)

// The tool's request log names messages by the SHA-256 of canonical JSON: no
// whitespace, members sorted by name, strings with the fewest escapes. Numbers
// stay as they are written.

// appendCanonical appends v in canonical form; without, if not empty, is the name
// of members left out at every depth.
func appendCanonical(dst, v []byte, without string) []byte {
	switch kind(v) {
	case '{':
		dst = append(dst, '{')
		for i, m := range sortedMembers(v) {
			if m.name == without && without != "" {
				continue
			}
			if i > 0 && dst[len(dst)-1] != '{' {
				dst = append(dst, ',')
			}
			dst = append(appendString(dst, m.name), ':')
			dst = appendCanonical(dst, m.value, without)
		}
		return append(dst, '}')
	case '[':
		dst = append(dst, '[')
		list := convert.ElementsOf(v)
		for i := 0; ; i++ {
			element, ok := list.Next()
			if !ok {
				return append(dst, ']')
			}
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = appendCanonical(dst, element, without)
		}
	case '"':
		if bytes.IndexByte(v, '\\') < 0 && utf8.Valid(v) {
			return append(dst, v...)
		}
		s, _ := unquote(v)
		return appendString(dst, s)
	}
	return append(dst, v...)
}

func appendString(dst []byte, s string) []byte {
	// Invalid UTF-8 was replaced before.
	dst, _ = jsontext.AppendQuote(dst, s)
	return dst
}

type namedValue struct {
	name  string
	value []byte
}

// sortedMembers returns the members of an object by name; of equal names the
// last counts.
func sortedMembers(v []byte) []namedValue {
	var list []namedValue
	m := convert.MembersOf(v)
	for {
		name, value, ok := m.Next()
		if !ok {
			break
		}
		list = append(list, namedValue{string(name), value})
	}
	slices.SortStableFunc(list, func(a, b namedValue) int { return cmp.Compare(a.name, b.name) })
	unique := list[:0]
	for i := range list {
		if i+1 < len(list) && list[i].name == list[i+1].name {
			continue
		}
		unique = append(unique, list[i])
	}
	return unique
}

// step is one step of a path into JSON: a member's name, or an index.
type step struct {
	name  string
	index int64 // -1: a name
}

// pathSteps reads a path, an array of names and indexes.
func pathSteps(v []byte) []step {
	var steps []step
	list := convert.ElementsOf(v)
	for {
		element, ok := list.Next()
		if !ok {
			return steps
		}
		if name, ok := unquote(element); ok {
			steps = append(steps, step{name, -1})
		} else if n, ok := integer(element); ok {
			steps = append(steps, step{"", n})
		}
	}
}

// withMember appends canonical JSON v with one more member in the object at the
// end of the path; ok is false if there is no object.
func withMember(dst, v []byte, path []step, name string, value []byte) (out []byte, ok bool) {
	if len(path) == 0 {
		if kind(v) != '{' {
			return dst, false
		}
		object := append(slices.Clone(v[:len(v)-1]), ',')
		if len(v) == 2 {
			object = object[:1]
		}
		object = append(append(appendString(object, name), ':'), value...)
		return appendCanonical(dst, append(object, '}'), ""), true
	}
	open, closing := byte('{'), byte('}')
	if path[0].index >= 0 {
		open, closing = '[', ']'
	}
	if kind(v) != open {
		return dst, false
	}
	dst = append(dst, open)
	if open == '[' {
		list := convert.ElementsOf(v)
		for i := int64(0); ; i++ {
			element, more := list.Next()
			if !more {
				return append(dst, closing), ok
			}
			if i > 0 {
				dst = append(dst, ',')
			}
			if i != path[0].index {
				dst = append(dst, element...)
				continue
			}
			if dst, ok = withMember(dst, element, path[1:], name, value); !ok {
				return dst, false
			}
		}
	}
	for i, m := range sortedMembers(v) {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(appendString(dst, m.name), ':')
		if m.name != path[0].name {
			dst = append(dst, m.value...)
			continue
		}
		if dst, ok = withMember(dst, m.value, path[1:], name, value); !ok {
			return dst, false
		}
	}
	return append(dst, closing), ok
}
