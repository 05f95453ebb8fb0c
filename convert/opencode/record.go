package opencode

import (
	"bytes"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// The tables that are read. A file of the legacy tree counts as a row of the
// table that later took its content, so that a session that was migrated has
// one log, not two.
const (
	tableProject     = "project"
	tableSession     = "session"
	tableMessage     = "message"
	tablePart        = "part"
	tableTodo        = "todo"
	tableEvent       = "event"
	tablePermission  = "permission"
	tableSessionDiff = "session_diff" // of the legacy tree
)

// record is a row, a file of the legacy tree, or a piece of an export file, as
// the mapper sees it.
type record struct {
	table     string
	id        string // row id
	messageID string // of a part
	sessionID string
	created   *int64         // milliseconds, if the record has a time of its own
	file      bool           // a file of the legacy tree or a piece of an export, not a database row
	cells     []cell         // of a database row that was read from its bytes
	data      jsontext.Value // the vendor's JSON object, nil if there is none or it is not JSON
	at        string         // JSON Pointer to data in the run's raw bytes
	finding   string         // what is wrong with it
}

// fromRow reads the bytes of a database row.
func fromRow(rowID string, b []byte) record {
	table, cells, err := parseRow(b)
	if err != nil {
		return record{id: rowID, finding: "row-unreadable"}
	}
	rec := record{table: table, id: rowID, cells: cells, at: "/" + dataColumn}
	for _, c := range cells {
		switch c.name {
		case "message_id":
			rec.messageID = textOf(c.value)
		case "session_id", "aggregate_id":
			rec.sessionID = textOf(c.value)
		case "time_created":
			rec.created = milliseconds(c.value)
		case dataColumn:
			rec.data = c.value
		case dataText:
			rec.data, rec.finding = nil, "data-not-json"
			// Valid JSON over several lines is as good.
			if text := unquote(c.value); isJSON([]byte(text)) {
				rec.data, rec.finding = jsontext.Value(text), ""
			}
		case dataBase64:
			rec.data, rec.finding = nil, "data-not-json"
		}
	}
	if rec.data.Kind() == 'n' {
		rec.data, rec.finding = nil, "data-not-json"
	}
	return rec
}

// fromFile reads a file of the legacy tree.
func fromFile(table, rowID string, b []byte) record {
	rec := record{table: table, id: rowID, file: true, finding: "file-not-json"}
	if isJSON(b) {
		rec.data, rec.finding = jsontext.Value(bytes.TrimSpace(b)), ""
	}
	var ids struct {
		SessionID string `json:"sessionID"`
		MessageID string `json:"messageID"`
	}
	if rec.data.Kind() == '{' && unmarshal(rec.data, &ids) == nil {
		rec.sessionID, rec.messageID = ids.SessionID, ids.MessageID
	}
	return rec
}

// isRow tells a database row's bytes from a file's.
func isRow(b []byte) bool { return bytes.HasPrefix(b, []byte(rowBegin)) }

// rowBegin is what a database row's bytes begin with.
const rowBegin = `{"` + tableMember + `":`

// unmarshal reads vendor JSON into the members a caller asks for; others are
// ignored, and a member of another JSON type is an error.
func unmarshal(v []byte, into any) error {
	return json.Unmarshal(v, into, jsontext.AllowInvalidUTF8(true), jsontext.AllowDuplicateNames(true))
}

func textOf(v jsontext.Value) string {
	if v.Kind() != '"' {
		return ""
	}
	return unquote(v)
}

// milliseconds reads a time as the tool writes it, nil if it is none.
func milliseconds(v jsontext.Value) *int64 {
	if v.Kind() != '0' {
		return nil
	}
	f := number(v)
	if math.IsNaN(f) || f < 0 || f > maxMilliseconds {
		return nil
	}
	n := int64(f)
	return &n
}

// maxMilliseconds is the end of the year 9999, the last that RFC 3339 can say.
const maxMilliseconds = 253402300799999

// number reads a JSON number, NaN if it is none.
func number(v jsontext.Value) float64 {
	if n, ok := shortInteger(v); ok {
		return float64(n)
	}
	var f float64
	if v.Kind() != '0' || unmarshal(v, &f) != nil {
		return math.NaN()
	}
	return f
}

// shortInteger reads a number that is written with up to 15 digits and nothing
// else, as nearly all are.
func shortInteger(v jsontext.Value) (n int64, ok bool) {
	if len(v) == 0 || len(v) > 15 {
		return 0, false
	}
	for _, c := range v {
		if c < '0' || c > '9' {
			return 0, false
		}
		n = n*10 + int64(c-'0')
	}
	return n, true
}

// integer reads a JSON number that is a whole number JSON readers hold exactly.
func integer(v jsontext.Value) (int64, bool) {
	f := number(v)
	if f != math.Trunc(f) || math.Abs(f) > 1<<53-1 { // false for NaN, which is not equal to itself
		return 0, false
	}
	return int64(f), true
}

// timeText spells a time in milliseconds, none before 1970, as an event's time.
func timeText(ms *int64) string {
	if ms == nil {
		return ""
	}
	b := make([]byte, 0, 32)
	b = time.UnixMilli(*ms).UTC().AppendFormat(b, time.RFC3339) // much faster than any other layout
	b[len(b)-1] = '.'
	milli := *ms % 1000
	return string(append(b, byte('0'+milli/100), byte('0'+milli/10%10), byte('0'+milli%10), 'Z'))
}

// nanoUSD scales a decimal number of US dollars, as it is written, to 10^-9 USD,
// rounded half away from zero. ok is false if it is not a number or too big.
func nanoUSD(v jsontext.Value) (int64, bool) {
	if v.Kind() != '0' {
		return 0, false
	}
	s, negative := strings.CutPrefix(string(v), "-")
	mantissa, exponent := s, int64(0)
	if i := strings.IndexAny(s, "eE"); i >= 0 {
		mantissa = s[:i]
		e, err := strconv.ParseInt(s[i+1:], 10, 16)
		if err != nil || e > 30 {
			return 0, false
		}
		exponent = e
	}
	whole, fraction, _ := strings.Cut(mantissa, ".")
	digits := whole + fraction
	point := int64(len(whole)) + exponent + 9 // digits before it are nano-USD
	n := int64(0)
	for i := int64(0); i < point; i++ {
		d := int64(0)
		if i < int64(len(digits)) {
			d = int64(digits[i] - '0')
		}
		if n > (1<<53-1-d)/10 {
			return 0, false
		}
		n = n*10 + d
	}
	if point >= 0 && point < int64(len(digits)) && digits[point] >= '5' {
		n++
	}
	if negative {
		n = -n
	}
	return n, true
}
