package providertest

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

type messagesBody struct {
	Model        string         `json:"model"`
	MaxTokens    int64          `json:"max_tokens"`
	Stream       bool           `json:"stream"`
	CacheControl jsontext.Value `json:"cache_control"`
	Thinking     jsontext.Value `json:"thinking"`
	Temperature  jsontext.Value `json:"temperature"`
	Tools        []struct {
		Name        string         `json:"name"`
		Description string         `json:"description"`
		InputSchema jsontext.Value `json:"input_schema"`
	} `json:"tools"`
	System   []messagesBlock `json:"system"`
	Messages []struct {
		Role    string          `json:"role"`
		Content []messagesBlock `json:"content"`
	} `json:"messages"`
}

type messagesBlock struct {
	Type      string          `json:"type"`
	Text      string          `json:"text"`
	Thinking  string          `json:"thinking"`
	Signature string          `json:"signature"`
	Data      string          `json:"data"`
	ID        string          `json:"id"`
	Name      string          `json:"name"`
	Input     jsontext.Value  `json:"input"`
	ToolUseID string          `json:"tool_use_id"`
	Content   []messagesBlock `json:"content"`
	IsError   bool            `json:"is_error"`
	Title     string          `json:"title"`
	Source    struct {
		Type      string `json:"type"`
		MediaType string `json:"media_type"`
		Data      string `json:"data"`
		URL       string `json:"url"`
	} `json:"source"`
}

// CheckMessages judges a body as Anthropic's Messages API does.
func CheckMessages(body []byte) error {
	var b messagesBody
	if err := read(body, &b); err != nil {
		return err
	}
	switch {
	case b.Model == "":
		return errors.New("model: field required")
	case b.MaxTokens < 1:
		return errors.New("max_tokens: field required")
	case len(b.Messages) == 0:
		return errors.New("messages: at least one message is required")
	}
	var names []string
	var schemas []jsontext.Value
	for _, t := range b.Tools {
		names, schemas = append(names, t.Name), append(schemas, t.InputSchema)
	}
	if err := declaredTools(names, schemas); err != nil {
		return err
	}
	for i := range b.System {
		if b.System[i].Type != "text" || notBlank(b.System[i].Text) != nil {
			return fmt.Errorf("system.%d: want text that is not blank", i)
		}
	}
	used := map[string]bool{}
	var pending []string
	for i, m := range b.Messages {
		at := fmt.Sprintf("messages.%d", i)
		want := []string{"user", "assistant"}[i%2]
		if m.Role != want {
			return fmt.Errorf("%s: roles must alternate, beginning with user", at)
		}
		if len(m.Content) == 0 {
			return fmt.Errorf("%s: all messages must have non-empty content", at)
		}
		var err error
		if m.Role == "user" {
			err = checkMessagesUser(m.Content, pending)
			pending = nil
		} else {
			pending, err = checkMessagesAssistant(m.Content, used, names)
		}
		if err != nil {
			return fmt.Errorf("%s: %w", at, err)
		}
	}
	if err := b.thinkingGoesOn(); err != nil {
		return err
	}
	if b.Messages[len(b.Messages)-1].Role != "user" {
		return errors.New("this model does not support assistant message prefill: the conversation must end with a user message")
	}
	return nil
}

// thinkingGoesOn: while a tool loop goes on and thinking is on, the response that
// called must begin with its thinking.
func (b *messagesBody) thinkingGoesOn() error {
	var thinking struct {
		Type string `json:"type"`
	}
	if b.Thinking == nil {
		return nil
	}
	if err := json.Unmarshal(b.Thinking, &thinking); err != nil {
		return err
	}
	n := len(b.Messages)
	if thinking.Type != "enabled" || n < 2 {
		return nil
	}
	for _, c := range b.Messages[n-1].Content {
		if c.Type != "tool_result" {
			return nil
		}
	}
	if first := b.Messages[n-2].Content[0].Type; first != "thinking" && first != "redacted_thinking" {
		return fmt.Errorf("messages.%d.content.0: expected `thinking` or `redacted_thinking`, but found `%s`", n-2, first)
	}
	return nil
}

func checkMessagesUser(content []messagesBlock, pending []string) error {
	answered := map[string]bool{}
	text := false
	for i := range content {
		c := &content[i]
		switch c.Type {
		case "tool_result":
			if text {
				return fmt.Errorf("content.%d: tool_result blocks must come first", i)
			}
			if !slices.Contains(pending, c.ToolUseID) || answered[c.ToolUseID] {
				return fmt.Errorf("content.%d: unexpected tool_use_id %q in tool_result: each must have a corresponding tool_use block in the previous message", i, c.ToolUseID)
			}
			answered[c.ToolUseID] = true
			for j := range c.Content {
				if c.IsError && c.Content[j].Type != "text" {
					return fmt.Errorf("content.%d: all content must be type text if is_error is true", i)
				}
				if err := checkMessagesContent(&c.Content[j]); err != nil {
					return fmt.Errorf("content.%d.content.%d: %w", i, j, err)
				}
			}
		default:
			text = true
			if err := checkMessagesContent(c); err != nil {
				return fmt.Errorf("content.%d: %w", i, err)
			}
		}
	}
	if len(answered) != len(pending) {
		return fmt.Errorf("tool_use ids were found without tool_result blocks immediately after: %v", pending)
	}
	return nil
}

func checkMessagesContent(c *messagesBlock) error {
	switch c.Type {
	case "text":
		return notBlank(c.Text)
	case "image":
		if c.Source.Type == "url" {
			return nil
		}
		if c.Source.Data == "" || !slices.Contains([]string{"image/png", "image/jpeg", "image/gif", "image/webp"}, c.Source.MediaType) {
			return fmt.Errorf("image of media type %q", c.Source.MediaType)
		}
		return nil
	case "document":
		if c.Source.MediaType != "application/pdf" {
			return fmt.Errorf("document of media type %q", c.Source.MediaType)
		}
		return nil
	}
	return fmt.Errorf("unexpected block type %q", c.Type)
}

func checkMessagesAssistant(content []messagesBlock, used map[string]bool, tools []string) (pending []string, err error) {
	for i := range content {
		c := &content[i]
		switch c.Type {
		case "text":
			if err := notBlank(c.Text); err != nil {
				return nil, fmt.Errorf("content.%d: %w", i, err)
			}
		case "thinking":
			if c.Signature != Sign(c.Thinking) {
				return nil, fmt.Errorf("content.%d: invalid signature in thinking block", i)
			}
		case "redacted_thinking":
			if !strings.HasPrefix(c.Data, "redacted:") {
				return nil, fmt.Errorf("content.%d: invalid data in redacted_thinking block", i)
			}
		case "tool_use":
			if err := plain(c.ID, 64); err != nil {
				return nil, fmt.Errorf("content.%d: %w", i, err)
			}
			if used[c.ID] {
				return nil, fmt.Errorf("content.%d: tool_use ids must be unique: %q", i, c.ID)
			}
			if !isObject(c.Input) {
				return nil, fmt.Errorf("content.%d: input should be a valid dictionary", i)
			}
			if !slices.Contains(tools, c.Name) {
				return nil, fmt.Errorf("content.%d: the tool %q is not declared", i, c.Name)
			}
			used[c.ID] = true
			pending = append(pending, c.ID)
		default:
			return nil, fmt.Errorf("content.%d: unexpected block type %q", i, c.Type)
		}
	}
	if last := content[len(content)-1].Type; last == "thinking" || last == "redacted_thinking" {
		return nil, errors.New("the final block in an assistant message cannot be thinking")
	}
	return pending, nil
}
