package opencode

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"iter"
	"strings"

	"github.com/ownlog/ownlog/convert"
	"github.com/ownlog/ownlog/format"
	"github.com/ownlog/ownlog/schema"
)

// importDatabase mirrors every session of a database.
func importDatabase(ctx context.Context, m *convert.Mirror, src convert.Source, limit int64) error {
	path := src.Group
	if path == "" {
		path = strings.TrimSuffix(src.Files[0].Path, walSuffix)
	}
	copied, remove, err := snapshot(ctx, path)
	if err != nil {
		return err
	}
	defer remove()
	db, lost, err := openCopy(ctx, path, copied, limit)
	switch {
	case errors.Is(err, errNotOpenCode):
		return &convert.RefusedError{Reason: errNotOpenCode.Error()}
	case err != nil:
		return fmt.Errorf("%s: %w", path, err)
	}
	defer db.Close()
	run := &databaseImport{m: m, db: db, path: path, events: src.Options[optionEvents] != "", limit: src.Projects, lost: lost}
	if db.cutShort {
		if err := run.salvage(ctx); err != nil {
			return err
		}
	}
	return run.all(ctx)
}

// openCopy opens a copy that [snapshot] made of the original, damaged or not. lost
// names what of it cannot be used besides its rows.
func openCopy(ctx context.Context, original, path string, limit int64) (db *database, lost []string, err error) {
	head, err := readHead(path, headerSize+1)
	if err != nil {
		return nil, nil, err
	}
	wal, err := readHead(path+walSuffix, walHeader)
	if err != nil {
		return nil, nil, err
	}
	if hasForeignWAL(wal) {
		lost = append(lost, "the write-ahead log, which does not begin as one")
	}
	open := func() error {
		db, err = openDatabase(ctx, path, limit, false)
		if isDamage(err) {
			db, err = openDatabase(ctx, path, limit, true)
			if err == nil {
				lost = append(lost, "pages at the end of the file")
			}
		}
		return err
	}
	if hasLostHeader(head) {
		if db, err = openMended(ctx, path, limit); err == nil {
			lost = append(lost, "the header of the file")
		}
		return db, lost, err
	}
	if open() == nil || len(wal) == 0 {
		return db, lost, err
	}
	// The -wal may be another database's, and may have been written into the copy.
	failed := err
	if err := errors.Join(removeWAL(path), copyFile(ctx, original, path)); err != nil {
		return nil, nil, err
	}
	if lost = append(lost, "the write-ahead log, which is not of this database"); open() != nil {
		return nil, nil, failed
	}
	return db, lost, nil
}

// databaseImport is the import of one database.
type databaseImport struct {
	m      *convert.Mirror
	db     *database
	path   string
	events bool
	limit  convert.Projects
	shared map[string]bool // with a limit: the projects of sessions that are in it
	saved  *salvage        // once a damaged page was met
	lost   []string        // besides rows
	check  *eventCheck     // of the session that is read, if events are
}

func (di *databaseImport) all(ctx context.Context) error {
	var ids []string
	var rowless int
	err := errSalvage
	if di.saved == nil {
		ids, rowless, err = di.db.sessions(ctx)
	}
	if err == errSalvage || isDamage(err) {
		if err = di.salvage(ctx); err == nil {
			ids, rowless = di.saved.sessionIDs()
		}
	}
	if err != nil {
		return fmt.Errorf("%s: %w", di.path, err)
	}
	if len(di.limit) > 0 {
		if ids, rowless, err = di.wanted(ctx, ids); err != nil {
			return fmt.Errorf("%s: %w", di.path, err)
		}
		if len(ids) == 0 {
			return &convert.RefusedError{Reason: "holds no session of the project"}
		}
	}
	for i, id := range ids {
		if err := di.session(ctx, id, i >= len(ids)-rowless); err != nil {
			return err
		}
	}
	if err := di.projects(ctx); err != nil {
		return err
	}
	lost := di.lost
	if di.saved != nil {
		lost = append(lost, di.saved.lost...)
	}
	if len(lost) > 0 {
		return &DamageError{Path: di.path, Lost: lost}
	}
	return nil
}

// wanted returns the sessions that worked in the projects that are asked for. A
// session without a row of its own names no folder.
func (di *databaseImport) wanted(ctx context.Context, all []string) (ids []string, rowless int, err error) {
	di.shared = make(map[string]bool)
	for _, id := range all {
		folder, project, err := di.folder(ctx, id)
		if err != nil {
			return nil, 0, err
		}
		if di.limit.Hold(folder) {
			ids = append(ids, id)
			di.shared[project] = true
		}
	}
	return ids, 0, nil
}

