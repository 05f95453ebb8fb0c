package opencode

import (
	"bytes"
	"testing"

	"github.com/go-json-experiment/json/jsontext"
)

// FuzzCheckJSON: what counts as JSON is what jsontext takes, and an object's
// members are those that jsontext reads.
func FuzzCheckJSON(f *testing.F) {
	for _, s := range []string{
		`{"a":[1,-0.5e+7,true,false,null],"b":{"c":"\\u12aB\\n\\"é"}}`, `{"a" : 1 , "a":2}`, "[\n]", `01`, `1.`, `-`, `"\xff"`, `"\\ud800"`,
		`"12345678\"`, `"1234567\\"`, "\"1234567\x01\"", `"\\u00g0"`, `{}`, `[]`, `[1,]`, `{"a":1,}`, ` 1`, "\"abcdefgh\u0080\u009f\x1e\"",
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		want := jsontext.Value(b).IsValid(lenient...) && len(b) > 0 && bytes.TrimSpace(b) != nil && len(bytes.Trim(b, " \t\r\n")) == len(b)
		valid, oneLine := checkJSON(b)
		if valid != want {
			t.Fatalf("%q is JSON: %t, want %t", b, valid, want)
		}
		if controls := bytes.ContainsFunc(b, func(r rune) bool { return r < 0x20 }); valid && oneLine == controls {
			t.Fatalf("%q: one line %t, control bytes %t", b, oneLine, controls)
		}
		if !valid || b[0] != '{' {
			return
		}
		var names, values []string
		if err := members(b, func(name string, value jsontext.Value) error {
			names, values = append(names, name), append(values, string(value))
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		n := 0
		ok := eachMember(b, func(name, value []byte) bool {
			if n < len(names) && (!bytes.ContainsRune(name, '\\') && string(bytes.ToValidUTF8(name, nil)) == string(name) && string(name) != names[n] || string(value) != values[n]) {
				t.Fatalf("member %d: %q %q, want %q %q", n, name, value, names[n], values[n])
			}
			n++
			return true
		})
		if !ok || n != len(names) {
			t.Fatalf("%d members, %t; want %d", n, ok, len(names))
		}
	})
}
