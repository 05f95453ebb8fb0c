package schema

import "github.com/go-json-experiment/json/jsontext"

// The event types of the conversation.
const (
	TypeUserMessage      Type = "user.message"
	TypeSystemMessage    Type = "system.message"
	TypeUserInterrupt    Type = "user.interrupt"
	TypeModelRequested   Type = "model.requested"
	TypeModelOutput      Type = "model.output"
	TypeModelFailed      Type = "model.failed"
	TypeTurnStarted      Type = "turn.started"
	TypeTurnFinished     Type = "turn.finished"
	TypeContextCompacted Type = "context.compacted"
)

// UserMessage is what a person, or something speaking in their place, says.
type UserMessage struct {
	MessageID string `json:"message_id,omitzero"` // joins pieces of one message
	Content   []Part `json:"content"`
	Origin    Origin `json:"origin,omitzero"`
	ItemID    string `json:"item_id,omitzero"`
	Agent     string `json:"agent,omitzero"`
	Model     *Model `json:"model,omitzero"`
	From      string `json:"from,omitzero"`
	To        string `json:"to,omitzero"`
	Rendered  []Text `json:"rendered,omitzero"` // the exact text sent in place of Content
	Synthetic bool   `json:"synthetic,omitzero"`
}

// Origin says how a user message came to be.
type Origin string

// The origins of user messages.
const (
	OriginTyped     Origin = "typed"
	OriginQueued    Origin = "queued" // typed while a turn ran; opens no turn
	OriginHook      Origin = "hook"
	OriginRemote    Origin = "remote"
	OriginAgent     Origin = "agent"
	OriginCommand   Origin = "command"
	OriginSynthetic Origin = "synthetic"
	OriginSummary   Origin = "summary" // stands for compacted history
)

// SystemMessage is context that a tool put in: reminders, environment, hooks.
type SystemMessage struct {
	Role      Role      `json:"role"` // system, developer or user, as it is sent
	Kind      string    `json:"kind,omitzero"`
	Content   []Part    `json:"content"`
	Placement Placement `json:"placement,omitzero"` // absent: own
	// RenderedAlone is the exact text sent in place of Content where no tool's
	// result stands before it.
	RenderedAlone []Text `json:"rendered_alone,omitzero"`
	ItemID        string `json:"item_id,omitzero"`
}

// Role is the part a message plays on the wire.
type Role string

// The roles.
const (
	RoleSystem    Role = "system"
	RoleDeveloper Role = "developer"
	RoleUser      Role = "user"
	RoleModel     Role = "model"
	RoleTool      Role = "tool"
)

// Placement is where injected text stands among its neighbours.
type Placement string

// The placements.
const (
	PlacementOwn      Placement = "own"      // a message of its own
	PlacementReminder Placement = "reminder" // appended to the last result before it, or first among blocks
	PlacementBeside   Placement = "beside"   // a block beside the results
)

// UserInterrupt is a person stopping the agent.
type UserInterrupt struct {
	Scope  string `json:"scope,omitzero"` // turn or tool
	Reason string `json:"reason,omitzero"`
}

// ModelRequested says that a provider was, or is about to be, asked.
type ModelRequested struct {
	RequestID     string         `json:"request_id"`
	Attempt       int64          `json:"attempt"` // from 1
	Provider      string         `json:"provider,omitzero"`
	API           string         `json:"api,omitzero"`
	Model         string         `json:"model,omitzero"`
	RequestSHA256 string         `json:"request_sha256,omitzero"` // of the body as sent, lower-case hexadecimal
	VendorDigest  string         `json:"vendor_digest,omitzero"`  // the vendor's own digest of it
	Projection    string         `json:"projection,omitzero"`     // version of the projection rules
	Losses        []Loss         `json:"losses,omitzero"`
	Params        jsontext.Value `json:"params,omitzero"`
}

// Loss is what a projection could not say to its provider.
type Loss struct {
	Code  string  `json:"code"`
	Count int64   `json:"count"`
	Seqs  []int64 `json:"seqs,omitzero"`
}

// ModelOutput is a response of a model, or a piece of one: pieces have the same
// turn and step. The last Usage of a response counts.
type ModelOutput struct {
	MessageID  string  `json:"message_id,omitzero"`
	ItemID     string  `json:"item_id,omitzero"`
	ResponseID string  `json:"response_id,omitzero"`
	RequestID  string  `json:"request_id,omitzero"`
	Provider   string  `json:"provider,omitzero"` // that answered
	API        string  `json:"api,omitzero"`
	Model      string  `json:"model,omitzero"` // that answered
	StopReason string  `json:"stop_reason,omitzero"`
	Block      *int64  `json:"block,omitzero"` // position of this piece in the response, from 0
	Blocks     []Block `json:"blocks"`
	Usage      *Usage  `json:"usage,omitzero"`
	CostNUSD   *int64  `json:"cost_nusd,omitzero"` // as the source states it, in 10^-9 USD
	LatencyUS  *int64  `json:"latency_us,omitzero"`
	FirstUS    *int64  `json:"first_us,omitzero"`   // time to the first token
	Synthetic  bool    `json:"synthetic,omitzero"`  // written by the tool, not by a model
	Aborted    bool    `json:"aborted,omitzero"`    // stopped in mid-stream
	Summary    bool    `json:"summary,omitzero"`    // is the summary of a compaction
	Unfinished bool    `json:"unfinished,omitzero"` // the source does not say that it ended
}

