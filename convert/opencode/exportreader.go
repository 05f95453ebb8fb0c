package opencode

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"iter"
	"unicode/utf8"

	"github.com/ownlog/ownlog/convert"
	"github.com/ownlog/ownlog/schema"
)

// exportReader takes an export file apart that is too long to be one record: its
// records are the session's info, each message's info and each part, and what
// stands between two of them is the separator. The last record is the closing
// brace, so that the log alone gives the file back. It is a [convert.RecordSource];
// memory is bounded by limit, whatever the file holds.
type exportReader struct {
	ctx   context.Context
	in    *bufio.Reader
	sum   hash.Hash
	total int64
	final bool
	limit int64 // of values that are read whole, in bytes
	put   func(io.Reader) (schema.Blob, error)

	next func() (convert.Record, error, bool)
	stop func()

	offset, line int64  // of the next byte
	between      []byte // read since the last record
	started      bool   // a record was given
	end          []byte
	piece        exportPiece
	message      string // id of the message that is read
}

// exportPiece says what the record is that was given last.
type exportPiece struct {
	table string // empty: what stands between the pieces
	// message is the id of the message that a part stands in.
	message string
	// Of a record that is too big to be read whole: its skeleton, nil if it is not
	// JSON or too big itself, and what was taken out of it.
	big      bool
	skeleton []byte
	elider   *elider
}

// What stands between two pieces is kept in the entry of the second if it is no
// longer than maxBetween, and is a record of its own otherwise; so is every
// stretch of maxStretch bytes of what is not an export.
const (
	maxBetween = 16 << 10
	maxStretch = 1 << 20
)

func newExportReader(ctx context.Context, src io.Reader, final bool, limit int64, put func(io.Reader) (schema.Blob, error)) *exportReader {
	r := &exportReader{ctx: ctx, final: final, limit: limit, put: put, sum: sha256.New(), line: 1}
	r.in = bufio.NewReaderSize(countingReader{src, r}, 256<<10)
	r.next, r.stop = iter.Pull2(r.records())
	return r
}

// countingReader hashes and counts what is read from the source.
type countingReader struct {
	src io.Reader
	r   *exportReader
}

func (c countingReader) Read(p []byte) (int, error) {
	if err := c.r.ctx.Err(); err != nil {
		return 0, err
	}
	n, err := c.src.Read(p)
	c.r.sum.Write(p[:n])
	c.r.total += int64(n)
	return n, err
}

// Next implements [convert.RecordSource].
func (r *exportReader) Next() (convert.Record, error) {
	rec, err, ok := r.next()
	if !ok {
		return convert.Record{}, io.EOF
	}
	return rec, err
}

// End implements [convert.RecordSource].
func (r *exportReader) End() []byte { return r.end }

// EndLine implements [convert.RecordSource].
func (r *exportReader) EndLine() int64 { return r.line - int64(bytes.Count(r.end, []byte{'\n'})) }

// Size implements [convert.RecordSource].
func (r *exportReader) Size() int64 { return r.total }

// SHA256 implements [convert.RecordSource].
func (r *exportReader) SHA256() string { return hex.EncodeToString(r.sum.Sum(nil)) }

// Close ends the reading, whether it came to the end or not.
func (r *exportReader) Close() { r.stop() }

var (
	// errNotExport: the bytes are not of an export file from here on.
	errNotExport = errors.New("not an export file")
	// errUnfinished: the source ends before the file does.
	errUnfinished = errors.New("the file ends before its last brace")
	// errStopped: no more records are wanted.
	errStopped = errors.New("stopped")
)

// records reads the file.
func (r *exportReader) records() iter.Seq2[convert.Record, error] {
	return func(yield func(convert.Record, error) bool) {
		give := func(rec convert.Record) error {
			if !yield(rec, nil) {
				return errStopped
			}
			return nil
		}
		err := r.file(give)
		if errors.Is(err, errUnfinished) && !r.final {
			r.end = r.between
			return
		}
		if err == nil || errors.Is(err, errNotExport) || errors.Is(err, errUnfinished) {
			err = r.rest(give)
		}
		if err != nil && !errors.Is(err, errStopped) {
			yield(convert.Record{}, err)
		}
	}
}

// file reads the object that the file is.
func (r *exportReader) file(give func(convert.Record) error) error {
	if mark, err := r.in.Peek(len(byteOrderMark)); err == nil && string(mark) == byteOrderMark {
		for range mark {
			if _, err := r.byte(); err != nil {
				return err
			}
		}
	}
	err := r.object(func(name string) error {
		switch name {
		case "info":
			return r.value(tableSession, give)
		case "messages":
			return r.array(func() error { return r.messageObject(give) })
		}
		return r.skip(give)
	})
	if err != nil {
		return err
	}
	return r.closing(give)
}

const byteOrderMark = "\xef\xbb\xbf"

func (r *exportReader) messageObject(give func(convert.Record) error) error {
	r.message = ""
	return r.object(func(name string) error {
		switch name {
		case "info":
			return r.value(tableMessage, give)
		case "parts":
			return r.array(func() error { return r.value(tablePart, give) })
		}
		return r.skip(give)
	})
}

