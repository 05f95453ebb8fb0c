package openai

import (
	"context"
	"encoding/base64"
	"slices"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/ownlog/ownlog/replay/provider"
	"github.com/ownlog/ownlog/schema"
)

// maxID is the longest call_id the API takes.
const maxID = 64

// body is a request, its members in the order they are sent: what changes least
// stands first.
type body struct {
	Model        string   `json:"model"`
	Store        bool     `json:"store"`
	Stream       bool     `json:"stream"`
	Include      []string `json:"include"`
	Tools        []any    `json:"tools,omitzero"`
	Instructions string   `json:"instructions,omitzero"`
	Input        []any    `json:"input"`
}

type functionTool struct {
	Type        string         `json:"type"`
	Name        string         `json:"name"`
	Description string         `json:"description,omitzero"`
	Parameters  jsontext.Value `json:"parameters"`
	Strict      bool           `json:"strict"`
}

type inputMessage struct {
	Type    string `json:"type"`
	Role    string `json:"role"`
	Content []any  `json:"content"`
}

// ownMessage is what the model said. Its content is the plain text: the other form,
// a list of output_text, wants the id of an item, which nothing is stored under.
type ownMessage struct {
	Type    string `json:"type"`
	Role    string `json:"role"`
	Content string `json:"content"`
	Phase   string `json:"phase,omitzero"`
}

type textPart struct {
	Type string `json:"type"` // input_text
	Text string `json:"text"`
}

type imagePart struct {
	Type     string `json:"type"`
	ImageURL string `json:"image_url"`
	Detail   string `json:"detail"`
}

type filePart struct {
	Type     string `json:"type"`
	Filename string `json:"filename"`
	FileData string `json:"file_data"`
}

// functionCall carries no id: with store:false an id promises the reasoning
// item before it, which may not be there.
type functionCall struct {
	Type      string `json:"type"`
	CallID    string `json:"call_id"`
	Name      string `json:"name"`
	Arguments string `json:"arguments"`
}

type customCall struct {
	Type   string `json:"type"`
	CallID string `json:"call_id"`
	Name   string `json:"name"`
	Input  string `json:"input"`
}

type callOutput struct {
	Type   string `json:"type"`
	CallID string `json:"call_id"`
	Output any    `json:"output"` // a string or a list of parts
}

// Project implements [provider.Provider].
func (p *Provider) Project(ctx context.Context, view *provider.View) (*provider.Request, error) {
	return provider.Project(ctx, bodies{p}, view)
}

// NewProjector implements [provider.Incremental].
func (p *Provider) NewProjector() provider.Projector {
	return provider.NewListProjector(bodies{p}, &p.frames)
}

// bodies implements [provider.API].
type bodies struct{ *Provider }

// Dialect implements [provider.API].
func (p bodies) Dialect() provider.Dialect {
	return provider.Dialect{
		Provider: p.name, API: API,
		CallID:    func(id string) bool { return provider.PlainID(id, maxID) },
		NewCallID: func(key schema.CallKey, salt int) string { return provider.KeyedID("call_", key, salt, maxID) },
	}
}

// Frame implements [provider.API].
func (bodies) Frame(view *provider.View, out *provider.Outline) any {
	b := body{
		Model: view.Model, Stream: true, Include: []string{"reasoning.encrypted_content"},
		Instructions: strings.Join(out.System, "\n\n"), Input: []any{},
	}
	for i := range out.Tools {
		b.Tools = append(b.Tools, tool(&out.Tools[i]))
	}
	return b
}

// NewWriter implements [provider.API].
func (bodies) NewWriter(_ *provider.View, out *provider.Outline) provider.ListWriter {
	w := &writer{losses: new(provider.Losses), custom: make(map[string]bool), customCalls: make(map[string]bool)}
	for i := range out.Tools {
		if t := &out.Tools[i]; custom(t) {
			w.custom[t.Name] = true
		}
	}
	return w
}

// Params implements [provider.API].
func (bodies) Params(*provider.View, provider.ListWriter, *provider.Losses) []string {
	return []string{"model", "store", "stream", "include", "tools", "instructions", "input"}
}

// writer makes items of units.
type writer struct {
	provider.List[any]
	losses *provider.Losses
	// custom are the tools declared with free-form input; customCalls the ids
	// of the calls that were written so.
	custom, customCalls map[string]bool
}

// Losses implements [provider.ListWriter].
func (w *writer) Losses() *provider.Losses { return w.losses }

// Fork implements [provider.ListWriter].
func (w *writer) Fork() provider.ListWriter {
	fork := *w
	fork.List = w.Copy()
	if last := fork.Last(); last != nil {
		if m, ok := (*last).(*inputMessage); ok {
			own := *m
			own.Content = slices.Clip(own.Content)
			*last = &own
		}
	}
	return &fork
}

