package schema

import "strconv"

// fact is what the fold keeps of one entry.
type fact struct {
	seq    int64
	turn   int64
	step   int64
	epoch  int64
	parent Parent
	id     string
	kind   factKind
	native bool // it has no source
	side   bool
	body   any // by kind; nil for kinds that say no more
}

// factKind says which part an entry plays in the fold.
type factKind uint8

const (
	factOther factKind = iota // it says nothing to the fold, but may be a node of the tree
	factUser
	factSystem
	factInterrupt
	factOutput
	factFailed
	factStarted
	factResult
	factAsked
	factDecided
	factTurnStarted
	factTurnFinished
	factCompacted
	factDropTurns
	factRequested
	factLeaf
	factOpened
	factDefined
	factUpdated
	factForked
	factLinked
	factLeased
	factReleased
	factGap
	factHole
	factUnknown
)

// conversation reports whether such an entry is a node of the tree even if its
// source gives it no id.
func (k factKind) conversation() bool { return k >= factUser && k <= factDropTurns }

type userFact struct {
	messageID string
	origin    Origin
	model     *Model
}

type systemFact struct{ role Role }

type outputFact struct {
	messageID, requestID string
	provider, api, model string
	calls                []callFact
	usage                *Usage
	costNUSD             *int64
	hasText              bool
	onlyReasoning        bool // it has blocks, and all are reasoning
	blocks               int
	block                int64 // position in the response, -1 if not said
	summary              bool
	aborted, unfinished  bool
}

type callFact struct {
	key                       CallKey
	vendorID, namespace, name string
	kind                      CallKind
}

type failedFact struct {
	requestID, messageID string
	class                ErrorClass
}

type startedFact struct {
	key     CallKey
	attempt int64
	token   string
	effect  Effect
	idem    string
	// detached: the result comes from whoever holds the token.
	detached bool
}

type resultFact struct {
	key     CallKey
	attempt int64
	status  Status
	exit    *int64
	answers bool // it has content
	nested  bool
}

type askedFact struct{ key CallKey }

type decidedFact struct {
	key      CallKey
	decision Decision
}

type finishedFact struct{ reason TurnReason }

type compactedFact struct {
	hasSummary    bool // in the entry itself, or sealed
	summaryFrom   responseKey
	keptFrom      string
	hasKept       bool
	userMessages  bool
	hasMarker     bool
	covers        [2]int64
	hasCovers     bool
	logicalParent string
	view          []Role // of each message of a view written by the vendor
}

type openedFact struct {
	vendor string
	data   SessionOpened
}

type updatedFact struct {
	title string
	model *Model
}

type leaseFact struct {
	holder string
	ttl    int64
}

// responseKey identifies a model response.
type responseKey struct {
	turn, step int64
	seq        int64 // of the entry, when it has no step
}

// reduce takes from an entry what the fold keeps.
func (s *State) reduce(seq int64, ev *Event) fact {
	f := fact{
		seq: seq, turn: ev.Turn, step: ev.Step, epoch: ev.Epoch, id: ev.ID, parent: ev.Parent,
		native: ev.Source == nil, side: ev.Side,
	}
	switch d := ev.Data.(type) {
	case *UserMessage:
		f.kind, f.body = factUser, &userFact{d.MessageID, d.Origin, s.model(d.Model)}
	case *SystemMessage:
		f.kind, f.body = factSystem, &systemFact{d.Role}
	case *UserInterrupt:
		f.kind = factInterrupt
	case *ModelOutput:
		f.kind, f.body = factOutput, s.reduceOutput(d)
	case *ModelFailed:
		f.kind, f.body = factFailed, &failedFact{d.RequestID, d.MessageID, d.Class}
	case *ToolStarted:
		f.kind, f.body = factStarted, &startedFact{d.CallKey, d.Attempt, d.Token, d.Effect, d.IdempotencyKey, d.Detached}
	case *ToolResult:
		f.kind, f.body = factResult, &resultFact{d.CallKey, d.Attempt, d.Status, copyInt(d.ExitCode), d.Content != nil, d.Nested}
	case *PermissionRequested:
		f.kind, f.body = factAsked, &askedFact{d.CallKey}
	case *PermissionDecided:
		f.kind, f.body = factDecided, &decidedFact{d.CallKey, d.Decision}
	case *TurnStarted:
		f.kind = factTurnStarted
	case *TurnFinished:
		f.kind, f.body = factTurnFinished, &finishedFact{d.Reason}
	case *ContextCompacted:
		f.kind, f.body = factCompacted, reduceCompacted(d)
	case *BranchSelected:
		if d.DropUserTurns > 0 {
			f.kind, f.body = factDropTurns, d.DropUserTurns
		} else {
			f.kind, f.body = factLeaf, d.Leaf
		}
	case *ModelRequested:
		f.kind, f.body = factRequested, &Request{seq, d.RequestID, d.Attempt, s.name(d.Provider), s.name(d.API), s.name(d.Model)}
	case *SessionOpened:
		o := &openedFact{data: *d}
		if ev.Source != nil {
			o.vendor = s.name(ev.Source.Vendor)
		}
		o.data.Permissions, o.data.Model = nil, s.model(d.Model)
		f.kind, f.body = factOpened, o
	case *SessionDefined:
		if d.Definition != nil {
			b := *d.Definition
			f.kind, f.body = factDefined, &b
		}
	case *SessionUpdated:
		f.kind, f.body = factUpdated, &updatedFact{d.Title, s.model(d.Model)}
	case *SessionForked:
		c := *d
		f.kind, f.body = factForked, &c
	case *SessionLinked:
		c := *d
		f.kind, f.body = factLinked, &c
	case *LeaseAcquired:
		f.kind, f.body = factLeased, &leaseFact{d.Holder, d.TTLUS}
	case *LeaseReleased:
		f.kind = factReleased
	case *LogGap:
		f.kind = factGap
	case *Unknown:
		f.kind = factUnknown
		if ev.Crit {
			f.body = ev.Type
		}
	}
	return f
}

