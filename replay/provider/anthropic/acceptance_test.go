package anthropic_test

import (
	"testing"
	"time"

	"github.com/ownlog/ownlog/replay/provider"
	"github.com/ownlog/ownlog/replay/provider/anthropic"
	"github.com/ownlog/ownlog/replay/provider/providertest"
	"github.com/ownlog/ownlog/schema"
)

func TestAcceptance(t *testing.T) {
	providertest.Acceptance{
		Style: providertest.MessagesStyle(), Model: "claude-t", StopMaxTokens: "max_tokens", Overflow: "prompt is too long: 9 tokens > 8 maximum",
		Connect: func(url string, idle time.Duration) provider.Provider {
			return anthropic.New(anthropic.Config{BaseURL: url, Key: providertest.Key, Idle: idle})
		},
		InStream: map[string]schema.ErrorClass{
			"event: error\ndata: {\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\",\"message\":\"Overloaded\"}}": schema.ErrorOverloaded,
			"event: error\ndata: {\"type\":\"error\",\"error\":{\"type\":\"api_error\",\"message\":\"oops\"}}":              schema.ErrorServer,
		},
	}.Run(t)
}
