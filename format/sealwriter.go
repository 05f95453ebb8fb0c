package format

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"sync/atomic"
)

const (
	// frameTarget is how much text a frame holds before it is closed. The first
	// of a segment is kept back until it is known that the rest does not fit into
	// it: a whole segment compresses better than two parts of it.
	frameTarget = 4 << 20
	// lineOverhead is more than a line has besides its entry.
	lineOverhead = 128
)

// sealWriter writes a sealed segment: the header, whole lines, the seal, the
// trailer. release gives its buffers back.
type sealWriter struct {
	w   io.WriterAt
	sum uint32

	off      int64
	seq      int64 // of the next entry
	kept     keptFrame
	block    indexBlock // of what was collected behind kept
	summary  blockSummary
	index    index
	frontier Frontier
	trailer  []byte
	spare    *spareSealBuffers
	*sealBuffers
}

// keptFrame is a frame that is full, and may become the whole segment's.
type keptFrame struct {
	bytes int // of the lines that were collected
	block indexBlock
}

// sealBuffers are what takes long to allocate: encoders with their tables, and
// room for a frame in all three forms.
type sealBuffers struct {
	enc    *frameEncoder
	lines  []byte
	packed []byte
	back   []byte // packed, decoded again
}

// spareSealBuffers are the buffers of the segment that was sealed last, for the
// next one. A [sync.Pool] would keep a set for each processor, and make each anew
// after two garbage collections: most of what an import of many sessions allocates.
type spareSealBuffers struct{ atomic.Pointer[sealBuffers] }

// take returns buffers, new ones if none are spare.
func (p *spareSealBuffers) take() *sealBuffers {
	if b := p.Swap(nil); b != nil {
		return b
	}
	return &sealBuffers{enc: newEncoder(), lines: newLargeBuffer(maxFrame), back: newLargeBuffer(maxFrame)}
}

// newSealWriter begins a segment with the line of a header, without its LF.
func newSealWriter(w io.WriterAt, spare *spareSealBuffers, h *header, line []byte) (*sealWriter, error) {
	s := &sealWriter{w: w, sum: logSum(h.log), seq: h.first, frontier: h.frontier.Clone(), spare: spare}
	s.sealBuffers = spare.take()
	s.index.first = h.first
	s.block.first = h.first
	s.lines = append(append(s.lines[:0], line...), '\n')
	return s, s.closeFrame()
}

// release gives the buffers back. It may be called again.
func (s *sealWriter) release() {
	if s.sealBuffers != nil {
		s.spare.Store(s.sealBuffers)
		s.sealBuffers = nil
	}
}

// copy takes in the line of an entry or a hole: its bytes without LF, and parsed.
func (s *sealWriter) copy(raw []byte, l *line) error {
	if err := s.makeRoom(len(raw) + 1); err != nil {
		return err
	}
	s.lines = append(append(s.lines, raw...), '\n')
	if l.kind == lineEntry {
		s.summary.add(topMembers(l.entry))
	}
	return s.added(l.leaf())
}

// append writes the line of an entry that was checked, and returns its length.
func (s *sealWriter) append(ack int64, entry []byte) (int, error) {
	if err := s.makeRoom(len(entry) + lineOverhead); err != nil {
		return 0, err
	}
	before := len(s.lines)
	var leaf Hash
	s.lines, leaf = appendEntryLine(s.lines, s.sum, s.seq, ack, entry)
	n := len(s.lines) - before
	s.summary.add(topMembers(entry))
	return n, s.added(leaf)
}

// added counts the line that was written last.
func (s *sealWriter) added(leaf Hash) error {
	s.block.count++
	s.seq++
	s.frontier.Push(leaf)
	if len(s.lines)-s.kept.bytes < frameTarget {
		return nil
	}
	if s.kept.bytes == 0 && len(s.index.blocks) == 1 { // the header's
		s.summary.finish(&s.block)
		s.kept = keptFrame{len(s.lines), s.block}
		s.block = indexBlock{first: s.seq}
		return nil
	}
	return s.closeFrame()
}

