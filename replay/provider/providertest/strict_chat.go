package providertest

import (
	"errors"
	"fmt"
	"slices"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

type chatBody struct {
	Model         string         `json:"model"`
	Stream        bool           `json:"stream"`
	StreamOptions jsontext.Value `json:"stream_options"`
	Tools         []struct {
		Type     string `json:"type"`
		Function struct {
			Name        string         `json:"name"`
			Description string         `json:"description"`
			Parameters  jsontext.Value `json:"parameters"`
		} `json:"function"`
	} `json:"tools"`
	Messages []chatMessage `json:"messages"`
}

type chatMessage struct {
	Role       string         `json:"role"`
	Content    jsontext.Value `json:"content"`
	ToolCallID string         `json:"tool_call_id"`
	ToolCalls  []struct {
		ID       string `json:"id"`
		Type     string `json:"type"`
		Function struct {
			Name      string `json:"name"`
			Arguments string `json:"arguments"`
		} `json:"function"`
	} `json:"tool_calls"`
	ReasoningContent *string `json:"reasoning_content"`
	Reasoning        *string `json:"reasoning"`
}

// ChatRules are what chat servers differ in.
type ChatRules struct {
	MaxID           int
	NineIDs         bool
	SystemFirstOnly bool // chat templates that take a system message first only
	ObjectArguments bool // the server parses arguments
	DemandReasoning bool // assistant messages with calls must have reasoning_content
	NoReasoning     bool // reasoning_content in a request is an error
	NoUsageOption   bool
}

// CheckChat judges a body as servers of the Chat Completions API do.
func CheckChat(body []byte, rules ChatRules) error {
	var b chatBody
	if err := read(body, &b); err != nil {
		return err
	}
	if b.Model == "" || len(b.Messages) == 0 {
		return errors.New("model and messages are required")
	}
	if rules.NoUsageOption && b.StreamOptions != nil {
		return errors.New("extra inputs are not permitted: stream_options")
	}
	var names []string
	var schemas []jsontext.Value
	for i, t := range b.Tools {
		if t.Type != "function" {
			return fmt.Errorf("tools.%d: type %q", i, t.Type)
		}
		names, schemas = append(names, t.Function.Name), append(schemas, t.Function.Parameters)
	}
	if err := declaredTools(names, schemas); err != nil {
		return err
	}
	c := chatChecker{rules: rules, tools: names, used: map[string]bool{}}
	for i := range b.Messages {
		if err := c.message(i, &b.Messages[i]); err != nil {
			return fmt.Errorf("messages[%d]: %w", i, err)
		}
	}
	if len(c.pending) > 0 {
		return fmt.Errorf("tool_call_ids did not have response messages: %v", c.pending)
	}
	if last := b.Messages[len(b.Messages)-1].Role; last != "user" && last != "tool" && last != "developer" && last != "system" {
		return fmt.Errorf("the last message is of role %q", last)
	}
	return nil
}

type chatChecker struct {
	rules   ChatRules
	tools   []string
	used    map[string]bool
	pending []string
	before  string
	talk    bool // somebody other than the system has spoken
}

func (c *chatChecker) message(i int, m *chatMessage) error {
	if len(c.pending) > 0 && (m.Role != "tool" || m.ToolCallID != c.pending[0]) {
		return fmt.Errorf("an assistant message with tool_calls must be followed by tool messages in call order, want %q", c.pending[0])
	}
	before := c.before
	c.before = m.Role
	switch m.Role {
	case "system", "developer":
		if c.rules.SystemFirstOnly && i > 0 {
			return errors.New("system message must be at the beginning")
		}
		return chatContent(m.Content, false)
	case "user":
		if before == "user" {
			return errors.New("conversation roles must alternate")
		}
		c.talk = true
	case "assistant":
		if !c.talk {
			return errors.New("the first message must be the user's")
		}
		return c.assistant(m)
	case "tool":
		if len(c.pending) == 0 {
			return errors.New("messages with role 'tool' must be a response to a preceding message with 'tool_calls'")
		}
		c.pending = c.pending[1:]
		var s string
		if json.Unmarshal(m.Content, &s) != nil || s == "" {
			return errors.New("the content of a tool message must be a string that is not empty")
		}
		return nil
	default:
		return fmt.Errorf("role %q", m.Role)
	}
	return chatContent(m.Content, true)
}

func (c *chatChecker) assistant(m *chatMessage) error {
	if m.Content.Kind() == 'n' && len(m.ToolCalls) == 0 {
		return errors.New("an assistant message needs content or tool_calls")
	}
	if m.Content.Kind() != 'n' {
		if err := chatContent(m.Content, false); err != nil {
			return err
		}
	}
	if c.rules.NoReasoning && (m.ReasoningContent != nil || m.Reasoning != nil) {
		return errors.New("extra inputs are not permitted: reasoning_content")
	}
	if c.rules.DemandReasoning && len(m.ToolCalls) > 0 && m.ReasoningContent == nil {
		return errors.New("missing reasoning_content field in the assistant message")
	}
	for j, t := range m.ToolCalls {
		if err := plain(t.ID, c.rules.MaxID); err != nil {
			return fmt.Errorf("tool_calls[%d]: %w", j, err)
		}
		if c.rules.NineIDs && len(t.ID) != 9 {
			return fmt.Errorf("tool_calls[%d]: the id %q must be nine letters and digits", j, t.ID)
		}
		if c.used[t.ID] {
			return fmt.Errorf("tool_calls[%d]: the id %q is taken", j, t.ID)
		}
		c.used[t.ID] = true
		if t.Type != "function" || !slices.Contains(c.tools, t.Function.Name) {
			return fmt.Errorf("tool_calls[%d]: the function %q is not declared", j, t.Function.Name)
		}
		if c.rules.ObjectArguments && !isObject(jsontext.Value(t.Function.Arguments)) {
			return fmt.Errorf("tool_calls[%d]: arguments are not a JSON object: %q", j, t.Function.Arguments)
		}
		c.pending = append(c.pending, t.ID)
	}
	return nil
}

// chatContent checks content; images may be a user's only.
func chatContent(v jsontext.Value, images bool) error {
	var s string
	if v.Kind() == '"' {
		if err := json.Unmarshal(v, &s); err != nil {
			return err
		}
		return notBlank(s)
	}
	var parts []struct {
		Type     string         `json:"type"`
		Text     string         `json:"text"`
		ImageURL jsontext.Value `json:"image_url"`
	}
	if err := read(v, &parts); err != nil {
		return err
	}
	if len(parts) == 0 {
		return errors.New("content must not be empty")
	}
	for _, p := range parts {
		switch {
		case p.Type == "text":
			if err := notBlank(p.Text); err != nil {
				return err
			}
		case p.Type == "image_url" && images && isObject(p.ImageURL):
		default:
			return fmt.Errorf("content part of type %q", p.Type)
		}
	}
	return nil
}
