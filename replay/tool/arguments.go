package tool

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/ownlog/ownlog/schema"
)

// input is the arguments of all built-in tools under the names that they and
// their counterparts in other agents use, so that one implementation serves all
// vocabularies.
type input struct {
	// Commands.
	Command   jsontext.Value `json:"command"` // a command line, or a list of words
	Cmd       string         `json:"cmd"`
	Workdir   string         `json:"workdir"`
	Timeout   jsontext.Value `json:"timeout"` // milliseconds
	TimeoutMS jsontext.Value `json:"timeout_ms"`

	// Files.
	Path          string         `json:"path"`
	FilePath      string         `json:"file_path"`
	FilePathCamel string         `json:"filePath"`
	Offset        jsontext.Value `json:"offset"` // first line, from 1
	Limit         jsontext.Value `json:"limit"`  // lines
	Content       *string        `json:"content"`

	// Edits.
	Old        *string     `json:"old_string"`
	New        *string     `json:"new_string"`
	OldCamel   *string     `json:"oldString"`
	NewCamel   *string     `json:"newString"`
	All        bool        `json:"replace_all"`
	AllCamel   bool        `json:"replaceAll"`
	Edits      []inputEdit `json:"edits"`
	Patch      string      `json:"patch"`
	PatchInput string      `json:"input"`
	PatchText  string      `json:"patchText"`

	// Searches.
	Pattern    string         `json:"pattern"`
	Glob       string         `json:"glob"`
	Include    string         `json:"include"`
	OutputMode string         `json:"output_mode"` // content, files_with_matches or count
	IgnoreCase bool           `json:"-i"`
	HeadLimit  jsontext.Value `json:"head_limit"`
	Kind       string         `json:"type"`    // of files, such as go or py
	Before     jsontext.Value `json:"-B"`      // lines shown in front of a match
	After      jsontext.Value `json:"-A"`      // and behind it
	Around     jsontext.Value `json:"-C"`      // both
	Context    jsontext.Value `json:"context"` // the same

	// Processes.
	Session jsontext.Value `json:"session_id"`
}

type inputEdit struct {
	Old string `json:"old_string"`
	New string `json:"new_string"`
	All bool   `json:"replace_all"`
}

// arguments reads a call's arguments. Members it does not know are left alone:
// models add some, and other agents' tools have more of them.
func arguments(call Call) (in input, problem string) {
	if call.Args == nil {
		return in, "The arguments are not a JSON object."
	}
	if err := json.Unmarshal(call.Args, &in); err != nil {
		return in, "The arguments do not fit: " + err.Error()
	}
	return in, ""
}

// file returns the path under whichever name it was given.
func (in *input) file() string {
	for _, p := range []string{in.FilePath, in.FilePathCamel, in.Path} {
		if p != "" {
			return p
		}
	}
	return ""
}

// number reads a number that models sometimes write as a string.
func number(v jsontext.Value) int64 {
	var n int64
	var s string
	switch v.Kind() {
	case '0':
		var f float64
		if json.Unmarshal(v, &f) == nil && f > 0 && f < 1<<52 {
			return int64(f)
		}
	case '"':
		if json.Unmarshal(v, &s) == nil {
			_, _ = fmt.Sscan(s, &n)
		}
	}
	return max(n, 0)
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
