package gemini

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

// maxID bounds call ids.
const maxID = 64

var dialect = provider.Dialect{
	Provider: Name, API: API, ObjectCalls: true,
	CallID:    func(id string) bool { return provider.PlainID(id, maxID) },
	NewCallID: func(key schema.CallKey, salt int) string { return provider.KeyedID("call_", key, salt, maxID) },
}

// body is a request, its members in the order they are sent: what changes least
// stands first.
type body struct {
	Tools             []toolSpec `json:"tools,omitzero"`
	SystemInstruction *content   `json:"systemInstruction,omitzero"`
	Contents          []content  `json:"contents"`
}

type toolSpec struct {
	FunctionDeclarations []declaration `json:"functionDeclarations"`
}

type declaration struct {
	Name        string         `json:"name"`
	Description string         `json:"description,omitzero"`
	Parameters  jsontext.Value `json:"parametersJsonSchema"`
}

type content struct {
	Role  string `json:"role,omitzero"`
	Parts []any  `json:"parts"`
}

type textPart struct {
	Text string `json:"text"`
}

type inlinePart struct {
	InlineData inlineData `json:"inlineData"`
}

type inlineData struct {
	MimeType string `json:"mimeType"`
	Data     string `json:"data"`
}

type callPart struct {
	FunctionCall     functionCall `json:"functionCall"`
	ThoughtSignature string       `json:"thoughtSignature,omitzero"`
}

type functionCall struct {
	ID   string         `json:"id,omitzero"`
	Name string         `json:"name"`
	Args jsontext.Value `json:"args"`
}

type responsePart struct {
	FunctionResponse functionResponse `json:"functionResponse"`
}

type functionResponse struct {
	ID       string   `json:"id,omitzero"`
	Name     string   `json:"name"`
	Response response `json:"response"`
	Parts    []any    `json:"parts,omitzero"`
}

