package schema

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"
)

// Problem is something wrong with an entry or a log.
type Problem struct {
	Code    string `json:"code"` // stable: lower case, words joined by hyphens
	Level   Level  `json:"level"`
	Seq     int64  `json:"seq"`           // of the entry
	Path    string `json:"path,omitzero"` // JSON Pointer (RFC 6901) into the normalised object
	Message string `json:"message"`       // what is expected, and what is there
}

// Level says how bad a [Problem] is.
type Level string

// The levels.
const (
	LevelError   Level = "error"   // the log breaks a rule
	LevelWarning Level = "warning" // readers may misunderstand it
	LevelNote    Level = "note"    // good to know
)

// The codes of problems in a single entry.
const (
	ProblemJSON    = "not-json"       // the bytes are not one JSON object
	ProblemMissing = "missing-member" // a member that must be there is not
	ProblemKind    = "wrong-type"     // a member has another JSON type
	ProblemValue   = "wrong-value"    // a value is not one of those allowed
	ProblemSchema  = "schema"         // a JSON Schema is violated
)

// Checker checks the shape of single events: JSON types, members that must be
// there, closed vocabularies, forms of strings. It says the same as the JSON
// Schemas, many times faster. A Checker is safe for concurrent use.
type Checker struct {
	shapes  *shapes
	walkers sync.Pool // of *shapeWalker: a decoder's buffers are worth keeping
}

// NewChecker returns a Checker.
func NewChecker() *Checker { return &Checker{shapes: newShapes()} }

// Check reports what is wrong with the bytes of an event, the normalised object
// of an entry. Members and types of later versions are no problem.
func (c *Checker) Check(seq int64, norm []byte, report func(Problem)) {
	w, ok := c.walkers.Get().(*shapeWalker)
	if !ok {
		w = &shapeWalker{dec: jsontext.NewDecoder(new(bytes.Buffer)), shapes: c.shapes}
	}
	w.dec.Reset(bytes.NewBuffer(norm))
	w.norm, w.seq, w.report, w.typ = norm, seq, report, ""
	w.event()
	w.norm, w.report = nil, nil
	c.walkers.Put(w)
}

// shapeWalker checks one event, token by token.
type shapeWalker struct {
	dec    *jsontext.Decoder
	norm   []byte
	seq    int64
	report func(Problem)
	shapes *shapes
	typ    Type // of the event; empty: not come across yet
}

func (w *shapeWalker) event() {
	if err := w.walk(w.shapes.envelope); err != nil {
		w.problem(ProblemJSON, "%v", err)
		return
	}
	if end := w.dec.InputOffset(); end != int64(len(w.norm)) {
		w.problem(ProblemJSON, "the object ends at byte %d of %d", end, len(w.norm))
	}
}

func (w *shapeWalker) problem(code, format string, args ...any) {
	w.report(Problem{Code: code, Level: LevelError, Seq: w.seq, Path: string(w.dec.StackPointer()), Message: fmt.Sprintf(format, args...)})
}

// walk checks the next value. The error is for bytes that are not JSON.
func (w *shapeWalker) walk(s *shape) error {
	kind := w.dec.PeekKind()
	switch s.kind {
	case shapeObject:
		if kind == '{' {
			return w.object(s)
		}
	case shapeArray:
		if kind == '[' {
			return w.array(s)
		}
	case shapeText:
		if kind == '{' {
			return w.object(s.elem)
		}
		if kind == '"' {
			return w.dec.SkipValue()
		}
	case shapeParent:
		if kind == '"' || kind == 'n' {
			return w.dec.SkipValue()
		}
	case shapeString:
		if kind == '"' {
			return w.string(s)
		}
	case shapeInteger:
		if kind == '0' {
			return w.integer(s)
		}
	case shapeBool:
		if kind == 't' || kind == 'f' {
			return w.dec.SkipValue()
		}
	case shapeAny:
		return w.dec.SkipValue()
	}
	if err := w.dec.SkipValue(); err != nil {
		return err
	}
	w.problem(ProblemKind, "want %s, have %s", s.kind, kindName(kind))
	return nil
}

func (w *shapeWalker) object(s *shape) error {
	if s.members == nil {
		return w.dec.SkipValue()
	}
	if _, err := w.dec.ReadToken(); err != nil {
		return err
	}
	var seen uint64
	for w.dec.PeekKind() != '}' {
		name, err := w.dec.ReadValue()
		if err != nil {
			return err
		}
		m, known := s.members[string(unquoted(name))]
		if !known {
			if err := w.dec.SkipValue(); err != nil {
				return err
			}
			continue
		}
		seen |= m.bit
		if err := w.member(s, m, unquoted(name)); err != nil {
			return err
		}
	}
	if _, err := w.dec.ReadToken(); err != nil {
		return err
	}
	for i, name := range s.need {
		if seen&(1<<i) == 0 {
			w.problem(ProblemMissing, "no member %s", name)
		}
	}
	return nil
}

