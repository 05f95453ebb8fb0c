package opencode

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"iter"
	"net/url"
	"path/filepath"
	"slices"
	"strings"

	"modernc.org/sqlite" // also registers the driver
	sqlite3 "modernc.org/sqlite/lib"
)

// errNotOpenCode: a database of something else.
var errNotOpenCode = errors.New("an SQLite database without tables session and message: not OpenCode's")

// errNotDatabase: no database at all, or one damaged beyond its first page.
var errNotDatabase = errors.New("not a readable SQLite database")

// readTables are the tables that are read. All others, those with secrets
// (account, account_state, control_account, credential, session_share) among
// them, are never named in a query.
var readTables = []string{tableProject, tableSession, tableMessage, tablePart, tableTodo, tableEvent, tablePermission}

// maxInline is the largest value, in bytes, that is read into memory whole.
const maxInline = 16 << 20

// maxGather is how much of a message's parts, in bytes, is gathered to sort it;
// a message with more is read a part at a time.
const maxGather = 4 << 20

// database is a private copy of an OpenCode database. Which generation it is
// shows in its tables and columns alone. It is used by one goroutine.
type database struct {
	db     *sql.DB
	direct *connection // for rows, of which there are many
	path   string
	limit  int64 // values longer than this are not read whole
	// cutShort: the file is shorter than its header says, and was opened all the same.
	cutShort bool
	tables   map[string]*table

	gathered gathering // room to be used again
	scanners map[string]*scanner
}

// table is a table as this database has it.
type table struct {
	name    string
	columns []string
	query   string // SELECT of everything, up to FROM and the table
	// guarded columns are read as null when they are longer than limit.
	guarded []bool
	limit   int64
	// The places of columns that say what a row belongs to, -1 where there is none.
	id, message, session, position, created int
}

// row is one row of the database.
type row struct {
	table   string
	id      string
	bytes   []byte // valid until the next row; nil if the row is too big
	created int64  // milliseconds, 0 if there is none
	size    int64  // of the values that were too big to read, 0 if none was
	big     *bigRow

	// Of rows whose data stands in bytes as it is: what fromRow would find.
	message, session string
	orphan           bool // a part whose message is not there
	timed            bool // created is a time, or there is none
	data             span
	checked          bool // see [convert.Record]
}

// span is a stretch of bytes; empty if there is none.
type span struct{ from, to int }

// record reads the row as the mapper sees it.
func (r *row) record() record {
	if r.data.to == 0 || r.created < 0 || r.created > maxMilliseconds {
		return fromRow(r.id, r.bytes)
	}
	rec := record{table: r.table, id: r.id, messageID: r.message, sessionID: r.session, at: "/" + dataColumn, data: r.bytes[r.data.from:r.data.to]}
	if r.timed {
		rec.created = &r.created
	}
	return rec
}

// openDatabase opens a copy made by [snapshot]. A file that is shorter than its
// header says is refused by SQLite as a whole; cutShort opens it all the same.
func openDatabase(ctx context.Context, path string, limit int64, cutShort bool) (*database, error) {
	name := filepath.ToSlash(path)
	if !strings.HasPrefix(name, "/") {
		name = "/" + name
	}
	pragmas := []string{"trusted_schema(0)", "cell_size_check(1)", "mmap_size(0)", "temp_store(1)"}
	if cutShort {
		pragmas = append([]string{"writable_schema(1)"}, pragmas...)
	}
	db, err := sql.Open("sqlite", "file:"+(&url.URL{Path: name}).EscapedPath()+"?_pragma="+strings.Join(pragmas, "&_pragma="))
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(1)
	d := &database{db: db, path: path, limit: limit, cutShort: cutShort, tables: make(map[string]*table), scanners: make(map[string]*scanner)}
	if err := d.readSchema(ctx); err != nil {
		db.Close()
		return nil, err
	}
	if d.direct, err = connect(path, pragmas...); err != nil {
		db.Close()
		return nil, err
	}
	return d, nil
}

