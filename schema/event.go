package schema

import (
	"errors"
	"fmt"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// Version is the major version of the event model, the value of every
// event's member v.
const Version = 1

// Event is one thing that happened in a session: the envelope and the data of
// its type. Members are encoded in the order of the fields.
type Event struct {
	V     int    `json:"v"`
	Type  Type   `json:"type"`
	Time  string `json:"time,omitzero"` // RFC 3339, UTC, as precise as the source had it; empty if it had none
	Actor Actor  `json:"actor"`
	// Turn counts turn openers over the whole log, from 1; 0 before any.
	Turn int64 `json:"turn,omitzero"`
	// Step counts the model responses of the turn, from 1; 0 outside responses.
	Step int64 `json:"step,omitzero"`
	// ID is the vendor's record id where its records form a tree; random in
	// entries written live.
	ID string `json:"id,omitzero"`
	// Parent is the record this one follows in the vendor's tree.
	Parent Parent `json:"parent,omitzero"`
	// Side marks a record that the vendor keeps on a side lane of its tree (an
	// inlined subagent): it is never on the live branch by itself.
	Side   bool    `json:"side,omitzero"`
	Epoch  int64   `json:"epoch,omitzero"`  // lease epoch of the executor that wrote it
	Crit   bool    `json:"crit,omitzero"`   // a replayer that does not know the type must stop
	Causes []int64 `json:"causes,omitzero"` // seqs of the entries this one answers
	Source *Source `json:"source,omitzero"` // the vendor record it was made from
	Data   Data    `json:"data"`

	// The vendor's record, when it cannot stand verbatim in the entry. At most
	// one of them is set, and none on the later parts of a run.
	Raw64    string    `json:"raw64,omitzero"`    // standard base64 of the bytes
	RawBlob  *Blob     `json:"rawblob,omitzero"`  // the bytes are a blob
	RawParts []RawPart `json:"rawparts,omitzero"` // the bytes are texts and the base64 of blobs, in turn
}

// Data is what an event of one type says. Each type is a pointer to a struct of
// this package; [Unknown] carries types this version does not know.
type Data interface{ EventType() Type }

// Type is the name of an event type, `noun.verb` in lower case.
type Type string

// Actor is who caused an event.
type Actor struct {
	Kind ActorKind `json:"kind"`
	ID   string    `json:"id,omitzero"`
}

// ActorKind is the role of an [Actor].
type ActorKind string

// The kinds of actors.
const (
	ActorUser     ActorKind = "user"
	ActorModel    ActorKind = "model"
	ActorTool     ActorKind = "tool"
	ActorExecutor ActorKind = "executor"
	ActorSystem   ActorKind = "system"
	ActorImport   ActorKind = "import"
)

// Source names the vendor record that an event was made from. A record becomes
// a run of one or more events next to each other; the first has no Part.
type Source struct {
	Vendor string `json:"vendor"`
	Line   int64  `json:"line,omitzero"` // 1-based line of an append-only file
	Row    *Row   `json:"row,omitzero"`  // row of a database, or side file of a session
	Rev    int64  `json:"rev,omitzero"`  // the row was imported before with other bytes, this many times
	Part   int64  `json:"part,omitzero"` // place in the run, from 0
	// Sep is what stands between the record before and this one when that is
	// not the default: one LF, or nothing for the first record of a file.
	Sep   *string `json:"sep,omitzero"`
	Sep64 string  `json:"sep64,omitzero"` // the same in base64, when it is not UTF-8
}

// VendorName returns the vendor's name, empty for what was written natively.
func (s *Source) VendorName() string {
	if s == nil {
		return ""
	}
	return s.Vendor
}

// Row names a record that is not a line of a file.
type Row struct {
	Table string `json:"table"`
	ID    string `json:"id"`
}

// Parent is the parent of a record in a vendor's tree: absent (the zero value),
// null (a root) or the id of a record.
type Parent struct {
	Known bool   // the source says what the parent is
	ID    string // empty: a root
}

// IsZero reports whether the source says nothing about a parent.
func (p Parent) IsZero() bool { return !p.Known }

// MarshalJSONTo writes the id or null.
func (p Parent) MarshalJSONTo(enc *jsontext.Encoder) error {
	if p.ID == "" {
		return enc.WriteToken(jsontext.Null)
	}
	return enc.WriteToken(jsontext.String(p.ID))
}

// UnmarshalJSONFrom reads an id or null.
func (p *Parent) UnmarshalJSONFrom(dec *jsontext.Decoder) error {
	tok, err := dec.ReadToken()
	if err != nil {
		return err
	}
	switch tok.Kind() {
	case 'n':
		*p = Parent{Known: true}
	case '"':
		*p = Parent{Known: true, ID: tok.String()}
	default:
		return errors.New("parent: want a string or null")
	}
	return nil
}

// Unknown is the data of an event of a type that this version does not know.
type Unknown struct {
	Type Type
	JSON jsontext.Value // the member data as it stands in the entry
}

// EventType implements [Data].
func (u *Unknown) EventType() Type { return u.Type }

// MarshalJSONTo writes the data as it was read.
func (u *Unknown) MarshalJSONTo(enc *jsontext.Encoder) error { return enc.WriteValue(u.JSON) }

// UnmarshalJSONFrom keeps the data as it stands.
func (u *Unknown) UnmarshalJSONFrom(dec *jsontext.Decoder) error {
	v, err := dec.ReadValue()
	u.JSON = v.Clone()
	return err
}

// encodeOptions: vendor JSON keeps the spelling of its strings and numbers.
var encodeOptions = json.JoinOptions(
	jsontext.PreserveRawStrings(true),
	jsontext.AllowInvalidUTF8(true), // written as U+FFFD
)

// ErrEvent is wrapped by every error about the bytes of an event.
var ErrEvent = errors.New("not a valid event")

// Encode appends the event's bytes, the normalised object of an entry, to dst.
// It sets V and Type from the data. It fails only on data that cannot be JSON.
func Encode(dst []byte, ev *Event) ([]byte, error) {
	if ev.Data == nil {
		return nil, fmt.Errorf("%w: no data", ErrEvent)
	}
	ev.V, ev.Type = Version, ev.Data.EventType()
	out, err := appendEvent(dst, ev)
	if err != nil {
		return nil, fmt.Errorf("%w: %s: %w", ErrEvent, ev.Type, err)
	}
	return out, nil
}

// Decode reads the normalised object of an entry. Unknown members are ignored,
// an unknown type gives [Unknown] data; a known member of the wrong JSON type
// is an error that wraps [ErrEvent]. The event shares no memory with norm.
func Decode(norm []byte) (*Event, error) {
	ev := new(Event)
	if err := json.Unmarshal(norm, (*decodedEvent)(ev)); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrEvent, err)
	}
	if ev.V != Version {
		return nil, fmt.Errorf("%w: version %d, this reader knows %d", ErrEvent, ev.V, Version)
	}
	u, ok := ev.Data.(*Unknown)
	if !ok {
		return ev, nil
	}
	if u.JSON == nil {
		return nil, fmt.Errorf("%w: %s: no data", ErrEvent, ev.Type)
	}
	u.Type = ev.Type
	if data := NewData(ev.Type); data != nil { // the type came after the data
		if err := json.Unmarshal(u.JSON, data); err != nil {
			return nil, fmt.Errorf("%w: %s: %w", ErrEvent, ev.Type, err)
		}
		ev.Data = data
	}
	return ev, nil
}

