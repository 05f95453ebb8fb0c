package convert

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"

	"github.com/ownlog/ownlog/format"
	"github.com/ownlog/ownlog/schema"
)

// Rows mirrors one log's source whose records change in place: database rows and
// side files. New rows are appended, a changed row comes again with the next
// rev. A row is compared with what the same path gave last; from another path,
// bytes that the log has under any rev add nothing.
type Rows struct {
	m        *Mirror
	w        *logWriter
	name     LogName
	path     string
	held     map[schema.Row]*heldRow
	order    []schema.Row // of first appearance
	findings FindingCounts
	records  int64
	released bool
}

// heldRow is what a log holds of a row, and what happened to it this time.
type heldRow struct {
	digests []string // by rev
	here    string   // what this path gave last, empty if nothing
	gone    bool     // the latest rev says that the row is gone
	touched bool     // seen or put this time
}

// OpenRows reads what the log of that name holds, calling restore (if not nil) for
// every entry in log order so that a mapper can take up its state, and gets ready
// to compare rows of the source at path with it. path must tell sources apart; it
// appears in import records only. raw is valid during the call.
//
// From the first row that is put until Close or Release the log is locked, and must
// not be used through the store. The caller must call Release.
func (m *Mirror) OpenRows(ctx context.Context, name LogName, path string, restore func(seq int64, ev *schema.Event, raw []byte) error) (*Rows, error) {
	r := &Rows{m: m, name: name, path: path, held: make(map[schema.Row]*heldRow)}
	var err error
	if r.w, err = m.openLog(ctx, name.LogID(), nil); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	r.w.close()
	r.w.seals = m.sealer != nil && !m.dryRun
	if r.w.existed {
		err = WalkEvents(ctx, m.store, r.w.log, 0, -1, func(e LogEvent) error { return r.restore(ctx, e, restore) })
		if err != nil {
			r.Release()
			return nil, fmt.Errorf("%s: %w", path, err)
		}
	}
	rec, _ := m.imports.Source(r.sourceKey())
	for key, digest := range rec.Rows {
		if row, ok := parseRowKey(key); ok && r.held[row] != nil {
			r.held[row].here = digest
		}
	}
	return r, nil
}

// sourceKey names the import record of this path's rows in this log.
func (r *Rows) sourceKey() string { return r.path + "\x00" + r.w.log.String() }

// restore takes up one entry of the log.
func (r *Rows) restore(ctx context.Context, e LogEvent, restore func(int64, *schema.Event, []byte) error) error {
	if e.Event == nil {
		return fmt.Errorf("entry %d is redacted: rows cannot be compared with it", e.Seq)
	}
	if src := e.Event.Source; src != nil && src.Row != nil && src.Part == 0 {
		h := r.row(*src.Row)
		digest := ""
		if e.Event.RawBlob != nil { // may be too big to hold in memory
			digest = strings.TrimPrefix(e.Event.RawBlob.Digest, blobPrefix)
		} else if record, err := RecordBytes(ctx, r.m.store, e.Event, e.Raw); err == nil {
			digest = digestOf(record)
		}
		h.gone = digest == ""
		h.digests = append(h.digests, digest)
	}
	r.w.pos = e.Seq + 1
	if restore == nil {
		return nil
	}
	return restore(e.Seq, e.Event, e.Raw)
}

func (r *Rows) row(row schema.Row) *heldRow {
	h := r.held[row]
	if h == nil {
		h = new(heldRow)
		r.held[row] = h
		r.order = append(r.order, row)
	}
	return h
}

// Seen tells what the log holds of a row: how many revisions (rev is the latest
// one's number), and whether these bytes add nothing, because this path gave them
// last or because another path's import has them already.
func (r *Rows) Seen(row schema.Row, record []byte) (rev int64, known, same bool) {
	if !r.holds(row) { // a row that is new is hashed once, when it is put
		return 0, false, false
	}
	return r.SeenDigest(row, digestOf(record))
}

// Touched tells whether a row was seen or put since the log was opened.
func (r *Rows) Touched(row schema.Row) bool {
	h := r.held[row]
	return h != nil && h.touched
}

// holds tells whether the log has the row under any revision.
func (r *Rows) holds(row schema.Row) bool {
	h := r.held[row]
	return h != nil && len(h.digests) > 0
}

// SeenDigest is [Rows.Seen] for bytes of which the caller has the SHA-256, in 64
// hexadecimal digits.
func (r *Rows) SeenDigest(row schema.Row, digest string) (rev int64, known, same bool) {
	if !r.holds(row) {
		return 0, false, false
	}
	h := r.held[row]
	h.touched = true
	rev = int64(len(h.digests) - 1)
	if h.here != "" {
		return rev, true, h.here == digest && !h.gone
	}
	if h.gone {
		return rev, true, false
	}
	if slices.Contains(h.digests, digest) {
		h.here = digest
		return rev, true, true
	}
	return rev, true, false
}

