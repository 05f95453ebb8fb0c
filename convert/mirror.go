package convert

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"iter"

	"github.com/ownlog/ownlog/format"
	"github.com/ownlog/ownlog/schema"
)

// Mirror writes sources into their logs. One Mirror serves one import run; it
// is not safe for concurrent use.
type Mirror struct {
	store    format.Store
	sealer   sealer // the store, if it is one
	syncer   syncer // the store, if it is one
	imports  *Imports
	dryRun   bool
	outcomes []Outcome
	sessions map[LogName]bool // that this run imported
	encoder  *runEncoder      // not in use
	readBuf  []byte           // not in use
}

// NewMirror returns a mirror that writes to the store and keeps its records in
// imports. In a dry run it compares and counts but writes nothing.
func NewMirror(store format.Store, imports *Imports, dryRun bool) *Mirror {
	m := &Mirror{store: store, imports: imports, dryRun: dryRun, sessions: make(map[LogName]bool)}
	m.sealer, _ = store.(sealer)
	m.syncer, _ = store.(syncer)
	return m
}

// sealer is a store that takes entries in sealed form at once: what is imported
// exists already elsewhere, so that nothing is gained by writing it as text first.
type sealer interface {
	AppendSealed(ctx context.Context, log format.LogID, at int64) (*format.SealedAppender, error)
}

// syncer is a store in which entries can be read before they are durable.
type syncer interface {
	Sync(ctx context.Context, log format.LogID) (size int64, err error)
}

// Store returns the store that is written to, for reading.
func (m *Mirror) Store() format.Store { return m.store }

// PutBlob stores content that is too big to hold in memory, for [Record.Stored] or
// an event of a run that follows. In a dry run it is only hashed.
func (m *Mirror) PutBlob(ctx context.Context, r io.Reader, media string) (schema.Blob, error) {
	if !m.dryRun {
		digest, size, err := m.store.PutBlob(ctx, r)
		return schema.Blob{Digest: blobPrefix + digest.String(), Size: size, Media: media}, err
	}
	h := sha256.New()
	size, err := io.Copy(h, r)
	return schema.Blob{Digest: blobPrefix + hex.EncodeToString(h.Sum(nil)), Size: size, Media: media}, err
}

// Imports returns the import records.
func (m *Mirror) Imports() *Imports { return m.imports }

// Transcript is an append-only source and how to read it.
type Transcript struct {
	Vendor string
	// Path is for import records and messages.
	Path string
	// Content is the (decompressed) content, from its first byte.
	Content io.Reader
	// Records is set instead of Content by a vendor that knows better than a
	// [RecordReader] where the records of a source begin and end.
	Records RecordSource
	// Identify names the log from a record; ok is false as long as nothing in
	// the records so far says. If none does, or the name has no id, the log is a
	// session named by the SHA-256 of the first record.
	Identify func(rec *Record) (name LogName, ok bool)
	// Base makes the log a fork of another one's first entries (Codex
	// history_base); nil for a log with a history of its own.
	Base *format.Fork
	// NewMapper starts a mapping.
	NewMapper func(findings Findings) Mapper
	// Final: see [Source].
	Final bool
}

// RecordSource gives the records of a source in order, so that separators and
// records, put together, are its bytes. [RecordReader] is one.
type RecordSource interface {
	// Next returns the next record, or io.EOF when only the end is left. The
	// record's bytes are valid until the next call.
	Next() (Record, error)
	// End returns the bytes after the last record and EndLine the line on which
	// they begin, Size how many bytes the source has, and SHA256 its digest in
	// hexadecimal; valid after io.EOF.
	End() []byte
	EndLine() int64
	Size() int64
	SHA256() string
}

