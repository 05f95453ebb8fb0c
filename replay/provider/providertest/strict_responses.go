package providertest

import (
	"errors"
	"fmt"
	"slices"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

type responsesBody struct {
	Model        string           `json:"model"`
	Store        *bool            `json:"store"`
	Stream       bool             `json:"stream"`
	Include      []string         `json:"include"`
	Tools        []responsesTool  `json:"tools"`
	Instructions string           `json:"instructions"`
	Input        []jsontext.Value `json:"input"`
	Reasoning    jsontext.Value   `json:"reasoning"`
}

type responsesTool struct {
	Type        string         `json:"type"`
	Name        string         `json:"name"`
	Description string         `json:"description"`
	Parameters  jsontext.Value `json:"parameters"`
	Strict      *bool          `json:"strict"`
}

type responsesItem struct {
	Type             string         `json:"type"`
	ID               string         `json:"id"`
	Role             string         `json:"role"`
	Content          jsontext.Value `json:"content"` // a string or a list of parts
	Phase            string         `json:"phase"`
	Summary          jsontext.Value `json:"summary"`
	EncryptedContent string         `json:"encrypted_content"`
	CallID           string         `json:"call_id"`
	Name             string         `json:"name"`
	Arguments        *string        `json:"arguments"`
	Input            *string        `json:"input"`
	Output           jsontext.Value `json:"output"`
}

type responsesPart struct {
	Type     string `json:"type"`
	Text     string `json:"text"`
	ImageURL string `json:"image_url"`
	Detail   string `json:"detail"`
	Filename string `json:"filename"`
	FileData string `json:"file_data"`
}

// CheckResponses judges a body as OpenAI's Responses API does with store:false.
func CheckResponses(body []byte) error {
	var b responsesBody
	if err := read(body, &b); err != nil {
		return err
	}
	switch {
	case b.Model == "":
		return errors.New("model is required")
	case b.Store == nil || *b.Store:
		return errors.New("store: want false")
	case !slices.Contains(b.Include, "reasoning.encrypted_content"):
		return errors.New("include: want reasoning.encrypted_content")
	case len(b.Input) == 0:
		return errors.New("input is required")
	}
	var names []string
	var schemas []jsontext.Value
	for i, t := range b.Tools {
		if t.Type != "function" && t.Type != "custom" {
			return fmt.Errorf("tools.%d: type %q", i, t.Type)
		}
		names = append(names, t.Name)
		if t.Type == "function" && t.Parameters == nil {
			return fmt.Errorf("tools.%d: parameters are required", i)
		}
		schemas = append(schemas, t.Parameters)
	}
	if err := declaredTools(names, schemas); err != nil {
		return err
	}
	c := responsesChecker{open: map[string]string{}, used: map[string]bool{}, tools: b.Tools}
	for i, raw := range b.Input {
		if err := c.item(raw); err != nil {
			return fmt.Errorf("input[%d]: %w", i, err)
		}
	}
	switch {
	case c.reasoning:
		return errors.New("an item of type 'reasoning' was provided without its required following item")
	case len(c.open) > 0:
		return fmt.Errorf("no tool output found for function calls %v", c.open)
	case c.last == "assistant":
		return errors.New("the input must not end with an assistant message")
	}
	return nil
}

type responsesChecker struct {
	open      map[string]string // call id: the type its output must have
	used      map[string]bool
	tools     []responsesTool
	reasoning bool // the item before is a reasoning item
	last      string
}

func (c *responsesChecker) item(raw jsontext.Value) error {
	var it responsesItem
	if err := read(raw, &it); err != nil {
		return err
	}
	made := it.Type == "function_call" || it.Type == "custom_tool_call" || it.Type == "message" && it.Role == "assistant" || it.Type == "reasoning"
	if c.reasoning && !made {
		return errors.New("an item of type 'reasoning' was provided without its required following item")
	}
	c.reasoning = false
	c.last = it.Role
	if len(c.open) > 0 && it.Type == "message" && it.Role != "assistant" {
		return fmt.Errorf("a message between calls and their outputs: %v", c.open)
	}
	switch it.Type {
	case "message":
		return c.message(&it)
	case "reasoning":
		if it.EncryptedContent != Sign("reasoning "+it.ID) {
			return errors.New("the encrypted content could not be verified")
		}
		c.reasoning = true
	case "function_call":
		if it.Arguments == nil {
			return errors.New("arguments: want a string")
		}
		if it.ID != "" {
			return errors.New("id: an item of that id is not stored")
		}
		return c.call(&it, "function", "function_call_output")
	case "custom_tool_call":
		if it.Input == nil {
			return errors.New("input: want a string")
		}
		return c.call(&it, "custom", "custom_tool_call_output")
	case "function_call_output", "custom_tool_call_output":
		if c.open[it.CallID] != it.Type {
			return fmt.Errorf("no tool call found for %s with call_id %q", it.Type, it.CallID)
		}
		delete(c.open, it.CallID)
		return checkResponsesOutput(it.Output)
	default:
		return fmt.Errorf("invalid value: %q", it.Type)
	}
	return nil
}

func (c *responsesChecker) call(it *responsesItem, kind, output string) error {
	if err := plain(it.CallID, 64); err != nil {
		return err
	}
	if c.used[it.CallID] {
		return fmt.Errorf("call_id %q is taken", it.CallID)
	}
	if !slices.ContainsFunc(c.tools, func(t responsesTool) bool { return t.Name == it.Name && t.Type == kind }) {
		return fmt.Errorf("no %s tool %q is declared", kind, it.Name)
	}
	c.used[it.CallID] = true
	c.open[it.CallID] = output
	return nil
}

func (c *responsesChecker) message(it *responsesItem) error {
	if it.Content.Kind() == '"' {
		var text string
		if err := json.Unmarshal(it.Content, &text); err != nil {
			return err
		}
		return notBlank(text)
	}
	if it.Role == "assistant" {
		return errors.New("content: a list of output_text belongs to an item with an id, and no item is stored")
	}
	var parts []responsesPart
	if err := read(it.Content, &parts); err != nil {
		return err
	}
	if len(parts) == 0 {
		return errors.New("content must not be empty")
	}
	for _, p := range parts {
		if p.Type != "input_text" && p.Type != "input_image" && p.Type != "input_file" {
			return fmt.Errorf("content of type %q in a message of role %q", p.Type, it.Role)
		}
		if p.Type == "input_image" && !slices.Contains([]string{"low", "high", "auto", "original"}, p.Detail) {
			return fmt.Errorf("detail %q of an image", p.Detail)
		}
	}
	return nil
}

func checkResponsesOutput(v jsontext.Value) error {
	switch v.Kind() {
	case '"':
		return nil
	case '[':
		var parts []responsesPart
		if err := json.Unmarshal(v, &parts); err != nil {
			return err
		}
		for _, p := range parts {
			if p.Type != "input_text" && p.Type != "input_image" && p.Type != "input_file" {
				return fmt.Errorf("output part of type %q", p.Type)
			}
		}
		return nil
	}
	return errors.New("output: want a string or a list")
}
