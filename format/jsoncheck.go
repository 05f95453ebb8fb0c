package format

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math/bits"
	"strconv"
	"sync"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"
)

// jsonRules say what is asked of a JSON value beyond its grammar (RFC 8259),
// valid UTF-8, no control byte and no unpaired surrogate, which always are.
type jsonRules struct {
	// depth is how deep objects and arrays may be nested.
	depth int
	// ijson: no whitespace outside strings, names are unique in each object,
	// numbers are such that every reader holds the same (RFC 7493).
	ijson bool
	// reserved are names that must not stand at the top.
	reserved []string
}

// checkJSON tells whether b is one JSON value from its first byte to its last.
// It is written by hand because every appended byte goes through it; a test
// compares it with package jsontext.
func checkJSON(b []byte, rules jsonRules) error {
	c := beginCheck(b, rules)
	return c.end(c.run())
}

// checkMembers is checkJSON for the members of an object, from the first name
// on, without the object's braces.
func checkMembers(b []byte, rules jsonRules) error {
	c := beginCheck(b, rules)
	c.members, c.depth, c.open[0], c.base[0] = true, 1, '{', 0
	err := c.name()
	if err == nil {
		err = c.run()
	}
	return c.end(err)
}

// checks are not in use. What was in use has room for names.
var checks = sync.Pool{New: func() any { return new(jsonCheck) }}

func beginCheck(b []byte, rules jsonRules) *jsonCheck {
	c := checks.Get().(*jsonCheck)
	c.b, c.p, c.rules, c.members, c.depth, c.names = b, 0, rules, false, 0, c.names[:0]
	return c
}

// end gives c back, and says where the error is.
func (c *jsonCheck) end(err error) error {
	if err != nil {
		err = fmt.Errorf("at byte %d: %w", c.p, err)
		clear(c.many[:]) // of the objects that are still open
	}
	c.b, c.many[0] = nil, nil
	clear(c.names[:cap(c.names)]) // they are parts of b
	checks.Put(c)
	return err
}

type jsonCheck struct {
	b     []byte
	p     int
	rules jsonRules
	// members is set if b ends where the outermost object's last brace would be.
	members bool

	depth int
	open  [MaxDepth]byte      // '{' or '['
	base  [MaxDepth]int       // where the names of the object begin
	names [][]byte            // of all open objects, as spelled if without escapes
	many  [MaxDepth]nameIndex // for objects with many names
}

// nameIndex is used in place of a search when an object has many names.
type nameIndex map[string]struct{}

// fewNames is how many names are searched one by one.
const fewNames = 24

var (
	errEnd        = errors.New("it ends inside a value")
	errValue      = errors.New("not a value")
	errString     = errors.New("control byte in a string")
	errUTF8       = errors.New("not UTF-8")
	errEscape     = errors.New("not an escape")
	errSurrogate  = errors.New("unpaired surrogate")
	errNumber     = errors.New("not a number")
	errDeep       = errors.New("nested too deep")
	errSpace      = errors.New("whitespace outside a string")
	errAfter      = errors.New("something follows the value")
	errName       = errors.New("not a name")
	errColon      = errors.New("no colon after a name")
	errComma      = errors.New("neither a comma nor the end of the object or array")
	errDuplicate  = errors.New("name stands twice in its object")
	errReserved   = errors.New("raw and rawlen stand at the two ends of the entry or nowhere")
	errBigInteger = errors.New("integer beyond 2^53-1")
	errInfinite   = errors.New("number beyond what a double holds")
)

// run reads a value and everything inside it.
func (c *jsonCheck) run() error {
	for {
		more, err := c.value()
		if err != nil {
			return err
		}
		if more {
			continue
		}
		// A value is complete: close what ends with it.
		for {
			if c.members && c.depth == 1 && c.p == len(c.b) {
				return nil
			}
			if c.depth == 0 {
				if c.members || c.p != len(c.b) {
					return errAfter
				}
				return nil
			}
			if err := c.space(); err != nil {
				return err
			}
			kind := c.open[c.depth-1]
			switch ch := c.b[c.p]; {
			case ch == ',':
				c.p++
				if kind == '{' {
					if err := c.name(); err != nil {
						return err
					}
				}
			case ch == kind+2: // '}' is '{'+2 and ']' is '['+2
				c.close()
				continue
			default:
				return errComma
			}
			break
		}
	}
}

