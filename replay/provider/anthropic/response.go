package anthropic

import (
	"io"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/ownlog/ownlog/replay/provider"
	"github.com/ownlog/ownlog/schema"
)

// reader makes a response of the events of a stream.
type reader struct {
	req    *provider.Request
	stream provider.Stream
	began  time.Time

	id, model, stop string
	usage           usage
	blocks          []block
	first           time.Duration
}

// block is a content block under way.
type block struct {
	start     jsontext.Value // the block as it was begun
	kind      string
	head      blockHead
	text      []byte // text, thinking or the JSON of the input
	signature []byte
	citations []jsontext.Value
	done      bool
}

type blockHead struct {
	Type     string         `json:"type"`
	ID       string         `json:"id"`
	Name     string         `json:"name"`
	Text     string         `json:"text"`
	Thinking string         `json:"thinking"`
	Input    jsontext.Value `json:"input"`
}

type usage struct {
	Input         *int64 `json:"input_tokens"`
	CacheRead     *int64 `json:"cache_read_input_tokens"`
	CacheWrite    *int64 `json:"cache_creation_input_tokens"`
	Output        *int64 `json:"output_tokens"`
	CacheCreation struct {
		OneHour int64 `json:"ephemeral_1h_input_tokens"`
	} `json:"cache_creation"`
}

type streamEvent struct {
	Type    string `json:"type"`
	Index   int    `json:"index"`
	Message struct {
		ID    string `json:"id"`
		Model string `json:"model"`
		Usage usage  `json:"usage"`
	} `json:"message"`
	ContentBlock jsontext.Value `json:"content_block"`
	Delta        struct {
		Type        string         `json:"type"`
		Text        string         `json:"text"`
		Thinking    string         `json:"thinking"`
		Signature   string         `json:"signature"`
		PartialJSON string         `json:"partial_json"`
		Citation    jsontext.Value `json:"citation"`
		StopReason  string         `json:"stop_reason"`
	} `json:"delta"`
	Usage usage `json:"usage"`
	Error struct {
		Type    string `json:"type"`
		Message string `json:"message"`
	} `json:"error"`
}

// maxBlocks bounds the content blocks of one response.
const maxBlocks = 10_000

// event takes the next event. io.EOF: the message is complete.
func (r *reader) event(ev provider.StreamEvent) error {
	var e streamEvent
	if err := json.Unmarshal(ev.Data, &e); err != nil {
		return provider.Malformed("not an event", ev.Data)
	}
	switch e.Type {
	case "message_start":
		r.id, r.model, r.usage = e.Message.ID, e.Message.Model, e.Message.Usage
	case "content_block_start":
		return r.start(&e, ev.Data)
	case "content_block_delta":
		return r.delta(&e, ev.Data)
	case "content_block_stop":
		if e.Index < 0 || e.Index >= len(r.blocks) {
			return provider.Malformed("the end of a block that was not begun", ev.Data)
		}
		r.blocks[e.Index].done = true
	case "message_delta":
		if e.Delta.StopReason != "" {
			r.stop = e.Delta.StopReason
		}
		r.usage.merge(&e.Usage)
	case "message_stop":
		if r.stop == "" {
			return provider.Malformed("the end of a message without a stop reason", ev.Data)
		}
		for i := range r.blocks {
			if !r.blocks[i].done {
				return provider.Malformed("the end of a message with a block that has none", ev.Data)
			}
		}
		return io.EOF
	case "error":
		return &provider.Error{Class: errorClass(e.Error.Type), Message: e.Error.Message}
	}
	return nil
}

func (u *usage) merge(v *usage) {
	if v.Input != nil {
		u.Input = v.Input
	}
	if v.CacheRead != nil {
		u.CacheRead = v.CacheRead
	}
	if v.CacheWrite != nil {
		u.CacheWrite = v.CacheWrite
	}
	if v.Output != nil {
		u.Output = v.Output
	}
}

func (r *reader) start(e *streamEvent, data []byte) error {
	if e.Index != len(r.blocks) || len(r.blocks) >= maxBlocks {
		return provider.Malformed("a block out of order", data)
	}
	b := block{start: e.ContentBlock.Clone()}
	if err := json.Unmarshal(b.start, &b.head, jsontext.AllowDuplicateNames(true)); err != nil {
		return provider.Malformed("not a content block", data)
	}
	b.kind = b.head.Type
	b.text = append(b.text, b.head.Text+b.head.Thinking...)
	r.blocks = append(r.blocks, b)
	return nil
}

