package codex

import (
	"strings"

	"github.com/ownlog/ownlog/schema"
)

// Types of response items that make or answer tool calls.
const (
	itemFunctionCall   = "function_call"
	itemFunctionOutput = "function_call_output"
	itemCustomCall     = "custom_tool_call"
	itemCustomOutput   = "custom_tool_call_output"
	itemShellCall      = "local_shell_call"
	itemSearchCall     = "tool_search_call"
	itemSearchOutput   = "tool_search_output"
	itemWebSearch      = "web_search_call"
	itemImageGen       = "image_generation_call"
)

// item maps a response item: what the CLI sends to its provider.
func (r *record) item(p *object) {
	kind := p.str("type")
	var finding string
	switch kind {
	case "message":
		finding = r.message(p)
	case "agent_message":
		finding = r.agentMessage(p)
	case "additional_tools":
		finding = r.additionalTools(p)
	case "configuration_update":
		r.m.numbers.close()
		r.add(schema.ActorSystem, r.m.numbers.turn, 0, &schema.SystemMessage{
			Role: schema.RoleDeveloper, Kind: kind, ItemID: p.str("id"),
			Content: []schema.Part{r.opaque(kind, p.without(host))},
		})
	case "ghost_snapshot", "compaction_trigger", "other":
		r.keep("response_item/"+kind, "")
	case itemFunctionOutput, itemCustomOutput, itemSearchOutput:
		finding = r.output(p, kind)
	case "":
		r.keep("response_item", "missing member type")
		return
	default:
		block, answer, bad := r.modelBlock(p, kind)
		if block == nil && bad == "" {
			r.unknown("response_item/" + kind)
			return
		}
		finding = bad
		if bad == "" {
			r.modelOutput(p.str("id"), []schema.Block{*block}, answer)
		}
	}
	if finding != "" {
		r.keep("response_item/"+kind, finding)
	}
}

// message maps a message of any role.
func (r *record) message(p *object) (finding string) {
	role := p.mustStr("role")
	content := p.must("content", '[')
	phase := p.str("phase")
	id := p.str("id")
	if f := p.finding(); f != "" {
		return f
	}
	if role == "assistant" {
		blocks, f := r.blocks(content, phase)
		if f == "" {
			r.modelOutput(id, blocks, "")
		}
		return f
	}
	parts, f := r.parts(content)
	if f != "" {
		return f
	}
	kinds := r.contentKinds(p)
	if role == "user" && isTyped(kinds, parts) {
		r.add(schema.ActorUser, r.m.numbers.userInput(), 0, &schema.UserMessage{Content: parts, Origin: schema.OriginTyped, ItemID: id})
		return ""
	}
	switch schema.Role(role) {
	case schema.RoleUser, schema.RoleDeveloper, schema.RoleSystem:
	default:
		return "unknown role " + role
	}
	r.m.numbers.close()
	r.add(schema.ActorSystem, r.m.numbers.turn, 0, &schema.SystemMessage{
		Role: schema.Role(role), Kind: contextKind(kinds, parts), Content: parts, ItemID: id,
	})
	return ""
}

// contentKinds reads what the CLI says about the parts of a message.
func (r *record) contentKinds(p *object) (kinds []string) {
	m := r.m
	m.hostSide.parse(p.get(host))
	elements(m.hostSide.get("content_item_kinds"), func(_ int, v value) bool {
		kinds = append(kinds, v.text())
		return true
	})
	return kinds
}

// contextTags begin texts of role user that the CLI puts in by itself; the names
// are what such a message is called in a log.
var contextTags = []struct{ prefix, kind string }{
	{"<environment_context>", "environment_context"},
	{"<user_instructions>", "user_instructions"},
	{"# AGENTS.md instructions", "agents_md"},
	{"<INSTRUCTIONS>", "agents_md"},
	{"<turn_aborted>", "turn_aborted"},
	{"<subagent_notification>", "subagent_notification"},
	{"<skill>", "skill"},
	{"<user_shell_command>", "user_shell_command"},
	{"<user_action>", "user_action"},
	{"<hook_prompt", "hook_prompt"},
	{"<permissions instructions>", "permissions"},
	{"<collaboration_mode>", "collaboration_mode"},
}

