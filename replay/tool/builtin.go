package tool

import (
	"context"

	"github.com/ownlog/ownlog/schema"
)

// Builtin returns the built-in tools under their own names.
func Builtin() *Set {
	return NewSet(Shell{}, Read{}, Write{}, Edit{}, List{}, Find{}, Search{})
}

// Known returns the built-in tools under their own names and under those of
// every vocabulary of [Vocabulary]. The implementations take the arguments of
// all, so it serves sessions of any origin.
func Known() *Set {
	s := Builtin()
	for _, vendor := range []string{VendorClaudeCode, VendorCodex, VendorOpenCode} {
		v := Vocabulary(vendor)
		for _, name := range v.order {
			if _, own := s.tools[name]; !own {
				s.Add(name, v.tools[name])
			}
		}
	}
	return s
}

// Note acknowledges plans and lists that a model keeps for itself: the call in
// the log is all there is to them.
type Note struct{}

// Definition implements [Tool].
func (Note) Definition() schema.ToolDefinition {
	return definition("note", "Keep a plan or a list of what is to be done.", `{"type":"object"}`, schema.EffectReadonly)
}

// Run implements [Tool].
func (Note) Run(context.Context, Call) (Result, error) { return textResult("Noted."), nil }

// renamed is a tool under a vocabulary's name and with its arguments.
type renamed struct {
	Tool
	name, params string
	custom       bool
}

// Definition implements [Tool].
func (r renamed) Definition() schema.ToolDefinition {
	d := r.Tool.Definition()
	d.Name, d.Schema = r.name, []byte(r.params)
	if r.custom {
		d.Schema, d.VendorType = nil, "custom"
		d.Item = []byte(`{"type":"custom","name":"` + r.name + `"}`)
	}
	return d
}