// folder returns where a session worked, and the id of its project.
func (di *databaseImport) folder(ctx context.Context, id string) (folder, project string, err error) {
	rows := di.db.session(ctx, id)
	if di.saved != nil {
		rows = di.saved.session(ctx, id)
	}
	for r, err := range rows {
		if isDamage(err) && di.saved == nil {
			if err := di.salvage(ctx); err != nil {
				return "", "", err
			}
			return di.folder(ctx, id)
		}
		if err != nil {
			return "", "", err
		}
		if r.table != tableSession || r.big != nil {
			break
		}
		_, cells, err := parseRow(r.bytes)
		if err != nil {
			return "", "", err
		}
		return cellText(cells, "directory"), cellText(cells, "project_id"), nil
	}
	return "", "", nil
}

// DamageError: a database has damaged pages. Everything that could be read was
// imported; Lost names what could not, a row or a stretch of rows each.
type DamageError struct {
	Path string
	Lost []string
}

func (e *DamageError) Error() string {
	const most = 5
	list := strings.Join(e.Lost[:min(most, len(e.Lost))], ", ")
	if len(e.Lost) > most {
		list += fmt.Sprintf(" and %d more", len(e.Lost)-most)
	}
	return fmt.Sprintf("%s: database disk image is malformed: what is readable was imported; lost: %s", e.Path, list)
}

// errSalvage: the database is known to be damaged, so only what was salvaged is read.
var errSalvage = errors.New("damaged")

func (di *databaseImport) salvage(ctx context.Context) (err error) {
	if di.saved == nil {
		di.saved, err = salvageDatabase(ctx, di.db)
	}
	return err
}

// session mirrors one session.
func (di *databaseImport) session(ctx context.Context, id string, rowless bool) error {
	log, err := openSessionLog(ctx, di.m, sessionName(id), di.path)
	if err != nil {
		return err
	}
	defer log.rows.Release()
	if rowless {
		log.rows.Findings().Add("session-row-missing", "session "+id)
	}
	di.check = nil
	if di.events {
		di.check = newEventCheck()
	}
	err = errSalvage
	if di.saved == nil {
		err = di.put(ctx, log, di.db.session(ctx, id), true)
	}
	if err == errSalvage || isDamage(err) {
		if err = di.salvage(ctx); err == nil {
			err = di.put(ctx, log, di.saved.session(ctx, id), true)
		}
	}
	if err == nil && di.events {
		err = di.put(ctx, log, di.db.sessionEvents(ctx, id), false)
		switch {
		case isDamage(err):
			log.rows.Findings().Add("event-rows-damaged", "session "+id)
			err = nil
		case err == nil && di.saved == nil:
			di.check.report(log.rows.Findings())
		}
		di.check = nil
	}
	if err != nil {
		return fmt.Errorf("%s: session %s: %w", di.path, id, err)
	}
	return log.close(ctx, di.saved == nil)
}

