package openai_test

import (
	"testing"
	"time"

	"github.com/ownlog/ownlog/replay/provider"
	"github.com/ownlog/ownlog/replay/provider/openai"
	"github.com/ownlog/ownlog/replay/provider/providertest"
	"github.com/ownlog/ownlog/schema"
)

func TestAcceptance(t *testing.T) {
	providertest.Acceptance{
		Style: providertest.ResponsesStyle(), Model: "gpt-t", StopMaxTokens: "max_output_tokens",
		Overflow: "Your input exceeds the context window of this model. (context_length_exceeded)",
		Connect: func(url string, idle time.Duration) provider.Provider {
			return openai.New(openai.Config{BaseURL: url, Key: providertest.Key, Idle: idle})
		},
		InStream: map[string]schema.ErrorClass{
			"event: error\ndata: {\"type\":\"error\",\"code\":\"server_error\",\"message\":\"oops\"}":                                                                             schema.ErrorServer,
			"event: response.failed\ndata: {\"type\":\"response.failed\",\"response\":{\"status\":\"failed\",\"error\":{\"code\":\"rate_limit_exceeded\",\"message\":\"slow\"}}}": schema.ErrorRateLimit,
		},
	}.Run(t)
}