// isTyped tells real input from context that the CLI put in.
func isTyped(kinds []string, parts []schema.Part) bool {
	if len(kinds) > 0 {
		for _, k := range kinds {
			if strings.HasPrefix(k, "user.") {
				return true
			}
		}
		return false
	}
	return contextTag(parts) == ""
}

func contextTag(parts []schema.Part) string {
	if len(parts) == 0 || parts[0].Type != schema.PartText {
		return ""
	}
	text := strings.TrimLeft(parts[0].Text.Inline, " \t\r\n")
	for _, t := range contextTags {
		if strings.HasPrefix(text, t.prefix) {
			return t.kind
		}
	}
	return ""
}

// contextKind names injected context in the CLI's words, or by the tag it begins with.
func contextKind(kinds []string, parts []schema.Part) string {
	if len(kinds) > 0 {
		return kinds[0]
	}
	return contextTag(parts)
}

// agentMessage maps what another agent says.
func (r *record) agentMessage(p *object) (finding string) {
	from, to := p.mustStr("author"), p.mustStr("recipient")
	content := p.must("content", '[')
	id := p.str("id")
	if f := p.finding(); f != "" {
		return f
	}
	parts, f := r.parts(content)
	if f != "" {
		return f
	}
	r.m.numbers.close()
	r.add(schema.ActorUser, r.m.numbers.turn, 0, &schema.UserMessage{
		Content: parts, Origin: schema.OriginAgent, ItemID: id, From: from, To: to,
	})
	return ""
}

// additionalTools maps tool declarations that travel in the history.
func (r *record) additionalTools(p *object) (finding string) {
	role := p.mustStr("role")
	tools := p.must("tools", '[')
	id := p.str("id")
	if f := p.finding(); f != "" {
		return f
	}
	if role != string(schema.RoleDeveloper) && role != string(schema.RoleUser) && role != string(schema.RoleSystem) {
		return "unknown role " + role
	}
	turn := r.m.numbers.turn
	r.m.numbers.close()
	r.add(schema.ActorSystem, turn, 0, &schema.SystemMessage{
		Role: schema.Role(role), Kind: "additional_tools", ItemID: id,
		Content: []schema.Part{r.opaque("additional_tools", p.without(host))},
	})
	if added := r.toolDefinitions(tools, ""); len(added) > 0 {
		r.add(schema.ActorExecutor, 0, 0, &schema.SessionUpdated{ToolsAdded: added})
	}
	return ""
}

// toolDefinitions reads tools as the provider is told of them; those of a
// namespace are listed one by one.
func (r *record) toolDefinitions(tools value, namespace string) (out []schema.ToolDefinition) {
	elements(tools, func(_ int, v value) bool {
		var o object
		o.parse(v)
		kind, name := o.str("type"), o.str("name")
		if kind == "namespace" && namespace == "" {
			out = append(out, r.toolDefinitions(o.list("tools"), name)...)
			return true
		}
		if name == "" {
			name = kind
		}
		if name == "" {
			return true
		}
		t := schema.ToolDefinition{Name: name, Namespace: namespace, Description: o.str("description")}
		if kind == "function" {
			t.Schema = vendorJSON(o.of("parameters", '{'))
		} else {
			t.VendorType, t.Item = kind, vendorJSON(v)
		}
		out = append(out, t)
		return true
	})
	return out
}

// modelOutput adds a piece of a response and numbers its calls. answer is the
// type of item that answers the call in blocks.
func (r *record) modelOutput(id string, blocks []schema.Block, answer string) {
	n := &r.m.numbers
	s := n.modelItem(r.sampled())
	for i := range blocks {
		if b := &blocks[i]; b.Type == schema.BlockToolCall {
			key, index := n.newCall(s, b.VendorID, answer)
			b.CallKey, b.Index = key, schema.Int(index)
		}
	}
	r.add(schema.ActorModel, s.turn, s.number, &schema.ModelOutput{
		ItemID: id, Provider: r.m.provider, Model: r.m.model, Blocks: blocks,
	})
}

