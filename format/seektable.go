package format

import (
	"encoding/binary"
	"fmt"
	"strconv"
)

// The trailer of a sealed segment: two skippable frames of zstd.
const (
	indexMagic     = 0x184D2A5A
	seekTableMagic = 0x184D2A5E
	seekFooter     = 0x8F92EAB1

	skippableHeader = 8
	seekEntry       = 8
	seekFooterSize  = 9

	maxIndex = 64 << 20
	// maxFrames bounds the seek table: every frame has a place in an index of
	// at most maxIndex bytes, and takes at least that many there.
	maxFrames = maxIndex / 64
)

// frameSize is a line of a seek table: how long a frame is, and its content.
type frameSize struct{ stored, content uint32 }

// appendSeekTable appends the seek table of the zstd seekable format, version
// 0.1.0, without checksums.
func appendSeekTable(dst []byte, frames []frameSize) []byte {
	dst = binary.LittleEndian.AppendUint32(dst, seekTableMagic)
	dst = binary.LittleEndian.AppendUint32(dst, uint32(len(frames)*seekEntry+seekFooterSize))
	for _, f := range frames {
		dst = binary.LittleEndian.AppendUint32(dst, f.stored)
		dst = binary.LittleEndian.AppendUint32(dst, f.content)
	}
	dst = binary.LittleEndian.AppendUint32(dst, uint32(len(frames)))
	dst = append(dst, 0)
	return binary.LittleEndian.AppendUint32(dst, seekFooter)
}

// parseSeekFooter reads the last bytes of a file and returns the length of the
// whole seek table.
func parseSeekFooter(b []byte) (size int64, f *fault) {
	if len(b) < seekFooterSize || binary.LittleEndian.Uint32(b[len(b)-4:]) != seekFooter {
		return 0, &fault{ruleSeekTable, "seek table", "its magic number at the end of the file", printable(b[max(0, len(b)-4):])}
	}
	b = b[len(b)-seekFooterSize:]
	n := binary.LittleEndian.Uint32(b)
	if n > maxFrames {
		return 0, &fault{ruleSeekTable, "seek table", fmt.Sprintf("at most %d frames", maxFrames), strconv.FormatUint(uint64(n), 10)}
	}
	if b[4] != 0 {
		return 0, &fault{ruleSeekTable, "seek table", "descriptor 0", strconv.Itoa(int(b[4]))}
	}
	return skippableHeader + int64(n)*seekEntry + seekFooterSize, nil
}

// parseSeekTable reads a whole seek table.
func parseSeekTable(b []byte) ([]frameSize, *fault) {
	size, f := parseSeekFooter(b)
	if f != nil {
		return nil, f
	}
	if int64(len(b)) != size || binary.LittleEndian.Uint32(b) != seekTableMagic || int64(binary.LittleEndian.Uint32(b[4:])) != size-skippableHeader {
		return nil, &fault{ruleSeekTable, "seek table", "a skippable frame of its size", printable(b[:min(len(b), skippableHeader)])}
	}
	b = b[skippableHeader : len(b)-seekFooterSize]
	frames := make([]frameSize, 0, len(b)/seekEntry)
	for ; len(b) > 0; b = b[seekEntry:] {
		frames = append(frames, frameSize{binary.LittleEndian.Uint32(b), binary.LittleEndian.Uint32(b[4:])})
	}
	return frames, nil
}
