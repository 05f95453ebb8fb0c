package format

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"strconv"
)

// sealedFile is a sealed segment opened by its index. Nothing in the index is
// believed before the frame it leads to has been read.
type sealedFile struct {
	f    io.ReaderAt
	path string
	log  LogID
	sum  uint32
	index
}

// openSealed reads the trailer and the seal of a sealed segment. If the index or
// the seek table is damaged, the frames are found by scanning.
func openSealed(f io.ReaderAt, size int64, path string, log LogID, first int64) (*sealedFile, error) {
	s := &sealedFile{f: f, path: path, log: log, sum: logSum(log)}
	if err := s.readTrailer(size); err != nil {
		if asCorrupt(err) == nil {
			return nil, err
		}
		if err := s.scanFrames(); err != nil {
			return nil, err
		}
	}
	if s.first != first {
		return nil, (&fault{ruleHeader, "first entry of the sealed segment", strconv.FormatInt(first, 10), strconv.FormatInt(s.first, 10)}).at(path, 0, 1, first)
	}
	return s, s.readSeal()
}

// readTrailer reads the seek table and the index.
func (s *sealedFile) readTrailer(size int64) error {
	// Most trailers fit into one read.
	const guess = 8 << 10
	n := min(size, guess)
	tail := make([]byte, n)
	if err := readFull(s.f, tail, size-n); err != nil {
		return fmt.Errorf("read %s: %w", s.path, err)
	}
	// last returns the n bytes before end.
	last := func(end, n int64) ([]byte, error) {
		if from := end - n; from >= size-int64(len(tail)) {
			return tail[from-(size-int64(len(tail))) : end-(size-int64(len(tail)))], nil
		} else if from < 0 {
			return nil, (&fault{ruleSeekTable, "trailer", "within the file", "longer than the file"}).at(s.path, 0, 0, -1)
		}
		b := make([]byte, n)
		return b, readFull(s.f, b, end-n)
	}
	n, bad := parseSeekFooter(tail)
	if bad != nil {
		return bad.at(s.path, size, 0, -1)
	}
	table, err := last(size, n)
	if err != nil {
		return err
	}
	frames, bad := parseSeekTable(table)
	if bad != nil {
		return bad.at(s.path, size-n, 0, -1)
	}
	end := size - n
	if len(frames) < 3 || int64(frames[len(frames)-1].stored) > maxIndex+skippableHeader || frames[len(frames)-1].stored < skippableHeader {
		return (&fault{ruleSeekTable, "seek table", "a header, a seal and an index", strconv.Itoa(len(frames)) + " frames"}).at(s.path, end, 0, -1)
	}
	n = int64(frames[len(frames)-1].stored)
	b, err := last(end, n)
	if err != nil {
		return err
	}
	if binary.LittleEndian.Uint32(b) != indexMagic || int64(binary.LittleEndian.Uint32(b[4:])) != n-skippableHeader {
		return (&fault{ruleIndex, "index", "a skippable frame of its size", printable(b[:skippableHeader])}).at(s.path, end-n, 0, -1)
	}
	x, bad := parseIndex(b[skippableHeader:], s.sum)
	if bad == nil {
		bad = x.addsUp(frames, end-n)
	}
	if bad != nil {
		return bad.at(s.path, end-n, 0, -1)
	}
	s.index = *x
	return nil
}

// addsUp checks an index against itself, the seek table and the place where it
// stands, so that no length in it can lead outside the file or over a limit.
func (x *index) addsUp(frames []frameSize, at int64) *fault {
	if len(x.blocks) != len(frames)-1 {
		return &fault{ruleIndex, "number of blocks in the index", strconv.Itoa(len(frames) - 1), strconv.Itoa(len(x.blocks))}
	}
	off, seq := int64(0), x.first
	for i := range x.blocks {
		b := &x.blocks[i]
		switch {
		case b.off != off || b.first != seq:
			return &fault{ruleIndex, "block " + strconv.Itoa(i) + " of the index", fmt.Sprintf("byte %d, entry %d", off, seq), fmt.Sprintf("byte %d, entry %d", b.off, b.first)}
		case b.raw > maxFrame || b.stored > maxStored:
			return &fault{ruleIndex, "block " + strconv.Itoa(i) + " of the index", "lengths within the limits", fmt.Sprintf("%d and %d bytes", b.stored, b.raw)}
		case b.stored != int64(frames[i].stored) || b.raw != int64(frames[i].content):
			return &fault{ruleIndex, "block " + strconv.Itoa(i) + " of the index", fmt.Sprintf("%d and %d bytes, as in the seek table", frames[i].stored, frames[i].content), fmt.Sprintf("%d and %d", b.stored, b.raw)}
		case b.count > b.raw:
			return &fault{ruleIndex, "block " + strconv.Itoa(i) + " of the index", "fewer entries than bytes", strconv.FormatInt(b.count, 10)}
		}
		off += b.stored
		seq += b.count
	}
	if off != at || seq != x.size || frames[len(frames)-1].content != 0 {
		return &fault{ruleIndex, "index", fmt.Sprintf("frames up to byte %d, entries up to %d", at, x.size), fmt.Sprintf("byte %d, entry %d", off, seq)}
	}
	return nil
}

// scanFrames makes up for a damaged index: it reads every frame.
func (s *sealedFile) scanFrames() error {
	x := index{}
	var buf []byte
	r := segmentReader{path: s.path, sum: s.sum}
	for off := int64(0); ; {
		h, stored, err := scanFrame(s.f, off)
		if err == nil {
			b := indexBlock{off: off, stored: stored, raw: h.content, first: r.seq}
			buf, err = s.decode(buf, &b)
			if err == nil {
				err = s.count(&x, &b, buf, &r)
			}
		}
		if c := asCorrupt(err); c != nil {
			c.Path = s.path
		}
		if err != nil {
			return err
		}
		if r.seal != nil {
			x.size, x.root = r.seal.seq, r.seal.hash
			s.index = x
			return nil
		}
		off += stored
	}
}

