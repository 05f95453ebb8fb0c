package opencode

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"modernc.org/libc"
	sqlite3 "modernc.org/sqlite/lib"

	"github.com/ownlog/ownlog/convert"
	"github.com/ownlog/ownlog/schema"
)

// bigRow is a row with values that are too big to be read whole.
type bigRow struct {
	table   string
	columns []string
	values  []datum // those that are big are null
	big     []bool  // by column
}

// bigRow copies the values last scanned.
func (s *scanner) bigRow() *bigRow {
	r := &bigRow{table: s.t.name, columns: s.t.columns, values: slices.Clone(s.values), big: make([]bool, len(s.values))}
	for i := range r.values {
		r.values[i].bytes = slices.Clone(r.values[i].bytes)
		r.big[i] = s.sizes[i] > s.t.limit
	}
	return r
}

// putBig streams a row into a blob and maps what of it fits into memory.
func (di *databaseImport) putBig(ctx context.Context, log *sessionLog, key schema.Row, r *bigRow) error {
	store := di.db.direct
	rowid, err := di.db.rowid(ctx, r)
	if err != nil {
		return err
	}
	skeleton, verbatim, e, err := di.skeleton(ctx, store, r, rowid)
	if err != nil {
		return err
	}
	stored, err := di.storeRow(ctx, store, r, rowid, verbatim)
	if err != nil {
		return err
	}
	message := r.text("message_id")
	if r.table == tableMessage {
		message = key.ID
	}
	_, _, same := log.rows.SeenDigest(key, strings.TrimPrefix(stored.Digest, "sha256:"))
	rec := fromRow(key.ID, appendRow(nil, r.table, r.columns, r.values))
	rec.data, rec.finding = skeleton, ""
	switch {
	case e == nil: // a session's: its big columns mean nothing to the mapper
	case skeleton == nil && e.tooBig:
		rec.finding = "row-too-big"
	case skeleton == nil:
		rec.finding = "data-not-json"
	}
	return log.putUnlessHeld(ctx, key, message, same, func() convert.Run { return log.mapBig(rec, &key, &stored, e) })
}

// mapBig maps a row that is stored already, of which rec holds the skeleton; e may
// be nil.
func (l *sessionLog) mapBig(rec record, key *schema.Row, stored *schema.Blob, e *elider) convert.Run {
	if e != nil && rec.finding == "" {
		l.mapper.elided, l.mapper.mark = e.blobs, e.mark
		defer func() { l.mapper.elided, l.mapper.mark = nil, "" }()
	}
	run := convert.Run{Record: convert.Record{Stored: stored}, Row: key}
	l.mapper.mapRecord(rec, &run)
	return run
}

// skeleton reads the row's data as a stream; e is nil if data is not big. It is
// verbatim if it is JSON that may stand in the row as it is.
func (di *databaseImport) skeleton(ctx context.Context, store *connection, r *bigRow, rowid int64) (skeleton []byte, verbatim bool, e *elider, err error) {
	i := slices.Index(r.columns, dataColumn)
	if i < 0 || !r.big[i] {
		return nil, false, nil, nil
	}
	in, err := store.open(r.table, dataColumn, rowid)
	if err != nil {
		return nil, false, nil, err
	}
	defer in.Close()
	e = newElider(in, func(s io.Reader) (schema.Blob, error) { return di.m.PutBlob(ctx, s, textMedia) })
	e.limit = di.db.limit / 2
	switch err := e.run(); {
	case errors.Is(err, errNotJSON) && in.err == nil:
		return nil, false, e, nil
	case err != nil:
		return nil, false, nil, err
	case e.tooBig:
		return nil, !e.control, e, nil
	}
	return e.skeleton, !e.control, e, nil
}

// storeRow writes the row's bytes, as appendRow would, into a blob.
func (di *databaseImport) storeRow(ctx context.Context, store *connection, r *bigRow, rowid int64, verbatim bool) (schema.Blob, error) {
	out, in := io.Pipe()
	go func() {
		w := bufio.NewWriterSize(in, 256<<10)
		err := store.writeRow(w, r, rowid, verbatim)
		in.CloseWithError(errors.Join(err, w.Flush()))
	}()
	ref, err := di.m.PutBlob(ctx, out, "")
	out.CloseWithError(err)
	return ref, err
}

