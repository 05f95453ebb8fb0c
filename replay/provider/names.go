package provider

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/ownlog/ownlog/schema"
)

// maxToolName is the longest tool name, in bytes, that all APIs take.
const maxToolName = 64

// emptySchema is the JSON Schema of a tool that says nothing of its arguments.
func emptySchema() jsontext.Value { return jsontext.Value(`{"type":"object","properties":{}}`) }

// freeFormSchema is the JSON Schema of a tool that takes free-form input where
// an API knows objects only.
func freeFormSchema() jsontext.Value {
	return jsontext.Value(`{"type":"object","properties":{"input":{"type":"string"}},"required":["input"]}`)
}

// declare makes the definition's tools fit.
func (b *outliner) declare() {
	for i := range b.view.Definition.Tools {
		t := &b.view.Definition.Tools[i]
		d := ToolDeclaration{Name: b.wireName(toolName(t.Namespace, t.Name), 0), Description: t.Description, Schema: t.Schema, Own: t}
		switch {
		case d.Schema.Kind() == '{':
		case t.VendorType == "custom":
			d.Schema = freeFormSchema()
		case t.VendorType != "" && t.VendorType != "function":
			b.out.Losses.Add(LossToolDeclaration, 0)
			continue
		default:
			d.Schema = emptySchema()
		}
		if t.Name == "" || b.declared[d.Name] {
			continue
		}
		b.declared[d.Name] = true
		b.out.Tools = append(b.out.Tools, d)
	}
}

// toolName is how a tool is called in the log, with its namespace.
func toolName(namespace, name string) string {
	if namespace == "" {
		return name
	}
	return namespace + "__" + name
}

// wireName makes a tool's name one that every API takes, and remembers how to
// get back. It depends on the name alone.
func (b *outliner) wireName(name string, seq int64) string {
	wire := WireName(name)
	if wire != name {
		if b.out.Names == nil {
			b.out.Names = make(map[string]string)
		}
		if _, known := b.out.Names[wire]; !known {
			b.out.Losses.Add(LossRenamedTool, seq)
		}
		b.out.Names[wire] = name
	}
	return wire
}

// WireName returns the name itself if it has 1 to 64 of the characters
// A-Z a-z 0-9 _ -, else one that has, made from it and its digest.
func WireName(name string) string {
	legal := strings.Map(func(r rune) rune {
		if r < 0x80 && nameByte(byte(r)) {
			return r
		}
		return '_'
	}, name)
	if legal == name && name != "" && len(name) <= maxToolName {
		return name
	}
	sum := sha256.Sum256([]byte(name))
	tail := "_" + hex.EncodeToString(sum[:4])
	return legal[:min(len(legal), maxToolName-len(tail))] + tail
}

func nameByte(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '_' || c == '-'
}

// PlainID reports whether an id has 1 to most of the characters A-Z a-z 0-9 _ -.
func PlainID(id string, most int) bool {
	if id == "" || len(id) > most {
		return false
	}
	for i := range len(id) {
		if !nameByte(id[i]) {
			return false
		}
	}
	return true
}

// KeyedID makes a call id of a prefix and a call key: call_1_2_0.
func KeyedID(prefix string, key schema.CallKey, salt, most int) string {
	id := prefix + strings.Map(func(r rune) rune {
		if r >= '0' && r <= '9' {
			return r
		}
		return '_'
	}, string(key))
	if salt == 0 && len(id) <= most {
		return id
	}
	sum := sha256.Sum256([]byte(string(key) + "#" + string(rune('a'+salt%26)) + strings.Repeat("x", salt/26)))
	tail := "_" + hex.EncodeToString(sum[:6])
	return id[:min(len(id), most-len(tail))] + tail
}
