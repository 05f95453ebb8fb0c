package schema

import "github.com/go-json-experiment/json/jsontext"

// The event types of permissions and tools.
const (
	TypePermissionRequested Type = "permission.requested"
	TypePermissionDecided   Type = "permission.decided"
	TypeToolStarted         Type = "tool.started"
	TypeToolResult          Type = "tool.result"
	TypeFileChanged         Type = "file.changed"
)

// PermissionRequested is a prompt waiting for a decision.
type PermissionRequested struct {
	CallKey CallKey        `json:"call_key"`
	Tool    string         `json:"tool,omitzero"`
	Args    jsontext.Value `json:"args,omitzero"`
	Options []Decision     `json:"options,omitzero"`
	Reason  string         `json:"reason,omitzero"`
}

// PermissionDecided answers a prompt.
type PermissionDecided struct {
	CallKey  CallKey        `json:"call_key"`
	Decision Decision       `json:"decision"`
	By       string         `json:"by,omitzero"`    // user, hook, config, policy, ...
	Scope    string         `json:"scope,omitzero"` // how long it holds: once, session, ...
	Args     jsontext.Value `json:"args,omitzero"`  // with modify: the arguments to use instead
	Message  Text           `json:"message,omitzero"`
}

// Decision is an answer to a permission prompt.
type Decision string

// The decisions.
const (
	DecisionAllow  Decision = "allow"
	DecisionDeny   Decision = "deny"
	DecisionModify Decision = "modify"
)

// ToolStarted says that a call was, or may have been, dispatched. It is durable
// before the tool runs.
type ToolStarted struct {
	CallKey        CallKey `json:"call_key"`
	Attempt        int64   `json:"attempt,omitzero"` // from 1
	Token          string  `json:"token,omitzero"`   // whoever holds it may append the result
	Effect         Effect  `json:"effect,omitzero"`
	IdempotencyKey string  `json:"idempotency_key,omitzero"`
	// Detached: the work goes on elsewhere, and no executor asks what became of
	// it; the result comes from whoever holds the token.
	Detached bool `json:"detached,omitzero"`
}

// ToolResult is how a call ended. With Content (even empty) it answers the call;
// without, it is an outcome only and leaves the call unanswered.
type ToolResult struct {
	CallKey    CallKey        `json:"call_key"`
	VendorID   string         `json:"vendor_id,omitzero"`
	Attempt    int64          `json:"attempt,omitzero"`
	Token      string         `json:"token,omitzero"`
	Status     Status         `json:"status"`
	Content    []Part         `json:"content,omitzero"` // nil: outcome only
	Shape      string         `json:"shape,omitzero"`   // string or list: how the vendor wrote the content
	ExitCode   *int64         `json:"exit_code,omitzero"`
	DurationUS *int64         `json:"duration_us,omitzero"`
	Structured jsontext.Value `json:"structured,omitzero"` // the tool's own structured result, or a pointer to it
	Full       string         `json:"full,omitzero"`       // name of the side file that holds the whole output
	Cleared    bool           `json:"cleared,omitzero"`    // no longer sent to the model
	Nested     bool           `json:"nested,omitzero"`     // of work inside another call; never sent
	Inferred   bool           `json:"inferred,omitzero"`   // the source does not say which call it belongs to
}

// Status is how a call ended.
type Status string

// The statuses.
const (
	StatusOK        Status = "ok"
	StatusError     Status = "error"
	StatusDenied    Status = "denied"
	StatusCancelled Status = "cancelled"
	StatusTimeout   Status = "timeout"
	StatusUnknown   Status = "unknown"
)

// FileChanged says that a file was written, moved or removed.
type FileChanged struct {
	Path     string  `json:"path"`
	CallKey  CallKey `json:"call_key,omitzero"`
	Change   string  `json:"change,omitzero"` // add, update, delete, move
	MovedTo  string  `json:"moved_to,omitzero"`
	Before   string  `json:"before,omitzero"`   // digest
	After    string  `json:"after,omitzero"`    // digest
	Snapshot string  `json:"snapshot,omitzero"` // the vendor's name for the state it kept
	Patch    Text    `json:"patch,omitzero"`
}

// EventType implements [Data].
func (*PermissionRequested) EventType() Type { return TypePermissionRequested }

// EventType implements [Data].
func (*PermissionDecided) EventType() Type { return TypePermissionDecided }

// EventType implements [Data].
func (*ToolStarted) EventType() Type { return TypeToolStarted }

// EventType implements [Data].
func (*ToolResult) EventType() Type { return TypeToolResult }

// EventType implements [Data].
func (*FileChanged) EventType() Type { return TypeFileChanged }