// Close closes the copy.
func (d *database) Close() error {
	d.direct.close()
	return d.db.Close()
}

func (d *database) readSchema(ctx context.Context) error {
	for _, name := range readTables {
		t, err := d.readTable(ctx, name)
		if err != nil {
			return fmt.Errorf("%w: %w", errNotDatabase, err)
		}
		if t != nil {
			d.tables[name] = t
		}
	}
	if s := d.tables[tableSession]; s == nil || !s.has("id") || d.tables[tableMessage] == nil && d.tables[tablePart] == nil {
		return errNotOpenCode
	}
	d.ensureIndex(ctx, tableMessage, "session_id")
	d.ensureIndex(ctx, tablePart, "message_id")
	d.ensureIndex(ctx, tablePart, "session_id")
	return nil
}

// readTable reads a table's columns, nil if there is no such table. Views and
// virtual tables do not count: they could compute anything.
func (d *database) readTable(ctx context.Context, name string) (*table, error) {
	var ddl string
	err := d.db.QueryRowContext(ctx, `SELECT sql FROM sqlite_master WHERE type = 'table' AND name = ?`, name).Scan(&ddl)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	if strings.HasPrefix(strings.ToUpper(strings.TrimSpace(ddl)), "CREATE VIRTUAL") {
		return nil, nil
	}
	rows, err := d.db.QueryContext(ctx, `SELECT name, type FROM pragma_table_info(?) ORDER BY cid`, name)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	t := &table{name: name, limit: d.limit, id: -1, message: -1, session: -1, position: -1, created: -1}
	var list []string
	for rows.Next() {
		var column, kind string
		if err := rows.Scan(&column, &kind); err != nil {
			return nil, err
		}
		switch column {
		case "id":
			t.id = len(t.columns)
		case "message_id":
			t.message = len(t.columns)
		case "session_id", "aggregate_id":
			t.session = len(t.columns)
		case "position":
			t.position = len(t.columns)
		case "time_created":
			t.created = len(t.columns)
		}
		quoted := quoteName(column)
		guard := strings.EqualFold(kind, "text") && column != "id" && !strings.HasSuffix(column, "_id")
		if guard {
			list = append(list, fmt.Sprintf("CASE WHEN octet_length(%s) > %d THEN NULL ELSE %s END, octet_length(%s)", quoted, d.limit, quoted, quoted))
		} else {
			list = append(list, quoted)
		}
		t.columns, t.guarded = append(t.columns, column), append(t.guarded, guard)
	}
	t.query = "SELECT " + strings.Join(list, ", ") + " FROM " + quoteName(name)
	return t, rows.Err()
}

func (t *table) has(column string) bool { return slices.Contains(t.columns, column) }

// ensureIndex makes an index on the copy when the database has none, so that no
// query has to read a whole table for each message. Failing costs time only.
func (d *database) ensureIndex(ctx context.Context, name, column string) {
	t := d.tables[name]
	if t == nil || !t.has(column) {
		return
	}
	var n int
	err := d.db.QueryRowContext(ctx, `SELECT count(*) FROM pragma_index_list(?) l JOIN pragma_index_info(l.name) i WHERE i.seqno = 0 AND i.name = ?`, name, column).Scan(&n)
	if err == nil && n == 0 {
		_, _ = d.db.ExecContext(ctx, fmt.Sprintf("CREATE INDEX IF NOT EXISTS %s ON %s (%s)", quoteName("ownlog_"+name+"_"+column), quoteName(name), quoteName(column)))
	}
}

func quoteName(name string) string { return `"` + strings.ReplaceAll(name, `"`, `""`) + `"` }

// isDamage tells errors that mean damaged pages from those of a failed query.
func isDamage(err error) bool {
	var e *sqlite.Error
	var direct *resultError
	code := 0
	switch {
	case errors.As(err, &e):
		code = e.Code() & 0xff
	case errors.As(err, &direct):
		code = int(direct.code) & 0xff
	}
	return code == sqlite3.SQLITE_CORRUPT || code == sqlite3.SQLITE_NOTADB || code == sqlite3.SQLITE_IOERR
}

