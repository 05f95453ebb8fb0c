package convert

import (
	"fmt"

	"github.com/ownlog/ownlog/schema"
)

// MappingVersion is the version of the rules by which vendor records become
// entries. It is part of every derived log id: new rules make new logs.
const MappingVersion = 1

// Record is one record of a source, with its bytes.
type Record struct {
	// Bytes are the record exactly as the source has it. They are valid until
	// the next record is read.
	Bytes []byte
	// Stored is set instead of Bytes for a record too big to hold in memory: its
	// bytes are in the store already.
	Stored *schema.Blob
	// Sep are the bytes between the record before and this one, nil if they are
	// the default: one LF, or nothing before the first.
	Sep []byte
	// HasSep is set when Sep differs from the default, even if it is empty.
	HasSep bool
	// Line is the 1-based number of the line the record starts on.
	Line int64
	// Offset is the byte position of the record in the (decompressed) source.
	Offset int64
	// Damaged says that the bytes are not one JSON object.
	Damaged bool
	// Checked says that [format.CheckRaw] accepted the bytes already.
	Checked bool
}

// Where says where a record of an append-only source stands, for findings.
func (r *Record) Where() string { return fmt.Sprintf("line %d, offset %d", r.Line, r.Offset) }

// Run is what one record became: one or more events. The mirror fills in the
// members that are the same for every vendor (source, part, raw), encodes them
// and appends them.
type Run struct {
	Record Record
	// Row is set, and Record.Line is 0, for rows of a database and side files.
	Row *schema.Row
	// Rev is the revision of the row, 0 for its first bytes.
	Rev int64
	// Events are in order; at least one. Their Source, V, Type and Raw members
	// are the mirror's to set.
	Events []*schema.Event
	// Blobs are the contents that the events refer to. They are stored before
	// the run is appended, and not at all when the log has the run already.
	Blobs []PendingBlob
}

// PendingBlob is content that an event of a run refers to by digest.
type PendingBlob struct {
	Ref  schema.Blob
	Data []byte
}
