package providers

import (
	"cmp"
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v5"
)

// opaque are members of which the vendors' types say nothing but, at most, that
// they are objects: schemas and arguments of tools.
func opaque(path string) bool {
	switch path {
	case ".tools[].input_schema", ".messages[].content[].input", // Messages
		".tools[].parameters",          // Responses
		".tools[].function.parameters", // Chat
		".tools[].functionDeclarations[].parametersJsonSchema", ".contents[].parts[].functionCall.args", ".contents[].parts[].functionResponse.response":
		return true
	}
	return false
}

// required are members without which a request is refused, as far as the types
// say so.
func required(api api) []string {
	switch api {
	case messages:
		return []string{
			".model", ".max_tokens", ".stream", ".messages", ".messages[].role", ".messages[].content", ".messages[].content[].type",
			".messages[].content[].id", ".messages[].content[].name", ".messages[].content[].input", ".messages[].content[].tool_use_id",
			".messages[].content[].source", ".tools[].name", ".tools[].input_schema", ".system[].text",
		}
	case openAIResponses:
		return []string{
			".stream", ".input[].call_id", ".input[].name", ".input[].arguments", ".input[].output", ".input[].role", ".input[].content",
			".input[].content[].type", ".tools[].type", ".tools[].name", ".tools[].parameters", ".tools[].strict",
		}
	case chatCompletions:
		return []string{
			".model", ".stream", ".messages", ".messages[].role", ".messages[].tool_call_id", ".messages[].tool_calls[].id",
			".messages[].tool_calls[].function", ".messages[].tool_calls[].function.arguments", ".messages[].content[].type",
			".tools[].type", ".tools[].function", ".tools[].function.name",
		}
	case generateContent:
		return []string{".contents"} // all other members are optional in the types
	}
	return nil
}

// misspelt proves that the schemas can refuse: in requests that they take, every
// member in turn is misspelt, given another type, or left out.
func misspelt(t *testing.T, api api, schema *jsonschema.Schema, requests []request) {
	requests = slices.Clone(requests) // short ones first: they are judged faster
	slices.SortFunc(requests, func(a, b request) int { return cmp.Compare(len(a.body), len(b.body)) })
	m := &mutator{schema: schema, done: make(map[string]bool), needed: make(map[string]bool)}
	for i := range requests {
		v, err := readValue(requests[i].body)
		if err != nil {
			t.Fatal(err)
		}
		if schema.Validate(v) == nil {
			m.root = v
			m.walk(t, "", v)
		}
	}
	for _, path := range required(api) {
		if !m.needed[path] {
			t.Errorf("%s: left out, and nobody misses it", path)
		}
	}
	if m.tried < 50 {
		t.Errorf("only %d mutations: the requests say little", m.tried)
	}
	t.Logf("%d mutations of %d members", m.tried, len(m.done))
}

type mutator struct {
	schema *jsonschema.Schema
	root   value
	done   map[string]bool // members that were mutated, by path and kind of value
	needed map[string]bool // members that were missed
	tried  int
}

// walk mutates the members of v, which stands in the root at path, that were not
// mutated before. v is changed and changed back.
func (m *mutator) walk(t *testing.T, path string, v value) {
	switch v := v.(type) {
	case []value:
		for _, e := range v {
			m.walk(t, path+"[]", e)
		}
	case map[string]value:
		kind := ""
		if s, ok := v["type"].(string); ok {
			kind = "(" + s + ")"
		}
		for _, name := range slices.Sorted(maps.Keys(v)) {
			at := path + "." + name
			if key := path + kind + "." + name; !m.done[key] {
				m.done[key] = true
				m.member(t, at, v, name)
			}
			if !opaque(at) {
				m.walk(t, at, v[name])
			}
		}
	}
}

func (m *mutator) member(t *testing.T, at string, object map[string]value, name string) {
	was := object[name]
	refused := func() bool {
		m.tried++
		return m.schema.Validate(m.root) != nil
	}
	object[name+"_"] = was
	if !refused() {
		t.Errorf("%s_: a member nobody knows is taken", at)
	}
	delete(object, name+"_")
	delete(object, name)
	if refused() {
		m.needed[at] = true
	}
	object[name] = value(json.Number("17.5"))
	if _, number := was.(json.Number); number {
		object[name] = "x"
	}
	if !opaque(at) && !refused() {
		t.Errorf("%s: another type is taken", at)
	}
	if s, ok := was.(string); ok && closed(name) {
		object[name] = strings.ToUpper(s) + "_"
		if !refused() {
			t.Errorf("%s: the value %s is taken", at, object[name])
		}
	}
	object[name] = was
}

// closed reports whether the types list the values of a member.
func closed(name string) bool { return name == "type" }