type response struct {
	Output string `json:"output,omitzero"`
	Error  string `json:"error,omitzero"`
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
func (bodies) Dialect() provider.Dialect { return dialect }

// Frame implements [provider.API].
func (bodies) Frame(_ *provider.View, out *provider.Outline) any {
	b := body{Contents: []content{}}
	if system := strings.Join(out.System, "\n\n"); strings.TrimSpace(system) != "" {
		b.SystemInstruction = &content{Parts: []any{textPart{system}}}
	}
	if len(out.Tools) > 0 {
		spec := toolSpec{}
		for _, t := range out.Tools {
			spec.FunctionDeclarations = append(spec.FunctionDeclarations, declaration{t.Name, t.Description, t.Schema})
		}
		b.Tools = []toolSpec{spec}
	}
	return b
}

// NewWriter implements [provider.API].
func (p bodies) NewWriter(view *provider.View, _ *provider.Outline) provider.ListWriter {
	return &writer{losses: new(provider.Losses), generation: generation(view.Model), sentinel: !p.noSentinel}
}

// Params implements [provider.API].
func (bodies) Params(*provider.View, provider.ListWriter, *provider.Losses) []string {
	return []string{"tools", "systemInstruction", "contents"}
}

// writer makes contents of units. Contents of users merge; the results of calls
// stand alone, and parts of a model are never merged or moved.
type writer struct {
	provider.List[content]
	losses     *provider.Losses
	generation int
	sentinel   bool
	results    bool // the last content holds results
}

// Losses implements [provider.ListWriter].
func (w *writer) Losses() *provider.Losses { return w.losses }

// Fork implements [provider.ListWriter].
func (w *writer) Fork() provider.ListWriter {
	fork := *w
	fork.List = w.Copy()
	if last := fork.Last(); last != nil {
		last.Parts = slices.Clip(last.Parts)
	}
	return &fork
}

func (w *writer) user(parts []any) {
	if len(parts) == 0 {
		return
	}
	if last := w.Last(); last != nil && last.Role == "user" && !w.results {
		last.Parts = append(last.Parts, parts...)
		return
	}
	w.Add(content{"user", parts})
	w.results = false
}

// Unit implements [provider.ListWriter].
func (w *writer) Unit(u *provider.Unit) {
	switch u.Kind {
	case provider.UnitUser:
		w.user(w.content(u.Content, u.Seq))
	case provider.UnitInjected:
		w.losses.Add(provider.LossSystemAsUser, u.Seq)
		w.user(append([]any{textPart{"[Note from the operator]"}}, w.content(u.Content, u.Seq)...))
	case provider.UnitModel:
		w.model(u)
	case provider.UnitResults:
		w.answers(u)
	}
}

func (w *writer) model(u *provider.Unit) {
	var parts []any
	calls := 0
	for i := range u.Blocks {
		b := &u.Blocks[i]
		switch {
		case b.Call != nil:
			parts = append(parts, w.call(b, u.Seq, calls == 0))
			calls++
		case b.Sealed != nil:
			parts = append(parts, b.Sealed)
		case b.Type == schema.BlockReasoning:
			w.losses.CountReasoning(b, u.Seq)
		default:
			w.losses.CountText(b, u.Seq, false)
			parts = append(parts, textPart{b.Words})
		}
	}
	if len(parts) == 0 {
		return
	}
	w.results = false
	if last := w.Last(); last != nil && last.Role == "model" {
		last.Parts = append(last.Parts, parts...)
		return
	}
	w.Add(content{"model", parts})
}

// call gives a function call. A sealed one goes back as it came; its signature
// stays with it even if its id had to change. Another model's gets the sentinel
// on the first call of a step. That holds in earlier turns too, where it is not
// asked for: so the projection stays a prefix of the next.
func (w *writer) call(b *provider.ModelBlock, seq int64, first bool) any {
	if b.Sealed != nil && !b.Call.Renamed {
		return b.Sealed
	}
	part := callPart{FunctionCall: functionCall{Name: b.Call.Name, Args: b.Call.Object}}
	if w.generation >= 3 {
		part.FunctionCall.ID = b.Call.ID
	}
	if b.Sealed != nil {
		part.ThoughtSignature = signatureOf(b.Sealed)
	}
	if part.ThoughtSignature == "" && first && w.sentinel && w.generation >= 3 {
		part.ThoughtSignature = Sentinel
		w.losses.Add(provider.LossSentinelSignature, seq)
	}
	return part
}

func signatureOf(part jsontext.Value) string {
	var p struct {
		ThoughtSignature string `json:"thoughtSignature"`
	}
	if json.Unmarshal(part, &p) != nil {
		return ""
	}
	return p.ThoughtSignature
}

func (w *writer) answers(u *provider.Unit) {
	var parts, behind []any
	for i := range u.Results {
		r := &u.Results[i]
		f := functionResponse{Name: r.Call.Name}
		images, notes := apart(w.content(r.Images, r.Seq))
		text := strings.Join(append([]string{r.Text}, notes...), "\n")
		if r.Error {
			f.Response.Error = text
		} else {
			f.Response.Output = text
		}
		if w.generation >= 3 {
			f.ID, f.Parts = r.Call.ID, images
		} else {
			for range images {
				w.losses.Add(provider.LossMovedImage, r.Seq)
			}
			behind = append(behind, images...)
		}
		parts = append(parts, responsePart{f})
	}
	w.Add(content{"user", parts})
	w.results = true
	w.user(behind)
}

// apart parts what a function response takes as it is from texts, which belong in
// its output.
func apart(parts []any) (data []any, texts []string) {
	for _, p := range parts {
		if t, ok := p.(textPart); ok {
			texts = append(texts, t.Text)
		} else {
			data = append(data, p)
		}
	}
	return data, texts
}

// content makes parts of a user's message or of the images of a result.
func (w *writer) content(list []provider.Content, seq int64) []any {
	var out []any
	for i := range list {
		c := &list[i]
		switch {
		case c.Type == schema.PartText:
			out = append(out, textPart{c.Text})
		case len(c.Bytes) > 0 && inlineType(c.Media):
			out = append(out, inlinePart{inlineData{c.Media, base64.StdEncoding.EncodeToString(c.Bytes)}})
		default:
			note, code := c.Note()
			w.losses.Add(code, seq)
			out = append(out, textPart{note})
		}
	}
	return out
}

func inlineType(media string) bool {
	switch media {
	case "image/jpeg", "image/png", "image/webp", "image/heic", "image/heif", "application/pdf":
		return true
	}
	return false
}
