package claudecode

import (
	"encoding/base64"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/ownlog/ownlog/convert"
	"github.com/ownlog/ownlog/schema"
)

// mediaJSON is the media type of vendor JSON that is too long for an entry.
const mediaJSON = "application/json"

// blobs collects the contents that go beside the log.
type blobs struct{ pending []convert.PendingBlob }

// add refers to data, which must not change until the run is stored.
func (b *blobs) add(data []byte, media string) *schema.Blob {
	blob := convert.NewBlob(data, media)
	b.pending = append(b.pending, blob)
	return &blob.Ref
}

// string makes a text that stays inline unless it is too long.
func (b *blobs) string(s string) schema.Text {
	if len(s) <= schema.MaxString {
		return schema.String(s)
	}
	return schema.Text{Blob: b.add([]byte(s), "text/plain"), Set: true}
}

// text decodes a JSON string; ok is false for any other value.
func (b *blobs) text(v []byte) (t schema.Text, ok bool) {
	s, ok := unquote(v)
	if !ok {
		return schema.Text{}, false
	}
	return b.string(s), true
}

// verbatim takes vendor JSON into an entry's data, or beside the log when it
// is too long or not I-JSON.
func (b *blobs) verbatim(v []byte) (item jsontext.Value, blob *schema.Blob) {
	if item, ok := schema.VendorJSON(v); ok {
		return item, nil
	}
	return nil, b.add(v, mediaJSON)
}

// contentBlock holds the members of an Anthropic content block that the mapping
// reads, as they stand.
type contentBlock struct {
	raw                                        []byte
	typ                                        string
	text, thinking, signature, citations       []byte
	id, name, input                            []byte
	toolUseID, content, isError, source, title []byte
}

// block takes a content block apart; what is not an object with a type is
// unexpected.
func (r *record) block(v []byte) (b contentBlock, ok bool) {
	b.raw = v
	if kind(v) != '{' {
		r.unexpected("content block")
		return b, false
	}
	var typ []byte
	m := convert.MembersOf(v)
	for {
		name, value, ok := m.Next()
		if !ok {
			break
		}
		switch string(name) {
		case "type":
			typ = value
		case "text":
			b.text = value
		case "thinking":
			b.thinking = value
		case "signature":
			b.signature = value
		case "citations":
			b.citations = value
		case "id":
			b.id = value
		case "name":
			b.name = value
		case "input":
			b.input = value
		case "tool_use_id":
			b.toolUseID = value
		case "content":
			b.content = value
		case "is_error":
			b.isError = value
		case "source":
			b.source = value
		case "title":
			b.title = value
		}
	}
	if b.typ, ok = unquote(typ); !ok {
		r.unexpected("content block type")
	}
	return b, ok
}

// parts maps a message's content, a string or a list of blocks. shape says
// which it was: "string", "list" or "" for none.
func (r *record) parts(v []byte, blobs *blobs) (parts []schema.Part, shape string) {
	switch kind(v) {
	case 0, 'n':
		return []schema.Part{}, ""
	case '"':
		text, _ := blobs.text(v)
		return []schema.Part{{Type: schema.PartText, Text: text}}, "string"
	case '[':
		parts = []schema.Part{}
		list := convert.ElementsOf(v)
		for {
			element, ok := list.Next()
			if !ok {
				return parts, "list"
			}
			if b, ok := r.block(element); ok {
				parts = append(parts, r.part(b, blobs))
			}
		}
	}
	r.unexpected("content")
	return nil, ""
}

// part maps one block of a user's message or of a tool's result.
func (r *record) part(b contentBlock, blobs *blobs) schema.Part {
	switch b.typ {
	case "text":
		text, ok := blobs.text(b.text)
		if !ok {
			r.unexpected("text")
		}
		return schema.Part{Type: schema.PartText, Text: text}
	case "image":
		if blob, uri := b.sourceContent(blobs); blob != nil || uri != "" {
			return schema.Part{Type: schema.PartImage, Blob: blob, URI: uri}
		}
	case "document":
		if blob, uri := b.sourceContent(blobs); blob != nil || uri != "" {
			name, _ := unquote(b.title)
			return schema.Part{Type: schema.PartFile, Name: name, Blob: blob, URI: uri}
		}
	}
	item, blob := blobs.verbatim(b.raw)
	return schema.Part{Type: schema.PartOpaque, VendorType: b.typ, Item: item, Blob: blob}
}

// sourceContent decodes the source of an image or a document: its bytes, or
// where they are. Nothing, if it is neither.
func (b *contentBlock) sourceContent(blobs *blobs) (blob *schema.Blob, uri string) {
	kind, _ := unquote(member(b.source, "type"))
	media, _ := unquote(member(b.source, "media_type"))
	data, isString := unquote(member(b.source, "data"))
	switch {
	case kind == "base64" && isString:
		content, err := base64.StdEncoding.Strict().DecodeString(data)
		if err != nil {
			return nil, ""
		}
		return blobs.add(content, media), ""
	case kind == "text" && isString:
		return blobs.add([]byte(data), media), ""
	case kind == "url":
		uri, _ := unquote(member(b.source, "url"))
		return nil, uri
	}
	return nil, ""
}
