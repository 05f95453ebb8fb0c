package convert

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"hash"
	"io"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/ownlog/ownlog/format"
)

// MaxRecord is the longest record, in bytes, that is read as JSON. A longer
// line is kept byte for byte, in pieces of this length, without being
// understood: memory stays bounded whatever the source holds.
const MaxRecord = 32 << 20

// maxSep is the longest run of whitespace that stands in an entry's source.sep;
// a longer run is kept as a damaged record of that many bytes.
const maxSep = 16 << 10

// readSize is how much a RecordReader asks for at a time. Without a buffer it begins
// with firstRead: many files are short, of others only the first record is wanted.
const (
	readSize  = 256 << 10
	firstRead = 32 << 10
)

var byteOrderMark = []byte("\xef\xbb\xbf")

// RecordReader splits an append-only source into records so that separators and
// records, put together, are the source's bytes. A record is one JSON object,
// from `{` to `}`; whitespace around it (and a byte order mark in front of the
// file) is separator; any other stretch runs to its line end and is a damaged
// record. What a record is depends on no byte after it.
type RecordReader struct {
	src    io.Reader
	final  bool
	buf    []byte // unread bytes are buf[pos:]
	pos    int
	offset int64 // of buf[pos] in the source
	line   int64 // of buf[pos], from 1
	first  bool
	eof    bool
	err    error
	sum    hash.Hash
	total  int64
}

// NewRecordReader returns a reader of the records of src. If final is set, an
// unfinished last record is a damaged one; otherwise it is left for
// [RecordReader.End].
func NewRecordReader(src io.Reader, final bool) *RecordReader {
	return newRecordReader(src, final, nil)
}

// newRecordReader is NewRecordReader with a buffer to begin with.
func newRecordReader(src io.Reader, final bool, buf []byte) *RecordReader {
	return &RecordReader{src: src, final: final, line: 1, first: true, sum: sha256.New(), buf: buf[:0]}
}

// Next returns the next record, or io.EOF when only the end is left. The
// record's bytes are valid until the next call.
func (r *RecordReader) Next() (Record, error) {
	r.compact()
	sepStart := r.pos
	if err := r.skipSpace(&sepStart); err != nil {
		return Record{}, err
	}
	start := r.pos
	if start-sepStart >= maxSep {
		return r.take(sepStart, sepStart, start, objectNone), nil
	}
	if start == len(r.buf) {
		r.rewind(sepStart)
		return Record{}, io.EOF
	}
	unfinished := false
	if r.buf[start] == '{' {
		end, found, err := r.object(start)
		if err != nil {
			return Record{}, err
		}
		if found == objectWhole || found == objectVerbatim {
			return r.take(sepStart, start, end, found), nil
		}
		unfinished = found == objectUnfinished
	}
	end, bounded, err := r.lineEnd(start)
	if err != nil {
		return Record{}, err
	}
	if (unfinished || !bounded) && !r.final {
		r.rewind(sepStart)
		return Record{}, io.EOF
	}
	return r.take(sepStart, start, end, objectNone), nil
}

// End returns the bytes after the last record: a final newline, and an
// unfinished record that waits for its rest. Call it after Next gave io.EOF.
func (r *RecordReader) End() []byte { return r.buf[r.pos:] }

// EndLine returns the line on which the bytes after the last record begin.
func (r *RecordReader) EndLine() int64 { return r.line }

// Size returns how many bytes the source has; valid after io.EOF.
func (r *RecordReader) Size() int64 { return r.total }

// SHA256 returns the digest of the source in hexadecimal; valid after io.EOF.
func (r *RecordReader) SHA256() string { return hex.EncodeToString(r.sum.Sum(nil)) }

// skipSpace moves pos behind separators, at most maxSep bytes of them.
func (r *RecordReader) skipSpace(sepStart *int) error {
	if r.offset == 0 && r.first {
		if err := r.fillTo(r.pos + len(byteOrderMark)); err != nil {
			return err
		}
		if bytes.HasPrefix(r.buf[r.pos:], byteOrderMark) {
			r.pos += len(byteOrderMark)
		}
	}
	for r.pos-*sepStart < maxSep {
		if r.pos == len(r.buf) {
			if r.eof {
				return nil
			}
			if err := r.fill(); err != nil {
				return err
			}
			continue
		}
		if !isSpace(r.buf[r.pos]) {
			return nil
		}
		r.pos++
	}
	return nil
}

// objectState is what was found where an object could start.
type objectState int

const (
	objectNone       objectState = iota // not JSON, or longer than MaxRecord
	objectWhole                         // from `{` to `}`
	objectVerbatim                      // the same, and an entry can hold it as it stands
	objectUnfinished                    // the source ends before the object does
)

