package anthropic

import (
	"context"
	"encoding/base64"
	"slices"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/ownlog/ownlog/replay/provider"
	"github.com/ownlog/ownlog/schema"
)

// maxID is the longest tool_use id the API takes, of A-Z a-z 0-9 _ -.
const maxID = 64

var dialect = provider.Dialect{
	Provider: Name, API: API, ObjectCalls: true,
	CallID:    func(id string) bool { return provider.PlainID(id, maxID) },
	NewCallID: func(key schema.CallKey, salt int) string { return provider.KeyedID("toolu_", key, salt, maxID) },
}

// body is a request, its members in the order they are sent: what changes least
// stands first.
type body struct {
	Model        string        `json:"model"`
	MaxTokens    int64         `json:"max_tokens,omitzero"`
	Stream       bool          `json:"stream"`
	CacheControl *cacheControl `json:"cache_control,omitzero"`
	Tools        []toolSpec    `json:"tools,omitzero"`
	System       []textBlock   `json:"system,omitzero"`
	Messages     []message     `json:"messages"`
}

type cacheControl struct {
	Type string `json:"type"`
}

type toolSpec struct {
	Name        string         `json:"name"`
	Description string         `json:"description,omitzero"`
	InputSchema jsontext.Value `json:"input_schema"`
}

type message struct {
	Role    string `json:"role"`
	Content []any  `json:"content"`
}

type textBlock struct {
	Type string `json:"type"`
	Text string `json:"text"`
}

type toolUse struct {
	Type  string         `json:"type"`
	ID    string         `json:"id"`
	Name  string         `json:"name"`
	Input jsontext.Value `json:"input"`
}

type toolResult struct {
	Type      string `json:"type"`
	ToolUseID string `json:"tool_use_id"`
	Content   []any  `json:"content"`
	IsError   bool   `json:"is_error,omitzero"`
}

type sourced struct {
	Type   string `json:"type"` // image or document
	Source source `json:"source"`
	Title  string `json:"title,omitzero"`
}

type source struct {
	Type      string `json:"type"` // base64 or url
	MediaType string `json:"media_type,omitzero"`
	Data      string `json:"data,omitzero"`
	URL       string `json:"url,omitzero"`
}

func text(s string) textBlock { return textBlock{"text", s} }

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
func (bodies) Dialect() provider.Dialect { return dialect }

// Frame implements [provider.API].
func (p bodies) Frame(view *provider.View, out *provider.Outline) any {
	b := body{Model: view.Model, Stream: true, Messages: []message{}}
	if asked := paramsOf(view); asked.MaxTokens <= 0 {
		b.MaxTokens = DefaultMaxTokens
	}
	if !p.noCache {
		b.CacheControl = &cacheControl{"ephemeral"}
	}
	for _, s := range out.System {
		if strings.TrimSpace(s) != "" {
			b.System = append(b.System, text(s))
		}
	}
	for _, t := range out.Tools {
		b.Tools = append(b.Tools, toolSpec{t.Name, t.Description, t.Schema})
	}
	return b
}

// NewWriter implements [provider.API].
func (bodies) NewWriter(*provider.View, *provider.Outline) provider.ListWriter {
	return &writer{losses: new(provider.Losses)}
}

// Params implements [provider.API].
func (bodies) Params(view *provider.View, list provider.ListWriter, losses *provider.Losses) []string {
	own := []string{"model", "stream", "cache_control", "tools", "system", "messages"}
	asked, w := paramsOf(view), list.(*writer)
	if asked.MaxTokens <= 0 {
		own = append(own, "max_tokens")
	}
	if asked.Thinking.Type == "enabled" && w.inLoop && !w.loopThinks {
		// The API refuses a tool loop that was begun without thinking once
		// thinking is switched on.
		own = append(own, "thinking")
		losses.Add(LossThinkingOff, 0)
	}
	return own
}

// LossThinkingOff: thinking is asked for and cannot begin within a tool loop
// that another model began.
const LossThinkingOff = "thinking-off"

type askedParams struct {
	MaxTokens int64 `json:"max_tokens"`
	Thinking  struct {
		Type string `json:"type"`
	} `json:"thinking"`
}

func paramsOf(view *provider.View) askedParams {
	var a askedParams
	m := view.Definition.Model
	if m == nil || len(m.Params) == 0 || json.Unmarshal(m.Params, &a) != nil {
		return askedParams{}
	}
	return a
}