// Put appends a run for a row that is new or changed. Rows sets run.Rev.
func (r *Rows) Put(ctx context.Context, run Run) error {
	if run.Row == nil {
		return fmt.Errorf("%s: a run without a row", r.path)
	}
	h := r.row(*run.Row)
	run.Rev = int64(len(h.digests))
	digest := ""
	switch {
	case run.Record.Stored != nil:
		digest = strings.TrimPrefix(run.Record.Stored.Digest, blobPrefix)
	case run.Record.Bytes != nil:
		digest = digestOf(run.Record.Bytes)
	}
	h.digests = append(h.digests, digest)
	h.here, h.gone, h.touched = digest, digest == "", true
	r.records++
	if err := r.w.add(ctx, r.name.Vendor, &run); err != nil {
		return fmt.Errorf("%s: %s %s: %w", r.path, run.Row.Table, run.Row.ID, err)
	}
	return nil
}

// Missing returns the rows that the same path gave before and that were neither
// seen nor put this time, in the order of the log.
func (r *Rows) Missing() []schema.Row {
	var missing []schema.Row
	for _, row := range r.order {
		if h := r.held[row]; h.here != "" && !h.touched && !h.gone {
			missing = append(missing, row)
		}
	}
	return missing
}

// Earlier returns the sessions, as [LogName.ID], whose logs the last import of the
// source at path went to: rows of theirs may be gone.
func (m *Mirror) Earlier(path string) []string {
	var ids []string
	rec, _ := m.imports.Source(path)
	for _, o := range rec.Outcomes {
		if o.Session != "" && !slices.Contains(ids, o.Session) {
			ids = append(ids, o.Session)
		}
	}
	return ids
}

// PutGone notes that rows which the same path gave before are not there any more.
func (r *Rows) PutGone(ctx context.Context) error {
	for _, row := range r.Missing() {
		run := Run{
			Row:    &row,
			Events: []*schema.Event{{Actor: schema.Actor{Kind: schema.ActorExecutor}, Data: &schema.VendorRecord{Kind: schema.KindGone}}},
		}
		if err := r.Put(ctx, run); err != nil {
			return err
		}
	}
	return nil
}

// Findings returns the counts to which the importer adds what it comes across.
func (r *Rows) Findings() Findings { return &r.findings }

// Close appends what is left and records the import.
func (r *Rows) Close(ctx context.Context) (Outcome, error) {
	err := r.w.finish(ctx)
	r.Release()
	if err != nil {
		return Outcome{}, fmt.Errorf("%s: %w", r.path, err)
	}
	out := Outcome{Name: r.name, Records: r.records, Findings: r.findings.List(), Report: new(schema.Fidelity)}
	r.w.describe(&out)
	out.Report.Add(schema.Preserved, "row", r.records, "")
	if !r.m.dryRun && r.w.pos > 0 {
		if !out.Sealed {
			if out.Head, err = r.m.store.Head(ctx, r.w.log, r.w.pos); err != nil {
				return Outcome{}, fmt.Errorf("%s: %w", r.path, err)
			}
		}
		rec := SourceRecord{Path: r.sourceKey(), Vendor: r.name.Vendor, Rows: make(map[string]string, len(r.held))}
		for row, h := range r.held {
			if h.here != "" {
				rec.Rows[rowKey(row)] = h.here
			}
		}
		if err := r.m.imports.PutSource(rec); err != nil {
			return Outcome{}, err
		}
	}
	r.m.outcomes = append(r.m.outcomes, out)
	return out, nil
}

// Release lets go of the log. Rows that were put since it was opened, and not made
// durable by Close, are dropped, but for whole segments of a long log. It may be
// called again.
func (r *Rows) Release() {
	if !r.released {
		r.released = true
		r.w.release()
	}
}

func digestOf(record []byte) string {
	sum := sha256.Sum256(record)
	return hex.EncodeToString(sum[:])
}

// rowKey writes a row as one string; a table's name holds no colon.
func rowKey(row schema.Row) string { return row.Table + ":" + row.ID }

func parseRowKey(key string) (schema.Row, bool) {
	for i := range len(key) {
		if key[i] == ':' {
			return schema.Row{Table: key[:i], ID: key[i+1:]}, true
		}
	}
	return schema.Row{}, false
}

// LatestRows calls visit with the newest bytes of every row that a mirrored log
// holds in its first size entries (negative: all) and that is not gone, in the
// order in which the rows first appeared.
func LatestRows(ctx context.Context, store format.Store, log format.LogID, size int64, visit func(row schema.Row, record []byte) error) error {
	latest := make(map[schema.Row]int64) // seq of the newest run
	var order []schema.Row
	err := WalkEvents(ctx, store, log, 0, size, func(e LogEvent) error {
		if e.Event == nil || e.Event.Source == nil || e.Event.Source.Row == nil || e.Event.Source.Part > 0 {
			return nil
		}
		row := *e.Event.Source.Row
		if _, ok := latest[row]; !ok {
			order = append(order, row)
		}
		latest[row] = e.Seq
		return nil
	})
	if err != nil {
		return err
	}
	for _, row := range order {
		seq := latest[row]
		err := WalkEvents(ctx, store, log, seq, seq+1, func(e LogEvent) error {
			record, err := RecordBytes(ctx, store, e.Event, e.Raw)
			if err != nil {
				if vr, ok := e.Event.Data.(*schema.VendorRecord); ok && vr.Kind == "gone" {
					return nil
				}
				return fmt.Errorf("entry %d: %w", seq, err)
			}
			return visit(row, record)
		})
		if err != nil {
			return err
		}
	}
	return nil
}