// count reads the lines of a frame while the frames are scanned.
func (s *sealedFile) count(x *index, b *indexBlock, text []byte, r *segmentReader) error {
	r.src = &oneBlock{data: text}
	if len(x.blocks) == 0 {
		end := 0
		for end < len(text) && text[end] != '\n' {
			end++
		}
		h, bad, err := parseHeader(text[:end], s.sum)
		if err != nil {
			return fmt.Errorf("%s: %w", s.path, err)
		}
		if bad != nil {
			return bad.at(s.path, 0, 1, -1)
		}
		x.first = h.first
		r.seq, r.ack, b.first = h.first, noAck, h.first
		x.blocks = append(x.blocks, *b)
		return nil
	}
	for {
		_, _, err := r.next()
		if err == io.EOF {
			break
		}
		if err != nil {
			return err
		}
	}
	b.count = r.seq - b.first
	x.blocks = append(x.blocks, *b)
	return nil
}

// oneBlock is a blockSource of what is in memory already.
type oneBlock struct {
	data []byte
	off  int64
}

func (o *oneBlock) next() ([]byte, int64, error) {
	if o.data == nil {
		return nil, o.off, io.EOF
	}
	data := o.data
	o.data = nil
	return data, o.off, nil
}

// readSeal reads the last frame, which the index only claims to know.
func (s *sealedFile) readSeal() error {
	b := &s.blocks[len(s.blocks)-1]
	text, err := s.decode(nil, b)
	if err != nil {
		return err
	}
	r := segmentReader{path: s.path, sum: s.sum, src: &oneBlock{text, s.textOffset(len(s.blocks) - 1)}, seq: s.size, ack: unknownAck}
	l, off, err := r.next()
	if err != nil {
		if err == io.EOF {
			err = (&fault{ruleSeal, "seal", "a line", "nothing"}).at(s.path, off, 0, s.size)
		}
		return err
	}
	if l.kind != lineSeal || len(r.data) > 0 {
		return (&fault{ruleSeal, "last frame", "the seal alone", "something else"}).at(s.path, off, 0, s.size)
	}
	if l.hash != s.root {
		return (&fault{ruleIndex, "root in the index", l.hash.String(), s.root.String()}).at(s.path, b.off+b.stored, 0, s.size)
	}
	return nil
}

// textOffset returns where in the text the i-th frame begins.
func (s *sealedFile) textOffset(i int) int64 {
	off := int64(0)
	for _, b := range s.blocks[:i] {
		off += b.raw
	}
	return off
}

// decode reads and decodes a frame.
func (s *sealedFile) decode(buf []byte, b *indexBlock) ([]byte, error) {
	out, _, err := s.decodeWith(buf, nil, b)
	return out, err
}

// decodeWith is decode with a buffer for the stored bytes, which it returns.
func (s *sealedFile) decodeWith(buf, packed []byte, b *indexBlock) (out, stored []byte, err error) {
	if b.stored > maxStored || b.raw > maxFrame {
		return nil, packed, (&fault{ruleFrameSize, "frame too long", fmt.Sprintf("at most %d bytes", maxStored), strconv.FormatInt(b.stored, 10)}).at(s.path, b.off, 0, b.first)
	}
	packed = room(packed, b.stored)[:b.stored]
	if err := readFull(s.f, packed, b.off); err != nil {
		if errors.Is(err, io.ErrUnexpectedEOF) {
			return nil, packed, (&fault{ruleFrame, "frame", strconv.FormatInt(b.stored, 10) + " bytes", "end of the file"}).at(s.path, b.off, 0, b.first)
		}
		return nil, packed, err
	}
	out, bad := decodeFrame(buf, packed)
	if bad == nil && int64(len(out)) != b.raw {
		bad = &fault{ruleFrameSize, "content of the frame", strconv.FormatInt(b.raw, 10) + " bytes, as in the index", strconv.Itoa(len(out))}
	}
	if bad != nil {
		return nil, packed, bad.at(s.path, b.off, 0, b.first)
	}
	return out, packed, nil
}

// sealedBlocks reads the text of a sealed segment frame by frame.
type sealedBlocks struct {
	s           *sealedFile
	i           int
	off         int64 // in the text
	buf, packed []byte
}

func (b *sealedBlocks) next() ([]byte, int64, error) {
	if b.i >= len(b.s.blocks) {
		return nil, b.off, io.EOF
	}
	var err error
	off := b.off
	block := &b.s.blocks[b.i]
	if b.buf, b.packed, err = b.s.decodeWith(b.buf, b.packed, block); err != nil {
		return nil, off, err
	}
	b.i++
	b.off += block.raw
	return b.buf, off, nil
}

// reader reads the segment from its beginning.
func (s *sealedFile) reader() *segmentReader {
	return &segmentReader{path: s.path, sum: s.sum, src: &sealedBlocks{s: s}}
}

// readerAt reads from the frame that holds entry seq.
func (s *sealedFile) readerAt(seq int64) *segmentReader {
	i := 1
	for i < len(s.blocks)-1 && s.blocks[i].first+s.blocks[i].count <= seq {
		i++
	}
	return s.readerOf(i)
}

// readerOf reads from the i-th frame, which is not the header's.
func (s *sealedFile) readerOf(i int) *segmentReader {
	return &segmentReader{path: s.path, sum: s.sum, src: &sealedBlocks{s: s, i: i, off: s.textOffset(i)}, seq: s.blocks[i].first, ack: unknownAck}
}
