package claudecode

import (
	"strings"

	"github.com/ownlog/ownlog/convert"
	"github.com/ownlog/ownlog/schema"
)

// Texts that the tool writes for the person. They are sent to the model.
const (
	interruptedTurn = "[Request interrupted by user]"
	interruptedTool = "[Request interrupted by user for tool use]"
	localCommand    = "<local-command-"
)

// userRecord is a record of type user, decoded.
type userRecord struct {
	results []toolResult
	others  []schema.Part // content that is no result
	content bool          // there is such content, be it an empty string

	meta, summary, position, interruption bool // interruption: of a message, by the person
	promptSource, origin                  string
	assistant                             string // record that made the call
	denial                                string
	decision                              *decision
}

// toolResult is a block that answers a call.
type toolResult struct {
	vendorID string
	content  []schema.Part
	shape    string
	isError  bool
}

// decision is what the record says about the permission of its calls.
type decision struct {
	schema.PermissionDecided
	by schema.ActorKind
}

func (w *writer) mapUser() {
	r := w.rec
	u := w.readUser()
	if r.bad != "" {
		return
	}
	interrupted := u.interruptedScope()
	local := u.startsWith(localCommand)
	w.turn = w.mapper.turnOf(w.node.parent.ID)
	if u.content && !u.summary &&
		(u.position || !u.meta && !u.interruption && interrupted == "" && !local) {
		w.mapper.turns++
		w.turn = w.mapper.turns
	}
	w.mapResults(u)
	switch {
	case !u.content && len(u.results) > 0:
	case interrupted != "":
		w.add(schema.ActorUser, &schema.UserInterrupt{Scope: interrupted})
		w.add(schema.ActorExecutor, &schema.SystemMessage{Role: schema.RoleUser, Kind: "interrupt", Content: u.others})
	case !u.summary && !u.position && (u.meta || local):
		w.add(schema.ActorExecutor, &schema.SystemMessage{Role: schema.RoleUser, Kind: "meta", Content: u.others})
	default:
		origin := u.messageOrigin()
		w.add(actorOf(origin), &schema.UserMessage{Content: u.others, Origin: origin})
	}
}

func (w *writer) readUser() *userRecord {
	r := w.rec
	u := &userRecord{
		meta:         r.flag(fIsMeta, "isMeta"),
		summary:      r.flag(fIsCompactSummary, "isCompactSummary"),
		position:     r.object(fTurnPosition, "turnPosition") != nil,
		interruption: r.text(fInterruptedMessageID, "interruptedMessageId") != "",
		promptSource: r.text(fPromptSource, "promptSource"),
		assistant:    r.text(fSourceToolAssistantUUID, "sourceToolAssistantUUID"),
		denial:       r.text(fToolDenialKind, "toolDenialKind"),
	}
	if v := member(r.object(fOrigin, "origin"), "kind"); v != nil {
		u.origin, _ = unquote(v)
	}
	u.decision = r.decision(u.denial)
	message := r.object(fMessage, "message")
	if message == nil {
		r.unexpected("message")
		return u
	}
	content := member(message, "content")
	if kind(content) != '[' {
		u.others, _ = r.parts(content, &w.blobs)
		u.content = kind(content) == '"'
		return u
	}
	u.others = []schema.Part{}
	list := convert.ElementsOf(content)
	for {
		element, ok := list.Next()
		if !ok {
			u.content = len(u.others) > 0
			return u
		}
		b, ok := r.block(element)
		if !ok {
			continue
		}
		if b.typ != "tool_result" {
			u.others = append(u.others, r.part(b, &w.blobs))
			continue
		}
		u.results = append(u.results, r.toolResult(b, &w.blobs))
	}
}

func (r *record) toolResult(b contentBlock, blobs *blobs) toolResult {
	var t toolResult
	t.vendorID = r.inner(orNull(b.toolUseID), "tool_use_id")
	switch string(b.isError) {
	case "", "null", "false":
	case "true":
		t.isError = true
	default:
		r.unexpected("is_error")
	}
	t.content, t.shape = r.parts(b.content, blobs)
	return t
}

