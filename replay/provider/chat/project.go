package chat

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"math/big"
	"slices"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/ownlog/ownlog/replay/provider"
	"github.com/ownlog/ownlog/schema"
)

// body is a request, its members in the order they are sent: what changes least
// stands first.
type body struct {
	Model         string         `json:"model"`
	Stream        bool           `json:"stream"`
	StreamOptions *streamOptions `json:"stream_options,omitzero"`
	Tools         []toolSpec     `json:"tools,omitzero"`
	Messages      []*message     `json:"messages"`
}

type streamOptions struct {
	IncludeUsage bool `json:"include_usage"`
}

type toolSpec struct {
	Type     string       `json:"type"`
	Function functionSpec `json:"function"`
}

type functionSpec struct {
	Name        string         `json:"name"`
	Description string         `json:"description,omitzero"`
	Parameters  jsontext.Value `json:"parameters"`
}

// message is a message; content is a string, a list of parts, or null.
type message struct {
	Role       string         `json:"role"`
	Content    any            `json:"content"`
	ToolCalls  []toolCall     `json:"tool_calls,omitzero"`
	ToolCallID string         `json:"tool_call_id,omitzero"`
	Reasoning  jsontext.Value `json:",embed"` // the fields that reasoning came in
}

type toolCall struct {
	ID       string       `json:"id"`
	Type     string       `json:"type"`
	Function functionCall `json:"function"`
}

type functionCall struct {
	Name      string `json:"name"`
	Arguments string `json:"arguments"`
}

type textPart struct {
	Type string `json:"type"`
	Text string `json:"text"`
}

type imagePart struct {
	Type     string   `json:"type"`
	ImageURL imageURL `json:"image_url"`
}

