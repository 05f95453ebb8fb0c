package format

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strconv"

	"github.com/go-json-experiment/json/jsontext"
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
	if end < head || !bytes.Equal(entry[end:end+len(rawMember)], []byte(rawMember)) {
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
func CheckEntry(entry []byte) error {
	if len(entry) > MaxEntry {
		return fmt.Errorf("%w: %d bytes, at most %d are allowed", ErrEntry, len(entry), MaxEntry)
	}
	if len(entry) < 2 || entry[0] != '{' || entry[len(entry)-1] != '}' {
		return fmt.Errorf("%w: not one JSON object from its first byte to its last", ErrEntry)
	}
	if i := bytes.IndexFunc(entry, func(r rune) bool { return r < 0x20 }); i >= 0 {
		return fmt.Errorf("%w: control byte 0x%02x at byte %d", ErrEntry, entry[i], i)
	}
	norm, raw, err := CutRaw(nil, entry)
	if err != nil {
		return err
	}
	if err := checkNormalised(norm); err != nil {
		return fmt.Errorf("%w: %w", ErrEntry, err)
	}
	if raw != nil {
		if err := CheckRaw(raw); err != nil {
			return fmt.Errorf("%w: raw: %w", ErrEntry, err)
		}
	}
	return nil
}

// CheckRaw tells whether a record can be kept verbatim inside an entry: one
// JSON value in valid UTF-8 without whitespace around it, without control bytes
// and unpaired surrogates, at most [MaxRaw] bytes and nested at most MaxDepth-2
// deep. Records that cannot are kept as base64 or in a blob.
func CheckRaw(raw []byte) error {
	if len(raw) == 0 || len(raw) > MaxRaw {
		return fmt.Errorf("%d bytes, want 1 to %d", len(raw), MaxRaw)
	}
	if isSpace(raw[0]) || isSpace(raw[len(raw)-1]) {
		return errors.New("whitespace around the value")
	}
	if i := bytes.IndexFunc(raw, func(r rune) bool { return r < 0x20 }); i >= 0 {
		return fmt.Errorf("control byte 0x%02x at byte %d", raw[i], i)
	}
	dec := jsontext.NewDecoder(bytes.NewReader(raw), jsontext.AllowDuplicateNames(true))
	return oneValue(dec, int64(len(raw)), MaxDepth-2, nil)
}

// checkNormalised checks the part of an entry that ownlog wrote.
func checkNormalised(norm []byte) error {
	dec := jsontext.NewDecoder(bytes.NewReader(norm))
	if err := oneValue(dec, int64(len(norm)), MaxDepth, checkNumber); err != nil {
		return err
	}
	return checkCompact(norm)
}

// oneValue reads one JSON value and checks that it takes all size bytes and is
// nested at most depth deep; number, if any, judges the spelling of numbers.
func oneValue(dec *jsontext.Decoder, size int64, depth int, number func(string) error) error {
	for {
		tok, err := dec.ReadToken()
		if err == io.EOF {
			return io.ErrUnexpectedEOF
		}
		if err != nil {
			return err
		}
		if dec.StackDepth() > depth {
			return fmt.Errorf("nested deeper than %d at byte %d", depth, dec.InputOffset())
		}
		if number != nil && tok.Kind() == '0' {
			if err := number(tok.String()); err != nil {
				return fmt.Errorf("at byte %d: %w", dec.InputOffset(), err)
			}
		}
		if dec.StackDepth() == 0 {
			break
		}
	}
	if end := dec.InputOffset(); end != size {
		return fmt.Errorf("the value ends at byte %d of %d", end, size)
	}
	return nil
}

// checkCompact finds whitespace outside strings in valid JSON.
func checkCompact(b []byte) error {
	inString := false
	for i := 0; i < len(b); i++ {
		switch c := b[i]; {
		case inString && c == '\\':
			i++
		case c == '"':
			inString = !inString
		case !inString && isSpace(c):
			return fmt.Errorf("whitespace outside a string at byte %d", i)
		}
	}
	return nil
}

// checkNumber refuses integers that not every reader can hold.
func checkNumber(s string) error {
	for i := range len(s) {
		if s[i] == '.' || s[i] == 'e' || s[i] == 'E' {
			return nil
		}
	}
	if n, err := strconv.ParseInt(s, 10, 64); err != nil || n > MaxSize || n < -MaxSize {
		return fmt.Errorf("integer %s is beyond 2^53-1", s)
	}
	return nil
}

func isSpace(c byte) bool { return c == ' ' || c == '\t' || c == '\n' || c == '\r' }
