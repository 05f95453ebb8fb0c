package format

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
)

// Limits of the format. Heads depend on them, so they are the same for every
// implementation and every kind of store.
const (
	MaxEntry = 1_000_000 // bytes of one entry
	MaxDepth = 100       // nesting of objects and arrays in one entry
	MaxRaw   = 262_144   // bytes of a record kept verbatim inside an entry; longer ones go to a blob
	MaxSize  = 1<<53 - 1 // entries in a log
)

// Entry is one entry as a store gives it out.
type Entry struct {
	// Seq is the position in the log, from 0.
	Seq int64
	// Bytes is the entry as it was appended: one JSON object. The slice is
	// valid until the iteration goes on; copy it to keep it. It is nil for a
	// hole.
	Bytes []byte
	// Leaf is the entry's leaf hash. It stands for the entry in the tree.
	Leaf Hash
	// Hole is set when the entry was redacted and only its leaf is left.
	Hole bool
}

// Fork says where a log's history begins: with the first Size entries of Log.
type Fork struct {
	Log  LogID
	Size int64
}

// Info describes a log without reading its entries.
type Info struct {
	ID LogID
	// Size is the number of entries, those of the parent included.
	Size int64
	// Fork is nil for a log with a history of its own only.
	Fork *Fork
	// StoredBytes is what the log's own files take on disk, 0 if the store cannot tell.
	StoredBytes int64
}

// Caps tells what a store can do.
type Caps struct {
	// MaxBatch is the largest number of entries one Append takes; 0: no limit.
	MaxBatch int
	// Durable says that an acknowledged entry survives a crash of the machine.
	Durable bool
	// Watch says that Watch is notified rather than polled.
	Watch bool
}

// Store keeps logs and blobs. Its one safety mechanism is the atomic
// compare-and-append; leases and locks of callers are politeness. A Store is
// safe for concurrent use.
type Store interface {
	// Append adds entries at position at, which must be the log's size, as one
	// batch, and returns the new size. A log that does not exist has size 0
	// and is made by its first append. Entries must pass [CheckEntry]; they
	// are not kept after the call. A batch is not a transaction: after a crash
	// any prefix of an unacknowledged batch may be there.
	//
	// Errors to branch on: [*ConflictError] (somebody else appended),
	// [ErrUnknown] (durability unknown: read from at and compare bytes),
	// [*CorruptError] (nothing was changed).
	Append(ctx context.Context, log LogID, at int64, entries [][]byte) (int64, error)

	// CreateFork makes child with the first size entries of parent as its
	// history, without copying them. ErrExists if child is there already.
	CreateFork(ctx context.Context, child LogID, parent LogID, size int64) error

	// Read yields the entries from position from on, those of a fork's parent
	// included, up to the size at the time of the call. It checks checksums as
	// it goes; the error is yielded last. ErrNotFound for an unknown log.
	Read(ctx context.Context, log LogID, from int64) iter.Seq2[Entry, error]

	// Info returns a log's size and origin; the size is linearizable with Append.
	Info(ctx context.Context, log LogID) (Info, error)

	// Head returns the head of the first size entries, or of all if size < 0.
	Head(ctx context.Context, log LogID, size int64) (Head, error)

	// List yields the ids of all logs in ascending order.
	List(ctx context.Context) iter.Seq2[LogID, error]

	// Watch calls wake after the log has grown past from, or at least when it
	// might have; it returns when ctx ends. A hint: polling is legal.
	Watch(ctx context.Context, log LogID, from int64, wake func()) error

	// PutBlob stores what r gives and returns its digest and length. The blob is
	// durable on return and kept at least until the next successful Append.
	PutBlob(ctx context.Context, r io.Reader) (Hash, int64, error)

	// OpenBlob opens a blob for reading. The reader verifies the digest and
	// returns a [*CorruptError] instead of io.EOF if it does not match.
	// ErrNotFound if there is none.
	OpenBlob(ctx context.Context, digest Hash) (io.ReadCloser, error)

	// Caps tells what this store can do.
	Caps() Caps
}

// Errors a caller branches on with errors.Is.
var (
	// ErrNotFound: no such log or blob. Check the id, or import first.
	ErrNotFound = errors.New("not found in the store")
	// ErrExists: the log to be made is there already.
	ErrExists = errors.New("already in the store")
	// ErrUnknown: the outcome of an append is unknown. Read from the position
	// given; leading entries equal byte for byte are yours; append the rest
	// with a new handle.
	ErrUnknown = errors.New("outcome of the append is unknown")
	// ErrIncomplete: segments, or a fork's parent, are missing. Copy the log again.
	ErrIncomplete = errors.New("log is incomplete")
	// ErrUnsupported: written by a later version, in a way this one must not guess
	// at. Use a newer program.
	ErrUnsupported = errors.New("not supported by this version")
	// ErrReadOnly: the store was opened for reading.
	ErrReadOnly = errors.New("store is open for reading only")
)

// ConflictError: the log's size is not the position given to Append. Read from
// that position, decide again, and append at Size.
type ConflictError struct {
	Log      LogID
	At, Size int64
}

func (e *ConflictError) Error() string {
	return fmt.Sprintf("log %s: append at %d, but the log has %d entries: read the new ones and decide again", e.Log, e.At, e.Size)
}

// CorruptError: stored bytes are not what was written. Nothing was changed.
// `ownlog recover` makes a new log of what is readable.
type CorruptError struct {
	Path   string // file, empty if the store has none
	Offset int64  // byte offset in the (decompressed) file, -1 if unknown
	Line   int64  // 1-based line, 0 if unknown
	Seq    int64  // entry, -1 if unknown
	Rule   string // which rule of spec/ is broken: a stable name
	Reason string // what is wrong
	Want   string // expected, may be empty
	Got    string // actual, may be empty
}

func (e *CorruptError) Error() string {
	s := "corrupt"
	if e.Path != "" {
		s += " " + e.Path
	}
	if e.Offset >= 0 {
		s += fmt.Sprintf(" at byte %d", e.Offset)
	}
	if e.Line > 0 {
		s += fmt.Sprintf(", line %d", e.Line)
	}
	if e.Seq >= 0 {
		s += fmt.Sprintf(", entry %d", e.Seq)
	}
	s += ": " + e.Reason
	if e.Want != "" || e.Got != "" {
		s += fmt.Sprintf(" (expected %s, found %s)", e.Want, e.Got)
	}
	return s
}
