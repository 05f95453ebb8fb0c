//go:build conformance

package claudecode

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/ownlog/ownlog/convert"
	"github.com/ownlog/ownlog/format"
	"github.com/ownlog/ownlog/schema"
)

// Two conversations are compared as what is said in them: one line for each text,
// image, call and result, by role. Reminders depend on the day and the version of
// the tool and are left out on both sides, as are the messages that the tool
// makes up.

// wireMessage is a message of the Messages API.
type wireMessage struct {
	Role    string         `json:"role"`
	Content jsontext.Value `json:"content"`
}

type wireBlock struct {
	Type      string         `json:"type"`
	Text      string         `json:"text"`
	Thinking  string         `json:"thinking"`
	ID        string         `json:"id"`
	Name      string         `json:"name"`
	Input     jsontext.Value `json:"input"`
	ToolUseID string         `json:"tool_use_id"`
	Content   jsontext.Value `json:"content"`
	IsError   bool           `json:"is_error"`
	ToolName  string         `json:"tool_name"`
	Source    struct {
		MediaType string `json:"media_type"`
		Data      string `json:"data"`
		URL       string `json:"url"`
	} `json:"source"`
}

const (
	reminder    = "<system-reminder>"
	toolSays    = "No response requested."
	toolsLoaded = "Tool loaded."
	// toolContinues is what 2.1.197 puts before the prompt where a turn was cut off.
	toolContinues = "Continue from where you left off."
	notice        = "<task-notification>" // sent inside a reminder
	exportSays    = "[The session begins with an answer of the model.]"
	unanswered    = "[no answer]"
)

// said collects lines; results that stand together go in the order of their calls.
type said struct {
	lines   []string
	calls   map[string]int
	results []result
}

type result struct {
	call int
	line string
}

func newSaid() *said { return &said{calls: make(map[string]int)} }

func (s *said) add(role, line string) {
	s.flush()
	s.lines = append(s.lines, role+" "+line)
}

func (s *said) call(role, id, name string, args []byte) {
	s.calls[id] = len(s.calls)
	v := jsontext.Value(slices.Clone(args))
	_ = v.Canonicalize() // only for comparison
	s.add(role, fmt.Sprintf("call %d %s %s", s.calls[id], name, v))
}

func (s *said) result(id, content string, isError bool) {
	n, ok := s.calls[id]
	if !ok {
		n = -1
	}
	s.results = append(s.results, result{n, fmt.Sprintf("user result %d error=%v %s", n, isError, content)})
}

func (s *said) flush() {
	slices.SortStableFunc(s.results, func(a, b result) int { return a.call - b.call })
	for _, r := range s.results {
		s.lines = append(s.lines, r.line)
	}
	s.results = nil
}

// saidOnWire reads what a request says.
func saidOnWire(t *testing.T, messages []wireMessage) []string {
	t.Helper()
	s := newSaid()
	for _, m := range messages {
		for _, b := range wireBlocks(t, m.Content) {
			switch b.Type {
			case "text":
				if text := plainText(b.Text); text != "" {
					s.add(m.Role, "text "+text)
				}
			case "tool_use":
				s.call(m.Role, b.ID, b.Name, b.Input)
			case "tool_result":
				s.result(b.ToolUseID, plainResult(t, b.Content), b.IsError)
			default:
				s.add(m.Role, b.describe(t))
			}
		}
	}
	s.flush()
	return s.lines
}

func wireBlocks(t *testing.T, content jsontext.Value) []wireBlock {
	t.Helper()
	if content.Kind() == '"' {
		var text string
		if err := json.Unmarshal(content, &text); err != nil {
			t.Fatal(err)
		}
		return []wireBlock{{Type: "text", Text: text}}
	}
	var blocks []wireBlock
	if err := json.Unmarshal(content, &blocks); err != nil {
		t.Fatal(err)
	}
	return blocks
}

func (b wireBlock) describe(t *testing.T) string {
	switch {
	case b.Type == "thinking":
		return "thinking " + b.Thinking
	case b.Type == "tool_reference":
		return "reference " + b.ToolName
	case b.Source.URL != "":
		return b.Type + " " + b.Source.URL
	case b.Source.Data != "":
		data, err := base64.StdEncoding.DecodeString(b.Source.Data)
		if err != nil {
			t.Fatal(err)
		}
		return b.Type + " " + sumOf(data)
	}
	return b.Type
}

func sumOf(data []byte) string {
	sum := sha256.Sum256(data)
	return "sha256:" + hex.EncodeToString(sum[:])
}

// plainText drops what the tool adds to a text; "" if nothing is left.
func plainText(text string) string {
	text, _, _ = strings.Cut(text, "\n\n"+reminder)
	text = strings.TrimRight(text, "\n")
	if strings.HasPrefix(text, reminder) || strings.HasPrefix(text, notice) || text == toolSays || text == toolsLoaded || text == exportSays {
		return ""
	}
	return text
}