// decision reads permissionDecision; a rejection by the person counts as one
// where older versions say nothing else.
func (r *record) decision(denial string) *decision {
	v := r.object(fPermissionDecision, "permissionDecision")
	if v == nil {
		if denial != "user-rejected" {
			return nil
		}
		return &decision{schema.PermissionDecided{Decision: schema.DecisionDeny, By: "user"}, schema.ActorUser}
	}
	d := &decision{by: schema.ActorExecutor}
	what, _ := unquote(member(v, "decision"))
	switch what {
	case "accept", "allow":
		d.Decision = schema.DecisionAllow
	case "reject", "deny":
		d.Decision = schema.DecisionDeny
	default:
		r.unexpected("permissionDecision.decision")
	}
	if d.By, _ = unquote(member(v, "source")); d.By == "" {
		d.By = "user"
	}
	if d.By == "user" || strings.HasPrefix(d.By, "user_") {
		d.by = schema.ActorUser
	}
	d.Scope, _ = unquote(member(v, "grantScope"))
	return d
}

// mapResults writes, for every result of the record, what was decided about the
// call, the result, and the session it started.
func (w *writer) mapResults(u *userRecord) {
	if len(u.results) == 0 {
		return
	}
	near, ok := w.mapper.nodes[u.assistant]
	if !ok {
		near = w.mapper.nodes[w.node.parent.ID]
	}
	structured := w.rec.members[fToolUseResult]
	for i := range u.results {
		t := &u.results[i]
		c := w.mapper.calls.find(t.vendorID, near)
		if c == nil {
			w.finding(FindingOrphanResult)
			w.add(schema.ActorExecutor, &schema.VendorRecord{Kind: "user", Finding: "orphan result"})
			continue
		}
		c.open = false
		if u.decision != nil {
			decided := u.decision.PermissionDecided
			decided.CallKey = c.key()
			w.addAt(u.decision.by, c.response, &decided)
		}
		result := &schema.ToolResult{
			CallKey:  c.key(),
			VendorID: t.vendorID,
			Status:   t.status(u.denial),
			Content:  t.content,
			Shape:    t.shape,
			Full:     persistedOutput(t.content),
		}
		if len(u.results) == 1 && structured != nil {
			result.Structured = schema.At("/toolUseResult")
		}
		w.addAt(schema.ActorTool, c.response, result)
		if len(u.results) == 1 {
			if agent, _ := unquote(member(structured, "agentId")); agent != "" {
				w.addAt(schema.ActorExecutor, c.response, &schema.SessionLinked{Child: agent, CallKey: c.key()})
			}
		}
	}
}

func (t *toolResult) status(denial string) schema.Status {
	switch {
	case denial == "user-rejected":
		return schema.StatusDenied
	case denial == "interrupted":
		return schema.StatusUnknown
	case t.isError:
		return schema.StatusError
	}
	return schema.StatusOK
}

// persistedOutput returns the name, below tool-results, of the file that holds
// the whole output of which the content is a preview; "" if it is no preview.
func persistedOutput(content []schema.Part) string {
	if len(content) == 0 {
		return ""
	}
	text := content[0].Text.Inline
	if !strings.HasPrefix(text, "<persisted-output>") {
		return ""
	}
	_, rest, ok := strings.Cut(text, "Full output saved to: ")
	if !ok {
		return ""
	}
	path, _, _ := strings.Cut(rest, "\n")
	return path[strings.LastIndexAny(path, `/\`)+1:]
}

// interruptedScope says whether the content is the tool's note that the person
// interrupted it, and what.
func (u *userRecord) interruptedScope() string {
	if len(u.others) != 1 || u.others[0].Type != schema.PartText {
		return ""
	}
	switch u.others[0].Text.Inline {
	case interruptedTurn:
		return "turn"
	case interruptedTool:
		return "tool"
	}
	return ""
}

// startsWith reports whether the first text begins with prefix.
func (u *userRecord) startsWith(prefix string) bool {
	for i := range u.others {
		if u.others[i].Type == schema.PartText {
			return strings.HasPrefix(u.others[i].Text.Inline, prefix)
		}
	}
	return false
}

func (u *userRecord) messageOrigin() schema.Origin {
	switch {
	case u.summary:
		return schema.OriginSummary
	case u.origin == "task-notification":
		return schema.OriginAgent
	case u.meta || u.promptSource == "system":
		return schema.OriginSynthetic
	case u.startsWith("<command-name>") || u.startsWith("<command-message>"):
		return schema.OriginCommand
	}
	return schema.OriginTyped
}

// actorOf says who speaks in a user message.
func actorOf(o schema.Origin) schema.ActorKind {
	switch o {
	case schema.OriginTyped, schema.OriginQueued, schema.OriginCommand:
		return schema.ActorUser
	}
	return schema.ActorExecutor
}
