package codex

import (
	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/ownlog/ownlog/schema"
)

// sessionMeta maps the first line of a rollout.
func (r *record) sessionMeta(p *object) {
	m := r.m
	opened := &schema.SessionOpened{
		VendorSession: sessionID(p),
		CWD:           p.str("cwd"),
		VendorVersion: p.str("cli_version"),
		Provider:      p.str("model_provider"),
		Agent:         p.str("agent_path"),
	}
	if opened.Agent == "" {
		opened.Agent = p.str("agent_nickname")
	}
	if parent := p.str("parent_thread_id"); parent != "" {
		opened.Link = &schema.SessionLink{Session: parent, Kind: "subagent"}
	}
	paginated := p.str("history_mode") == "paginated"
	forked := p.str("forked_from_id")
	base := p.of("history_base", '{')
	git := p.of("git", '{')
	instructions := p.get("base_instructions")
	if instructions == nil {
		instructions = p.get("instructions")
	}
	source := p.get("source")

	opened.Origin = r.origin(source)
	if git != nil {
		r.git(git, opened)
	}
	system := r.instructions(instructions)
	var fork *schema.SessionForked
	if base != nil {
		fork = r.historyBase(base, p)
	} else if forked != "" {
		fork = &schema.SessionForked{From: &schema.ForkOrigin{VendorSession: forked}, Copied: true}
	}
	if f := p.finding(); f != "" {
		r.keep("session_meta", f)
		return
	}
	m.opened, m.session, m.provider, m.paginated = true, opened.VendorSession, opened.Provider, paginated
	m.copied = forked != "" || opened.Link != nil || base != nil
	r.add(schema.ActorExecutor, 0, 0, opened)
	if system != "" {
		r.define(system)
	}
	if fork != nil {
		if fork.Base != "" {
			r.found("missing-history-base")
		}
		r.add(schema.ActorExecutor, 0, 0, fork)
	}
}

// sessionID is the id in a session_meta. Its session_id is that of the root of a
// tree of sessions, and counts where there is nothing else.
func sessionID(p *object) string {
	if id := p.str("id"); id != "" {
		return id
	}
	return p.str("session_id")
}

// origin says how a session was started: the name of the source, or the path to
// it for one that is an object (`subagent/review`).
func (r *record) origin(source value) string {
	switch source.kind() {
	case '"':
		return source.text()
	case '{':
		o := &r.m.scratch
		o.parse(source)
		if len(o.members) == 0 {
			return ""
		}
		name, v := string(o.members[0].name), o.members[0].value
		if rest := r.origin(v); rest != "" && name != "thread_spawn" {
			return name + "/" + rest
		}
		return name
	}
	return ""
}

func (r *record) git(v value, opened *schema.SessionOpened) {
	o := &r.m.scratch
	o.parse(v)
	git := schema.Git{Branch: o.str("branch"), Commit: o.str("commit_hash"), Repository: o.str("repository_url")}
	if git != (schema.Git{}) {
		opened.Git = &git
	}
}

// instructions reads base_instructions {text}, or a string in older files.
func (r *record) instructions(v value) string {
	if v.kind() == '{' {
		o := &r.m.scratch
		o.parse(v)
		return o.str("text")
	}
	return v.text()
}

// define names the session's system prompt. The tools are not in a rollout.
func (r *record) define(system string) {
	b, err := json.Marshal(schema.Definition{System: []string{system}}, json.Deterministic(true), jsontext.AllowInvalidUTF8(true))
	if err != nil {
		r.found("unreadable-instructions")
		return
	}
	r.add(schema.ActorExecutor, 0, 0, &schema.SessionDefined{Definition: r.blob(b, "application/json")})
}

// historyBase reads where in another rollout the history begins.
func (r *record) historyBase(v value, p *object) *schema.SessionForked {
	o := &r.m.scratch
	o.parse(v)
	from := &schema.ForkOrigin{Log: r.m.base.Log, Size: r.m.base.Size, VendorSession: o.mustStr("thread_id")}
	if o.bad != "" {
		p.note("history_base", false)
	}
	fork := &schema.SessionForked{From: from}
	if from.Log == "" {
		fork.Base = "missing"
	}
	return fork
}

// turnContext maps what a turn runs under.
func (r *record) turnContext() {
	m, p := r.m, &r.m.payload
	model := p.str("model")
	effort := p.str("effort")
	approval, sandbox := p.get("approval_policy"), p.get("sandbox_policy")
	if sandbox == nil {
		sandbox = p.get("permission_profile")
	}
	if f := p.finding(); f != "" {
		r.keep("turn_context", f)
		return
	}
	update := &schema.SessionUpdated{Permissions: permissions(approval, sandbox)}
	if model != "" || effort != "" {
		update.Model = &schema.Model{Provider: m.provider, ID: model, Effort: effort}
	}
	if update.Model == nil && update.Permissions == nil {
		r.keep("turn_context", "")
		return
	}
	if model != "" {
		m.model = model
	}
	r.add(schema.ActorExecutor, 0, 0, update)
}

// permissions joins the vendor's own rules: {"approval":...,"sandbox":...}.
func permissions(approval, sandbox value) jsontext.Value {
	out := []byte{'{'}
	for _, part := range []struct {
		name string
		v    value
	}{{"approval", approval}, {"sandbox", sandbox}} {
		v := vendorJSON(part.v)
		if part.v == nil || v == nil {
			continue
		}
		if len(out) > 1 {
			out = append(out, ',')
		}
		out = append(append(out, '"'), part.name...)
		out = append(append(out, '"', ':'), v...)
	}
	if len(out) == 1 {
		return nil
	}
	return append(out, '}')
}
