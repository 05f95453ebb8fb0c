package opencode

import (
	"fmt"
	"math/big"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/ownlog/ownlog/convert"
	"github.com/ownlog/ownlog/schema"
)

// response writes a response with the answers to its calls inside: the tool keeps
// both in one message.
func (w *viewWriter) response(m schema.Message, results []*schema.Message) error {
	d := new(draft)
	said := 0
	d.add(kindStepStart)
	for i := range m.Blocks {
		before := len(d.parts)
		if err := w.block(m, &m.Blocks[i], results, d); err != nil {
			return err
		}
		said += len(d.parts) - before
	}
	if said == 0 {
		w.lose("empty-response", m)
		return nil
	}
	if w.parent == "" {
		if err := w.opening(m); err != nil {
			return err
		}
	}
	finish := "stop"
	for i := range m.Blocks {
		if m.Blocks[i].Type == schema.BlockToolCall && m.Blocks[i].Kind != schema.CallServer {
			finish = "tool-calls"
		}
	}
	end := d.add("step-finish")
	end.text("reason", finish)
	end.add("cost", usd(m.CostNUSD))
	end.add("tokens", tokensOf(m.Usage))
	_, err := w.put(m.Time, d, func(o *objectWriter, id string, ms int64) {
		o.text("id", id)
		o.text("sessionID", w.session)
		o.text("role", roleAssistant)
		o.add("time", createdAt(ms, ms))
		o.text("parentID", w.parent)
		o.text("modelID", modelOf(m))
		o.text("providerID", w.providerOf(m))
		o.text("mode", agentName)
		o.text("agent", agentName)
		var path objectWriter
		path.text("cwd", w.cwd)
		path.text("root", w.cwd)
		o.add("path", path.close())
		if m.Summary {
			o.add("summary", jsontext.Value("true"))
		}
		o.add("cost", usd(m.CostNUSD))
		o.add("tokens", tokensOf(m.Usage))
		o.text("finish", finish)
	})
	if err == nil {
		w.req.Report.Add(schema.Preserved, "response", 1, "")
	}
	return err
}

// opening writes the user message that a history which begins with a response
// lacks: in the tool every response answers one.
func (w *viewWriter) opening(m schema.Message) error {
	w.req.Report.Add(schema.NotInSource, "opening-message", 1, fmt.Sprintf("entry %d", m.Seq))
	return w.user(schema.Message{
		Role: schema.RoleUser, Seq: m.Seq, Time: m.Time, Origin: schema.OriginSynthetic,
		Content: []schema.Part{schema.TextPart("(the beginning of this session is not recorded)")},
	})
}

func modelOf(m schema.Message) string {
	if m.Model == "" {
		return "unknown"
	}
	return m.Model
}

// usd writes 10^-9 USD as a decimal number of USD.
func usd(n *int64) jsontext.Value {
	if n == nil || *n == 0 {
		return jsontext.Value("0")
	}
	s := new(big.Rat).SetFrac64(*n, 1e9).FloatString(9)
	return jsontext.Value(strings.TrimSuffix(strings.TrimRight(s, "0"), "."))
}

// tokensOf is the tool's count, which keeps reasoning apart from output.
func tokensOf(u *schema.Usage) jsontext.Value {
	if u == nil {
		u = new(schema.Usage)
	}
	get := func(p *int64) int64 {
		if p == nil {
			return 0
		}
		return *p
	}
	var o, cache objectWriter
	o.number("input", get(u.Input))
	o.number("output", max(0, get(u.Output)-get(u.Reasoning)))
	o.number("reasoning", get(u.Reasoning))
	cache.number("read", get(u.CacheRead))
	cache.number("write", get(u.CacheWrite))
	o.add("cache", cache.close())
	return o.close()
}

func (w *viewWriter) block(m schema.Message, b *schema.Block, results []*schema.Message, d *draft) error {
	switch b.Type {
	case schema.BlockText, schema.BlockRefusal:
		text, err := w.text(b.Text)
		if err != nil || text == "" {
			return err
		}
		if b.Type == schema.BlockRefusal {
			w.change("refusal", m)
		}
		if b.Phase != "" {
			w.lose("phase", m)
		}
		if len(b.Citations) > 0 {
			w.lose("citations", m)
		}
		d.add("text").text("text", text)
	case schema.BlockReasoning:
		return w.reasoning(m, b, d)
	case schema.BlockToolCall:
		if b.Kind == schema.CallServer {
			w.lose("server-call", m)
			return nil
		}
		return w.call(m, b, results, d)
	case schema.BlockImage, schema.BlockFile:
		if b.Blob == nil && b.URI == "" {
			w.lose("file-without-content", m)
			return nil
		}
		url, err := w.fileURL(b.Blob, b.URI)
		if err != nil {
			return err
		}
		part := schema.Part{Type: schema.PartType(b.Type), Blob: b.Blob}
		d.add("file").file(mediaOf(&part), b.Name, url)
	default:
		w.lose("opaque-block", m)
	}
	return nil
}