// makeRoom writes the frame that was kept back if n more bytes do not fit into it.
func (s *sealWriter) makeRoom(n int) error {
	k := s.kept
	if k.bytes == 0 || len(s.lines)+n <= maxFrame {
		return nil
	}
	s.kept = keptFrame{}
	if err := s.writeFrame(s.lines[:k.bytes], k.block); err != nil {
		return err
	}
	s.lines = append(s.lines[:0], s.lines[k.bytes:]...)
	return nil
}

// finish writes the seal and the trailer. It returns how long the file is.
func (s *sealWriter) finish() (int64, error) {
	if err := s.closeFrame(); err != nil {
		return 0, err
	}
	s.index.size, s.index.root = s.seq, s.frontier.Root()
	s.lines = appendSealLine(s.lines, s.sum, s.seq, s.index.root)
	if err := s.closeFrame(); err != nil {
		return 0, err
	}
	frames := make([]frameSize, 0, len(s.index.blocks)+1)
	for _, b := range s.index.blocks {
		frames = append(frames, frameSize{uint32(b.stored), uint32(b.raw)})
	}
	s.trailer = append(make([]byte, 0, 1024), 0, 0, 0, 0, 0, 0, 0, 0)
	binary.LittleEndian.PutUint32(s.trailer, indexMagic)
	s.trailer = appendIndex(s.trailer, s.sum, &s.index)
	binary.LittleEndian.PutUint32(s.trailer[4:], uint32(len(s.trailer)-skippableHeader))
	frames = append(frames, frameSize{stored: uint32(len(s.trailer))})
	s.trailer = appendSeekTable(s.trailer, frames)
	err := s.write(s.trailer)
	return s.off, err
}

// closeFrame writes what was collected as one frame.
func (s *sealWriter) closeFrame() error {
	if len(s.lines) == 0 {
		return nil
	}
	b := s.block
	s.summary.finish(&b)
	if s.kept.bytes > 0 {
		b = s.kept.block.joined(&b)
	}
	s.kept, s.block = keptFrame{}, indexBlock{first: s.seq}
	err := s.writeFrame(s.lines, b)
	s.lines = s.lines[:0]
	return err
}

// writeFrame writes a frame, after decoding it again: the text may be gone when
// somebody else finds that it does not decode.
func (s *sealWriter) writeFrame(text []byte, b indexBlock) error {
	s.packed = s.enc.EncodeAll(text, s.packed[:0])
	back, bad := decodeFrame(s.back, s.packed)
	if bad != nil || !bytes.Equal(back, text) {
		return fmt.Errorf("the frame of entry %d does not decode to what was compressed: %w", b.first, errReadBack)
	}
	s.back = back
	b.off, b.stored, b.raw = s.off, int64(len(s.packed)), int64(len(text))
	b.crc = crc32.ChecksumIEEE(s.packed)
	s.index.blocks = append(s.index.blocks, b)
	return s.write(s.packed)
}

func (s *sealWriter) write(b []byte) error {
	for len(b) > 0 {
		n, err := s.w.WriteAt(b, s.off)
		if err != nil {
			return err
		}
		b = b[n:]
		s.off += int64(n)
	}
	return nil
}

// errReadBack: what was written is not what is there.
var errReadBack = errors.New("memory, processor or disk are not to be trusted: nothing was changed")

// readBack reads the file and compares it with what was written: the frames,
// which were decoded before they were written, by their checksums.
func (s *sealWriter) readBack(f io.ReaderAt) error {
	end := int64(0)
	for _, b := range s.index.blocks {
		s.packed = room(s.packed, b.stored)[:b.stored]
		if err := readFull(f, s.packed, b.off); err != nil {
			return fmt.Errorf("read back what was written: %w", err)
		}
		if crc32.ChecksumIEEE(s.packed) != b.crc {
			return fmt.Errorf("read back what was written: the frame at byte %d is another: %w", b.off, errReadBack)
		}
		end = b.off + b.stored
	}
	got := make([]byte, len(s.trailer))
	if err := readFull(f, got, end); err != nil {
		return fmt.Errorf("read back what was written: %w", err)
	}
	if !bytes.Equal(got, s.trailer) {
		return fmt.Errorf("read back what was written: the index is another: %w", errReadBack)
	}
	return nil
}
