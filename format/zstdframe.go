package format

import (
	"encoding/binary"
	"fmt"
	"io"
	"strconv"
	"sync"

	"github.com/klauspost/compress/zstd"
)

// Limits of a frame that readers enforce before they allocate.
const (
	maxFrame  = 6 << 20 // bytes of content
	maxWindow = 8 << 20
	// maxStored bounds the stored bytes of a frame: what does not compress is
	// stored as it is, and a little overhead for each block of 128 KiB.
	maxStored = maxFrame + 64<<10
)

const (
	zstdMagic = 0xFD2FB528
	// maxFrameHeader is the magic number and the longest frame header (RFC 8878, section 3.1.1.1).
	maxFrameHeader = 4 + 14
)

// frameHeader is what a zstd frame says of itself before its blocks.
type frameHeader struct {
	size    int // bytes of the header, magic number included
	content int64
}

// parseFrameHeader reads the header of a frame as sealed segments have them:
// with content size and checksum, without dictionary, within the limits.
func parseFrameHeader(b []byte) (frameHeader, *fault) {
	if len(b) < 5 || binary.LittleEndian.Uint32(b) != zstdMagic {
		return frameHeader{}, &fault{ruleFrame, "frame", "28b52ffd, the magic number of zstd", fmt.Sprintf("%x", b[:min(4, len(b))])}
	}
	descriptor := b[4]
	single := descriptor&0x20 != 0
	switch {
	case descriptor&0x08 != 0:
		return frameHeader{}, &fault{ruleFrame, "frame header", "reserved bit 0", "1"}
	case descriptor&0x04 == 0:
		return frameHeader{}, &fault{ruleFrame, "frame header", "a content checksum", "none"}
	case descriptor&0x03 != 0:
		return frameHeader{}, &fault{ruleFrame, "frame header", "no dictionary", "one"}
	}
	width := []int{0, 2, 4, 8}[descriptor>>6]
	if single && width == 0 {
		width = 1
	}
	h := frameHeader{size: 5}
	if width == 0 {
		return h, &fault{ruleFrame, "frame header", "a content size", "none"}
	}
	if !single {
		h.size++
	}
	h.size += width
	if len(b) < h.size {
		return h, &fault{ruleFrame, "frame header", strconv.Itoa(h.size) + " bytes", strconv.Itoa(len(b))}
	}
	if !single {
		base := int64(1) << (10 + b[5]>>3)
		if window := base + base/8*int64(b[5]&7); window > maxWindow {
			return h, &fault{ruleFrameWindow, "window of the frame", fmt.Sprintf("at most %d bytes", maxWindow), strconv.FormatInt(window, 10)}
		}
	}
	var content uint64
	for i := range width {
		content |= uint64(b[h.size-width+i]) << (8 * i)
	}
	if width == 2 {
		content += 256
	}
	if content > maxFrame {
		return h, &fault{ruleFrameSize, "content of the frame", fmt.Sprintf("at most %d bytes", maxFrame), strconv.FormatUint(content, 10)}
	}
	h.content = int64(content)
	return h, nil
}

// scanFrame finds the end of the frame at off, without decoding it.
func scanFrame(f io.ReaderAt, off int64) (frame frameHeader, stored int64, err error) {
	var buf [maxFrameHeader]byte
	n, err := f.ReadAt(buf[:], off)
	if err != nil && err != io.EOF {
		return frame, 0, err
	}
	frame, bad := parseFrameHeader(buf[:n])
	if bad != nil {
		return frame, 0, bad.at("", off, 0, -1)
	}
	p := off + int64(frame.size)
	for last := false; !last; {
		if p-off > maxStored {
			return frame, 0, (&fault{ruleFrame, "frame too long", fmt.Sprintf("at most %d bytes", maxStored), "more"}).at("", off, 0, -1)
		}
		var b [3]byte
		if err := readFull(f, b[:], p); err != nil {
			return frame, 0, cutFrame(err, off)
		}
		block := uint32(b[0]) | uint32(b[1])<<8 | uint32(b[2])<<16
		last = block&1 != 0
		size := int64(block >> 3)
		switch block >> 1 & 3 {
		case 1:
			size = 1
		case 3:
			return frame, 0, (&fault{ruleFrame, "block of the frame", "type 0 to 2", "3"}).at("", off, 0, -1)
		}
		p += 3 + size
	}
	var sum [4]byte
	if err := readFull(f, sum[:], p); err != nil {
		return frame, 0, cutFrame(err, off)
	}
	return frame, p + 4 - off, nil
}