// member checks the value of a member that s knows.
func (w *shapeWalker) member(s *shape, m member, name []byte) error {
	if s == w.shapes.envelope {
		switch string(name) {
		case "type":
			return w.eventType(m.shape)
		case "data":
			if w.typ == "" {
				w.typ = TypeOf(w.norm)
			}
			if data := w.shapes.data[w.typ]; data != nil {
				return w.walk(data)
			}
			return w.walk(&shape{kind: shapeObject})
		}
	}
	return w.walk(m.shape)
}

// eventType checks the type and keeps it: the data that follows is of it.
func (w *shapeWalker) eventType(s *shape) error {
	if w.dec.PeekKind() != '"' {
		return w.walk(s)
	}
	v, err := w.dec.ReadValue()
	if err != nil {
		return err
	}
	w.typ = Type(unquoted(v))
	if len(w.typ) == 0 {
		w.problem(ProblemValue, "want %s, have an empty string", s.form)
	}
	return nil
}

func (w *shapeWalker) array(s *shape) error {
	if _, err := w.dec.ReadToken(); err != nil {
		return err
	}
	for w.dec.PeekKind() != ']' {
		if err := w.walk(s.elem); err != nil {
			return err
		}
	}
	_, err := w.dec.ReadToken()
	return err
}

func (w *shapeWalker) string(s *shape) error {
	v, err := w.dec.ReadValue()
	if err != nil || s.allowed == nil && s.valid == nil {
		return err
	}
	text := unquoted(v)
	if s.allowed != nil && !s.allowed[string(text)] {
		w.problem(ProblemValue, "unknown value %s", short(text))
	}
	if s.valid != nil && !s.valid(text) {
		w.problem(ProblemValue, "want %s, have %s", s.form, short(text))
	}
	return nil
}

func (w *shapeWalker) integer(s *shape) error {
	v, err := w.dec.ReadValue()
	if err != nil {
		return err
	}
	n, err := strconv.ParseInt(string(v), 10, 64)
	switch {
	case err != nil || n > maxInteger || n < -maxInteger:
		w.problem(ProblemKind, "want an integer within 2^53-1, have %s", short(v))
	case n < 0 && !s.negative:
		w.problem(ProblemValue, "want an integer from 0, have %d", n)
	case s.valid != nil && !s.valid(v):
		w.problem(ProblemValue, "want %s, have %s", s.form, short(v))
	}
	return nil
}

// unquoted returns what a JSON string says. Only strings with escapes are copied.
func unquoted(v jsontext.Value) []byte {
	if bytes.IndexByte(v, '\\') < 0 {
		return v[1 : len(v)-1]
	}
	out, err := jsontext.AppendUnquote(nil, v)
	if err != nil {
		return nil // invalid escapes do not get past the decoder
	}
	return out
}

// short makes a value fit for a message.
func short(v []byte) string {
	const most = 40
	if len(v) <= most {
		return strconv.Quote(string(v))
	}
	for n := most; n > most-utf8.UTFMax; n-- {
		if utf8.RuneStart(v[n]) {
			v = v[:n]
			break
		}
	}
	return strconv.Quote(string(v)) + "..."
}

func (k shapeKind) String() string {
	return [...]string{"any value", "an object", "an array", "a string", "an integer", "true or false", "a string or a blob", "a string or null"}[k]
}

func kindName(k jsontext.Kind) string {
	return strings.TrimSpace(map[jsontext.Kind]string{
		'{': "an object", '[': "an array", '"': "a string", '0': "a number", 't': "true", 'f': "false", 'n': "null",
	}[k])
}

// TypeOf returns the type of an event from its bytes, empty if they have none.
// It reads no further than the type, which stands second.
func TypeOf(norm []byte) Type {
	dec := jsontext.NewDecoder(bytes.NewBuffer(norm))
	if tok, err := dec.ReadToken(); err != nil || tok.Kind() != '{' {
		return ""
	}
	for dec.PeekKind() == '"' {
		name, err := dec.ReadValue()
		if err != nil {
			return ""
		}
		if string(unquoted(name)) != "type" {
			if err := dec.SkipValue(); err != nil {
				return ""
			}
			continue
		}
		v, err := dec.ReadValue()
		if err != nil || v.Kind() != '"' {
			return ""
		}
		return Type(unquoted(v))
	}
	return ""
}
