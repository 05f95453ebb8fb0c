package provider_test

import (
	"testing"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/google/go-cmp/cmp"

	"github.com/ownlog/ownlog/replay/provider"
	"github.com/ownlog/ownlog/replay/provider/anthropic"
	"github.com/ownlog/ownlog/replay/provider/chat"
	"github.com/ownlog/ownlog/replay/provider/gemini"
	"github.com/ownlog/ownlog/replay/provider/openai"
	"github.com/ownlog/ownlog/schema"
)

// TestFramesAreTheirViews: what a provider keeps of one session's body is in
// another's only where it is what that session says, too.
func TestFramesAreTheirViews(t *testing.T) {
	look := schema.ToolDefinition{Name: "look", Description: "looks", Schema: jsontext.Value(`{"type":"object"}`)}
	find := schema.ToolDefinition{Name: "find", Schema: jsontext.Value(`{"type":"object"}`)}
	params := &schema.Model{Params: jsontext.Value(`{"max_tokens":7}`)}
	tools, system := []schema.ToolDefinition{look, find}, []string{"Be brief.", "Be kind."}
	definitions := []schema.Definition{
		{}, {Tools: tools}, {System: system}, {Tools: tools, System: system}, {Tools: tools[:1], System: system},
		{Tools: tools, System: system[:1]}, {Tools: tools, System: system, Model: params}, {Tools: []schema.ToolDefinition{find, look}},
		{System: []string{"Be loud.", "Be quick."}},
	}
	say := schema.Message{Role: schema.RoleUser, Seq: 1, Content: []schema.Part{schema.TextPart("hello")}}
	histories := [][]schema.Message{{say}, {say, called("gone")}, {say, called("away")}, {say, called("gone"), called("away")}}
	quirks, ok := chat.QuirksOf("openai-chat")
	if !ok {
		t.Fatal("no quirks of openai-chat")
	}
	for name, p := range map[string]provider.Provider{
		"messages": anthropic.New(anthropic.Config{}), "responses": openai.New(openai.Config{}),
		"chat": chat.New(chat.Config{Quirks: quirks}), "generate_content": gemini.New(gemini.Config{}),
	} {
		for range 2 { // once to keep, once to use what was kept
			for _, definition := range definitions {
				for _, model := range []string{"one", "other"} {
					for _, messages := range histories {
						view := &provider.View{Definition: definition, Model: model, Messages: messages}
						want, err := p.Project(t.Context(), view)
						if err != nil {
							t.Fatal(err)
						}
						got, err := provider.NewProjector(p).Project(t.Context(), view, 0)
						if err != nil {
							t.Fatal(err)
						}
						if diff := cmp.Diff(string(want.Body)+string(want.Tail), string(got.Body)+string(got.Tail)); diff != "" {
							t.Fatalf("%s, %+v, %s (-alone +after others):\n%s", name, definition, model, diff)
						}
					}
				}
			}
		}
	}
}

// called is a response that calls a tool which no definition has.
func called(tool string) schema.Message {
	return schema.Message{Role: schema.RoleModel, Seq: 2, Turn: 1, Step: 1, Blocks: []schema.Block{{
		Type: schema.BlockToolCall, Kind: schema.CallFunction, Name: tool, VendorID: "c_" + tool,
		Index: schema.Int(0), CallKey: schema.CallKey("1/1/" + tool), Args: jsontext.Value("{}"),
	}}}
}
