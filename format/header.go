package format

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"math/bits"
	"strconv"
)

// header is the first line of a segment.
type header struct {
	log   LogID
	first int64
	// frontier is that of the entries before first. It is a claim until the
	// segment's seal, or the head of the log, is known to be true.
	frontier Frontier
	// fork is set in every segment of a fork.
	fork *Fork
	// requires names what a reader must know to read on; this version knows nothing.
	requires []string
	// more are members that a later minor version added, with the comma in front
	// of them.
	more []byte
}

const (
	ownlogMember   = `{"ownlog":`
	headerMember   = `","header":{"log":"`
	firstMember    = `","first":`
	frontierMember = `,"frontier":[`
	forkMember     = `],"fork":`
	requiresMember = `,"requires":[`
	version        = 1
)

// errRequires: the header requires what this version does not know.
var errRequires = fmt.Errorf("%w: the segment requires", ErrUnsupported)

// appendHeader appends the line of a header, LF included.
func appendHeader(dst []byte, h *header) []byte {
	start := len(dst)
	dst = append(dst, ownlogMember...)
	dst = strconv.AppendInt(dst, version, 10)
	dst = append(dst, crcMember...)
	p := len(dst)
	dst = append(dst, noDigits...)
	dst = append(dst, headerMember...)
	dst = append(dst, h.log.String()...)
	dst = append(dst, firstMember...)
	dst = strconv.AppendInt(dst, h.first, 10)
	dst = append(dst, frontierMember...)
	dst = appendHashes(dst, h.frontier.nodes)
	dst = append(dst, forkMember...)
	if h.fork == nil {
		dst = append(dst, "null"...)
	} else {
		dst = append(dst, `{"log":"`...)
		dst = append(dst, h.fork.Log.String()...)
		dst = append(dst, `","size":`...)
		dst = strconv.AppendInt(dst, h.fork.Size, 10)
		dst = append(dst, '}')
	}
	dst = append(dst, requiresMember...)
	for i, name := range h.requires {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(dst, '"')
		dst = append(dst, name...)
		dst = append(dst, '"')
	}
	dst = append(dst, ']')
	dst = append(dst, h.more...)
	dst = append(dst, "}}"...)
	putSum(logSum(h.log), dst[start:], p-start)
	return append(dst, '\n')
}

func appendHashes(dst []byte, hashes []Hash) []byte {
	for i := range hashes {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(dst, '"')
		dst = hex.AppendEncode(dst, hashes[i][:])
		dst = append(dst, '"')
	}
	return dst
}

// parseHeader reads the line of a header, without its LF. Headers of another
// major version, or that require what this version does not know, give an
// error that wraps [ErrUnsupported]; damaged ones a fault.
func parseHeader(b []byte, sum uint32) (header, *fault, error) {
	var h header
	if len(b) >= maxHeader {
		return h, &fault{ruleHeader, "header too long", fmt.Sprintf("at most %d bytes", maxHeader), strconv.Itoa(len(b) + 1)}, nil
	}
	p, ok := skip(b, 0, ownlogMember)
	var major int64
	if ok {
		if major, p, ok = number(b, p); ok {
			if _, more := skip(b, p, ","); more && major != version {
				// Whatever follows may have another shape.
				return h, nil, fmt.Errorf("%w: version %d of the format, this program reads version %d", ErrUnsupported, major, version)
			}
			p, ok = skip(b, p, crcMember)
		}
	}
	if !ok || len(b) < p+crcDigits {
		return h, &fault{ruleHeader, "not the header of a segment", `{"ownlog":1,"crc":"`, printable(b)}, nil
	}
	if f := checkSum(sum, b, p); f != nil {
		f.rule, f.reason = ruleHeader, "checksum of the header"
		return h, f, nil
	}
	s := headerScanner{b: b, p: p + crcDigits}
	s.header(&h)
	if s.want != "" {
		return h, &fault{ruleHeader, "header", s.want, printable(b[min(s.p, len(b)):])}, nil
	}
	if len(h.requires) > 0 {
		return h, nil, fmt.Errorf("%w: %q", errRequires, h.requires)
	}
	return h, nil, nil
}

