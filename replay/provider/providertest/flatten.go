package providertest

import (
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// FlattenList returns a function that takes a body apart: the members named
// first whole, then every element of list, a list of objects, by its members
// parts (a list, or a string that is cut at blank lines), each with the role.
func FlattenList(list, parts string, first ...string) func(body []byte) ([]string, error) {
	return func(body []byte) ([]string, error) {
		members, err := jsonObject(body)
		if err != nil {
			return nil, err
		}
		var out []string
		for _, name := range first {
			out = append(out, name+": "+string(members[name]))
		}
		var elements []jsontext.Value
		if err := json.Unmarshal(members[list], &elements); err != nil {
			return nil, err
		}
		for _, e := range elements {
			m, err := jsonObject(e)
			if err != nil {
				return nil, err
			}
			out = append(out, flattenOne(m, parts, e)...)
		}
		return out, nil
	}
}

func flattenOne(m map[string]jsontext.Value, parts string, whole jsontext.Value) []string {
	role := string(m["role"])
	rest := ""
	for _, name := range []string{"tool_call_id", "tool_calls", "reasoning_content"} {
		if v, ok := m[name]; ok {
			rest += " " + name + "=" + string(v)
		}
	}
	v, ok := m[parts]
	switch {
	case !ok:
		return []string{string(whole)}
	case v.Kind() == '[':
		var list []jsontext.Value
		if json.Unmarshal(v, &list) != nil {
			return []string{string(whole)}
		}
		out := make([]string, 0, len(list))
		for _, part := range list {
			out = append(out, texts(role, part)...)
		}
		return append(out, tail(rest)...)
	case v.Kind() == '"':
		return append(texts(role, v), tail(rest)...)
	}
	return []string{string(whole)}
}

// texts cuts a text at blank lines, so that texts which were joined and texts
// which were not compare equal.
func texts(role string, v jsontext.Value) []string {
	var s string
	var part struct {
		Type string `json:"type"`
		Text string `json:"text"`
	}
	switch {
	case v.Kind() == '"' && json.Unmarshal(v, &s) == nil:
	case v.Kind() == '{' && json.Unmarshal(v, &part) == nil && part.Type == "text" && part.Text != "":
		s = part.Text
	default:
		return []string{role + " " + string(v)}
	}
	var out []string
	for _, piece := range strings.Split(s, "\n\n") {
		out = append(out, role+" text "+piece)
	}
	return out
}

func tail(rest string) []string {
	if rest == "" {
		return nil
	}
	return []string{rest}
}
