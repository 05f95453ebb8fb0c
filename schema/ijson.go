package schema

import (
	"bytes"
	"io"
	"strconv"

	"github.com/go-json-experiment/json/jsontext"
)

// maxInside is how deep vendor JSON may be nested where it stands in an event's
// data. An entry is at most 100 deep; the deepest place for vendor JSON is 8
// levels down.
const maxInside = 90

// maxInteger is the largest integer every JSON reader holds exactly (RFC 7493).
const maxInteger = 1<<53 - 1

// validInside checks valid JSON for what I-JSON and the entry limits ask beyond
// syntax: depth and integers.
func validInside(v []byte) bool {
	dec := jsontext.NewDecoder(bytes.NewReader(v))
	for {
		tok, err := dec.ReadToken()
		if err == io.EOF {
			return true
		}
		if err != nil || dec.StackDepth() > maxInside {
			return false
		}
		if tok.Kind() == '0' && !validNumber(tok.String()) {
			return false
		}
	}
}

func validNumber(s string) bool {
	if bytes.ContainsAny([]byte(s), ".eE") {
		return true
	}
	n, err := strconv.ParseInt(s, 10, 64)
	return err == nil && n <= maxInteger && n >= -maxInteger
}
