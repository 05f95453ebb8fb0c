package format

import (
	"bytes"
	"errors"
	"io"
	"strconv"
	"strings"
	"testing"

	"github.com/go-json-experiment/json/jsontext"
)

// slowCheck is what checkJSON must agree with, by a JSON library.
func slowCheck(b []byte, rules jsonRules) bool {
	if bytes.IndexFunc(b, func(r rune) bool { return r < 0x20 }) >= 0 || len(b) == 0 || b[0] == ' ' || b[len(b)-1] == ' ' {
		return false
	}
	dec := jsontext.NewDecoder(bytes.NewReader(b), jsontext.AllowDuplicateNames(!rules.ijson))
	for {
		tok, err := dec.ReadToken()
		if err != nil || dec.StackDepth() > rules.depth {
			return false
		}
		if rules.ijson && tok.Kind() == '0' && !slowNumber(tok.String()) {
			return false
		}
		if kind, n := dec.StackIndex(dec.StackDepth()); rules.ijson && dec.StackDepth() == 1 && kind == '{' && n%2 == 1 {
			for _, name := range rules.reserved {
				if tok.Kind() == '"' && tok.String() == name {
					return false
				}
			}
		}
		if dec.StackDepth() == 0 {
			break
		}
	}
	if _, err := dec.ReadToken(); err != io.EOF {
		return false
	}
	return !rules.ijson || !spaceOutside(b)
}

func slowNumber(s string) bool {
	if !strings.ContainsAny(s, ".eE") {
		n, err := strconv.ParseInt(s, 10, 64)
		return err == nil && n <= MaxSize && n >= -MaxSize
	}
	_, err := strconv.ParseFloat(s, 64)
	return err == nil
}

func spaceOutside(b []byte) bool {
	for i := 0; i < len(b); i++ {
		switch b[i] {
		case '"':
			i = stringEnd(b, i+1)
		case ' ':
			return true
		}
	}
	return false
}

var checkRules = []jsonRules{
	{depth: MaxDepth, ijson: true, reserved: reservedNames},
	{depth: MaxDepth - 2},
	{depth: 3, ijson: true},
}

var jsonSeeds = []string{
	`{}`, `[]`, `""`, `0`, `-0`, `-`, `01`, `1.`, `1.5`, `.5`, `1e5`, `1E+5`, `1e`, `1e400`, `true`, `tru`, `nulll`, ``, ` `, ` 1`, `1 `,
	`9007199254740991`, `9007199254740992`, `-9007199254740991`, `-9007199254740992`, `123456789012345678901234567890`,
	`{"a":1}`, `{"a": 1}`, `{"a":1,"a":2}`, `{"a":1,"\u0061":2}`, `{"a":{"a":1},"b":[{"a":1},{"a":2}]}`, `{"a"}`, `{"a":}`, `{,}`, `[1,]`, `[,]`, `[1 2]`, `[1,2]`,
	`{"raw":1}`, `{"rawlen":1}`, `{"a":{"raw":1}}`, `["raw"]`, `{"r\u0061w":1}`,
	`"\ud83d\ude00"`, `"\ud83d"`, `"\ude00"`, `"\ud83d\u0041"`, `"\ud83dx"`, `"\x"`, `"\u00zz"`, `"\u12"`, `"\"`, `"\\"`, `"\/\b\f\n\r\t"`, `"`, `"abc`,
	"\"\xff\"", "\"\xc0\x80\"", "\"\xed\xa0\x80\"", "\"\xf4\x90\x80\x80\"", "\"é世界😀\"", "\"\x7f\"", "\"\x01\"", "\"abcdefg\x1fh\"", "\"12345678\x8012345678\"",
	`[[[1]]]`, `[[[[1]]]]`, `{"a":{"b":{"c":{}}}}`, `}`, `{]`, `[}`, `{"a":1}}`, `{} `, `{}x`,
	strings.Repeat("[", 100) + strings.Repeat("]", 100), strings.Repeat("[", 101) + strings.Repeat("]", 101),
	strings.Repeat("[", 98) + strings.Repeat("]", 98), strings.Repeat(`{"a":`, 99) + "1" + strings.Repeat("}", 99),
}

func TestCheckJSONAgreesWithJSONText(t *testing.T) {
	for _, seed := range append(jsonSeeds, manyNames(100, 100), manyNames(100, 30), manyNames(25, 24), manyNames(24, 23)) {
		compareChecks(t, []byte(seed))
	}
}

