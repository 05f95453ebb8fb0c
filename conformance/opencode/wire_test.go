//go:build conformance

package opencode

import (
	"encoding/base64"
	"io"
	"strings"
	"testing"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/ownlog/ownlog/convert"
	"github.com/ownlog/ownlog/schema"
)

// The texts that the tool sends in place of what is not there.
const (
	textInterrupted = "[Tool execution was interrupted]"
	textCleared     = "[Old tool result content cleared]"
	textMedia       = "Attached media from tool result:"
)

// wire builds the messages of a request as the tool does (1.18.33), from the view
// of a log alone.
type wire struct {
	t               testing.TB
	in              *imported
	api             string // chat, messages or responses
	provider, model string // that is asked
	out             []any
}

type object = map[string]any

// apiOf is the shape in which a provider is asked, by its name in the recordings.
func apiOf(provider string) string {
	switch {
	case strings.Contains(provider, "anth"), strings.Contains(provider, "claude"):
		return "messages"
	case provider == "openai":
		return "responses"
	}
	return "chat"
}

// add adds a message of the view; results are those of a response's calls.
func (w *wire) add(msg schema.Message, results []*schema.Result) {
	switch msg.Role {
	case schema.RoleUser:
		w.user(w.parts(msg.Content, true))
	case schema.RoleModel:
		w.response(msg, results)
	}
}

// part is a text or an image.
type part struct{ text, media, data string }

// parts are the parts of a message that are sent.
func (w *wire) parts(content []schema.Part, dropEmpty bool) (list []part) {
	for _, p := range content {
		switch {
		case p.Sent != nil && !*p.Sent:
		case p.Type == schema.PartText:
			if text := w.text(p.Text); text != "" || !dropEmpty {
				list = append(list, part{text: text})
			}
		case p.Blob != nil:
			list = append(list, part{media: p.Blob.Media, data: base64.StdEncoding.EncodeToString(w.blob(*p.Blob))})
		}
	}
	return list
}

func (w *wire) text(t schema.Text) string {
	if t.Blob != nil {
		return string(w.blob(*t.Blob))
	}
	return t.Inline
}

func (w *wire) blob(ref schema.Blob) []byte {
	digest, err := convert.BlobDigest(ref)
	if err != nil {
		w.t.Fatal(err)
	}
	r, err := w.in.store.OpenBlob(w.t.Context(), digest)
	if err != nil {
		w.t.Fatal(err)
	}
	defer r.Close()
	b, err := io.ReadAll(r)
	if err != nil {
		w.t.Fatal(err)
	}
	return b
}

func (w *wire) user(parts []part) {
	if len(parts) == 0 {
		return
	}
	var content []any
	for _, p := range parts {
		content = append(content, w.part(p))
	}
	switch {
	case w.api == "messages":
		if n := len(w.out); n > 0 && w.out[n-1].(object)["role"] == "user" {
			last := w.out[n-1].(object)
			last["content"] = append(last["content"].([]any), content...)
			return
		}
	case w.api == "chat" && len(parts) == 1 && parts[0].media == "":
		w.out = append(w.out, object{"role": "user", "content": parts[0].text})
		return
	}
	w.out = append(w.out, object{"role": "user", "content": content})
}

func (w *wire) part(p part) any {
	url := "data:" + p.media + ";base64," + p.data
	switch {
	case w.api == "responses" && p.media != "":
		return object{"type": "input_image", "image_url": url}
	case w.api == "responses":
		return object{"type": "input_text", "text": p.text}
	case p.media == "":
		return object{"type": "text", "text": p.text}
	case w.api == "messages":
		return object{"type": "image", "source": object{"type": "base64", "media_type": p.media, "data": p.data}}
	}
	return object{"type": "image_url", "image_url": object{"url": url}}
}

