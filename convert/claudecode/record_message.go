package claudecode

import (
	"cmp"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/ownlog/ownlog/convert"
	"github.com/ownlog/ownlog/format"
	"github.com/ownlog/ownlog/schema"
)

const subtypeBoundary = "compact_boundary"

// Codes of the report of an export that writes records anew. They are documented
// in docs/claude-code.md.
const (
	codeInjected          = "injected-as-user-text"
	codeOpenCall          = "open-call-answered"
	codeFirstMessage      = "first-message"
	codeCleared           = "cleared-result"
	codeToolName          = "tool-name-spelled"
	codeArgsWrapped       = "arguments-wrapped"
	codePathRemapped      = "path-remapped"
	codeRefusal           = "refusal-as-text"
	codeUnsealedReasoning = "reasoning-unsealed"
	codeForeignReasoning  = "reasoning-of-another-provider"
	codeServerCall        = "server-call"
	codeOpaque            = "opaque-content"
	codeFile              = "file-content"
	codeImage             = "image-content"
	codeCitations         = "citations"
)

// textBlock is a text block of a message.
type textBlock struct {
	Type string `json:"type"`
	Text string `json:"text"`
}

type toolUseBlock struct {
	Type  string         `json:"type"`
	ID    string         `json:"id"`
	Name  string         `json:"name"`
	Input jsontext.Value `json:"input"`
}

type toolResultBlock struct {
	Type      string         `json:"type"`
	ToolUseID string         `json:"tool_use_id"`
	Content   jsontext.Value `json:"content"`
	IsError   bool           `json:"is_error,omitzero"`
}

type mediaBlock struct {
	Type   string      `json:"type"`
	Source mediaSource `json:"source"`
	Title  string      `json:"title,omitzero"`
}

type mediaSource struct {
	Type      string `json:"type"`
	MediaType string `json:"media_type,omitzero"`
	Data      string `json:"data,omitzero"`
	URL       string `json:"url,omitzero"`
}

// boundary starts a compacted history.
func (w *recordWriter) boundary(leaf string) error {
	return w.put(&treeRecord{
		LogicalParentUUID: leaf,
		Type:              "system",
		Subtype:           subtypeBoundary,
		Content:           "Conversation compacted",
		Level:             "info",
		CompactMetadata:   &compactMetadata{Trigger: "manual"},
	}, "")
}

// message writes a user's message or injected context.
func (w *recordWriter) message(m schema.Message) error {
	content, text, err := w.content(m, m.Content)
	if err != nil || content == nil {
		return err
	}
	r := &treeRecord{Type: "user", Message: &messageRecord{Role: "user", Content: content}}
	switch {
	case m.Injected:
		r.IsMeta = true
		w.change(codeInjected, m)
	case m.Summary:
		r.IsCompactSummary, r.TranscriptOnly = true, true
	default:
		w.lastPrompt = text
		w.firstPrompt = cmp.Or(w.firstPrompt, text)
	}
	return w.put(r, m.Time)
}

// content writes parts as a message's content: a string if it is one text, else
// a list; nil if nothing is left. text is the first text of it.
func (w *recordWriter) content(m schema.Message, parts []schema.Part) (content jsontext.Value, text string, err error) {
	var blocks []jsontext.Value
	single := true
	for i := range parts {
		p := &parts[i]
		if p.Sent != nil && !*p.Sent {
			continue
		}
		if p.Type != schema.PartText {
			single = false
			block, err := w.partBlock(m, p)
			if err != nil {
				return nil, "", err
			}
			if block != nil {
				blocks = append(blocks, block)
			}
			continue
		}
		s, err := w.textOf(p.Text)
		if err != nil {
			return nil, "", err
		}
		if s == "" {
			continue
		}
		text = cmp.Or(text, s)
		block, err := encodeRecord(textBlock{"text", s})
		if err != nil {
			return nil, "", err
		}
		blocks = append(blocks, block)
	}
	switch {
	case len(blocks) == 0:
		return nil, "", nil
	case len(blocks) == 1 && single:
		content, err = encodeRecord(text)
	default:
		content = joinBlocks(blocks)
	}
	return content, text, err
}

