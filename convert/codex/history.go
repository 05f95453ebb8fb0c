package codex

import (
	"context"
	"fmt"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/ownlog/ownlog/convert"
	"github.com/ownlog/ownlog/format"
	"github.com/ownlog/ownlog/schema"
)

// History rebuilds what the CLI sends to its provider from the entries of a log
// that mirrors a rollout: item for item, in the CLI's own bytes. The events say
// which items are live; the records they carry are the items. It is used by one
// goroutine.
//
// Not in a rollout, and so not rebuilt: tool schemas of models that get them
// outside the history, the prompt of a compaction, request parameters.
type History struct {
	store  format.Store
	items  []historyItem
	system string
	line   object
	body   object
	meta   object
}

// historyItem is one item of the history.
type historyItem struct {
	kind   string
	callID string
	item   []byte // as it stands, the CLI's own members included
	limit  int64  // fallback_token_limit_override, 0 if there is none
	user   bool   // a message of role user
	typed  bool   // real input
}

// NewHistory returns the history of a log without entries.
func NewHistory(store format.Store) *History { return &History{store: store} }

// sentItems are the types of items that the CLI sends. Others it skips.
var sentItems = map[string]bool{
	"message": true, "agent_message": true, "reasoning": true,
	itemShellCall: true, itemFunctionCall: true, itemFunctionOutput: true,
	itemSearchCall: true, itemSearchOutput: true, itemCustomCall: true, itemCustomOutput: true,
	itemWebSearch: true, itemImageGen: true, "compaction": true, "context_compaction": true,
	"additional_tools": true, "configuration_update": true,
}

// Add takes up the next entry of the log.
func (h *History) Add(ctx context.Context, e convert.LogEvent) error {
	if e.Event == nil || e.Event.Source == nil {
		return nil
	}
	switch d := e.Event.Data.(type) {
	case *schema.SessionDefined:
		return h.define(ctx, d)
	case *schema.BranchSelected:
		h.dropUserTurns(d.DropUserTurns)
	case *schema.ContextCompacted:
		return h.compact(ctx, e, d)
	case *schema.UserMessage, *schema.SystemMessage, *schema.ModelOutput, *schema.ToolResult:
		if e.Event.Source.Part == 0 {
			return h.addItem(ctx, e)
		}
	}
	return nil
}

// addItem appends the item that an entry carries, if it carries one.
func (h *History) addItem(ctx context.Context, e convert.LogEvent) error {
	record, err := convert.RecordBytes(ctx, h.store, e.Event, e.Raw)
	if err != nil {
		return fmt.Errorf("entry %d: %w", e.Seq, err)
	}
	h.line.parseText(record)
	payload := h.line.get("payload")
	switch {
	case payload == nil:
		payload = record // a bare line
	case h.line.str("type") != "response_item":
		return nil // usage, or the outcome of a call
	}
	h.meta.parse(h.line.get("metadata"))
	limit, _ := h.meta.integer("fallback_token_limit_override")
	_, typed := e.Event.Data.(*schema.UserMessage)
	if item, ok := h.item(payload, limit); ok {
		item.typed = typed
		h.items = append(h.items, item)
	}
	return nil
}

// item reads an item; ok is false for one that is never sent.
func (h *History) item(v value, limit int64) (item historyItem, ok bool) {
	h.body.parse(v)
	item = historyItem{
		kind: h.body.str("type"), callID: h.body.str("call_id"), limit: limit,
		item: append([]byte{}, v...),
	}
	role := h.body.str("role")
	item.user = item.kind == "message" && role == "user"
	item.typed = item.user
	return item, sentItems[item.kind] && role != "system"
}

func (h *History) define(ctx context.Context, d *schema.SessionDefined) error {
	def, err := loadDefinition(ctx, h.store, d.Definition)
	if err != nil {
		return err
	}
	h.system = ""
	if len(def.System) > 0 {
		h.system = def.System[0]
	}
	return nil
}

