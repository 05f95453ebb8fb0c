// Package scripted is a provider that answers from a script or a recording,
// offline. Which step answers depends on the request alone, never on what was
// asked before, so a session goes on after any crash.
package scripted

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/ownlog/ownlog/replay/provider"
	"github.com/ownlog/ownlog/schema"
)

// The name of the provider and of its api, as they are recorded.
const (
	Name = "scripted"
	API  = "scripted"
)

// projection is the version of the projection rules.
const projection = "scripted-1"

// Step is one scripted response.
type Step struct {
	// Expect, if not empty, must occur in the last message of the request.
	Expect string `json:"expect,omitzero"`
	// Failures come first, one for each attempt.
	Failures []Failure `json:"failures,omitzero"`
	// Blocks are the response; of a tool call its name and args (or args_raw)
	// suffice.
	Blocks     []schema.Block `json:"blocks"`
	StopReason string         `json:"stop_reason,omitzero"`
	Usage      *schema.Usage  `json:"usage,omitzero"`
	// DelayMS is how long the response takes, in milliseconds.
	DelayMS int64 `json:"delay_ms,omitzero"`
}

// Failure is a scripted failure.
type Failure struct {
	Class        schema.ErrorClass `json:"class"`
	HTTPStatus   int               `json:"http_status,omitzero"`
	RetryAfterMS int64             `json:"retry_after_ms,omitzero"`
	Message      string            `json:"message,omitzero"`
}

// Say is a step that is one text.
func Say(text string) Step {
	return Step{Blocks: []schema.Block{{Type: schema.BlockText, Text: schema.String(text)}}, StopReason: "end_turn"}
}

// Call is a step that says text, if not empty, and calls a tool.
func Call(text, tool, args string) Step {
	s := Step{StopReason: "tool_use"}
	if text != "" {
		s.Blocks = append(s.Blocks, schema.Block{Type: schema.BlockText, Text: schema.String(text)})
	}
	s.Blocks = append(s.Blocks, schema.Block{
		Type: schema.BlockToolCall, Name: tool, Kind: schema.CallFunction, Args: jsontext.Value(args),
	})
	return s
}

// Provider answers from a script. It implements [provider.Provider].
type Provider struct {
	steps []Step
	own   bool // count only the responses of this provider
}

// New returns a provider that answers the n-th request of a session to it with
// the n-th step, whatever other models have said in it before.
func New(steps ...Step) *Provider { return &Provider{steps: steps, own: true} }

// Recording returns a provider that answers with the responses of a recorded
// conversation: after n responses of a model with the next one.
func Recording(view []schema.Message) *Provider {
	p := new(Provider)
	for _, m := range view {
		if m.Role == schema.RoleModel {
			p.steps = append(p.steps, Step{Blocks: m.Blocks, StopReason: m.StopReason, Usage: m.Usage})
		}
	}
	return p
}

// Parse reads a script: {"steps":[...]} with the members of [Step].
func Parse(b []byte) (*Provider, error) {
	var script struct {
		Steps []Step `json:"steps"`
	}
	if err := json.Unmarshal(b, &script, json.RejectUnknownMembers(true)); err != nil {
		return nil, fmt.Errorf("script: %w", err)
	}
	return New(script.Steps...), nil
}

// Describe implements [provider.Provider].
func (p *Provider) Describe() provider.Description {
	return provider.Description{Provider: Name, API: API, Projection: projection}
}

// body is what a request says, in the order it is written.
type body struct {
	Model    string    `json:"model"`
	System   []string  `json:"system,omitzero"`
	Tools    []string  `json:"tools,omitzero"`
	Messages []message `json:"messages"`
	Step     int       `json:"step"`
}

type message struct {
	Role   schema.Role    `json:"role"`
	Blocks []schema.Block `json:"blocks,omitzero"`
	Parts  []schema.Part  `json:"parts,omitzero"`
	Call   schema.CallKey `json:"call,omitzero"`
	Status schema.Status  `json:"status,omitzero"`
}