// byte reads a byte of what stands between the pieces.
func (r *exportReader) byte() (byte, error) {
	c, err := r.in.ReadByte()
	if err == io.EOF {
		return 0, errUnfinished
	}
	if err != nil {
		return 0, err
	}
	r.between = append(r.between, c)
	r.passed(c)
	return c, nil
}

func (r *exportReader) passed(c byte) {
	r.offset++
	if c == '\n' {
		r.line++
	}
}

func (r *exportReader) passedAll(b []byte) {
	r.offset += int64(len(b))
	r.line += int64(bytes.Count(b, []byte{'\n'}))
}

// peek looks at the next byte that is not whitespace.
func (r *exportReader) peek() (byte, error) {
	for {
		b, err := r.in.Peek(1)
		switch {
		case err == io.EOF:
			return 0, errUnfinished
		case err != nil:
			return 0, err
		case b[0] != ' ' && b[0] != '\t' && b[0] != '\n' && b[0] != '\r':
			return b[0], nil
		case len(r.between) > maxStretch:
			return 0, errNotExport // whitespace without end
		}
		if _, err := r.byte(); err != nil {
			return 0, err
		}
	}
}

// token reads the next byte that is not whitespace, which must be c.
func (r *exportReader) token(c byte) error {
	got, err := r.peek()
	if err == nil && got != c {
		err = errNotExport
	}
	if err == nil {
		_, err = r.byte()
	}
	return err
}

// object reads an object whose members' values are read by member.
func (r *exportReader) object(member func(name string) error) error {
	return r.list('{', func() error {
		if c, err := r.peek(); err != nil || c != '"' {
			return cmp.Or(err, errNotExport)
		}
		start := len(r.between)
		if err := r.name(); err != nil {
			return err
		}
		name := unquote(r.between[start:])
		if err := r.token(':'); err != nil {
			return err
		}
		return member(name)
	})
}

// name reads a member's name.
func (r *exportReader) name() error {
	start := len(r.between)
	for escaped := true; ; { // the opening quote ends nothing
		c, err := r.byte()
		switch {
		case err != nil:
			return err
		case c == '"' && !escaped:
			if !isJSON(r.between[start:]) {
				return errNotExport
			}
			return nil
		case len(r.between)-start > maxBetween:
			return errNotExport // no name is that long
		}
		escaped = c == '\\' && !escaped
	}
}

func (r *exportReader) array(element func() error) error { return r.list('[', element) }

// list reads an object or an array.
func (r *exportReader) list(open byte, element func() error) error {
	if err := r.token(open); err != nil {
		return err
	}
	end := open + 2 // ] and } stand two behind [ and {
	for n := 0; ; n++ {
		c, err := r.peek()
		if err != nil {
			return err
		}
		if c == end && n == 0 {
			_, err := r.byte()
			return err
		}
		if err := element(); err != nil {
			return err
		}
		if c, err = r.peek(); err != nil {
			return err
		}
		if c == end {
			_, err := r.byte()
			return err
		}
		if err := r.token(','); err != nil {
			return err
		}
	}
}

// skip reads a value that is none of the pieces.
func (r *exportReader) skip(give func(convert.Record) error) error {
	if c, err := r.peek(); err != nil || bytes.IndexByte([]byte(valueStarts), c) < 0 {
		return cmp.Or(err, errNotExport)
	}
	for v := (valueReader{in: r.in}); ; {
		b, err := v.next(maxBetween)
		r.between = append(r.between, b...)
		r.passedAll(b)
		switch {
		case err == io.EOF:
			return nil
		case err != nil:
			return err
		case len(r.between) >= maxStretch:
			if err := r.stretch(give, maxStretch-1, false); err != nil {
				return err
			}
		}
	}
}

// valueStarts are the bytes that a JSON value can begin with.
const valueStarts = `{["-0123456789tfn`

// value reads a piece and gives it as a record.
func (r *exportReader) value(table string, give func(convert.Record) error) error {
	if c, err := r.peek(); err != nil || bytes.IndexByte([]byte(valueStarts), c) < 0 {
		return cmp.Or(err, errNotExport)
	}
	if len(r.between) > maxBetween || !utf8.Valid(r.between) {
		// All but the last byte; every record but the first has something before it.
		if err := r.stretch(give, len(r.between)-1, false); err != nil {
			return err
		}
	}
	rec := convert.Record{Sep: r.between, HasSep: true, Offset: r.offset, Line: r.line}
	v := valueReader{in: r.in}
	var whole []byte
	for {
		b, err := v.next(256 << 10)
		whole = append(whole, b...)
		if err == io.EOF {
			break
		}
		if errors.Is(err, errUnfinished) {
			r.between = append(r.between, whole...)
			r.passedAll(whole)
		}
		if err != nil {
			return err
		}
		if int64(len(whole)) > r.limit {
			return r.big(table, rec, whole, &v, give)
		}
	}
	rec.Bytes = whole
	r.piece = exportPiece{table: table, message: r.message}
	r.passedAll(whole)
	if table == tableMessage {
		r.message = stringAt(whole, "/id")
	}
	return r.given(rec, give)
}