// sessions returns the ids of all sessions, oldest first, then the ids that only
// messages or parts name.
func (d *database) sessions(ctx context.Context) (ids []string, rowless int, err error) {
	order := "id"
	if d.tables[tableSession].created >= 0 {
		order = "time_created, id"
	}
	known := make(map[string]bool)
	add := func(query string) error {
		return d.texts(ctx, query, func(id string) {
			if !known[id] {
				known[id] = true
				ids = append(ids, id)
			}
		})
	}
	if err := add("SELECT id FROM session ORDER BY " + order); err != nil {
		return nil, 0, err
	}
	n := len(ids)
	for _, name := range []string{tableMessage, tablePart} {
		if t := d.tables[name]; t != nil && t.has("session_id") {
			if err := add("SELECT DISTINCT session_id FROM " + name + " ORDER BY session_id"); err != nil {
				return nil, 0, err
			}
		}
	}
	return ids, len(ids) - n, nil
}

// texts runs a query of one column.
func (d *database) texts(ctx context.Context, query string, each func(string), args ...any) error {
	rows, err := d.db.QueryContext(ctx, query, args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var v any
		if err := rows.Scan(&v); err != nil {
			return err
		}
		each(asText(v))
	}
	return rows.Err()
}

func asText(v any) string {
	switch v := v.(type) {
	case nil:
		return ""
	case string:
		return v
	case []byte:
		return string(v)
	}
	return fmt.Sprint(v)
}

// session yields the rows of a session: its own; the messages by time_created
// and id, each followed by its parts; parts whose message is missing; todos.
// Damage ends the sequence with an error for which isDamage holds.
func (d *database) session(ctx context.Context, id string) iter.Seq2[row, error] {
	return func(yield func(row, error) bool) {
		for _, step := range []func(context.Context, string, func(row) bool) (bool, error){
			d.sessionRow, d.messageRows, d.orphanParts, d.todoRows,
		} {
			more, err := step(ctx, id, func(r row) bool { return yield(r, nil) })
			if err != nil {
				yield(row{}, err)
				return
			}
			if !more {
				return
			}
		}
	}
}

func (d *database) sessionRow(ctx context.Context, id string, yield func(row) bool) (bool, error) {
	return d.scan(ctx, d.tables[tableSession], "WHERE id = ?", yield, id)
}

func (d *database) messageRows(ctx context.Context, session string, yield func(row) bool) (bool, error) {
	t := d.tables[tableMessage]
	if t == nil || !t.has("session_id") {
		return true, nil
	}
	var partErr error
	more, err := d.scan(ctx, t, "WHERE session_id = ? ORDER BY "+t.order(), func(m row) bool {
		if !yield(m) {
			return false
		}
		var more bool
		more, partErr = d.partRows(ctx, m.id, m.created, yield)
		return more && partErr == nil
	}, session)
	if partErr != nil {
		return false, partErr
	}
	return more, err
}

// order is the column order in which a table's rows are read.
func (t *table) order() string {
	if t.created >= 0 {
		return "time_created, id"
	}
	return "id"
}

// partRows yields the parts of a message in their order (see comparePart).
func (d *database) partRows(ctx context.Context, message string, messageMS int64, yield func(row) bool) (bool, error) {
	t := d.tables[tablePart]
	if t == nil || !t.has("message_id") {
		return true, nil
	}
	g := gathering{rows: d.gathered.rows[:0], bytes: d.gathered.bytes[:0]}
	more, err := d.scan(ctx, t, "WHERE message_id = ? ORDER BY id", g.add, message)
	d.gathered = g
	if err != nil {
		return false, err
	}
	if !more {
		return d.partsOneByOne(ctx, message, messageMS, yield)
	}
	for r := range g.sorted(messageMS) {
		if !yield(r) {
			return false, nil
		}
	}
	return true, nil
}

