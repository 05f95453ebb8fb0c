package codex

import (
	"cmp"
	"fmt"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/ownlog/ownlog/schema"
)

// outItem is a response item; which members it has depends on its type.
type outItem struct {
	Type      string         `json:"type"`
	Role      string         `json:"role,omitzero"`
	Content   []outPart      `json:"content,omitzero"`
	Phase     string         `json:"phase,omitzero"`
	Name      string         `json:"name,omitzero"`
	Namespace string         `json:"namespace,omitzero"`
	Arguments *string        `json:"arguments,omitzero"`
	Input     *string        `json:"input,omitzero"`
	CallID    string         `json:"call_id,omitzero"`
	Output    jsontext.Value `json:"output,omitzero"`
}

type outPart struct {
	Type     string  `json:"type"`
	Text     *string `json:"text,omitzero"`
	ImageURL string  `json:"image_url,omitzero"`
	Detail   string  `json:"detail,omitzero"`
}

// shownMessage is what is shown of a message in a paginated rollout.
type shownMessage struct {
	Type    string      `json:"type"`
	ID      string      `json:"id"`
	Content []shownPart `json:"content"`
	Phase   string      `json:"phase,omitzero"`
}

type shownPart struct {
	Type         string    `json:"type"`
	Text         string    `json:"text"`
	TextElements *[]string `json:"text_elements,omitzero"`
}

// shownCall is what is shown of a tool call in a paginated rollout.
type shownCall struct {
	Type         string         `json:"type"`
	ID           string         `json:"id"`
	Tool         string         `json:"tool"`
	Arguments    jsontext.Value `json:"arguments"`
	Status       string         `json:"status"`
	Success      bool           `json:"success"`
	ContentItems []shownPart    `json:"content_items"`
}

// message writes a user's message or injected context.
func (w *rolloutWriter) message(m schema.Message) error {
	content := m.Content
	switch {
	case len(m.Rendered) > 0:
		content = textParts(m.Rendered)
	case len(m.RenderedAlone) > 0:
		content = textParts(m.RenderedAlone)
	}
	item, err := w.ownItem(m, content)
	if err != nil {
		return err
	}
	if item != nil {
		if err := w.enterTurn(m); err != nil {
			return err
		}
		return w.line("response_item", item, nil)
	}
	parts, texts, err := w.parts(m, content)
	if err != nil || len(parts) == 0 {
		return err
	}
	if err := w.enterTurn(m); err != nil {
		return err
	}
	role := w.role(m)
	if role == "" {
		w.lose(codeSystemRole, m)
		return nil
	}
	if err := w.line("response_item", outItem{Type: "message", Role: role, Content: parts}, nil); err != nil {
		return err
	}
	if m.Injected || m.Summary || role != "user" {
		return nil
	}
	return w.showUser(texts)
}

// role is the role of a message in the rollout, empty for one that the CLI never
// sends. Context that another vendor's tool put in speaks with a developer's voice.
func (w *rolloutWriter) role(m schema.Message) string {
	switch {
	case !m.Injected && m.Role == schema.RoleUser:
		return "user"
	case w.survey.from != Name:
		if m.Injected {
			w.change(codeInjected, m)
		}
		return "developer"
	case m.Role == schema.RoleSystem:
		return ""
	}
	return string(m.Role)
}

func textParts(texts []schema.Text) (out []schema.Part) {
	for _, t := range texts {
		out = append(out, schema.Part{Type: schema.PartText, Text: t})
	}
	return out
}

// ownItem returns what of a Codex session is an item of a type of its own: tools
// and settings that travel in the history, and messages between agents, whose
// encrypted parts only their own provider can read. Nil: it is a plain message.
func (w *rolloutWriter) ownItem(m schema.Message, content []schema.Part) (jsontext.Value, error) {
	if w.survey.from != Name || len(content) == 0 {
		return nil, nil
	}
	switch content[0].VendorType {
	case "additional_tools", "configuration_update":
		return content[0].Item, nil
	}
	if m.Origin != schema.OriginAgent || m.From == "" || m.To == "" || w.provider != w.survey.provider {
		return nil, nil
	}
	out := fmt.Appendf(nil, `{"type":"agent_message","author":%s,"recipient":%s,"content":[`, quote(m.From), quote(m.To))
	for i := range content {
		p := &content[i]
		v := p.Item
		switch {
		case p.Type == schema.PartText:
			text, err := loadText(w.ctx, w.req.Store, p.Text)
			if err != nil {
				return nil, err
			}
			v = jsontext.Value(textPart(text))
		case p.VendorType != "encrypted_content" || v == nil:
			w.lose(codeOpaque, m)
			continue
		}
		if out[len(out)-1] != '[' {
			out = append(out, ',')
		}
		out = append(out, v...)
	}
	return append(out, "]}"...), nil
}

// showUser tells what is shown of a message of the user.
func (w *rolloutWriter) showUser(texts []string) error {
	text := cmp.Or(strings.Join(texts, "\n"), "[image]")
	w.previewed = true
	if !w.paginated {
		return w.event(outEvent{Type: "user_message", Message: text})
	}
	return w.completed(shownMessage{Type: "UserMessage", ID: w.itemID(), Content: []shownPart{{Type: "text", Text: text, TextElements: &[]string{}}}})
}

