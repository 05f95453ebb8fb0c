package convert

import (
	"context"
	"errors"
	"io"

	"github.com/ownlog/ownlog/format"
	"github.com/ownlog/ownlog/schema"
)

// Mirror writes sources into their logs. One Mirror serves one import run; it
// is not safe for concurrent use.
type Mirror struct {
	store   format.Store
	imports *Imports
}

// NewMirror returns a mirror that writes to the store and keeps its records in
// imports.
func NewMirror(store format.Store, imports *Imports) *Mirror {
	return &Mirror{store: store, imports: imports}
}

// Transcript is an append-only source and how to read it.
type Transcript struct {
	Vendor string
	// Path is for import records and messages.
	Path string
	// Content is the (decompressed) content, from its first byte.
	Content io.Reader
	// Identify names the log from a record; ok is false as long as nothing in
	// the records so far says. If none does, the log is named by the SHA-256 of
	// the first record.
	Identify func(rec *Record) (name LogName, ok bool)
	// Base makes the log a fork of another one's first entries (Codex
	// history_base); nil for a log with a history of its own.
	Base *format.Fork
	// NewMapper starts a mapping; Mirror may start one more than once.
	NewMapper func(findings Findings) Mapper
	// Final: see [Source].
	Final bool
}

// Outcome says what an import did to one log.
type Outcome struct {
	Log     format.LogID
	Status  OutcomeStatus
	Head    format.Head
	Bytes   int64  // of the source
	Pending int64  // of them wait, unfinished, in the import records
	SHA256  string // of the source, 64 hexadecimal digits
	// Appended is how many entries are new.
	Appended int64
	Report   *schema.Fidelity
}

// OutcomeStatus is what an import did.
type OutcomeStatus string

// The outcomes.
const (
	OutcomeNew       OutcomeStatus = "new"
	OutcomeGrown     OutcomeStatus = "grown"
	OutcomeUnchanged OutcomeStatus = "unchanged"
	OutcomePrefix    OutcomeStatus = "prefix"   // an earlier state of what the log holds
	OutcomeDiverged  OutcomeStatus = "diverged" // became a fork
)

// MirrorTranscript brings the log of a transcript up to date: new entries are
// appended, an earlier state of what the log holds adds nothing, a content that
// differs becomes a fork at the first differing entry.
func (m *Mirror) MirrorTranscript(ctx context.Context, t Transcript) (Outcome, error) {
	return Outcome{}, errors.ErrUnsupported
}

// Rows mirrors a source whose records change in place: database rows and side
// files. New rows are appended, a changed row comes again with the next rev.
type Rows struct{}

// OpenRows reads what the log of that name holds, calling restore for every run
// in log order so that a mapper can take up its state, and gets ready to
// compare rows of the source at path with it.
func (m *Mirror) OpenRows(ctx context.Context, name LogName, path string, restore func(seq int64, ev *schema.Event, raw []byte) error) (*Rows, error) {
	return nil, errors.ErrUnsupported
}

// Seen tells what the log holds of a row: its latest revision, and whether the
// same path gave these very bytes last, in which case there is nothing to do.
func (r *Rows) Seen(row schema.Row, bytes []byte) (rev int64, known, same bool) {
	return 0, false, false
}

// Put adds a run for a row that is new or changed; run.Rev is set by Rows.
func (r *Rows) Put(ctx context.Context, run Run) error { return errors.ErrUnsupported }

// Missing yields the rows that the same path gave before and that were neither
// seen nor put this time, in log order.
func (r *Rows) Missing() []schema.Row { return nil }

// Close appends what is left and records the import.
func (r *Rows) Close(ctx context.Context) (Outcome, error) { return Outcome{}, errors.ErrUnsupported }

// Add notes the outcome of one log for the import run's result.
func (m *Mirror) Add(o Outcome) {}

// Imports are a store's import records: what came from where, up to which byte,
// what was unfinished, and the fidelity report. They are a cache and a memory
// of endings; the logs decide.
type Imports struct{ dir string }

// ExportTranscript writes a mirrored log's own records, separators included, as
// they were: the identity of import. Entries of a fork's parent are written too,
// unless ownOnly.
func ExportTranscript(ctx context.Context, req ExportRequest, ownOnly bool, w io.Writer) error {
	return errors.ErrUnsupported
}
