package opencode

import (
	"bufio"
	"crypto/rand"
	"errors"
	"io"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/ownlog/ownlog/schema"
)

// A value of hundreds of megabytes is read as a stream. The elider checks that it
// is JSON and makes a skeleton of it that fits into memory: the same JSON with
// every long string replaced by a placeholder and stored as a blob.
type elider struct {
	r        *bufio.Reader
	put      func(io.Reader) (schema.Blob, error) // stores a string's content
	mark     string                               // what placeholders begin with
	blobs    map[string]schema.Blob               // by placeholder
	skeleton []byte
	limit    int64 // of the skeleton, in bytes
	control  bool  // a control byte was seen
	tooBig   bool  // the skeleton was given up
	spaced   bool  // whitespace may stand around the value
	read     int64
}

const elideChunk = 64 << 10

// errNotJSON: the stream is not one JSON value.
var errNotJSON = errors.New("not one JSON value")

// newElider reads from r. Placeholders begin with random text, so that no source
// can contain one.
func newElider(r io.Reader, put func(io.Reader) (schema.Blob, error)) *elider {
	return &elider{r: bufio.NewReaderSize(r, 256<<10), put: put, limit: maxInline / 2, mark: "elided-" + rand.Text() + "-", blobs: make(map[string]schema.Blob)}
}

// run reads the stream to its end. It wraps errNotJSON if that is not one value
// without whitespace around it; other errors are those of reading and storing.
func (e *elider) run() error {
	if err := e.value(0, !e.spaced); err != nil {
		return err
	}
	if e.spaced {
		switch _, err := e.token(); {
		case errors.Is(err, errNotJSON): // the end
			return nil
		case err != nil:
			return err
		}
		return errNotJSON
	}
	if _, err := e.r.ReadByte(); err != io.EOF {
		return errors.Join(errNotJSON, err)
	}
	return nil
}

func (e *elider) next() (byte, error) {
	c, err := e.r.ReadByte()
	if err == io.EOF {
		return 0, errNotJSON
	}
	e.read++
	e.control = e.control || c < 0x20
	return c, err
}

func (e *elider) back() { _ = e.r.UnreadByte(); e.read-- }

// token reads the next byte that is not whitespace.
func (e *elider) token() (byte, error) {
	for {
		c, err := e.next()
		if err != nil || c != ' ' && c != '\t' && c != '\n' && c != '\r' {
			return c, err
		}
	}
}

func (e *elider) keep(b ...byte) {
	if int64(len(e.skeleton)+len(b)) > e.limit {
		e.tooBig = true
	}
	if !e.tooBig {
		e.skeleton = append(e.skeleton, b...)
	}
}

func (e *elider) value(depth int, first bool) error {
	if depth > maxJSONDepth {
		return errNotJSON
	}
	read := e.token
	if first {
		read = e.next
	}
	c, err := read()
	if err != nil {
		return err
	}
	switch {
	case c == '{' || c == '[':
		return e.compound(c, depth)
	case c == '"':
		return e.string()
	case c == '-' || c >= '0' && c <= '9':
		return e.number(c)
	}
	for _, literal := range []string{"true", "false", "null"} {
		if c == literal[0] {
			return e.literal(literal)
		}
	}
	return errNotJSON
}

func (e *elider) literal(text string) error {
	for i := 1; i < len(text); i++ {
		if c, err := e.next(); err != nil || c != text[i] {
			return errors.Join(errNotJSON, err)
		}
	}
	e.keep([]byte(text)...)
	return nil
}

// compound reads an object or array, whose opening was read.
func (e *elider) compound(open byte, depth int) error {
	end := open + 2 // ] and } stand two behind [ and {
	e.keep(open)
	for n := 0; ; n++ {
		c, err := e.token()
		if err != nil {
			return err
		}
		if c == end && n == 0 {
			e.keep(end)
			return nil
		}
		if open == '{' {
			if c != '"' {
				return errNotJSON
			}
			if err := e.string(); err != nil {
				return err
			}
			if c, err := e.token(); err != nil || c != ':' {
				return errors.Join(errNotJSON, err)
			}
			e.keep(':')
		} else {
			e.back()
		}
		if err := e.value(depth+1, false); err != nil {
			return err
		}
		c, err = e.token()
		switch {
		case err != nil:
			return err
		case c == end:
			e.keep(end)
			return nil
		case c != ',':
			return errNotJSON
		}
		e.keep(',')
	}
}

