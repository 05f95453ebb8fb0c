package providers

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"

	anthropicsdk "github.com/anthropics/anthropic-sdk-go"
	anthropicoption "github.com/anthropics/anthropic-sdk-go/option"
	"github.com/google/go-cmp/cmp"
	openaisdk "github.com/openai/openai-go/v3"
	openaioption "github.com/openai/openai-go/v3/option"
	"github.com/openai/openai-go/v3/responses"
	"google.golang.org/genai"

	"github.com/ownlog/ownlog/replay/provider/providertest"
)

// TestStreamsOfStrictServers lets the vendors' SDKs read what the strict servers of
// the acceptance suite stream: a server that spoke a language of its own would
// prove nothing about the providers that understand it.
func TestStreamsOfStrictServers(t *testing.T) {
	reply := providertest.Reply{
		Reasoning: "First I think.", Text: "Then I look, grün.",
		Calls: []providertest.ReplyCall{{ID: "call_A", Name: "look", Args: `{"n":1,"s":"é"}`}, {ID: "call_B", Name: "list", Args: `{}`}},
	}
	want := []string{"reasoning First I think.", "text Then I look, grün.", `call call_A look {"n":1,"s":"é"}`, "call call_B list {}"}
	tests := map[string]struct {
		style providertest.Style
		read  func(ctx context.Context, url string) ([]string, error)
		want  []string
	}{
		"messages":  {providertest.MessagesStyle(), readMessages, want},
		"responses": {providertest.ResponsesStyle(), readResponses, want},
		// The SDK knows no reasoning in this API.
		"chat":     {providertest.ChatStyle(providertest.ChatRules{MaxID: 40}), readChat, want[1:]},
		"generate": {providertest.GenerateStyle(), readGenerate, want},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Type", "text/event-stream")
				for _, event := range tt.style.Events(&reply, 0) {
					_, _ = io.WriteString(w, event+"\n\n")
				}
			}))
			defer server.Close()
			got, err := tt.read(t.Context(), server.URL)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("the vendor's SDK reads something else (-sent +read):\n%s", diff)
			}
		})
	}
}

func readMessages(ctx context.Context, url string) (out []string, err error) {
	client := anthropicsdk.NewClient(anthropicoption.WithBaseURL(url), anthropicoption.WithAPIKey("k"))
	stream := client.Messages.NewStreaming(ctx, anthropicsdk.MessageNewParams{
		Model: "m", MaxTokens: 10, Messages: []anthropicsdk.MessageParam{anthropicsdk.NewUserMessage(anthropicsdk.NewTextBlock("go"))},
	})
	var m anthropicsdk.Message
	for stream.Next() {
		if err := m.Accumulate(stream.Current()); err != nil {
			return nil, err
		}
	}
	for _, b := range m.Content {
		switch b := b.AsAny().(type) {
		case anthropicsdk.ThinkingBlock:
			if b.Signature == "" {
				return nil, fmt.Errorf("the thinking has no signature")
			}
			out = append(out, "reasoning "+b.Thinking)
		case anthropicsdk.TextBlock:
			out = append(out, "text "+b.Text)
		case anthropicsdk.ToolUseBlock:
			out = append(out, fmt.Sprintf("call %s %s %s", b.ID, b.Name, b.Input))
		}
	}
	return out, stream.Err()
}

func readResponses(ctx context.Context, url string) (out []string, err error) {
	client := openaisdk.NewClient(openaioption.WithBaseURL(url), openaioption.WithAPIKey("k"))
	stream := client.Responses.NewStreaming(ctx, responses.ResponseNewParams{Model: "m"})
	text, finished := "", false
	for stream.Next() {
		switch ev := stream.Current().AsAny().(type) {
		case responses.ResponseTextDeltaEvent:
			text += ev.Delta
		case responses.ResponseOutputItemDoneEvent:
			switch item := ev.Item.AsAny().(type) {
			case responses.ResponseReasoningItem:
				if item.EncryptedContent == "" || len(item.Summary) != 1 {
					return nil, fmt.Errorf("reasoning without a seal or a summary: %s", item.RawJSON())
				}
				out = append(out, "reasoning "+item.Summary[0].Text)
			case responses.ResponseOutputMessage:
				if len(item.Content) != 1 || item.Content[0].Text != text {
					return nil, fmt.Errorf("streamed %q, in the end %s", text, item.RawJSON())
				}
				out = append(out, "text "+text)
			case responses.ResponseFunctionToolCall:
				out = append(out, fmt.Sprintf("call %s %s %s", item.CallID, item.Name, item.Arguments))
			}
		case responses.ResponseCompletedEvent:
			finished = ev.Response.Status == responses.ResponseStatusCompleted
		}
	}
	if !finished {
		return nil, fmt.Errorf("the response is not completed")
	}
	return out, stream.Err()
}

func readChat(ctx context.Context, url string) (out []string, err error) {
	client := openaisdk.NewClient(openaioption.WithBaseURL(url), openaioption.WithAPIKey("k"))
	stream := client.Chat.Completions.NewStreaming(ctx, openaisdk.ChatCompletionNewParams{Model: "m"})
	var all openaisdk.ChatCompletionAccumulator
	for stream.Next() {
		if chunk := stream.Current(); !all.AddChunk(chunk) {
			return nil, fmt.Errorf("a chunk does not belong to those before it: %s", chunk.RawJSON())
		}
	}
	if err := stream.Err(); err != nil {
		return nil, err
	}
	for _, choice := range all.Choices {
		out = append(out, "text "+choice.Message.Content)
		for _, c := range choice.Message.ToolCalls {
			out = append(out, fmt.Sprintf("call %s %s %s", c.ID, c.Function.Name, c.Function.Arguments))
		}
	}
	return out, nil
}

func readGenerate(ctx context.Context, url string) (out []string, err error) {
	client, err := genai.NewClient(ctx, &genai.ClientConfig{APIKey: "k", Backend: genai.BackendGeminiAPI, HTTPOptions: genai.HTTPOptions{BaseURL: url + "/"}})
	if err != nil {
		return nil, err
	}
	reasoning, text := "", ""
	var calls []string
	for r, err := range client.Models.GenerateContentStream(ctx, "m", genai.Text("go"), nil) {
		if err != nil {
			return nil, err
		}
		for _, p := range r.Candidates[0].Content.Parts {
			switch {
			case p.FunctionCall != nil:
				args, err := json.Marshal(p.FunctionCall.Args)
				if err != nil {
					return nil, err
				}
				calls = append(calls, fmt.Sprintf("call %s %s %s", p.FunctionCall.ID, p.FunctionCall.Name, args))
			case p.Thought:
				reasoning += p.Text
			default:
				text += p.Text
			}
		}
	}
	return append([]string{"reasoning " + reasoning, "text " + text}, calls...), nil
}
