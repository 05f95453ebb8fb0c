package claudecode

import (
	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/ownlog/ownlog/convert"
	"github.com/ownlog/ownlog/schema"
)

// mediaDefinition is the media type of the blob of a session.defined.
const mediaDefinition = "application/json"

func (w *writer) mapAttachment() {
	r := w.rec
	attachment := r.object(fAttachment, "attachment")
	if attachment == nil {
		r.unexpected("attachment")
		return
	}
	typ := r.inner(orNull(member(attachment, "type")), "attachment.type")
	rendered := r.rendered(fRendered, "rendered", &w.blobs)
	role := r.text(fRenderedRole, "renderedRole")
	if r.bad != "" {
		return
	}
	w.turn = w.mapper.turnOf(w.node.parent.ID)
	switch typ {
	case "queued_command":
		if mode, _ := unquote(member(attachment, "commandMode")); mode == "prompt" {
			w.mapQueued(attachment, rendered)
			return
		}
	case "prompt_snapshot":
		if d := r.snapshot(attachment); d != nil {
			w.define(d, "")
			return
		}
	case "hook_deferred_tool":
		w.mapDeferred(attachment)
		return
	case "model":
		if id, _ := unquote(member(member(attachment, "identity"), "modelId")); id != "" {
			w.add(schema.ActorExecutor, &schema.SessionUpdated{Model: &schema.Model{ID: id}})
		}
	}
	if rendered != nil {
		w.mapRendered(typ, role, rendered)
		return
	}
	if len(w.events) == 0 {
		w.vendorRecord("attachment/"+typ, knownAttachment(typ))
	}
}

// orNull is v, or null if it is absent.
func orNull(v []byte) []byte {
	if v == nil {
		return []byte("null")
	}
	return v
}

// rendered returns the exact texts that the tool puts on the wire for an
// attachment, nil if the record does not say.
func (r *record) rendered(f field, name string, blobs *blobs) []schema.Part {
	if !r.has(f) {
		return nil
	}
	if kind(r.members[f]) != '[' {
		r.unexpected(name)
		return nil
	}
	out := []schema.Part{}
	list := convert.ElementsOf(r.members[f])
	for {
		element, ok := list.Next()
		if !ok {
			return out
		}
		content := member(element, "content")
		if content == nil {
			r.unexpected(name)
			return nil
		}
		parts, _ := r.parts(content, blobs)
		out = append(out, parts...)
	}
}

// texts returns the texts among parts.
func texts(parts []schema.Part) []schema.Text {
	var out []schema.Text
	for i := range parts {
		if parts[i].Type == schema.PartText {
			out = append(out, parts[i].Text)
		}
	}
	return out
}

// mapQueued maps a prompt that the person typed while a turn ran. No other
// record holds it.
func (w *writer) mapQueued(attachment []byte, rendered []schema.Part) {
	content, _ := w.rec.parts(member(attachment, "prompt"), &w.blobs)
	if w.rec.bad != "" {
		return
	}
	w.add(schema.ActorUser, &schema.UserMessage{Content: content, Origin: schema.OriginQueued, Rendered: texts(rendered)})
}

// mapDeferred maps the mark of a call that waits for permission.
func (w *writer) mapDeferred(attachment []byte) {
	id := w.rec.inner(orNull(member(attachment, "toolUseID")), "attachment.toolUseID")
	if w.rec.bad != "" {
		return
	}
	c := w.mapper.calls.find(id, w.mapper.nodes[w.node.parent.ID])
	if c == nil {
		w.finding(FindingOrphanResult)
		w.add(schema.ActorExecutor, &schema.VendorRecord{Kind: "attachment/hook_deferred_tool", Finding: "orphan permission request"})
		return
	}
	p := &schema.PermissionRequested{CallKey: c.key(), Reason: "hook_deferred"}
	p.Tool, _ = unquote(member(attachment, "toolName"))
	if input := member(attachment, "toolInput"); kind(input) == '{' {
		p.Args, _ = schema.VendorJSON(input)
	}
	w.addAt(schema.ActorExecutor, c.response, p)
}

func (w *writer) mapRendered(typ, role string, rendered []schema.Part) {
	msg := &schema.SystemMessage{
		Role:          schema.RoleSystem,
		Kind:          typ,
		Content:       rendered,
		Placement:     schema.PlacementReminder,
		RenderedAlone: texts(w.rec.rendered(fRenderedInHumanTurn, "renderedInHumanTurn", &w.blobs)),
	}
	if role == "user" {
		msg.Role = schema.RoleUser
	}
	if w.rec.flag(fRenderedBesideToolResult, "renderedBesideToolResult") {
		msg.Placement = schema.PlacementBeside
	}
	w.add(schema.ActorExecutor, msg)
}

// snapshot reads the system prompt and the tools that a resume starts from.
func (r *record) snapshot(attachment []byte) *schema.Definition {
	d := new(schema.Definition)
	prompt := member(attachment, "systemPrompt")
	if kind(prompt) != '[' {
		return nil
	}
	list := convert.ElementsOf(prompt)
	for {
		element, ok := list.Next()
		if !ok {
			break
		}
		text, ok := unquote(element)
		if !ok {
			return nil
		}
		d.System = append(d.System, text)
	}
	tools := convert.ElementsOf(member(attachment, "tools"))
	for {
		element, ok := tools.Next()
		if !ok {
			return d
		}
		t := schema.ToolDefinition{}
		t.Name, _ = unquote(member(element, "name"))
		t.Description, _ = unquote(member(element, "description"))
		if v := member(member(element, "schema"), "input_schema"); v != nil {
			t.Schema, _ = schema.VendorJSON(v)
		}
		d.Tools = append(d.Tools, t)
	}
}

// define names a definition that the session runs under from here on.
func (w *writer) define(d *schema.Definition, vendorDigest string) {
	b, err := json.Marshal(d, jsontext.PreserveRawStrings(true), jsontext.AllowInvalidUTF8(true))
	if err != nil {
		// Only vendor JSON inside could be at fault, and that was checked.
		w.rec.unexpected("definition")
		return
	}
	w.add(schema.ActorExecutor, &schema.SessionDefined{Definition: w.blobs.add(b, mediaDefinition), VendorDigest: vendorDigest})
}
