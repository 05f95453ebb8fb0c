package schema

import (
	"strings"
	"testing"

	"github.com/go-json-experiment/json"
	"github.com/google/go-cmp/cmp"
)

func TestTextFromJSON(t *testing.T) {
	for _, test := range []struct {
		in   string
		want Text
		ok   bool
	}{
		{`"x"`, String("x"), true},
		{`""`, String(""), true},
		{`{"blob":"sha256:0","size":3}`, Text{Blob: &Blob{Digest: "sha256:0", Size: 3}, Set: true}, true},
		{`7`, Text{}, false},
		{`null`, Text{}, false},
		{`{"blob":7}`, Text{}, false},
	} {
		var got Text
		err := json.Unmarshal([]byte(test.in), &got)
		if (err == nil) != test.ok {
			t.Errorf("%s: error %v", test.in, err)
		}
		if d := cmp.Diff(test.want, got); test.ok && d != "" {
			t.Errorf("%s (-want +got):\n%s", test.in, d)
		}
	}
	if !(Text{}).IsZero() || String("").IsZero() {
		t.Error("only a text that is not there is zero")
	}
}

func TestAt(t *testing.T) {
	if got := string(At(`/a"b`)); got != `{"at":"/a\"b"}` {
		t.Errorf("pointer %s", got)
	}
}

func TestVendorJSON(t *testing.T) {
	deep := strings.Repeat("[", 91) + strings.Repeat("]", 91)
	for _, test := range []struct {
		name, in, want string
		ok             bool
	}{
		{"order and spelling stay", ` {"b": 1.50 , "a":"\u00e9\/"} `, `{"b":1.50,"a":"\u00e9\/"}`, true},
		{"member twice", `{"a":1,"a":2}`, "", false},
		{"lone surrogate", `"\ud800"`, "", false},
		{"invalid UTF-8", "\"\xff\"", "", false},
		{"integer that not all can hold", `[9007199254740993]`, "", false},
		{"the largest integer", `[9007199254740991]`, `[9007199254740991]`, true},
		{"a float may be large", `[1e300]`, `[1e300]`, true},
		{"too deep", deep, "", false},
		{"too long", `"` + strings.Repeat("x", MaxString) + `"`, "", false},
		{"not JSON", `{`, "", false},
	} {
		got, ok := VendorJSON([]byte(test.in))
		if ok != test.ok || ok && string(got) != test.want {
			t.Errorf("%s: %s, %t; want %s, %t", test.name, got, ok, test.want, test.ok)
		}
	}
}

func TestDecodeRefuses(t *testing.T) {
	for name, norm := range map[string]string{
		"not JSON":             `{`,
		"an array":             `[]`,
		"another version":      `{"v":2,"type":"note.added","actor":{"kind":"user"},"data":{"text":"x"}}`,
		"no data":              `{"v":1,"type":"note.added","actor":{"kind":"user"}}`,
		"text of wrong type":   `{"v":1,"type":"note.added","actor":{"kind":"user"},"data":{"text":7}}`,
		"data before type":     `{"v":1,"data":{"text":7},"type":"note.added","actor":{"kind":"user"}}`,
		"member twice":         `{"v":1,"v":1,"type":"note.added","actor":{"kind":"user"},"data":{"text":"x"}}`,
		"more after the end":   `{"v":1,"type":"note.added","actor":{"kind":"user"},"data":{"text":"x"}} {}`,
		"parent of wrong type": `{"v":1,"type":"note.added","actor":{"kind":"user"},"parent":7,"data":{"text":"x"}}`,
	} {
		if ev, err := Decode([]byte(norm)); err == nil {
			t.Errorf("%s: decoded to %+v", name, ev)
		}
	}
	ev, err := Decode([]byte(`{"data":{"text":"x"},"v":1,"later":[1],"type":"note.added","actor":{"kind":"user"}}`))
	if err != nil {
		t.Fatal(err)
	}
	if n, ok := ev.Data.(*NoteAdded); !ok || n.Text.Inline != "x" {
		t.Errorf("data before type: %+v", ev.Data)
	}
	if _, err := Encode(nil, new(Event)); err == nil {
		t.Error("an event without data encodes")
	}
}