func (v *connection) writeRow(w *bufio.Writer, r *bigRow, rowid int64, verbatim bool) error {
	w.Write(appendQuoted([]byte(`{"`+tableMember+`":`), r.table))
	for i, name := range r.columns {
		if !r.big[i] {
			one := appendRow(nil, "", r.columns[i:i+1], r.values[i:i+1])
			w.Write(one[len(`{"table":""`) : len(one)-1])
			continue
		}
		quoted := true
		switch {
		case name != dataColumn:
			w.Write(append(appendQuoted([]byte{','}, name), ':'))
		case verbatim:
			w.WriteString(`,"data":`)
			quoted = false
		default:
			w.WriteString(`,"data":null,"` + dataText + `":`)
		}
		if err := v.copy(w, r.table, name, rowid, quoted); err != nil {
			return err
		}
	}
	return w.WriteByte('}')
}

// copy writes a value, as a JSON string or as it is.
func (v *connection) copy(w *bufio.Writer, table, column string, rowid int64, quoted bool) error {
	in, err := v.open(table, column, rowid)
	if err != nil {
		return err
	}
	defer in.Close()
	if !quoted {
		_, err := io.Copy(w, in)
		return err
	}
	w.WriteByte('"')
	buf, piece := make([]byte, 64<<10), []byte(nil)
	for {
		n, err := in.Read(buf)
		piece = appendQuoted(piece[:0], buf[:n])
		w.Write(piece[1 : len(piece)-1])
		if err == io.EOF {
			return w.WriteByte('"')
		}
		if err != nil {
			return err
		}
	}
}

// rowid finds the number of a row, which the value interface asks for.
func (d *database) rowid(ctx context.Context, r *bigRow) (rowid int64, err error) {
	where, key := "id = ?", []any{r.value("id")}
	if r.table == tableTodo {
		where, key = "session_id = ? AND position = ?", []any{r.value("session_id"), r.value("position")}
	}
	err = d.db.QueryRowContext(ctx, "SELECT rowid FROM "+quoteName(r.table)+" WHERE "+where, key...).Scan(&rowid)
	return rowid, err
}

func (r *bigRow) text(column string) string {
	if i := slices.Index(r.columns, column); i >= 0 {
		return r.values[i].text()
	}
	return ""
}

func (r *bigRow) value(column string) any {
	i := slices.Index(r.columns, column)
	if i < 0 {
		return nil
	}
	if v := r.values[i]; v.kind == integerDatum {
		return v.integer
	}
	return r.values[i].text()
}

// value is one value as a stream, through SQLite's interface for incremental
// reading. It is used by one goroutine at a time.
type value struct {
	v      *connection
	handle uintptr
	buf    uintptr // in SQLite's memory
	at     int32
	size   int32
	err    error
}

// valueChunk is how much of a value is read at a time.
const valueChunk = 256 << 10

// open opens a value. The caller closes it.
func (v *connection) open(table, column string, rowid int64) (*value, error) {
	var names []uintptr
	defer func() {
		for _, p := range names {
			libc.Xfree(v.tls, p)
		}
	}()
	for _, s := range []string{"main", table, column} {
		p, err := libc.CString(s)
		if err != nil {
			return nil, err
		}
		names = append(names, p)
	}
	in := &value{v: v}
	rc := v.pointer(&in.handle, func(out uintptr) int32 {
		return sqlite3.Xsqlite3_blob_open(v.tls, v.db, names[0], names[1], names[2], rowid, 0, out)
	})
	if rc != sqlite3.SQLITE_OK {
		return nil, v.failure(rc)
	}
	in.size = sqlite3.Xsqlite3_blob_bytes(v.tls, in.handle)
	if in.buf = libc.Xmalloc(v.tls, valueChunk); in.buf == 0 {
		in.Close()
		return nil, &resultError{sqlite3.SQLITE_NOMEM, "out of memory"}
	}
	return in, nil
}

// Read implements io.Reader.
func (in *value) Read(p []byte) (int, error) {
	if in.err != nil {
		return 0, in.err
	}
	n := min(int32(min(len(p), valueChunk)), in.size-in.at)
	if n == 0 {
		return 0, io.EOF
	}
	if rc := sqlite3.Xsqlite3_blob_read(in.v.tls, in.handle, in.buf, n, in.at); rc != sqlite3.SQLITE_OK {
		in.err = fmt.Errorf("byte %d of %d: %w", in.at, in.size, in.v.failure(rc))
		return 0, in.err
	}
	copy(p, libc.GoBytes(in.buf, int(n)))
	in.at += n
	return int(n), nil
}

// Close lets go of the value.
func (in *value) Close() error {
	sqlite3.Xsqlite3_blob_close(in.v.tls, in.handle)
	if in.buf != 0 {
		libc.Xfree(in.v.tls, in.buf)
	}
	return nil
}
