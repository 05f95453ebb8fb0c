package schema

import (
	"errors"
	"fmt"
	"iter"
	"slices"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// ErrTooLong is wrapped by the error of [Spill] for an event that does not fit
// even with all its strings in blobs. An importer then keeps the record as a
// vendor.record.
var ErrTooLong = errors.New("event is too long")

// The media types of spilled content.
const (
	mediaText = "text/plain"
	mediaJSON = "application/json"
)

// Spill makes an event fit for an entry. Every string of its data longer than
// [MaxString] becomes a blob; then, while the encoded event would be longer than
// limit bytes, the largest string left, the first of equals. Arguments too long
// to stand in the event become a blob as args_raw, a seal's item as item_blob.
// put stores a blob and names it; it must be durable before the event is
// appended. The same event always spills the same way.
//
// Only content is looked at: plain members (ids, names, paths) are taken to be
// short, so that most events cost no encoding. Whoever appends the entry checks
// its size in the end.
func Spill(ev *Event, limit int, put func(data []byte, media string) (Blob, error)) error {
	found, total, fixed := spillable(ev)
	for i := range found {
		if found[i].size > MaxString {
			if err := found[i].spill(put); err != nil {
				return err
			}
		}
	}
	if fixed > MaxString {
		return fmt.Errorf("%w: %d bytes of vendor JSON cannot become a blob", ErrTooLong, fixed)
	}
	const plain = 64 << 10 // more than all plain members of a reasonable event
	const escaped = 6      // bytes that a byte can take in JSON
	for i := range ev.RawParts {
		total += len(ev.RawParts[i].Inline)
	}
	if total*escaped+len(ev.Raw64)+plain <= limit {
		return nil
	}
	return spillTo(ev, limit, found, put)
}

// spillTo spills until the event fits.
func spillTo(ev *Event, limit int, found []spillPlace, put func([]byte, string) (Blob, error)) error {
	encoded, err := Encode(nil, ev)
	if err != nil {
		return err
	}
	slices.SortStableFunc(found, func(a, b spillPlace) int { return b.size - a.size })
	size := len(encoded)
	for i := range found {
		if size <= limit {
			return nil
		}
		p := &found[i]
		if p.done || p.size < 256 { // a reference is about that long
			continue
		}
		before, err := p.encodedLen()
		if err != nil {
			return err
		}
		if err := p.spill(put); err != nil {
			return err
		}
		after, err := p.encodedLen()
		if err != nil {
			return err
		}
		size += after - before
	}
	if size <= limit {
		return nil
	}
	return fmt.Errorf("%w: %s of %d bytes without its long strings, at most %d fit", ErrTooLong, ev.Data.EventType(), size, limit)
}

// spillPlace is a place of an event's data whose content can become a blob: one
// of the three.
type spillPlace struct {
	text *Text
	args *Block
	seal *Seal
	size int // bytes of the content
	done bool
}

// spillable finds the places in the order of encoding; total is the size of all
// content, fixed that of the longest vendor JSON which must stay.
func spillable(ev *Event) (found []spillPlace, total, fixed int) {
	add := func(p spillPlace) {
		found = append(found, p)
		total += p.size
	}
	v := visitor{
		text: func(t *Text) { add(spillPlace{text: t, size: len(t.Inline)}) },
		args: func(b *Block) { add(spillPlace{args: b, size: max(len(b.Args), len(b.ArgsRaw.Inline))}) },
		seal: func(s *Seal) { add(spillPlace{seal: s, size: len(s.Item)}) },
		value: func(j *jsontext.Value) {
			total += len(*j)
			fixed = max(fixed, len(*j))
		},
	}
	v.event(ev)
	return found, total, fixed
}

// spill turns the content into a blob.
func (p *spillPlace) spill(put func([]byte, string) (Blob, error)) error {
	data, media := p.content()
	p.done = true
	if data == nil {
		p.args.Args = nil // args_raw is a blob already
		return nil
	}
	blob, err := put(data, media)
	if err != nil {
		return fmt.Errorf("spill %d bytes: %w", len(data), err)
	}
	switch {
	case p.text != nil:
		*p.text = Text{Blob: &blob, Set: true}
	case p.args != nil:
		p.args.ArgsRaw, p.args.Args = Text{Blob: &blob, Set: true}, nil
	default:
		p.seal.Item, p.seal.ItemBlob = nil, &blob
	}
	return nil
}

func (p *spillPlace) content() (data []byte, media string) {
	switch {
	case p.text != nil:
		return []byte(p.text.Inline), mediaText
	case p.seal != nil:
		return p.seal.Item, mediaJSON
	case p.args.ArgsRaw.Blob != nil:
		return nil, ""
	case p.args.ArgsRaw.Set:
		return []byte(p.args.ArgsRaw.Inline), mediaText
	}
	return p.args.Args, mediaJSON
}

// encodedLen is the length of the place's members in JSON.
func (p *spillPlace) encodedLen() (int, error) {
	var b []byte
	var err error
	switch {
	case p.text != nil:
		b, err = json.Marshal(p.text, encodeOptions)
	case p.seal != nil:
		b, err = json.Marshal(p.seal, encodeOptions)
	default:
		b, err = json.Marshal(p.args, encodeOptions)
	}
	return len(b), err
}

// BlobRefs yields all blobs that an event refers to, in the order of its
// encoding; one may come twice.
func BlobRefs(ev *Event) iter.Seq[Blob] {
	return func(yield func(Blob) bool) {
		var refs []Blob
		v := visitor{blob: func(b *Blob) { refs = append(refs, *b) }}
		v.event(ev)
		v.ref(ev.RawBlob)
		for i := range ev.RawParts {
			v.ref(ev.RawParts[i].Blob)
		}
		for _, b := range refs {
			if !yield(b) {
				return
			}
		}
	}
}
