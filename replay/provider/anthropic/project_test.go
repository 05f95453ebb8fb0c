package anthropic_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/ownlog/ownlog/replay/provider"
	"github.com/ownlog/ownlog/replay/provider/anthropic"
	"github.com/ownlog/ownlog/replay/provider/providertest"
	"github.com/ownlog/ownlog/schema"
)

// issue signs reasoning as the strict server does.
func issue(b *schema.Block, n int) *schema.Seal {
	if b.Type != schema.BlockReasoning {
		return nil
	}
	s := &schema.Seal{Provider: anthropic.Name, API: anthropic.API, Model: "claude-t-20260101", Kind: schema.SealSignature}
	if n%5 == 0 {
		s.Kind, s.Item = schema.SealRedacted, jsontext.Value(fmt.Sprintf(`{"type":"redacted_thinking","data":"redacted:%d"}`, n))
		return s
	}
	// Spelled unlike what an encoder of ours would write.
	text := fmt.Sprintf("h\u00e9 %d", n)
	quoted, _ := json.Marshal(providertest.Sign(text))
	s.Item = jsontext.Value(fmt.Sprintf(`{"type":"thinking","thinking":"h\u00e9 %d","signature":%s}`, n, quoted))
	return s
}

func TestProjection(t *testing.T) {
	p := providertest.Projection{
		Provider: anthropic.New(anthropic.Config{}), Model: "claude-t", Issue: issue,
		Check:   providertest.CheckMessages,
		Flatten: providertest.FlattenList("messages", "content", "model", "system"),
	}
	p.Run(t)
	p.Params = jsontext.Value(`{"thinking":{"type":"enabled","budget_tokens":1024}}`)
	t.Run("thinking", p.Run)
}

// TestThinkingInALoop: thinking cannot begin in the middle of a tool loop that
// another model began; once the loop is over, it can.
func TestThinkingInALoop(t *testing.T) {
	call := schema.Block{
		Type: schema.BlockToolCall, Kind: schema.CallFunction, Name: "look", VendorID: "c1",
		Index: schema.Int(0), CallKey: schema.NewCallKey(1, 1, 0), Args: jsontext.Value("{}"),
	}
	say := func(seq int64, text string) schema.Message {
		return schema.Message{Role: schema.RoleUser, Seq: seq, Content: []schema.Part{schema.TextPart(text)}}
	}
	loop := []schema.Message{
		say(1, "look"),
		{Role: schema.RoleModel, Seq: 2, Turn: 1, Step: 1, Blocks: []schema.Block{call}},
		{Role: schema.RoleTool, Seq: 3, Turn: 1, Step: 1, Result: &schema.Result{
			CallKey: call.CallKey, Status: schema.StatusOK, Content: []schema.Part{schema.TextPart("seen")},
		}},
	}
	thought := schema.Block{Type: schema.BlockReasoning, Text: schema.String("hm")}
	thought.Seal = issue(&thought, 1)
	own := append([]schema.Message(nil), loop...)
	own[1].Blocks = []schema.Block{thought, call}
	for _, tt := range []struct {
		name     string
		messages []schema.Message
		on       bool
	}{
		{"in the loop of another", loop, false},
		{"in its own", own, true},
		{"after the loop of another", append(loop[:3:3], say(4, "and?")), true},
	} {
		req, err := anthropic.New(anthropic.Config{}).Project(t.Context(), &provider.View{
			Definition: schema.Definition{Model: &schema.Model{Params: jsontext.Value(`{"thinking":{"type":"enabled","budget_tokens":1024}}`)}},
			Model:      "claude-t", Messages: tt.messages,
		})
		if err != nil {
			t.Fatal(err)
		}
		if err := providertest.CheckMessages(req.Body); err != nil {
			t.Errorf("%s: %v", tt.name, err)
		}
		lost := slices.ContainsFunc(req.Losses, func(l schema.Loss) bool { return l.Code == anthropic.LossThinkingOff })
		if on := strings.Contains(string(req.Body), "budget_tokens"); on != tt.on || lost == tt.on {
			t.Errorf("%s: thinking on %t, said to be off %t; want on %t", tt.name, on, lost, tt.on)
		}
	}
}