// number reads a number, whose first byte was read.
func (e *elider) number(c byte) error {
	text := []byte{c}
	for len(text) < elideChunk {
		c, err := e.r.ReadByte()
		if err == io.EOF {
			break
		}
		if err != nil {
			return err
		}
		e.read++
		if c != '-' && c != '+' && c != '.' && c != 'e' && c != 'E' && (c < '0' || c > '9') {
			e.back()
			break
		}
		text = append(text, c)
	}
	if !isJSON(text) {
		return errNotJSON
	}
	e.keep(text...)
	return nil
}

// string reads a string, whose opening was read.
func (e *elider) string() error {
	text := []byte{'"'}
	var long *longString
	escaped := false // the byte before ended an escape, perhaps half a pair
	for {
		c, err := e.next()
		if err == nil && c < 0x20 {
			err = errNotJSON
		}
		if err != nil {
			return errors.Join(err, long.abort(err))
		}
		if c == '"' {
			break
		}
		whole := c != '\\' && (c < 0x80 || c >= 0xc0) && !escaped
		if whole && (long == nil && len(text) > schema.MaxString || long != nil && len(text) > elideChunk) {
			if long == nil {
				long = e.startLong()
			}
			if err := long.write(text); err != nil {
				return err
			}
			text = text[:1]
		}
		text = append(text, c)
		escaped = false
		if c == '\\' {
			if text, err = e.escape(text); err != nil {
				return errors.Join(err, long.abort(err))
			}
			escaped = true
		}
	}
	if long == nil {
		text = append(text, '"')
		if !isJSON(text) {
			return errNotJSON
		}
		e.keep(text...)
		return nil
	}
	if err := long.write(text); err != nil {
		return err
	}
	ref, err := long.finish()
	if err != nil {
		return err
	}
	placeholder := e.mark + ref.Digest
	e.blobs[placeholder] = ref
	e.keep(appendQuoted(nil, placeholder)...)
	return nil
}

// escape reads the rest of an escape.
func (e *elider) escape(text []byte) ([]byte, error) {
	c, err := e.next()
	n := 0
	switch {
	case err != nil:
		return text, err
	case c == 'u':
		n = 4
	case c != '"' && c != '\\' && c != '/' && c != 'b' && c != 'f' && c != 'n' && c != 'r' && c != 't':
		return text, errNotJSON
	}
	text = append(text, c)
	for range n {
		c, err := e.next()
		if err != nil {
			return text, err
		}
		if !(c >= '0' && c <= '9' || c >= 'a' && c <= 'f' || c >= 'A' && c <= 'F') {
			return text, errNotJSON
		}
		text = append(text, c)
	}
	return text, nil
}

// longString is a string on its way into a blob.
type longString struct {
	w    *io.PipeWriter
	done chan struct{}
	ref  schema.Blob
	err  error
	buf  []byte
}

func (e *elider) startLong() *longString {
	r, w := io.Pipe()
	l := &longString{w: w, done: make(chan struct{})}
	go func() {
		defer close(l.done)
		l.ref, l.err = e.put(r)
		r.CloseWithError(l.err)
	}()
	return l
}

// write decodes a piece, an opening quote and whole characters.
func (l *longString) write(piece []byte) error {
	// What is not UTF-8, and lone surrogates, become U+FFFD; the error says no more.
	l.buf, _ = jsontext.AppendUnquote(l.buf[:0], string(piece)+`"`)
	_, err := l.w.Write(l.buf)
	return err
}

func (l *longString) finish() (schema.Blob, error) {
	err := l.w.Close()
	<-l.done
	return l.ref, errors.Join(err, l.err)
}

// abort ends a string that failed.
func (l *longString) abort(err error) error {
	if l == nil {
		return nil
	}
	l.w.CloseWithError(err)
	<-l.done
	return nil
}
