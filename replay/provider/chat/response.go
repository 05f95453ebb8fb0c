package chat

import (
	"bytes"
	"io"
	"math"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/ownlog/ownlog/replay/provider"
	"github.com/ownlog/ownlog/schema"
)

// reader makes a response of the chunks of a stream.
type reader struct {
	req    *provider.Request
	stream provider.Stream
	began  time.Time
	name   string

	id, model, stop string
	text, refusal   []byte
	reasoning       []byte
	field           string // that reasoning came in
	calls           []call
	usage           *usage
	first           time.Duration
}

type call struct {
	id, name string
	args     []byte
}

type usage struct {
	Prompt        int64 `json:"prompt_tokens"`
	Completion    int64 `json:"completion_tokens"`
	PromptDetails struct {
		Cached int64 `json:"cached_tokens"`
	} `json:"prompt_tokens_details"`
	CacheHit          int64 `json:"prompt_cache_hit_tokens"` // DeepSeek
	CompletionDetails struct {
		Reasoning int64 `json:"reasoning_tokens"`
	} `json:"completion_tokens_details"`
	Cost *float64 `json:"cost"` // OpenRouter, in USD
}

// costNUSD is the cost in 10^-9 USD, nil if the server states none that can be.
func (u *usage) costNUSD() *int64 {
	if u.Cost == nil || !(*u.Cost >= 0 && *u.Cost < 1e6) {
		return nil
	}
	return schema.Int(int64(math.Round(*u.Cost * 1e9)))
}

type chunk struct {
	ID      string `json:"id"`
	Model   string `json:"model"`
	Choices []struct {
		Index int `json:"index"`
		Delta struct {
			Content          string `json:"content"`
			Refusal          string `json:"refusal"`
			ReasoningContent string `json:"reasoning_content"`
			Reasoning        string `json:"reasoning"`
			ReasoningText    string `json:"reasoning_text"`
			ToolCalls        []struct {
				Index    *int   `json:"index"`
				ID       string `json:"id"`
				Function struct {
					Name      string         `json:"name"`
					Arguments jsontext.Value `json:"arguments"`
				} `json:"function"`
			} `json:"tool_calls"`
		} `json:"delta"`
		FinishReason string `json:"finish_reason"`
	} `json:"choices"`
	Usage *usage         `json:"usage"`
	Error jsontext.Value `json:"error"`
}

// maxCalls bounds the tool calls of one response.
const maxCalls = 1_000

// event takes the next chunk. io.EOF: the response is complete.
func (r *reader) event(ev provider.StreamEvent) error {
	if bytes.Equal(bytes.TrimSpace(ev.Data), []byte("[DONE]")) {
		if r.stop == "" {
			return provider.Malformed("the end without a finish reason", ev.Data)
		}
		return io.EOF
	}
	var c chunk
	if err := json.Unmarshal(ev.Data, &c, jsontext.AllowDuplicateNames(true)); err != nil {
		return provider.Malformed("not a chunk", ev.Data)
	}
	if len(c.Error) > 0 && c.Error.Kind() != 'n' {
		return streamError(c.Error)
	}
	if c.ID != "" {
		r.id = c.ID
	}
	if c.Model != "" {
		r.model = c.Model
	}
	if c.Usage != nil {
		r.usage = c.Usage
	}
	for i := range c.Choices {
		choice := &c.Choices[i]
		if choice.Index != 0 {
			continue
		}
		d := &choice.Delta
		r.say(&r.text, provider.DeltaText, 0, d.Content)
		r.say(&r.refusal, provider.DeltaText, 0, d.Refusal)
		for _, piece := range []struct{ field, text string }{
			{"reasoning_content", d.ReasoningContent}, {"reasoning", d.Reasoning}, {"reasoning_text", d.ReasoningText},
		} {
			if piece.text != "" && (r.field == "" || r.field == piece.field) {
				r.field = piece.field
				r.say(&r.reasoning, provider.DeltaReasoning, 0, piece.text)
			}
		}
		for j := range d.ToolCalls {
			t := &d.ToolCalls[j]
			if err := r.call(t.Index, t.ID, t.Function.Name, t.Function.Arguments, ev.Data); err != nil {
				return err
			}
		}
		if choice.FinishReason != "" {
			r.stop = choice.FinishReason
		}
	}
	return nil
}