// object looks for the JSON object that starts at start.
func (r *RecordReader) object(start int) (end int, found objectState, err error) {
	// Nearly always the object is one line, alone on it.
	lineEnd, _, err := r.lineEnd(start)
	if err != nil {
		return 0, objectNone, err
	}
	line := jsontext.Value(r.buf[start:lineEnd])
	if line[len(line)-1] == '}' {
		// What fits an entry is checked once, for both purposes.
		if len(line) <= format.MaxRaw && format.CheckRaw(line) == nil {
			return lineEnd, objectVerbatim, nil
		}
		if line.IsValid(lenient...) {
			return lineEnd, objectWhole, nil
		}
	}
	// Objects glued on one line, an object over several lines, or no object. The
	// decoder reads the buffer itself; when it wants more, it starts again with
	// twice as much.
	for {
		window := r.buf[start:min(len(r.buf), start+MaxRecord)]
		dec := jsontext.NewDecoder(bytes.NewBuffer(window), lenient...)
		err := dec.SkipValue()
		switch {
		case err == nil:
			return start + int(dec.InputOffset()), objectWhole, nil
		case !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF):
			return 0, objectNone, nil
		case len(window) == MaxRecord:
			return 0, objectNone, nil
		case r.eof:
			return 0, objectUnfinished, nil
		}
		if err := r.fillTo(start + min(2*len(window), MaxRecord)); err != nil {
			return 0, objectNone, err
		}
	}
}

// lenient is what counts as one JSON object in a source.
var lenient = []jsontext.Options{jsontext.AllowInvalidUTF8(true), jsontext.AllowDuplicateNames(true)}

// lineEnd returns where the stretch that begins at start ends: at its LF, without
// the whitespace before that, or after MaxRecord bytes if there is none so far.
// bounded is false if the source ends first.
func (r *RecordReader) lineEnd(start int) (end int, bounded bool, err error) {
	for from := start; ; {
		if i := bytes.IndexByte(r.buf[from:], '\n'); i >= 0 {
			end, bounded = from+i, true
			break
		}
		from = len(r.buf)
		if r.eof || from-start > MaxRecord {
			end = from
			break
		}
		if err := r.fill(); err != nil {
			return 0, false, err
		}
	}
	if end-start > MaxRecord {
		return start + MaxRecord, true, nil
	}
	for end > start && isSpace(r.buf[end-1]) {
		end--
	}
	return end, bounded, nil
}

// take makes a record of buf[start:end] with the separator buf[sepStart:start].
func (r *RecordReader) take(sepStart, start, end int, found objectState) Record {
	sep := r.buf[sepStart:start]
	rec := Record{
		Bytes:   r.buf[start:end],
		Offset:  r.offset + int64(start-sepStart),
		Damaged: found == objectNone,
		Checked: found == objectVerbatim,
	}
	standard := string(sep) == "\n"
	if r.first {
		standard = len(sep) == 0
	}
	if !standard {
		rec.Sep, rec.HasSep = sep, true
	}
	r.line += int64(bytes.Count(sep, []byte{'\n'}))
	rec.Line = r.line
	r.line += int64(bytes.Count(rec.Bytes, []byte{'\n'}))
	r.offset += int64(end - sepStart)
	r.pos = end
	r.first = false
	return rec
}

func (r *RecordReader) rewind(pos int) { r.pos = pos }

// compact drops what was read, so that the buffer does not grow with the source.
// It moves what is left only when that is less than what was read since.
func (r *RecordReader) compact() {
	if r.pos > 0 && r.pos >= len(r.buf)-r.pos {
		n := copy(r.buf, r.buf[r.pos:])
		r.buf, r.pos = r.buf[:n], 0
	}
	if cap(r.buf) > 8*readSize && len(r.buf) < readSize {
		r.buf = append(make([]byte, 0, 2*readSize), r.buf...)
	}
}

// fill reads once more; at the end of the source it sets eof.
func (r *RecordReader) fill() error {
	if r.err != nil {
		return r.err
	}
	want := readSize
	if cap(r.buf) < readSize { // no buffer was given
		want = min(firstRead+len(r.buf)-r.pos, readSize)
	}
	if cap(r.buf)-len(r.buf) < want {
		room := want
		if cap(r.buf) > 0 {
			// Twice as much, but no more than the longest record needs.
			room = min(2*cap(r.buf)+2*want, MaxRecord+2*maxSep+4*readSize)
		}
		r.buf = append(make([]byte, 0, max(room, len(r.buf)+want)), r.buf...)
	}
	n, err := r.src.Read(r.buf[len(r.buf) : len(r.buf)+want])
	r.sum.Write(r.buf[len(r.buf) : len(r.buf)+n])
	r.total += int64(n)
	r.buf = r.buf[:len(r.buf)+n]
	switch {
	case err == io.EOF:
		r.eof = true
	case err != nil:
		r.err = err
		return err
	}
	return nil
}

// fillTo reads until the buffer holds end bytes, if the source has them.
func (r *RecordReader) fillTo(end int) error {
	for len(r.buf) < end && !r.eof {
		if err := r.fill(); err != nil {
			return err
		}
	}
	return nil
}

func isSpace(c byte) bool { return c == ' ' || c == '\t' || c == '\n' || c == '\r' }