func joinBlocks(blocks []jsontext.Value) jsontext.Value {
	list := jsontext.Value{'['}
	for i, b := range blocks {
		if i > 0 {
			list = append(list, ',')
		}
		list = append(list, b...)
	}
	return append(list, ']')
}

// partBlock writes an image, a file or something opaque; nil if it cannot be
// carried.
func (w *recordWriter) partBlock(m schema.Message, p *schema.Part) (jsontext.Value, error) {
	switch p.Type {
	case schema.PartImage:
		return w.imageBlock(m, p)
	case schema.PartFile:
		return w.fileBlock(m, p)
	}
	if w.survey.vendor == Name && p.Item != nil {
		return p.Item, nil
	}
	w.lose(codeOpaque, m)
	return nil, nil
}

func (w *recordWriter) imageBlock(m schema.Message, p *schema.Part) (jsontext.Value, error) {
	source := mediaSource{}
	switch {
	case p.Blob != nil && isImageMedia(p.Blob.Media):
		data, err := w.blob(p.Blob)
		if err != nil {
			return nil, err
		}
		source = mediaSource{Type: "base64", MediaType: p.Blob.Media, Data: base64.StdEncoding.EncodeToString(data)}
	case p.Blob == nil && (strings.HasPrefix(p.URI, "https://") || strings.HasPrefix(p.URI, "http://")):
		source = mediaSource{Type: "url", URL: p.URI}
	default:
		w.lose(codeImage, m)
		return encodeRecord(textBlock{"text", "[An image that cannot be shown here was left out.]"})
	}
	return encodeRecord(mediaBlock{Type: "image", Source: source})
}

// isImageMedia tells of the image types that the Messages API takes.
func isImageMedia(media string) bool {
	switch media {
	case "image/png", "image/jpeg", "image/gif", "image/webp":
		return true
	}
	return false
}

func (w *recordWriter) fileBlock(m schema.Message, p *schema.Part) (jsontext.Value, error) {
	if p.Blob != nil && (p.Blob.Media == "application/pdf" || strings.HasPrefix(p.Blob.Media, "text/")) {
		data, err := w.blob(p.Blob)
		if err != nil {
			return nil, err
		}
		source := mediaSource{Type: "base64", MediaType: p.Blob.Media, Data: base64.StdEncoding.EncodeToString(data)}
		if p.Blob.Media != "application/pdf" {
			source = mediaSource{Type: "text", MediaType: "text/plain", Data: string(data)}
		}
		return encodeRecord(mediaBlock{Type: "document", Source: source, Title: p.Name})
	}
	w.lose(codeFile, m)
	return encodeRecord(textBlock{"text", fmt.Sprintf("[The file %s was left out.]", strconv.Quote(cmp.Or(p.Name, p.URI)))})
}

// response writes a model's response as one record.
func (w *recordWriter) response(m schema.Message) error {
	if m.Synthetic {
		w.lose(codeSynthetic, m)
		return nil
	}
	p := &pendingCalls{ids: make(map[schema.CallKey]string), results: make(map[schema.CallKey]*schema.Message)}
	var blocks []jsontext.Value
	for i := range m.Blocks {
		block, err := w.block(m, &m.Blocks[i], p)
		if err != nil {
			return err
		}
		if block != nil {
			blocks = append(blocks, block)
		}
	}
	w.current = p
	if len(blocks) == 0 {
		return nil
	}
	if !w.begun {
		// The API wants a message of the user first, and the tool adds none.
		w.req.Report.Add(schema.NotInSource, codeFirstMessage, 1, fmt.Sprintf("entry %d", m.Seq))
		content, err := encodeRecord("[The session begins with an answer of the model.]")
		if err != nil {
			return err
		}
		if err := w.put(&treeRecord{Type: "user", IsMeta: true, Message: &messageRecord{Role: "user", Content: content}}, m.Time); err != nil {
			return err
		}
	}
	stop := "end_turn"
	if len(p.order) > 0 {
		stop = "tool_use"
	}
	id := format.DeriveLogID(fmt.Sprintf("ownlog:export:%s:%s:message:%d", Name, w.req.Log, w.written))
	return w.put(&treeRecord{Type: "assistant", Message: &messageRecord{
		ID:         "msg_" + strings.ReplaceAll(id.String(), "-", "")[:24],
		Type:       "message",
		Role:       "assistant",
		Model:      cmp.Or(m.Model, "unknown"),
		Content:    joinBlocks(blocks),
		StopReason: stop,
	}}, m.Time)
}

