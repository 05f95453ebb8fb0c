package opencode

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"math"
	"strconv"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/ownlog/ownlog/format"
)

// A database row becomes one JSON object: {"table":T, <columns in the order of
// the schema>}. Texts are strings with minimal escapes, whatever their bytes;
// numbers are numbers, reals in their shortest spelling; bytes are
// {"base64":"..."}. The text of column data stands verbatim when it is one line
// of JSON and not null, else "data" is null and "data_text" (or "data_base64") follows.
const (
	tableMember  = "table"
	dataColumn   = "data"
	dataText     = "data_text"
	dataBase64   = "data_base64"
	base64Member = "base64"
)

// lenient accepts JSON as tools write it: invalid UTF-8, lone surrogates and
// duplicate names included.
var lenient = []jsontext.Options{jsontext.AllowInvalidUTF8(true), jsontext.AllowDuplicateNames(true)}

// datum is one value of a row as SQLite has it.
type datum struct {
	kind    datumKind
	integer int64
	real    float64
	bytes   []byte // of texts and blobs
}

type datumKind uint8

const (
	nullDatum datumKind = iota
	integerDatum
	realDatum
	textDatum
	blobDatum
)

// text is the value as a text.
func (d datum) text() string {
	switch d.kind {
	case nullDatum:
		return ""
	case textDatum, blobDatum:
		return string(d.bytes)
	}
	return string(appendValue(nil, d))
}

// appendRow appends the bytes of a row to dst.
func appendRow(dst []byte, table string, columns []string, values []datum) []byte {
	dst, _, _ = appendRowData(dst, table, columns, values)
	return dst
}

// appendRowData is appendRow and tells where in the result the data stands, if it
// stands there as it is. checked says that [format.CheckRaw] accepts the result if it
// is short enough.
func appendRowData(dst []byte, table string, columns []string, values []datum) (out []byte, data span, checked bool) {
	dst = append(dst, `{"`+tableMember+`":`...)
	dst = appendQuoted(dst, table)
	checked = true
	for i, name := range columns {
		dst = append(dst, ',')
		v := &values[i]
		if name != dataColumn {
			checked = checked && utf8.ValidString(name) && (v.kind != textDatum || utf8.Valid(v.bytes))
			dst = appendQuoted(dst, name)
			dst = append(dst, ':')
			dst = appendValue(dst, *v)
			continue
		}
		plain := v.kind == textDatum && plainJSON(v.bytes)
		checked = checked && plain && isShallow(v.bytes)
		if plain || v.kind == textDatum && oneLineJSON(v.bytes) {
			dst = append(dst, `"data":`...)
			data.from = len(dst)
			dst = append(dst, v.bytes...)
			data.to = len(dst)
			continue
		}
		dst = appendOtherData(dst, *v)
	}
	return append(dst, '}'), data, checked
}

// isShallow reports whether JSON may stand in a row's object without being nested
// too deep.
func isShallow(text []byte) bool {
	const most = format.MaxDepth - 3 // format.CheckRaw allows one more, of the row itself
	if bytes.Count(text, []byte{'{'})+bytes.Count(text, []byte{'['}) <= most {
		return true
	}
	deepest, depth := 0, 0
	for i := 0; i < len(text); i++ {
		switch text[i] {
		case '"':
			i = afterText(text, i) - 1
		case '{', '[':
			depth++
			deepest = max(deepest, depth)
		case '}', ']':
			depth--
		}
	}
	return deepest <= most
}

// appendOtherData writes data that cannot stand as it is.
func appendOtherData(dst []byte, v datum) []byte {
	if v.kind == nullDatum {
		return append(dst, `"data":null`...)
	}
	dst = append(dst, `"data":null,"`...)
	if v.kind == blobDatum {
		dst = append(dst, dataBase64+`":"`...)
		dst = base64.StdEncoding.AppendEncode(dst, v.bytes)
		return append(dst, '"')
	}
	dst = append(dst, dataText+`":`...)
	if v.kind == textDatum {
		return appendQuoted(dst, v.bytes)
	}
	return appendQuoted(dst, appendValue(nil, v))
}

func appendValue(dst []byte, v datum) []byte {
	switch v.kind {
	case integerDatum:
		return strconv.AppendInt(dst, v.integer, 10)
	case realDatum:
		return appendReal(dst, v.real)
	case textDatum:
		return appendQuoted(dst, v.bytes)
	case blobDatum:
		dst = append(dst, `{"`+base64Member+`":"`...)
		dst = base64.StdEncoding.AppendEncode(dst, v.bytes)
		return append(dst, `"}`...)
	}
	return append(dst, "null"...)
}

// appendReal writes a real in its shortest spelling. SQLite has infinities,
// which it spells as numbers too big to hold, and no NaN.
func appendReal(dst []byte, f float64) []byte {
	switch {
	case math.IsInf(f, 1):
		return append(dst, "9e999"...)
	case math.IsInf(f, -1):
		return append(dst, "-9e999"...)
	}
	return append(dst, jsontext.Float(f).String()...)
}

// appendQuoted writes a JSON string with the shortest escapes. Bytes that are
// not UTF-8 stay as they are, so that the text can be given back.
func appendQuoted[S []byte | string](dst []byte, s S) []byte {
	const hexDigits = "0123456789abcdef"
	dst = append(dst, '"')
	start := 0
	for i := 0; i < len(s); i++ {
		c := s[i]
		if c >= 0x20 && c != '"' && c != '\\' {
			continue
		}
		dst = append(dst, s[start:i]...)
		start = i + 1
		switch c {
		case '"', '\\':
			dst = append(dst, '\\', c)
		case '\b':
			dst = append(dst, `\b`...)
		case '\t':
			dst = append(dst, `\t`...)
		case '\n':
			dst = append(dst, `\n`...)
		case '\f':
			dst = append(dst, `\f`...)
		case '\r':
			dst = append(dst, `\r`...)
		default:
			dst = append(dst, `\u00`...)
			dst = append(dst, hexDigits[c>>4], hexDigits[c&15])
		}
	}
	dst = append(dst, s[start:]...)
	return append(dst, '"')
}

