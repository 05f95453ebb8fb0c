package openai

import (
	"io"
	"maps"
	"slices"
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
	name   string

	items map[int]item // finished, by place
	names map[int]string
	end   endEvent
	first time.Duration
}

// item is a finished output item: what it says, and its bytes.
type item struct {
	raw  jsontext.Value
	head itemHead
}

type itemHead struct {
	Type    string `json:"type"`
	CallID  string `json:"call_id"`
	Name    string `json:"name"`
	Phase   string `json:"phase"`
	Content []struct {
		Type    string `json:"type"`
		Text    string `json:"text"`
		Refusal string `json:"refusal"`
	} `json:"content"`
	Summary []struct {
		Text string `json:"text"`
	} `json:"summary"`
	EncryptedContent string         `json:"encrypted_content"`
	Arguments        jsontext.Value `json:"arguments"`
	Input            string         `json:"input"`
	Namespace        string         `json:"namespace"`
}

type endEvent struct {
	ID                string           `json:"id"`
	Model             string           `json:"model"`
	Status            string           `json:"status"`
	Output            []jsontext.Value `json:"output"`
	IncompleteDetails struct {
		Reason string `json:"reason"`
	} `json:"incomplete_details"`
	Error struct {
		Code    string `json:"code"`
		Message string `json:"message"`
	} `json:"error"`
	Usage *struct {
		Input        int64 `json:"input_tokens"`
		InputDetails struct {
			Cached int64 `json:"cached_tokens"`
		} `json:"input_tokens_details"`
		Output        int64 `json:"output_tokens"`
		OutputDetails struct {
			Reasoning int64 `json:"reasoning_tokens"`
		} `json:"output_tokens_details"`
	} `json:"usage"`
}

type streamEvent struct {
	Type        string         `json:"type"`
	OutputIndex int            `json:"output_index"`
	Item        jsontext.Value `json:"item"`
	Delta       jsontext.Value `json:"delta"`
	Response    endEvent       `json:"response"`
	Code        string         `json:"code"`
	Message     string         `json:"message"`
}

// maxItems bounds the output items of one response.
const maxItems = 10_000

// event takes the next event. io.EOF: the response is complete.
func (r *reader) event(ev provider.StreamEvent) error {
	var e streamEvent
	if err := json.Unmarshal(ev.Data, &e, jsontext.AllowDuplicateNames(true)); err != nil {
		return provider.Malformed("not an event", ev.Data)
	}
	switch e.Type {
	case "response.output_item.added":
		var head itemHead
		if json.Unmarshal(e.Item, &head, jsontext.AllowDuplicateNames(true)) == nil && head.Name != "" {
			if r.names == nil {
				r.names = make(map[int]string)
			}
			r.names[e.OutputIndex] = r.req.ToolName(head.Name)
		}
	case "response.output_item.done":
		return r.done(e.OutputIndex, e.Item)
	case "response.output_text.delta", "response.refusal.delta":
		r.show(provider.DeltaText, &e)
	case "response.reasoning_summary_text.delta", "response.reasoning_text.delta":
		r.show(provider.DeltaReasoning, &e)
	case "response.function_call_arguments.delta", "response.custom_tool_call_input.delta":
		r.show(provider.DeltaToolCall, &e)
	case "response.completed", "response.incomplete":
		r.end = e.Response
		if len(r.items) == 0 {
			for i, raw := range r.end.Output {
				if err := r.done(i, raw); err != nil {
					return err
				}
			}
		}
		return io.EOF
	case "response.failed":
		return failure(e.Response.Error.Code, e.Response.Error.Message)
	case "error":
		return failure(e.Code, e.Message)
	}
	return nil
}

func failure(code, message string) *provider.Error {
	out := &provider.Error{Class: schema.ErrorServer, Message: message}
	switch code {
	case "rate_limit_exceeded":
		out.Class = schema.ErrorRateLimit
	case "context_length_exceeded":
		out.Class = schema.ErrorContextOverflow
	case "invalid_prompt", "invalid_request_error", "invalid_image":
		out.Class = schema.ErrorBadRequest
	case "insufficient_quota":
		out.Class = schema.ErrorAuth
	case "server_is_overloaded", "slow_down":
		out.Class = schema.ErrorOverloaded
	}
	if code != "" {
		out.Message += " (" + code + ")"
	}
	return out
}