// compact puts the new history in the place of the old one.
func (h *History) compact(ctx context.Context, e convert.LogEvent, d *schema.ContextCompacted) error {
	if d.View == nil && d.UserMessages {
		return h.keepUserMessages(ctx, d)
	}
	record, err := convert.RecordBytes(ctx, h.store, e.Event, e.Raw)
	if err != nil {
		return fmt.Errorf("entry %d: %w", e.Seq, err)
	}
	h.line.parseText(record)
	h.body.parse(h.line.get("payload"))
	replacement, metadata := h.body.get("replacement_history"), h.body.get("replacement_history_metadata")
	var limits []int64
	elements(metadata, func(_ int, v value) bool {
		h.meta.parse(v)
		limit, _ := h.meta.integer("fallback_token_limit_override")
		limits = append(limits, limit)
		return true
	})
	h.items = h.items[:0]
	elements(replacement, func(i int, v value) bool {
		var limit int64
		if i < len(limits) {
			limit = limits[i]
		}
		if item, ok := h.item(v, limit); ok {
			h.items = append(h.items, item)
		}
		return true
	})
	return nil
}

// keepUserMessages is what compactions of older files do: the user's messages
// stay, the summary follows.
func (h *History) keepUserMessages(ctx context.Context, d *schema.ContextCompacted) error {
	kept := h.items[:0]
	for _, it := range h.items {
		if it.user {
			kept = append(kept, it)
		}
	}
	h.items = kept
	for _, p := range d.Summary {
		text, err := loadText(ctx, h.store, p.Text)
		if err != nil {
			return err
		}
		h.items = append(h.items, historyItem{kind: "message", user: true, item: textMessage("user", text)})
	}
	return nil
}

// dropUserTurns cuts the history before the n-th last message of the user.
func (h *History) dropUserTurns(n int64) {
	for i := len(h.items) - 1; i >= 0 && n > 0; i-- {
		if h.items[i].typed {
			h.items = h.items[:i]
			n--
		}
	}
}

// textMessage makes a message item of one text.
func textMessage(role, text string) []byte {
	out := append([]byte(`{"type":"message","role":"`), role...)
	out = append(out, `","content":[{"type":"input_text","text":`...)
	out = append(out, quote(text)...)
	return append(out, `}]}`...)
}

// System returns the system prompt that the rollout records, empty if it does
// not. The CLI sends it as the first developer message (in a field of its own up
// to 0.130), except when [History.Input] begins with additional_tools: then it is
// an item.
func (h *History) System() string { return h.system }

// Input returns the items as the CLI would send them now: outputs without a call
// left out, `aborted` for calls without an output, long outputs cut, images that
// cannot be decoded replaced.
func (h *History) Input() []jsontext.Value {
	type answer struct{ kind, id string }
	outputs, calls := map[answer]bool{}, map[answer]bool{}
	for _, it := range h.items {
		if out := answerKinds[it.kind]; out != "" {
			calls[answer{out, it.callID}] = true
		}
		outputs[answer{it.kind, it.callID}] = true
	}
	input := []jsontext.Value{}
	for _, it := range h.items {
		if isOutput(it.kind) && !calls[answer{it.kind, it.callID}] {
			continue
		}
		input = append(input, h.wire(it))
		out := answerKinds[it.kind]
		if out != "" && !outputs[answer{out, it.callID}] {
			input = append(input, abortedOutput(out, it.callID))
		}
	}
	return input
}

// answerKinds are the items that answer a call. Searches are not waited for.
var answerKinds = map[string]string{
	itemFunctionCall: itemFunctionOutput, itemShellCall: itemFunctionOutput, itemCustomCall: itemCustomOutput,
}

func isOutput(kind string) bool { return kind == itemFunctionOutput || kind == itemCustomOutput }

func abortedOutput(kind, callID string) jsontext.Value {
	out := append([]byte(`{"type":"`), kind...)
	out = append(out, `","call_id":`...)
	out = append(out, quote(callID)...)
	return append(out, `,"output":"aborted"}`...)
}

// wire spells an item as it is sent: without the CLI's own members and nulls.
func (h *History) wire(it historyItem) jsontext.Value {
	h.body.parse(it.item)
	out := []byte{'{'}
	for _, m := range h.body.members {
		if string(m.name) == host || m.value.absent() {
			continue
		}
		if len(out) > 1 {
			out = append(out, ',')
		}
		v := m.value
		switch {
		case string(m.name) == "content" && v.kind() == '[':
			v = h.wireParts(v, nil)
		case string(m.name) == "output" && isOutput(it.kind):
			v = h.shorten(v, outputBudget(it.limit))
		}
		out = append(append(append(out, quote(string(m.name))...), ':'), v...)
	}
	return append(out, '}')
}