// custom reports whether a tool is declared with free-form input.
func custom(t *provider.ToolDeclaration) bool {
	return t.Own != nil && t.Own.VendorType == "custom" && t.Own.Item.Kind() == '{' && t.Name == t.Own.Name
}

func tool(t *provider.ToolDeclaration) any {
	if custom(t) {
		return t.Own.Item
	}
	return functionTool{"function", t.Name, t.Description, t.Schema, false}
}

// Unit implements [provider.ListWriter].
func (w *writer) Unit(u *provider.Unit) {
	switch u.Kind {
	case provider.UnitUser:
		w.message("user", w.content(u.Content, u.Seq))
	case provider.UnitInjected:
		role := "developer"
		if u.Role == schema.RoleSystem {
			role = "system"
		}
		w.message(role, w.content(u.Content, u.Seq))
	case provider.UnitModel:
		w.model(u)
	case provider.UnitResults:
		for i := range u.Results {
			w.result(&u.Results[i])
		}
	}
}

// message adds a message, or to the one before if that is of the same role.
func (w *writer) message(role string, content []any) {
	if len(content) == 0 {
		return
	}
	if last := w.Last(); last != nil {
		if m, ok := (*last).(*inputMessage); ok && m.Role == role {
			m.Content = append(m.Content, content...)
			return
		}
	}
	w.Add(&inputMessage{Type: "message", Role: role, Content: content})
}

func (w *writer) model(u *provider.Unit) {
	// A reasoning item must be followed by an item of its response.
	last := -1
	for i := range u.Blocks {
		if u.Blocks[i].Type != schema.BlockReasoning {
			last = i
		}
	}
	for i := range u.Blocks {
		b := &u.Blocks[i]
		switch {
		case b.Type == schema.BlockReasoning:
			w.reasoning(b, u.Seq, i < last)
		case b.Call != nil:
			w.call(b.Call)
		case b.Sealed != nil:
			w.Add(b.Sealed)
		default:
			w.losses.CountText(b, u.Seq, true)
			w.Add(ownMessage{"message", "assistant", b.Words, b.Phase})
		}
	}
}

func (w *writer) reasoning(b *provider.ModelBlock, seq int64, followed bool) {
	switch {
	case b.Sealed != nil && followed:
		w.Add(b.Sealed)
	case b.Sealed != nil:
		w.losses.Add(provider.LossStaleSeal, seq)
	default:
		w.losses.CountReasoning(b, seq)
	}
}

func (w *writer) call(c *provider.OutlineCall) {
	if w.custom[c.Name] {
		w.customCalls[c.ID] = true
		w.Add(customCall{"custom_tool_call", c.ID, c.Name, c.Text})
		return
	}
	args := c.Text
	if c.Custom || args == "" {
		args = string(c.Object)
	}
	w.Add(functionCall{"function_call", c.ID, c.Name, args})
}

func (w *writer) result(r *provider.CallResult) {
	out := callOutput{Type: "function_call_output", CallID: r.Call.ID, Output: r.Text}
	if w.customCalls[r.Call.ID] {
		out.Type = "custom_tool_call_output"
	}
	if r.Error {
		w.losses.Add(provider.LossErrorFlag, r.Seq)
	}
	if images := w.content(r.Images, r.Seq); len(images) > 0 {
		out.Output = append([]any{textPart{"input_text", r.Text}}, images...)
	}
	w.Add(out)
}

// content makes parts of a user's message or of the images of a result.
func (w *writer) content(content []provider.Content, seq int64) []any {
	var out []any
	for i := range content {
		c := &content[i]
		switch {
		case c.Type == schema.PartText:
			out = append(out, textPart{"input_text", c.Text})
		case c.Type == schema.PartImage && len(c.Bytes) > 0 && strings.HasPrefix(c.Media, "image/"):
			out = append(out, imagePart{"input_image", dataURL(c), detail(c)})
		case c.Type == schema.PartImage && strings.HasPrefix(c.URI, "https://"):
			out = append(out, imagePart{"input_image", c.URI, detail(c)})
		case c.Type == schema.PartFile && c.Media == "application/pdf" && len(c.Bytes) > 0:
			name := c.Name
			if name == "" {
				name = "file.pdf"
			}
			out = append(out, filePart{"input_file", name, dataURL(c)})
		default:
			note, code := c.Note()
			w.losses.Add(code, seq)
			out = append(out, textPart{"input_text", note})
		}
	}
	return out
}

// detail is how closely to look at an image. The API has no default for it.
func detail(c *provider.Content) string {
	switch c.Detail {
	case "low", "high", "original":
		return c.Detail
	}
	return "auto"
}

func dataURL(c *provider.Content) string {
	return "data:" + c.Media + ";base64," + base64.StdEncoding.EncodeToString(c.Bytes)
}
