package providers

import (
	"bytes"
	"encoding/base64"
	"encoding/json"

	"github.com/anthropics/anthropic-sdk-go"
	"github.com/openai/openai-go/v3"
	"github.com/openai/openai-go/v3/responses"
	"google.golang.org/genai"

	"github.com/ownlog/ownlog/replay/provider/gemini"
)

// A reader reads a request's body with a vendor's Go SDK and writes it again.
type reader func(body []byte) ([]byte, error)

// readers are the SDKs by API.
func readers() map[api]reader {
	return map[api]reader{
		messages:        again[anthropic.MessageNewParams],
		openAIResponses: again[responses.ResponseNewParams],
		chatCompletions: again[openai.ChatCompletionNewParams],
		generateContent: again[generateContentBody],
	}
}

// generateContentBody is the body that the SDK makes of the parameters of its own
// function. It has no type for the whole.
type generateContentBody struct {
	Contents          []*genai.Content        `json:"contents"`
	Tools             []*genai.Tool           `json:"tools,omitempty"`
	ToolConfig        *genai.ToolConfig       `json:"toolConfig,omitempty"`
	SystemInstruction *genai.Content          `json:"systemInstruction,omitempty"`
	SafetySettings    []*genai.SafetySetting  `json:"safetySettings,omitempty"`
	GenerationConfig  *genai.GenerationConfig `json:"generationConfig,omitempty"`
}

// again reads a body as a T and writes that. Types that do not read themselves
// refuse members they do not know.
func again[T any](body []byte) ([]byte, error) {
	var v T
	dec := json.NewDecoder(bytes.NewReader(body))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&v); err != nil {
		return nil, err
	}
	return json.Marshal(v)
}

// standardAlphabet spells the sentinel signature as the SDK would. It is base64 in
// the alphabet for URLs, which the API reads as well as the standard one, and
// encoding/json does not.
func standardAlphabet(body []byte) []byte {
	raw, err := base64.RawURLEncoding.DecodeString(gemini.Sentinel)
	if err != nil {
		return body
	}
	return bytes.ReplaceAll(body, []byte(gemini.Sentinel), []byte(base64.StdEncoding.EncodeToString(raw)))
}

// lostByReaders are members that a reader does not write again.
func lostByReaders() map[api][]exception {
	streams := exception{".stream", nil, "the SDK has a function for streams and sets it itself"}
	return map[api][]exception{
		messages:        {streams},
		openAIResponses: {streams},
		chatCompletions: {streams, {".messages[].content", isNull, "the SDK leaves out what is null"}},
		generateContent: {
			{".contents[].parts[].functionCall.args", isEmptyObject, "the SDK leaves out what is empty"},
			{".contents[].parts[].text", isEmptyText, "as above; a signature may come with it"},
		},
	}
}