// decodedEvent is an Event that reads its data straight into its type, which
// stands before it in all entries that ownlog writes.
type decodedEvent Event

// UnmarshalJSONFrom reads the envelope and the data.
func (ev *decodedEvent) UnmarshalJSONFrom(dec *jsontext.Decoder) error {
	undecoded := new(Unknown)
	ev.Data = undecoded
	if tok, err := dec.ReadToken(); err != nil {
		return err
	} else if tok.Kind() != '{' {
		return errors.New("want an object")
	}
	for dec.PeekKind() != '}' {
		name, err := dec.ReadValue()
		if err != nil {
			return err
		}
		var into any
		switch string(unquoted(name)) {
		case "v":
			into = &ev.V
		case "type":
			into = &ev.Type
		case "time":
			into = &ev.Time
		case "actor":
			into = &ev.Actor
		case "turn":
			into = &ev.Turn
		case "step":
			into = &ev.Step
		case "id":
			into = &ev.ID
		case "parent":
			into = &ev.Parent
		case "side":
			into = &ev.Side
		case "epoch":
			into = &ev.Epoch
		case "crit":
			into = &ev.Crit
		case "causes":
			into = &ev.Causes
		case "source":
			into = &ev.Source
		case "data":
			into = undecoded
			if data := NewData(ev.Type); data != nil {
				ev.Data, into = data, data
			}
		case "raw64":
			into = &ev.Raw64
		case "rawblob":
			into = &ev.RawBlob
		case "rawparts":
			into = &ev.RawParts
		default:
			if err := dec.SkipValue(); err != nil {
				return err
			}
			continue
		}
		if err := json.UnmarshalDecode(dec, into); err != nil {
			return err
		}
	}
	_, err := dec.ReadToken()
	return err
}

// ParseTime reads an event's time.
func ParseTime(s string) (time.Time, error) {
	t, err := time.Parse(time.RFC3339Nano, s)
	if err != nil || len(s) == 0 || s[len(s)-1] != 'Z' {
		return time.Time{}, fmt.Errorf("time %q: want RFC 3339 in UTC, ending in Z", s)
	}
	return t, nil
}
