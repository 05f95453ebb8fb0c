package gemini

import (
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

	id, model, stop string
	message         string // why it stopped, in words
	blocks          []schema.Block
	open            bool // the last block is a text or thought without signature, and may grow
	usage           *usage
	first           time.Duration
}

type usage struct {
	Prompt     int64 `json:"promptTokenCount"`
	Cached     int64 `json:"cachedContentTokenCount"`
	Candidates int64 `json:"candidatesTokenCount"`
	Thoughts   int64 `json:"thoughtsTokenCount"`
	ToolUse    int64 `json:"toolUsePromptTokenCount"`
}

type chunk struct {
	Candidates []struct {
		Content struct {
			Parts []jsontext.Value `json:"parts"`
		} `json:"content"`
		FinishReason  string `json:"finishReason"`
		FinishMessage string `json:"finishMessage"`
	} `json:"candidates"`
	PromptFeedback struct {
		BlockReason string `json:"blockReason"`
	} `json:"promptFeedback"`
	UsageMetadata *usage `json:"usageMetadata"`
	ModelVersion  string `json:"modelVersion"`
	ResponseID    string `json:"responseId"`
	Error         *struct {
		Code    int    `json:"code"`
		Message string `json:"message"`
	} `json:"error"`
}

type part struct {
	Text             string `json:"text"`
	Thought          bool   `json:"thought"`
	ThoughtSignature string `json:"thoughtSignature"`
	FunctionCall     *struct {
		ID   string         `json:"id"`
		Name string         `json:"name"`
		Args jsontext.Value `json:"args"`
	} `json:"functionCall"`
}

// maxParts bounds the parts of one response.
const maxParts = 10_000

// event takes the next chunk. The stream ends without a last event.
func (r *reader) event(ev provider.StreamEvent) error {
	var c chunk
	if err := json.Unmarshal(ev.Data, &c, jsontext.AllowDuplicateNames(true)); err != nil {
		return provider.Malformed("not a chunk", ev.Data)
	}
	if c.Error != nil {
		return &provider.Error{Class: provider.ClassOf(c.Error.Code), HTTPStatus: c.Error.Code, Message: c.Error.Message}
	}
	if c.ModelVersion != "" {
		r.model = c.ModelVersion
	}
	if c.ResponseID != "" {
		r.id = c.ResponseID
	}
	if c.UsageMetadata != nil {
		r.usage = c.UsageMetadata
	}
	if c.PromptFeedback.BlockReason != "" {
		r.stop = c.PromptFeedback.BlockReason
	}
	if len(c.Candidates) == 0 {
		return nil
	}
	candidate := &c.Candidates[0]
	for _, raw := range candidate.Content.Parts {
		if err := r.part(raw); err != nil {
			return err
		}
	}
	if candidate.FinishReason != "" {
		r.stop, r.message = candidate.FinishReason, candidate.FinishMessage
	}
	return nil
}

// refused turns the reasons to stop that are failures into one.
func (r *reader) refused() error {
	switch r.stop {
	case "MALFORMED_FUNCTION_CALL", "UNEXPECTED_TOOL_CALL", "MISSING_THOUGHT_SIGNATURE", "OTHER":
		return &provider.Error{Class: schema.ErrorServer, Message: "the model stopped: " + r.stop + " " + r.message}
	}
	return nil
}

func (r *reader) part(raw jsontext.Value) error {
	var p part
	if err := json.Unmarshal(raw, &p, jsontext.AllowDuplicateNames(true)); err != nil {
		return provider.Malformed("not a part", raw)
	}
	if len(r.blocks) >= maxParts {
		return provider.Malformed("too many parts", nil)
	}
	if r.first == 0 {
		r.first = time.Since(r.began)
	}
	var seal *schema.Seal
	if p.ThoughtSignature != "" {
		seal = &schema.Seal{Provider: Name, API: API, Kind: schema.SealSignature, Item: raw.Clone()}
	}
	switch {
	case p.FunctionCall != nil:
		r.open = false
		b := schema.Block{
			Type: schema.BlockToolCall, VendorID: p.FunctionCall.ID, Name: r.req.ToolName(p.FunctionCall.Name),
			Kind: schema.CallFunction, Args: p.FunctionCall.Args.Clone(), Seal: seal,
		}
		if len(b.Args) == 0 {
			b.Args = jsontext.Value("{}")
		}
		r.blocks = append(r.blocks, b)
		r.show(provider.DeltaToolCall, string(b.Args), b.Name)
	case p.Thought:
		r.grow(schema.BlockReasoning, p.Text, seal)
		r.show(provider.DeltaReasoning, p.Text, "")
	case p.Text != "" || seal != nil:
		r.grow(schema.BlockText, p.Text, seal)
		r.show(provider.DeltaText, p.Text, "")
	default:
		r.open = false
		r.blocks = append(r.blocks, schema.Block{
			Type: schema.BlockOpaque, VendorType: "part",
			Seal: &schema.Seal{Provider: Name, API: API, Kind: schema.SealSignature, Item: raw.Clone()},
		})
	}
	return nil
}

// grow adds text to the block under way. A part with a signature is a block of
// its own: it must go back as the part it was.
func (r *reader) grow(kind schema.BlockType, text string, seal *schema.Seal) {
	if n := len(r.blocks); seal == nil && r.open && r.blocks[n-1].Type == kind {
		r.blocks[n-1].Text.Inline += text
		return
	}
	r.blocks = append(r.blocks, schema.Block{Type: kind, Text: schema.String(text), Seal: seal})
	r.open = seal == nil
}

func (r *reader) show(kind provider.DeltaKind, text, tool string) {
	if r.stream != nil && text != "" {
		r.stream(provider.Delta{Kind: kind, Block: len(r.blocks) - 1, Text: text, Tool: tool})
	}
}

func (r *reader) response() *provider.Response {
	resp := &provider.Response{Model: r.model, ID: r.id, StopReason: r.stop, Blocks: r.blocks, First: r.first}
	if resp.Model == "" {
		resp.Model = r.req.Model
	}
	for i := range resp.Blocks {
		if s := resp.Blocks[i].Seal; s != nil {
			s.Model = resp.Model
		}
	}
	if u := r.usage; u != nil {
		resp.Usage = &schema.Usage{
			Input: schema.Int(max(0, u.Prompt+u.ToolUse-u.Cached)), CacheRead: schema.Int(u.Cached),
			Output: schema.Int(u.Candidates + u.Thoughts), Reasoning: schema.Int(u.Thoughts),
		}
	}
	return resp
}
