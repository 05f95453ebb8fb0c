package tool

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/go-json-experiment/json"

	"github.com/ownlog/ownlog/schema"
)

// arguments reads a call's arguments into v. Members that v does not know are
// left alone: models add some, and vendors' tools have more of them.
func arguments(call Call, v any) (problem string) {
	if call.Args == nil {
		return "The arguments are not a JSON object."
	}
	if err := json.Unmarshal(call.Args, v); err != nil {
		return "The arguments do not fit: " + err.Error()
	}
	return ""
}

// clip shortens text to the limit, keeping its beginning and its end, and says
// how much is left out.
func clip(text string, limit int) string {
	if len(text) <= limit {
		return text
	}
	head, tail := limit*2/3, limit/3
	for head > 0 && !utf8.RuneStart(text[head]) {
		head--
	}
	from := len(text) - tail
	for from < len(text) && !utf8.RuneStart(text[from]) {
		from++
	}
	return text[:head] + fmt.Sprintf("\n[... %d bytes left out ...]\n", from-head) + text[from:]
}

// printable makes output fit for an event: valid UTF-8.
func printable(b []byte) string { return strings.ToValidUTF8(string(b), "\uFFFD") }

// definition is shorthand for a tool's declaration; params is the JSON Schema.
func definition(name, description, params string, effect schema.Effect) schema.ToolDefinition {
	return schema.ToolDefinition{Name: name, Description: description, Schema: []byte(params), Effect: effect}
}