// manyNames is an object of n names; the last is the same as the one of that number.
func manyNames(n, same int) string {
	var b strings.Builder
	for i := range n {
		b.WriteString(`,"name` + strconv.Itoa(i) + `":{"x":1}`)
	}
	return "{" + b.String()[1:] + `,"name` + strconv.Itoa(same) + `":1}`
}

func FuzzCheckJSON(f *testing.F) {
	for _, seed := range jsonSeeds {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, b []byte) { compareChecks(t, b) })
}

func compareChecks(t *testing.T, b []byte) {
	t.Helper()
	for _, rules := range checkRules {
		err := checkJSON(b, rules)
		if len(b) > 0 && (b[0] == ' ' || b[len(b)-1] == ' ') {
			continue // the callers' business
		}
		if n := len(b); rules.ijson && n > 2 && b[0] == '{' && b[n-1] == '}' {
			// The same without braces. Depth and end are counted as with them.
			if merr := checkMembers(b[1:n-1], rules); (merr == nil) != (err == nil) {
				t.Errorf("%q: %v with braces, %v without", b, err, merr)
			}
		}
		if want := slowCheck(b, rules); (err == nil) != want {
			t.Errorf("%q with depth %d, I-JSON %t: %v, but jsontext says %t", b, rules.depth, rules.ijson, err, want)
		}
	}
}

func TestCheckEntry(t *testing.T) {
	raw := `{"k": [1e999, 1], "k": "dup"}`
	tests := []struct {
		name, entry string
		ok          bool
	}{
		{"empty object", `{}`, true},
		{"raw", string(JoinRaw(nil, []byte(`{"a":1}`), []byte(raw))), true},
		{"raw that is a string", string(JoinRaw(nil, []byte(`{"a":1}`), []byte(`"x"`))), true},
		{"raw too deep", string(JoinRaw(nil, []byte(`{"a":1}`), []byte(strings.Repeat("[", 99)+strings.Repeat("]", 99)))), false},
		{"raw as deep as may be", string(JoinRaw(nil, []byte(`{"a":1}`), []byte(strings.Repeat("[", 98)+strings.Repeat("]", 98)))), true},
		{"raw with a space before", `{"rawlen":2,"a":1,"raw": 1}`, false},
		{"rawlen too long", `{"rawlen":3,"a":1,"raw":12}`, false},
		{"rawlen too short", `{"rawlen":1,"a":1,"raw":12}`, false},
		{"rawlen without raw", `{"rawlen":1,"a":1}`, false},
		{"rawlen 0", `{"rawlen":0,"a":1,"raw":}`, false},
		{"raw without rawlen", `{"a":1,"raw":1}`, false},
		{"rawlen not first", `{"a":1,"rawlen":1,"raw":1}`, false},
		{"raw twice", `{"rawlen":1,"raw":2,"raw":1}`, false},
		{"nothing but raw", `{"rawlen":1,"raw":1}`, false},
		{"raw inside data", `{"data":{"raw":1,"rawlen":2}}`, true},
		{"longest", `{"a":"` + strings.Repeat("x", MaxEntry-8) + `"}`, true},
		{"too long", `{"a":"` + strings.Repeat("x", MaxEntry-7) + `"}`, false},
		{"two objects", `{}{}`, false},
		{"array", `[1]`, false},
	}
	for _, test := range tests {
		err := CheckEntry([]byte(test.entry))
		if (err == nil) != test.ok {
			t.Errorf("%s: %v, want ok %t", test.name, err, test.ok)
		}
		if err != nil && !errors.Is(err, ErrEntry) {
			t.Errorf("%s: %v does not wrap ErrEntry", test.name, err)
		}
	}
}

// A check knows nothing of the one before it, whose memory it uses.
func TestCheckMembersStartsAnew(t *testing.T) {
	var many []string
	for i := range fewNames + 5 {
		many = append(many, strconv.Quote("n"+strconv.Itoa(i))+":0")
	}
	members := []byte(strings.Join(many, ","))
	rules := jsonRules{depth: MaxDepth, ijson: true}
	for range 3 {
		if err := checkMembers(members, rules); err != nil {
			t.Fatal(err)
		}
		// Broken off with two objects open.
		broken := []byte(`"a":{` + string(members) + `,"b":{"c":`)
		if err := checkMembers(broken, rules); !errors.Is(err, errEnd) {
			t.Fatalf("%v, want %v", err, errEnd)
		}
		if err := checkMembers(append(members, ",\"n3\":1"...), rules); !errors.Is(err, errDuplicate) {
			t.Fatalf("%v, want %v", err, errDuplicate)
		}
	}
}