// sealItem is a provider's own form of reasoning.
type sealItem struct {
	Type      string `json:"type"`
	Thinking  string `json:"thinking"`
	Signature string `json:"signature"`
	Data      string `json:"data"`
	ID        string `json:"id"`
	Encrypted string `json:"encrypted_content"`
	Summary   []struct {
		Text string `json:"text"`
	} `json:"summary"`
}

// reasoning writes reasoning with its seal in the metadata where the tool keeps
// it, so that it is sent again to the provider that made it.
func (w *viewWriter) reasoning(m schema.Message, b *schema.Block, d *draft) error {
	text, err := w.text(b.Text)
	if err != nil {
		return err
	}
	item, err := w.sealItem(b.Seal)
	if err != nil {
		return err
	}
	switch {
	case item.Type == "thinking" && item.Signature != "":
		w.sealed(d, item.Thinking, "anthropic", [2]string{"signature", item.Signature})
	case item.Type == "redacted_thinking":
		w.sealed(d, "", "anthropic", [2]string{"redactedData", item.Data})
	case item.Type == "reasoning" && item.Encrypted != "":
		// Parts with one item id are one item; without an id it is not sent.
		id := item.ID
		if id == "" {
			id = fmt.Sprintf("rs_%d_%d_%d", m.Turn, m.Step, len(d.parts))
		}
		texts := []string{""}
		for i, s := range item.Summary {
			texts = append(texts[:i], s.Text)
		}
		for _, t := range texts {
			w.sealed(d, t, "openai", [2]string{"itemId", id}, [2]string{"reasoningEncryptedContent", item.Encrypted})
		}
	case text != "" || len(b.Summary) > 0:
		if b.Seal != nil {
			w.lose("seal", m)
		}
		for _, s := range b.Summary {
			t, err := w.text(s)
			if err != nil {
				return err
			}
			text = strings.TrimPrefix(text+"\n\n"+t, "\n\n")
		}
		w.sealed(d, text, "")
		w.change("unsealed-reasoning", m)
		return nil
	default:
		w.lose("empty-reasoning", m)
		return nil
	}
	w.req.Report.Add(schema.Preserved, "seal", 1, "")
	return nil
}

func (w *viewWriter) sealItem(s *schema.Seal) (item sealItem, err error) {
	if s == nil {
		return item, nil
	}
	raw := []byte(s.Item)
	if s.ItemBlob != nil {
		if raw, err = w.blob(s.ItemBlob); err != nil {
			return item, err
		}
	}
	if unmarshal(raw, &item) != nil {
		return sealItem{}, nil
	}
	return item, nil
}

// sealed adds a reasoning part with the provider's members in its metadata.
func (w *viewWriter) sealed(d *draft, text, provider string, members ...[2]string) {
	o := d.add("reasoning")
	o.text("text", text)
	var t objectWriter
	t.number("start", w.ids.clock)
	t.number("end", w.ids.clock)
	o.add("time", t.close())
	if provider == "" {
		return
	}
	var inner, meta objectWriter
	for _, m := range members {
		inner.text(m[0], m[1])
	}
	meta.add(provider, inner.close())
	o.add("metadata", meta.close())
}

// call writes a tool call with its answer.
func (w *viewWriter) call(m schema.Message, b *schema.Block, results []*schema.Message, d *draft) error {
	o := d.add("tool")
	o.text("callID", "call_"+strings.NewReplacer("/", "_", ".", "_").Replace(string(b.CallKey)))
	o.text("tool", w.toolName(m, b))
	input, err := w.input(m, b)
	if err != nil {
		return err
	}
	var result *schema.Result
	for _, r := range results {
		if r.Result.CallKey == b.CallKey {
			result = r.Result
		}
	}
	state, err := w.toolState(m, b, input, result)
	if err != nil {
		return err
	}
	o.add("state", state)
	w.req.Report.Add(schema.Preserved, "call", 1, "")
	return nil
}

// maxToolName is the longest tool name that every provider takes.
const maxToolName = 64

