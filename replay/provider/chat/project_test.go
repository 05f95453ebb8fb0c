package chat_test

import (
	"fmt"
	"testing"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/ownlog/ownlog/replay/provider/chat"
	"github.com/ownlog/ownlog/replay/provider/providertest"
	"github.com/ownlog/ownlog/schema"
)

// TestProjection runs every server in the table against rules as strict as the
// strictest of its kind.
func TestProjection(t *testing.T) {
	for _, server := range chat.Servers() {
		q, _ := chat.QuirksOf(server)
		rules := rulesOf(q)
		p := providertest.Projection{
			Provider: chat.New(chat.Config{Quirks: q}), Model: "m-t", Rounds: 30, Members: true,
			Check:   func(body []byte) error { return providertest.CheckChat(body, rules) },
			Flatten: providertest.FlattenList("messages", "content", "model"),
		}
		if q.Reasoning == "back" {
			p.Issue = func(b *schema.Block, n int) *schema.Seal {
				if b.Type != schema.BlockReasoning {
					return nil
				}
				return &schema.Seal{
					Provider: server, API: chat.API, Model: "m-t", Kind: schema.SealSignature,
					Item: jsontext.Value(fmt.Sprintf(`{"reasoning_content":"\u0068m %d"}`, n)),
				}
			}
		}
		t.Run(server, p.Run)
	}
}

// rulesOf returns the strictest rules of a server with these quirks.
func rulesOf(q chat.Quirks) providertest.ChatRules {
	return providertest.ChatRules{
		MaxID: q.MaxID, NineIDs: q.NineIDs, SystemFirstOnly: q.LaterSystem == "user", ObjectArguments: q.ObjectArguments,
		DemandReasoning: q.DemandReasoning, NoReasoning: q.Reasoning == "drop", NoUsageOption: q.NoUsageOption,
	}
}
