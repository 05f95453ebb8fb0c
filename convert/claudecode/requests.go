package claudecode

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"

	"github.com/ownlog/ownlog/convert"
	"github.com/ownlog/ownlog/format"
	"github.com/ownlog/ownlog/schema"
)

// RequestCheck says how many of the provider requests that a session's request
// log records (Claude Code 2.1.330 and newer) could be rebuilt from the log and
// have the digest that the tool recorded.
type RequestCheck struct {
	Total    int64
	Verified int64
	// Problems say what is wrong with the others, one each at most.
	Problems []RequestProblem
}

// RequestProblem is a request that does not verify.
type RequestProblem struct {
	Line   int64 // of the record in the transcript
	Reason string
}

// maxRequestText bounds what a check keeps in memory, in bytes of messages. The
// requests of a log with more text than that are not verified.
const maxRequestText = 48 << 20

// CheckRequests rebuilds the provider requests that the first size entries
// (negative: all) of a log record, from the vendor records in the entries alone.
// Of each request it calls visit, if that is not nil, with the line of its record
// and the canonical body, valid during the call; body is nil if it cannot be
// rebuilt.
func CheckRequests(ctx context.Context, store format.Store, log format.LogID, size int64, visit func(line int64, id string, body []byte) error) (RequestCheck, error) {
	l := newRequestLog()
	err := convert.WalkEvents(ctx, store, log, 0, size, func(e convert.LogEvent) error {
		if e.Event == nil || e.Event.Source == nil || e.Event.Source.Part > 0 || l.full {
			return nil
		}
		record, err := convert.RecordBytes(ctx, store, e.Event, e.Raw)
		if err != nil {
			return fmt.Errorf("entry %d: %w", e.Seq, err)
		}
		l.add(e.Event.Source.Line, record)
		return nil
	})
	if err != nil {
		return RequestCheck{}, err
	}
	return l.check(visit)
}

// requestLog collects what requests are rebuilt from.
type requestLog struct {
	messages  map[string][]byte // canonical, by hash
	shapes    map[string][]byte // canonical, by shapeHash
	responses map[string][]byte // canonical blocks, joined by commas, by message id
	order     []string          // ids of responses in order
	users     [][]byte          // canonical blocks of user records, in order
	requests  []loggedRequest
	size      int
	full      bool
}

// loggedRequest is an api-request record.
type loggedRequest struct {
	line                    int64
	id, base, shape, digest string
	keep                    int64
	tail                    []string
	params, cacheControl    []byte
}

func newRequestLog() *requestLog {
	return &requestLog{
		messages: make(map[string][]byte), shapes: make(map[string][]byte), responses: make(map[string][]byte),
	}
}

// add takes one record.
func (l *requestLog) add(line int64, b []byte) {
	var r record
	r.read(b)
	typ, _ := unquote(r.members[fType])
	switch typ {
	case "user", "assistant":
		l.addMessage(line, typ, r.members[fMessage])
	case "api-request-blob":
		if message := r.members[fMessage]; kind(message) == '{' {
			l.keepMessage(normalMessage(message))
		}
	case "api-request-shape":
		if shape := r.members[fShape]; kind(shape) == '{' {
			canonical := appendCanonical(nil, shape, "")
			l.count(len(canonical))
			l.shapes[hashWithout(canonical)] = canonical
		}
	case "api-request":
		l.addRequest(line, &r, b)
	}
}

func (l *requestLog) count(n int) {
	if l.size += n; l.size > maxRequestText {
		l.full = true
	}
}

// addMessage takes a record of the transcript: a user record is a message of its
// own, an assistant record is a piece of its response.
func (l *requestLog) addMessage(line int64, role string, message []byte) {
	if kind(message) != '{' {
		return
	}
	blocks := canonicalBlocks(member(message, "content"))
	l.count(len(blocks))
	if role == "user" {
		l.users = append(l.users, blocks)
		return
	}
	id, _ := unquote(member(message, "id"))
	if id == "" {
		id = fmt.Sprintf("line %d", line)
	}
	have, known := l.responses[id]
	if !known {
		l.order = append(l.order, id)
	}
	if len(have) > 0 && len(blocks) > 0 {
		have = append(have, ',')
	}
	l.responses[id] = append(have, blocks...)
}

