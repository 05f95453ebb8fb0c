package codex

import "github.com/ownlog/ownlog/schema"

// compacted maps a new beginning of the history: either a whole one, or a
// summary after the user's messages.
func (r *record) compacted() {
	m, p := r.m, &r.m.payload
	message := p.str("message")
	replacement := p.list("replacement_history")
	metadata := p.list("replacement_history_metadata")
	if f := p.finding(); f != "" {
		r.keep("compacted", f)
		return
	}
	c := &schema.ContextCompacted{}
	if message != "" {
		c.Summary = []schema.Part{{Type: schema.PartText, Text: r.text(message)}}
	}
	if replacement == nil {
		if p.get("message") == nil {
			r.keep("compacted", "missing member message")
			return
		}
		c.UserMessages = true
	} else {
		view, n, f := r.view(replacement)
		if f == "" && metadata != nil && m.count(metadata) != n {
			f = findingMismatched
		}
		if f != "" {
			r.keep("compacted", f)
			return
		}
		c.View = view
	}
	m.numbers.close()
	r.add(schema.ActorExecutor, m.numbers.turn, 0, c)
}

// count returns how many elements an array has.
func (m *Mapper) count(list value) (n int) {
	elements(list, func(int, value) bool { n++; return true })
	return n
}

// view reads a history of items, n of them. Calls get no key: the keys of calls
// that were made before stay theirs.
func (r *record) view(list value) (out []schema.ViewMessage, n int, finding string) {
	out = []schema.ViewMessage{}
	elements(list, func(_ int, v value) bool {
		n++
		item := &r.m.item
		item.parse(v)
		var msg *schema.ViewMessage
		if msg, finding = r.viewMessage(item); finding != "" {
			finding = "replacement_history: " + finding
			return false
		}
		if msg != nil {
			out = append(out, *msg)
		}
		return true
	})
	return out, n, finding
}

// viewMessage reads one item of a history; nil for what the CLI does not send.
func (r *record) viewMessage(p *object) (*schema.ViewMessage, string) {
	msg := &schema.ViewMessage{ItemID: p.str("id")}
	switch kind := p.mustStr("type"); kind {
	case "message":
		content := p.must("content", '[')
		role := p.mustStr("role")
		if f := p.finding(); f != "" {
			return nil, f
		}
		var f string
		switch role {
		case "assistant":
			msg.Role = schema.RoleModel
			msg.Blocks, f = r.blocks(content, p.str("phase"))
		case "user", "developer", "system":
			msg.Role = schema.Role(role)
			msg.Content, f = r.parts(content)
		default:
			f = "unknown role " + role
		}
		return msg, f
	case "agent_message":
		msg.Role = schema.RoleUser
		parts, f := r.parts(p.must("content", '['))
		msg.Content = parts
		if f == "" {
			f = p.finding()
		}
		return msg, f
	case "ghost_snapshot", "compaction_trigger", "other":
		return nil, ""
	case "additional_tools", "configuration_update":
		msg.Role = schema.RoleDeveloper
		msg.Content = []schema.Part{r.opaque(kind, p.without(host))}
		return msg, p.finding()
	case itemFunctionOutput, itemCustomOutput:
		res := &schema.ToolResult{}
		f := r.outputContent(p, res)
		msg.Role, msg.VendorID, msg.Content = schema.RoleTool, p.str("call_id"), res.Content
		if f == "" {
			f = p.finding()
		}
		return msg, f
	case itemSearchOutput:
		msg.Role, msg.VendorID = schema.RoleTool, p.str("call_id")
		msg.Content = []schema.Part{r.opaque(kind, p.without(host))}
		return msg, p.finding()
	case "":
		return nil, p.finding()
	default:
		block, _, f := r.modelBlock(p, kind)
		if f != "" {
			return nil, f
		}
		if block == nil {
			r.found("unknown-item-type")
			return nil, ""
		}
		msg.Role, msg.Blocks = schema.RoleModel, []schema.Block{*block}
		return msg, ""
	}
}
