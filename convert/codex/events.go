package codex

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"

	"github.com/ownlog/ownlog/schema"
)

// event maps an event message. Most of them repeat what items say.
func (r *record) event(p *object) {
	kind := p.str("type")
	name := "event_msg/" + kind
	var finding string
	switch kind {
	case "task_started", "turn_started":
		turn := r.m.numbers.startTask(p.str("turn_id"))
		r.add(schema.ActorExecutor, turn, 0, &schema.TurnStarted{VendorTurn: p.str("turn_id")})
	case "task_complete", "turn_complete":
		finding = r.taskComplete(p)
	case "turn_aborted":
		finding = r.turnAborted(p)
	case "item_completed":
		finding = r.itemCompleted(p)
	case "exec_command_end", "patch_apply_end", "mcp_tool_call_end":
		finding = r.legacyEnd(p, kind)
	case "token_count":
		finding = r.tokenCount(p)
	case "thread_rolled_back":
		n, ok := p.integer("num_turns")
		if finding = p.finding(); ok && n > 0 && finding == "" {
			r.add(schema.ActorUser, r.m.numbers.turn, 0, &schema.BranchSelected{DropUserTurns: n})
		}
	case "":
		finding = "missing member type"
	default:
		if !knownEvents[kind] {
			r.unknown(name)
			return
		}
	}
	if finding != "" || len(r.run.Events) == 0 {
		r.keep(name, finding)
	}
}

// knownEvents say nothing that items do not say, or nothing about the history.
var knownEvents = map[string]bool{
	"user_message": true, "agent_message": true, "agent_reasoning": true, "agent_reasoning_raw_content": true,
	"agent_reasoning_section_break": true, "thread_settings_applied": true, "context_compacted": true,
	"web_search_end": true, "image_generation_end": true, "view_image_tool_call": true, "error": true,
	"warning": true, "entered_review_mode": true, "exited_review_mode": true, "thread_goal_updated": true,
	"thread_name_updated": true, "session_configured": true, "turn_diff": true, "plan_update": true,
	"background_event": true, "stream_error": true, "sub_agent_activity": true, "guardian_assessment": true,
	"collab_agent_spawn_begin": true, "collab_agent_spawn_end": true, "collab_agent_interaction_begin": true,
	"collab_agent_interaction_end": true, "collab_waiting_begin": true, "collab_waiting_end": true,
	"collab_close_begin": true, "collab_close_end": true, "collab_resume_begin": true, "collab_resume_end": true,
	"dynamic_tool_call_request": true, "dynamic_tool_call_response": true, "model_reroute": true, "undo_completed": true,
}

// taskComplete maps the end of a turn, with or without an error.
func (r *record) taskComplete(p *object) (finding string) {
	id := p.str("turn_id")
	end := &schema.TurnFinished{VendorTurn: id, Reason: schema.TurnEnd, DurationUS: milliseconds(p)}
	if failure := p.of("error", '{'); failure != nil {
		o := &r.m.scratch
		o.parse(failure)
		end.Reason = schema.TurnError
		if msg := o.str("message"); msg != "" {
			end.Message = r.text(msg)
		}
		end.Class, end.Reason = r.errorClass(o.get("codex_error_info"))
	}
	if f := p.finding(); f != "" {
		return f
	}
	r.add(schema.ActorExecutor, r.m.numbers.endTask(id), 0, end)
	return ""
}

func milliseconds(p *object) *int64 {
	ms, ok := p.integer("duration_ms")
	const most = 1 << 53 / 1000 // as microseconds within what JSON readers hold exactly
	if !ok || ms < 0 || ms > most {
		return nil
	}
	return schema.Int(ms * 1000)
}