// given gives a record and begins what stands behind it.
func (r *exportReader) given(rec convert.Record, give func(convert.Record) error) error {
	r.started = true
	if err := give(rec); err != nil {
		return err
	}
	r.between = r.between[:0]
	return nil
}

// big stores a value that is too big to be read whole, of which begin is read.
func (r *exportReader) big(table string, rec convert.Record, begin []byte, v *valueReader, give func(convert.Record) error) error {
	stored, store := io.Pipe()
	done := make(chan error, 1)
	go func() {
		blob, err := r.put(stored)
		rec.Stored = &blob
		stored.CloseWithError(err)
		done <- err
	}()
	lines := &lineCounter{}
	src := io.TeeReader(io.MultiReader(bytes.NewReader(begin), v), io.MultiWriter(store, lines))
	e := newElider(src, r.put)
	e.limit = r.limit / 2
	err := e.run()
	if errors.Is(err, errNotJSON) {
		if _, readErr := io.Copy(io.Discard, src); readErr != nil {
			err = readErr
		}
	}
	store.CloseWithError(asEOF(err))
	switch storeErr := <-done; {
	case errors.Is(err, errUnfinished) && !r.final:
		return fmt.Errorf("byte %d: the file ends inside a value of more than %d bytes; if no more of it is to come, --final keeps what there is", rec.Offset, lines.bytes)
	case errors.Is(err, errUnfinished):
		rec.Damaged = true
	case err != nil && !errors.Is(err, errNotJSON):
		return err
	case storeErr != nil:
		return storeErr
	}
	r.offset += lines.bytes
	r.line += lines.lines
	r.piece = exportPiece{table: table, message: r.message, big: true, elider: e}
	if err == nil && !e.tooBig {
		r.piece.skeleton = e.skeleton
	}
	if table == tableMessage {
		r.message = stringAt(r.piece.skeleton, "/id")
	}
	return r.given(rec, give)
}

// asEOF is nil for what ends a value without failing to read it.
func asEOF(err error) error {
	if errors.Is(err, errNotJSON) || errors.Is(err, errUnfinished) {
		return nil
	}
	return err
}

// lineCounter counts bytes and line ends.
type lineCounter struct{ bytes, lines int64 }

func (c *lineCounter) Write(p []byte) (int, error) {
	c.bytes += int64(len(p))
	c.lines += int64(bytes.Count(p, []byte{'\n'}))
	return len(p), nil
}

// stretch gives the first n bytes of what stands between the pieces as a record.
// Its own separator is its first byte, so that no two records stand glued.
func (r *exportReader) stretch(give func(convert.Record) error, n int, damaged bool) error {
	if n < 1 {
		return nil
	}
	whole := r.between
	lines := int64(bytes.Count(whole, []byte{'\n'}))
	rec := convert.Record{
		Bytes: whole[1:n], Sep: whole[:1], HasSep: true, Damaged: damaged,
		Offset: r.offset - int64(len(whole)) + 1, Line: r.line - lines,
	}
	if n == 1 || whole[0] >= utf8.RuneSelf {
		rec.Bytes, rec.Sep, rec.Offset = whole[:n], nil, rec.Offset-1
	}
	rec.Line += int64(bytes.Count(rec.Sep, []byte{'\n'}))
	r.piece = exportPiece{}
	r.started = true
	if err := give(rec); err != nil {
		return err
	}
	r.between = append(r.between[:0], whole[n:]...)
	return nil
}

// closing gives the closing brace as a record.
func (r *exportReader) closing(give func(convert.Record) error) error {
	last := len(r.between) - 1
	if last > maxBetween || !utf8.Valid(r.between) {
		if err := r.stretch(give, last-1, false); err != nil {
			return err
		}
		last = len(r.between) - 1
	}
	r.piece = exportPiece{}
	return r.given(convert.Record{
		Bytes: r.between[last:], Sep: r.between[:last], HasSep: true, Offset: r.offset - 1, Line: r.line,
	}, give)
}

// rest gives what follows the file, or cannot be read as one.
func (r *exportReader) rest(give func(convert.Record) error) error {
	for {
		n, err := r.in.Read(r.room())
		r.between = r.between[:len(r.between)+n]
		r.passedAll(r.between[len(r.between)-n:])
		if err != nil && err != io.EOF {
			return err
		}
		if err == io.EOF {
			break
		}
		if len(r.between) >= maxStretch {
			if err := r.stretch(give, len(r.between), true); err != nil {
				return err
			}
		}
	}
	if len(bytes.TrimSpace(r.between)) > 0 || len(r.between) > maxBetween {
		return r.stretch(give, len(r.between), true)
	}
	r.end = r.between
	return nil
}

// room is where the next bytes between the pieces go.
func (r *exportReader) room() []byte {
	const step = 64 << 10
	if cap(r.between)-len(r.between) < step {
		r.between = append(make([]byte, 0, 2*cap(r.between)+step), r.between...)
	}
	return r.between[len(r.between) : len(r.between)+step]
}
