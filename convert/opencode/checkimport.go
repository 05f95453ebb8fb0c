package opencode

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/ownlog/ownlog/schema"
)

// What `opencode import` of 1.18.33 asks of a message and its parts, by JSON
// Pointer: s a string, n a number, o an object, a an array. It checks one row at
// a time while it writes, so a file with a bad part leaves half a session.
var (
	requiredUser      = map[string]byte{"/id": 's', "/sessionID": 's', "/time/created": 'n', "/agent": 's', "/model/providerID": 's', "/model/modelID": 's'}
	requiredAssistant = map[string]byte{
		"/id": 's', "/sessionID": 's', "/time/created": 'n', "/parentID": 's', "/modelID": 's', "/providerID": 's', "/mode": 's', "/agent": 's',
		"/path/cwd": 's', "/path/root": 's', "/cost": 'n', "/tokens/input": 'n', "/tokens/output": 'n', "/tokens/reasoning": 'n',
		"/tokens/cache/read": 'n', "/tokens/cache/write": 'n',
	}
	requiredPart = map[string]map[string]byte{
		"text": {"/text": 's'}, "reasoning": {"/text": 's', "/time/start": 'n'},
		"file": {"/mime": 's', "/url": 's'}, "tool": {"/callID": 's', "/tool": 's', "/state/status": 's', "/state/input": 'o'},
		"step-start": {}, "step-finish": {"/reason": 's', "/cost": 'n', "/tokens/input": 'n', "/tokens/cache/read": 'n'},
		"patch": {"/hash": 's', "/files": 'a'}, "snapshot": {"/snapshot": 's'}, "agent": {"/name": 's'},
		"subtask": {"/prompt": 's', "/description": 's', "/agent": 's'}, "compaction": {"/auto": 'b'}, "retry": {"/attempt": 'n'},
	}
	requiredState = map[string]map[string]byte{
		"pending": {"/state/raw": 's'}, "running": {"/state/time/start": 'n'},
		"completed": {"/state/output": 's', "/state/title": 's', "/state/metadata": 'o', "/state/time/start": 'n', "/state/time/end": 'n'},
		"error":     {"/state/error": 's', "/state/time/start": 'n', "/state/time/end": 'n'},
	}
)

// requiredSession is what the tool asks of a session.
var requiredSession = map[string]byte{
	"/id": 's', "/slug": 's', "/projectID": 's', "/directory": 's', "/title": 's', "/version": 's', "/time/created": 'n', "/time/updated": 'n',
}

// checkImportFile tells whether the tool would take a file for its import as a whole:
// by what it was seen to ask for, and by the schema of its rows.
func checkImportFile(file []byte) error {
	var doc exportDocument
	if err := unmarshal(file, &doc); err != nil {
		return err
	}
	if err := checkMembers(doc.Info, requiredSession); err != nil {
		return fmt.Errorf("session: %w", err)
	}
	schemas, err := schema.NewVendorSchemas()
	if err != nil {
		return err
	}
	var violation error
	validate := func(v jsontext.Value, row objectWriter) {
		row.add("data", v)
		schemas.Validate(0, VendorName, row.close(), func(p schema.Problem) {
			if violation == nil {
				violation = fmt.Errorf("%s: %s", stringAt(v, "/id"), p.Message)
			}
		})
	}
	for _, m := range doc.Messages {
		if err := checkMessage(m.Info, m.Parts); err != nil {
			return err
		}
		var row objectWriter
		row.text(tableMember, tableMessage)
		row.text("id", stringAt(m.Info, "/id"))
		row.text("session_id", stringAt(m.Info, "/sessionID"))
		validate(m.Info, row)
		for _, p := range m.Parts {
			var row objectWriter
			row.text(tableMember, tablePart)
			row.text("id", stringAt(p, "/id"))
			row.text("message_id", stringAt(p, "/messageID"))
			row.text("session_id", stringAt(p, "/sessionID"))
			validate(p, row)
		}
	}
	return violation
}

// checkMessage tells whether the tool would take a message with its parts.
func checkMessage(message jsontext.Value, parts []jsontext.Value) error {
	required := requiredUser
	if stringAt(message, "/role") == roleAssistant {
		required = requiredAssistant
	}
	if err := checkMembers(message, required); err != nil {
		return fmt.Errorf("message %s: %w", stringAt(message, "/id"), err)
	}
	last := ""
	for _, p := range parts {
		if err := checkPart(p); err != nil {
			return err
		}
		id := stringAt(p, "/id")
		if id <= last {
			return fmt.Errorf("part %s: its id does not sort after %s", id, last)
		}
		last = id
	}
	return nil
}

// checkPart tells whether the tool would take a part.
func checkPart(p jsontext.Value) error {
	kind := stringAt(p, "/type")
	required, known := requiredPart[kind]
	if !known {
		return fmt.Errorf("part %s: type %q is not known to the tool", stringAt(p, "/id"), kind)
	}
	if err := checkMembers(p, map[string]byte{"/id": 's', "/sessionID": 's', "/messageID": 's'}); err != nil {
		return fmt.Errorf("part: %w", err)
	}
	if err := checkMembers(p, required); err != nil {
		return fmt.Errorf("part %s: %w", stringAt(p, "/id"), err)
	}
	if kind != "tool" {
		return nil
	}
	status := stringAt(p, "/state/status")
	required, known = requiredState[status]
	if !known {
		return fmt.Errorf("part %s: tool status %q is not known to the tool", stringAt(p, "/id"), status)
	}
	if err := checkMembers(p, required); err != nil {
		return fmt.Errorf("part %s: %w", stringAt(p, "/id"), err)
	}
	return nil
}

func checkMembers(v jsontext.Value, required map[string]byte) error {
	for _, pointer := range slices.Sorted(maps.Keys(required)) { // the same complaint each time
		if want := required[pointer]; kindAt(v, pointer) != want {
			return fmt.Errorf("member %s is missing or of another type", pointer)
		}
	}
	return nil
}

// kindAt is the kind of a member, 0 if there is none.
func kindAt(v jsontext.Value, pointer string) byte {
	switch valueAt(v, pointer).Kind() {
	case '"':
		return 's'
	case '0':
		return 'n'
	case '{':
		return 'o'
	case '[':
		return 'a'
	case 't', 'f':
		return 'b'
	}
	return 0
}

func stringAt(v jsontext.Value, pointer string) string { return textOf(valueAt(v, pointer)) }

// valueAt finds a member by a pointer of plain names; nil if there is none.
func valueAt(v jsontext.Value, pointer string) jsontext.Value {
	for name := range strings.SplitSeq(strings.TrimPrefix(pointer, "/"), "/") {
		v = member(v, name)
	}
	return v
}

// member finds a member of an object; nil if there is none.
func member(v jsontext.Value, name string) (found jsontext.Value) {
	if v.Kind() != '{' {
		return nil
	}
	err := members(v, func(key string, value jsontext.Value) error {
		if key == name {
			found = value
		}
		return nil
	})
	if err != nil {
		return nil
	}
	return found
}
