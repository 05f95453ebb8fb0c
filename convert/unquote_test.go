package convert

import (
	"testing"

	"github.com/go-json-experiment/json/jsontext"
)

// FuzzUnquote compares with the library on every JSON string.
func FuzzUnquote(f *testing.F) {
	for _, s := range []string{
		`""`, `"plain"`, `"a\nb\t\"c\\\/\b\f\r"`, `"caf\u00e9 \u0041\u0000"`, `"\ud83d\ude00"`, `"\ud83d"`, `"\ude00x"`, `"\ud83d\n"`,
		"\"\xff\\n\"", "\"caf\u00e9 \\n\"", "\"\\n\xc3\"", `"\uFFFD\uffff"`, `"00\u000000000000"`,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, v []byte) {
		if len(v) < 2 || v[0] != '"' || !jsontext.Value(v).IsValid(lenient...) || v[len(v)-1] != '"' {
			return
		}
		want, _ := jsontext.AppendUnquote(nil, v)
		if got := Unquote(v); got != string(want) {
			t.Errorf("Unquote(%q) = %q, want %q", v, got, want)
		}
	})
}

func BenchmarkUnquote(b *testing.B) {
	v := []byte(`"` + `func main() {\n\tfmt.Println(\"a line of code as tools print it\")\n}\n`)
	for len(v) < 8<<10 {
		v = append(v, v[1:]...)
	}
	v = append(v, '"')
	b.SetBytes(int64(len(v)))
	for _, c := range []struct {
		name string
		f    func([]byte) string
	}{{"ours", Unquote}, {"library", unquoteSlowly}} {
		b.Run(c.name, func(b *testing.B) {
			b.SetBytes(int64(len(v)))
			for b.Loop() {
				c.f(v)
			}
		})
	}
}
