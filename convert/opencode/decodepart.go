package opencode

import (
	"bytes"
	"unicode/utf8"
	"unsafe"

	"github.com/go-json-experiment/json/jsontext"
)

// decodePart reads the data of a part, which is valid JSON. Nearly all parts are
// plain: known members once, of the expected types, in valid UTF-8. Those are read
// in one pass without reflection; any other is left to the JSON package, so that
// there is one meaning. What into points to is used again.
func decodePart(data jsontext.Value, into *partInfo) error {
	d := plainDecoder{jsonCursor: jsonCursor{b: data}, stateRoom: into.State, tokensRoom: into.Tokens}
	*into = partInfo{}
	if d.object(func(name []byte) bool { return d.part(into, name) }) && d.i == len(data) {
		return nil
	}
	*into = partInfo{}
	return unmarshal(data, into)
}

// plainDecoder reads members; its functions return false for what is not plain.
type plainDecoder struct {
	jsonCursor
	seen       uint64 // members of the part, of its state and of its tokens
	stateRoom  *toolState
	tokensRoom *tokens
}

// The members whose being given twice matters, as bits.
const (
	seenType = 1 << iota
	seenText
	seenSynthetic
	seenIgnored
	seenMetadata
	seenTime
	seenMime
	seenFilename
	seenURL
	seenCallID
	seenTool
	seenState
	seenReason
	seenTokens
	seenCost
	seenHash
	seenFiles
	seenAuto
	seenTail
	seenStatus
	seenInput
	seenRaw
	seenOutput
	seenError
	seenStateMetadata
	seenAttachments
	seenStateTime
	seenCache
)

// once notes a member; false if it was there before.
func (d *plainDecoder) once(bit uint64) bool {
	if d.seen&bit != 0 {
		return false
	}
	d.seen |= bit
	return true
}

func (d *plainDecoder) part(p *partInfo, name []byte) bool {
	switch string(name) {
	case "type":
		return d.once(seenType) && d.text(&p.Type)
	case "text":
		return d.once(seenText) && d.text(&p.Text)
	case "synthetic":
		return d.once(seenSynthetic) && plainBool(&p.Synthetic, d.value())
	case "ignored":
		return d.once(seenIgnored) && plainBool(&p.Ignored, d.value())
	case "metadata":
		p.Metadata = d.value()
		return d.once(seenMetadata)
	case "time":
		return d.once(seenTime) && d.object(func(name []byte) bool { return d.time(&p.Time, name) })
	case "mime":
		return d.once(seenMime) && d.text(&p.Mime)
	case "filename":
		return d.once(seenFilename) && d.text(&p.Filename)
	case "url":
		return d.once(seenURL) && d.text(&p.URL)
	case "callID":
		return d.once(seenCallID) && d.text(&p.CallID)
	case "tool":
		return d.once(seenTool) && d.text(&p.Tool)
	case "state":
		p.State = emptied(d.stateRoom)
		return d.once(seenState) && d.object(func(name []byte) bool { return d.state(p.State, name) })
	case "reason":
		return d.once(seenReason) && d.text(&p.Reason)
	case "tokens":
		p.Tokens = emptied(d.tokensRoom)
		return d.once(seenTokens) && d.object(func(name []byte) bool { return d.tokens(p.Tokens, name) })
	case "cost":
		p.Cost = d.value()
		return d.once(seenCost)
	case "hash":
		return d.once(seenHash) && d.text(&p.Hash)
	case "files":
		return d.once(seenFiles) && unmarshal(d.value(), &p.Files) == nil
	case "auto":
		return d.once(seenAuto) && plainBool(&p.Auto, d.value())
	case "tail_start_id":
		return d.once(seenTail) && d.text(&p.TailStartID)
	}
	d.value()
	return unescaped(name)
}

// emptied is a zero value, where there was one before if there was.
func emptied[T any](room *T) *T {
	if room == nil {
		return new(T)
	}
	*room = *new(T)
	return room
}