// Project implements [provider.Provider]: the neutral messages as they are.
func (p *Provider) Project(_ context.Context, view *provider.View) (*provider.Request, error) {
	b := body{Model: view.Model, System: view.Definition.System, Messages: []message{}}
	for _, t := range view.Definition.Tools {
		b.Tools = append(b.Tools, t.Name)
	}
	for i := range view.Messages {
		m := &view.Messages[i]
		out := message{Role: m.Role, Blocks: m.Blocks, Parts: m.Content}
		if m.Result != nil {
			out.Call, out.Status, out.Parts = m.Result.CallKey, m.Result.Status, m.Result.Content
		}
		if m.Role == schema.RoleModel && (!p.own || m.Provider == Name) {
			b.Step++
		}
		b.Messages = append(b.Messages, out)
	}
	raw, err := json.Marshal(b, json.Deterministic(true), jsontext.AllowInvalidUTF8(true), jsontext.AllowDuplicateNames(true))
	if err != nil {
		return nil, fmt.Errorf("scripted: %w", err)
	}
	return &provider.Request{Body: raw, Model: view.Model}, nil
}

// Send implements [provider.Provider].
func (p *Provider) Send(ctx context.Context, req *provider.Request, stream provider.Stream) (*provider.Response, error) {
	var b body
	if err := json.Unmarshal(req.Body, &b); err != nil {
		return nil, &provider.Error{Class: schema.ErrorBadRequest, Message: err.Error(), Err: err}
	}
	if b.Step >= len(p.steps) {
		return nil, &provider.Error{Class: schema.ErrorOther, Message: fmt.Sprintf("the script is over: it has %d steps", len(p.steps))}
	}
	step := &p.steps[b.Step]
	if step.Expect != "" && !strings.Contains(lastText(b.Messages), step.Expect) {
		return nil, &provider.Error{Class: schema.ErrorBadRequest, Message: fmt.Sprintf("step %d expects %q in the last message", b.Step, step.Expect)}
	}
	if n := int(req.Attempt); n >= 1 && n <= len(step.Failures) {
		f := step.Failures[n-1]
		return nil, &provider.Error{
			Class: f.Class, HTTPStatus: f.HTTPStatus, Message: f.Message, RetryAfter: time.Duration(f.RetryAfterMS) * time.Millisecond,
		}
	}
	if step.DelayMS > 0 {
		t := time.NewTimer(time.Duration(step.DelayMS) * time.Millisecond)
		defer t.Stop()
		select {
		case <-ctx.Done():
			return nil, provider.AsError(ctx, context.Cause(ctx))
		case <-t.C:
		}
	}
	return step.response(b.Step, req, stream), nil
}

// response makes the answer of a step. It shares no block with the script.
func (s *Step) response(n int, req *provider.Request, stream provider.Stream) *provider.Response {
	resp := &provider.Response{
		Model: req.Model, ID: fmt.Sprintf("scripted-%d", n), StopReason: s.StopReason, Usage: s.Usage,
		Latency: time.Duration(s.DelayMS) * time.Millisecond,
	}
	for i, b := range s.Blocks {
		if b.Type == schema.BlockToolCall {
			b.Index, b.CallKey = nil, ""
			if b.VendorID == "" {
				b.VendorID = fmt.Sprintf("call_%d_%d", n, i)
			}
		}
		resp.Blocks = append(resp.Blocks, b)
		if stream == nil {
			continue
		}
		switch b.Type {
		case schema.BlockText, schema.BlockRefusal:
			stream(provider.Delta{Kind: provider.DeltaText, Block: i, Text: b.Text.Inline})
		case schema.BlockReasoning:
			stream(provider.Delta{Kind: provider.DeltaReasoning, Block: i, Text: b.Text.Inline})
		case schema.BlockToolCall:
			stream(provider.Delta{Kind: provider.DeltaToolCall, Block: i, Tool: b.Name, Text: string(b.Args)})
		}
	}
	return resp
}

func lastText(messages []message) string {
	if len(messages) == 0 {
		return ""
	}
	var text strings.Builder
	for _, part := range messages[len(messages)-1].Parts {
		text.WriteString(part.Text.Inline)
	}
	return text.String()
}
