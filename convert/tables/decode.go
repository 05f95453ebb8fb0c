package tables

import (
	"bytes"
	"errors"
	"io"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/ownlog/ownlog/format"
	"github.com/ownlog/ownlog/schema"
)

// decoder reads events from entries. It goes once over the envelope and the
// data and stops at the vendor's record, which is most of an entry; data of
// types that no table asks for is skipped. It is used by one goroutine.
type decoder struct {
	buf  bytes.Buffer
	dec  *jsontext.Decoder
	norm []byte
}

// lenient: a store gives out checked entries; a projection takes what is there.
var lenient = json.JoinOptions(
	jsontext.AllowDuplicateNames(true),
	jsontext.AllowInvalidUTF8(true),
	json.MatchCaseInsensitiveNames(false),
)

// event reads an entry. Data is nil for types that want does not ask for.
func (d *decoder) event(entry []byte, want func(schema.Type) bool) (*schema.Event, error) {
	ev, err := d.fast(entry, want)
	if !errors.Is(err, errOrder) {
		return ev, err
	}
	// Written by somebody whose members stand in another order.
	if d.norm, _, err = format.CutRaw(d.norm, entry); err != nil {
		return nil, err
	}
	return schema.Decode(d.norm)
}

// errOrder says that the members of an entry do not stand in the usual order.
var errOrder = errors.New("members in another order")

func (d *decoder) fast(entry []byte, want func(schema.Type) bool) (*schema.Event, error) {
	d.buf = *bytes.NewBuffer(entry)
	if d.dec == nil {
		d.dec = jsontext.NewDecoder(&d.buf, lenient)
	} else {
		d.dec.Reset(&d.buf, lenient)
	}
	if d.dec.PeekKind() != '{' {
		return nil, schema.ErrEvent
	}
	if _, err := d.dec.ReadToken(); err != nil {
		return nil, err
	}
	ev := new(schema.Event)
	seenData := false
	for d.dec.PeekKind() == '"' {
		tok, err := d.dec.ReadToken()
		if err != nil {
			return nil, err
		}
		name := tok.String()
		if strings.HasPrefix(name, "raw") && name != "rawlen" {
			break
		}
		if name == "data" {
			if ev.Type == "" {
				return nil, errOrder
			}
			seenData = true
			err = d.data(ev, want)
		} else {
			err = d.member(ev, name)
		}
		if err != nil {
			return nil, err
		}
	}
	if !seenData || ev.V != schema.Version {
		return nil, errOrder
	}
	return ev, nil
}

func (d *decoder) data(ev *schema.Event, want func(schema.Type) bool) error {
	if !want(ev.Type) {
		return d.dec.SkipValue()
	}
	data := schema.NewData(ev.Type)
	if data == nil {
		return d.dec.SkipValue()
	}
	ev.Data = data
	return json.UnmarshalDecode(d.dec, data)
}

func (d *decoder) member(ev *schema.Event, name string) error {
	switch name {
	case "v":
		return json.UnmarshalDecode(d.dec, &ev.V)
	case "type":
		return d.text((*string)(&ev.Type))
	case "time":
		return d.text(&ev.Time)
	case "actor":
		return json.UnmarshalDecode(d.dec, &ev.Actor)
	case "turn":
		return json.UnmarshalDecode(d.dec, &ev.Turn)
	case "step":
		return json.UnmarshalDecode(d.dec, &ev.Step)
	case "id":
		return d.text(&ev.ID)
	case "parent":
		return ev.Parent.UnmarshalJSONFrom(d.dec)
	case "source":
		ev.Source = new(schema.Source)
		return json.UnmarshalDecode(d.dec, ev.Source)
	}
	return d.dec.SkipValue()
}

func (d *decoder) text(s *string) error {
	tok, err := d.dec.ReadToken()
	if err != nil {
		if err == io.EOF {
			return io.ErrUnexpectedEOF
		}
		return err
	}
	if tok.Kind() != '"' {
		return schema.ErrEvent
	}
	*s = tok.String()
	return nil
}