func (d *plainDecoder) state(s *toolState, name []byte) bool {
	switch string(name) {
	case "status":
		return d.once(seenStatus) && d.text(&s.Status)
	case "input":
		s.Input = d.value()
		return d.once(seenInput)
	case "raw":
		s.Raw = new(string)
		return d.once(seenRaw) && d.text(s.Raw)
	case "output":
		return d.once(seenOutput) && d.text(&s.Output)
	case "error":
		return d.once(seenError) && d.text(&s.Error)
	case "metadata":
		return d.once(seenStateMetadata) && d.object(func(name []byte) bool { return d.metadata(&s.Metadata, name) })
	case "attachments":
		return d.once(seenAttachments) && unmarshal(d.value(), &s.Attachments) == nil
	case "time":
		return d.once(seenStateTime) && d.object(func(name []byte) bool {
			switch string(name) {
			case "start":
				return d.number(&s.Time.Start)
			case "end":
				return d.number(&s.Time.End)
			case "compacted":
				return d.number(&s.Time.Compacted)
			}
			d.value()
			return unescaped(name)
		})
	}
	d.value()
	return unescaped(name)
}

// metadata reads a tool's own metadata. Its values are kept as they stand, so
// that all that matters is which one counts.
func (d *plainDecoder) metadata(m *toolMetadata, name []byte) bool {
	once := func(into *jsontext.Value, value []byte) bool {
		first := *into == nil
		*into = value
		return first
	}
	value := d.value()
	switch string(name) {
	case "exit":
		return once(&m.Exit, value)
	case "sessionId":
		return once(&m.SessionID, value)
	case "interrupted":
		return once(&m.Interrupted, value)
	case "output":
		return once(&m.Output, value)
	}
	return unescaped(name)
}

func (d *plainDecoder) time(t *partTime, name []byte) bool {
	switch string(name) {
	case "start":
		return d.number(&t.Start)
	case "end":
		return d.number(&t.End)
	}
	d.value()
	return unescaped(name)
}

func (d *plainDecoder) tokens(t *tokens, name []byte) bool {
	switch string(name) {
	case "input":
		return d.number(&t.Input)
	case "output":
		return d.number(&t.Output)
	case "reasoning":
		return d.number(&t.Reasoning)
	case "cache":
		return d.once(seenCache) && d.object(func(name []byte) bool {
			switch string(name) {
			case "read":
				return d.number(&t.Cache.Read)
			case "write":
				return d.number(&t.Cache.Write)
			}
			d.value()
			return unescaped(name)
		})
	}
	d.value()
	return unescaped(name)
}

// unescaped reports whether a name is spelled as it is read: only then do other
// spellings not matter.
func unescaped(name []byte) bool { return bytes.IndexByte(name, '\\') < 0 }

// number takes a number that was not given before.
func (d *plainDecoder) number(into *jsontext.Value) bool {
	first := *into == nil
	*into = d.value()
	return first && into.Kind() == '0'
}

func (d *plainDecoder) text(into *string) bool { return plainText(into, d.value()) }

func plainBool(into *bool, value []byte) bool {
	*into = string(value) == "true"
	return *into || string(value) == "false"
}

// plainText reads a string of valid UTF-8 without surrogates.
func plainText(into *string, value []byte) bool {
	if len(value) < 2 || value[0] != '"' || !utf8.Valid(value) {
		return false
	}
	s := value[1 : len(value)-1]
	next := bytes.IndexByte(s, '\\')
	if next < 0 {
		*into = string(s)
		return true
	}
	out := make([]byte, 0, len(s))
	for next >= 0 {
		out = append(out, s[:next]...)
		c := s[next+1]
		switch c {
		case 'n':
			c = '\n'
		case 't':
			c = '\t'
		case 'r':
			c = '\r'
		case 'b':
			c = '\b'
		case 'f':
			c = '\f'
		case 'u':
			r := hexRune(s[next+2 : next+6])
			if r >= 0xd800 && r < 0xe000 {
				return false
			}
			out = utf8.AppendRune(out, r)
			s = s[next+6:]
			next = bytes.IndexByte(s, '\\')
			continue
		}
		out = append(out, c)
		s = s[next+2:]
		next = bytes.IndexByte(s, '\\')
	}
	out = append(out, s...)
	*into = unsafe.String(unsafe.SliceData(out), len(out)) // nobody else has out
	return true
}

func hexRune(digits []byte) (r rune) {
	for _, c := range digits {
		switch {
		case c <= '9':
			c -= '0'
		case c <= 'F':
			c -= 'A' - 10
		default:
			c -= 'a' - 10
		}
		r = r<<4 | rune(c)
	}
	return r
}
