package providertest

import (
	"errors"
	"fmt"
	"slices"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/ownlog/ownlog/replay/provider/gemini"
)

type generateBody struct {
	Tools []struct {
		FunctionDeclarations []struct {
			Name        string         `json:"name"`
			Description string         `json:"description"`
			Parameters  jsontext.Value `json:"parametersJsonSchema"`
		} `json:"functionDeclarations"`
	} `json:"tools"`
	SystemInstruction *generateContent  `json:"systemInstruction"`
	Contents          []generateContent `json:"contents"`
	GenerationConfig  jsontext.Value    `json:"generationConfig"`
}

type generateContent struct {
	Role  string         `json:"role"`
	Parts []generatePart `json:"parts"`
}

type generatePart struct {
	Text             *string        `json:"text"`
	Thought          bool           `json:"thought"`
	ThoughtSignature string         `json:"thoughtSignature"`
	InlineData       jsontext.Value `json:"inlineData"`
	FunctionCall     *struct {
		ID   string         `json:"id"`
		Name string         `json:"name"`
		Args jsontext.Value `json:"args"`
	} `json:"functionCall"`
	FunctionResponse *struct {
		ID       string         `json:"id"`
		Name     string         `json:"name"`
		Response jsontext.Value `json:"response"`
		Parts    jsontext.Value `json:"parts"`
	} `json:"functionResponse"`
}

// CheckGenerate judges a body as the Gemini API does for Gemini 3.
func CheckGenerate(body []byte) error {
	var b generateBody
	if err := read(body, &b); err != nil {
		return err
	}
	if len(b.Contents) == 0 {
		return errors.New("contents is not specified")
	}
	var names []string
	var schemas []jsontext.Value
	for _, t := range b.Tools {
		for _, f := range t.FunctionDeclarations {
			names, schemas = append(names, f.Name), append(schemas, f.Parameters)
		}
	}
	if err := declaredTools(names, schemas); err != nil {
		return err
	}
	turn := 0 // where the current turn begins: the last content of a user that is no result
	for i, c := range b.Contents {
		if c.Role == "user" && c.Parts != nil && !holdsResponses(&c) {
			turn = i
		}
	}
	var pending []generatePart
	for i := range b.Contents {
		c := &b.Contents[i]
		if err := checkGenerateContent(c, pending, names, i > turn); err != nil {
			return fmt.Errorf("contents[%d]: %w", i, err)
		}
		if i == 0 && c.Role != "user" || i > 0 && c.Role == "model" && b.Contents[i-1].Role == "model" {
			return fmt.Errorf("contents[%d]: please ensure that multiturn requests alternate between user and model", i)
		}
		pending = nil
		for _, p := range c.Parts {
			if p.FunctionCall != nil {
				pending = append(pending, p)
			}
		}
	}
	if b.Contents[len(b.Contents)-1].Role != "user" {
		return errors.New("the last content must be the user's")
	}
	return nil
}

func holdsResponses(c *generateContent) bool {
	return slices.ContainsFunc(c.Parts, func(p generatePart) bool { return p.FunctionResponse != nil })
}

func checkGenerateContent(c *generateContent, pending []generatePart, tools []string, current bool) error {
	if len(c.Parts) == 0 {
		return errors.New("must include at least one parts field")
	}
	var responses []generatePart
	calls := 0
	for j := range c.Parts {
		p := &c.Parts[j]
		switch {
		case p.FunctionCall != nil:
			if c.Role != "model" || !slices.Contains(tools, p.FunctionCall.Name) || !isObject(p.FunctionCall.Args) {
				return fmt.Errorf("parts[%d]: function call %q out of place, not declared, or without an object of arguments", j, p.FunctionCall.Name)
			}
			if p.ThoughtSignature == "" && calls == 0 && current {
				return fmt.Errorf("parts[%d]: function call is missing a thought_signature in functionCall parts", j)
			}
			if s := p.ThoughtSignature; s != "" && s != gemini.Sentinel && s != Sign("call "+p.FunctionCall.Name) {
				return fmt.Errorf("parts[%d]: thought signature is not valid", j)
			}
			calls++
		case p.FunctionResponse != nil:
			if !isObject(p.FunctionResponse.Response) {
				return fmt.Errorf("parts[%d]: response: want an object", j)
			}
			if err := checkResponseParts(p.FunctionResponse.Parts); err != nil {
				return fmt.Errorf("parts[%d]: %w", j, err)
			}
			responses = append(responses, *p)
		case p.InlineData != nil:
		case p.Text != nil:
			if s := p.ThoughtSignature; s != "" && s != Sign("text "+*p.Text) {
				return fmt.Errorf("parts[%d]: thought signature is not valid", j)
			}
			if *p.Text == "" && p.ThoughtSignature == "" {
				return fmt.Errorf("parts[%d]: text must not be empty", j)
			}
		default:
			return fmt.Errorf("parts[%d]: required oneof field 'data' must have one initialized field", j)
		}
	}
	if len(responses) != len(pending) || len(responses) > 0 && len(responses) != len(c.Parts) {
		return errors.New("please ensure that the number of function response parts is equal to the number of function call parts of the function call turn")
	}
	for j, p := range responses {
		call := pending[j].FunctionCall
		if p.FunctionResponse.Name != call.Name || p.FunctionResponse.ID != call.ID {
			return fmt.Errorf("function response %d is for %q (%q), the call was %q (%q)", j, p.FunctionResponse.Name, p.FunctionResponse.ID, call.Name, call.ID)
		}
	}
	return nil
}

// checkResponseParts judges what a function response carries besides its text.
func checkResponseParts(v jsontext.Value) error {
	if v == nil {
		return nil
	}
	var parts []struct {
		InlineData *struct {
			MimeType string `json:"mimeType"`
			Data     string `json:"data"`
		} `json:"inlineData"`
	}
	if err := read(v, &parts); err != nil {
		return fmt.Errorf("function response: %w", err)
	}
	for k, p := range parts {
		if p.InlineData == nil || p.InlineData.MimeType == "" || p.InlineData.Data == "" {
			return fmt.Errorf("function response: parts[%d]: required oneof field 'data' must have one initialized field", k)
		}
	}
	return nil
}
