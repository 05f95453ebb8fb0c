package gemini_test

import (
	"fmt"
	"testing"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/ownlog/ownlog/replay/provider"
	"github.com/ownlog/ownlog/replay/provider/gemini"
	"github.com/ownlog/ownlog/replay/provider/providertest"
	"github.com/ownlog/ownlog/schema"
)

// issue signs parts as the strict server does.
func issue(b *schema.Block, n int) *schema.Seal {
	s := &schema.Seal{Provider: gemini.Name, API: gemini.API, Model: "gemini-3-t", Kind: schema.SealSignature}
	switch {
	case b.Type == schema.BlockReasoning:
		text := fmt.Sprintf("h\u00e9 %d", n)
		s.Item = jsontext.Value(fmt.Sprintf(`{"text":"h\u00e9 %d","thought":true,"thoughtSignature":%q}`, n, providertest.Sign("text "+text)))
	case b.Type == schema.BlockToolCall && b.Kind == schema.CallFunction && b.Args != nil:
		name := provider.WireName(b.Name)
		s.Item = jsontext.Value(fmt.Sprintf(`{"functionCall":{"id":%q,"name":%q,"args":%s},"thoughtSignature":%q}`, b.VendorID, name, b.Args, providertest.Sign("call "+name)))
	default:
		return nil
	}
	return s
}

func TestProjection(t *testing.T) {
	providertest.Projection{
		Provider: gemini.New(gemini.Config{}), Model: "gemini-3-t", Issue: issue,
		Check:   providertest.CheckGenerate,
		Flatten: providertest.FlattenList("contents", "parts", "systemInstruction"),
	}.Run(t)
}
