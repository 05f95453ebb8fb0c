package schema

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/google/go-cmp/cmp"
)

func problems(check func(report func(Problem))) []string {
	found := []string{}
	check(func(p Problem) { found = append(found, p.Code+" "+p.Path) })
	return found
}

func TestCheck(t *testing.T) {
	c := NewChecker()
	for _, test := range []struct {
		name, norm string
		want       []string
	}{
		{"good", `{"v":1,"type":"note.added","actor":{"kind":"user"},"data":{"text":"x"}}`, nil},
		{"unknown members and types", `{"v":1,"type":"x.y","actor":{"kind":"user","z":[]},"z":1,"data":{"text":5}}`, nil},
		{"no actor, no data", `{"v":1,"type":"note.added"}`, []string{"missing-member ", "missing-member "}},
		{"another version", `{"v":2,"type":"note.added","actor":{"kind":"user"},"data":{"text":"x"}}`, []string{"wrong-value /v"}},
		{"null is not absent", `{"v":1,"type":"note.added","time":null,"actor":{"kind":"user"},"data":{"text":"x"}}`, []string{"wrong-type /time"}},
		{"unknown word", `{"v":1,"type":"turn.finished","actor":{"kind":"user"},"data":{"reason":"bored"}}`, []string{"wrong-value /data/reason"}},
		{"escaped word", `{"v":1,"type":"turn.finished","actor":{"kind":"\u0075ser"},"data":{"reason":"error"}}`, nil},
		{"not a time", `{"v":1,"type":"turn.started","time":"2026-11-24 09:30:00Z","actor":{"kind":"user"},"data":{}}`, []string{"wrong-value /time"}},
		{"text of another type", `{"v":1,"type":"note.added","actor":{"kind":"user"},"data":{"text":7}}`, []string{"wrong-type /data/text"}},
		{"blob for a text", `{"v":1,"type":"note.added","actor":{"kind":"user"},"data":{"text":{"blob":"sha256:0","size":1}}}`, []string{"wrong-value /data/text/blob"}},
		{"fraction", `{"v":1,"type":"log.gap","actor":{"kind":"user"},"data":{"seq":1.5}}`, []string{"wrong-type /data/seq"}},
		{"negative position", `{"v":1,"type":"log.gap","actor":{"kind":"user"},"data":{"seq":-1}}`, []string{"wrong-value /data/seq"}},
		{"negative exit code", `{"v":1,"type":"tool.result","actor":{"kind":"tool"},"data":{"call_key":"1/1/0","status":"ok","exit_code":-1}}`, nil},
		{"call key", `{"v":1,"type":"tool.started","actor":{"kind":"tool"},"data":{"call_key":"1/01/0"}}`, []string{"wrong-value /data/call_key"}},
		{"data before type", `{"data":{"text":7},"v":1,"type":"note.added","actor":{"kind":"user"}}`, []string{"wrong-type /data/text"}},
		{"deep inside", `{"v":1,"type":"model.output","actor":{"kind":"model"},"data":{"blocks":[{"type":"text"},{"type":"reasoning","seal":{"kind":"wax"}}]}}`, []string{"wrong-value /data/blocks/1/seal/kind"}},
		{"truncated", `{"v":1`, []string{"not-json /v"}},
		{"more than one value", `{"v":1,"type":"turn.started","actor":{"kind":"user"},"data":{}} {}`, []string{"not-json "}},
		{"an array", `[]`, []string{"wrong-type "}},
		{"member twice", `{"v":1,"v":1,"type":"turn.started","actor":{"kind":"user"},"data":{}}`, []string{"not-json /v"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			got := problems(func(r func(Problem)) { c.Check(0, []byte(test.norm), r) })
			if d := cmp.Diff(test.want, got, cmp.Transformer("", func(s []string) string { return strings.Join(s, "\n") })); d != "" {
				t.Errorf("problems (-want +got):\n%s", d)
			}
		})
	}
}

func TestCallKeys(t *testing.T) {
	for key, want := range map[string]bool{
		"1/1/0": true, "0/0/0": true, "12/3/45.6": true, "1/1/0.0": true,
		"": false, "1/1": false, "1/1/": false, "/1/1": false, "1/1/0/0": false, "1/1/0.": false, "1/1/0.1.2": false, "01/1/0": false, "a/1/0": false, "1/1/0.01": false, "-1/1/0": false,
	} {
		if got := isCallKey([]byte(key)); got != want {
			t.Errorf("isCallKey(%q) = %t, want %t", key, got, want)
		}
	}
	k := NewCallKey(3, 1, 2)
	if n := k.Nested(4); n != "3/1/2.4" || n.Outer() != k || k.Outer() != k {
		t.Errorf("nested %s, outer %s and %s", n, n.Outer(), k.Outer())
	}
}

// goldenEvents are the bytes of every type.
func goldenEvents(t testing.TB) [][]byte {
	t.Helper()
	files, err := filepath.Glob(filepath.Join("testdata", "golden", "*.json"))
	if err != nil || len(files) == 0 {
		t.Fatalf("%d golden files, %v", len(files), err)
	}
	var all [][]byte
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, bytes.TrimSuffix(b, []byte("\n")))
	}
	return all
}

