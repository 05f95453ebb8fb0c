package schema

import (
	"reflect"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
)

// shape is what JSON a member of an event may hold. Shapes follow from the Go
// types, so that they cannot drift from them; the JSON Schemas say the same
// independently.
type shape struct {
	kind     shapeKind
	members  map[string]member // of objects
	need     []string          // members that an object must have
	elem     *shape            // of arrays
	allowed  map[string]bool   // of strings; nil: any
	valid    func(s []byte) bool
	form     string // what valid asks for
	negative bool   // integers may be below 0
}

type member struct {
	*shape
	bit uint64 // its place among need; 0: may be absent
}

type shapeKind uint8

const (
	shapeAny shapeKind = iota
	shapeObject
	shapeArray
	shapeString
	shapeInteger
	shapeBool
	shapeText   // a string, or a blob reference
	shapeParent // a string, or null
)

// shapes are the shapes of the envelope and of the data of each type.
type shapes struct {
	envelope *shape
	data     map[Type]*shape
}

func newShapes() *shapes {
	b := shapeBuilder{made: make(map[reflect.Type]*shape)}
	s := &shapes{envelope: b.of(reflect.TypeFor[Event]()), data: make(map[Type]*shape)}
	for _, t := range Types() {
		s.data[t] = b.of(reflect.TypeOf(NewData(t)))
	}
	return s
}

type shapeBuilder struct{ made map[reflect.Type]*shape }

// vocabularies are the closed sets of words. New words make a new version of the
// event model.
func vocabularies() map[reflect.Type][]string {
	return map[reflect.Type][]string{
		reflect.TypeFor[ActorKind]():  {"user", "model", "tool", "executor", "system", "import"},
		reflect.TypeFor[PartType]():   {"text", "image", "file", "opaque"},
		reflect.TypeFor[BlockType]():  {"text", "reasoning", "tool_call", "image", "file", "refusal", "opaque"},
		reflect.TypeFor[CallKind]():   {"function", "custom", "local_shell", "server"},
		reflect.TypeFor[SealKind]():   {"signature", "encrypted", "redacted"},
		reflect.TypeFor[Origin]():     {"typed", "queued", "hook", "remote", "agent", "command", "synthetic", "summary"},
		reflect.TypeFor[Role]():       {"system", "developer", "user", "model", "tool"},
		reflect.TypeFor[Placement]():  {"own", "reminder", "beside"},
		reflect.TypeFor[ErrorClass](): {"rate_limit", "overloaded", "context_overflow", "auth", "bad_request", "network", "server", "cancelled", "other"},
		reflect.TypeFor[TurnReason](): {"end_turn", "max_tokens", "refusal", "interrupted", "budget", "error", "requires_action"},
		reflect.TypeFor[Effect]():     {"readonly", "idempotent", "keyed", "effectful"},
		reflect.TypeFor[Decision]():   {"allow", "deny", "modify"},
		reflect.TypeFor[Status]():     {"ok", "error", "denied", "cancelled", "timeout", "unknown"},
	}
}

// of returns the shape of a Go type.
func (b *shapeBuilder) of(t reflect.Type) *shape {
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if s, ok := b.made[t]; ok {
		return s
	}
	s := new(shape)
	b.made[t] = s
	switch {
	case t == reflect.TypeFor[Data](), t == reflect.TypeFor[jsontext.Value]():
		s.kind = shapeAny
	case t == reflect.TypeFor[Text]():
		s.kind = shapeText
		s.elem = b.of(reflect.TypeFor[Blob]())
	case t == reflect.TypeFor[Parent]():
		s.kind = shapeParent
	case t == reflect.TypeFor[CallKey]():
		s.kind, s.valid, s.form = shapeString, isCallKey, "turn/step/index"
	case t.Kind() == reflect.Struct:
		b.object(s, t)
	case t.Kind() == reflect.Slice:
		s.kind, s.elem = shapeArray, b.of(t.Elem())
	case t.Kind() == reflect.String:
		s.kind = shapeString
		if words := vocabularies()[t]; words != nil {
			s.allowed = make(map[string]bool)
			for _, w := range words {
				s.allowed[w] = true
			}
		}
	case t.Kind() == reflect.Bool:
		s.kind = shapeBool
	default:
		s.kind = shapeInteger
	}
	return s
}

