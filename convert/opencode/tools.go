package opencode

import (
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/ownlog/ownlog/convert"
	"github.com/ownlog/ownlog/schema"
)

// toolState is where a tool call stands. Its row is rewritten as the call goes
// on: pending, running, then completed or error.
type toolState struct {
	Status      string         `json:"status"`
	Input       jsontext.Value `json:"input"`
	Raw         *string        `json:"raw"`    // arguments as far as they were streamed
	Output      string         `json:"output"` // of completed
	Error       string         `json:"error"`  // of error
	Metadata    toolMetadata   `json:"metadata"`
	Attachments []struct {
		Mime     string `json:"mime"`
		Filename string `json:"filename"`
		URL      string `json:"url"`
	} `json:"attachments"`
	Time struct {
		Start     jsontext.Value `json:"start"`
		End       jsontext.Value `json:"end"`
		Compacted jsontext.Value `json:"compacted"` // its output is no longer sent
	} `json:"time"`
}

// toolMetadata are the members of a tool's own metadata that are understood.
// Tools put what they like there, so a value of another type is no error.
type toolMetadata struct {
	Exit        jsontext.Value `json:"exit"`
	SessionID   jsontext.Value `json:"sessionId"` // the child session of a subagent
	Interrupted jsontext.Value `json:"interrupted"`
	Output      jsontext.Value `json:"output"`
}

// UnmarshalJSON reads an object and ignores everything else.
func (t *toolMetadata) UnmarshalJSON(b []byte) error {
	type plain toolMetadata
	if jsontext.Value(b).Kind() != '{' {
		return nil
	}
	return unmarshal(b, (*plain)(t))
}

func (m *mapper) toolPart(rec record, info *partInfo, at place, run *convert.Run) bool {
	state := info.State
	if at.index < 0 {
		at.index = m.calls[at.response]
		m.calls[at.response]++
		m.parts[rec.id] = at
	}
	key := schema.NewCallKey(at.turn, at.step, at.index)
	emit(run, rec.created, schema.ActorModel, at.response, &schema.ModelOutput{
		MessageID: rec.messageID,
		Blocks:    []schema.Block{m.call(rec, info, at.index, key, run)},
	})
	start, end := milliseconds(state.Time.Start), milliseconds(state.Time.End)
	if start != nil {
		emit(run, start, schema.ActorTool, at.response, &schema.ToolStarted{CallKey: key})
	}
	if result := m.result(rec, info, key, run); result != nil {
		if start != nil && end != nil && *end >= *start {
			result.DurationUS = schema.Int((*end - *start) * 1000)
		}
		emit(run, end, schema.ActorTool, at.response, result)
	}
	if child := textOf(state.Metadata.SessionID); child != "" {
		emit(run, start, schema.ActorTool, at.response, &schema.SessionLinked{Child: child, CallKey: key})
	}
	return true
}

func (m *mapper) call(rec record, info *partInfo, index int64, key schema.CallKey, run *convert.Run) schema.Block {
	block := schema.Block{
		Type: schema.BlockToolCall, Index: &index, CallKey: key,
		VendorID: info.CallID, Name: info.Tool, Kind: schema.CallFunction,
	}
	var meta struct {
		ProviderExecuted jsontext.Value `json:"providerExecuted"`
	}
	if len(info.Metadata) > 0 && unmarshal(info.Metadata, &meta) == nil && meta.ProviderExecuted.Kind() == 't' {
		block.Kind = schema.CallServer
	}
	if input := info.State.Input; len(input) > 0 {
		if m.isElided(input) {
			block.Args = schema.At(rec.at + "/state/input")
		} else if v, ok := schema.VendorJSON(input); ok && v.Kind() == '{' {
			block.Args = v
		} else {
			block.ArgsRaw = m.text(run, strings.ToValidUTF8(string(input), "\uFFFD"))
		}
	}
	if raw := info.State.Raw; raw != nil && *raw != "" && block.ArgsRaw.IsZero() {
		block.ArgsRaw = m.text(run, *raw)
	}
	return block
}

// result is the answer to a call, nil while there is none.
func (m *mapper) result(rec record, info *partInfo, key schema.CallKey, run *convert.Run) *schema.ToolResult {
	state := info.State
	result := &schema.ToolResult{CallKey: key, VendorID: info.CallID}
	switch strings.ToLower(state.Status) {
	case "completed":
		result.Status = schema.StatusOK
		result.Content = []schema.Part{{Type: schema.PartText, Text: m.text(run, state.Output)}}
		for _, a := range state.Attachments {
			part := m.filePart(run, a.Mime, a.Filename, a.URL)
			result.Content = append(result.Content, part)
		}
		result.Cleared = milliseconds(state.Time.Compacted) != nil
	case "error":
		result.Status = schema.StatusError
		said := state.Error
		if state.Metadata.Interrupted.Kind() == 't' && state.Metadata.Output.Kind() == '"' {
			// The tool then sends what there was of the output, and no error.
			result.Status, said = schema.StatusCancelled, textOf(state.Metadata.Output)
		}
		result.Content = []schema.Part{{Type: schema.PartText, Text: m.text(run, strings.ToValidUTF8(said, "\uFFFD"))}}
	case "running", "pending":
		return nil
	default:
		m.find("unknown-tool-status", rec)
		return nil
	}
	if code, ok := integer(state.Metadata.Exit); ok {
		result.ExitCode = &code
	}
	return result
}
