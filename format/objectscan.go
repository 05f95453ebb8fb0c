package format

import "bytes"

// scanObject returns where the object that begins b ends, that is, one more
// than the offset of the brace at which the depth is 0 for the first time, and
// the greatest depth up to there. Strings are skipped. The end is 0 if b does
// not begin with a brace, and len(b)+1 if the object does not end in b.
//
// It is the check that every reader makes before it believes an entry's leaf;
// it is no JSON parser. [surelyObject] answers faster where all is well.
func scanObject(b []byte) (end, deepest int) {
	if len(b) == 0 || b[0] != '{' {
		return 0, 0
	}
	depth := 0
	for i := 0; i < len(b); i++ {
		switch b[i] {
		case '{', '[':
			depth++
			deepest = max(deepest, depth)
		case '}', ']':
			depth--
			if depth == 0 {
				return i + 1, deepest
			}
		case '"':
			i = stringEnd(b, i+1)
			if i < 0 {
				return len(b) + 1, deepest
			}
		}
	}
	return len(b) + 1, deepest
}

// stringEnd returns the offset of the quote that ends the string whose content
// begins at p, -1 if there is none.
func stringEnd(b []byte, p int) int {
	for q := p; ; {
		i := bytes.IndexByte(b[q:], '"')
		if i < 0 {
			return -1
		}
		q += i
		slashes := 0
		for q-slashes > p && b[q-slashes-1] == '\\' {
			slashes++
		}
		if slashes%2 == 0 {
			return q
		}
		q++
		p = q
	}
}
