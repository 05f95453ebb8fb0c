package format

import (
	"bytes"
	"encoding/hex"
	"slices"
	"strconv"

	"github.com/go-json-experiment/json/jsontext"
)

// index is the table of contents of a sealed segment. It is a hint: whoever
// uses it checks what it finds.
type index struct {
	first, size int64
	root        Hash
	// blocks are all zstd frames in order: the header's, those of whole lines,
	// the seal's.
	blocks []indexBlock
}

// indexBlock is one zstd frame.
type indexBlock struct {
	off    int64 // in the file
	stored int64 // bytes in the file
	raw    int64 // bytes of text
	first  int64 // its first entry, or the next one if it has none
	count  int64
	// tmin and tmax are the least and the greatest time, spelled as in their
	// entries; both are empty if no entry has a valid time.
	tmin, tmax string
	types      []string // in ascending order
	crc        uint32   // CRC-32 of the stored bytes
}

// appendIndex appends the index as a JSON object; its checksum is made like
// that of a line.
func appendIndex(dst []byte, sum uint32, x *index) []byte {
	start := len(dst)
	dst = append(dst, `{"ownlog":1,"first":`...)
	dst = strconv.AppendInt(dst, x.first, 10)
	dst = append(dst, `,"size":`...)
	dst = strconv.AppendInt(dst, x.size, 10)
	dst = append(dst, `,"root":"`...)
	dst = hex.AppendEncode(dst, x.root[:])
	dst = append(dst, `","blocks":[`...)
	for i := range x.blocks {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = appendIndexBlock(dst, &x.blocks[i])
	}
	dst = append(dst, `],"crc":"`...)
	p := len(dst)
	dst = append(dst, noDigits...)
	dst = append(dst, `"}`...)
	putSum(sum, dst[start:], p-start)
	return dst
}

func appendIndexBlock(dst []byte, b *indexBlock) []byte {
	for _, m := range []struct {
		name  string
		value int64
	}{{`{"off":`, b.off}, {`,"len":`, b.stored}, {`,"raw":`, b.raw}, {`,"first":`, b.first}, {`,"count":`, b.count}} {
		dst = append(dst, m.name...)
		dst = strconv.AppendInt(dst, m.value, 10)
	}
	if b.tmin != "" {
		dst = append(dst, `,"tmin":`...)
		dst = appendQuoted(dst, b.tmin)
		dst = append(dst, `,"tmax":`...)
		dst = appendQuoted(dst, b.tmax)
	}
	if len(b.types) > 0 {
		dst = append(dst, `,"types":[`...)
		for i, t := range b.types {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = appendQuoted(dst, t)
		}
		dst = append(dst, ']')
	}
	dst = append(dst, `,"crc":"`...)
	dst = hex.AppendEncode(dst, []byte{byte(b.crc >> 24), byte(b.crc >> 16), byte(b.crc >> 8), byte(b.crc)})
	return append(dst, `"}`...)
}

// appendQuoted appends a JSON string with minimal escapes. What is not UTF-8 is replaced.
func appendQuoted(dst []byte, s string) []byte {
	quoted, _ := jsontext.AppendQuote(dst, s) // the error tells of replacements only
	return quoted
}

// parseIndex reads what appendIndex writes.
func parseIndex(b []byte, sum uint32) (*index, *fault) {
	var x index
	p := len(b) - crcDigits - len(`"}`)
	if p < 0 {
		return nil, &fault{ruleIndex, "index", "a JSON object", printable(b)}
	}
	if f := checkSum(sum, b, p); f != nil {
		f.rule, f.reason = ruleIndex, "checksum of the index"
		return nil, f
	}
	s := headerScanner{b: b}
	s.skip(`{"ownlog":1,"first":`)
	x.first = s.number()
	s.skip(`,"size":`)
	x.size = s.number()
	s.skip(`,"root":`)
	if root := s.hashes(1); len(root) == 1 {
		x.root = root[0]
	}
	s.skip(`,"blocks":[`)
	for s.want == "" && !s.peek("]") {
		if len(x.blocks) > 0 {
			s.skip(",")
		}
		x.blocks = append(x.blocks, s.indexBlock())
	}
	s.skip(`],"crc":"`)
	if s.want == "" && s.p != p {
		s.want = "its checksum as the last member"
	}
	s.p += crcDigits
	s.skip(`"}`)
	if s.want != "" {
		return nil, &fault{ruleIndex, "index", s.want, printable(b[min(s.p, len(b)):])}
	}
	return &x, nil
}

