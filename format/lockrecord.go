package format

import (
	"bytes"
	"encoding/hex"
	"hash/crc32"
	"math/bits"
	"strconv"
)

// lockRecord is what the lock file of a log says: up to byte off, the open
// segment named by first and ino is durable and holds the entries up to size.
// It is a cache for processes that live at the same time. It is never synced
// and worth nothing after a reboot.
type lockRecord struct {
	boot  string
	first int64
	ino   uint64
	off   int64
	size  int64
	// last is the CRC-32 of the last min(off, lastBytes) bytes before off: a file that was
	// replaced by another copy of the same length is noticed.
	last     uint32
	frontier Frontier
}

const (
	lastBytes     = 64
	maxLockRecord = 8 << 10
	bootMember    = `{"boot":"`
	inoMember     = `,"ino":`
	offMember     = `,"off":`
	sizeMember2   = `,"size":`
	lastMember    = `,"last":"`
	frontMember   = `","frontier":[`
)

// appendLockRecord appends the record: eight digits of CRC-32 over the log id
// and the object, a space, the object, LF.
func appendLockRecord(dst []byte, sum uint32, r *lockRecord) []byte {
	start := len(dst)
	dst = append(dst, noDigits...)
	dst = append(dst, ' ')
	dst = append(dst, bootMember...)
	dst = append(dst, r.boot...)
	dst = append(dst, firstMember...)
	dst = strconv.AppendInt(dst, r.first, 10)
	dst = append(dst, inoMember...)
	dst = strconv.AppendUint(dst, r.ino, 10)
	dst = append(dst, offMember...)
	dst = strconv.AppendInt(dst, r.off, 10)
	dst = append(dst, sizeMember2...)
	dst = strconv.AppendInt(dst, r.size, 10)
	dst = append(dst, lastMember...)
	dst = hex.AppendEncode(dst, []byte{byte(r.last >> 24), byte(r.last >> 16), byte(r.last >> 8), byte(r.last)})
	dst = append(dst, frontMember...)
	dst = appendHashes(dst, r.frontier.nodes)
	dst = append(dst, "]}"...)
	putSum(sum, dst[start:], 0)
	return append(dst, '\n')
}

// parseLockRecord reads what appendLockRecord writes; whatever follows the LF
// is left over from a longer record.
func parseLockRecord(b []byte, sum uint32) (*lockRecord, bool) {
	end := bytes.IndexByte(b, '\n')
	if end < crcDigits || checkSum(sum, b[:end], 0) != nil {
		return nil, false
	}
	var r lockRecord
	s := headerScanner{b: b[:end], p: crcDigits}
	s.skip(" " + bootMember)
	r.boot = s.name()
	s.skip(firstMember)
	r.first = s.number()
	s.skip(inoMember)
	r.ino = s.unsigned()
	s.skip(offMember)
	r.off = s.number()
	s.skip(sizeMember2)
	r.size = s.number()
	s.skip(lastMember)
	r.last = s.sum()
	s.skip(frontMember)
	nodes := s.hashes(bits.OnesCount64(uint64(r.size)))
	s.skip("]}")
	if s.want != "" || s.p != end || r.size < r.first {
		return nil, false
	}
	r.frontier, _ = NewFrontier(r.size, nodes)
	return &r, true
}

// unsigned reads a decimal number of 64 bits.
func (s *headerScanner) unsigned() uint64 {
	if s.want != "" {
		return 0
	}
	n := 0
	for s.p+n < len(s.b) && s.b[s.p+n] >= '0' && s.b[s.p+n] <= '9' {
		n++
	}
	v, err := strconv.ParseUint(string(s.b[s.p:s.p+n]), 10, 64)
	if err != nil || n > 1 && s.b[s.p] == '0' {
		s.want = "an unsigned number"
	}
	s.p += n
	return v
}

// sum reads eight digits.
func (s *headerScanner) sum() uint32 {
	var v [4]byte
	if s.want == "" && (len(s.b) < s.p+crcDigits || hasUpper(s.b[s.p:s.p+crcDigits])) {
		s.want = "8 hexadecimal digits"
	}
	if s.want != "" {
		return 0
	}
	if _, err := hex.Decode(v[:], s.b[s.p:s.p+crcDigits]); err != nil {
		s.want = "8 hexadecimal digits"
	}
	s.p += crcDigits
	return uint32(v[0])<<24 | uint32(v[1])<<16 | uint32(v[2])<<8 | uint32(v[3])
}

// lastSum is the value of lockRecord.last for a file whose content ends with tail.
func lastSum(tail []byte) uint32 {
	return crc32.ChecksumIEEE(tail[max(0, len(tail)-lastBytes):])
}