func TestGoldenEventsAreValid(t *testing.T) {
	c := NewChecker()
	s, err := NewSchemas()
	if err != nil {
		t.Fatal(err)
	}
	for _, norm := range goldenEvents(t) {
		if got := problems(func(r func(Problem)) { c.Check(0, norm, r) }); len(got) > 0 {
			t.Errorf("checker: %v in %s", got, norm)
		}
		if got := problems(func(r func(Problem)) { s.Validate(0, norm, r) }); len(got) > 0 {
			t.Errorf("schema: %v in %s", got, norm)
		}
	}
}

// FuzzCheckAgainstSchemas compares the hand-written checker with the JSON
// Schemas: both accept the same events.
func FuzzCheckAgainstSchemas(f *testing.F) {
	c := NewChecker()
	s, err := NewSchemas()
	if err != nil {
		f.Fatal(err)
	}
	for _, norm := range goldenEvents(f) {
		f.Add(norm)
	}
	f.Fuzz(func(t *testing.T, norm []byte) { compareCheckers(t, c, s, norm) })
}

// TestCheckAgainstSchemas is the same on every single change of one value in
// every golden event.
func TestCheckAgainstSchemas(t *testing.T) {
	c := NewChecker()
	s, err := NewSchemas()
	if err != nil {
		t.Fatal(err)
	}
	every := 1
	if testing.Short() {
		every = 11
	}
	made, n, bad := 0, 0, 0
	for i, norm := range goldenEvents(t) {
		// The envelope is the same in all types.
		from, to := bytes.Index(norm, []byte(`"data":`)), len(norm)
		if raw := bytes.Index(norm, []byte(`,"raw64"`)); raw > 0 {
			to = raw
		}
		if i < 2 {
			from, to = 0, len(norm)
		}
		mutations(norm, from, to, func(m []byte) {
			if made++; made%every != 0 {
				return
			}
			n++
			if compareCheckers(t, c, s, m) {
				bad++
			}
		})
	}
	if made < 1000 || bad < n/4 {
		t.Errorf("%d mutations, %d of them invalid: too few to tell", n, bad)
	}
}

func compareCheckers(t *testing.T, c *Checker, s *Schemas, norm []byte) (invalid bool) {
	t.Helper()
	byHand := problems(func(r func(Problem)) { c.Check(0, norm, r) })
	bySchema := problems(func(r func(Problem)) { s.Validate(0, norm, r) })
	if (len(byHand) > 0) == (len(bySchema) > 0) {
		return len(byHand) > 0
	}
	// A number like 1.0 is an integer to JSON Schema, not to an entry.
	if len(bySchema) == 0 && hasFraction(norm) {
		return true
	}
	t.Errorf("checker: %v\nschema: %v\nevent: %s", byHand, bySchema, norm)
	return false
}

// hasFraction reports whether there is a number with a point or exponent, or one
// that a float cannot tell from an allowed one.
func hasFraction(norm []byte) bool {
	inString := false
	for i := 0; i < len(norm); i++ {
		switch ch := norm[i]; {
		case inString && ch == '\\':
			i++
		case ch == '"':
			inString = !inString
		case !inString && i > 0 && (norm[i-1] >= '0' && norm[i-1] <= '9') && (ch == '.' || ch == 'e' || ch == 'E'):
			return true
		case !inString && ch == '-' && i+1 < len(norm) && norm[i+1] == '0':
			return true
		}
	}
	return bytes.Contains(norm, []byte("900719925474099"))
}

// mutations makes every change of one value or name between two places of an
// event.
func mutations(norm []byte, from, to int, yield func([]byte)) {
	replacements := []string{`null`, `"odd"`, `-7`, `true`, `[]`, `{}`}
	for _, span := range valueSpans(norm) {
		if span[0] < from || span[1] > to {
			continue
		}
		for _, r := range replacements {
			yield(bytes.Join([][]byte{norm[:span[0]], []byte(r), norm[span[1]:]}, nil))
		}
	}
	for i := from; i+1 < to; i++ { // rename members
		if (norm[i] == '{' || norm[i] == ',') && norm[i+1] == '"' {
			yield(bytes.Join([][]byte{norm[:i+2], []byte("un_"), norm[i+2:]}, nil))
		}
	}
}

// valueSpans returns where each value of a JSON text stands.
func valueSpans(norm []byte) [][2]int {
	var spans [][2]int
	dec := jsontext.NewDecoder(bytes.NewReader(norm))
	var starts []int
	for {
		kind := dec.PeekKind()
		isName := false
		if in, n := dec.StackIndex(dec.StackDepth()); in == '{' && n%2 == 0 {
			isName = true
		}
		before := int(dec.InputOffset())
		for before < len(norm) && (norm[before] == ',' || norm[before] == ':') {
			before++
		}
		if _, err := dec.ReadToken(); err != nil {
			return spans
		}
		end := int(dec.InputOffset())
		switch kind {
		case '{', '[':
			starts = append(starts, before)
		case '}', ']':
			spans = append(spans, [2]int{starts[len(starts)-1], end})
			starts = starts[:len(starts)-1]
		default:
			if !isName {
				spans = append(spans, [2]int{before, end})
			}
		}
	}
}