func (b *shapeBuilder) object(s *shape, t reflect.Type) {
	s.kind, s.members = shapeObject, make(map[string]member)
	for i := range t.NumField() {
		tag, _ := t.Field(i).Tag.Lookup("json")
		name, options, _ := strings.Cut(tag, ",")
		m := member{shape: b.of(t.Field(i).Type)}
		if special := specialMember(t, name); special != nil {
			m.shape = special
		}
		if !strings.Contains(options, "omitzero") {
			m.bit = 1 << len(s.need)
			s.need = append(s.need, name)
		}
		s.members[name] = m
	}
}

// specialMember returns the shape of a member that its Go type does not say in
// full.
func specialMember(t reflect.Type, name string) *shape {
	switch {
	case t == reflect.TypeFor[Event]() && name == "v":
		return &shape{kind: shapeInteger, valid: func(s []byte) bool { return string(s) == "1" }, form: "1"}
	case t == reflect.TypeFor[Event]() && name == "time":
		return &shape{kind: shapeString, valid: isTime, form: "RFC 3339 in UTC, ending in Z"}
	case t == reflect.TypeFor[Event]() && name == "type":
		return &shape{kind: shapeString, valid: func(s []byte) bool { return len(s) > 0 }, form: "a type name"}
	case t == reflect.TypeFor[Blob]() && name == "blob":
		return &shape{kind: shapeString, valid: isBlobDigest, form: "sha256: and 64 lower-case hexadecimal digits"}
	case t == reflect.TypeFor[Source]() && name == "vendor":
		return &shape{kind: shapeString, valid: func(s []byte) bool { return len(s) > 0 }, form: "a name"}
	case t == reflect.TypeFor[Block]() && name == "args":
		return &shape{kind: shapeObject}
	case measures(t, name):
		return &shape{kind: shapeInteger, negative: true}
	}
	return nil
}

// measures reports whether a member is a number that a vendor measured; those
// are taken as they come.
func measures(t reflect.Type, name string) bool {
	switch t {
	case reflect.TypeFor[Usage]():
		return true
	}
	switch name {
	case "exit_code", "duration_us", "latency_us", "first_us", "cost_nusd", "tokens_before", "tokens_after", "http_status":
		return true
	}
	return false
}

// isTime reports whether s has the form of a time; whether there is such a day
// is for [ParseTime].
func isTime(s []byte) bool {
	const form = "0000-00-00T00:00:00"
	if len(s) < len(form)+1 || s[len(s)-1] != 'Z' {
		return false
	}
	for i := range len(form) {
		if form[i] == '0' && !isDigit(s[i]) || form[i] != '0' && s[i] != form[i] {
			return false
		}
	}
	fraction := s[len(form) : len(s)-1]
	if len(fraction) == 0 {
		return true
	}
	if fraction[0] != '.' || len(fraction) < 2 || len(fraction) > 10 {
		return false
	}
	for _, c := range fraction[1:] {
		if !isDigit(c) {
			return false
		}
	}
	return true
}

// isBlobDigest reports whether s names a blob.
func isBlobDigest(s []byte) bool {
	const prefix = "sha256:"
	return len(s) == len(prefix)+64 && string(s[:len(prefix)]) == prefix && isHex(s[len(prefix):])
}

// isCallKey reports whether s is turn/step/index, or turn/step/index.n.
func isCallKey(s []byte) bool {
	for _, end := range []byte{'/', '/', 0} {
		n := 0
		for n < len(s) && isDigit(s[n]) {
			n++
		}
		if n == 0 || n > 16 || n > 1 && s[0] == '0' {
			return false
		}
		s = s[n:]
		switch {
		case end != 0 && len(s) > 0 && s[0] == end:
			s = s[1:]
		case end == 0 && len(s) == 0:
			return true
		case end == 0 && s[0] == '.':
			return isNumber(s[1:])
		default:
			return false
		}
	}
	return false
}

// isNumber reports whether s is a decimal number without leading zeros.
func isNumber(s []byte) bool {
	if len(s) == 0 || len(s) > 16 || len(s) > 1 && s[0] == '0' {
		return false
	}
	for _, c := range s {
		if !isDigit(c) {
			return false
		}
	}
	return true
}

func isHex(s []byte) bool {
	for _, c := range s {
		if !isDigit(c) && (c < 'a' || c > 'f') {
			return false
		}
	}
	return true
}

func isDigit(c byte) bool { return c >= '0' && c <= '9' }