// parts writes parts as a message's content; texts are its texts.
func (w *rolloutWriter) parts(m schema.Message, content []schema.Part) (out []outPart, texts []string, err error) {
	for i := range content {
		p := &content[i]
		if p.Sent != nil && !*p.Sent {
			continue
		}
		part, err := w.part(m, p)
		if err != nil {
			return nil, nil, err
		}
		if part == nil {
			continue
		}
		if part.Text != nil {
			texts = append(texts, *part.Text)
		}
		out = append(out, *part)
	}
	return out, texts, nil
}

// part writes one part, nil if nothing is left of it.
func (w *rolloutWriter) part(m schema.Message, p *schema.Part) (*outPart, error) {
	switch p.Type {
	case schema.PartText:
		text, err := loadText(w.ctx, w.req.Store, p.Text)
		if err != nil || text == "" {
			return nil, err
		}
		return inputText(text), nil
	case schema.PartImage:
		return w.image(m, p)
	case schema.PartFile:
		if p.Blob != nil && strings.HasPrefix(p.Blob.Media, "text/") {
			b, err := loadBlob(w.ctx, w.req.Store, p.Blob)
			if err != nil {
				return nil, err
			}
			w.change(codeFile, m)
			return inputText(string(b)), nil
		}
		w.lose(codeFile, m)
		return inputText(fmt.Sprintf("[The file %s was left out.]", strconv.Quote(cmp.Or(p.Name, p.URI)))), nil
	}
	w.lose(codeOpaque, m)
	return nil, nil
}

func inputText(text string) *outPart { return &outPart{Type: "input_text", Text: &text} }

func (w *rolloutWriter) image(m schema.Message, p *schema.Part) (*outPart, error) {
	switch {
	case p.Blob != nil && strings.HasPrefix(p.Blob.Media, "image/"):
		url, err := w.dataURI(p.Blob)
		return &outPart{Type: "input_image", ImageURL: url, Detail: p.Detail}, err
	case p.Blob == nil && (strings.HasPrefix(p.URI, "https://") || strings.HasPrefix(p.URI, "http://")):
		return &outPart{Type: "input_image", ImageURL: p.URI, Detail: p.Detail}, nil
	}
	w.lose(codeImage, m)
	return inputText("[An image that cannot be shown here was left out.]"), nil
}

// response writes a model's response, an item a block.
func (w *rolloutWriter) response(m schema.Message) error {
	if m.Synthetic {
		w.lose(codeSynthetic, m)
		return nil
	}
	if err := w.enterTurn(m); err != nil {
		return err
	}
	w.current = &pendingCalls{results: make(map[schema.CallKey]*schema.Message)}
	for i := range m.Blocks {
		if err := w.block(m, &m.Blocks[i]); err != nil {
			return err
		}
	}
	return nil
}

// block writes one block, if it has a form in a rollout.
func (w *rolloutWriter) block(m schema.Message, b *schema.Block) error {
	switch b.Type {
	case schema.BlockText, schema.BlockRefusal:
		return w.words(m, b)
	case schema.BlockReasoning:
		return w.sealed(m, b, codeUnsealedReasoning)
	case schema.BlockToolCall:
		return w.call(m, b)
	case schema.BlockImage:
		w.lose(codeImage, m)
	case schema.BlockFile:
		w.lose(codeFile, m)
	default:
		if b.Seal != nil {
			return w.sealed(m, b, codeOpaque)
		}
		w.lose(codeOpaque, m)
	}
	return nil
}

// words writes what the model says.
func (w *rolloutWriter) words(m schema.Message, b *schema.Block) error {
	text, err := loadText(w.ctx, w.req.Store, b.Text)
	if err != nil || text == "" {
		return err
	}
	if b.Type == schema.BlockRefusal {
		w.change(codeRefusal, m)
	}
	if b.Citations != nil {
		w.lose(codeCitations, m)
	}
	item := outItem{Type: "message", Role: "assistant", Content: []outPart{{Type: "output_text", Text: &text}}, Phase: phase(b.Phase)}
	if err := w.line("response_item", item, nil); err != nil {
		return err
	}
	w.lastWords = text
	if !w.paginated {
		return w.event(outEvent{Type: "agent_message", Message: text})
	}
	return w.completed(shownMessage{Type: "AgentMessage", ID: w.itemID(), Content: []shownPart{{Type: "Text", Text: text}}, Phase: item.Phase})
}

// phase keeps the phases that the CLI knows.
func phase(p string) string {
	switch p {
	case "commentary", "partial_answer", "final_answer":
		return p
	}
	return ""
}

// sealed gives a provider's own item back to that provider alone: to others it
// is refused.
func (w *rolloutWriter) sealed(m schema.Message, b *schema.Block, unsealed string) error {
	s := b.Seal
	switch {
	case s == nil:
		w.lose(unsealed, m)
		return nil
	case s.Kind != schema.SealEncrypted || s.Provider != w.provider || s.API != "" && s.API != apiResponses:
		w.lose(codeForeignReasoning, m)
		return nil
	case s.ItemBlob != nil:
		item, err := loadBlob(w.ctx, w.req.Store, s.ItemBlob)
		if err != nil {
			return err
		}
		return w.line("response_item", jsontext.Value(item), nil)
	case s.Item == nil:
		w.lose(unsealed, m)
		return nil
	}
	return w.line("response_item", s.Item, nil)
}