// block writes one block of a response, nil if it has no form in the target.
func (w *recordWriter) block(m schema.Message, b *schema.Block, p *pendingCalls) (jsontext.Value, error) {
	switch b.Type {
	case schema.BlockText, schema.BlockRefusal:
		text, err := w.textOf(b.Text)
		if err != nil || text == "" {
			return nil, err
		}
		if b.Type == schema.BlockRefusal {
			w.change(codeRefusal, m)
		}
		if b.Phase != "" {
			w.lose(codePhase, m)
		}
		if b.Citations != nil {
			w.lose(codeCitations, m)
		}
		return encodeRecord(textBlock{"text", text})
	case schema.BlockReasoning:
		return w.reasoning(m, b)
	case schema.BlockToolCall:
		if b.Kind == schema.CallServer {
			w.lose(codeServerCall, m)
			return nil, nil
		}
		return w.call(m, b, p)
	case schema.BlockImage:
		w.lose(codeImage, m)
	case schema.BlockFile:
		w.lose(codeFile, m)
	default:
		w.lose(codeOpaque, m)
	}
	return nil, nil
}

// reasoning gives signed thinking back to its own provider alone. Unsigned
// thinking is refused by the API.
func (w *recordWriter) reasoning(m schema.Message, b *schema.Block) (jsontext.Value, error) {
	switch {
	case b.Seal == nil:
		w.lose(codeUnsealedReasoning, m)
		return nil, nil
	case b.Seal.Provider != "anthropic":
		w.lose(codeForeignReasoning, m)
		return nil, nil
	case b.Seal.ItemBlob != nil:
		return w.blob(b.Seal.ItemBlob)
	}
	return b.Seal.Item, nil
}

func (w *recordWriter) call(m schema.Message, b *schema.Block, p *pendingCalls) (jsontext.Value, error) {
	id := "toolu_" + strings.NewReplacer("/", "_", ".", "_n").Replace(string(b.CallKey))
	for w.taken[id] {
		id += "_x"
	}
	w.taken[id] = true
	p.ids[b.CallKey] = id
	p.order = append(p.order, b.CallKey)
	name, spelled := toolName(b.Namespace, b.Name)
	if spelled {
		w.change(codeToolName, m)
	}
	input, err := w.input(m, b)
	if err != nil {
		return nil, err
	}
	return encodeRecord(toolUseBlock{"tool_use", id, name, input})
}

// input returns a call's arguments as the JSON object that the API wants.
func (w *recordWriter) input(m schema.Message, b *schema.Block) (jsontext.Value, error) {
	if b.Args != nil {
		if w.remap {
			args, n := remapPaths(b.Args, w.survey.cwd, w.cwd)
			w.req.Report.Add(schema.Transformed, codePathRemapped, n, fmt.Sprintf("entry %d", m.Seq))
			return args, nil
		}
		return b.Args, nil
	}
	raw, err := w.textOf(b.ArgsRaw)
	if err != nil {
		return nil, err
	}
	if raw == "" && b.Kind != schema.CallCustom {
		return jsontext.Value("{}"), nil
	}
	if v := jsontext.Value(raw); b.Kind != schema.CallCustom && v.Kind() == '{' && v.IsValid() {
		return v, nil
	}
	w.change(codeArgsWrapped, m)
	name := "_raw"
	if b.Kind == schema.CallCustom {
		name = "input"
	}
	wrapped := append(appendString([]byte{'{'}, name), ':')
	return append(appendString(wrapped, raw), '}'), nil
}

