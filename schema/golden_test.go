package schema

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

var update = flag.Bool("update", false, "write the golden files anew")

// fill sets every field of a value to something, so that all members are there.
func fill(v reflect.Value, depth int) {
	switch t := v.Type(); {
	case t == reflect.TypeFor[jsontext.Value]():
		v.Set(reflect.ValueOf(jsontext.Value(`{"z":1.50,"a":"\u00e9","n":[null,true]}`)))
	case t == reflect.TypeFor[Text]():
		v.Set(reflect.ValueOf(String("<é>\u2028\"\\\t")))
	case t == reflect.TypeFor[Parent]():
		v.Set(reflect.ValueOf(Parent{Known: true, ID: "before"}))
	case t == reflect.TypeFor[CallKey]():
		v.SetString("2/1/0")
	case t.Kind() == reflect.Pointer:
		v.Set(reflect.New(t.Elem()))
		fill(v.Elem(), depth)
	case t.Kind() == reflect.Struct:
		for i := range t.NumField() {
			if f := v.Field(i); f.CanSet() {
				fill(f, depth+1)
				name, _, _ := strings.Cut(t.Field(i).Tag.Get("json"), ",")
				if s := specialMember(t, name); s != nil && f.Kind() == reflect.String {
					f.SetString(map[string]string{"blob": "sha256:" + strings.Repeat("0a", 32), "time": "2026-11-24T09:30:00.123Z", "vendor": "codex"}[name])
				}
			}
		}
	case t.Kind() == reflect.Slice:
		v.Set(reflect.MakeSlice(t, 2, 2))
		for i := range 2 {
			fill(v.Index(i), depth)
		}
	case t.Kind() == reflect.String:
		v.SetString("text")
		if words := vocabularies()[t]; words != nil {
			v.SetString(words[0])
		}
	case t.Kind() == reflect.Bool:
		v.SetBool(true)
	case t.Kind() == reflect.Int64:
		v.SetInt(7)
	}
}

// fullEvent has every member of a type.
func fullEvent(t Type) *Event {
	ev := &Event{Data: NewData(t)}
	data := ev.Data
	ev.Data = nil
	v := reflect.ValueOf(ev).Elem()
	for i := range v.NumField() {
		if f := v.Field(i); f.Type() != reflect.TypeFor[Data]() {
			fill(f, 0)
		}
	}
	ev.Time = "2026-11-24T09:30:00.123456789Z"
	fill(reflect.ValueOf(data).Elem(), 0)
	ev.Data = data
	if m, ok := data.(*ToolResult); ok {
		m.Content[1] = Part{Type: PartImage, Blob: m.Content[1].Blob}
	}
	return ev
}

// minimalEvent has the members that a type must have.
func minimalEvent(t Type) *Event {
	ev := &Event{Actor: Actor{Kind: ActorExecutor}, Data: NewData(t)}
	v := reflect.ValueOf(ev.Data).Elem()
	for i := range v.NumField() {
		if !strings.Contains(v.Type().Field(i).Tag.Get("json"), "omitzero") {
			fill(v.Field(i), 0)
			if v.Field(i).Kind() == reflect.Slice {
				v.Field(i).SetZero()
			}
		}
	}
	return ev
}

// The bytes of every type are pinned: a change here changes heads.
// go test ./schema -run TestGolden -update writes them anew.
func TestGolden(t *testing.T) {
	for _, typ := range Types() {
		for name, ev := range map[string]*Event{string(typ): fullEvent(typ), string(typ) + ".minimal": minimalEvent(typ)} {
			t.Run(name, func(t *testing.T) {
				got, err := Encode(nil, ev)
				if err != nil {
					t.Fatal(err)
				}
				file := filepath.Join("testdata", "golden", name+".json")
				if *update {
					if err := os.WriteFile(file, append(got, '\n'), 0o644); err != nil {
						t.Fatal(err)
					}
				}
				want, err := os.ReadFile(file)
				if err != nil {
					t.Fatal(err)
				}
				want = bytes.TrimSuffix(want, []byte("\n"))
				if d := cmp.Diff(string(want), string(got)); d != "" {
					t.Errorf("bytes (-golden +encoded):\n%s", d)
				}
				back, err := Decode(want)
				if err != nil {
					t.Fatal(err)
				}
				again, err := Encode(nil, back)
				if err != nil || string(again) != string(want) {
					t.Errorf("decoded and encoded again: %v\n%s", err, cmp.Diff(string(want), string(again)))
				}
				if d := cmp.Diff(ev, back, cmpopts.EquateEmpty()); d != "" {
					t.Errorf("event (-made +decoded):\n%s", d)
				}
			})
		}
	}
	files, err := filepath.Glob(filepath.Join("testdata", "golden", "*.json"))
	if err != nil || len(files) != 2*len(Types()) {
		t.Errorf("%d golden files, %v; want two for each of %d types", len(files), err, len(Types()))
	}
}