func (r *reader) done(index int, raw jsontext.Value) error {
	if len(r.items) >= maxItems {
		return provider.Malformed("too many output items", nil)
	}
	it := item{raw: raw.Clone()}
	if err := json.Unmarshal(it.raw, &it.head, jsontext.AllowDuplicateNames(true)); err != nil {
		return provider.Malformed("not an output item", raw)
	}
	r.items[index] = it
	return nil
}

func (r *reader) show(kind provider.DeltaKind, e *streamEvent) {
	if r.first == 0 {
		r.first = time.Since(r.began)
	}
	if r.stream == nil {
		return
	}
	var text string
	if json.Unmarshal(e.Delta, &text) == nil {
		r.stream(provider.Delta{Kind: kind, Block: e.OutputIndex, Text: text, Tool: r.names[e.OutputIndex]})
	}
}

func (r *reader) response() *provider.Response {
	resp := &provider.Response{Model: r.end.Model, ID: r.end.ID, StopReason: r.end.Status, First: r.first}
	if r.end.IncompleteDetails.Reason != "" {
		resp.StopReason = r.end.IncompleteDetails.Reason
	}
	if u := r.end.Usage; u != nil {
		resp.Usage = &schema.Usage{
			Input: schema.Int(max(0, u.Input-u.InputDetails.Cached)), CacheRead: schema.Int(u.InputDetails.Cached),
			Output: schema.Int(u.Output), Reasoning: schema.Int(u.OutputDetails.Reasoning),
		}
	}
	for _, index := range slices.Sorted(maps.Keys(r.items)) {
		it := r.items[index]
		resp.Blocks = append(resp.Blocks, r.neutral(&it)...)
	}
	return resp
}

// neutral gives the neutral form of an item, with the provider's own where that
// must go back as it was.
func (r *reader) neutral(it *item) []schema.Block {
	h := &it.head
	switch h.Type {
	case "message":
		var out []schema.Block
		for _, c := range h.Content {
			if c.Type == "refusal" {
				out = append(out, schema.Block{Type: schema.BlockRefusal, Text: schema.String(c.Refusal), Phase: h.Phase})
				continue
			}
			out = append(out, schema.Block{Type: schema.BlockText, Text: schema.String(c.Text), Phase: h.Phase})
		}
		return out
	case "reasoning":
		out := schema.Block{Type: schema.BlockReasoning}
		for _, s := range h.Summary {
			out.Summary = append(out.Summary, schema.String(s.Text))
		}
		text := ""
		for _, c := range h.Content {
			text += c.Text
		}
		if text != "" {
			out.Text = schema.String(text)
		}
		if h.EncryptedContent != "" {
			out.Seal = r.seal(it.raw)
		}
		return []schema.Block{out}
	case "function_call":
		out := schema.Block{Type: schema.BlockToolCall, VendorID: h.CallID, Namespace: h.Namespace, Name: r.req.ToolName(h.Name), Kind: schema.CallFunction}
		var args string
		if json.Unmarshal(h.Arguments, &args) != nil {
			args = string(h.Arguments) // some servers send the object itself
		}
		out.ArgsRaw = schema.String(args)
		if v, ok := schema.VendorJSON([]byte(args)); ok && v.Kind() == '{' {
			out.Args = v
		}
		return []schema.Block{out}
	case "custom_tool_call":
		return []schema.Block{{
			Type: schema.BlockToolCall, VendorID: h.CallID, Namespace: h.Namespace, Name: r.req.ToolName(h.Name),
			Kind: schema.CallCustom, ArgsRaw: schema.String(h.Input),
		}}
	case "web_search_call", "file_search_call", "code_interpreter_call", "image_generation_call", "mcp_call":
		return []schema.Block{{Type: schema.BlockToolCall, Name: h.Type, Kind: schema.CallServer, Seal: r.seal(it.raw)}}
	}
	return []schema.Block{{Type: schema.BlockOpaque, VendorType: h.Type, Seal: r.seal(it.raw)}}
}

func (r *reader) seal(raw jsontext.Value) *schema.Seal {
	return &schema.Seal{Provider: r.name, API: API, Model: r.end.Model, Kind: schema.SealEncrypted, Item: raw}
}