type imageURL struct {
	URL    string `json:"url"`
	Detail string `json:"detail,omitzero"`
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
func (p bodies) Dialect() provider.Dialect { return p.dialect() }

// Frame implements [provider.API].
func (p bodies) Frame(view *provider.View, out *provider.Outline) any {
	b := body{Model: view.Model, Stream: true, Messages: []*message{}}
	if !p.quirks.NoUsageOption {
		b.StreamOptions = &streamOptions{true}
	}
	for _, t := range out.Tools {
		b.Tools = append(b.Tools, toolSpec{"function", functionSpec{t.Name, t.Description, t.Schema}})
	}
	return b
}

// NewWriter implements [provider.API].
func (p bodies) NewWriter(_ *provider.View, out *provider.Outline) provider.ListWriter {
	w := &writer{losses: new(provider.Losses), quirks: &p.quirks}
	if system := strings.Join(out.System, "\n\n"); strings.TrimSpace(system) != "" {
		w.Add(&message{Role: p.quirks.SystemRole, Content: system})
	}
	return w
}

// Params implements [provider.API].
func (bodies) Params(*provider.View, provider.ListWriter, *provider.Losses) []string {
	return []string{"model", "stream", "stream_options", "tools", "messages"}
}

func (p *Provider) dialect() provider.Dialect {
	d := provider.Dialect{Provider: p.quirks.Name, API: API, ObjectCalls: p.quirks.ObjectArguments}
	if p.quirks.NineIDs {
		d.CallID = func(id string) bool { return len(id) == 9 && provider.PlainID(id, 9) && !strings.ContainsAny(id, "_-") }
		d.NewCallID = func(key schema.CallKey, salt int) string { return nineID(fmt.Sprintf("%s#%d", key, salt)) }
		return d
	}
	most := p.quirks.MaxID
	d.CallID = func(id string) bool { return provider.PlainID(id, most) }
	d.NewCallID = func(key schema.CallKey, salt int) string { return provider.KeyedID("call_", key, salt, most) }
	return d
}

// nineID makes an id of nine letters and digits.
func nineID(of string) string {
	sum := sha256.Sum256([]byte(of))
	text := new(big.Int).SetBytes(sum[:]).Text(62)
	return (text + "000000000")[:9]
}

// writer makes messages of units, merging neighbours of one role.
type writer struct {
	provider.List[*message]
	losses *provider.Losses
	quirks *Quirks
}

// Losses implements [provider.ListWriter].
func (w *writer) Losses() *provider.Losses { return w.losses }

// Fork implements [provider.ListWriter].
func (w *writer) Fork() provider.ListWriter {
	fork := *w
	fork.List = w.Copy()
	if last := fork.Last(); last != nil {
		own := **last
		if parts, ok := own.Content.([]any); ok {
			own.Content = slices.Clip(parts)
		}
		*last = &own
	}
	return &fork
}

// Unit implements [provider.ListWriter].
func (w *writer) Unit(u *provider.Unit) {
	switch u.Kind {
	case provider.UnitUser:
		w.add("user", w.content(u.Content, u.Seq))
	case provider.UnitInjected:
		w.injected(u)
	case provider.UnitModel:
		w.model(u)
	case provider.UnitResults:
		w.results(u)
	}
}

// injected adds context that came later. Only a user may show images.
func (w *writer) injected(u *provider.Unit) {
	content := w.content(u.Content, u.Seq)
	role := w.quirks.LaterSystem
	if role == "user" {
		w.losses.Add(provider.LossSystemAsUser, u.Seq)
		w.add(role, append([]any{textPart{"text", "[Note from the operator]"}}, content...))
		return
	}
	var texts, images []any
	for _, part := range content {
		if _, ok := part.(textPart); ok {
			texts = append(texts, part)
			continue
		}
		w.losses.Add(provider.LossMovedImage, u.Seq)
		images = append(images, part)
	}
	w.add(role, texts)
	w.add("user", images)
}

// add adds a message, or to the one before if that is of the same role. Content
// that is text alone is a string, which every server takes.
func (w *writer) add(role string, parts []any) {
	if len(parts) == 0 {
		return
	}
	if last := w.Last(); last != nil && (*last).Role == role && w.Len() > 1 {
		m := *last
		m.Content = simplest(append(asParts(m.Content), parts...))
		return
	}
	w.Add(&message{Role: role, Content: simplest(parts)})
}

func asParts(content any) []any {
	if s, ok := content.(string); ok {
		return []any{textPart{"text", s}}
	}
	return content.([]any)
}

func simplest(parts []any) any {
	texts := make([]string, 0, len(parts))
	for _, p := range parts {
		t, ok := p.(textPart)
		if !ok {
			return parts
		}
		texts = append(texts, t.Text)
	}
	return strings.Join(texts, "\n\n")
}

func (w *writer) model(u *provider.Unit) {
	m := &message{Role: "assistant"}
	var texts []string
	for i := range u.Blocks {
		b := &u.Blocks[i]
		switch {
		case b.Type == schema.BlockReasoning:
			w.reasoning(m, b, u.Seq)
		case b.Call != nil:
			args := b.Call.Text
			if w.quirks.ObjectArguments || b.Call.Custom || args == "" {
				args = string(b.Call.Object)
			}
			m.ToolCalls = append(m.ToolCalls, toolCall{b.Call.ID, "function", functionCall{b.Call.Name, args}})
		case b.Type == schema.BlockText || b.Type == schema.BlockRefusal:
			w.losses.CountText(b, u.Seq, false)
			texts = append(texts, b.Words)
		default:
			w.losses.Add(provider.LossOpaque, u.Seq)
		}
	}
	if len(texts) > 0 {
		m.Content = strings.Join(texts, "\n\n")
	}
	if m.Content == nil && len(m.ToolCalls) == 0 {
		return
	}
	if w.quirks.DemandReasoning && len(m.ToolCalls) > 0 && m.Reasoning == nil {
		m.Reasoning = jsontext.Value(`{"reasoning_content":""}`)
	}
	if last := w.Last(); last != nil && (*last).Role == "assistant" && len((*last).ToolCalls) == 0 && m.Reasoning == nil && (*last).Reasoning == nil {
		before := *last
		if s, ok := m.Content.(string); ok {
			before.Content = before.Content.(string) + "\n\n" + s
		}
		before.ToolCalls = m.ToolCalls
		return
	}
	w.Add(m)
}

// reasoning goes back in the field it came in, or not at all.
func (w *writer) reasoning(m *message, b *provider.ModelBlock, seq int64) {
	switch {
	case b.Sealed != nil && w.quirks.Reasoning == "back" && m.Reasoning == nil && b.Sealed.Kind() == '{':
		m.Reasoning = b.Sealed
	case b.Sealed != nil:
		// The server made it and does not want it back.
	default:
		w.losses.CountReasoning(b, seq)
	}
}

func (w *writer) results(u *provider.Unit) {
	var behind []any
	for i := range u.Results {
		r := &u.Results[i]
		if r.Error {
			w.losses.Add(provider.LossErrorFlag, r.Seq)
		}
		w.Add(&message{Role: "tool", Content: r.Text, ToolCallID: r.Call.ID})
		for _, part := range w.content(r.Images, r.Seq) {
			if len(behind) == 0 || i > 0 {
				behind = append(behind, textPart{"text", "[From the result of call " + r.Call.ID + "]"})
			}
			w.losses.Add(provider.LossMovedImage, r.Seq)
			behind = append(behind, part)
		}
	}
	if len(behind) > 0 {
		w.Add(&message{Role: "user", Content: behind})
	}
}

// content makes parts of a user's message or of the images of a result.
func (w *writer) content(content []provider.Content, seq int64) []any {
	var out []any
	for i := range content {
		c := &content[i]
		switch {
		case c.Type == schema.PartText:
			out = append(out, textPart{"text", c.Text})
		case c.Type == schema.PartImage && !w.quirks.NoImages && len(c.Bytes) > 0 && strings.HasPrefix(c.Media, "image/"):
			url := "data:" + c.Media + ";base64," + base64.StdEncoding.EncodeToString(c.Bytes)
			out = append(out, imagePart{"image_url", imageURL{url, detail(c)}})
		case c.Type == schema.PartImage && !w.quirks.NoImages && strings.HasPrefix(c.URI, "https://"):
			out = append(out, imagePart{"image_url", imageURL{c.URI, detail(c)}})
		default:
			note, code := c.Note()
			w.losses.Add(code, seq)
			out = append(out, textPart{"text", note})
		}
	}
	return out
}

// detail is how closely to look at an image; empty where the API has no word for
// it, and uses its default.
func detail(c *provider.Content) string {
	switch c.Detail {
	case "low", "high", "auto":
		return c.Detail
	}
	return ""
}
