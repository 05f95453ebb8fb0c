package format

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"hash/crc32"
	"strconv"
)

// Limits of a segment's lines, in bytes, the LF included.
const (
	maxLine   = 1 << 20
	maxHeader = 64 << 10
)

// lineKind tells the lines of a segment apart.
type lineKind uint8

const (
	lineEntry lineKind = iota + 1
	lineHole
	lineSeal
)

// line is one line of a segment after its header.
type line struct {
	kind lineKind
	seq  int64 // of a seal: the number of entries in front of it
	ack  int64 // 0 for a seal
	// entry is a part of the bytes that were parsed; nil unless kind is lineEntry.
	entry []byte
	// framed is entry with the byte in front of it, so that it can be hashed in place.
	framed []byte
	// hash is the leaf of a hole or the root of a seal.
	hash Hash
}

// logSum is the CRC-32 (IEEE) of a log id's 36 characters, with which every
// line's checksum begins.
func logSum(id LogID) uint32 { return crc32.ChecksumIEEE([]byte(id.String())) }

// crcDigits is the number of digits of a checksum in a line.
const crcDigits = 8

// lineSum is the checksum of a line without its LF whose digits stand at p.
func lineSum(sum uint32, b []byte, p int) uint32 {
	sum = crc32.Update(sum, crc32.IEEETable, b[:p])
	return crc32.Update(sum, crc32.IEEETable, b[p+crcDigits:])
}

// putSum writes the checksum of the line b at p.
func putSum(sum uint32, b []byte, p int) {
	sum = lineSum(sum, b, p)
	hex.Encode(b[p:p+crcDigits], []byte{byte(sum >> 24), byte(sum >> 16), byte(sum >> 8), byte(sum)})
}

// checkSum compares the digits at p with the checksum of the line b.
func checkSum(sum uint32, b []byte, p int) *fault {
	var got [4]byte
	sum = lineSum(sum, b, p)
	want := [4]byte{byte(sum >> 24), byte(sum >> 16), byte(sum >> 8), byte(sum)}
	if _, err := hex.Decode(got[:], b[p:p+crcDigits]); err != nil || got != want || hasUpper(b[p:p+crcDigits]) {
		return &fault{ruleLineCRC, "checksum of the line", hex.EncodeToString(want[:]), printable(b[p : p+crcDigits])}
	}
	return nil
}

func hasUpper(b []byte) bool {
	for _, c := range b {
		if c >= 'A' && c <= 'F' {
			return true
		}
	}
	return false
}

const (
	seqMember   = `{"seq":`
	ackMember   = `,"ack":`
	crcMember   = `,"crc":"`
	entryMember = `","entry":`
	holeMember  = `","redacted":{"leaf":"`
	sizeMember  = `{"size":`
	sealMember  = `","seal":{"root":"`
	noDigits    = "00000000"
)

// appendEntryLine appends the line of an entry, LF included, and returns the
// entry's leaf hash with it.
func appendEntryLine(dst []byte, sum uint32, seq, ack int64, entry []byte) ([]byte, Hash) {
	start := len(dst)
	dst = appendLineStart(dst, seq, ack)
	p := len(dst)
	dst = append(dst, noDigits...)
	dst = append(dst, entryMember...)
	e := len(dst)
	dst = append(dst, entry...)
	leaf := leafInPlace(dst[e-1:])
	dst = append(dst, '}')
	putSum(sum, dst[start:], p-start)
	return append(dst, '\n'), leaf
}

// appendHoleLine appends the line that stands for a redacted entry, LF included.
func appendHoleLine(dst []byte, sum uint32, seq, ack int64, leaf Hash) []byte {
	start := len(dst)
	dst = appendLineStart(dst, seq, ack)
	p := len(dst)
	dst = append(dst, noDigits...)
	dst = append(dst, holeMember...)
	dst = hex.AppendEncode(dst, leaf[:])
	dst = append(dst, `"}}`...)
	putSum(sum, dst[start:], p-start)
	return append(dst, '\n')
}

// appendSealLine appends the line that closes a segment, LF included.
func appendSealLine(dst []byte, sum uint32, size int64, root Hash) []byte {
	start := len(dst)
	dst = append(dst, sizeMember...)
	dst = strconv.AppendInt(dst, size, 10)
	dst = append(dst, crcMember...)
	p := len(dst)
	dst = append(dst, noDigits...)
	dst = append(dst, sealMember...)
	dst = hex.AppendEncode(dst, root[:])
	dst = append(dst, `"}}`...)
	putSum(sum, dst[start:], p-start)
	return append(dst, '\n')
}

// appendLine appends a parsed line again, LF included.
func appendLine(dst []byte, sum uint32, l line) []byte {
	switch l.kind {
	case lineHole:
		return appendHoleLine(dst, sum, l.seq, l.ack, l.hash)
	case lineSeal:
		return appendSealLine(dst, sum, l.seq, l.hash)
	default:
		dst, _ = appendEntryLine(dst, sum, l.seq, l.ack, l.entry)
		return dst
	}
}

func appendLineStart(dst []byte, seq, ack int64) []byte {
	dst = append(dst, seqMember...)
	dst = strconv.AppendInt(dst, seq, 10)
	dst = append(dst, ackMember...)
	dst = strconv.AppendInt(dst, ack, 10)
	return append(dst, crcMember...)
}

