package codex

import (
	"bytes"
	"cmp"
	"fmt"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/ownlog/ownlog/convert"
	"github.com/ownlog/ownlog/format"
	"github.com/ownlog/ownlog/schema"
)

// call writes a tool call.
func (w *rolloutWriter) call(m schema.Message, b *schema.Block) error {
	if b.Kind == schema.CallServer {
		if w.survey.from == Name && b.Item != nil && b.Blob == nil {
			return w.line("response_item", b.Item, nil)
		}
		w.lose(codeServerCall, m)
		return nil
	}
	c := pendingCall{key: b.CallKey, id: "call_" + strings.NewReplacer("/", "_", ".", "_n").Replace(string(b.CallKey)), answer: itemFunctionOutput, name: b.Name}
	raw, err := loadText(w.ctx, w.req.Store, b.ArgsRaw)
	if err != nil {
		return err
	}
	args := b.Args
	if w.remap {
		raw, args = w.remapped(m, b, raw)
	}
	if c.args = args; c.args == nil {
		c.args = quote(raw)
	}
	if w.survey.from == Name && b.Item != nil {
		if o := new(object); b.Kind == schema.CallFunction {
			o.parse(value(b.Item))
			c.answer = itemSearchOutput
			w.current.calls = append(w.current.calls, c)
			return w.line("response_item", withCallID(o, c.id), nil)
		} else if b.Kind == schema.CallShell {
			o.parse(value(b.Item))
			w.current.calls = append(w.current.calls, c)
			return w.line("response_item", withCallID(o, c.id), nil)
		}
	}
	name, spelled := toolName(b.Name)
	if spelled {
		w.change(codeToolName, m)
	}
	item := outItem{Type: itemFunctionCall, Name: name, Namespace: b.Namespace, CallID: c.id}
	if b.Kind == schema.CallCustom {
		c.answer, item.Type, item.Input = itemCustomOutput, itemCustomCall, &raw
	} else {
		if raw == "" {
			raw = cmp.Or(string(args), "{}")
		}
		item.Arguments = &raw
	}
	w.current.calls = append(w.current.calls, c)
	return w.line("response_item", item, nil)
}

// remapped replaces the working directory in a call's arguments.
func (w *rolloutWriter) remapped(m schema.Message, b *schema.Block, raw string) (string, jsontext.Value) {
	args, n := remapPaths(b.Args, w.survey.cwd, w.cwd)
	if isObject(raw) {
		var spelled []byte
		spelled, n = remapPaths([]byte(raw), w.survey.cwd, w.cwd)
		raw = string(spelled)
	}
	w.req.Report.Add(schema.Transformed, codePathRemapped, n, fmt.Sprintf("entry %d", m.Seq))
	return raw, args
}

// remapPaths replaces the folder at the beginning of every string in JSON that is
// a path below it, and counts. The rest is as it was.
func remapPaths(v []byte, from, to string) (out []byte, n int64) {
	dec := jsontext.NewDecoder(bytes.NewReader(v), decodeOptions...)
	kept := 0
	for {
		if dec.PeekKind() != '"' {
			if _, err := dec.ReadToken(); err != nil {
				return append(out, v[kept:]...), n
			}
			continue
		}
		quoted, err := dec.ReadValue()
		if err != nil {
			return append(out, v[kept:]...), n
		}
		end := int(dec.InputOffset())
		rest, below := strings.CutPrefix(value(quoted).text(), from)
		if !below || rest != "" && rest[0] != '/' {
			continue
		}
		out = append(append(out, v[kept:end-len(quoted)]...), quote(to+rest)...)
		kept = end
		n++
	}
}

// withCallID spells an item again with another call id.
func withCallID(o *object, id string) jsontext.Value {
	out := o.without("call_id")
	out = append(out[:len(out)-1], `,"call_id":`...)
	return append(append(out, quote(id)...), '}')
}

// maxToolName is the longest tool name that the API takes.
const maxToolName = 64

