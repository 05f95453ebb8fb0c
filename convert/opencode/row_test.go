package opencode

import (
	"math"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ownlog/ownlog/format"
)

func TestRowBytes(t *testing.T) {
	tests := []struct {
		name    string
		columns []string
		values  []any
		want    string
	}{
		{"plain", []string{"id", "n", "data"}, []any{"a", int64(7), `{"x": 1}`}, `{"table":"t","id":"a","n":7,"data":{"x": 1}}`},
		{"null", []string{"id", "data"}, []any{nil, nil}, `{"table":"t","id":null,"data":null}`},
		{"reals", []string{"a", "b", "c"}, []any{0.1, 0.0, 1e300}, `{"table":"t","a":0.1,"b":0,"c":1e+300}`},
		{"infinity", []string{"a"}, []any{math.Inf(-1)}, `{"table":"t","a":-9e999}`},
		{"escapes", []string{"a"}, []any{"\"\\\n\x01/é"}, `{"table":"t","a":"\"\\\n\u0001/é"}`},
		{"bytes", []string{"a"}, []any{[]byte{0, 255}}, `{"table":"t","a":{"base64":"AP8="}}`},
		{"cut data", []string{"data"}, []any{`{"x":`}, `{"table":"t","data":null,"data_text":"{\"x\":"}`},
		{"data of two lines", []string{"data"}, []any{"{\n}"}, `{"table":"t","data":null,"data_text":"{\n}"}`},
		{"data with space around", []string{"data"}, []any{` {}`}, `{"table":"t","data":null,"data_text":" {}"}`},
		{"data is text", []string{"data"}, []any{`"x"`}, `{"table":"t","data":"x"}`},
		{"data is null in JSON", []string{"data"}, []any{`null`}, `{"table":"t","data":null,"data_text":"null"}`},
		{"data in bytes", []string{"data"}, []any{[]byte("{}")}, `{"table":"t","data":null,"data_base64":"e30="}`},
		{"not UTF-8", []string{"a", "data"}, []any{"x\xff\n", "{\"a\":\"\xff\"}"}, "{\"table\":\"t\",\"a\":\"x\xff\\n\",\"data\":{\"a\":\"\xff\"}}"},
		{"lone surrogate", []string{"data"}, []any{`{"a":"\ud800"}`}, `{"table":"t","data":{"a":"\ud800"}}`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := appendRow(nil, "t", tt.columns, datums(tt.values))
			if string(got) != tt.want {
				t.Errorf("got  %s\nwant %s", got, tt.want)
			}
			checkRowComesBack(t, tt.columns, tt.values, got)
		})
	}
}

// datums are values as SQLite has them.
func datums(values []any) []datum {
	out := make([]datum, len(values))
	for i, v := range values {
		switch v := v.(type) {
		case int64:
			out[i] = datum{kind: integerDatum, integer: v}
		case float64:
			out[i] = datum{kind: realDatum, real: v}
		case string:
			out[i] = datum{kind: textDatum, bytes: []byte(v)}
		case []byte:
			out[i] = datum{kind: blobDatum, bytes: v}
		}
	}
	return out
}

// checkRowComesBack reads a row's bytes and compares with what they were made of.
func checkRowComesBack(t *testing.T, names []string, values []any, b []byte) {
	t.Helper()
	table, cells, err := parseRow(b)
	if err != nil {
		t.Fatalf("%v in %q", err, b)
	}
	gotNames, gotValues, err := columns(cells)
	if err != nil {
		t.Fatalf("%v in %q", err, b)
	}
	if diff := cmp.Diff(plainValues(values), plainValues(gotValues)); table != "t" || !cmp.Equal(names, gotNames) || diff != "" {
		t.Errorf("%q came back as %q of %q: %s", names, gotNames, table, diff)
	}
}

// plainValues makes whole reals the integers that they are spelled as: the
// column's own type makes them reals again.
func plainValues(values []any) []any {
	out := make([]any, len(values))
	for i, v := range values {
		out[i] = v
		if f, ok := v.(float64); ok && f == math.Trunc(f) && math.Abs(f) < 1<<62 {
			out[i] = int64(f)
		}
	}
	return out
}

func FuzzRowComesBack(f *testing.F) {
	f.Add("id", "text\x00\xff\"", `{"a":1}`, int64(1), 0.5, []byte{1})
	f.Add("data", "\\u12", "{\"a\":\"\xed\xa0\x80\\ud800\"}", int64(-1)<<63, 0.0, []byte{})
	f.Add("n", "\xffa\\ud83d\\ude00", "[1, 2]", int64(1)<<60, 1e21, []byte(nil))
	f.Fuzz(func(t *testing.T, name, text, data string, n int64, real float64, raw []byte) {
		if math.IsNaN(real) || math.Signbit(real) && real == 0 || name == dataColumn || name == dataText || name == dataBase64 {
			return // NaN is not in a database; a data_text without data is not a column
		}
		names := []string{"a" + name, "n", "r", "data", "b"}
		if raw == nil {
			raw = []byte{}
		}
		values := []any{text, n, real, data, raw}
		b, _, checked := appendRowData(nil, "t", validNames(names), datums(values))
		checkRowComesBack(t, validNames(names), values, b)
		if err := format.CheckRaw(b); checked && err != nil && len(b) <= format.MaxRaw {
			t.Errorf("%q was checked: %v", b, err)
		}
	})
}

// A row is checked as its data is: what is one level deeper in it counts as well.
func TestRowIsChecked(t *testing.T) {
	nested := func(depth int) string { return strings.Repeat("[", depth) + strings.Repeat("]", depth) }
	tests := []struct {
		name string
		data string
		want bool
	}{
		{"plain", `{"type":"text","text":"a"}`, true},
		{"as deep as can be", nested(97), true},
		{"too deep in a row", nested(98), false},
		{"too deep", nested(99), false},
		{"brackets in texts", `["` + strings.Repeat(`[{\"`, 200) + `"]`, true},
		{"lone surrogate", `"\ud800"`, false},
		{"not UTF-8", "\"\xff\"", false},
		{"two lines", "[\n]", false},
		{"two values", `{},"data":{}`, false},
		{"null", "null", false},
		{"nothing", "", false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b, _, got := appendRowData(nil, "t", []string{"id", "data"}, datums([]any{"a", tt.data}))
			if err := format.CheckRaw(b); got != tt.want || got && err != nil {
				t.Errorf("checked %t, want %t; %v", got, tt.want, err)
			}
		})
	}
	if _, _, checked := appendRowData(nil, "t", []string{"id"}, datums([]any{"\xff"})); checked {
		t.Error("an id that is not UTF-8 was checked")
	}
}

// validNames replaces what a column's name cannot hold: SQLite's are UTF-8.
func validNames(names []string) []string {
	out := make([]string, len(names))
	for i, n := range names {
		out[i] = string([]rune(n))
	}
	return out
}

func FuzzParseRow(f *testing.F) {
	f.Add([]byte(`{"table":"part","id":"a","data":null,"data_text":"x"}`))
	f.Add([]byte(`{"table":"part","data":{"base64":"AA"},"data_base64":3}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		if _, cells, err := parseRow(b); err == nil {
			_, _, _ = columns(cells)
		}
		fromRow("id", b)
	})
}
