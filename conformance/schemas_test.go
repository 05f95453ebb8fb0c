package conformance

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/go-json-experiment/json"
	"github.com/santhosh-tekuri/jsonschema/v5"
)

const schemaBase = "https://github.com/ownlog/ownlog/schema/v1/"

func compileSchema(t *testing.T, name string) *jsonschema.Schema {
	t.Helper()
	c := jsonschema.NewCompiler()
	c.Draft = jsonschema.Draft2020
	paths, err := filepath.Glob(filepath.Join("..", "schema", "v1", "*.schema.json"))
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range paths {
		f, err := os.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		err = c.AddResource(schemaBase+filepath.Base(path), f)
		f.Close()
		if err != nil {
			t.Fatal(err)
		}
	}
	s, err := c.Compile(schemaBase + name)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// validate returns what the schema has against a JSON text.
func validate(t *testing.T, s *jsonschema.Schema, text string) error {
	t.Helper()
	var v any
	if err := json.Unmarshal([]byte(text), &v); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return s.Validate(v)
}

// The schemas of header, index and entry accept the worked example and refuse
// each of the changes to it.
func TestSchemas(t *testing.T) {
	e := readExample(t)
	header, _, _ := strings.Cut(e["segment"], "\n")
	index := strings.ReplaceAll(e["index"], "\n", "")
	withRaw := string(e.entries()[1])
	native := string(e.entries()[2])
	hash := strings.Repeat("0a", 32)
	id := "6f776e6c-6f67-4000-8000-000000000002"
	for _, c := range []struct {
		name, schema, text string
		old, new           string
		valid              bool
	}{
		{"header", "header", header, "", "", true},
		{"header of a fork", "header", header, `"first":0,"frontier":[],"fork":null`, `"first":2,"frontier":["` + hash + `"],"fork":{"log":"` + id + `","size":2}`, true},
		{"header with a new member", "header", header, `"requires":[]`, `"requires":["x.a"],"later":1`, true},
		{"header of version 2", "header", header, `"ownlog":1`, `"ownlog":2`, false},
		{"header without a checksum", "header", header, `"crc":"db24cf3b",`, ``, false},
		{"header with a short checksum", "header", header, `db24cf3b`, `db24cf3`, false},
		{"header with an upper-case id", "header", header, `6f776e6c`, `6F776E6C`, false},
		{"header with a negative first", "header", header, `"first":0`, `"first":-1`, false},
		{"header with a short hash", "header", header, `"frontier":[]`, `"frontier":["0a"]`, false},
		{"header without fork", "header", header, `"fork":null,`, ``, false},
		{"header with half a fork", "header", header, `"fork":null`, `"fork":{"size":2}`, false},
		{"header with a member outside", "header", header, `"requires":[]}}`, `"requires":[]},"a":1}`, false},
		{"index", "index", index, "", "", true},
		{"index without types", "index", index, `"types":["note.added","user.message","vendor.record"],`, ``, true},
		{"index without root", "index", index, `"root"`, `"toor"`, false},
		{"index with a broken time", "index", index, `"tmin":"2026-01-02T03:04:05Z"`, `"tmin":"yesterday"`, false},
		{"index with half a range of time", "index", index, `"tmin":"2026-01-02T03:04:05Z",`, ``, false},
		{"index with an empty block", "index", index, `"raw":136`, `"raw":0`, false},
		{"index with a large block", "index", index, `"raw":136`, `"raw":6291457`, false},
		{"index with a doubled type", "index", index, `"types":["note.added",`, `"types":["note.added","note.added",`, false},
		{"entry", "entry", native, "", "", true},
		{"entry with a record", "entry", withRaw, `"say": "hi", "say": "ho"`, `"say": "hi"`, true},
		{"entry with a length alone", "entry", native, `{"v"`, `{"rawlen":1,"v"`, false},
		{"entry with a record alone", "entry", native, `"data"`, `"raw":1,"data"`, false},
		{"entry with a long record", "entry", withRaw, `"rawlen":26`, `"rawlen":262145`, false},
		{"entry with a record in base64", "entry", native, `"data"`, `"raw64":"AA==","data"`, true},
		{"entry with what is not base64", "entry", native, `"data"`, `"raw64":"_","data"`, false},
		{"entry with two records", "entry", withRaw, `"data"`, `"raw64":"AA==","data"`, false},
		{"entry without a type", "entry", native, `"type":"note.added",`, ``, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			text := c.text
			if c.old != "" {
				text = strings.Replace(text, c.old, c.new, 1)
				if text == c.text {
					t.Fatalf("%q does not stand in %s", c.old, c.text)
				}
			}
			// A doubled name is the record's own; the decoder refuses it.
			text = strings.Replace(text, `"say": "hi", "say": "ho"`, `"say": "hi"`, 1)
			err := validate(t, compileSchema(t, c.schema+".schema.json"), text)
			if (err == nil) != c.valid {
				t.Errorf("valid is %v, want %v: %v", err == nil, c.valid, err)
			}
		})
	}
}