// oneLineJSON reports whether text is one JSON value, other than null, without
// whitespace around it and without control bytes.
func oneLineJSON(text []byte) bool {
	valid, oneLine := checkJSON(text)
	return valid && oneLine && string(text) != "null"
}

// plainJSON reports whether text is JSON that can stand in a row as it is, and in an
// entry as well: what [format.CheckRaw] accepts is one line.
func plainJSON(text []byte) bool {
	return format.CheckRaw(text) == nil && string(text) != "null"
}

// isJSON reports whether b is one JSON value, perhaps with whitespace around it.
func isJSON(b []byte) bool { return jsontext.Value(b).IsValid(lenient...) }

// cell is one column of a row that was read back.
type cell struct {
	name  string
	value jsontext.Value // as it stands in the row's bytes
}

// errRow is wrapped by every error about the bytes of a row.
var errRow = errors.New("not a database row")

// parseRow takes a row's bytes apart. The cells are parts of b.
func parseRow(b []byte) (table string, cells []cell, err error) {
	dec := jsontext.NewDecoder(bytes.NewBuffer(b), lenient...)
	if tok, err := dec.ReadToken(); err != nil || tok.Kind() != '{' {
		return "", nil, fmt.Errorf("%w: want an object", errRow)
	}
	for dec.PeekKind() == '"' {
		name, err := dec.ReadToken()
		if err != nil {
			return "", nil, fmt.Errorf("%w: %w", errRow, err)
		}
		key := name.String()
		v, err := dec.ReadValue()
		if err != nil {
			return "", nil, fmt.Errorf("%w: column %q: %w", errRow, key, err)
		}
		end := dec.InputOffset()
		value := jsontext.Value(b[end-int64(len(v)) : end])
		if len(cells) == 0 && table == "" {
			if key != tableMember || value.Kind() != '"' {
				return "", nil, fmt.Errorf("%w: it begins with %q, want %q", errRow, key, tableMember)
			}
			table = unquote(value)
			continue
		}
		cells = append(cells, cell{key, value})
	}
	if tok, err := dec.ReadToken(); err != nil || tok.Kind() != '}' {
		return "", nil, fmt.Errorf("%w: it does not end", errRow)
	}
	return table, cells, nil
}

// columns turns cells back into what stood in the database: names in order, and
// nil, int64, float64, string or []byte.
func columns(cells []cell) (names []string, values []any, err error) {
	for _, c := range cells {
		switch {
		case c.name == dataText && len(names) > 0 && names[len(names)-1] == dataColumn:
			values[len(values)-1] = unquote(c.value)
			continue
		case c.name == dataBase64 && len(names) > 0 && names[len(names)-1] == dataColumn:
			raw, err := base64.StdEncoding.DecodeString(unquote(c.value))
			if err != nil {
				return nil, nil, fmt.Errorf("%w: %s: %w", errRow, c.name, err)
			}
			values[len(values)-1] = raw
			continue
		}
		v, err := columnValue(c)
		if err != nil {
			return nil, nil, err
		}
		names, values = append(names, c.name), append(values, v)
	}
	return names, values, nil
}

func columnValue(c cell) (any, error) {
	if c.name == dataColumn {
		if c.value.Kind() == 'n' {
			return nil, nil
		}
		return string(c.value), nil
	}
	switch c.value.Kind() {
	case 'n':
		return nil, nil
	case '"':
		return unquote(c.value), nil
	case '0':
		s := string(c.value)
		if n, err := strconv.ParseInt(s, 10, 64); err == nil {
			return n, nil
		}
		f, err := strconv.ParseFloat(s, 64)
		if err != nil && !errors.Is(err, strconv.ErrRange) {
			return nil, fmt.Errorf("%w: column %q: %w", errRow, c.name, err)
		}
		return f, nil
	case '{':
		var b struct {
			Base64 []byte `json:"base64"`
		}
		if err := unmarshal(c.value, &b); err != nil {
			return nil, fmt.Errorf("%w: column %q: %w", errRow, c.name, err)
		}
		return b.Base64, nil
	}
	return nil, fmt.Errorf("%w: column %q is %s", errRow, c.name, c.value.Kind())
}

// unquote gives the text of a JSON string, bytes that are not UTF-8 included.
func unquote(v jsontext.Value) string {
	if len(v) < 2 {
		return ""
	}
	s := v[1 : len(v)-1]
	if bytes.IndexByte(s, '\\') < 0 {
		return string(s)
	}
	if utf8.Valid(s) {
		out, _ := jsontext.AppendUnquote(nil, v)
		return string(out)
	}
	out := make([]byte, 0, len(s))
	for len(s) > 0 {
		i := bytes.IndexByte(s, '\\')
		if i < 0 || i+1 >= len(s) {
			break
		}
		out = append(out, s[:i]...)
		n := 2
		if s[i+1] == 'u' {
			n = 6
			if i+12 <= len(s) && s[i+6] == '\\' && s[i+7] == 'u' {
				if pair, err := jsontext.AppendUnquote(nil, `"`+string(s[i:i+12])+`"`); err == nil && utf8.RuneCount(pair) == 1 {
					n = 12
				}
			}
		}
		n = min(n, len(s)-i)
		out, _ = jsontext.AppendUnquote(out, `"`+string(s[i:i+n])+`"`)
		s = s[i+n:]
	}
	return string(append(out, s...))
}