// toolName spells bytes that the API does not take as _xHH; changed tells whether
// that was needed.
func toolName(name string) (spelled string, changed bool) {
	var b strings.Builder
	for i := range len(name) {
		c := name[i]
		if c == '_' || c == '-' || '0' <= c && c <= '9' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' {
			b.WriteByte(c)
		} else {
			fmt.Fprintf(&b, "_x%02x", c)
		}
	}
	spelled = cmp.Or(b.String(), "unnamed")
	if len(spelled) > maxToolName {
		sum := format.DeriveLogID("ownlog:tool:" + name).String()
		spelled = spelled[:maxToolName-9] + "_" + sum[:8]
	}
	return spelled, spelled != name
}

// result writes the answer to a call, or says that there is none.
func (w *rolloutWriter) result(c pendingCall, m *schema.Message) error {
	r := m.Result
	w.at(m.Time)
	item := outItem{Type: c.answer, CallID: c.id}
	var meta *outMetadata
	var texts []string
	switch {
	case r.Content == nil:
		w.req.Report.Add(schema.NotInSource, codeOpenCall, 1, string(r.CallKey))
		text, err := convert.UnansweredText(w.ctx, w.req.Store, w.req.Log, r)
		if err != nil {
			return err
		}
		texts = []string{text}
		item.Output = quote(texts[0])
	case r.Cleared:
		w.change(codeCleared, *m)
		texts = []string{"[This result was cleared.]"}
		item.Output = quote(texts[0])
	case c.answer == itemSearchOutput && len(r.Content) == 1 && r.Content[0].Item != nil:
		o := new(object)
		o.parse(value(r.Content[0].Item))
		return w.line("response_item", withCallID(o, c.id), nil)
	default:
		var err error
		if item.Output, texts, err = w.output(m, !w.paginated && c.answer == itemCustomOutput); err != nil {
			return err
		}
		if r.Status != schema.StatusOK && w.survey.from != Name {
			w.change(codeStatus, *m)
		}
	}
	if n := len(strings.Join(texts, "")); n > outputBudget(0) {
		meta = &outMetadata{FallbackTokenLimitOverride: int64(n+tokenBytes-1) / tokenBytes}
		w.req.Report.Add(schema.Preserved, codeLongOutput, 1, fmt.Sprintf("entry %d", m.Seq))
	}
	if item.Type == itemSearchOutput {
		item.Type = itemFunctionOutput
	}
	if err := w.line("response_item", item, meta); err != nil || !w.paginated {
		return err
	}
	return w.showCall(c, r, texts)
}

// output writes a result's content: a string if it is one text, else a list. Several
// texts are joined on demand: 0.98.0 takes the output of a free-form call as a
// string alone, and says "aborted" in the place of any other.
func (w *rolloutWriter) output(m *schema.Message, join bool) (out jsontext.Value, texts []string, err error) {
	r := m.Result
	parts, texts, err := w.parts(*m, r.Content)
	if err != nil {
		return nil, nil, err
	}
	switch {
	case len(parts) == 0 && r.Status != schema.StatusOK:
		texts = []string{fmt.Sprintf("[The call ended with status %s and no output.]", r.Status)}
		return quote(texts[0]), texts, nil
	case len(parts) == 0:
		return quote(""), nil, nil
	case len(parts) == 1 && len(texts) == 1 && r.Shape != "list":
		return quote(texts[0]), texts, nil
	case join && len(parts) == len(texts):
		if len(texts) > 1 {
			w.change(codeJoined, *m)
		}
		texts = []string{joinTexts(texts)}
		return quote(texts[0]), texts, nil
	}
	out, err = encode(parts)
	return out, texts, err
}

// joinTexts puts texts together, each on a line of its own.
func joinTexts(texts []string) string {
	var b strings.Builder
	for i, t := range texts {
		if i > 0 && !strings.HasSuffix(texts[i-1], "\n") {
			b.WriteByte('\n')
		}
		b.WriteString(t)
	}
	return b.String()
}

// showCall tells what is shown of a call in a paginated rollout.
func (w *rolloutWriter) showCall(c pendingCall, r *schema.Result, texts []string) error {
	shown := shownCall{
		Type: "DynamicToolCall", ID: c.id, Tool: c.name, Arguments: c.args,
		Status: "completed", Success: r.Status == schema.StatusOK, ContentItems: []shownPart{},
	}
	if !shown.Success {
		shown.Status = "failed"
	}
	for _, t := range texts {
		shown.ContentItems = append(shown.ContentItems, shownPart{Type: "inputText", Text: t})
	}
	return w.completed(shown)
}
