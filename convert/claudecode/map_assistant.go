package claudecode

import (
	"strconv"
	"strings"

	"github.com/ownlog/ownlog/convert"
	"github.com/ownlog/ownlog/schema"
)

// syntheticModel is the model of messages that the tool wrote itself.
const syntheticModel = "<synthetic>"

// assistantRecord is a record of type assistant, decoded.
type assistantRecord struct {
	output    schema.ModelOutput
	failed    bool // not a response but the report that there was none
	requester string
}

func (w *writer) mapAssistant() {
	r, m := w.rec, w.mapper
	a := w.readAssistant()
	if r.bad != "" {
		return
	}
	w.turn = m.turnOf(w.node.parent.ID)
	if a.failed {
		failure := w.failure(a)
		if r.bad != "" {
			return
		}
		m.failures++
		w.add(schema.ActorExecutor, failure)
		return
	}
	m.failures = 0
	w.step = m.stepOf(w.turn, a.output.ResponseID)
	at := response{w.turn, w.step}
	for i := range a.output.Blocks {
		b := &a.output.Blocks[i]
		if b.Type != schema.BlockToolCall {
			continue
		}
		c := call{response: at, index: m.indexes[at], open: b.Kind != schema.CallServer}
		m.indexes[at]++
		b.Index, b.CallKey = schema.Int(c.index), c.key()
		m.calls[b.VendorID] = append(m.calls[b.VendorID], c)
	}
	actor := schema.ActorModel
	if a.output.Synthetic {
		actor = schema.ActorExecutor
	}
	w.addAt(actor, at, &a.output)
	if a.requester != "" && !m.forked {
		if session, _ := unquote(r.members[fSessionID]); session != a.requester {
			m.forked = true
			w.add(schema.ActorExecutor, &schema.SessionForked{
				From:   &schema.ForkOrigin{VendorSession: a.requester},
				Copied: true,
			})
		}
	}
}

func (w *writer) readAssistant() *assistantRecord {
	r := w.rec
	a := &assistantRecord{
		failed:    r.flag(fIsAPIErrorMessage, "isApiErrorMessage"),
		requester: r.text(fRequestSessionID, "requestSessionId"),
	}
	message := r.object(fMessage, "message")
	if message == nil {
		r.unexpected("message")
		return a
	}
	o := &a.output
	o.RequestID = r.text(fRequestRef, "requestRef")
	o.Block = r.number(fAPIBlockIndex, "apiBlockIndex")
	o.Aborted = r.flag(fIsAbortedMidStream, "isAbortedMidStream")
	var content, usage []byte
	members := convert.MembersOf(message)
	for {
		name, value, ok := members.Next()
		if !ok {
			break
		}
		switch string(name) {
		case "id":
			o.ResponseID = r.inner(value, "message.id")
		case "model":
			o.Model = r.inner(value, "message.model")
		case "stop_reason":
			o.StopReason = r.inner(value, "message.stop_reason")
		case "content":
			content = value
		case "usage":
			usage = value
		}
	}
	if o.Synthetic = o.Model == syntheticModel; !o.Synthetic {
		o.Usage = r.usage(usage)
	}
	o.Blocks = r.blocks(content, o.Model, &w.blobs)
	return a
}

// inner decodes a string inside a member, "" if it is null.
func (r *record) inner(v []byte, name string) string {
	if kind(v) == 'n' {
		return ""
	}
	s, ok := unquote(v)
	if !ok {
		r.unexpected(name)
	}
	return s
}

// usage maps the provider's counts; input is without the cache there, too.
func (r *record) usage(v []byte) *schema.Usage {
	if kind(v) == 0 || kind(v) == 'n' {
		return nil
	}
	if kind(v) != '{' {
		r.unexpected("usage")
		return nil
	}
	u := new(schema.Usage)
	count := func(v []byte) *int64 {
		if kind(v) == 'n' {
			return nil
		}
		n, ok := integer(v)
		if !ok {
			r.unexpected("usage count")
		}
		return &n
	}
	m := convert.MembersOf(v)
	for {
		name, value, ok := m.Next()
		if !ok {
			return u
		}
		switch string(name) {
		case "input_tokens":
			u.Input = count(value)
		case "cache_read_input_tokens":
			u.CacheRead = count(value)
		case "cache_creation_input_tokens":
			u.CacheWrite = count(value)
		case "output_tokens":
			u.Output = count(value)
		case "cache_creation":
			if hour := member(value, "ephemeral_1h_input_tokens"); hour != nil {
				if n := count(hour); n != nil {
					u.CacheWrite1h = *n
				}
			}
		}
	}
}

// blocks maps the content of a response.
func (r *record) blocks(v []byte, model string, blobs *blobs) []schema.Block {
	blocks := []schema.Block{}
	switch kind(v) {
	case '"':
		text, _ := blobs.text(v)
		return append(blocks, schema.Block{Type: schema.BlockText, Text: text})
	case 0, 'n':
		return blocks
	case '[':
		list := convert.ElementsOf(v)
		for {
			element, ok := list.Next()
			if !ok {
				return blocks
			}
			if b, ok := r.block(element); ok {
				blocks = append(blocks, r.outputBlock(b, model, blobs))
			}
		}
	}
	r.unexpected("content")
	return nil
}