func (s *State) reduceOutput(d *ModelOutput) *outputFact {
	o := &outputFact{
		messageID: d.MessageID, requestID: d.RequestID,
		provider: s.name(d.Provider), api: s.name(d.API), model: s.name(d.Model),
		costNUSD: copyInt(d.CostNUSD), blocks: len(d.Blocks), block: -1,
		summary: d.Summary, aborted: d.Aborted, unfinished: d.Unfinished,
	}
	if d.Usage != nil {
		u := *d.Usage
		o.usage = &u
	}
	if d.Block != nil {
		o.block = *d.Block
	}
	o.onlyReasoning = len(d.Blocks) > 0
	for i := range d.Blocks {
		b := &d.Blocks[i]
		o.onlyReasoning = o.onlyReasoning && b.Type == BlockReasoning
		switch b.Type {
		case BlockText:
			o.hasText = o.hasText || b.Text.Blob != nil || b.Text.Inline != ""
		case BlockToolCall:
			if b.CallKey != "" {
				o.calls = append(o.calls, callFact{b.CallKey, b.VendorID, s.name(b.Namespace), s.name(b.Name), b.Kind})
			}
		}
	}
	return o
}

func reduceCompacted(d *ContextCompacted) *compactedFact {
	c := &compactedFact{
		hasSummary: d.Summary != nil || d.Seal != nil, keptFrom: d.KeptFrom, hasKept: len(d.Kept) > 0,
		userMessages: d.UserMessages, hasMarker: !d.Marker.IsZero(), logicalParent: d.LogicalParent,
	}
	c.summaryFrom, _ = parseResponseKey(d.SummaryFrom)
	if len(d.Covers) == 2 {
		c.hasCovers, c.covers = true, [2]int64{d.Covers[0], d.Covers[1]}
	}
	for i := range d.View {
		c.view = append(c.view, d.View[i].Role)
	}
	return c
}

// parseResponseKey reads `turn/step`.
func parseResponseKey(s string) (responseKey, bool) {
	for i := range len(s) {
		if s[i] != '/' {
			continue
		}
		turn, err1 := strconv.ParseInt(s[:i], 10, 64)
		step, err2 := strconv.ParseInt(s[i+1:], 10, 64)
		if err1 == nil && err2 == nil && turn >= 0 && step > 0 {
			return responseKey{turn: turn, step: step}, true
		}
		break
	}
	return responseKey{}, false
}

// model keeps what names a model; its parameters are content.
func (s *State) model(m *Model) *Model {
	if m == nil {
		return nil
	}
	return &Model{Provider: s.name(m.Provider), API: s.name(m.API), ID: s.name(m.ID), Variant: s.name(m.Variant), Effort: s.name(m.Effort)}
}

func copyInt(n *int64) *int64 {
	if n == nil {
		return nil
	}
	return Int(*n)
}