// value reads the beginning of an object or array that is not empty, and then
// more is true, or a whole value.
func (c *jsonCheck) value() (more bool, err error) {
	if err := c.space(); err != nil {
		return false, err
	}
	switch ch := c.b[c.p]; ch {
	case '{', '[':
		if c.depth >= c.rules.depth {
			return false, errDeep
		}
		c.open[c.depth], c.base[c.depth] = ch, len(c.names)
		c.depth++
		c.p++
		if err := c.space(); err != nil {
			return false, err
		}
		if c.b[c.p] == ch+2 {
			c.close()
			return false, nil
		}
		if ch == '{' {
			return true, c.name()
		}
		return true, nil
	case '"':
		_, err := c.str()
		return false, err
	case 't':
		return false, c.word("true")
	case 'f':
		return false, c.word("false")
	case 'n':
		return false, c.word("null")
	default:
		return false, c.number()
	}
}

func (c *jsonCheck) close() {
	c.p++
	c.depth--
	if c.open[c.depth] == '{' {
		c.names = c.names[:c.base[c.depth]]
		c.many[c.depth] = nil
	}
}

// space skips whitespace where it is allowed, and makes sure that there is a byte.
func (c *jsonCheck) space() error {
	for c.p < len(c.b) {
		switch ch := c.b[c.p]; {
		case ch > ' ':
			return nil
		case ch < ' ':
			return errString
		case c.rules.ijson:
			return errSpace
		}
		c.p++
	}
	return errEnd
}

func (c *jsonCheck) word(s string) error {
	if len(c.b)-c.p < len(s) || string(c.b[c.p:c.p+len(s)]) != s {
		return errValue
	}
	c.p += len(s)
	return nil
}

// name reads a name and its colon.
func (c *jsonCheck) name() error {
	if err := c.space(); err != nil {
		return err
	}
	if c.b[c.p] != '"' {
		return errName
	}
	start := c.p
	escaped, err := c.str()
	if err != nil {
		return err
	}
	if c.rules.ijson {
		name := c.b[start+1 : c.p-1]
		if escaped {
			if name, err = jsontext.AppendUnquote(nil, c.b[start:c.p]); err != nil {
				return err
			}
		}
		if err := c.unique(name); err != nil {
			return err
		}
	}
	if err := c.space(); err != nil {
		return err
	}
	if c.b[c.p] != ':' {
		return errColon
	}
	c.p++
	return nil
}

// unique notes a name of the innermost object.
func (c *jsonCheck) unique(name []byte) error {
	d := c.depth - 1
	if d == 0 {
		for _, r := range c.rules.reserved {
			if string(name) == r {
				return errReserved
			}
		}
	}
	if index := c.many[d]; index != nil {
		if _, there := index[string(name)]; there {
			return errDuplicate
		}
		index[string(name)] = struct{}{}
		return nil
	}
	names := c.names[c.base[d]:]
	for _, n := range names {
		if bytes.Equal(n, name) {
			return errDuplicate
		}
	}
	if len(names) < fewNames {
		c.names = append(c.names, name)
		return nil
	}
	index := nameIndex{string(name): {}}
	for _, n := range names {
		index[string(n)] = struct{}{}
	}
	c.many[d] = index
	return nil
}

const (
	ones  = 0x0101010101010101
	highs = 0x8080808080808080
)

