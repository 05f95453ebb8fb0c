package schema

// Types returns the names of all event types of this version, in order.
func Types() []Type {
	return []Type{
		TypeBranchSelected, TypeContextCompacted, TypeFileChanged,
		TypeLeaseAcquired, TypeLeaseReleased,
		TypeLogDerived, TypeLogGap, TypeLogRedacted,
		TypeModelFailed, TypeModelOutput, TypeModelRequested,
		TypeNoteAdded,
		TypePermissionDecided, TypePermissionRequested,
		TypeSessionDefined, TypeSessionForked, TypeSessionLinked, TypeSessionOpened, TypeSessionUpdated,
		TypeSystemMessage,
		TypeToolResult, TypeToolStarted,
		TypeTurnFinished, TypeTurnStarted,
		TypeUserInterrupt, TypeUserMessage,
		TypeVendorRecord,
	}
}

// NewData returns empty data of a type, nil if this version does not know it.
func NewData(t Type) Data {
	switch t {
	case TypeBranchSelected:
		return new(BranchSelected)
	case TypeContextCompacted:
		return new(ContextCompacted)
	case TypeFileChanged:
		return new(FileChanged)
	case TypeLeaseAcquired:
		return new(LeaseAcquired)
	case TypeLeaseReleased:
		return new(LeaseReleased)
	case TypeLogDerived:
		return new(LogDerived)
	case TypeLogGap:
		return new(LogGap)
	case TypeLogRedacted:
		return new(LogRedacted)
	case TypeModelFailed:
		return new(ModelFailed)
	case TypeModelOutput:
		return new(ModelOutput)
	case TypeModelRequested:
		return new(ModelRequested)
	case TypeNoteAdded:
		return new(NoteAdded)
	case TypePermissionDecided:
		return new(PermissionDecided)
	case TypePermissionRequested:
		return new(PermissionRequested)
	case TypeSessionDefined:
		return new(SessionDefined)
	case TypeSessionForked:
		return new(SessionForked)
	case TypeSessionLinked:
		return new(SessionLinked)
	case TypeSessionOpened:
		return new(SessionOpened)
	case TypeSessionUpdated:
		return new(SessionUpdated)
	case TypeSystemMessage:
		return new(SystemMessage)
	case TypeToolResult:
		return new(ToolResult)
	case TypeToolStarted:
		return new(ToolStarted)
	case TypeTurnFinished:
		return new(TurnFinished)
	case TypeTurnStarted:
		return new(TurnStarted)
	case TypeUserInterrupt:
		return new(UserInterrupt)
	case TypeUserMessage:
		return new(UserMessage)
	case TypeVendorRecord:
		return new(VendorRecord)
	}
	return nil
}
