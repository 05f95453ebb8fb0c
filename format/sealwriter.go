package format

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"sync/atomic"

	"github.com/klauspost/compress/zstd"
)

// frameTarget is how much text a frame holds before it is closed.
const frameTarget = 4 << 20

// betterFrom is how much text a frame has that is compressed better: a segment that
// has grown so far is seldom sealed again together with what follows.
const betterFrom = 3 << 20

// sealWriter writes a sealed segment: the header, whole lines, the seal, the
// trailer. release gives its buffers back.
type sealWriter struct {
	w   io.WriterAt
	sum uint32

	off      int64
	seq      int64 // of the next entry
	block    indexBlock
	summary  blockSummary
	index    index
	frontier Frontier
	trailer  []byte
	spare    *spareSealBuffers
	*sealBuffers
}

// sealBuffers are what takes long to allocate: encoders with their tables, and
// room for a frame in all three forms.
type sealBuffers struct {
	// better compresses frames of betterFrom bytes and more, fast the others. It
	// takes half as much time again, and saves a fourteenth.
	fast, better *zstd.Encoder

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
	return &sealBuffers{fast: newEncoder(zstd.SpeedDefault, maxWindow/2), better: newEncoder(zstd.SpeedBetterCompression, maxWindow), lines: newLargeBuffer(frameTarget + maxLine), back: newLargeBuffer(frameTarget + maxLine)}
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
	s.lines = append(append(s.lines, raw...), '\n')
	if l.kind == lineEntry {
		s.summary.add(topMembers(l.entry))
	}
	return s.added(l.leaf())
}

// append writes the line of an entry that was checked, and returns its length.
func (s *sealWriter) append(ack int64, entry []byte) (int, error) {
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
	if len(s.lines) < frameTarget {
		return nil
	}
	return s.closeFrame()
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

// closeFrame writes what was collected as one frame, after decoding it again:
// the text may be gone when somebody else finds that it does not decode.
func (s *sealWriter) closeFrame() error {
	if len(s.lines) == 0 {
		return nil
	}
	enc := s.fast
	if len(s.lines) >= betterFrom {
		enc = s.better
	}
	s.packed = enc.EncodeAll(s.lines, s.packed[:0])
	back, bad := decodeFrame(s.back, s.packed)
	if bad != nil || !bytes.Equal(back, s.lines) {
		return fmt.Errorf("the frame of entry %d does not decode to what was compressed: %w", s.block.first, errReadBack)
	}
	s.back = back
	b := &s.block
	b.off, b.stored, b.raw = s.off, int64(len(s.packed)), int64(len(s.lines))
	b.crc = crc32.ChecksumIEEE(s.packed)
	s.summary.finish(b)
	s.index.blocks = append(s.index.blocks, *b)
	s.block = indexBlock{first: s.seq}
	s.lines = s.lines[:0]
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