// writer makes messages of units, merging neighbours of one role.
type writer struct {
	provider.List[message]
	losses *provider.Losses
	// inLoop: the last response of a model was answered by results, no user has
	// spoken since. loopThinks: it begins with thinking.
	inLoop, loopThinks bool
}

// Losses implements [provider.ListWriter].
func (w *writer) Losses() *provider.Losses { return w.losses }

// Fork implements [provider.ListWriter].
func (w *writer) Fork() provider.ListWriter {
	fork := *w
	fork.List = w.Copy()
	if last := fork.Last(); last != nil {
		last.Content = slices.Clip(last.Content)
	}
	return &fork
}

func (w *writer) add(role string, blocks ...any) {
	if len(blocks) == 0 {
		return
	}
	if last := w.Last(); last != nil && last.Role == role {
		last.Content = append(last.Content, blocks...)
		return
	}
	w.Add(message{role, blocks})
}

// Unit implements [provider.ListWriter].
func (w *writer) Unit(u *provider.Unit) {
	switch u.Kind {
	case provider.UnitUser:
		w.inLoop = false
		w.add("user", w.content(u.Content, u.Seq)...)
	case provider.UnitInjected:
		w.losses.Add(provider.LossSystemAsUser, u.Seq)
		content := w.content(u.Content, u.Seq)
		w.add("user", append([]any{text("[Note from the operator]")}, content...)...)
	case provider.UnitModel:
		w.model(u)
	case provider.UnitResults:
		w.inLoop = true
		w.results(u)
	}
}

func (w *writer) model(u *provider.Unit) {
	var blocks []any
	w.loopThinks = false
	// A message must not end in thinking.
	last := -1
	for i := range u.Blocks {
		if u.Blocks[i].Type != schema.BlockReasoning {
			last = i
		}
	}
	for i := range u.Blocks {
		b := &u.Blocks[i]
		switch {
		case b.Sealed != nil && i > last:
			w.losses.Add(provider.LossStaleSeal, u.Seq)
		case b.Sealed != nil:
			if b.Type == schema.BlockReasoning && len(blocks) == 0 {
				w.loopThinks = true
			}
			blocks = append(blocks, b.Sealed)
		case b.Call != nil:
			blocks = append(blocks, toolUse{"tool_use", b.Call.ID, b.Call.Name, b.Call.Object})
		case b.Type == schema.BlockReasoning:
			w.losses.CountReasoning(b, u.Seq)
		default:
			w.losses.CountText(b, u.Seq, false)
			blocks = append(blocks, text(b.Words))
		}
	}
	w.add("assistant", blocks...)
}

func (w *writer) results(u *provider.Unit) {
	var results, behind []any
	for i := range u.Results {
		r := &u.Results[i]
		block := toolResult{Type: "tool_result", ToolUseID: r.Call.ID, Content: []any{text(r.Text)}, IsError: r.Error}
		images := w.content(r.Images, r.Seq)
		if r.Error {
			for range images {
				w.losses.Add(provider.LossMovedImage, r.Seq)
			}
			behind = append(behind, images...)
		} else {
			block.Content = append(block.Content, images...)
		}
		results = append(results, block)
	}
	w.add("user", append(results, behind...)...)
}

// content makes blocks of a user's message or of the images of a result.
func (w *writer) content(content []provider.Content, seq int64) []any {
	var out []any
	for i := range content {
		c := &content[i]
		switch {
		case c.Type == schema.PartText:
			out = append(out, text(c.Text))
		case c.Type == schema.PartImage && len(c.Bytes) > 0 && imageType(c.Media):
			out = append(out, sourced{Type: "image", Source: source{Type: "base64", MediaType: c.Media, Data: base64.StdEncoding.EncodeToString(c.Bytes)}})
		case c.Type == schema.PartImage && strings.HasPrefix(c.URI, "https://"):
			out = append(out, sourced{Type: "image", Source: source{Type: "url", URL: c.URI}})
		case c.Type == schema.PartFile && c.Media == "application/pdf" && len(c.Bytes) > 0:
			out = append(out, sourced{Type: "document", Title: provider.Truncate(c.Name, 500), Source: source{Type: "base64", MediaType: c.Media, Data: base64.StdEncoding.EncodeToString(c.Bytes)}})
		default:
			note, code := c.Note()
			w.losses.Add(code, seq)
			out = append(out, text(note))
		}
	}
	return out
}

func imageType(media string) bool {
	switch media {
	case "image/jpeg", "image/png", "image/gif", "image/webp":
		return true
	}
	return false
}
