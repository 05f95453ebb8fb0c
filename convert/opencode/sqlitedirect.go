package opencode

import (
	"context"
	"encoding/binary"
	"fmt"
	"math/bits"

	"modernc.org/libc"
	sqlite3 "modernc.org/sqlite/lib"
)

// connection reads the private copy through SQLite's own interface. Rows by the
// million are read here: database/sql allocates for every value, copies it, and
// starts a goroutine for every query. It is used by one goroutine.
type connection struct {
	tls      *libc.TLS
	db       uintptr
	prepared map[string]*statement
}

// resultError is an error of SQLite.
type resultError struct {
	code int32
	what string
}

func (e *resultError) Error() string { return fmt.Sprintf("%s (SQLite result %d)", e.what, e.code) }

// connect opens the copy read-only and runs statements that give no rows.
func connect(path string, pragmas ...string) (*connection, error) {
	c := &connection{tls: libc.NewTLS(), prepared: make(map[string]*statement)}
	name, err := libc.CString(path)
	if err != nil {
		c.close()
		return nil, err
	}
	defer libc.Xfree(c.tls, name)
	rc := c.pointer(&c.db, func(out uintptr) int32 {
		return sqlite3.Xsqlite3_open_v2(c.tls, name, out, sqlite3.SQLITE_OPEN_READONLY|sqlite3.SQLITE_OPEN_NOMUTEX, 0)
	})
	if rc != sqlite3.SQLITE_OK {
		err := c.failure(rc)
		c.close()
		return nil, err
	}
	c.keepPlans()
	for _, p := range pragmas {
		s, err := c.prepare("PRAGMA " + p)
		if err == nil {
			_, err = s.next()
			s.reset()
		}
		if err != nil {
			c.close()
			return nil, err
		}
	}
	return c, nil
}

// keepPlans keeps SQLite from compiling a query anew for every other argument, in
// the hope of a better plan: there is one index to use. Failing costs time only.
func (c *connection) keepPlans() {
	const size = 16
	args := libc.Xcalloc(c.tls, 1, size)
	if args == 0 {
		return
	}
	defer libc.Xfree(c.tls, args)
	sqlite3.Xsqlite3_db_config(c.tls, c.db, sqlite3.SQLITE_DBCONFIG_ENABLE_QPSG, libc.VaList(args, int32(1), uintptr(0)))
}

// close ends the connection and its statements.
func (c *connection) close() {
	for _, s := range c.prepared {
		s.free()
		sqlite3.Xsqlite3_finalize(c.tls, s.handle)
	}
	if c.db != 0 {
		sqlite3.Xsqlite3_close_v2(c.tls, c.db)
	}
	c.tls.Close()
}

// failure describes what a call on the connection returned.
func (c *connection) failure(rc int32) error {
	what := libc.GoString(sqlite3.Xsqlite3_errstr(c.tls, rc))
	if c.db != 0 {
		if said := libc.GoString(sqlite3.Xsqlite3_errmsg(c.tls, c.db)); said != what {
			what += ": " + said
		}
	}
	return &resultError{rc, what}
}

// pointer runs a function that returns a pointer through its argument.
func (c *connection) pointer(result *uintptr, f func(out uintptr) int32) int32 {
	const size = 8
	out := libc.Xcalloc(c.tls, 1, size)
	if out == 0 {
		return sqlite3.SQLITE_NOMEM
	}
	defer libc.Xfree(c.tls, out)
	rc := f(out)
	b := libc.GoBytes(out, size)
	if bits.UintSize == 32 {
		*result = uintptr(binary.NativeEndian.Uint32(b))
	} else {
		*result = uintptr(binary.NativeEndian.Uint64(b))
	}
	return rc
}

// statement is a compiled query. It is compiled once and run often, but not from
// within itself.
type statement struct {
	c      *connection
	handle uintptr
	texts  []uintptr // bound, in SQLite's memory
}

