package schema

import (
	"bytes"
	"io"
	"strings"
	"testing"

	"github.com/go-json-experiment/json/jsontext"
)

// slowVendorJSON is what VendorJSON must agree with, by the library alone.
func slowVendorJSON(v []byte) (jsontext.Value, bool) {
	out := jsontext.Value(v).Clone()
	if err := out.Compact(jsontext.AllowInvalidUTF8(false), jsontext.AllowDuplicateNames(false), jsontext.PreserveRawStrings(true)); err != nil {
		return nil, false
	}
	dec := jsontext.NewDecoder(bytes.NewReader(out))
	for {
		tok, err := dec.ReadToken()
		if err == io.EOF {
			return out, true
		}
		if err != nil || dec.StackDepth() > maxInside {
			return nil, false
		}
		if tok.Kind() == '0' && !validNumber([]byte(tok.String())) {
			return nil, false
		}
	}
}

func FuzzVendorJSON(f *testing.F) {
	for _, s := range []string{
		`{"a":[1,-2.5e+3,"x \" \\","\\\\\"",true,null]}`, "{ \"a\" :\n[ ] }", `9007199254740991`, `9007199254740992`, `-0`, `1E400`,
		`{"a":1,"a":2}`, "\"\xff\"", `"\ud800"`, `{"deep":` + strings.Repeat("[", 89) + strings.Repeat("]", 89) + `}`,
		`{"deep":` + strings.Repeat("[", 90) + strings.Repeat("]", 90) + `}`, ` 1`, ``, `1 2`,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, v []byte) {
		if len(v) > MaxString {
			return
		}
		want, wantOK := slowVendorJSON(v)
		got, ok := VendorJSON(v)
		if ok != wantOK || ok && string(got) != string(want) {
			t.Errorf("VendorJSON(%q) = %q, %v, want %q, %v", v, got, ok, want, wantOK)
		}
	})
}
