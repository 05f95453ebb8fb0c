package chat_test

import (
	"testing"
	"time"

	"github.com/ownlog/ownlog/replay/provider"
	"github.com/ownlog/ownlog/replay/provider/chat"
	"github.com/ownlog/ownlog/replay/provider/providertest"
	"github.com/ownlog/ownlog/schema"
)

func TestAcceptance(t *testing.T) {
	for _, server := range chat.Servers() {
		q, _ := chat.QuirksOf(server)
		a := providertest.Acceptance{
			Style: providertest.ChatStyle(rulesOf(q)), Model: "m-t", StopMaxTokens: "length",
			Overflow: "This model's maximum context length is 8 tokens", NoSeal: q.Reasoning == "drop", Trailing: 1,
			Connect: func(url string, idle time.Duration) provider.Provider {
				return chat.New(chat.Config{Quirks: q, BaseURL: url, Key: providertest.Key, Idle: idle})
			},
			InStream: map[string]schema.ErrorClass{
				"data: {\"error\":{\"message\":\"busy\",\"code\":503}}":      schema.ErrorOverloaded,
				"data: {\"error\":{\"message\":\"oops\",\"type\":\"what\"}}": schema.ErrorServer,
			},
		}
		t.Run(server, a.Run)
	}
}