// plainResult writes a result's content as one line.
func plainResult(t *testing.T, content jsontext.Value) string {
	t.Helper()
	if len(content) == 0 {
		return ""
	}
	var parts []string
	for _, b := range wireBlocks(t, content) {
		if b.Type != "text" {
			parts = append(parts, b.describe(t))
		} else if text := plainText(b.Text); text != "" {
			parts = append(parts, "text "+text)
		}
	}
	line := strings.Join(parts, " | ")
	for _, made := range []string{"text [The outcome of this call", "text [The output of this call", "text [This call was not answered", "text [This call was not started", "text [Tool call interrupted"} {
		if strings.HasPrefix(line, made) {
			return unanswered
		}
	}
	return line
}

// saidInLog reads what the live view of a log says that the target can carry.
// model is the one that the tool asks: it is given its own signed thinking.
func saidInLog(t *testing.T, store format.Store, log format.LogID, model string) []string {
	t.Helper()
	var state schema.State
	if err := convert.Fold(t.Context(), store, log, 0, -1, &state); err != nil {
		t.Fatal(err)
	}
	load := convert.NewEventLoader(t.Context(), store, log)
	defer load.Close()
	s := newSaid()
	r := viewReader{t: t, store: store, model: model, said: s}
	for m, err := range state.View(load.Load) {
		if err != nil {
			t.Fatal(err)
		}
		r.read(m)
	}
	s.flush()
	return s.lines
}

type viewReader struct {
	t     *testing.T
	store format.Store
	model string
	said  *said
}

func (r *viewReader) read(m schema.Message) {
	switch m.Role {
	case schema.RoleModel:
		if !m.Synthetic {
			r.readOutput(m)
		}
	case schema.RoleTool:
		content, isError := unanswered, m.Result.Status != schema.StatusOK
		if m.Result.Content != nil {
			content = strings.Join(r.parts(m.Result.Content), " | ")
			if strings.HasPrefix(content, "text [Tool call interrupted") {
				content = unanswered
			}
		} else {
			isError = isError || !m.Result.Recovered
		}
		r.said.result(string(m.Result.CallKey), content, isError)
	default:
		if m.Origin == schema.OriginQueued && m.Rendered == nil {
			return // sent inside a reminder that the record does not hold
		}
		parts := m.Content
		if len(m.Rendered) > 0 {
			parts = nil
			for _, text := range m.Rendered {
				parts = append(parts, schema.Part{Type: schema.PartText, Text: text})
			}
		}
		for _, p := range r.parts(parts) {
			r.said.add("user", p)
		}
	}
}

func (r *viewReader) readOutput(m schema.Message) {
	for _, b := range m.Blocks {
		switch b.Type {
		case schema.BlockText, schema.BlockRefusal:
			if text := plainText(r.text(b.Text)); text != "" {
				r.said.add("assistant", "text "+text)
			}
		case schema.BlockReasoning:
			if b.Seal != nil && b.Seal.Provider == "anthropic" && m.Model == r.model {
				var item wireBlock
				if err := json.Unmarshal(b.Seal.Item, &item); err != nil {
					r.t.Fatal(err)
				}
				r.said.add("assistant", item.describe(r.t))
			}
		case schema.BlockToolCall:
			if b.Kind != schema.CallServer {
				r.said.call("assistant", string(b.CallKey), spelledName(b), r.args(b))
			}
		}
	}
}

// spelledName is the documented spelling of a tool's name.
func spelledName(b schema.Block) string {
	name := b.Name
	if b.Namespace != "" {
		name = b.Namespace + "__" + name
	}
	var out strings.Builder
	for _, c := range []byte(name) {
		if strings.ContainsRune("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-", rune(c)) {
			out.WriteByte(c)
		} else {
			fmt.Fprintf(&out, "_x%02x", c)
		}
	}
	return out.String()
}

// args are the documented forms of arguments that are no object.
func (r *viewReader) args(b schema.Block) []byte {
	if b.Args != nil {
		return b.Args
	}
	raw := r.text(b.ArgsRaw)
	member := "_raw"
	switch {
	case b.Kind == schema.CallCustom:
		member = "input"
	case raw == "":
		return []byte("{}")
	case jsontext.Value(raw).IsValid() && jsontext.Value(raw).Kind() == '{':
		return []byte(raw)
	}
	v, err := json.Marshal(map[string]string{member: raw})
	if err != nil {
		r.t.Fatal(err)
	}
	return v
}

func (r *viewReader) parts(parts []schema.Part) []string {
	var out []string
	for _, p := range parts {
		switch {
		case p.Sent != nil && !*p.Sent:
		case p.Type == schema.PartText:
			if text := plainText(r.text(p.Text)); text != "" {
				out = append(out, "text "+text)
			}
		case p.Type == schema.PartOpaque:
			var item wireBlock
			if json.Unmarshal(p.Item, &item) == nil && item.Type == "tool_reference" {
				out = append(out, item.describe(r.t))
			}
		case p.Blob != nil:
			name := map[schema.PartType]string{schema.PartImage: "image", schema.PartFile: "document"}[p.Type]
			out = append(out, name+" "+p.Blob.Digest)
		}
	}
	return out
}

func (r *viewReader) text(text schema.Text) string {
	if text.Blob == nil {
		return text.Inline
	}
	digest, err := convert.BlobDigest(*text.Blob)
	if err != nil {
		r.t.Fatal(err)
	}
	return string(readBlob(r.t, r.store, digest))
}
