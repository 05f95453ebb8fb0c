package schema

import (
	"bytes"
	"strconv"
	"unicode/utf8"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// appendEvent appends an event as package json writes it. The envelope and the
// data that make up nearly all of a log are written by hand, in a third of the
// time; a test compares both ways. All other data goes through package json.
func appendEvent(dst []byte, ev *Event) ([]byte, error) {
	e := encoder{b: dst}
	e.begin()
	e.integer(`"v":`, int64(ev.V))
	e.text(`"type":`, string(ev.Type))
	e.optional(`"time":`, ev.Time)
	e.name(`"actor":`)
	e.begin()
	e.text(`"kind":`, string(ev.Actor.Kind))
	e.optional(`"id":`, ev.Actor.ID)
	e.end()
	e.positive(`"turn":`, ev.Turn)
	e.positive(`"step":`, ev.Step)
	e.optional(`"id":`, ev.ID)
	switch {
	case ev.Parent.ID != "" && ev.Parent.Known:
		e.text(`"parent":`, ev.Parent.ID)
	case ev.Parent.Known:
		e.name(`"parent":`)
		e.b = append(e.b, "null"...)
	}
	e.flag(`"side":`, ev.Side)
	e.positive(`"epoch":`, ev.Epoch)
	e.flag(`"crit":`, ev.Crit)
	if ev.Causes != nil {
		e.name(`"causes":`)
		e.other(ev.Causes)
	}
	if ev.Source != nil {
		e.name(`"source":`)
		e.source(ev.Source)
	}
	e.name(`"data":`)
	e.data(ev.Data)
	e.optional(`"raw64":`, ev.Raw64)
	e.blob(`"rawblob":`, ev.RawBlob)
	e.texts(`"rawparts":`, ev.RawParts)
	e.end()
	return e.b, e.err
}

// encoder appends JSON. The names that its methods are given are spelled with
// their quotes and the colon.
type encoder struct {
	b   []byte
	err error // the first
}

func (e *encoder) begin() { e.b = append(e.b, '{') }
func (e *encoder) end()   { e.b = append(e.b, '}') }

// comma separates what follows from the value before it, if there is one.
func (e *encoder) comma() {
	if last := e.b[len(e.b)-1]; last != '{' && last != '[' {
		e.b = append(e.b, ',')
	}
}

func (e *encoder) name(name string) {
	e.comma()
	e.b = append(e.b, name...)
}

func (e *encoder) integer(name string, n int64) {
	e.name(name)
	e.b = strconv.AppendInt(e.b, n, 10)
}

// positive is integer for members that are left out when 0.
func (e *encoder) positive(name string, n int64) {
	if n != 0 {
		e.integer(name, n)
	}
}

// pointer is integer for members that may be absent.
func (e *encoder) pointer(name string, n *int64) {
	if n != nil {
		e.integer(name, *n)
	}
}

func (e *encoder) flag(name string, set bool) {
	if set {
		e.name(name)
		e.b = append(e.b, "true"...)
	}
}

func (e *encoder) text(name, s string) {
	e.name(name)
	e.b = appendQuoted(e.b, s)
}

// optional is text for members that are left out when empty.
func (e *encoder) optional(name, s string) {
	if s != "" {
		e.text(name, s)
	}
}

// other encodes a value as package json does.
func (e *encoder) other(v any) {
	buf := bytes.NewBuffer(e.b)
	err := json.MarshalWrite(buf, v, encodeOptions)
	e.b = buf.Bytes()
	e.fail(err)
}

func (e *encoder) fail(err error) {
	if e.err == nil {
		e.err = err
	}
}

// value appends vendor JSON without whitespace outside its strings.
func (e *encoder) value(name string, v jsontext.Value) {
	if v == nil {
		return
	}
	e.name(name)
	var err error
	e.b, err = jsontext.AppendFormat(e.b, v, encodeOptions)
	e.fail(err)
}

func (e *encoder) source(s *Source) {
	e.begin()
	e.text(`"vendor":`, s.Vendor)
	e.positive(`"line":`, s.Line)
	if s.Row != nil {
		e.name(`"row":`)
		e.begin()
		e.text(`"table":`, s.Row.Table)
		e.text(`"id":`, s.Row.ID)
		e.end()
	}
	e.positive(`"rev":`, s.Rev)
	e.positive(`"part":`, s.Part)
	if s.Sep != nil {
		e.text(`"sep":`, *s.Sep)
	}
	e.optional(`"sep64":`, s.Sep64)
	e.end()
}

func (e *encoder) data(data Data) {
	switch d := data.(type) {
	case *UserMessage:
		e.userMessage(d)
	case *SystemMessage:
		e.systemMessage(d)
	case *ModelOutput:
		e.modelOutput(d)
	case *ToolResult:
		e.toolResult(d)
	case *ModelRequested:
		e.modelRequested(d)
	case *ToolStarted:
		e.toolStarted(d)
	case *VendorRecord:
		e.begin()
		e.optional(`"kind":`, d.Kind)
		e.optional(`"finding":`, d.Finding)
		e.flag(`"damaged":`, d.Damaged)
		e.end()
	default:
		e.other(data)
	}
}

func (e *encoder) userMessage(d *UserMessage) {
	e.begin()
	e.optional(`"message_id":`, d.MessageID)
	e.parts(`"content":`, d.Content)
	e.optional(`"origin":`, string(d.Origin))
	e.optional(`"item_id":`, d.ItemID)
	e.optional(`"agent":`, d.Agent)
	if d.Model != nil {
		e.name(`"model":`)
		e.other(d.Model)
	}
	e.optional(`"from":`, d.From)
	e.optional(`"to":`, d.To)
	e.texts(`"rendered":`, d.Rendered)
	e.flag(`"synthetic":`, d.Synthetic)
	e.end()
}

func (e *encoder) systemMessage(d *SystemMessage) {
	e.begin()
	e.text(`"role":`, string(d.Role))
	e.optional(`"kind":`, d.Kind)
	e.parts(`"content":`, d.Content)
	e.optional(`"placement":`, string(d.Placement))
	e.texts(`"rendered_alone":`, d.RenderedAlone)
	e.optional(`"item_id":`, d.ItemID)
	e.end()
}

func (e *encoder) modelRequested(d *ModelRequested) {
	e.begin()
	e.text(`"request_id":`, d.RequestID)
	e.integer(`"attempt":`, d.Attempt)
	e.optional(`"provider":`, d.Provider)
	e.optional(`"api":`, d.API)
	e.optional(`"model":`, d.Model)
	e.optional(`"request_sha256":`, d.RequestSHA256)
	e.optional(`"vendor_digest":`, d.VendorDigest)
	e.optional(`"projection":`, d.Projection)
	if d.Losses != nil {
		e.name(`"losses":`)
		e.other(d.Losses)
	}
	e.value(`"params":`, d.Params)
	e.end()
}

func (e *encoder) toolStarted(d *ToolStarted) {
	e.begin()
	e.text(`"call_key":`, string(d.CallKey))
	e.positive(`"attempt":`, d.Attempt)
	e.optional(`"token":`, d.Token)
	e.optional(`"effect":`, string(d.Effect))
	e.optional(`"idempotency_key":`, d.IdempotencyKey)
	e.flag(`"detached":`, d.Detached)
	e.end()
}

func (e *encoder) modelOutput(d *ModelOutput) {
	e.begin()
	e.optional(`"message_id":`, d.MessageID)
	e.optional(`"item_id":`, d.ItemID)
	e.optional(`"response_id":`, d.ResponseID)
	e.optional(`"request_id":`, d.RequestID)
	e.optional(`"provider":`, d.Provider)
	e.optional(`"api":`, d.API)
	e.optional(`"model":`, d.Model)
	e.optional(`"stop_reason":`, d.StopReason)
	e.pointer(`"block":`, d.Block)
	e.name(`"blocks":`)
	e.b = append(e.b, '[')
	for i := range d.Blocks {
		e.comma()
		e.block(&d.Blocks[i])
	}
	e.b = append(e.b, ']')
	if d.Usage != nil {
		e.name(`"usage":`)
		e.usage(d.Usage)
	}
	e.pointer(`"cost_nusd":`, d.CostNUSD)
	e.pointer(`"latency_us":`, d.LatencyUS)
	e.pointer(`"first_us":`, d.FirstUS)
	e.flag(`"synthetic":`, d.Synthetic)
	e.flag(`"aborted":`, d.Aborted)
	e.flag(`"summary":`, d.Summary)
	e.flag(`"unfinished":`, d.Unfinished)
	e.end()
}

func (e *encoder) usage(u *Usage) {
	e.begin()
	e.pointer(`"input":`, u.Input)
	e.pointer(`"cache_read":`, u.CacheRead)
	e.pointer(`"cache_write":`, u.CacheWrite)
	e.positive(`"cache_write_1h":`, u.CacheWrite1h)
	e.pointer(`"output":`, u.Output)
	e.pointer(`"reasoning":`, u.Reasoning)
	e.end()
}

func (e *encoder) block(b *Block) {
	e.begin()
	e.text(`"type":`, string(b.Type))
	e.pointer(`"index":`, b.Index)
	e.optional(`"call_key":`, string(b.CallKey))
	e.optional(`"vendor_id":`, b.VendorID)
	e.optional(`"namespace":`, b.Namespace)
	e.optional(`"name":`, b.Name)
	e.optional(`"kind":`, string(b.Kind))
	e.content(`"args_raw":`, b.ArgsRaw)
	e.value(`"args":`, b.Args)
	e.content(`"text":`, b.Text)
	e.optional(`"phase":`, b.Phase)
	e.value(`"citations":`, b.Citations)
	e.texts(`"summary":`, b.Summary)
	e.blob(`"blob":`, b.Blob)
	e.optional(`"uri":`, b.URI)
	e.optional(`"vendor_type":`, b.VendorType)
	e.value(`"item":`, b.Item)
	if b.Seal != nil {
		e.name(`"seal":`)
		e.seal(b.Seal)
	}
	e.end()
}

func (e *encoder) seal(s *Seal) {
	e.begin()
	e.optional(`"provider":`, s.Provider)
	e.optional(`"api":`, s.API)
	e.optional(`"model":`, s.Model)
	e.optional(`"org":`, s.Org)
	e.text(`"kind":`, string(s.Kind))
	e.value(`"item":`, s.Item)
	e.blob(`"item_blob":`, s.ItemBlob)
	e.end()
}

func (e *encoder) toolResult(d *ToolResult) {
	e.begin()
	e.text(`"call_key":`, string(d.CallKey))
	e.optional(`"vendor_id":`, d.VendorID)
	e.positive(`"attempt":`, d.Attempt)
	e.optional(`"token":`, d.Token)
	e.text(`"status":`, string(d.Status))
	if d.Content != nil {
		e.parts(`"content":`, d.Content)
	}
	e.optional(`"shape":`, d.Shape)
	e.pointer(`"exit_code":`, d.ExitCode)
	e.pointer(`"duration_us":`, d.DurationUS)
	e.value(`"structured":`, d.Structured)
	e.optional(`"full":`, d.Full)
	e.flag(`"cleared":`, d.Cleared)
	e.flag(`"nested":`, d.Nested)
	e.flag(`"inferred":`, d.Inferred)
	e.end()
}

func (e *encoder) parts(name string, parts []Part) {
	e.name(name)
	e.b = append(e.b, '[')
	for i := range parts {
		e.comma()
		e.part(&parts[i])
	}
	e.b = append(e.b, ']')
}

func (e *encoder) part(p *Part) {
	e.begin()
	e.text(`"type":`, string(p.Type))
	e.content(`"text":`, p.Text)
	e.optional(`"name":`, p.Name)
	e.blob(`"blob":`, p.Blob)
	e.optional(`"uri":`, p.URI)
	e.optional(`"detail":`, p.Detail)
	if p.Sent != nil {
		e.name(`"sent":`)
		e.b = strconv.AppendBool(e.b, *p.Sent)
	}
	e.optional(`"vendor_type":`, p.VendorType)
	e.value(`"item":`, p.Item)
	e.end()
}

// texts appends a list that is left out when there is none.
func (e *encoder) texts(name string, texts []Text) {
	if texts == nil {
		return
	}
	e.name(name)
	e.b = append(e.b, '[')
	for _, t := range texts {
		e.comma()
		e.inline(t)
	}
	e.b = append(e.b, ']')
}

// content appends a text that is left out when it is absent.
func (e *encoder) content(name string, t Text) {
	if !t.IsZero() {
		e.name(name)
		e.inline(t)
	}
}

func (e *encoder) inline(t Text) {
	if t.Blob != nil {
		e.reference(t.Blob)
		return
	}
	e.b = appendQuoted(e.b, t.Inline)
}

func (e *encoder) blob(name string, b *Blob) {
	if b != nil {
		e.name(name)
		e.reference(b)
	}
}

func (e *encoder) reference(b *Blob) {
	e.begin()
	e.text(`"blob":`, b.Digest)
	e.integer(`"size":`, b.Size)
	e.optional(`"media":`, b.Media)
	e.end()
}

const (
	ones  = 0x0101010101010101
	highs = 0x8080808080808080
)

// appendQuoted appends a JSON string with as few escapes as possible (RFC 8785,
// section 3.2.2.2). What is not UTF-8 becomes U+FFFD.
func appendQuoted(dst []byte, s string) []byte {
	dst = append(dst, '"')
	for len(s) > 0 {
		n := plain(s)
		dst = append(dst, s[:n]...)
		if s = s[n:]; s == "" {
			break
		}
		if s[0] < utf8.RuneSelf {
			dst = appendEscaped(dst, s[0])
			s = s[1:]
			continue
		}
		r, n := utf8.DecodeRuneInString(s)
		if r == utf8.RuneError && n == 1 {
			dst = append(dst, "\ufffd"...)
		} else {
			dst = append(dst, s[:n]...)
		}
		s = s[n:]
	}
	return append(dst, '"')
}

// plain returns how many bytes at the beginning of s are ASCII that needs no
// escape, eight at a time as long as that goes.
func plain(s string) int {
	p := 0
	for ; len(s)-p >= 8; p += 8 {
		w := s[p : p+8]
		v := uint64(w[0]) | uint64(w[1])<<8 | uint64(w[2])<<16 | uint64(w[3])<<24 |
			uint64(w[4])<<32 | uint64(w[5])<<40 | uint64(w[6])<<48 | uint64(w[7])<<56
		quote, slash := v^(ones*'"'), v^(ones*'\\')
		if (v|(v-ones*0x20)|(quote-ones)|(slash-ones))&highs != 0 {
			break
		}
	}
	for p < len(s) && isPlain(s[p]) {
		p++
	}
	return p
}

func isPlain(c byte) bool { return c >= 0x20 && c < utf8.RuneSelf && c != '"' && c != '\\' }

// appendEscaped appends an ASCII character that may need an escape.
func appendEscaped(dst []byte, c byte) []byte {
	const digits = "0123456789abcdef"
	switch c {
	case '"', '\\':
		return append(dst, '\\', c)
	case '\b':
		return append(dst, '\\', 'b')
	case '\f':
		return append(dst, '\\', 'f')
	case '\n':
		return append(dst, '\\', 'n')
	case '\r':
		return append(dst, '\\', 'r')
	case '\t':
		return append(dst, '\\', 't')
	}
	if c < 0x20 {
		return append(dst, '\\', 'u', '0', '0', digits[c>>4], digits[c&15])
	}
	return append(dst, c)
}