func (r *reader) delta(e *streamEvent, data []byte) error {
	if e.Index < 0 || e.Index >= len(r.blocks) || r.blocks[e.Index].done {
		return provider.Malformed("a piece of a block that is not open", data)
	}
	b := &r.blocks[e.Index]
	if r.first == 0 {
		r.first = time.Since(r.began)
	}
	show := provider.Delta{Block: e.Index}
	switch e.Delta.Type {
	case "text_delta":
		b.text = append(b.text, e.Delta.Text...)
		show.Kind, show.Text = provider.DeltaText, e.Delta.Text
	case "thinking_delta":
		b.text = append(b.text, e.Delta.Thinking...)
		show.Kind, show.Text = provider.DeltaReasoning, e.Delta.Thinking
	case "input_json_delta":
		b.text = append(b.text, e.Delta.PartialJSON...)
		show.Kind, show.Text, show.Tool = provider.DeltaToolCall, e.Delta.PartialJSON, r.req.ToolName(b.head.Name)
	case "signature_delta":
		b.signature = append(b.signature, e.Delta.Signature...)
		return nil
	case "citations_delta":
		b.citations = append(b.citations, e.Delta.Citation.Clone())
		return nil
	default:
		return nil
	}
	if len(b.text) > provider.MaxStreamEvent {
		return provider.Malformed("a block that is too long", nil)
	}
	if r.stream != nil {
		r.stream(show)
	}
	return nil
}

func (r *reader) response() *provider.Response {
	resp := &provider.Response{
		Model: r.model, ID: r.id, StopReason: r.stop, First: r.first,
		Usage: &schema.Usage{
			Input: r.usage.Input, CacheRead: r.usage.CacheRead, CacheWrite: r.usage.CacheWrite,
			CacheWrite1h: r.usage.CacheCreation.OneHour, Output: r.usage.Output,
		},
	}
	for i := range r.blocks {
		resp.Blocks = append(resp.Blocks, r.blocks[i].neutral(r))
	}
	return resp
}

// neutral gives the block's neutral form, with the provider's own where that
// must go back as it was.
func (b *block) neutral(r *reader) schema.Block {
	switch b.kind {
	case "text":
		out := schema.Block{Type: schema.BlockText, Text: schema.String(string(b.text))}
		if len(b.citations) > 0 {
			if v, err := json.Marshal(b.citations, jsontext.PreserveRawStrings(true)); err == nil {
				if fit, ok := schema.VendorJSON(v); ok {
					out.Citations = fit
				}
			}
		}
		return out
	case "thinking":
		out := schema.Block{Type: schema.BlockReasoning, Text: schema.String(string(b.text))}
		if len(b.signature) > 0 {
			item, err := json.Marshal(thinkingItem{"thinking", string(b.text), string(b.signature)})
			if err == nil {
				out.Seal = r.seal(schema.SealSignature, item)
			}
		}
		return out
	case "redacted_thinking":
		return schema.Block{Type: schema.BlockReasoning, Seal: r.seal(schema.SealRedacted, b.start)}
	case "tool_use":
		return b.call(r, schema.CallFunction)
	case "server_tool_use":
		out := b.call(r, schema.CallServer)
		item, err := provider.MarshalBody(toolUse{"server_tool_use", b.head.ID, b.head.Name, out.Args}, len(out.Args))
		if err == nil && out.Args != nil {
			out.Seal = r.seal(schema.SealEncrypted, item)
		}
		return out
	}
	return schema.Block{Type: schema.BlockOpaque, VendorType: b.kind, Seal: r.seal(schema.SealEncrypted, b.start)}
}

// thinkingItem is a thinking block as it goes back.
type thinkingItem struct {
	Type      string `json:"type"`
	Thinking  string `json:"thinking"`
	Signature string `json:"signature"`
}

func (b *block) call(r *reader, kind schema.CallKind) schema.Block {
	out := schema.Block{Type: schema.BlockToolCall, VendorID: b.head.ID, Name: r.req.ToolName(b.head.Name), Kind: kind}
	args := jsontext.Value(b.text)
	if len(args) == 0 {
		args = b.head.Input
	}
	if len(args) == 0 {
		args = jsontext.Value("{}")
	}
	if v, ok := schema.VendorJSON(args); ok && v.Kind() == '{' {
		out.Args = v
	} else {
		out.ArgsRaw = schema.String(string(args))
	}
	return out
}

func (r *reader) seal(kind schema.SealKind, item jsontext.Value) *schema.Seal {
	return &schema.Seal{Provider: Name, API: API, Model: r.model, Kind: kind, Item: item.Clone()}
}