// parseLine reads a line of a segment, without its LF. It accepts exactly what
// the append functions write and any entry that is one object by [scanObject].
func parseLine(b []byte, sum uint32) (line, *fault) {
	if len(b) >= maxLine {
		return line{}, &fault{ruleLineSize, "line too long", fmt.Sprintf("at most %d bytes", maxLine), strconv.Itoa(len(b) + 1)}
	}
	if bytes.HasPrefix(b, []byte(sizeMember)) {
		return parseSeal(b, sum)
	}
	var l line
	var ok bool
	p := 0
	if p, ok = skip(b, p, seqMember); ok {
		if l.seq, p, ok = number(b, p); ok {
			if p, ok = skip(b, p, ackMember); ok {
				if l.ack, p, ok = number(b, p); ok {
					p, ok = skip(b, p, crcMember)
				}
			}
		}
	}
	if !ok || len(b) < p+crcDigits {
		return line{}, &fault{ruleLineShape, "not a line of a segment", `{"seq":N,"ack":A,"crc":"`, printable(b)}
	}
	if f := checkSum(sum, b, p); f != nil {
		return line{}, f
	}
	if q, ok := skip(b, p+crcDigits, entryMember); ok {
		if b[len(b)-1] != '}' || q >= len(b)-1 {
			return line{}, &fault{ruleLineShape, "entry of the line", "one object and the closing brace", printable(b[q:])}
		}
		l.kind, l.entry, l.framed = lineEntry, b[q:len(b)-1], b[q-1:len(b)-1]
		if f := checkSplit(l.entry); f != nil {
			return line{}, f
		}
		if len(l.entry) > MaxEntry {
			return line{}, &fault{ruleLineSize, "entry too long", fmt.Sprintf("at most %d bytes", MaxEntry), strconv.Itoa(len(l.entry))}
		}
		return l, nil
	}
	q, ok := skip(b, p+crcDigits, holeMember)
	if !ok {
		return line{}, &fault{ruleLineShape, "line is neither an entry nor a hole", `"entry": or "redacted":`, printable(b[p+crcDigits:])}
	}
	l.kind = lineHole
	if l.hash, ok = hashTail(b, q); !ok {
		return line{}, &fault{ruleLineShape, "leaf of the hole", "64 hexadecimal digits", printable(b[q:])}
	}
	return l, nil
}

// checkSplit tells whether an entry's bytes are one object.
func checkSplit(entry []byte) *fault {
	if surelyObject(entry) {
		return nil
	}
	end, depth := scanObject(entry)
	if len(entry) > 0 && end == len(entry) && depth <= MaxDepth {
		return nil
	}
	return &fault{ruleLineSplit, "entry of the line is not one object", fmt.Sprintf("its end at byte %d, nesting at most %d", len(entry), MaxDepth), fmt.Sprintf("byte %d, nesting %d", end, depth)}
}

func parseSeal(b []byte, sum uint32) (line, *fault) {
	l := line{kind: lineSeal}
	var ok bool
	p := len(sizeMember)
	if l.seq, p, ok = number(b, p); ok {
		p, ok = skip(b, p, crcMember)
	}
	if !ok || len(b) < p+crcDigits {
		return line{}, &fault{ruleLineShape, "not a seal", `{"size":N,"crc":"`, printable(b)}
	}
	if f := checkSum(sum, b, p); f != nil {
		return line{}, f
	}
	q, ok := skip(b, p+crcDigits, sealMember)
	if ok {
		l.hash, ok = hashTail(b, q)
	}
	if !ok {
		return line{}, &fault{ruleLineShape, "root of the seal", "64 hexadecimal digits", printable(b[min(q, len(b)):])}
	}
	return l, nil
}

// hashTail reads a hash at p and the `"}}` that must end b.
func hashTail(b []byte, p int) (Hash, bool) {
	if len(b) != p+64+3 || string(b[p+64:]) != `"}}` {
		return Hash{}, false
	}
	return hashAt(b, p)
}

func hashAt(b []byte, p int) (Hash, bool) {
	var h Hash
	if len(b) < p+64 || hasUpper(b[p:p+64]) {
		return Hash{}, false
	}
	if _, err := hex.Decode(h[:], b[p:p+64]); err != nil {
		return Hash{}, false
	}
	return h, true
}

// skip tells whether s stands at p, and where it ends.
func skip(b []byte, p int, s string) (int, bool) {
	if len(b)-p < len(s) || string(b[p:p+len(s)]) != s {
		return p, false
	}
	return p + len(s), true
}

// number reads `0|[1-9][0-9]{0,15}`, at most [MaxSize], at p.
func number(b []byte, p int) (n int64, end int, ok bool) {
	start := p
	for p < len(b) && p-start < 16 && b[p] >= '0' && b[p] <= '9' {
		n = 10*n + int64(b[p]-'0')
		p++
	}
	if p == start || b[start] == '0' && p > start+1 || n > MaxSize {
		return 0, start, false
	}
	return n, p, true
}

// printable shortens bytes for an error message.
func printable(b []byte) string {
	const most = 48
	if len(b) > most {
		return strconv.QuoteToASCII(string(b[:most])) + "..."
	}
	return strconv.QuoteToASCII(string(b))
}
