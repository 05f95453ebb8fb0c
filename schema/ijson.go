package schema

import (
	"bytes"
	"strconv"
)

// maxInside is how deep vendor JSON may be nested where it stands in an event's
// data. An entry is at most 100 deep; the deepest place for vendor JSON is 8
// levels down.
const maxInside = 90

// maxInteger is the largest integer every JSON reader holds exactly (RFC 7493).
const maxInteger = 1<<53 - 1

// inside checks valid JSON for what I-JSON and the entry limits ask beyond
// syntax: depth and integers. spaced tells whether there is whitespace outside
// strings.
func inside(v []byte) (spaced, ok bool) {
	depth := 0
	for i := 0; i < len(v); i++ {
		switch c := v[i]; c {
		case '"':
			i = closingQuote(v, i+1)
		case '{', '[':
			if depth++; depth > maxInside {
				return spaced, false
			}
		case '}', ']':
			depth--
		case ' ', '\t', '\n', '\r':
			spaced = true
		case '-', '0', '1', '2', '3', '4', '5', '6', '7', '8', '9':
			start := i
			for i+1 < len(v) && isNumeric(v[i+1]) {
				i++
			}
			if !validNumber(v[start : i+1]) {
				return spaced, false
			}
		}
	}
	return spaced, true
}

// closingQuote returns where the string ends whose text begins at i; the end of v
// if it does not.
func closingQuote(v []byte, i int) int {
	for i < len(v) {
		n := bytes.IndexByte(v[i:], '"')
		if n < 0 {
			return len(v)
		}
		escapes := 0
		for escapes < n && v[i+n-escapes-1] == '\\' {
			escapes++
		}
		if i += n; escapes%2 == 0 {
			return i
		}
		i++
	}
	return i
}

func isNumeric(c byte) bool {
	return '0' <= c && c <= '9' || c == '.' || c == 'e' || c == 'E' || c == '+' || c == '-'
}

func validNumber(s []byte) bool {
	if bytes.ContainsAny(s, ".eE") {
		return true
	}
	n, err := strconv.ParseInt(string(s), 10, 64)
	return err == nil && n <= maxInteger && n >= -maxInteger
}
