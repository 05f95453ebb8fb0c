package claudecode

import (
	"bytes"
	"strconv"

	"github.com/ownlog/ownlog/convert"
)

// member returns the value of one member, the last of that name, nil if there
// is none.
func member(v []byte, name string) []byte {
	var found []byte
	m := convert.MembersOf(v)
	for {
		n, value, ok := m.Next()
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