// headerScanner reads the members of a header; want says what was missing first.
type headerScanner struct {
	b    []byte
	p    int
	want string
}

func (s *headerScanner) header(h *header) {
	s.skip(headerMember)
	h.log = s.logID()
	s.skip(firstMember)
	h.first = s.number()
	s.skip(frontierMember)
	nodes := s.hashes(bits.OnesCount64(uint64(h.first)))
	s.skip(forkMember)
	if !s.peek("null") {
		s.skip(`{"log":"`)
		h.fork = &Fork{Log: s.logID()}
		s.skip(`","size":`)
		h.fork.Size = s.number()
		s.skip("}")
	} else {
		s.skip("null")
	}
	s.skip(requiresMember)
	h.requires = s.names()
	s.more(h)
	if s.want != "" {
		return
	}
	h.frontier, _ = NewFrontier(h.first, nodes)
	switch {
	case h.fork != nil && h.fork.Size > h.first:
		s.want = "a fork at or before the first entry"
	case h.fork != nil && h.fork.Log == h.log:
		s.want = "a fork of another log"
	}
}

func (s *headerScanner) peek(text string) bool {
	_, ok := skip(s.b, s.p, text)
	return ok
}

func (s *headerScanner) skip(text string) {
	if s.want != "" {
		return
	}
	var ok bool
	if s.p, ok = skip(s.b, s.p, text); !ok {
		s.want = text
	}
}

func (s *headerScanner) number() int64 {
	if s.want != "" {
		return 0
	}
	n, p, ok := number(s.b, s.p)
	if !ok {
		s.want = "a number up to 2^53-1"
	}
	s.p = p
	return n
}

func (s *headerScanner) logID() LogID {
	if s.want != "" {
		return LogID{}
	}
	const size = 36
	id, err := ParseLogID(string(s.b[s.p:min(s.p+size, len(s.b))]))
	if err != nil {
		s.want = "a log id"
		return LogID{}
	}
	s.p += size
	return id
}

func (s *headerScanner) hashes(n int) []Hash {
	var hashes []Hash
	for i := 0; i < n && s.want == ""; i++ {
		if i > 0 {
			s.skip(",")
		}
		s.skip(`"`)
		if s.want != "" {
			return nil
		}
		h, ok := hashAt(s.b, s.p)
		if !ok {
			s.want = fmt.Sprintf("%d hashes of 64 hexadecimal digits", n)
			return nil
		}
		hashes = append(hashes, h)
		s.p += 64
		s.skip(`"`)
	}
	return hashes
}

// names reads the strings of requires up to the closing bracket. They are
// printable ASCII without quotes and backslashes.
func (s *headerScanner) names() []string {
	var names []string
	for s.want == "" && !s.peek("]") {
		if len(names) > 0 {
			s.skip(",")
		}
		s.skip(`"`)
		names = append(names, s.name())
		s.skip(`"`)
	}
	s.skip("]")
	return names
}

// name reads printable ASCII up to a quote, a backslash or a space.
func (s *headerScanner) name() string {
	if s.want != "" {
		return ""
	}
	start := s.p
	for s.p < len(s.b) && s.b[s.p] > ' ' && s.b[s.p] < 0x7f && s.b[s.p] != '"' && s.b[s.p] != '\\' {
		s.p++
	}
	return string(s.b[start:s.p])
}

// more keeps members that a later minor version added.
func (s *headerScanner) more(h *header) {
	if s.want != "" {
		return
	}
	rest := s.b[s.p:]
	if string(rest) == "}}" {
		s.p = len(s.b)
		return
	}
	s.want = "}} or further members, one JSON object in all"
	if len(rest) < 2 || rest[0] != ',' || string(rest[len(rest)-2:]) != "}}" {
		return
	}
	// The header must end with the line: nothing may stand between the braces.
	end, _ := scanObject(append([]byte{'{'}, rest...))
	if end == len(rest) && checkJSON(s.b, jsonRules{depth: MaxDepth, ijson: true}) == nil {
		h.more = bytes.Clone(rest[:len(rest)-2])
		s.want = ""
	}
}