func (s *headerScanner) indexBlock() indexBlock {
	var b indexBlock
	for _, m := range []struct {
		name  string
		value *int64
	}{{`{"off":`, &b.off}, {`,"len":`, &b.stored}, {`,"raw":`, &b.raw}, {`,"first":`, &b.first}, {`,"count":`, &b.count}} {
		s.skip(m.name)
		*m.value = s.number()
	}
	if s.peek(`,"tmin":`) {
		s.skip(`,"tmin":`)
		b.tmin = s.quoted()
		s.skip(`,"tmax":`)
		b.tmax = s.quoted()
		if s.want == "" && (!isTime(b.tmin) || !isTime(b.tmax)) {
			s.want = "times in UTC"
		}
	}
	if s.peek(`,"types":[`) {
		s.skip(`,"types":[`)
		for s.want == "" && (len(b.types) == 0 || !s.peek("]")) {
			if len(b.types) > 0 {
				s.skip(",")
			}
			b.types = append(b.types, s.quoted())
		}
		s.skip("]")
		if s.want == "" && !strictlyAscending(b.types) {
			s.want = "types in ascending order"
		}
	}
	s.skip(`,"crc":"`)
	b.crc = s.sum()
	s.skip(`"}`)
	return b
}

func strictlyAscending(s []string) bool {
	for i := 1; i < len(s); i++ {
		if s[i-1] >= s[i] {
			return false
		}
	}
	return true
}

// quoted reads a JSON string that is spelled as appendQuoted spells it.
func (s *headerScanner) quoted() string {
	if s.want != "" {
		return ""
	}
	if !s.peek(`"`) {
		s.want = "a string"
		return ""
	}
	end := stringEnd(s.b, s.p+1)
	if end < 0 {
		s.want = "the end of a string"
		return ""
	}
	literal := s.b[s.p : end+1]
	text, err := jsontext.AppendUnquote(nil, literal)
	if err != nil || !bytes.Equal(appendQuoted(nil, string(text)), literal) {
		s.want = "a string with minimal escapes"
		return ""
	}
	s.p = end + 1
	return string(text)
}

// blockSummary collects what an index says about the entries of a block.
type blockSummary struct {
	types      map[string]bool
	tmin, tmax []byte
}

// add takes in an entry with these members.
func (s *blockSummary) add(m members) {
	if typ, ok := unquoted(m.typ); ok && !s.types[string(typ)] {
		if s.types == nil {
			s.types = map[string]bool{}
		}
		s.types[string(typ)] = true
	}
	at, ok := unquoted(m.time)
	if !ok || !isTime(at) {
		return
	}
	if len(s.tmin) == 0 || compareTimes(at, s.tmin) < 0 {
		s.tmin = append(s.tmin[:0], at...)
	}
	if len(s.tmax) == 0 || compareTimes(at, s.tmax) > 0 {
		s.tmax = append(s.tmax[:0], at...)
	}
}

// isTime tells whether s is spelled as times in entries are: RFC 3339 in UTC
// with at most nine digits of a second.
func isTime[T string | []byte](s T) bool {
	const layout = "0000-00-00T00:00:00"
	if len(s) < len(layout)+1 || s[len(s)-1] != 'Z' {
		return false
	}
	for i := range len(layout) {
		if layout[i] == '0' && (s[i] < '0' || s[i] > '9') || layout[i] != '0' && s[i] != layout[i] {
			return false
		}
	}
	frac := s[len(layout) : len(s)-1]
	if len(frac) == 0 {
		return true
	}
	if frac[0] != '.' || len(frac) < 2 || len(frac) > 10 {
		return false
	}
	for i := 1; i < len(frac); i++ {
		if frac[i] < '0' || frac[i] > '9' {
			return false
		}
	}
	return true
}