func streamError(v jsontext.Value) *provider.Error {
	var e struct {
		Message string `json:"message"`
		Type    string `json:"type"`
		Code    any    `json:"code"`
	}
	if json.Unmarshal(v, &e) != nil {
		return &provider.Error{Class: schema.ErrorServer, Message: provider.Truncate(string(v), 500)}
	}
	out := &provider.Error{Class: schema.ErrorServer, Message: e.Message}
	if status, ok := e.Code.(float64); ok {
		out.Class = provider.ClassOf(int(status))
	}
	return out
}

func (r *reader) say(to *[]byte, kind provider.DeltaKind, block int, text string) {
	if text == "" {
		return
	}
	if r.first == 0 {
		r.first = time.Since(r.began)
	}
	*to = append(*to, text...)
	if r.stream != nil {
		r.stream(provider.Delta{Kind: kind, Block: block, Text: text})
	}
}

// call takes a piece of a tool call. Servers differ: some give no index, some
// give every call the same one.
func (r *reader) call(index *int, id, name string, args jsontext.Value, data []byte) error {
	at := len(r.calls) - 1
	if index != nil {
		at = *index
	}
	if at < 0 || id != "" && at < len(r.calls) && r.calls[at].id != "" && r.calls[at].id != id {
		at = len(r.calls)
	}
	if at > len(r.calls) || at >= maxCalls {
		return provider.Malformed("a tool call out of order", data)
	}
	if at == len(r.calls) {
		r.calls = append(r.calls, call{})
	}
	c := &r.calls[at]
	if id != "" {
		c.id = id
	}
	if name != "" && c.name == "" {
		c.name = name
	}
	var text string
	switch args.Kind() {
	case '"':
		if json.Unmarshal(args, &text) != nil {
			return provider.Malformed("arguments of a tool call", data)
		}
	case '{':
		text = string(args) // some servers send the object itself
	}
	if len(c.args)+len(text) > provider.MaxStreamEvent {
		return provider.Malformed("arguments that are too long", nil)
	}
	c.args = append(c.args, text...)
	if r.first == 0 {
		r.first = time.Since(r.began)
	}
	if r.stream != nil {
		r.stream(provider.Delta{Kind: provider.DeltaToolCall, Block: 1 + at, Text: text, Tool: r.req.ToolName(c.name)})
	}
	return nil
}

func (r *reader) response() *provider.Response {
	resp := &provider.Response{Model: r.model, ID: r.id, StopReason: r.stop, First: r.first}
	if resp.Model == "" {
		resp.Model = r.req.Model
	}
	if u := r.usage; u != nil {
		cached := max(u.PromptDetails.Cached, u.CacheHit)
		resp.Usage = &schema.Usage{
			Input: schema.Int(max(0, u.Prompt-cached)), CacheRead: schema.Int(cached),
			Output: schema.Int(u.Completion), Reasoning: schema.Int(u.CompletionDetails.Reasoning),
		}
		resp.CostNUSD = u.costNUSD()
	}
	if len(r.reasoning) > 0 {
		resp.Blocks = append(resp.Blocks, r.reasoningBlock())
	}
	if len(r.text) > 0 {
		resp.Blocks = append(resp.Blocks, schema.Block{Type: schema.BlockText, Text: schema.String(string(r.text))})
	}
	if len(r.refusal) > 0 {
		resp.Blocks = append(resp.Blocks, schema.Block{Type: schema.BlockRefusal, Text: schema.String(string(r.refusal))})
	}
	for i := range r.calls {
		c := &r.calls[i]
		b := schema.Block{
			Type: schema.BlockToolCall, VendorID: c.id, Name: r.req.ToolName(c.name), Kind: schema.CallFunction,
			ArgsRaw: schema.String(string(c.args)),
		}
		args := c.args
		if len(args) == 0 {
			args = []byte("{}")
		}
		if v, ok := schema.VendorJSON(args); ok && v.Kind() == '{' {
			b.Args = v
		}
		resp.Blocks = append(resp.Blocks, b)
	}
	return resp
}

// reasoningBlock keeps reasoning with the field it came in, which it goes back
// in.
func (r *reader) reasoningBlock() schema.Block {
	b := schema.Block{Type: schema.BlockReasoning, Text: schema.String(string(r.reasoning))}
	item, err := json.Marshal(map[string]string{r.field: string(r.reasoning)}, jsontext.AllowInvalidUTF8(true))
	if err == nil {
		b.Seal = &schema.Seal{Provider: r.name, API: API, Model: r.model, Kind: schema.SealSignature, Item: item}
	}
	return b
}