// Outcome says what an import did to one log.
type Outcome struct {
	Name    LogName
	Log     format.LogID
	Status  OutcomeStatus
	Head    format.Head // of the content that was imported
	Bytes   int64       // of the source
	Pending int64       // of them wait, unfinished, in the import records
	// PendingLine is the 1-based line on which what waits begins.
	PendingLine int64
	SHA256      string // of the source, 64 hexadecimal digits; empty for rows
	Records     int64
	Appended    int64 // entries
	// Sealed says that the entries were appended in sealed form: there is nothing
	// left for [format.DirStore.Seal] to do.
	Sealed   bool
	Findings []Finding
	// Report says what was carried how.
	Report *schema.Fidelity
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
	findings := new(FindingCounts)
	reader := t.Records
	if reader == nil {
		own := newRecordReader(t.Content, t.Final, m.readBuf)
		m.readBuf = nil
		defer func() { m.readBuf = own.buf }()
		reader = own
	}
	own, lines := reader.(*RecordReader)
	held, again, name, err := identify(reader, t)
	if lines && err == nil && again {
		if _, err = t.Content.(io.Seeker).Seek(0, io.SeekStart); err == nil {
			*own = *newRecordReader(t.Content, t.Final, own.buf)
		}
	}
	if err != nil {
		return Outcome{}, fmt.Errorf("%s: %w", t.Path, err)
	}
	out := Outcome{Name: name, Report: new(schema.Fidelity)}
	w, err := m.openLog(ctx, name.LogID(), t.Base)
	if err != nil {
		return Outcome{}, fmt.Errorf("%s: %w", t.Path, err)
	}
	defer w.release()
	w.seals = !m.dryRun && m.sealer != nil

	mapper := t.NewMapper(findings)
	var run Run // one for all records: it would be allocated for each
	for rec, err := range recordsOf(held, reader) {
		if err == nil {
			err = ctx.Err()
		}
		if err != nil {
			return Outcome{}, fmt.Errorf("%s: %w", t.Path, err)
		}
		out.Records++
		run = Run{Record: rec}
		checkRecord(&run.Record, lines, findings)
		if rec.Damaged {
			run.Events = damagedEvents()
		} else {
			mapper.Map(&run.Record, &run)
		}
		if err := w.add(ctx, t.Vendor, &run); err != nil {
			return Outcome{}, fmt.Errorf("%s, line %d: %w", t.Path, rec.Line, err)
		}
		out.Report.Add(schema.Preserved, "record", 1, "")
	}
	if e, ok := mapper.(Ender); ok {
		e.End()
	}
	if err := w.finish(ctx); err != nil {
		return Outcome{}, fmt.Errorf("%s: %w", t.Path, err)
	}
	end := reader.End()
	if text := bytes.TrimLeft(end, " \t\r\n"); len(text) > 0 {
		out.Pending = int64(len(end))
		out.PendingLine = reader.EndLine() + int64(bytes.Count(end[:len(end)-len(text)], []byte{'\n'}))
	}
	out.Bytes, out.SHA256 = reader.Size(), reader.SHA256()
	out.Findings = findings.List()
	w.describe(&out)
	if !m.dryRun {
		content := Content{SHA256: out.SHA256, Bytes: out.Bytes, Entries: w.pos, End: bytes.Clone(end)}
		if err := m.imports.AddContent(out.Log, content); err != nil {
			return Outcome{}, err
		}
	}
	m.took(name)
	m.outcomes = append(m.outcomes, out)
	return out, nil
}

// maxHeld is how many bytes of records are kept until one names the log. A source
// that has more in front of it is read again from its beginning, if it can be.
const maxHeld = 1 << 20

// identify reads records until one names the log. It returns those that it read,
// or says that the source is to be read again.
func identify(r RecordSource, t Transcript) (held []Record, again bool, name LogName, err error) {
	_, seekable := t.Content.(io.Seeker)
	name = LogName{Vendor: t.Vendor, Kind: LogSession}
	size := 0
	for first := true; ; first = false {
		if n := len(held); n > 0 { // valid until the next one is read
			held[n-1].Bytes, held[n-1].Sep = bytes.Clone(held[n-1].Bytes), bytes.Clone(held[n-1].Sep)
		}
		rec, err := r.Next()
		if err == io.EOF && first {
			err = ErrNothing
		}
		if err == io.EOF {
			return held, again, name, nil
		}
		if err != nil {
			return nil, false, name, err
		}
		if first {
			sum := sha256.Sum256(rec.Bytes)
			name.ID = hex.EncodeToString(sum[:])
		}
		if size > maxHeld && seekable {
			held, again = nil, true
		} else {
			held = append(held, rec)
		}
		if size += len(rec.Bytes); size > MaxRecord && !seekable {
			return held, false, name, nil // no more of it is held, and it cannot be read again
		}
		if rec.Damaged {
			continue
		}
		if found, ok := t.Identify(&rec); ok {
			if found.ID != "" {
				name = found
			}
			return held, again, name, nil
		}
	}
}

// recordsOf yields the records read already, then the rest.
func recordsOf(held []Record, r RecordSource) iter.Seq2[Record, error] {
	return func(yield func(Record, error) bool) {
		for _, rec := range held {
			if !yield(rec, nil) {
				return
			}
		}
		for {
			rec, err := r.Next()
			if err == io.EOF || !yield(rec, err) || err != nil {
				return
			}
		}
	}
}