// errorClass reads codex_error_info: a word, or an object of one member that may
// hold an HTTP status.
func (r *record) errorClass(info value) (schema.ErrorClass, schema.TurnReason) {
	word := info.text()
	var status int64
	if info.kind() == '{' {
		var o object
		o.parse(info)
		if len(o.members) == 1 {
			word = string(o.members[0].name)
			o.parse(o.members[0].value)
			status, _ = o.integer("http_status_code")
		}
	}
	switch {
	case status == 429:
		return schema.ErrorRateLimit, schema.TurnError
	case status == 401 || status == 403:
		return schema.ErrorAuth, schema.TurnError
	case status == 529 || status == 503:
		return schema.ErrorOverloaded, schema.TurnError
	case status >= 500:
		return schema.ErrorServer, schema.TurnError
	}
	switch word {
	case "context_window_exceeded":
		return schema.ErrorContextOverflow, schema.TurnError
	case "session_budget_exceeded":
		return schema.ErrorOther, schema.TurnBudget
	case "usage_limit_exceeded", "rate_limit_exceeded", "policy_capacity_unavailable":
		return schema.ErrorRateLimit, schema.TurnError
	case "server_overloaded", "flex_unavailable":
		return schema.ErrorOverloaded, schema.TurnError
	case "internal_server_error":
		return schema.ErrorServer, schema.TurnError
	case "unauthorized":
		return schema.ErrorAuth, schema.TurnError
	case "bad_request", "invalid_prompt", "model_not_found":
		return schema.ErrorBadRequest, schema.TurnError
	case "http_connection_failed", "response_stream_connection_failed", "response_stream_disconnected", "response_too_many_failed_attempts":
		return schema.ErrorNetwork, schema.TurnError
	}
	return schema.ErrorOther, schema.TurnError
}

func (r *record) turnAborted(p *object) (finding string) {
	id, reason := p.str("turn_id"), p.str("reason")
	duration := milliseconds(p)
	if f := p.finding(); f != "" {
		return f
	}
	turn := r.m.numbers.endTask(id)
	r.add(schema.ActorUser, turn, 0, &schema.UserInterrupt{Scope: "turn", Reason: reason})
	r.add(schema.ActorExecutor, turn, 0, &schema.TurnFinished{VendorTurn: id, Reason: schema.TurnInterrupted, DurationUS: duration})
	return ""
}

// itemCompleted maps what a tool did. It may come before or after the item that
// answers the call, even after the turn's end, and may be all that is left of it.
func (r *record) itemCompleted(p *object) (finding string) {
	raw := p.must("item", '{')
	turn := r.m.numbers.turnOf(p.str("turn_id"))
	if f := p.finding(); f != "" {
		return f
	}
	item := &r.m.item
	item.parse(raw)
	switch kind := item.str("type"); kind {
	case "CommandExecution":
		if item.str("source") == "user_shell" {
			return "" // a person's command, no tool call
		}
		return r.worked(item, turn, "/payload/item")
	case "FileChange", "McpToolCall", "DynamicToolCall", "ImageView", "CollabAgentToolCall":
		return r.worked(item, turn, "/payload/item")
	case "SubAgentActivity":
		return r.subAgent(item)
	}
	return ""
}

// worked maps the outcome of a call, or of work nested in one.
func (r *record) worked(item *object, turn int64, at string) (finding string) {
	n := &r.m.numbers
	id := item.mustStr("id")
	res := &schema.ToolResult{Status: itemStatus(item), Structured: schema.At(at)}
	if code, ok := item.integer("exit_code"); ok {
		res.ExitCode = schema.Int(code)
		if code != 0 && res.Status == schema.StatusOK {
			res.Status = schema.StatusError
		}
	}
	res.DurationUS = r.duration(item.of("duration", '{'))
	changes := item.of("changes", '{')
	if f := item.finding(); f != "" {
		return "item: " + f
	}
	c := n.answering(id, "")
	if c != nil {
		res.CallKey, res.VendorID = c.key, id
	} else {
		if c = n.working(turn); c == nil {
			return findingNoCall
		}
		res.CallKey, res.Nested, res.Inferred = c.key.Nested(c.nested), true, true
		c.nested++
	}
	r.add(schema.ActorTool, c.turn, c.step, res)
	r.changes(changes, c, res.CallKey)
	r.spawned(item, c)
	return ""
}

