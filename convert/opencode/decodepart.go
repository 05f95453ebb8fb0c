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
// there is one meaning.
func decodePart(data jsontext.Value, into *partInfo) error {
	*into = partInfo{}
	d := plainDecoder{}
	if eachMember(data, func(name, value []byte) bool { return d.part(into, name, value) }) {
		return nil
	}
	*into = partInfo{}
	return unmarshal(data, into)
}

// plainDecoder reads members; its functions return false for what is not plain.
type plainDecoder struct {
	seen uint64 // members of the part and of its state
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
)

// once notes a member; false if it was there before.
func (d *plainDecoder) once(bit uint64) bool {
	if d.seen&bit != 0 {
		return false
	}
	d.seen |= bit
	return true
}

func (d *plainDecoder) part(p *partInfo, name, value []byte) bool {
	switch string(name) {
	case "type":
		return d.once(seenType) && plainText(&p.Type, value)
	case "text":
		return d.once(seenText) && plainText(&p.Text, value)
	case "synthetic":
		return d.once(seenSynthetic) && plainBool(&p.Synthetic, value)
	case "ignored":
		return d.once(seenIgnored) && plainBool(&p.Ignored, value)
	case "metadata":
		p.Metadata = value
		return d.once(seenMetadata)
	case "time":
		return d.once(seenTime) && plainTime(&p.Time, value)
	case "mime":
		return d.once(seenMime) && plainText(&p.Mime, value)
	case "filename":
		return d.once(seenFilename) && plainText(&p.Filename, value)
	case "url":
		return d.once(seenURL) && plainText(&p.URL, value)
	case "callID":
		return d.once(seenCallID) && plainText(&p.CallID, value)
	case "tool":
		return d.once(seenTool) && plainText(&p.Tool, value)
	case "state":
		p.State = new(toolState)
		return d.once(seenState) && eachMember(value, func(name, value []byte) bool { return d.state(p.State, name, value) })
	case "reason":
		return d.once(seenReason) && plainText(&p.Reason, value)
	case "tokens":
		return d.once(seenTokens) && unmarshal(value, &p.Tokens) == nil
	case "cost":
		p.Cost = value
		return d.once(seenCost)
	case "hash":
		return d.once(seenHash) && plainText(&p.Hash, value)
	case "files":
		return d.once(seenFiles) && unmarshal(value, &p.Files) == nil
	case "auto":
		return d.once(seenAuto) && plainBool(&p.Auto, value)
	case "tail_start_id":
		return d.once(seenTail) && plainText(&p.TailStartID, value)
	}
	return unescaped(name)
}

func (d *plainDecoder) state(s *toolState, name, value []byte) bool {
	switch string(name) {
	case "status":
		return d.once(seenStatus) && plainText(&s.Status, value)
	case "input":
		s.Input = value
		return d.once(seenInput)
	case "raw":
		s.Raw = new(string)
		return d.once(seenRaw) && plainText(s.Raw, value)
	case "output":
		return d.once(seenOutput) && plainText(&s.Output, value)
	case "error":
		return d.once(seenError) && plainText(&s.Error, value)
	case "metadata":
		return d.once(seenStateMetadata) && plainMetadata(&s.Metadata, value)
	case "attachments":
		return d.once(seenAttachments) && unmarshal(value, &s.Attachments) == nil
	case "time":
		return d.once(seenStateTime) && eachMember(value, func(name, value []byte) bool {
			switch string(name) {
			case "start":
				return plainNumber(&s.Time.Start, value)
			case "end":
				return plainNumber(&s.Time.End, value)
			case "compacted":
				return plainNumber(&s.Time.Compacted, value)
			}
			return unescaped(name)
		})
	}
	return unescaped(name)
}

// plainMetadata reads a tool's own metadata. Its values are kept as they stand, so
// that all that matters is which one counts.
func plainMetadata(m *toolMetadata, object []byte) bool {
	once := func(into *jsontext.Value, value []byte) bool {
		first := *into == nil
		*into = value
		return first
	}
	return eachMember(object, func(name, value []byte) bool {
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
	})
}

func plainTime(t *partTime, object []byte) bool {
	return eachMember(object, func(name, value []byte) bool {
		switch string(name) {
		case "start":
			return plainNumber(&t.Start, value)
		case "end":
			return plainNumber(&t.End, value)
		}
		return unescaped(name)
	})
}

// unescaped reports whether a name is spelled as it is read: only then do other
// spellings not matter.
func unescaped(name []byte) bool { return bytes.IndexByte(name, '\\') < 0 }

// plainNumber takes a number that was not given before.
func plainNumber(into *jsontext.Value, value []byte) bool {
	first := *into == nil
	*into = value
	return first && jsontext.Value(value).Kind() == '0'
}

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
