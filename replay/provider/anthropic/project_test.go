package anthropic_test

import (
	"fmt"
	"testing"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

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
	providertest.Projection{
		Provider: anthropic.New(anthropic.Config{}), Model: "claude-t", Issue: issue,
		Check:   providertest.CheckMessages,
		Flatten: providertest.FlattenList("messages", "content", "model", "system"),
	}.Run(t)
}
