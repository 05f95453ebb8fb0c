package provider

import (
	"bytes"
	"errors"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

type member struct {
	name  string
	value jsontext.Value
}

// objectMembers takes a JSON object apart, its members in order.
func objectMembers(b []byte) ([]member, error) {
	dec := jsontext.NewDecoder(bytes.NewReader(b))
	tok, err := dec.ReadToken()
	if err != nil {
		return nil, err
	}
	if tok.Kind() != '{' {
		return nil, errors.New("want a JSON object")
	}
	var out []member
	for dec.PeekKind() != '}' {
		name, err := dec.ReadToken()
		if err != nil {
			return nil, err
		}
		key := name.String()
		v, err := dec.ReadValue()
		if err != nil {
			return nil, err
		}
		out = append(out, member{key, v.Clone()})
	}
	return out, nil
}

// wireOptions keep verbatim JSON as it is: the spelling of strings and numbers
// is what signatures were made over.
var wireOptions = json.JoinOptions(
	jsontext.PreserveRawStrings(true),
	jsontext.AllowDuplicateNames(true),
	jsontext.AllowInvalidUTF8(true),
	jsontext.EscapeForHTML(false),
	json.Deterministic(true),
)

// MarshalBody writes a request body. Values of type jsontext.Value without
// whitespace outside strings stand in it byte for byte. size is about how long
// it will be.
func MarshalBody(v any, size int) ([]byte, error) {
	var out bytes.Buffer
	out.Grow(size + size/8 + 1<<10)
	if err := json.MarshalWrite(&out, v, wireOptions); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}

// Truncate returns at most n bytes of s, cut between characters.
func Truncate(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for n > 0 && s[n]&0xC0 == 0x80 {
		n--
	}
	return s[:n]
}
