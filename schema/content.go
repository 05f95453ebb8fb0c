package schema

import (
	"errors"
	"fmt"
	"strconv"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// MaxString is the longest string, in bytes of UTF-8, that stays in an event's
// data; longer ones become blobs.
const MaxString = 262_144

// Blob refers to content kept beside the logs under its SHA-256.
type Blob struct {
	Digest string `json:"blob"` // `sha256:` and 64 lower-case hexadecimal digits
	Size   int64  `json:"size"` // bytes
	Media  string `json:"media,omitzero"`
}

// Text is a string that may have become a blob because of its length. The zero
// Text is absent; an empty string that is there has Set.
type Text struct {
	Inline string
	Blob   *Blob
	Set    bool
}

// String makes a Text of a string that is there, even if it is empty.
func String(s string) Text { return Text{Inline: s, Set: true} }

// IsZero reports whether there is no text at all.
func (t Text) IsZero() bool { return !t.Set && t.Blob == nil }

// MarshalJSONTo writes a string or a blob reference.
func (t Text) MarshalJSONTo(enc *jsontext.Encoder) error {
	if t.Blob != nil {
		return json.MarshalEncode(enc, t.Blob)
	}
	return enc.WriteToken(jsontext.String(t.Inline))
}

// UnmarshalJSONFrom reads a string or a blob reference.
func (t *Text) UnmarshalJSONFrom(dec *jsontext.Decoder) error {
	switch dec.PeekKind() {
	case '"':
		tok, err := dec.ReadToken()
		if err != nil {
			return err
		}
		*t = String(tok.String())
		return nil
	case '{':
		var b Blob
		if err := json.UnmarshalDecode(dec, &b); err != nil {
			return err
		}
		*t = Text{Blob: &b, Set: true}
		return nil
	}
	return errors.New("text: want a string or a blob reference")
}

// RawPart is one piece of a record that was taken apart because it holds long
// base64: a piece of text, or a blob whose standard, padded base64 stands there.
type RawPart = Text

// Part is one piece of a user's, the system's or a tool's message.
type Part struct {
	Type PartType `json:"type"`
	Text Text     `json:"text,omitzero"`
	Name string   `json:"name,omitzero"`
	Blob *Blob    `json:"blob,omitzero"` // content of an image or file
	URI  string   `json:"uri,omitzero"`  // where content stands that the log does not hold
	// Detail is how closely the model is asked to look at an image.
	Detail string `json:"detail,omitzero"`
	// Sent is false for content that the vendor never sends to the model.
	Sent *bool `json:"sent,omitzero"`
	// VendorType and Item carry, in an opaque part, what has no neutral form.
	VendorType string         `json:"vendor_type,omitzero"`
	Item       jsontext.Value `json:"item,omitzero"`
}

// PartType is the kind of a [Part].
type PartType string

// The kinds of parts.
const (
	PartText   PartType = "text"
	PartImage  PartType = "image"
	PartFile   PartType = "file"
	PartOpaque PartType = "opaque"
)

// TextPart makes a text part.
func TextPart(s string) Part { return Part{Type: PartText, Text: String(s)} }

// Block is one piece of a model's response.
type Block struct {
	Type BlockType `json:"type"`
	// Of tool calls.
	Index     *int64         `json:"index,omitzero"`    // position among the calls of the response, from 0
	CallKey   CallKey        `json:"call_key,omitzero"` // identity of the call in the log
	VendorID  string         `json:"vendor_id,omitzero"`
	Namespace string         `json:"namespace,omitzero"`
	Name      string         `json:"name,omitzero"`
	Kind      CallKind       `json:"kind,omitzero"`
	ArgsRaw   Text           `json:"args_raw,omitzero"` // as the model wrote it, when that is a string or not an object
	Args      jsontext.Value `json:"args,omitzero"`     // a JSON object
	// Of text, reasoning and refusals.
	Text      Text           `json:"text,omitzero"`
	Phase     string         `json:"phase,omitzero"`
	Citations jsontext.Value `json:"citations,omitzero"`
	Summary   []Text         `json:"summary,omitzero"`
	// Of images and files.
	Blob *Blob  `json:"blob,omitzero"`
	URI  string `json:"uri,omitzero"`
	// Of opaque blocks and calls without a neutral form.
	VendorType string         `json:"vendor_type,omitzero"`
	Item       jsontext.Value `json:"item,omitzero"`
	// Seal is the provider's own signed or encrypted form of the block.
	Seal *Seal `json:"seal,omitzero"`
}

// BlockType is the kind of a [Block].
type BlockType string

// The kinds of blocks.
const (
	BlockText      BlockType = "text"
	BlockReasoning BlockType = "reasoning"
	BlockToolCall  BlockType = "tool_call"
	BlockImage     BlockType = "image"
	BlockFile      BlockType = "file"
	BlockRefusal   BlockType = "refusal"
	BlockOpaque    BlockType = "opaque"
)

// CallKind is how a tool is called.
type CallKind string

// The kinds of calls.
const (
	CallFunction CallKind = "function" // arguments are a JSON object
	CallCustom   CallKind = "custom"   // free-form input
	CallShell    CallKind = "local_shell"
	CallServer   CallKind = "server" // run by the provider; never open
)

// Seal is a block in the provider's own bytes, resent unchanged to the same
// provider, api and model, and to nobody else. It binds to all that stands
// before it.
type Seal struct {
	Provider string         `json:"provider,omitzero"`
	API      string         `json:"api,omitzero"`
	Model    string         `json:"model,omitzero"`
	Org      string         `json:"org,omitzero"`
	Kind     SealKind       `json:"kind"`
	Item     jsontext.Value `json:"item,omitzero"`
	ItemBlob *Blob          `json:"item_blob,omitzero"` // instead of Item, when that is too long
}

// SealKind is what makes a [Seal] the provider's.
type SealKind string

// The kinds of seals.
const (
	SealSignature SealKind = "signature"
	SealEncrypted SealKind = "encrypted"
	SealRedacted  SealKind = "redacted"
)

// Usage counts the tokens of one model response. Nil: the source does not say.
type Usage struct {
	Input        *int64 `json:"input,omitzero"` // without what came from or went to the cache
	CacheRead    *int64 `json:"cache_read,omitzero"`
	CacheWrite   *int64 `json:"cache_write,omitzero"`
	CacheWrite1h int64  `json:"cache_write_1h,omitzero"` // the part of CacheWrite kept for an hour
	Output       *int64 `json:"output,omitzero"`         // reasoning included
	Reasoning    *int64 `json:"reasoning,omitzero"`
}

// Int makes a pointer of a number, for members that may be absent.
func Int(n int64) *int64 { return &n }

// CallKey identifies a tool call in a log: `turn/step/index`, or
// `turn/step/index.n` for work nested in a call. Vendors' call ids repeat, even
// inside one response; call keys never do.
type CallKey string

// NewCallKey makes the key of the index-th call (from 0) of a response.
func NewCallKey(turn, step, index int64) CallKey {
	b := strconv.AppendInt(nil, turn, 10)
	b = strconv.AppendInt(append(b, '/'), step, 10)
	b = strconv.AppendInt(append(b, '/'), index, 10)
	return CallKey(b)
}

// Nested makes the key of the n-th piece of work (from 0) inside the call.
func (k CallKey) Nested(n int64) CallKey {
	return CallKey(strconv.AppendInt(append([]byte(k), '.'), n, 10))
}

// At makes a pointer (RFC 6901) into the vendor's record of the run, which
// stands in for JSON too big to say twice: {"at":"/toolUseResult"}.
func At(pointer string) jsontext.Value {
	b, err := json.Marshal(struct {
		At string `json:"at"`
	}{pointer}, jsontext.AllowInvalidUTF8(true))
	if err != nil {
		panic(fmt.Sprintf("a string is always JSON: %v", err)) // unreachable
	}
	return b
}

// VendorJSON makes a vendor's JSON value fit to stand in an event's data:
// whitespace outside strings goes, member order and the spelling of strings and
// numbers stay. ok is false if the value is not I-JSON, is nested too deeply, or
// is too long; then say args_raw, or point at it.
func VendorJSON(v []byte) (compact jsontext.Value, ok bool) {
	if len(v) > MaxString {
		return nil, false
	}
	// The library checks, but goes over the value twice for it to be compact, which
	// what tools write is already.
	if !jsontext.Value(v).IsValid() {
		return nil, false
	}
	spaced, ok := inside(v)
	if !ok {
		return nil, false
	}
	out := jsontext.Value(v).Clone()
	if spaced {
		if err := out.Compact(jsontext.PreserveRawStrings(true)); err != nil {
			return nil, false
		}
	}
	return out, true
}

// Outer returns the key of the call that nested work belongs to, and any other
// key as it is.
func (k CallKey) Outer() CallKey {
	for i := len(k) - 1; i >= 0 && k[i] != '/'; i-- {
		if k[i] == '.' {
			return k[:i]
		}
	}
	return k
}
