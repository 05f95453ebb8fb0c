package convert

// Mapper turns the records of one append-only transcript into events. Its state
// is a function of the records it has seen: the same records in the same order
// give the same events, wherever an import stopped before. It is used by one
// goroutine.
type Mapper interface {
	// Map fills run.Events (at least one) and run.Blobs from a record that is
	// one JSON object, perhaps with invalid UTF-8, lone surrogates or duplicate
	// names. It never fails: what it cannot read becomes a vendor.record with a
	// finding. Damaged records do not reach it.
	Map(rec *Record, run *Run)
}

// Ender is a [Mapper] that has findings which only the end of the source shows,
// such as a record that never came.
type Ender interface {
	// End adds them. No more records are mapped.
	End()
}

// Findings counts what an import came across: unknown record types, members of
// unexpected type, broken chains, damaged lines. Mappers hold one and add to it.
type Findings interface {
	// Add counts a finding; where is its place in the source, as a person would
	// look for it (`line 12`).
	Add(code string, where string)
}
