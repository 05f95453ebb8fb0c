package codex

import (
	"encoding/base64"
	"net/http"
	"strings"

	"github.com/ownlog/ownlog/schema"
)

// parts reads the content of a message or an output.
func (r *record) parts(list value) (out []schema.Part, finding string) {
	out = []schema.Part{}
	elements(list, func(_ int, v value) bool {
		o := &r.m.scratch
		o.parse(v)
		var p schema.Part
		if p, finding = r.part(o, v); finding != "" {
			return false
		}
		out = append(out, p)
		return true
	})
	return out, finding
}

// part reads one part that was taken apart into o.
func (r *record) part(o *object, v value) (p schema.Part, finding string) {
	kind := o.mustStr("type")
	switch kind {
	case "input_text", "output_text", "text":
		p = schema.Part{Type: schema.PartText, Text: r.text(o.mustStr("text"))}
	case "input_image":
		p = r.image(o, v)
	default:
		p = r.opaque(kind, v)
	}
	if f := o.finding(); f != "" {
		return p, "content: " + f
	}
	return p, ""
}

// blocks reads the content of a message of the model.
func (r *record) blocks(list value, phase string) (out []schema.Block, finding string) {
	out = []schema.Block{}
	elements(list, func(_ int, v value) bool {
		o := &r.m.scratch
		o.parse(v)
		var p schema.Part
		if p, finding = r.part(o, v); finding != "" {
			return false
		}
		b := schema.Block{Phase: phase, Text: p.Text, Blob: p.Blob, URI: p.URI, VendorType: p.VendorType, Item: p.Item}
		switch p.Type {
		case schema.PartText:
			b.Type = schema.BlockText
			if notes := o.list("annotations"); len(notes) > len("[]") {
				b.Citations = vendorJSON(notes)
			}
		case schema.PartImage:
			b.Type = schema.BlockImage
		default:
			b.Type = schema.BlockOpaque
		}
		out = append(out, b)
		return true
	})
	return out, finding
}

// image reads an image: a data URI becomes a blob of the decoded bytes.
func (r *record) image(o *object, v value) schema.Part {
	url := o.str("image_url")
	p := schema.Part{Type: schema.PartImage, Detail: o.str("detail")}
	if !strings.HasPrefix(url, "data:") {
		if url == "" {
			return r.opaque("input_image", v)
		}
		p.URI = url
		return p
	}
	media, encoded, _ := strings.Cut(url[len("data:"):], ",")
	media, isBase64 := strings.CutSuffix(media, ";base64")
	data, ok := decodeBase64(encoded)
	if !isBase64 || !ok {
		r.found("unreadable-image")
		return r.opaque("input_image", v)
	}
	if !isImage(data) {
		r.found("unreadable-image")
	}
	p.Blob = r.blob(data, media)
	return p
}

// opaque keeps what has no neutral form as it stands; what does not fit into an
// event becomes a blob.
func (r *record) opaque(kind string, item []byte) schema.Part {
	p := schema.Part{Type: schema.PartOpaque, VendorType: kind}
	if p.Item = vendorJSON(item); p.Item == nil {
		p.Blob = r.blob(item, "application/json")
	}
	return p
}

// decodeBase64 reads standard base64, padded or not.
func decodeBase64(s string) ([]byte, bool) {
	data, err := base64.StdEncoding.DecodeString(s)
	if err != nil {
		data, err = base64.RawStdEncoding.DecodeString(s)
	}
	return data, err == nil
}

// imageMedia guesses the media type of image data that comes without one.
func imageMedia(data []byte) string {
	if t := http.DetectContentType(data); strings.HasPrefix(t, "image/") {
		return t
	}
	return "application/octet-stream"
}