func (l *requestLog) addRequest(line int64, r *record, b []byte) {
	q := loggedRequest{line: line}
	q.id, _ = unquote(r.members[fID])
	q.shape, _ = unquote(r.members[fShapeHash])
	q.digest, _ = unquote(r.members[fRequestDigest])
	q.base, _ = unquote(member(b, "base"))
	q.keep, _ = integer(member(b, "keep"))
	q.params = bytes.Clone(r.members[fParams])
	q.cacheControl = bytes.Clone(member(b, "cacheControl"))
	tail := convert.ElementsOf(member(b, "tail"))
	for {
		element, ok := tail.Next()
		if !ok {
			break
		}
		h, _ := unquote(element)
		q.tail = append(q.tail, h)
	}
	l.requests = append(l.requests, q)
}

// canonicalBlocks returns the blocks of a message's content, joined by commas;
// a string is one text block.
func canonicalBlocks(content []byte) []byte {
	switch kind(content) {
	case '"':
		block := append([]byte(`{"text":`), appendCanonical(nil, content, "")...)
		return append(block, `,"type":"text"}`...)
	case '[':
		list := appendCanonical(nil, content, "")
		return list[1 : len(list)-1]
	}
	return nil
}

// normalMessage returns a message in canonical form, its content a list.
func normalMessage(message []byte) []byte {
	if content := member(message, "content"); kind(content) == '"' {
		role, _ := unquote(member(message, "role"))
		return messageOf(role, canonicalBlocks(content))
	}
	return appendCanonical(nil, message, "")
}

func messageOf(role string, blocks []byte) []byte {
	m := append([]byte(`{"content":[`), blocks...)
	m = append(m, `],"role":`...)
	return append(appendString(m, role), '}')
}

func (l *requestLog) keepMessage(canonical []byte) {
	l.count(len(canonical))
	h := hashWithout(canonical)
	if _, ok := l.messages[h]; !ok {
		l.messages[h] = canonical
	}
}

// hashWithout is the hash by which the request log names canonical JSON: markers
// of the provider's cache are not part of it.
func hashWithout(canonical []byte) string {
	if bytes.Contains(canonical, []byte(`"cache_control"`)) {
		canonical = appendCanonical(nil, canonical, "cache_control")
	}
	sum := sha256.Sum256(canonical)
	return hex.EncodeToString(sum[:])
}

// check rebuilds all requests.
func (l *requestLog) check(visit func(int64, string, []byte) error) (RequestCheck, error) {
	c := RequestCheck{Total: int64(len(l.requests))}
	if l.full {
		for _, q := range l.requests {
			c.Problems = append(c.Problems, RequestProblem{q.line, "the session has too much text to rebuild requests in memory"})
		}
		return c, nil
	}
	if c.Total == 0 {
		return c, nil
	}
	l.resolve()
	sequences := make(map[string][]string)
	for i := range l.requests {
		q := &l.requests[i]
		sequence, reason := q.sequence(sequences)
		sequences[q.id] = sequence
		var body []byte
		if reason == "" {
			body, reason = l.body(q, sequence)
		}
		if reason == "" && digestOf(body) != q.digest {
			reason = "its digest differs"
		}
		if reason == "" {
			c.Verified++
		} else {
			c.Problems = append(c.Problems, RequestProblem{q.line, reason})
		}
		if visit != nil {
			if err := visit(q.line, q.id, body); err != nil {
				return c, err
			}
		}
	}
	return c, nil
}

func digestOf(body []byte) string {
	sum := sha256.Sum256(body)
	return hex.EncodeToString(sum[:])
}

// sequence returns the hashes of a request's messages.
func (q *loggedRequest) sequence(earlier map[string][]string) (hashes []string, reason string) {
	var base []string
	if q.base != "" {
		var ok bool
		if base, ok = earlier[q.base]; !ok {
			reason = "it builds on a request that is not in the log"
		}
	}
	keep := max(0, min(q.keep, int64(len(base))))
	return slices.Concat(base[:keep], q.tail), reason
}

// resolve finds the messages that are recorded nowhere but in the transcript.
func (l *requestLog) resolve() {
	for _, id := range l.order {
		l.keepMessage(messageOf("assistant", l.responses[id]))
	}
	for _, u := range l.users {
		l.keepMessage(messageOf("user", u))
	}
	wanted := make(map[string]bool)
	for _, q := range l.requests {
		for _, h := range q.tail {
			if _, ok := l.messages[h]; !ok {
				wanted[h] = true
			}
		}
	}
	if len(wanted) > 0 {
		l.joinUsers(wanted)
	}
}

