package format

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strconv"
)

// blockSource gives the text of a segment piece by piece.
type blockSource interface {
	// next returns bytes that begin where a line begins, and their offset in
	// the text; io.EOF after the last. They end with a line, except at the end
	// of a text that does not. They are valid, and the caller may scribble in
	// them, until the next call.
	next() (data []byte, off int64, err error)
}

// firstBlockSize is how much of a text segment is read first, textBlockSize how
// much is read at once of a long one. They are no limit: the buffer grows up to
// a longest line.
const (
	firstBlockSize = 16 << 10
	textBlockSize  = 256 << 10
)

// textBlocks reads a file of plain text.
type textBlocks struct {
	f    io.ReaderAt
	off  int64 // of buf[0]
	buf  []byte
	used int // bytes of buf given out by the last call
	end  bool
}

func newTextBlocks(f io.ReaderAt, off int64) *textBlocks { return &textBlocks{f: f, off: off} }

func (t *textBlocks) next() ([]byte, int64, error) {
	t.buf = t.buf[:copy(t.buf, t.buf[t.used:])]
	t.off += int64(t.used)
	t.used = 0
	switch c := cap(t.buf); {
	case c == 0:
		t.buf = make([]byte, 0, firstBlockSize)
	case c < textBlockSize && !t.end:
		t.buf = append(make([]byte, 0, 4*c), t.buf...)
	}
	searched := 0
	for {
		if i := bytes.LastIndexByte(t.buf[searched:], '\n'); i >= 0 {
			t.used = searched + i + 1
			return t.buf[:t.used], t.off, nil
		}
		searched = len(t.buf)
		if t.end {
			if len(t.buf) == 0 {
				return nil, t.off, io.EOF
			}
			t.used = len(t.buf)
			return t.buf, t.off, nil
		}
		if len(t.buf) > maxLine {
			// Longer than any line: whoever reads on sees that it has no end.
			t.used = len(t.buf)
			return t.buf, t.off, nil
		}
		if len(t.buf) == cap(t.buf) {
			t.buf = append(make([]byte, 0, 2*cap(t.buf)), t.buf...)
		}
		n, err := t.f.ReadAt(t.buf[len(t.buf):cap(t.buf)], t.off+int64(len(t.buf)))
		t.buf = t.buf[:len(t.buf)+n]
		if err != nil && err != io.EOF {
			return nil, t.off, err
		}
		t.end = err == io.EOF
	}
}

// segmentReader reads the lines of one segment in order and checks each by
// itself and against the one before: checksum, shape, position, ack.
type segmentReader struct {
	path string
	sum  uint32
	src  blockSource
	data []byte // what is left of the block
	off  int64  // of data in the text
	line int64  // lines read so far
	// open is set if the last line may lack its LF: recovery keeps such a line of
	// the open segment. unended tells that it did.
	open, unended bool

	seq  int64 // of the next entry
	ack  int64 // of the line before, or noAck, or unknownAck
	seal *line // once it was read
}

const (
	noAck      = -1 // the next line is the first of its segment
	unknownAck = -2 // reading began inside a segment
)

// readHeader reads the header, which must be that of a segment of log that
// begins at first. raw is the header's line without LF, valid like a block.
func (r *segmentReader) readHeader(log LogID, first int64) (h header, raw []byte, err error) {
	r.sum = logSum(log)
	raw, off, err := r.nextLine()
	if err == io.EOF {
		return h, nil, (&fault{ruleHeader, "empty segment", "a header", "end of the file"}).at(r.path, 0, 1, first)
	}
	if c := (*CorruptError)(nil); errors.As(err, &c) && c.Rule == ruleLineShape {
		c.Rule = ruleHeader // a header is durable before its file has a name: never torn
	}
	if err != nil {
		return h, nil, err
	}
	h, f, err := parseHeader(raw, r.sum)
	switch {
	case err != nil:
		return h, nil, fmt.Errorf("%s: %w", r.path, err)
	case f != nil:
	case h.log != log:
		f = &fault{ruleHeader, "header of another log", log.String(), h.log.String()}
	case h.first != first:
		f = &fault{ruleHeader, "first entry of the header", strconv.FormatInt(first, 10), strconv.FormatInt(h.first, 10)}
	}
	if f != nil {
		return h, nil, f.at(r.path, off, r.line, first)
	}
	r.seq, r.ack = first, noAck
	return h, raw, nil
}