// prepare compiles a query once.
func (c *connection) prepare(query string) (*statement, error) {
	if s := c.prepared[query]; s != nil {
		return s, nil
	}
	text, err := libc.CString(query)
	if err != nil {
		return nil, err
	}
	defer libc.Xfree(c.tls, text)
	s := &statement{c: c}
	rc := c.pointer(&s.handle, func(out uintptr) int32 {
		return sqlite3.Xsqlite3_prepare_v2(c.tls, c.db, text, int32(len(query)), out, 0)
	})
	if rc != sqlite3.SQLITE_OK {
		return nil, c.failure(rc)
	}
	c.prepared[query] = s
	return s, nil
}

// start begins the query anew with other arguments: strings and int64.
func (s *statement) start(args ...any) error {
	s.reset()
	for i, arg := range args {
		var rc int32
		switch arg := arg.(type) {
		case int64:
			rc = sqlite3.Xsqlite3_bind_int64(s.c.tls, s.handle, int32(i+1), arg)
		case string:
			p, err := libc.CString(arg)
			if err != nil {
				return err
			}
			s.texts = append(s.texts, p)
			rc = sqlite3.Xsqlite3_bind_text(s.c.tls, s.handle, int32(i+1), p, int32(len(arg)), 0)
		default:
			return fmt.Errorf("argument %d is a %T", i+1, arg)
		}
		if rc != sqlite3.SQLITE_OK {
			return s.c.failure(rc)
		}
	}
	return nil
}

// reset ends a run and lets go of its locks and arguments.
func (s *statement) reset() {
	sqlite3.Xsqlite3_reset(s.c.tls, s.handle)
	sqlite3.Xsqlite3_clear_bindings(s.c.tls, s.handle)
	s.free()
}

func (s *statement) free() {
	for _, p := range s.texts {
		libc.Xfree(s.c.tls, p)
	}
	s.texts = s.texts[:0]
}

// next goes to the next row; false at the end.
func (s *statement) next() (bool, error) {
	switch rc := sqlite3.Xsqlite3_step(s.c.tls, s.handle); rc {
	case sqlite3.SQLITE_ROW:
		return true, nil
	case sqlite3.SQLITE_DONE:
		return false, nil
	default:
		return false, s.c.failure(rc)
	}
}

// column reads one value of the row. Its bytes are SQLite's and valid until the
// statement goes on.
func (s *statement) column(i int) datum {
	tls, n := s.c.tls, int32(i)
	switch sqlite3.Xsqlite3_column_type(tls, s.handle, n) {
	case sqlite3.SQLITE_INTEGER:
		return datum{kind: integerDatum, integer: sqlite3.Xsqlite3_column_int64(tls, s.handle, n)}
	case sqlite3.SQLITE_FLOAT:
		return datum{kind: realDatum, real: sqlite3.Xsqlite3_column_double(tls, s.handle, n)}
	case sqlite3.SQLITE_TEXT:
		p := sqlite3.Xsqlite3_column_text(tls, s.handle, n)
		return datum{kind: textDatum, bytes: s.bytes(p, n)}
	case sqlite3.SQLITE_BLOB:
		p := sqlite3.Xsqlite3_column_blob(tls, s.handle, n)
		return datum{kind: blobDatum, bytes: s.bytes(p, n)}
	}
	return datum{}
}

func (s *statement) bytes(p uintptr, i int32) []byte {
	size := sqlite3.Xsqlite3_column_bytes(s.c.tls, s.handle, i)
	if p == 0 || size <= 0 {
		return nil
	}
	return libc.GoBytes(p, int(size))
}

// each runs a query and calls visit for every row until it says no. more is
// false if it did.
func (c *connection) each(ctx context.Context, query string, visit func(*statement) bool, args ...any) (more bool, err error) {
	s, err := c.prepare(query)
	if err != nil {
		return false, err
	}
	defer s.reset()
	if err := s.start(args...); err != nil {
		return false, err
	}
	for {
		if err := ctx.Err(); err != nil {
			return false, err
		}
		there, err := s.next()
		if err != nil {
			return false, err
		}
		if !there {
			return true, nil
		}
		if !visit(s) {
			return false, nil
		}
	}
}
