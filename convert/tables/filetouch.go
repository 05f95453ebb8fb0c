package tables

import (
	"bytes"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/ownlog/ownlog/schema"
)

// fileTool says which argument of a tool names the file it touches, and how.
type fileTool struct{ argument, change string }

// fileTools returns what is known of a vendor's tool: those of Claude Code 2.1
// and OpenCode 1.x that take one path. Codex records its changes as events.
func fileTools(vendor, tool string) (fileTool, bool) {
	switch vendor + " " + tool {
	case "claude-code Read":
		return fileTool{"file_path", "read"}, true
	case "claude-code Write":
		return fileTool{"file_path", "write"}, true
	case "claude-code Edit", "claude-code MultiEdit":
		return fileTool{"file_path", "edit"}, true
	case "claude-code NotebookEdit":
		return fileTool{"notebook_path", "edit"}, true
	case "codex view_image":
		return fileTool{"path", "read"}, true
	case "opencode read":
		return fileTool{"filePath", "read"}, true
	case "opencode write":
		return fileTool{"filePath", "write"}, true
	case "opencode edit":
		return fileTool{"filePath", "edit"}, true
	}
	return fileTool{}, false
}

// touches gives out the files an event speaks of.
func (p *projection) touches(at place) error {
	row := p.key.fileTouchRow(at.seq)
	row.Time, row.Turn, row.Step = at.time, at.turn, at.step
	switch data := at.ev.Data.(type) {
	case *schema.FileChanged:
		row.Origin, row.CallKey, row.Path = "event", some(string(data.CallKey)), data.Path
		row.Change, row.MovedTo = p.names.ptr(data.Change), some(data.MovedTo)
		row.Before, row.After, row.Snapshot = some(data.Before), some(data.After), some(data.Snapshot)
		return p.sink.FileTouch(&row)
	case *schema.ModelOutput:
		n := int64(0)
		for i := range data.Blocks {
			b := &data.Blocks[i]
			tool, ok := fileTools(p.scan.vendor, b.Name)
			if b.Type != schema.BlockToolCall || !ok {
				continue
			}
			path, ok := stringMember(b.Args, tool.argument)
			if !ok {
				continue
			}
			touch := row
			touch.Index, touch.Origin, touch.CallKey = n, "call", some(string(b.CallKey))
			touch.Path, touch.Change = path, p.names.ptr(tool.change)
			n++
			if err := p.sink.FileTouch(&touch); err != nil {
				return err
			}
		}
	}
	return nil
}

// stringMember returns a string member of a JSON object.
func stringMember(object jsontext.Value, name string) (string, bool) {
	dec := jsontext.NewDecoder(bytes.NewBuffer(object), lenient)
	if dec.PeekKind() != '{' {
		return "", false
	}
	if _, err := dec.ReadToken(); err != nil {
		return "", false
	}
	for dec.PeekKind() == '"' {
		tok, err := dec.ReadToken()
		if err != nil {
			return "", false
		}
		if tok.String() != name {
			if dec.SkipValue() != nil {
				return "", false
			}
			continue
		}
		if dec.PeekKind() != '"' {
			return "", false
		}
		tok, err = dec.ReadToken()
		return tok.String(), err == nil
	}
	return "", false
}