// next returns the next line and its offset; io.EOF after the last or after a
// seal. The line's bytes are valid until the next call.
func (r *segmentReader) next() (line, int64, error) {
	raw, off, err := r.nextLine()
	if err != nil {
		return line{}, off, err
	}
	l, err := r.parse(raw, off)
	return l, off, err
}

// parse reads the line that nextLine returned last.
func (r *segmentReader) parse(raw []byte, off int64) (line, error) {
	l, f := parseLine(raw, r.sum)
	if f == nil {
		f = r.inOrder(l)
	}
	if f != nil {
		return line{}, f.at(r.path, off, r.line, r.seq)
	}
	if l.kind == lineSeal {
		r.seal = &l
		return l, nil
	}
	r.seq, r.ack = l.seq+1, l.ack
	return l, nil
}

func (r *segmentReader) inOrder(l line) *fault {
	switch {
	case r.seal != nil:
		return &fault{ruleAfterSeal, "line after the seal", "the end of the segment", "a line"}
	case l.seq != r.seq && l.kind == lineSeal:
		return &fault{ruleSeal, "size of the seal", strconv.FormatInt(r.seq, 10), strconv.FormatInt(l.seq, 10)}
	case l.seq != r.seq:
		return &fault{ruleLineSeq, "sequence number", strconv.FormatInt(r.seq, 10), strconv.FormatInt(l.seq, 10)}
	case l.kind == lineSeal:
		return nil
	case l.ack > l.seq:
		return &fault{ruleLineAck, "ack behind its own line", "at most " + strconv.FormatInt(l.seq, 10), strconv.FormatInt(l.ack, 10)}
	case r.ack == noAck && l.ack != l.seq:
		return &fault{ruleLineAck, "ack of the segment's first line", strconv.FormatInt(l.seq, 10), strconv.FormatInt(l.ack, 10)}
	case r.ack >= 0 && l.ack != r.ack && l.ack != l.seq:
		return &fault{ruleLineAck, "ack is neither that of the batch nor the line's own number", strconv.FormatInt(r.ack, 10), strconv.FormatInt(l.ack, 10)}
	}
	return nil
}

// nextLine returns the next line without its LF.
func (r *segmentReader) nextLine() ([]byte, int64, error) {
	for len(r.data) == 0 {
		data, off, err := r.src.next()
		if err != nil {
			return nil, off, r.located(err)
		}
		r.data, r.off = data, off
	}
	off := r.off
	r.line++
	n := bytes.IndexByte(r.data, '\n')
	if n < 0 && r.open {
		raw := r.data
		r.data, r.off, r.unended = nil, off+int64(len(raw)), true
		return raw, off, nil
	}
	if n < 0 {
		f := &fault{ruleLineShape, "line without end", "LF", strconv.Itoa(len(r.data)) + " bytes without one"}
		return nil, off, f.at(r.path, off, r.line, r.seq)
	}
	raw := r.data[:n]
	r.data, r.off = r.data[n+1:], off+int64(n)+1
	return raw, off, nil
}

// located adds the file and the position to what a source found wrong.
func (r *segmentReader) located(err error) error {
	var c *CorruptError
	switch {
	case err == io.EOF:
		return err
	case errors.As(err, &c):
		c.Path, c.Seq = r.path, r.seq
		return c
	}
	return fmt.Errorf("read %s: %w", r.path, err)
}

// leaf returns the hash that stands for a line in the tree. For an entry, the
// byte in front of it is changed while it hashes.
func (l *line) leaf() Hash {
	if l.kind == lineEntry {
		return leafInPlace(l.framed)
	}
	return l.hash
}
