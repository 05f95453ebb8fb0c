package opencode

import (
	"bufio"
	"io"
)

// valueReader reads one JSON value and nothing behind it, by its brackets and
// quotes alone: whether it is JSON must be looked at besides.
type valueReader struct {
	in             *bufio.Reader
	depth          int
	quoted, escape bool
	scalar, over   bool
}

// next returns up to most bytes of the value, valid until the next call; io.EOF
// comes with the last of them.
func (v *valueReader) next(most int) ([]byte, error) {
	if v.over {
		return nil, io.EOF
	}
	if _, err := v.in.Peek(1); err == io.EOF {
		return nil, errUnfinished
	} else if err != nil {
		return nil, err
	}
	b, err := v.in.Peek(min(v.in.Buffered(), most))
	if err != nil {
		return nil, err
	}
	n := v.scan(b)
	b = b[:n]
	// The bytes stay in the buffer until more is read.
	_, _ = v.in.Discard(n)
	if v.over {
		return b, io.EOF
	}
	return b, nil
}

// Read implements io.Reader.
func (v *valueReader) Read(p []byte) (int, error) {
	b, err := v.next(len(p))
	return copy(p, b), err
}

// scan returns how many of the bytes belong to the value.
func (v *valueReader) scan(b []byte) int {
	for i := 0; i < len(b); i++ {
		c := b[i]
		switch {
		case v.escape:
			v.escape = false
		case v.quoted:
			i += special(b[i:])
			if i == len(b) {
				return i
			}
			switch b[i] {
			case '\\':
				v.escape = true
			case '"':
				v.quoted = false
				if v.depth == 0 {
					v.over = true
					return i + 1
				}
			}
		case v.scalar && (c == ',' || c == ']' || c == '}' || c == ' ' || c == '\t' || c == '\n' || c == '\r'):
			v.over = true
			return i
		case v.scalar:
		case c == '"':
			v.quoted = true
		case c == '{' || c == '[':
			v.depth++
		case c == '}' || c == ']':
			if v.depth--; v.depth <= 0 {
				v.over = true
				return i + 1
			}
		case v.depth == 0:
			v.scalar = true
		}
	}
	return len(b)
}
