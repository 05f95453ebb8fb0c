package openai_test

import (
	"fmt"
	"testing"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/ownlog/ownlog/replay/provider/openai"
	"github.com/ownlog/ownlog/replay/provider/providertest"
	"github.com/ownlog/ownlog/schema"
)

// issue encrypts reasoning as the strict server does.
func issue(b *schema.Block, n int) *schema.Seal {
	if b.Type != schema.BlockReasoning {
		return nil
	}
	id := fmt.Sprintf("rs_%d", n)
	return &schema.Seal{
		Provider: openai.Name, API: openai.API, Model: "gpt-t-2026-01-01", Kind: schema.SealEncrypted,
		Item: jsontext.Value(fmt.Sprintf(`{"id":%q,"type":"reasoning","summary":[{"type":"summary_text","text":"\u0068m"}],"encrypted_content":%q}`, id, providertest.Sign("reasoning "+id))),
	}
}

func TestProjection(t *testing.T) {
	providertest.Projection{
		Provider: openai.New(openai.Config{}), Model: "gpt-t", Issue: issue,
		Check:   providertest.CheckResponses,
		Flatten: providertest.FlattenList("input", "content", "model", "instructions"),
	}.Run(t)
}