func (r *record) outputBlock(b contentBlock, model string, blobs *blobs) schema.Block {
	switch b.typ {
	case "text":
		text, ok := blobs.text(b.text)
		if !ok {
			r.unexpected("text")
		}
		block := schema.Block{Type: schema.BlockText, Text: text}
		if kind(b.citations) == '[' {
			block.Citations, _ = schema.VendorJSON(b.citations)
		}
		return block
	case "thinking":
		text, ok := blobs.text(b.thinking)
		if !ok {
			r.unexpected("thinking")
		}
		block := schema.Block{Type: schema.BlockReasoning, Text: text}
		if signature, _ := unquote(b.signature); signature != "" {
			block.Seal = seal(schema.SealSignature, b.raw, model, blobs)
		}
		return block
	case "redacted_thinking":
		return schema.Block{Type: schema.BlockReasoning, Seal: seal(schema.SealRedacted, b.raw, model, blobs)}
	case "tool_use":
		return r.toolCall(b, schema.CallFunction, blobs)
	case "server_tool_use", "mcp_tool_use":
		return r.toolCall(b, schema.CallServer, blobs)
	case "image":
		if blob, uri := b.sourceContent(blobs); blob != nil || uri != "" {
			return schema.Block{Type: schema.BlockImage, Blob: blob, URI: uri}
		}
	}
	item, blob := blobs.verbatim(b.raw)
	return schema.Block{Type: schema.BlockOpaque, VendorType: b.typ, Item: item, Blob: blob}
}

// seal keeps a block that the provider signed or encrypted.
func seal(kind schema.SealKind, raw []byte, model string, blobs *blobs) *schema.Seal {
	s := &schema.Seal{Provider: "anthropic", API: "messages", Model: model, Kind: kind}
	s.Item, s.ItemBlob = blobs.verbatim(raw)
	return s
}

func (r *record) toolCall(b contentBlock, how schema.CallKind, blobs *blobs) schema.Block {
	c := schema.Block{Type: schema.BlockToolCall, Kind: how}
	c.VendorID = r.inner(orNull(b.id), "tool_use.id")
	c.Name = r.inner(orNull(b.name), "tool_use.name")
	switch kind(b.input) {
	case 0:
	case '{':
		args, ok := schema.VendorJSON(b.input)
		if ok {
			c.Args = args
		} else {
			c.ArgsRaw = blobs.string(string(b.input))
		}
	case '"':
		c.ArgsRaw, _ = blobs.text(b.input)
	default:
		c.ArgsRaw = blobs.string(string(b.input))
	}
	return c
}

// failure maps the tool's report that a request had no usable answer.
func (w *writer) failure(a *assistantRecord) *schema.ModelFailed {
	r := w.rec
	f := &schema.ModelFailed{RequestID: a.output.RequestID}
	var text strings.Builder
	for i := range a.output.Blocks {
		text.WriteString(a.output.Blocks[i].Text.Inline)
	}
	if text.Len() > 0 {
		f.Message = w.blobs.string(text.String())
	}
	if status := r.number(fAPIErrorStatus, "apiErrorStatus"); status != nil {
		f.HTTPStatus = *status
	} else {
		f.HTTPStatus = statusInText(text.String())
	}
	f.Class = errorClass(f.HTTPStatus, r.text(fError, "error"), text.String())
	return f
}

// statusInText finds the HTTP status in texts such as "API Error: 529 {...}".
func statusInText(s string) int64 {
	rest, ok := strings.CutPrefix(s, "API Error: ")
	if !ok || len(rest) < 3 {
		return 0
	}
	n, err := strconv.ParseUint(rest[:3], 10, 16)
	if err != nil || n < 100 || n > 599 || len(rest) > 3 && rest[3] >= '0' && rest[3] <= '9' {
		return 0
	}
	return int64(n)
}

// errorClass judges a failure by its HTTP status, else by the tool's word for
// it; the text tells a full context from other bad requests.
func errorClass(status int64, word, text string) schema.ErrorClass {
	if strings.Contains(strings.ToLower(text), "prompt is too long") {
		return schema.ErrorContextOverflow
	}
	switch {
	case status == 429:
		return schema.ErrorRateLimit
	case status == 529 || status == 503:
		return schema.ErrorOverloaded
	case status == 401 || status == 403:
		return schema.ErrorAuth
	case status >= 500:
		return schema.ErrorServer
	case status >= 400:
		return schema.ErrorBadRequest
	}
	switch word {
	case "rate_limit":
		return schema.ErrorRateLimit
	case "overloaded":
		return schema.ErrorOverloaded
	case "authentication_failed", "oauth_org_not_allowed":
		return schema.ErrorAuth
	case "invalid_request":
		return schema.ErrorBadRequest
	case "server_error":
		return schema.ErrorServer
	}
	return schema.ErrorOther
}