func cutFrame(err error, off int64) error {
	if err == io.ErrUnexpectedEOF {
		return (&fault{ruleFrame, "frame", "its end", "end of the file"}).at("", off, 0, -1)
	}
	return err
}

// decoder is made once; it is safe for concurrent use.
var decoder = sync.OnceValue(func() *zstd.Decoder {
	d, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(0), zstd.WithDecoderMaxMemory(maxFrame),
		zstd.WithDecoderMaxWindow(maxWindow), zstd.WithDecodeAllCapLimit(true))
	if err != nil {
		panic("format: options of the zstd decoder: " + err.Error()) // they are constants
	}
	return d
})

// decodeFrame decodes one whole frame into buf, which grows to the declared
// size and no further.
func decodeFrame(buf, frame []byte) ([]byte, *fault) {
	h, bad := parseFrameHeader(frame)
	if bad != nil {
		return nil, bad
	}
	if int64(cap(buf)) < h.content {
		// The frames of a segment but its last are full, and differ a little in length:
		// a buffer for one of them is made for all. Shorter ones are alone.
		n := h.content
		if n >= frameTarget {
			n = max(n, frameTarget+maxLine)
		}
		buf = newLargeBuffer(n)
	}
	out, err := decoder().DecodeAll(frame, buf[:0:h.content])
	if err != nil {
		return nil, &fault{ruleFrameDecode, "frame does not decode: " + err.Error(), "", ""}
	}
	if int64(len(out)) != h.content {
		return nil, &fault{ruleFrameSize, "content of the frame", strconv.FormatInt(h.content, 10) + " bytes", strconv.Itoa(len(out))}
	}
	if len(out) > 0 && &out[0] == &buf[:1][0] {
		out = buf[:len(out)] // with the capacity it had
	}
	return out, nil
}

// room returns buf, or a larger buffer for n stored bytes if it is too small. Frames
// compress differently: a buffer for one is made for the next ones, too.
func room(buf []byte, n int64) []byte {
	if int64(cap(buf)) >= n {
		return buf
	}
	const most = frameTarget + maxLine
	if n > frameTarget/8 && n < most {
		n = max(min(4*n, most), n)
	}
	return make([]byte, 0, n)
}

// betterFrom is the content, in bytes, from which on a frame is compressed better.
// That takes half as much time again and saves a fourteenth; long frames are those
// of segments that are not sealed again together with what follows.
const betterFrom = 5 << 20

// frameEncoder compresses frames. It is not safe for concurrent use.
type frameEncoder struct {
	// They make their tables when they are used first.
	fast, better *zstd.Encoder
}

func newEncoder() *frameEncoder {
	return &frameEncoder{fast: newEncoderOf(zstd.SpeedDefault), better: newEncoderOf(zstd.SpeedBetterCompression)}
}

// EncodeAll appends a frame with that content to dst.
func (e *frameEncoder) EncodeAll(content, dst []byte) []byte {
	if len(content) >= betterFrom {
		return e.better.EncodeAll(content, dst)
	}
	return e.fast.EncodeAll(content, dst)
}

func newEncoderOf(level zstd.EncoderLevel) *zstd.Encoder {
	e, err := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1), zstd.WithEncoderLevel(level), zstd.WithAllLitEntropyCompression(true),
		zstd.WithEncoderCRC(true), zstd.WithWindowSize(maxWindow), zstd.WithSingleSegment(true), zstd.WithLowerEncoderMem(true))
	if err != nil {
		panic("format: options of the zstd encoder: " + err.Error()) // they are constants
	}
	return e
}