// ModelFailed is a request without a usable answer.
type ModelFailed struct {
	RequestID  string     `json:"request_id,omitzero"`
	MessageID  string     `json:"message_id,omitzero"`
	Class      ErrorClass `json:"class"`
	HTTPStatus int64      `json:"http_status,omitzero"`
	Attempt    int64      `json:"attempt,omitzero"`
	RetryAt    string     `json:"retry_at,omitzero"`
	Message    Text       `json:"message,omitzero"`
}

// ErrorClass says what to do about a failed request.
type ErrorClass string

// The classes of failed requests.
const (
	ErrorRateLimit       ErrorClass = "rate_limit"
	ErrorOverloaded      ErrorClass = "overloaded"
	ErrorContextOverflow ErrorClass = "context_overflow"
	ErrorAuth            ErrorClass = "auth"
	ErrorBadRequest      ErrorClass = "bad_request"
	ErrorNetwork         ErrorClass = "network"
	ErrorServer          ErrorClass = "server"
	ErrorCancelled       ErrorClass = "cancelled"
	ErrorOther           ErrorClass = "other"
)

// TurnStarted begins a turn where the source says so.
type TurnStarted struct {
	VendorTurn string `json:"vendor_turn,omitzero"`
}

// TurnFinished ends a turn.
type TurnFinished struct {
	VendorTurn string     `json:"vendor_turn,omitzero"`
	Reason     TurnReason `json:"reason"`
	Class      ErrorClass `json:"class,omitzero"` // of the error that ended it
	Message    Text       `json:"message,omitzero"`
	DurationUS *int64     `json:"duration_us,omitzero"`
}

// TurnReason is why a turn ended.
type TurnReason string

// The reasons.
const (
	TurnEnd            TurnReason = "end_turn"
	TurnMaxTokens      TurnReason = "max_tokens"
	TurnRefusal        TurnReason = "refusal"
	TurnInterrupted    TurnReason = "interrupted"
	TurnBudget         TurnReason = "budget"
	TurnError          TurnReason = "error"
	TurnRequiresAction TurnReason = "requires_action"
)

// ContextCompacted says that from here on a summary stands for older history.
// The covered events stay. The new view is either View, or a summary and what
// is kept: the summary is in Summary, in the next user message with origin
// summary, or in the response SummaryFrom; it counts from then on.
type ContextCompacted struct {
	Trigger       string        `json:"trigger,omitzero"` // auto or manual
	Covers        []int64       `json:"covers,omitzero"`  // first and last seq
	TokensBefore  *int64        `json:"tokens_before,omitzero"`
	TokensAfter   *int64        `json:"tokens_after,omitzero"`
	LogicalParent string        `json:"logical_parent,omitzero"` // record id of the old leaf
	Summary       []Part        `json:"summary,omitzero"`
	SummaryFrom   string        `json:"summary_from,omitzero"`  // turn/step
	Marker        Text          `json:"marker,omitzero"`        // text the vendor sends in front of the summary
	Kept          []string      `json:"kept,omitzero"`          // record ids sent again after the summary
	KeptFrom      string        `json:"kept_from,omitzero"`     // message id from which on everything is kept
	UserMessages  bool          `json:"user_messages,omitzero"` // all user messages are kept, before the summary
	View          []ViewMessage `json:"view,omitzero"`
	Seal          *Seal         `json:"seal,omitzero"` // the provider's own compacted form
}

// ViewMessage is one whole message of a view written by a vendor.
type ViewMessage struct {
	Role     Role    `json:"role"`
	ItemID   string  `json:"item_id,omitzero"`
	Content  []Part  `json:"content,omitzero"`
	Blocks   []Block `json:"blocks,omitzero"`
	VendorID string  `json:"vendor_id,omitzero"` // of the call that a tool's message answers
}

// EventType implements [Data].
func (*UserMessage) EventType() Type { return TypeUserMessage }

// EventType implements [Data].
func (*SystemMessage) EventType() Type { return TypeSystemMessage }

// EventType implements [Data].
func (*UserInterrupt) EventType() Type { return TypeUserInterrupt }

// EventType implements [Data].
func (*ModelRequested) EventType() Type { return TypeModelRequested }

// EventType implements [Data].
func (*ModelOutput) EventType() Type { return TypeModelOutput }

// EventType implements [Data].
func (*ModelFailed) EventType() Type { return TypeModelFailed }

// EventType implements [Data].
func (*TurnStarted) EventType() Type { return TypeTurnStarted }

// EventType implements [Data].
func (*TurnFinished) EventType() Type { return TypeTurnFinished }

// EventType implements [Data].
func (*ContextCompacted) EventType() Type { return TypeContextCompacted }
