package format

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"
)

// ErrEntry is wrapped by every error about the bytes of an entry.
var ErrEntry = errors.New("not a valid entry")

// rawMember is what stands between the normalised object and the record kept
// verbatim at the end of an entry that has one.
const rawMember = `,"raw":`

// rawLen is how an entry with a verbatim record begins.
const rawLen = `{"rawlen":`

// JoinRaw appends to dst the entry that keeps raw, a record of somebody else's,
// verbatim beside norm, the normalised object: norm gains a first member rawlen
// and a last member raw. With an empty raw the entry is norm itself. The
// record must fit [CheckRaw].
func JoinRaw(dst, norm, raw []byte) []byte {
	if len(raw) == 0 {
		return append(dst, norm...)
	}
	dst = append(dst, rawLen...)
	dst = strconv.AppendInt(dst, int64(len(raw)), 10)
	dst = append(dst, ',')
	dst = append(dst, norm[1:len(norm)-1]...)
	dst = append(dst, rawMember...)
	dst = append(dst, raw...)
	return append(dst, '}')
}

// CutRaw splits an entry into the normalised object and the record kept
// verbatim in it, nil if there is none. norm is appended to dst[:0]; raw is a
// part of entry.
func CutRaw(dst, entry []byte) (norm, raw []byte, err error) {
	head, end, err := cutRaw(entry)
	if err != nil {
		return nil, nil, err
	}
	if end == len(entry) {
		return append(dst[:0], entry...), nil, nil
	}
	norm = append(dst[:0], '{')
	norm = append(norm, entry[head:end]...)
	return append(norm, '}'), entry[end+len(rawMember) : len(entry)-1], nil
}

// cutRaw finds the members of the normalised object of an entry with a record
// kept verbatim: entry[head:end]. Without a record, end is len(entry).
func cutRaw(entry []byte) (head, end int, err error) {
	if !bytes.HasPrefix(entry, []byte(rawLen)) {
		return 0, len(entry), nil
	}
	size, p := 0, len(rawLen)
	for p < len(entry) && p < len(rawLen)+6 && entry[p] >= '0' && entry[p] <= '9' {
		size = 10*size + int(entry[p]-'0')
		p++
	}
	if p == len(rawLen) || entry[len(rawLen)] == '0' || p >= len(entry) || entry[p] != ',' {
		return 0, 0, fmt.Errorf("%w: rawlen is not a number of 1 to 6 digits", ErrEntry)
	}
	head, end = p+1, len(entry)-1-size-len(rawMember)
	if entry[len(entry)-1] != '}' || end < head || !bytes.Equal(entry[end:end+len(rawMember)], []byte(rawMember)) {
		return 0, 0, fmt.Errorf("%w: no raw member %d bytes before the end, where rawlen puts it", ErrEntry, size+1)
	}
	return head, end, nil
}

// normLen returns how many of an entry's bytes stand before the record kept
// verbatim in it, 0 if there is none.
func normLen(entry []byte) int {
	if _, end, err := cutRaw(entry); err == nil && end < len(entry) {
		return end
	}
	return 0
}

// CheckEntry tells whether bytes may be appended as an entry: one JSON object
// of at most [MaxEntry] bytes, nested at most [MaxDepth] deep, in valid UTF-8
// without control bytes, without whitespace outside strings, I-JSON (RFC 7493)
// throughout; inside raw whitespace, any number and duplicate names are left
// as they are. The error wraps [ErrEntry] and says where.
func CheckEntry(entry []byte) error { return checkEntry(entry, false) }

// checkEntry is CheckEntry; the record that the entry keeps may have been checked.
func checkEntry(entry []byte, rawChecked bool) error {
	if len(entry) > MaxEntry {
		return fmt.Errorf("%w: %d bytes, at most %d are allowed", ErrEntry, len(entry), MaxEntry)
	}
	if len(entry) < 2 || entry[0] != '{' || entry[len(entry)-1] != '}' {
		return fmt.Errorf("%w: not one JSON object from its first byte to its last", ErrEntry)
	}
	head, end, err := cutRaw(entry)
	if err != nil {
		return err
	}
	rules := jsonRules{depth: MaxDepth, ijson: true, reserved: reservedNames}
	if end == len(entry) {
		err = checkJSON(entry, rules)
	} else {
		if !rawChecked {
			if err = CheckRaw(entry[end+len(rawMember) : len(entry)-1]); err != nil {
				return fmt.Errorf("%w: raw: %w", ErrEntry, err)
			}
		}
		err = checkMembers(entry[head:end], rules)
	}
	if err != nil {
		return fmt.Errorf("%w: %w", ErrEntry, err)
	}
	return nil
}

// reservedNames stand at the two ends of an entry that keeps a record verbatim.
var reservedNames = []string{"raw", "rawlen"}

// CheckRaw tells whether a record can be kept verbatim inside an entry: one
// JSON value in valid UTF-8 without whitespace around it, without control bytes
// and unpaired surrogates, at most [MaxRaw] bytes and nested at most MaxDepth-2
// deep. Records that cannot are kept as base64 or in a blob.
func CheckRaw(raw []byte) error {
	if len(raw) == 0 || len(raw) > MaxRaw {
		return fmt.Errorf("%d bytes, want 1 to %d", len(raw), MaxRaw)
	}
	if raw[0] == ' ' || raw[len(raw)-1] == ' ' {
		return errors.New("whitespace around the value")
	}
	return checkJSON(raw, jsonRules{depth: MaxDepth - 2})
}