// itemStatus reads the status of a finished item.
func itemStatus(item *object) schema.Status {
	if s := item.get("success"); s.kind() == 'f' {
		return schema.StatusError
	}
	if e := item.get("error"); e != nil {
		return schema.StatusError
	}
	switch item.str("status") {
	case "failed":
		return schema.StatusError
	case "declined":
		return schema.StatusDenied
	case "in_progress", "inProgress":
		return schema.StatusUnknown
	}
	return schema.StatusOK
}

// duration reads {"secs":n,"nanos":n} in microseconds.
func (r *record) duration(v value) *int64 {
	if v == nil {
		return nil
	}
	o := &r.m.scratch
	o.parse(v)
	secs, ok1 := o.integer("secs")
	nanos, ok2 := o.integer("nanos")
	const most = 1 << 53 / 1_000_000
	if !ok1 || !ok2 || secs < 0 || nanos < 0 || secs > most || nanos >= 1_000_000_000 {
		return nil
	}
	return schema.Int(secs*1_000_000 + nanos/1000)
}

// changes maps {path: {type, content | unified_diff, move_path}}.
func (r *record) changes(v value, c *call, key schema.CallKey) {
	all := &r.m.scratch
	all.parse(v)
	for _, m := range all.members {
		var change object
		change.parse(m.value)
		kind := change.str("type")
		f := &schema.FileChanged{Path: string(m.name), CallKey: key, Change: kind, MovedTo: change.str("move_path")}
		switch kind {
		case "add":
			f.After = digest(change.str("content"))
		case "delete":
			f.Before = digest(change.str("content"))
		case "update":
			f.Patch = r.text(change.str("unified_diff"))
			if f.MovedTo != "" {
				f.Change = "move"
			}
		default:
			continue
		}
		r.add(schema.ActorTool, c.turn, c.step, f)
	}
}

func digest(content string) string {
	sum := sha256.Sum256([]byte(content))
	return "sha256:" + hex.EncodeToString(sum[:])
}

// spawned links the threads that a call started.
func (r *record) spawned(item *object, c *call) {
	if tool := item.str("tool"); item.str("type") != "CollabAgentToolCall" || !strings.Contains(strings.ToLower(tool), "spawn") {
		return
	}
	elements(item.list("receiver_thread_ids"), func(_ int, v value) bool {
		if id := v.text(); id != "" {
			r.add(schema.ActorExecutor, c.turn, c.step, &schema.SessionLinked{Child: id, CallKey: c.key})
		}
		return true
	})
}

// subAgent links a thread that was started by a call.
func (r *record) subAgent(item *object) (finding string) {
	child, kind := item.str("agent_thread_id"), item.str("kind")
	if f := item.finding(); f != "" {
		return "item: " + f
	}
	if kind != "started" || child == "" {
		return ""
	}
	linked := &schema.SessionLinked{Child: child}
	turn, step := r.m.numbers.turn, int64(0)
	if c := r.m.numbers.answering(item.str("id"), ""); c != nil {
		linked.CallKey, turn, step = c.key, c.turn, c.step
	}
	r.add(schema.ActorExecutor, turn, step, linked)
	return ""
}

// legacyEnd maps the outcome of a call in files that have no item_completed.
func (r *record) legacyEnd(p *object, kind string) (finding string) {
	id := p.mustStr("call_id")
	if f := p.finding(); f != "" {
		return f
	}
	c := r.m.numbers.answering(id, "")
	if c == nil {
		return "" // of a command that no call asked for
	}
	res := &schema.ToolResult{CallKey: c.key, VendorID: id, Status: itemStatus(p), Structured: schema.At("/payload")}
	if code, ok := p.integer("exit_code"); ok {
		res.ExitCode = schema.Int(code)
		if code != 0 && res.Status == schema.StatusOK {
			res.Status = schema.StatusError
		}
	}
	res.DurationUS = r.duration(p.of("duration", '{'))
	changes := p.of("changes", '{')
	if kind == "mcp_tool_call_end" {
		o := &r.m.scratch
		o.parse(p.get("result"))
		if o.get("Err") != nil {
			res.Status = schema.StatusError
		}
	}
	if f := p.finding(); f != "" {
		return f
	}
	r.add(schema.ActorTool, c.turn, c.step, res)
	r.changes(changes, c, c.key)
	return ""
}
