package schema

import "github.com/go-json-experiment/json/jsontext"

// The event types of a session's life and definition.
const (
	TypeSessionOpened  Type = "session.opened"
	TypeSessionDefined Type = "session.defined"
	TypeSessionUpdated Type = "session.updated"
	TypeSessionForked  Type = "session.forked"
	TypeSessionLinked  Type = "session.linked"
	TypeBranchSelected Type = "branch.selected"
)

// SessionOpened begins a session, or says again what it is.
type SessionOpened struct {
	VendorSession string         `json:"vendor_session,omitzero"`
	CWD           string         `json:"cwd,omitzero"`
	VendorVersion string         `json:"vendor_version,omitzero"` // of the tool that wrote the record
	Title         string         `json:"title,omitzero"`
	Git           *Git           `json:"git,omitzero"`
	Provider      string         `json:"provider,omitzero"`
	Origin        string         `json:"origin,omitzero"` // how the session was started, in the vendor's words
	Agent         string         `json:"agent,omitzero"`  // the agent whose transcript this is
	Model         *Model         `json:"model,omitzero"`
	Permissions   jsontext.Value `json:"permissions,omitzero"` // the vendor's own rules
	Link          *SessionLink   `json:"parent,omitzero"`
}

// Git says where in a repository a session worked.
type Git struct {
	Branch     string `json:"branch,omitzero"`
	Commit     string `json:"commit,omitzero"`
	Repository string `json:"repository,omitzero"`
}

// SessionLink points to the session that another one came from.
type SessionLink struct {
	Session string  `json:"session"` // the vendor's id, or a log id
	Kind    string  `json:"kind,omitzero"`
	CallKey CallKey `json:"call_key,omitzero"`
}

// Model names a model and how it is asked.
type Model struct {
	Provider string         `json:"provider,omitzero"`
	API      string         `json:"api,omitzero"`
	ID       string         `json:"id,omitzero"`
	Variant  string         `json:"variant,omitzero"`
	Effort   string         `json:"effort,omitzero"`
	Params   jsontext.Value `json:"params,omitzero"`
}

// SessionDefined names, by digest, the definition the session runs under from
// here on. The blob is a [Definition] in JSON.
type SessionDefined struct {
	Definition   *Blob  `json:"definition"`
	VendorDigest string `json:"vendor_digest,omitzero"` // the vendor's own digest of it
}

// Definition is what an executor needs besides the log: a blob of its own.
type Definition struct {
	System      []string         `json:"system,omitzero"`
	Tools       []ToolDefinition `json:"tools,omitzero"`
	Skills      jsontext.Value   `json:"skills,omitzero"`
	Model       *Model           `json:"model,omitzero"`
	Permissions jsontext.Value   `json:"permissions,omitzero"`
	Budget      *Budget          `json:"budget,omitzero"`
}

// ToolDefinition is a tool as the model is told of it.
type ToolDefinition struct {
	Name        string         `json:"name"`
	Namespace   string         `json:"namespace,omitzero"`
	Description string         `json:"description,omitzero"`
	Schema      jsontext.Value `json:"schema,omitzero"` // JSON Schema of the arguments
	Effect      Effect         `json:"effect,omitzero"`
	VendorType  string         `json:"vendor_type,omitzero"` // a tool without a neutral form
	Item        jsontext.Value `json:"item,omitzero"`        // its declaration as it stands
}

// Effect says what repeating a tool call would do.
type Effect string

// The effect classes.
const (
	EffectReadonly   Effect = "readonly"   // changes nothing
	EffectIdempotent Effect = "idempotent" // twice is as once
	EffectKeyed      Effect = "keyed"      // twice is as once, given the same idempotency key
	EffectEffectful  Effect = "effectful"  // must not be repeated blindly
)

// Budget bounds a run. Zero: no bound.
type Budget struct {
	Tokens   int64 `json:"tokens,omitzero"`
	CostNUSD int64 `json:"cost_nusd,omitzero"`
	Steps    int64 `json:"steps,omitzero"`
	TimeUS   int64 `json:"time_us,omitzero"`
}

// SessionUpdated is a patch of the definition or of what is said about the
// session: members that are there replace, members that are not leave alone.
type SessionUpdated struct {
	Title        string           `json:"title,omitzero"`
	Model        *Model           `json:"model,omitzero"`
	Permissions  jsontext.Value   `json:"permissions,omitzero"`
	ToolsAdded   []ToolDefinition `json:"tools_added,omitzero"`
	ToolsRemoved []string         `json:"tools_removed,omitzero"`
}

// SessionForked says that the history before this point, or a copy of it, is
// another session's.
type SessionForked struct {
	From   *ForkOrigin `json:"from,omitzero"`
	Reason string      `json:"reason,omitzero"`
	Copied bool        `json:"copied,omitzero"` // the history stands in this log as a copy
	Base   string      `json:"base,omitzero"`   // "missing": the history is not to be had
}

// ForkOrigin names where a fork came from, as far as it is known.
type ForkOrigin struct {
	Log           string `json:"log,omitzero"`
	Size          int64  `json:"size,omitzero"` // entries
	Root          string `json:"root,omitzero"` // unpadded base64url, as in a head
	VendorSession string `json:"vendor_session,omitzero"`
}

// SessionLinked joins this session with a child or parent session.
type SessionLinked struct {
	Child   string  `json:"child,omitzero"`
	Parent  string  `json:"parent,omitzero"`
	CallKey CallKey `json:"call_key,omitzero"` // the call that spawned the child
}

// BranchSelected says which part of the history is live.
type BranchSelected struct {
	// Leaf is a record id, followed forward to its tip. It may be that of a
	// record still to come.
	Leaf string `json:"leaf,omitzero"`
	// DropUserTurns cuts a linear log before its n-th last user message.
	DropUserTurns int64 `json:"drop_user_turns,omitzero"`
}

// EventType implements [Data].
func (*SessionOpened) EventType() Type { return TypeSessionOpened }

// EventType implements [Data].
func (*SessionDefined) EventType() Type { return TypeSessionDefined }

// EventType implements [Data].
func (*SessionUpdated) EventType() Type { return TypeSessionUpdated }

// EventType implements [Data].
func (*SessionForked) EventType() Type { return TypeSessionForked }

// EventType implements [Data].
func (*SessionLinked) EventType() Type { return TypeSessionLinked }

// EventType implements [Data].
func (*BranchSelected) EventType() Type { return TypeBranchSelected }