// put puts rows into a log; once leaves out those that were put before, as when a
// damaged page was met in between.
func (di *databaseImport) put(ctx context.Context, log *sessionLog, rows iter.Seq2[row, error], once bool) error {
	for r, err := range rows {
		if err == nil {
			err = ctx.Err()
		}
		if err != nil {
			return err
		}
		key := schema.Row{Table: r.table, ID: r.id}
		if once && log.rows.Touched(key) {
			continue
		}
		if di.check != nil {
			di.check.row(&r)
		}
		message := r.message
		if r.table == tableMessage {
			message = r.id
		}
		if r.orphan && di.saved == nil {
			log.loseMissing()
		}
		if r.big != nil {
			err = di.putBig(ctx, log, key, r.big)
		} else {
			err = log.put(ctx, key, message, convert.Record{Bytes: r.bytes, Checked: r.checked}, func(string, []byte) record { return r.record() })
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// sessionLog is a session's log while rows are put into it.
type sessionLog struct {
	rows     *convert.Rows
	mapper   *mapper
	order    rowOrder
	database map[schema.Row]bool        // rows that a database gave
	stored   map[schema.Row]schema.Blob // rows whose bytes are a blob, of which that must be asked
	lost     bool                       // the mapper knows which messages are missing
}

// openSessionLog takes up the state of the log that mirrors a session.
func openSessionLog(ctx context.Context, m *convert.Mirror, name convert.LogName, path string) (*sessionLog, error) {
	l := &sessionLog{mapper: newMapper(nil), database: make(map[schema.Row]bool), stored: make(map[schema.Row]schema.Blob)}
	var err error
	l.rows, err = m.OpenRows(ctx, name, path, func(seq int64, ev *schema.Event, raw []byte) error {
		l.mapper.restore(ev, raw)
		if ev.Source != nil && ev.Source.Row != nil && ev.Source.Part == 0 {
			l.order.restore(*ev.Source.Row, seq, isGone(ev))
		}
		switch {
		case ev.Source == nil || ev.Source.Row == nil || ev.Source.Part > 0:
		case ev.RawBlob != nil:
			l.stored[*ev.Source.Row] = *ev.RawBlob
		case fromDatabase(ev, raw):
			l.database[*ev.Source.Row] = true
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	l.mapper.findings = l.rows.Findings()
	return l, nil
}

// fromDatabase tells a database row's entry from a file's.
func fromDatabase(ev *schema.Event, raw []byte) bool {
	switch {
	case raw != nil:
		return isRow(raw)
	case len(ev.RawParts) > 0:
		return isRow([]byte(ev.RawParts[0].Inline))
	case ev.Raw64 != "":
		b, err := base64.StdEncoding.DecodeString(ev.Raw64)
		return err == nil && isRow(b)
	}
	return false
}

// superseded tells whether a database gave a row of which there is a file, too.
func (l *sessionLog) superseded(ctx context.Context, store format.Store, row schema.Row) (bool, error) {
	ref, stored := l.stored[row]
	if !stored || l.database[row] {
		return l.database[row], nil
	}
	digest, err := convert.BlobDigest(ref)
	if err != nil {
		return false, err
	}
	r, err := store.OpenBlob(ctx, digest)
	if err != nil {
		return false, err
	}
	head := make([]byte, len(rowBegin))
	_, err = io.ReadFull(r, head)
	if err == io.EOF || err == io.ErrUnexpectedEOF {
		err = nil
	}
	l.database[row] = isRow(head)
	delete(l.stored, row)
	return l.database[row], errors.Join(err, r.Close())
}

// put adds a row unless the log has it. message is its own id, of a message, or
// that of its message. read takes its bytes apart.
func (l *sessionLog) put(ctx context.Context, key schema.Row, message string, rec convert.Record, read func(id string, b []byte) record) error {
	_, _, same := l.rows.Seen(key, rec.Bytes)
	return l.putUnlessHeld(ctx, key, message, same, func() convert.Run {
		run := convert.Run{Record: rec, Row: &key}
		l.mapper.mapRecord(read(key.ID, rec.Bytes), &run)
		return run
	})
}

// putUnlessHeld puts the run of a row into the log if the row is new, or changed, or
// means something else by now, or stands too far in front. Then it is said to be
// gone first, and stands where it comes again. same says that the log has its bytes.
func (l *sessionLog) putUnlessHeld(ctx context.Context, key schema.Row, message string, same bool, mapped func() convert.Run) error {
	var run convert.Run
	due := !same || l.mapper.waiting(key, message)
	if due {
		run = mapped()
	}
	if l.order.places != nil && l.order.moves(key, l.mapper.known(message) == nil) {
		if !due {
			run = mapped()
		}
		due = true
		if err := l.putGone(ctx, key); err != nil {
			return err
		}
	}
	if !due {
		return nil
	}
	return l.rows.Put(ctx, run)
}

// loseMissing tells the mapper, when all messages were read, which of them the
// source no longer has: parts that are left have no message.
func (l *sessionLog) loseMissing() {
	if l.lost {
		return
	}
	l.lost = true
	for _, row := range l.rows.Missing() {
		if row.Table == tableMessage {
			l.mapper.lose(row.ID)
		}
	}
}

// putGone says that a row is not where the log has it.
func (l *sessionLog) putGone(ctx context.Context, row schema.Row) error {
	run := convert.Run{Row: &row}
	emit(&run, nil, schema.ActorImport, response{}, &schema.VendorRecord{Kind: kindGone})
	return l.rows.Put(ctx, run)
}

// close says which rows the source no longer has, if complete tells that it was
// read to its end, and ends the import of the log.
func (l *sessionLog) close(ctx context.Context, complete bool) error {
	if complete {
		for _, gone := range l.rows.Missing() {
			if gone.Table == tableEvent {
				continue // not asked for this time, or deleted by an upgrade
			}
			if err := l.putGone(ctx, gone); err != nil {
				return err
			}
		}
	}
	_, err := l.rows.Close(ctx)
	return err
}

// projects mirrors what the sessions of a project share.
func (di *databaseImport) projects(ctx context.Context) error {
	for _, id := range di.db.projects(ctx) {
		if len(di.limit) > 0 && !di.shared[id] {
			continue
		}
		if err := di.project(ctx, id); err != nil {
			return fmt.Errorf("%s: project %s: %w", di.path, id, err)
		}
	}
	return nil
}

func (di *databaseImport) project(ctx context.Context, id string) error {
	log, err := openSessionLog(ctx, di.m, projectName(id), di.path)
	if err != nil {
		return err
	}
	defer log.rows.Release()
	err = di.put(ctx, log, di.db.project(ctx, id), false)
	if isDamage(err) {
		log.rows.Findings().Add("project-damaged", "project "+id)
		err = nil
	}
	if err != nil {
		return err
	}
	return log.close(ctx, di.saved == nil)
}