// toolName makes a name of letters, digits, _ and -, as providers ask for.
func (w *viewWriter) toolName(m schema.Message, b *schema.Block) string {
	name := b.Name
	if b.Namespace != "" {
		name = b.Namespace + "__" + name
	}
	out := strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9', r == '_', r == '-':
			return r
		}
		return '_'
	}, name)
	if out = out[:min(len(out), maxToolName)]; out == "" {
		out = "unnamed"
	}
	if out != b.Name {
		w.change("tool-name", m)
	}
	return out
}

// input is a call's arguments as an object, which the tool asks for.
func (w *viewWriter) input(m schema.Message, b *schema.Block) (jsontext.Value, error) {
	if b.Args.Kind() == '{' {
		return b.Args, nil
	}
	raw, err := w.text(b.ArgsRaw)
	if err != nil {
		return nil, err
	}
	if v := jsontext.Value(raw); v.Kind() == '{' && v.IsValid() {
		return v, nil
	}
	var o objectWriter
	if b.Kind == schema.CallCustom {
		o.text("input", raw)
		w.change("free-form-input", m)
	} else {
		o.text("_raw", raw)
		w.change("unreadable-arguments", m)
	}
	return o.close(), nil
}

func (w *viewWriter) toolState(m schema.Message, b *schema.Block, input jsontext.Value, r *schema.Result) (jsontext.Value, error) {
	failed := func(text string) jsontext.Value {
		var o objectWriter
		o.text("status", "error")
		o.add("input", input)
		o.text("error", text)
		o.add("time", w.toolTime())
		return o.close()
	}
	switch {
	case r == nil:
		r = new(schema.Result)
		fallthrough
	case r.Content == nil && !r.Recovered:
		w.req.Report.Add(schema.NotInSource, "call-outcome", 1, string(b.CallKey))
		text, err := convert.UnansweredText(w.ctx, w.req.Store, w.log, r)
		return failed(text), err
	}
	output, attachments, err := w.answer(m, r)
	if r.Content == nil {
		// Its end is known, and perhaps what it printed.
		w.req.Report.Add(schema.NotInSource, "call-output", 1, string(b.CallKey))
		output, err = convert.UnansweredText(w.ctx, w.req.Store, w.log, r)
	}
	if err != nil {
		return nil, err
	}
	if r.Status == schema.StatusError || r.Status == schema.StatusDenied || r.Status == schema.StatusTimeout {
		for range attachments {
			w.lose("attachment-of-error", m)
		}
		return failed(output), nil
	}
	var o, meta objectWriter
	o.text("status", "completed")
	o.add("input", input)
	o.text("output", output)
	o.text("title", b.Name)
	if child := w.children[b.CallKey]; child != "" {
		meta.text("sessionId", child)
		meta.text("parentSessionId", w.session)
	}
	if r.ExitCode != nil {
		meta.number("exit", *r.ExitCode)
	}
	o.add("metadata", meta.close())
	t := w.toolTime()
	if r.Cleared {
		t = append(t[:len(t)-1], fmt.Sprintf(`,"compacted":%d}`, w.ids.clock)...)
	}
	o.add("time", t)
	if attachments != nil {
		list := jsontext.Value("[")
		for i, a := range attachments {
			if i > 0 {
				list = append(list, ',')
			}
			list = append(list, a...)
		}
		o.add("attachments", append(list, ']'))
	}
	return o.close(), nil
}

func (w *viewWriter) toolTime() jsontext.Value {
	var t objectWriter
	t.number("start", w.ids.clock)
	t.number("end", w.ids.clock)
	return t.close()
}

// answer is a result's text and its files.
func (w *viewWriter) answer(m schema.Message, r *schema.Result) (text string, files []jsontext.Value, err error) {
	var texts []string
	for i := range r.Content {
		p := &r.Content[i]
		switch {
		case p.Sent != nil && !*p.Sent:
		case p.Type == schema.PartText:
			t, err := w.text(p.Text)
			if err != nil {
				return "", nil, err
			}
			texts = append(texts, t)
		case p.Type == schema.PartOpaque || p.Blob == nil && p.URI == "":
			w.lose("opaque-part", m)
		default:
			url, err := w.fileURL(p.Blob, p.URI)
			if err != nil {
				return "", nil, err
			}
			var o objectWriter
			o.text("type", "file")
			o.file(mediaOf(p), p.Name, url)
			o.text("id", fmt.Sprintf("%s_%s", partPrefix, w.ids.suffix()))
			o.text("sessionID", w.session)
			o.text("messageID", messagePrefix+"_"+w.ids.suffix())
			files = append(files, o.close())
		}
	}
	if len(texts) > 1 {
		w.change("texts-joined", m)
	}
	return strings.Join(texts, "\n"), files, nil
}
