package format

import (
	"encoding/binary"
	"hash/crc32"
	"io"

	"github.com/klauspost/compress/zstd"
)

// frameTarget is how much text a frame holds before it is closed.
const frameTarget = 4 << 20

// sealWriter writes a sealed segment: the header, whole lines, the seal, the
// trailer.
type sealWriter struct {
	w   io.WriterAt
	enc *zstd.Encoder
	sum uint32

	off      int64
	seq      int64 // of the next entry
	lines    []byte
	packed   []byte
	block    indexBlock
	summary  blockSummary
	index    index
	frontier Frontier
}

// newSealWriter begins a segment with the line of a header, without its LF.
func newSealWriter(w io.WriterAt, enc *zstd.Encoder, h *header, line []byte) (*sealWriter, error) {
	s := &sealWriter{w: w, enc: enc, sum: logSum(h.log), seq: h.first, frontier: h.frontier.Clone()}
	s.index.first = h.first
	s.block.first = h.first
	s.lines = append(append(s.lines, line...), '\n')
	return s, s.closeFrame()
}

// add takes in the line of an entry or a hole: its bytes without LF, and parsed.
func (s *sealWriter) add(raw []byte, l *line) error {
	s.grow(len(raw) + 1)
	s.lines = append(append(s.lines, raw...), '\n')
	s.block.count++
	s.seq = l.seq + 1
	if l.kind == lineEntry {
		s.summary.add(l.entry)
	}
	s.frontier.Push(l.leaf())
	if len(s.lines) < frameTarget {
		return nil
	}
	return s.closeFrame()
}

// grow makes room for n bytes: a little, and then a whole frame at once.
func (s *sealWriter) grow(n int) {
	const little = 256 << 10
	if need := len(s.lines) + n; need > cap(s.lines) && need > little {
		s.lines = append(make([]byte, 0, frameTarget+maxLine), s.lines...)
	}
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
	trailer := append(make([]byte, 0, 1024), 0, 0, 0, 0, 0, 0, 0, 0)
	binary.LittleEndian.PutUint32(trailer, indexMagic)
	trailer = appendIndex(trailer, s.sum, &s.index)
	binary.LittleEndian.PutUint32(trailer[4:], uint32(len(trailer)-skippableHeader))
	frames = append(frames, frameSize{stored: uint32(len(trailer))})
	err := s.write(appendSeekTable(trailer, frames))
	return s.off, err
}

// closeFrame writes what was collected as one frame.
func (s *sealWriter) closeFrame() error {
	if len(s.lines) == 0 {
		return nil
	}
	s.packed = s.enc.EncodeAll(s.lines, s.packed[:0])
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