func (r *record) sampled() sampledThrough {
	seq, ok := r.m.metadata.integer("sampled_through_sequence")
	return sampledThrough{known: ok, seq: seq}
}

// modelBlock reads an item made by the model other than a message. answer is the
// type of item that answers it if it is a call that the CLI runs. A nil block
// without a finding is an item of unknown type.
func (r *record) modelBlock(p *object, kind string) (block *schema.Block, answer, finding string) {
	b := &schema.Block{Type: schema.BlockToolCall}
	switch kind {
	case "reasoning":
		return r.reasoning(p)
	case "compaction", "context_compaction":
		b = &schema.Block{Type: schema.BlockOpaque, VendorType: kind}
		if p.str("encrypted_content") != "" {
			b.Seal = r.seal(p.without(host))
		} else {
			b.Item = vendorJSON(p.without(host))
		}
	case itemFunctionCall:
		answer = itemFunctionOutput
		b.Kind, b.Name, b.Namespace, b.VendorID = schema.CallFunction, p.mustStr("name"), p.str("namespace"), p.mustStr("call_id")
		r.arguments(b, p.mustStr("arguments"))
	case itemCustomCall:
		answer = itemCustomOutput
		b.Kind, b.Name, b.Namespace, b.VendorID = schema.CallCustom, p.mustStr("name"), p.str("namespace"), p.mustStr("call_id")
		r.arguments(b, p.mustStr("input"))
	case itemShellCall:
		answer = itemFunctionOutput
		b.Kind, b.Name, b.VendorID = schema.CallShell, "local_shell", p.str("call_id")
		b.Args = vendorJSON(p.must("action", '{'))
		b.Item = vendorJSON(p.without(host))
	case itemSearchCall:
		answer = itemSearchOutput
		b.Kind, b.Name, b.VendorID = schema.CallFunction, "tool_search", p.str("call_id")
		switch args := p.get("arguments"); args.kind() {
		case '{':
			b.Args = vendorJSON(args)
		case '"':
			r.arguments(b, args.text())
		case 0:
		default:
			b.ArgsRaw = r.text(string(args))
		}
		b.Item = vendorJSON(p.without(host))
	case itemWebSearch:
		b.Kind, b.Name, b.VendorID = schema.CallServer, "web_search", p.str("id")
		b.Args = vendorJSON(p.of("action", '{'))
		b.Item = vendorJSON(p.without(host))
	case itemImageGen:
		b.Kind, b.Name, b.VendorID = schema.CallServer, "image_generation", p.str("id")
		if data, ok := decodeBase64(p.mustStr("result")); ok && len(data) > 0 {
			b.Blob = r.blob(data, imageMedia(data))
		}
		b.Item = vendorJSON(p.without(host, "result"))
	default:
		return nil, "", ""
	}
	if f := p.finding(); f != "" {
		return nil, "", f
	}
	return b, answer, ""
}

// arguments keeps them as the model wrote them, and as JSON if they are an object.
func (r *record) arguments(b *schema.Block, args string) {
	b.ArgsRaw = r.text(args)
	if isObject(args) {
		b.Args = vendorJSON([]byte(args))
	}
}

// reasoning maps what the model thought, as far as it can be read, and its
// encrypted form.
func (r *record) reasoning(p *object) (block *schema.Block, answer, finding string) {
	summary := p.must("summary", '[')
	content := p.list("content")
	encrypted := p.str("encrypted_content")
	if f := p.finding(); f != "" {
		return nil, "", f
	}
	b := &schema.Block{Type: schema.BlockReasoning, Summary: []schema.Text{}}
	for _, s := range r.texts(summary) {
		b.Summary = append(b.Summary, r.text(s))
	}
	if texts := r.texts(content); len(texts) > 0 {
		b.Text = r.text(strings.Join(texts, "\n"))
	}
	if encrypted != "" {
		b.Seal = r.seal(p.without(host))
	}
	return b, "", ""
}

// texts lists the texts of parts that have one.
func (r *record) texts(list value) (out []string) {
	elements(list, func(_ int, v value) bool {
		o := &r.m.scratch
		o.parse(v)
		if t := o.of("text", '"'); t != nil {
			out = append(out, t.text())
		}
		return true
	})
	return out
}
