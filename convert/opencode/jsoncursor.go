package opencode

import "github.com/ownlog/ownlog/convert"

// jsonCursor reads JSON that is known to be valid, once from front to back: what
// an object holds is read where it stands, or skipped. On other bytes it ends
// somewhere, without a panic.
type jsonCursor struct {
	b []byte
	i int
}

// eachMember calls each with the members of an object, until it says no: the name
// as it is spelled, without quotes, and the value. ok is false if it did, or if b is
// not one object without whitespace around it.
func eachMember(b []byte, each func(name, value []byte) bool) (ok bool) {
	c := jsonCursor{b: b}
	return c.object(func(name []byte) bool { return each(name, c.value()) }) && c.i == len(b)
}

// object calls read with the name of each member of the object that begins here, until
// it says no. read goes on behind the member's value. ok is false if read said no, or
// if no object begins here.
func (c *jsonCursor) object(read func(name []byte) bool) (ok bool) {
	if c.next() != '{' {
		return false
	}
	c.i++
	for {
		switch c.token() {
		case '}':
			c.i++
			return true
		case ',':
			c.i++
		case '"':
			name := c.value()
			if c.token() != ':' || len(name) < 2 {
				return false
			}
			c.i++
			c.token()
			if !read(name[1 : len(name)-1]) {
				return false
			}
		default:
			return false
		}
	}
}

// next returns the byte that stands here, 0 at the end.
func (c *jsonCursor) next() byte {
	if c.i >= len(c.b) {
		return 0
	}
	return c.b[c.i]
}

// token goes over whitespace and returns the byte that stands there.
func (c *jsonCursor) token() byte {
	for {
		switch k := c.next(); k {
		case ' ', '\t', '\n', '\r':
			c.i++
		default:
			return k
		}
	}
}

// value goes over the value that begins here and returns it.
func (c *jsonCursor) value() []byte {
	start := c.i
	switch c.next() {
	case '"':
		c.i = afterText(c.b, start)
	case '{', '[':
		c.i = afterCompound(c.b, start)
	default:
		for c.i < len(c.b) && !endsScalar(c.b[c.i]) {
			c.i++
		}
	}
	return c.b[start:c.i:c.i]
}

// endsScalar reports whether a byte cannot be part of a number or of a literal.
func endsScalar(b byte) bool {
	switch b {
	case ',', '}', ']', ' ', '\t', '\n', '\r':
		return true
	}
	return false
}

// afterText returns where the string ends that begins at i.
func afterText(b []byte, i int) int {
	if end := convert.SkipString(b, i); end >= 0 {
		return end
	}
	return len(b)
}

// afterCompound returns where the object or array ends that begins at i.
func afterCompound(b []byte, i int) int {
	for depth := 0; i < len(b); {
		switch b[i] {
		case '"':
			i = afterText(b, i)
			continue
		case '{', '[':
			depth++
		case '}', ']':
			if depth--; depth == 0 {
				return i + 1
			}
		}
		i++
	}
	return len(b)
}
