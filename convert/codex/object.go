package codex

import (
	"bytes"
	"io"
	"strconv"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/ownlog/ownlog/convert"
)

// decodeOptions take what a rollout may hold: broken UTF-8 and lone surrogates
// become U+FFFD, of members with one name the last counts.
var decodeOptions = []jsontext.Options{jsontext.AllowInvalidUTF8(true), jsontext.AllowDuplicateNames(true)}

// decoder walks JSON values that lie in memory. It keeps its allocations, so
// one decoder serves many values, one at a time.
type decoder struct {
	dec *jsontext.Decoder
	buf bytes.Buffer
}

// start begins a walk over v. The decoder reads v itself, not a copy.
func (d *decoder) start(v []byte) *jsontext.Decoder {
	d.buf = *bytes.NewBuffer(v)
	if d.dec == nil {
		d.dec = jsontext.NewDecoder(&d.buf, decodeOptions...)
	} else {
		d.dec.Reset(&d.buf, decodeOptions...)
	}
	return d.dec
}

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

// readObject takes apart the object that src begins with and whose first token
// dec is about to read. Members of the names in open are taken apart too, in
// the same walk, into the objects given.
func (o *object) read(dec *jsontext.Decoder, src []byte, open func(name []byte) *object) error {
	o.reset()
	if _, err := dec.ReadToken(); err != nil {
		return err
	}
	for dec.PeekKind() != '}' {
		name, err := dec.ReadValue()
		if err != nil {
			return err
		}
		end := int(dec.InputOffset())
		m := member{name: memberName(src[end-len(name) : end])}
		start := end - len(name)
		if inner := open(m.name); inner != nil && dec.PeekKind() == '{' {
			from := skipTo(src, end)
			if err := inner.read(dec, src, nothing); err != nil {
				return err
			}
			m.value = src[from:dec.InputOffset()]
		} else {
			v, err := dec.ReadValue()
			if err != nil {
				return err
			}
			at := int(dec.InputOffset())
			m.value = src[at-len(v) : at]
		}
		m.spelled = src[start:dec.InputOffset()]
		o.members = append(o.members, m)
	}
	_, err := dec.ReadToken()
	return err
}

func nothing([]byte) *object { return nil }

// skipTo finds the first byte of the value that follows a member's name.
func skipTo(src []byte, i int) int {
	for i < len(src) && src[i] != '{' {
		i++
	}
	return i
}

// memberName unescapes a quoted name.
func memberName(quoted []byte) []byte {
	inner := quoted[1 : len(quoted)-1]
	if bytes.IndexByte(inner, '\\') < 0 {
		return inner
	}
	out, _ := jsontext.AppendUnquote(nil, quoted)
	return out
}

func (o *object) reset() { o.members, o.bad, o.missing = o.members[:0], "", false }

// parse takes apart a value that is an object; of anything else it makes an
// object without members.
func (o *object) parse(d *decoder, v value) {
	o.reset()
	if v.kind() != '{' {
		return
	}
	if err := o.read(d.start(v), v, nothing); err != nil {
		o.reset()
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
func (d *decoder) elements(v value, f func(i int, e value) bool) {
	if v.kind() != '[' {
		return
	}
	dec := d.start(v)
	if _, err := dec.ReadToken(); err != nil {
		return
	}
	for i := 0; dec.PeekKind() != ']'; i++ {
		e, err := dec.ReadValue()
		if err != nil {
			return
		}
		if !f(i, value(e)) {
			return
		}
	}
}

// isObject reports whether text is one JSON object and nothing else.
func isObject(text string) bool {
	trimmed := bytes.TrimSpace([]byte(text))
	if len(trimmed) == 0 || trimmed[0] != '{' {
		return false
	}
	dec := jsontext.NewDecoder(bytes.NewReader(trimmed))
	if _, err := dec.ReadValue(); err != nil {
		return false
	}
	_, err := dec.ReadToken()
	return err == io.EOF
}
