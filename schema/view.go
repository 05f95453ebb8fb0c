package schema

// Message is one message of the provider-neutral view of a conversation: what a
// model would be shown, before any provider's rules. Exporters and projections
// start from it; it is derived from the log and never written back.
//
// Messages come in the order of the live branch: a response whole, at its first
// piece, then the results of its calls in log order. Every call has a result
// message; one that the log leaves open has a result without Content.
type Message struct {
	Role Role   // RoleUser, RoleModel, RoleTool, or RoleSystem and RoleDeveloper for injected context
	Seq  int64  // position of the first entry it was made from
	Time string // of that entry
	Turn int64
	Step int64

	// Of users and injected context.
	Content   []Part
	Origin    Origin
	Kind      string    // of injected context
	Placement Placement // of injected context
	Injected  bool      // a system.message, whatever its role
	// RenderedAlone: see SystemMessage.
	RenderedAlone []Text
	Rendered      []Text // the exact text sent in place of Content, if the source says it
	Summary       bool   // stands for compacted history
	From, To      string

	// Of models.
	Provider, API, Model string
	ResponseID           string
	StopReason           string
	Blocks               []Block
	Usage                *Usage
	CostNUSD             *int64
	Synthetic            bool // written by the tool, not by a model
	Aborted              bool
	Unfinished           bool

	// Of tools.
	Result *Result

	// ItemIDs are the vendor's ids of the pieces, in order, where it has any.
	ItemIDs []string
}

// Result is the answer to a tool call in the view.
type Result struct {
	CallKey  CallKey
	VendorID string
	Name     string
	Status   Status
	Content  []Part // nil: the log holds no answer
	Shape    string
	ExitCode *int64
	Cleared  bool
	// Recovered: there is no answer, but the outcome is known (Status, ExitCode).
	Recovered bool
	// OutcomeSeq is the entry that tells the outcome, if Recovered. Its record may
	// say more than the event does.
	OutcomeSeq int64
	// NotStarted: there is no answer because the call waits for permission, or,
	// written natively, was never started. Otherwise, without Content and not
	// Recovered, the outcome is unknown.
	NotStarted bool
}