// compareTimes orders two times for which isTime is true.
func compareTimes(a, b []byte) int {
	const seconds = 19
	if c := bytes.Compare(a[:seconds], b[:seconds]); c != 0 {
		return c
	}
	return bytes.Compare(bytes.TrimRight(a[seconds:], ".0Z"), bytes.TrimRight(b[seconds:], ".0Z"))
}

// finish puts what was collected into b and starts anew.
func (s *blockSummary) finish(b *indexBlock) {
	b.tmin, b.tmax = string(s.tmin), string(s.tmax)
	for typ := range s.types {
		b.types = append(b.types, typ)
	}
	slices.Sort(b.types)
	*s = blockSummary{}
}

// joined is the block of the entries of b and those of the next block after it.
func (b *indexBlock) joined(next *indexBlock) indexBlock {
	j := indexBlock{first: b.first, count: b.count + next.count, tmin: b.tmin, tmax: b.tmax}
	if j.tmin == "" || next.tmin != "" && compareTimes([]byte(next.tmin), []byte(j.tmin)) < 0 {
		j.tmin = next.tmin
	}
	if j.tmax == "" || next.tmax != "" && compareTimes([]byte(next.tmax), []byte(j.tmax)) > 0 {
		j.tmax = next.tmax
	}
	j.types = slices.Concat(b.types, next.types)
	slices.Sort(j.types)
	j.types = slices.Compact(j.types)
	return j
}

// unquoted returns the text of a JSON string, a part of it if nothing is escaped.
func unquoted(literal []byte) ([]byte, bool) {
	if len(literal) < 2 || literal[0] != '"' {
		return nil, false
	}
	if bytes.IndexByte(literal, '\\') < 0 {
		return literal[1 : len(literal)-1], true
	}
	text, err := jsontext.AppendUnquote(nil, literal)
	return text, err == nil
}

// members are the members of an entry that the format knows of, as they are
// spelled, nil if absent.
type members struct{ typ, time []byte }

// topMembers finds the first members of those names at the top of an entry that
// is an object by [scanObject].
func topMembers(entry []byte) members {
	var m members
	if n := normLen(entry); n > 0 {
		entry = entry[:n]
	}
	for p := 1; p < len(entry) && entry[p] == '"'; {
		end := stringEnd(entry, p+1)
		if end < 0 || end+2 >= len(entry) || entry[end+1] != ':' {
			return m
		}
		name := entry[p+1 : end]
		if bytes.IndexByte(name, '\\') >= 0 {
			name, _ = unquoted(entry[p : end+1])
		}
		start := end + 2
		if p = valueEnd(entry, start); p < 0 {
			return m
		}
		switch string(name) {
		case "type":
			if m.typ == nil {
				m.typ = entry[start:p]
			}
		case "time":
			if m.time == nil {
				m.time = entry[start:p]
			}
		}
		if m.typ != nil && m.time != nil {
			return m
		}
		p++
	}
	return m
}

// valueEnd returns the offset behind the JSON value that begins at p, -1 if it
// does not end.
func valueEnd(b []byte, p int) int {
	if p >= len(b) {
		return -1
	}
	switch b[p] {
	case '"':
		if end := stringEnd(b, p+1); end >= 0 {
			return end + 1
		}
		return -1
	case '{', '[':
		depth := 0
		for i := p; i < len(b); i++ {
			switch b[i] {
			case '{', '[':
				depth++
			case '}', ']':
				if depth--; depth == 0 {
					return i + 1
				}
			case '"':
				if i = stringEnd(b, i+1); i < 0 {
					return -1
				}
			}
		}
		return -1
	}
	if i := bytes.IndexAny(b[p:], ",}"); i >= 0 {
		return p + i
	}
	return -1
}