// gathering is the parts of one message, held to be sorted.
type gathering struct {
	rows  []row // their bytes are gathered in bytes, in the same order
	bytes []byte
}

// add takes a copy of a part; false when there are too many bytes.
func (g *gathering) add(r row) bool {
	if len(g.bytes)+len(r.bytes) > maxGather && len(g.rows) > 0 || len(r.bytes) > maxGather {
		return false
	}
	g.bytes = append(g.bytes, r.bytes...)
	g.rows = append(g.rows, r)
	return true
}

// sorted yields the parts in their order.
func (g *gathering) sorted(messageMS int64) iter.Seq[row] {
	at, toolMade := 0, true
	for i := range g.rows {
		r := &g.rows[i]
		if r.big == nil {
			r.bytes = g.bytes[at : at+len(r.bytes)]
			at += len(r.bytes)
		}
		_, made := idTime(r.id, partPrefix)
		toolMade = toolMade && made
	}
	compare := comparePart(toolMade, messageMS)
	byPlace := func(a, b row) int { return compare(partKey{a.id, a.created}, partKey{b.id, b.created}) }
	if !slices.IsSortedFunc(g.rows, byPlace) {
		slices.SortStableFunc(g.rows, byPlace)
	}
	return slices.Values(g.rows)
}

// partsOneByOne sorts the ids alone, for messages too big to gather.
func (d *database) partsOneByOne(ctx context.Context, message string, messageMS int64, yield func(row) bool) (bool, error) {
	t := d.tables[tablePart]
	created := "0"
	if t.created >= 0 {
		created = "time_created"
	}
	rows, err := d.db.QueryContext(ctx, "SELECT id, "+created+" FROM part WHERE message_id = ?", message)
	if err != nil {
		return false, err
	}
	defer rows.Close()
	var keys []partKey
	toolMade := true
	for rows.Next() {
		var id, ms any
		if err := rows.Scan(&id, &ms); err != nil {
			return false, err
		}
		n, _ := ms.(int64)
		_, made := idTime(asText(id), partPrefix)
		toolMade = toolMade && made
		keys = append(keys, partKey{asText(id), n})
	}
	if err := rows.Err(); err != nil {
		return false, err
	}
	rows.Close()
	slices.SortStableFunc(keys, comparePart(toolMade, messageMS))
	for _, k := range keys {
		more, err := d.scan(ctx, t, "WHERE id = ?", yield, k.id)
		if err != nil || !more {
			return more, err
		}
	}
	return true, nil
}

// orphanParts yields a session's parts whose message does not exist.
func (d *database) orphanParts(ctx context.Context, session string, yield func(row) bool) (bool, error) {
	t := d.tables[tablePart]
	if t == nil || !t.has("session_id") || !t.has("message_id") {
		return true, nil
	}
	missing := ""
	if d.tables[tableMessage] != nil {
		missing = " AND NOT EXISTS (SELECT 1 FROM message WHERE message.id = part.message_id)"
	}
	return d.scan(ctx, t, "WHERE session_id = ?"+missing+" ORDER BY id", func(r row) bool {
		r.orphan = true
		return yield(r)
	}, session)
}

func (d *database) todoRows(ctx context.Context, session string, yield func(row) bool) (bool, error) {
	t := d.tables[tableTodo]
	if t == nil || !t.has("session_id") || !t.has("position") {
		return true, nil
	}
	return d.scan(ctx, t, "WHERE session_id = ? ORDER BY position", yield, session)
}

// scan yields the rows of a query on one table. more is false when yield ended it.
func (d *database) scan(ctx context.Context, t *table, where string, yield func(row) bool, args ...any) (more bool, err error) {
	s := d.scanners[where+t.name]
	if s == nil {
		s = newScanner(t)
		d.scanners[where+t.name] = s
	}
	return d.direct.each(ctx, t.query+" "+where, func(stmt *statement) bool { return yield(s.row(stmt)) }, args...)
}