// response adds a response and the results of its calls, in call order.
func (w *wire) response(msg schema.Message, results []*schema.Result) {
	same := msg.Provider == w.provider && msg.Model == w.model
	var text, reasoning strings.Builder
	var blocks, calls []any
	for _, b := range msg.Blocks {
		switch b.Type {
		case schema.BlockText:
			text.WriteString(w.text(b.Text))
			if t := w.text(b.Text); t != "" {
				blocks = append(blocks, w.textBlock(t))
			}
		case schema.BlockReasoning:
			switch {
			case same && b.Seal != nil && strings.HasSuffix(b.Seal.API, w.api):
				blocks = append(blocks, plain(w.t, b.Seal.Item))
			case same:
				reasoning.WriteString(w.text(b.Text))
			case w.text(b.Text) != "":
				text.WriteString(w.text(b.Text))
				blocks = append(blocks, w.textBlock(w.text(b.Text)))
			}
		case schema.BlockToolCall:
			call := w.call(b)
			blocks, calls = append(blocks, call), append(calls, call)
		}
	}
	switch w.api {
	case "chat":
		m := object{"role": "assistant", "content": text.String()}
		if reasoning.Len() > 0 {
			m["reasoning_content"] = reasoning.String()
		}
		if calls != nil {
			m["tool_calls"] = calls
		}
		w.out = append(w.out, m)
	case "messages":
		if blocks != nil {
			w.out = append(w.out, object{"role": "assistant", "content": blocks})
		}
	case "responses":
		w.out = append(w.out, blocks...)
	}
	w.results(msg, results)
}

func (w *wire) textBlock(text string) any {
	if w.api == "responses" {
		return object{"role": "assistant", "content": []any{object{"type": "output_text", "text": text}}}
	}
	return object{"type": "text", "text": text}
}

func (w *wire) call(b schema.Block) any {
	args := string(b.Args)
	if args == "" {
		args = w.text(b.ArgsRaw)
	}
	switch w.api {
	case "messages":
		return object{"type": "tool_use", "id": b.VendorID, "name": b.Name, "input": plain(w.t, jsontext.Value(args))}
	case "responses":
		return object{"type": "function_call", "call_id": b.VendorID, "name": b.Name, "arguments": args}
	}
	return object{"id": b.VendorID, "type": "function", "function": object{"name": b.Name, "arguments": args}}
}

func (w *wire) results(msg schema.Message, results []*schema.Result) {
	var blocks []any
	var media []part
	for _, b := range msg.Blocks {
		if b.Type != schema.BlockToolCall {
			continue
		}
		for _, r := range results {
			if r.CallKey == b.CallKey {
				block, images := w.result(r)
				blocks, media = append(blocks, block), append(media, images...)
			}
		}
	}
	if blocks == nil {
		return
	}
	if w.api == "messages" {
		w.out = append(w.out, object{"role": "user", "content": blocks})
		return
	}
	w.out = append(w.out, blocks...)
	if media != nil {
		w.user(append([]part{{text: textMedia}}, media...))
	}
}

// result is a tool's answer; images that cannot stand in it come apart.
func (w *wire) result(r *schema.Result) (block any, media []part) {
	text, isError := "", r.Status == schema.StatusError
	switch {
	case r.Cleared:
		text = textCleared
	case r.Content == nil:
		text, isError = textInterrupted, true
	default:
		for _, p := range w.parts(r.Content, false) {
			if p.media != "" {
				media = append(media, p)
			} else {
				text += p.text
			}
		}
	}
	switch w.api {
	case "chat":
		return object{"role": "tool", "tool_call_id": r.VendorID, "content": text}, media
	case "responses":
		output := any(text)
		if media != nil {
			list := []any{w.part(part{text: text})}
			for _, p := range media {
				list = append(list, w.part(p))
			}
			output = list
		}
		return object{"type": "function_call_output", "call_id": r.VendorID, "output": output}, nil
	}
	m := object{"type": "tool_result", "tool_use_id": r.VendorID, "content": any(text)}
	if media != nil {
		list := []any{object{"type": "text", "text": text}}
		for _, p := range media {
			list = append(list, w.part(p))
		}
		m["content"] = list
	}
	if isError {
		m["is_error"] = true
	}
	return m, nil
}

// plain reads JSON into maps, slices and plain values.
func plain(t testing.TB, v jsontext.Value) any {
	t.Helper()
	var out any
	if err := json.Unmarshal(v, &out); err != nil {
		t.Fatalf("%v in %s", err, v)
	}
	return out
}

// withoutCacheMarks drops cache_control, which says nothing about the history.
func withoutCacheMarks(v any) any {
	switch v := v.(type) {
	case object:
		delete(v, "cache_control")
		for _, inner := range v {
			withoutCacheMarks(inner)
		}
	case []any:
		for _, inner := range v {
			withoutCacheMarks(inner)
		}
	}
	return v
}
