//go:build conformance && speed

package opencode

import (
	"bufio"
	"bytes"
	"iter"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// A sessionText is what is said in a session: what a database is filled with.
type sessionText struct {
	prompt    string
	responses []responseText
}

type responseText struct {
	reasoning, signature, text string
	calls                      []callText
}

type callText struct {
	tool   string // as OpenCode names it
	input  string // a JSON object
	output string
}

// smallSession is how long, in bytes, a session file of the corpus must be to count:
// shorter ones are test data of other tools.
const smallSession = 100_000

// corpusSessions are the sessions of Claude Code and Codex in the corpus, over and
// over again.
func corpusSessions(t *testing.T, dir string) iter.Seq[sessionText] {
	t.Helper()
	var sessions []sessionText
	err := filepath.WalkDir(dir, func(path string, e os.DirEntry, err error) error {
		if err != nil || e.IsDir() || filepath.Ext(path) != ".jsonl" {
			return err
		}
		b, err := os.ReadFile(path)
		if err != nil || len(b) < smallSession {
			return err
		}
		if s := readSession(b); len(s.responses) > 0 {
			sessions = append(sessions, s)
		}
		return nil
	})
	if err != nil || len(sessions) == 0 {
		t.Fatalf("OWNLOG_CORPUS=%q: %d sessions: %v", dir, len(sessions), err)
	}
	return func(yield func(sessionText) bool) {
		for {
			for _, s := range sessions {
				if !yield(s) {
					return
				}
			}
		}
	}
}

// toolNames are OpenCode's names of tools of the others; those that are left out
// have no part in how a row looks.
var toolNames = map[string]string{
	"Bash": "bash", "exec_command": "bash", "shell": "bash", "shell_command": "bash", "local_shell": "bash",
	"Read": "read", "Edit": "edit", "Write": "write",
}

// readSession takes the texts out of a session file of Claude Code or Codex.
func readSession(file []byte) sessionText {
	var s sessionText
	calls := make(map[string][2]int) // by id: response and call
	last := ""
	response := func(id string) *responseText {
		if id != last || len(s.responses) == 0 {
			s.responses = append(s.responses, responseText{})
			last = id
		}
		return &s.responses[len(s.responses)-1]
	}
	call := func(r *responseText, id, name string, input jsontext.Value) {
		if input.Kind() != '{' {
			input, _ = json.Marshal(map[string]string{"input": string(input)})
		}
		tool := toolNames[name]
		if tool == "" {
			tool = name
		}
		calls[id] = [2]int{len(s.responses) - 1, len(r.calls)}
		r.calls = append(r.calls, callText{tool: tool, input: string(input)})
	}
	result := func(id string, content jsontext.Value) {
		if at, ok := calls[id]; ok {
			s.responses[at[0]].calls[at[1]].output = joinTexts(content)
		}
	}
	in := bufio.NewScanner(bytes.NewReader(file))
	in.Buffer(nil, len(file)+1)
	for in.Scan() {
		var rec struct {
			Type    string `json:"type"`
			Message struct {
				ID      string         `json:"id"`
				Content jsontext.Value `json:"content"`
			} `json:"message"`
			Payload struct {
				Type      string         `json:"type"`
				Role      string         `json:"role"`
				Name      string         `json:"name"`
				CallID    string         `json:"call_id"`
				Arguments string         `json:"arguments"`
				Input     string         `json:"input"`
				Content   jsontext.Value `json:"content"`
				Output    jsontext.Value `json:"output"`
			} `json:"payload"`
		}
		if json.Unmarshal(in.Bytes(), &rec, jsontext.AllowInvalidUTF8(true), jsontext.AllowDuplicateNames(true)) != nil {
			continue
		}
		switch p := &rec.Payload; {
		case rec.Type == "response_item" && p.Type == "message" && p.Role == "assistant":
			response("text " + p.CallID + rec.Type).text += joinTexts(p.Content)
			last = ""
		case rec.Type == "response_item" && (p.Type == "function_call" || p.Type == "custom_tool_call"):
			call(response(p.CallID), p.CallID, p.Name, jsontext.Value(p.Arguments+p.Input))
		case rec.Type == "response_item" && (p.Type == "function_call_output" || p.Type == "custom_tool_call_output"):
			result(p.CallID, p.Output)
		case rec.Type == "user" || rec.Type == "assistant":
			var blocks []struct {
				Type      string         `json:"type"`
				Text      string         `json:"text"`
				Thinking  string         `json:"thinking"`
				Signature string         `json:"signature"`
				ID        string         `json:"id"`
				Name      string         `json:"name"`
				Input     jsontext.Value `json:"input"`
				ToolUseID string         `json:"tool_use_id"`
				Content   jsontext.Value `json:"content"`
			}
			if json.Unmarshal(rec.Message.Content, &blocks, jsontext.AllowInvalidUTF8(true)) != nil {
				if s.prompt == "" && rec.Type == "user" {
					s.prompt = joinTexts(rec.Message.Content)
				}
				continue
			}
			for _, b := range blocks {
				switch b.Type {
				case "thinking":
					r := response(rec.Message.ID)
					r.reasoning, r.signature = r.reasoning+b.Thinking, b.Signature
				case "text":
					if rec.Type == "assistant" {
						response(rec.Message.ID).text += b.Text
					}
				case "tool_use":
					call(response(rec.Message.ID), b.ID, b.Name, b.Input)
				case "tool_result":
					result(b.ToolUseID, b.Content)
				}
			}
		}
	}
	return s
}

// joinTexts is the text of a string, or of a list of texts.
func joinTexts(v jsontext.Value) string {
	var one string
	if json.Unmarshal(v, &one, jsontext.AllowInvalidUTF8(true)) == nil {
		return one
	}
	var list []struct {
		Text string `json:"text"`
	}
	_ = json.Unmarshal(v, &list, jsontext.AllowInvalidUTF8(true)) // anything else has none
	var b strings.Builder
	for _, t := range list {
		b.WriteString(t.Text)
	}
	return b.String()
}