// scanner turns the values of a query into rows.
type scanner struct {
	t      *table
	values []datum
	sizes  []int64 // by column: length of a guarded value
	buffer []byte
	last   row // its strings are used again
}

func newScanner(t *table) *scanner {
	return &scanner{t: t, values: make([]datum, len(t.columns)), sizes: make([]int64, len(t.columns))}
}

// row reads the statement's row. Its bytes are valid until the next call.
func (s *scanner) row(stmt *statement) row {
	r := row{table: s.t.name}
	for i, n := 0, 0; i < len(s.values); i++ {
		s.values[i] = stmt.column(n)
		n++
		if s.t.guarded[i] {
			if s.sizes[i] = stmt.column(n).integer; s.sizes[i] > s.t.limit {
				r.size += s.sizes[i]
			}
			n++
		}
	}
	r.id = s.id()
	if created := s.value(s.t.created); created.kind == integerDatum {
		r.created, r.timed = created.integer, true
	}
	if r.size > 0 {
		r.big = s.bigRow()
		return r
	}
	s.buffer, r.data, r.checked = appendRowData(s.buffer[:0], s.t.name, s.t.columns, s.values)
	r.bytes = s.buffer
	r.message = again(s.last.message, s.value(s.t.message))
	r.session = again(s.last.session, s.value(s.t.session))
	if created := s.value(s.t.created); created.kind == realDatum {
		r.data = span{} // rare enough to be read from the bytes
	}
	s.last = r
	return r
}

// again gives a text as a string, the last one if it is the same.
func again(last string, d datum) string {
	switch {
	case d.kind != textDatum:
		return ""
	case string(d.bytes) == last:
		return last
	}
	return string(d.bytes)
}

func (s *scanner) id() string {
	switch {
	case s.t.name == tableTodo:
		return s.value(s.t.session).text() + "/" + s.value(s.t.position).text()
	case s.t.id < 0: // permission, in the first schemas
		return s.value(slices.Index(s.t.columns, "project_id")).text()
	}
	return s.value(s.t.id).text()
}

// value is the value of a column, null if there is no such column.
func (s *scanner) value(column int) datum {
	if column < 0 {
		return datum{}
	}
	return s.values[column]
}

// sessionEvents yields the snapshots of rows that the tool kept of a session, in
// the order they were made.
func (d *database) sessionEvents(ctx context.Context, session string) iter.Seq2[row, error] {
	return func(yield func(row, error) bool) {
		t := d.tables[tableEvent]
		if t == nil || !t.has("aggregate_id") || !t.has("seq") {
			return
		}
		_, err := d.scan(ctx, t, "WHERE aggregate_id = ? ORDER BY seq", func(r row) bool { return yield(r, nil) }, session)
		if err != nil {
			yield(row{}, err)
		}
	}
}

// projects returns the ids of the projects that can be read.
func (d *database) projects(ctx context.Context) []string {
	var ids []string
	if t := d.tables[tableProject]; t != nil && t.has("id") {
		// A damaged page ends the list; the sessions are what matters.
		_ = d.texts(ctx, "SELECT id FROM project ORDER BY id", func(id string) { ids = append(ids, id) })
	}
	return ids
}

// project yields a project's row and the permissions given for good in it.
func (d *database) project(ctx context.Context, id string) iter.Seq2[row, error] {
	return func(yield func(row, error) bool) {
		each := func(r row) bool { return yield(r, nil) }
		more, err := d.scan(ctx, d.tables[tableProject], "WHERE id = ?", each, id)
		if t := d.tables[tablePermission]; err == nil && more && t != nil && t.has("project_id") {
			_, err = d.scan(ctx, t, "WHERE project_id = ? ORDER BY rowid", each, id)
		}
		if err != nil {
			yield(row{}, err)
		}
	}
}