// maxToolName is the longest tool name that the API takes.
const maxToolName = 64

// toolName folds a namespace into the name and spells bytes that the API does not
// take as _xHH; changed tells whether either was needed.
func toolName(namespace, name string) (spelled string, changed bool) {
	whole := name
	if namespace != "" {
		whole = namespace + "__" + name
	}
	var b strings.Builder
	for i := range len(whole) {
		if c := whole[i]; isAlphanumeric(c) || c == '_' || c == '-' {
			b.WriteByte(c)
		} else {
			fmt.Fprintf(&b, "_x%02x", c)
		}
	}
	spelled = b.String()
	if spelled == "" {
		spelled = "unnamed"
	}
	if len(spelled) > maxToolName {
		sum := format.DeriveLogID("ownlog:tool:" + whole).String()
		spelled = spelled[:maxToolName-9] + "_" + sum[:8]
	}
	return spelled, spelled != name
}

// result writes the answer to a call, or says that there is none.
func (w *recordWriter) result(id string, m *schema.Message) error {
	r := m.Result
	block := toolResultBlock{Type: "tool_result", ToolUseID: id, IsError: r.Status != schema.StatusOK}
	var err error
	switch {
	case r.Content == nil:
		w.req.Report.Add(schema.NotInSource, codeOpenCall, 1, string(r.CallKey))
		var text string
		if text, err = convert.UnansweredText(w.ctx, w.req.Store, w.req.Log, r); err != nil {
			return err
		}
		block.Content, err = encodeRecord(text)
		block.IsError = !r.Recovered || r.Status != schema.StatusOK
	case r.Cleared:
		w.change(codeCleared, *m)
		block.Content, err = encodeRecord("[This result was cleared.]")
	default:
		block.Content, _, err = w.content(*m, r.Content)
		if err == nil && block.Content == nil {
			block.Content = jsontext.Value(`""`)
		}
	}
	if err != nil {
		return err
	}
	b, err := encodeRecord(block)
	if err != nil {
		return err
	}
	return w.put(&treeRecord{Type: "user", Message: &messageRecord{Role: "user", Content: joinBlocks([]jsontext.Value{b})}}, m.Time)
}

// textOf returns a text, from beside the log if it was too long.
func (w *recordWriter) textOf(t schema.Text) (string, error) {
	if t.Blob == nil {
		return t.Inline, nil
	}
	b, err := w.blob(t.Blob)
	return string(b), err
}

func (w *recordWriter) blob(ref *schema.Blob) ([]byte, error) {
	digest, err := convert.BlobDigest(*ref)
	if err != nil {
		return nil, err
	}
	r, err := w.req.Store.OpenBlob(w.ctx, digest)
	if err != nil {
		return nil, fmt.Errorf("blob %s: %w", ref.Digest, err)
	}
	b, err := io.ReadAll(r)
	return b, errors.Join(err, r.Close())
}

// remapPaths replaces the folder at the beginning of every string in JSON that is
// a path below it, and counts.
func remapPaths(v jsontext.Value, from, to string) (jsontext.Value, int64) {
	var n int64
	out := make([]byte, 0, len(v))
	for i := 0; i < len(v); {
		if v[i] != '"' {
			out = append(out, v[i])
			i++
			continue
		}
		end := convert.SkipString(v, i)
		if end < 0 {
			return v, 0
		}
		if s, _ := unquote(v[i:end]); s == from || strings.HasPrefix(s, from+"/") {
			out = appendString(out, to+s[len(from):])
			n++
		} else {
			out = append(out, v[i:end]...)
		}
		i = end
	}
	return out, n
}