// Add notes the outcome of one log for the import run's result.
func (m *Mirror) Add(o Outcome) { m.outcomes = append(m.outcomes, o) }

// takeOutcomes returns the outcomes since the last call.
func (m *Mirror) takeOutcomes() []Outcome {
	out := m.outcomes
	m.outcomes = nil
	return out
}

// batchBytes is how much is appended at a time, and synced; sealedBatchBytes where
// nothing is synced before the end: what fits into a cache.
const (
	batchBytes       = 4 << 20
	sealedBatchBytes = 1 << 20
)

// logWriter compares entries with what a log holds and appends what is new,
// leaving the log for a fork of it where they differ.
type logWriter struct {
	m       *Mirror
	log     format.LogID
	pos     int64 // entries compared or appended
	existed bool
	forked  bool
	size    int64 // of the log when it was opened
	base    *format.Fork

	next func() (format.Entry, error, bool) // entries the log holds, nil when there are no more
	stop func()

	seals    bool // append in sealed form
	appender *format.SealedAppender
	sealed   bool // was appended in sealed form

	encoder   *runEncoder
	batch     [][]byte
	batchSize int
	appended  int64
	put       map[string]bool // digests of blobs stored since the log was opened
	tree      format.Frontier // of the entries compared; of all, unless w seals
	head      format.Head     // of the log, when it was sealed
}

// openLog starts at the log's first entry, or behind its base.
func (m *Mirror) openLog(ctx context.Context, log format.LogID, base *format.Fork) (*logWriter, error) {
	w := &logWriter{m: m, log: log, base: base, encoder: m.encoder}
	m.encoder = nil
	if w.encoder == nil {
		w.encoder = new(runEncoder)
	}
	if base != nil {
		if err := w.skipBase(ctx); err != nil {
			return nil, err
		}
	}
	return w, w.attach(ctx)
}

// skipBase takes the entries of the base into the tree.
func (w *logWriter) skipBase(ctx context.Context) error {
	for e, err := range w.m.store.Read(ctx, w.base.Log, 0) {
		if err != nil {
			return err
		}
		if e.Seq == w.base.Size {
			break
		}
		w.tree.Push(e.Leaf)
	}
	w.pos = w.base.Size
	return nil
}