// longestRun is how many neighbouring user records may be one message.
const longestRun = 12

// joinUsers tries neighbouring user records as one message; the hash tells
// whether they were. It stops when nothing is wanted any more.
func (l *requestLog) joinUsers(wanted map[string]bool) {
	for i := range l.users {
		joined := slices.Clone(l.users[i])
		for j := i + 1; j < len(l.users) && j < i+longestRun && len(wanted) > 0; j++ {
			if len(joined) > 0 && len(l.users[j]) > 0 {
				joined = append(joined, ',')
			}
			joined = append(joined, l.users[j]...)
			for _, m := range [][]byte{messageOf("user", joined), messageOf("user", separateTexts(joined))} {
				if h := hashWithout(m); wanted[h] {
					l.messages[h] = m
					delete(wanted, h)
				}
			}
		}
	}
}

// separateTexts adds a newline to every text that is followed by a text.
func separateTexts(blocks []byte) []byte {
	list := convert.ElementsOf(slices.Concat([]byte{'['}, blocks, []byte{']'}))
	var all [][]byte
	for {
		b, ok := list.Next()
		if !ok {
			break
		}
		all = append(all, b)
	}
	var out []byte
	for i, b := range all {
		if i > 0 {
			out = append(out, ',')
		}
		if i+1 < len(all) && isText(b) && isText(all[i+1]) {
			text, _ := unquote(member(b, "text"))
			block := append(slices.Clone(b[:len(b)-1]), `,"text":`...)
			b = appendCanonical(nil, append(appendString(block, text+"\n"), '}'), "")
		}
		out = append(out, b...)
	}
	return out
}

func isText(block []byte) bool { return string(member(block, "type")) == `"text"` }

// body returns a request's canonical body, as far as its digest covers it.
func (l *requestLog) body(q *loggedRequest, sequence []string) (body []byte, reason string) {
	shape, ok := l.shapes[q.shape]
	if !ok {
		return nil, "its system prompt and tools are not in the log"
	}
	if kind(q.params) != '{' {
		return nil, "it has no parameters"
	}
	messages := []byte{'['}
	for i, h := range sequence {
		m, ok := l.messages[h]
		if !ok {
			return nil, fmt.Sprintf("message %d is not in the log", i)
		}
		if i > 0 {
			messages = append(messages, ',')
		}
		messages = append(messages, m...)
	}
	messages = append(messages, ']')
	members := []namedValue{{"messages", messages}}
	for _, part := range [][]byte{q.params, shape} {
		for _, m := range sortedMembers(part) {
			members = append(members, namedValue{m.name, appendCanonical(nil, m.value, "")})
		}
	}
	slices.SortStableFunc(members, func(a, b namedValue) int { return cmp.Compare(a.name, b.name) })
	body = make([]byte, 0, len(messages)+2*len(shape)+len(q.params))
	for i, m := range members {
		body = append(body, ',')
		if i == 0 {
			body[0] = '{'
		}
		body = append(append(appendString(body, m.name), ':'), m.value...)
	}
	body = append(body, '}')
	marks := convert.ElementsOf(q.cacheControl)
	for {
		mark, ok := marks.Next()
		if !ok {
			return body, ""
		}
		value := appendCanonical(nil, member(mark, "value"), "")
		if body, ok = withMember(nil, body, pathSteps(member(mark, "path")), "cache_control", value); !ok {
			return nil, "a cache marker points nowhere"
		}
	}
}

// addTo puts the check into a report.
func (c RequestCheck) addTo(report *schema.Fidelity) {
	report.Add(schema.Preserved, CodeRequestVerified, c.Verified, "")
	for _, p := range c.Problems {
		report.Add(schema.NotInSource, CodeRequestUnverified, 1, fmt.Sprintf("line %d: %s", p.Line, p.Reason))
	}
}

// Codes of the report about the request log.
const (
	CodeRequestVerified   = "provider-request-verified"   // rebuilt, and its digest is the recorded one
	CodeRequestUnverified = "provider-request-unverified" // recorded, but it cannot be rebuilt to its digest
)
