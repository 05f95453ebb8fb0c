package codex

import (
	"bytes"
	"strconv"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/ownlog/ownlog/convert"
)

// decodeOptions take what a rollout may hold: broken UTF-8 and lone surrogates
// become U+FFFD, of members with one name the last counts.
var decodeOptions = []jsontext.Options{jsontext.AllowInvalidUTF8(true), jsontext.AllowDuplicateNames(true)}

// object is a JSON object taken apart one level deep: the names and the bytes
// of its members, in order. It refers to the bytes it was read from.
type object struct {
	members []member
	// bad names the first member that was asked for and found to be of another
	// type, or missing; see [object.finding].
	bad     string
	missing bool
}

type member struct {
	name  []byte // unescaped
	value value
	// spelled is the member as it stands: name, colon and value.
	spelled []byte
}

// value is the bytes of one JSON value; empty if there is none.
type value []byte

// kind is the kind of the value: n f t " 0 { [ or 0 if there is none.
func (v value) kind() jsontext.Kind { return jsontext.Value(v).Kind() }

// absent reports whether there is no value, or null.
func (v value) absent() bool { return len(v) == 0 || v[0] == 'n' }

// text is the content of a JSON string.
func (v value) text() string {
	if len(v) < 2 || v[0] != '"' {
		return ""
	}
	return convert.Unquote(v)
}

// read takes apart the object that v is, a record or a part of one: known to be
// JSON, so that its members are found without checking them again. Members of the
// names in open are taken apart too, into the objects given.
func (o *object) read(v []byte, open func(name []byte) *object) {
	o.reset()
	for m := convert.MembersOf(v); ; {
		name, value, ok := m.Next()
		if !ok {
			return
		}
		if inner := open(name); inner != nil && value[0] == '{' {
			inner.read(value, nothing)
		}
		o.members = append(o.members, member{name, value, m.Spelled()})
	}
}

func nothing([]byte) *object { return nil }

func (o *object) reset() { o.members, o.bad, o.missing = o.members[:0], "", false }

// parse takes apart a value that is an object; of anything else it makes an
// object without members.
func (o *object) parse(v value) { o.read(v, nothing) }

// parseText is parse for what is not known to be JSON.
func (o *object) parseText(v value) {
	o.reset()
	if jsontext.Value(v).IsValid(decodeOptions...) {
		o.read(bytes.TrimLeft(v, " \t\r\n"), nothing)
	}
}

// get returns a member, null as no value at all.
func (o *object) get(name string) value {
	for i := len(o.members) - 1; i >= 0; i-- {
		if string(o.members[i].name) == name {
			if o.members[i].value.absent() {
				return nil
			}
			return o.members[i].value
		}
	}
	return nil
}

// of returns a member that must be of a kind if it is there, and notes it as
// bad if it is not.
func (o *object) of(name string, kind jsontext.Kind) value {
	v := o.get(name)
	if v != nil && v.kind() != kind {
		o.note(name, false)
		return nil
	}
	return v
}

// must is of, for a member that must be there.
func (o *object) must(name string, kind jsontext.Kind) value {
	v := o.get(name)
	if v == nil {
		o.note(name, true)
		return nil
	}
	return o.of(name, kind)
}

func (o *object) str(name string) string     { return o.of(name, '"').text() }
func (o *object) mustStr(name string) string { return o.must(name, '"').text() }
func (o *object) list(name string) value     { return o.of(name, '[') }

// integer returns a whole number, ok if there is one.
func (o *object) integer(name string) (n int64, ok bool) {
	v := o.of(name, '0')
	if v == nil {
		return 0, false
	}
	n, err := strconv.ParseInt(string(v), 10, 64)
	if err != nil {
		o.note(name, false)
	}
	return n, err == nil
}

func (o *object) note(name string, missing bool) {
	if o.bad == "" {
		o.bad, o.missing = name, missing
	}
}

// finding says what is wrong with the members that were asked for; empty if
// nothing is.
func (o *object) finding() string {
	switch {
	case o.bad == "":
		return ""
	case o.missing:
		return "missing member " + o.bad
	}
	return "unexpected type of member " + o.bad
}

// without spells the object again without some of its members.
func (o *object) without(names ...string) []byte {
	out := []byte{'{'}
next:
	for _, m := range o.members {
		for _, name := range names {
			if string(m.name) == name {
				continue next
			}
		}
		if len(out) > 1 {
			out = append(out, ',')
		}
		out = append(out, m.spelled...)
	}
	return append(out, '}')
}

// elements calls f for each element of an array until f says stop.
func elements(v value, f func(i int, e value) bool) {
	list := convert.ElementsOf(v)
	for i := 0; ; i++ {
		e, ok := list.Next()
		if !ok || !f(i, e) {
			return
		}
	}
}

// isObject reports whether text is one JSON object and nothing else.
func isObject(text string) bool {
	trimmed := bytes.TrimSpace([]byte(text))
	return len(trimmed) > 0 && trimmed[0] == '{' && jsontext.Value(trimmed).IsValid()
}