// A result with empty content answers its call; one without is an outcome only.
func TestEmptyContentIsContent(t *testing.T) {
	for _, content := range [][]Part{nil, {}} {
		b, err := Encode(nil, &Event{Data: &ToolResult{CallKey: "1/1/0", Status: StatusOK, Content: content}})
		if err != nil {
			t.Fatal(err)
		}
		back, err := Decode(b)
		if err != nil {
			t.Fatal(err)
		}
		if got := back.Data.(*ToolResult).Content; (got == nil) != (content == nil) {
			t.Errorf("content %#v comes back as %#v from %s", content, got, b)
		}
	}
}

// Every Go data type and its JSON Schema have the same members, and ask for the
// same.
func TestSchemasAgreeWithTypes(t *testing.T) {
	content := readSchema(t, "content")
	for _, typ := range Types() {
		t.Run(string(typ), func(t *testing.T) {
			s := readSchema(t, string(typ))
			data, ok := s["properties"].(map[string]any)["data"].(map[string]any)
			if !ok {
				t.Fatal("no schema of data")
			}
			compareSchema(t, "data", reflect.TypeOf(NewData(typ)).Elem(), data, content)
		})
	}
	compareSchema(t, "envelope", reflect.TypeFor[Event](), readSchema(t, "envelope"), content)
}

func readSchema(t *testing.T, name string) map[string]any {
	t.Helper()
	b, err := Files.ReadFile("v1/" + name + ".schema.json")
	if err != nil {
		t.Fatal(err)
	}
	var s map[string]any
	if err := json.Unmarshal(b, &s); err != nil {
		t.Fatal(err)
	}
	return s
}

// compareSchema compares the members of a struct with the properties of a
// schema, and those of the structs in them.
func compareSchema(t *testing.T, path string, typ reflect.Type, s, content map[string]any) {
	t.Helper()
	if ref, ok := s["$ref"].(string); ok {
		_, name, _ := strings.Cut(ref, "#/$defs/")
		s, _ = content["$defs"].(map[string]any)[name].(map[string]any)
	}
	properties, _ := s["properties"].(map[string]any)
	var members, required []string
	for i := range typ.NumField() {
		f := typ.Field(i)
		name, options, _ := strings.Cut(f.Tag.Get("json"), ",")
		members = append(members, name)
		if !strings.Contains(options, "omitzero") {
			required = append(required, name)
		}
		inner := f.Type
		property, _ := properties[name].(map[string]any)
		for inner.Kind() == reflect.Pointer || inner.Kind() == reflect.Slice && inner.Elem().Kind() != reflect.Uint8 {
			if inner.Kind() == reflect.Slice {
				property, _ = property["items"].(map[string]any)
			}
			inner = inner.Elem()
		}
		if inner.Kind() == reflect.Struct && inner != reflect.TypeFor[Text]() && inner != reflect.TypeFor[Parent]() {
			compareSchema(t, path+"/"+name, inner, property, content)
		}
	}
	if len(properties) != len(members) {
		t.Errorf("%s: the schema has %d members, the Go type %d", path, len(properties), len(members))
	}
	for _, m := range members {
		if _, ok := properties[m]; !ok {
			t.Errorf("%s: the schema lacks member %s", path, m)
		}
	}
	var asked []string
	if list, ok := s["required"].([]any); ok {
		for _, m := range list {
			asked = append(asked, m.(string))
		}
	}
	if d := cmp.Diff(required, asked); d != "" {
		t.Errorf("%s: required members (-Go +schema):\n%s", path, d)
	}
}