// attach gets ready to compare with what w.log holds from w.pos on.
func (w *logWriter) attach(ctx context.Context) error {
	w.close()
	info, err := w.m.store.Info(ctx, w.log)
	if errors.Is(err, format.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	w.existed, w.size = true, info.Size
	if info.Size > w.pos {
		w.next, w.stop = iter.Pull2(w.m.store.Read(ctx, w.log, w.pos))
	}
	return nil
}

// release closes w, whose buffers then serve the next one.
func (w *logWriter) release() {
	w.close()
	if w.appender != nil {
		// It was not committed, and the error of that is on its way.
		_ = w.appender.Close()
		w.appender = nil
	}
	w.encoder.reset()
	w.m.encoder = w.encoder
}

func (w *logWriter) close() {
	if w.stop != nil {
		w.stop()
	}
	w.next, w.stop = nil, nil
}

// add compares or appends the entries of a run.
func (w *logWriter) add(ctx context.Context, vendor string, run *Run) error {
	entries, blobs, err := w.encoder.encode(vendor, run)
	if err != nil {
		return err
	}
	for _, e := range entries {
		same := false
		if w.next != nil || !w.seals {
			leaf := format.LeafHash(e)
			if same, err = w.holds(ctx, leaf); err != nil {
				return err
			}
			w.tree.Push(leaf)
		}
		if !same {
			if blobs != nil {
				if err := w.putBlobs(ctx, blobs); err != nil {
					return err
				}
				blobs = nil
			}
			w.batch = append(w.batch, e)
			w.batchSize += len(e)
			w.appended++
		}
		w.pos++
	}
	if w.batchSize >= batchBytes || w.seals && w.batchSize >= sealedBatchBytes {
		return w.flush(ctx)
	}
	return nil
}

// holds tells whether the log has that entry next. If it has another one, w moves
// to the fork that has it, or to a new one.
func (w *logWriter) holds(ctx context.Context, leaf format.Hash) (bool, error) {
	for w.next != nil {
		e, err, ok := w.next()
		if err != nil {
			return false, err
		}
		if !ok {
			w.close()
			break
		}
		if e.Leaf == leaf {
			return true, nil
		}
		if err := w.diverge(ctx, leaf); err != nil {
			return false, err
		}
	}
	return false, nil
}

// diverge moves to the log for contents that differ from w.log from w.pos on.
func (w *logWriter) diverge(ctx context.Context, leaf format.Hash) error {
	child := divergedLogID(w.log, w.pos, leaf)
	parent := w.log
	w.log, w.forked = child, true
	if err := w.attach(ctx); err != nil {
		return err
	}
	if w.next != nil || w.pos == 0 || w.m.dryRun {
		return nil
	}
	err := w.m.store.CreateFork(ctx, child, parent, w.pos)
	if errors.Is(err, format.ErrExists) {
		return nil
	}
	return err
}

// maxPut bounds how many blobs are remembered of a log.
const maxPut = 10_000

// putBlobs stores blobs that the log's entries to come refer to. A picture that is
// repeated a thousand times is stored once: entries of this log name it, or will
// before the store lets anybody collect it.
func (w *logWriter) putBlobs(ctx context.Context, blobs []PendingBlob) error {
	if w.m.dryRun {
		return nil
	}
	for _, b := range blobs {
		if w.put[b.Ref.Digest] {
			continue
		}
		if _, _, err := w.m.store.PutBlob(ctx, bytes.NewReader(b.Data)); err != nil {
			return err
		}
		if w.put == nil || len(w.put) == maxPut {
			w.put = make(map[string]bool)
		}
		w.put[b.Ref.Digest] = true
	}
	return nil
}

// flush appends what was collected.
func (w *logWriter) flush(ctx context.Context) error {
	batch := w.batch
	at := w.pos - int64(len(batch))
	w.batch, w.batchSize = nil, 0
	defer func() {
		clear(batch)
		w.batch = batch[:0]
		w.encoder.reset()
	}()
	if len(batch) == 0 || w.m.dryRun {
		return nil
	}
	if w.base != nil && !w.existed && !w.forked {
		err := w.m.store.CreateFork(ctx, w.log, w.base.Log, w.base.Size)
		if err != nil && !errors.Is(err, format.ErrExists) {
			return err
		}
	}
	w.existed = true
	if w.seals {
		return busy(w.appendSealed(ctx, at, batch))
	}
	_, err := w.m.store.Append(ctx, w.log, at, batch)
	if errors.Is(err, format.ErrUnknown) {
		_, err = format.Settle(ctx, w.m.store, w.log, at, batch)
	}
	return busy(err)
}

// busy says what to do about a conflict.
func busy(err error) error {
	var conflict *format.ConflictError
	if errors.As(err, &conflict) {
		return fmt.Errorf("another import writes to the same log; run it again: %w", err)
	}
	return err
}

// appendSealed appends to the sealed segment that is being written.
func (w *logWriter) appendSealed(ctx context.Context, at int64, batch [][]byte) (err error) {
	if w.appender == nil {
		if w.appender, err = w.m.sealer.AppendSealed(ctx, w.log, at); err != nil {
			return err
		}
	}
	return w.appender.AppendJoined(ctx, batch)
}

// finish makes all that was added durable.
func (w *logWriter) finish(ctx context.Context) error {
	if err := w.flush(ctx); err != nil {
		return err
	}
	if w.appender == nil {
		if w.appended > 0 || !w.existed || w.m.dryRun || w.m.syncer == nil {
			return nil
		}
		// All of it is there: from an import that may have died before its sync.
		_, err := w.m.syncer.Sync(ctx, w.log)
		return err
	}
	head, err := w.appender.Commit()
	if errors.Is(err, format.ErrUnknown) {
		return fmt.Errorf("what the log holds is not known; run the import again: %w", err)
	}
	w.appender, w.head, w.sealed = nil, head, err == nil
	return busy(err)
}

// describe fills in what became of the log.
func (w *logWriter) describe(out *Outcome) {
	out.Log, out.Appended, out.Sealed = w.log, w.appended, w.sealed
	if out.Head = w.head; !w.sealed {
		out.Head = format.Head{Log: w.log, Size: w.pos, Root: w.tree.Root()}
	}
	switch {
	case w.appended == 0 && w.pos < w.size:
		out.Status = OutcomePrefix
	case w.appended == 0 && w.existed:
		out.Status = OutcomeUnchanged
	case w.forked:
		out.Status = OutcomeDiverged
	case w.size > 0:
		out.Status = OutcomeGrown
	default:
		out.Status = OutcomeNew
	}
}