// str reads a string.
func (c *jsonCheck) str() (escaped bool, err error) {
	b, p := c.b, c.p+1
	defer func() { c.p = p }()
	for {
		// Eight bytes at once that are ASCII, no quote, no backslash, no control.
		for len(b)-p >= 8 {
			v := binary.LittleEndian.Uint64(b[p:])
			quote, slash := v^(ones*'"'), v^(ones*'\\')
			if odd := (v | (v - ones*0x20) | (quote - ones) | (slash - ones)) & highs; odd != 0 {
				// The lowest mark is true, whatever borrows did to those above it.
				p += bits.TrailingZeros64(odd) / 8
				break
			}
			p += 8
		}
		if p >= len(b) {
			return escaped, errEnd
		}
		switch ch := b[p]; {
		case ch == '"':
			p++
			return escaped, nil
		case ch == '\\':
			escaped = true
			n, err := escape(b[p:])
			if err != nil {
				return escaped, err
			}
			p += n
		case ch < 0x20:
			return escaped, errString
		case ch < 0x80:
			p++
		default:
			n := multibyte(b[p:])
			if n == 0 {
				return escaped, errUTF8
			}
			p += n
		}
	}
}

// multibyte returns the length of the run of characters beyond ASCII that b
// begins with, 0 if it begins with something that is not UTF-8.
func multibyte(b []byte) int {
	p := 0
	for p < len(b) && b[p] >= 0x80 {
		_, n := utf8.DecodeRune(b[p:])
		if n == 1 {
			break
		}
		p += n
	}
	return p
}

// escape returns the length of the escape that b begins with; that of a pair of
// surrogates if it is one.
func escape(b []byte) (int, error) {
	if len(b) < 2 {
		return 0, errEnd
	}
	switch b[1] {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		return 2, nil
	case 'u':
		r, ok := hex4(b)
		switch {
		case !ok:
			return 0, errEscape
		case r < 0xd800 || r > 0xdfff:
			return 6, nil
		case r > 0xdbff:
			return 0, errSurrogate
		}
		if low, ok := hex4(b[6:]); !ok || low < 0xdc00 || low > 0xdfff {
			return 0, errSurrogate
		}
		return 12, nil
	}
	return 0, errEscape
}

// hex4 reads \uXXXX.
func hex4(b []byte) (r rune, ok bool) {
	if len(b) < 6 || b[0] != '\\' || b[1] != 'u' {
		return 0, false
	}
	for _, ch := range b[2:6] {
		switch {
		case ch >= '0' && ch <= '9':
			r = r<<4 | rune(ch-'0')
		case ch >= 'a' && ch <= 'f':
			r = r<<4 | rune(ch-'a'+10)
		case ch >= 'A' && ch <= 'F':
			r = r<<4 | rune(ch-'A'+10)
		default:
			return 0, false
		}
	}
	return r, true
}

// number reads a number.
func (c *jsonCheck) number() error {
	b, start := c.b, c.p
	p := start
	digits := func() bool {
		from := p
		for p < len(b) && b[p] >= '0' && b[p] <= '9' {
			p++
		}
		return p > from
	}
	if p < len(b) && b[p] == '-' {
		p++
	}
	first := p
	if !digits() {
		return errValue
	}
	if b[first] == '0' && p > first+1 {
		return errNumber
	}
	integer, simple := true, true
	if p < len(b) && b[p] == '.' {
		p++
		integer = false
		if !digits() {
			return errNumber
		}
	}
	if p < len(b) && (b[p] == 'e' || b[p] == 'E') {
		p++
		integer, simple = false, false
		if p < len(b) && (b[p] == '+' || b[p] == '-') {
			p++
		}
		if !digits() {
			return errNumber
		}
	}
	c.p = p
	if !c.rules.ijson {
		return nil
	}
	text := b[start:p]
	if integer {
		if n := p - first; n > 16 {
			return errBigInteger
		} else if n == 16 {
			if v, err := strconv.ParseInt(string(text), 10, 64); err != nil || v > MaxSize || v < -MaxSize {
				return errBigInteger
			}
		}
		return nil
	}
	if simple && len(text) < 300 {
		return nil
	}
	if _, err := strconv.ParseFloat(string(text), 64); err != nil {
		return errInfinite
	}
	return nil
}
