package gemini_test

import (
	"testing"
	"time"

	"github.com/ownlog/ownlog/replay/provider"
	"github.com/ownlog/ownlog/replay/provider/gemini"
	"github.com/ownlog/ownlog/replay/provider/providertest"
	"github.com/ownlog/ownlog/schema"
)

func TestAcceptance(t *testing.T) {
	providertest.Acceptance{
		Style: providertest.GenerateStyle(), Model: "gemini-3-t", StopMaxTokens: "MAX_TOKENS",
		Overflow: "The input token count exceeds the maximum number of tokens allowed", NoSeal: true,
		Connect: func(url string, idle time.Duration) provider.Provider {
			return gemini.New(gemini.Config{BaseURL: url, Key: providertest.Key, Idle: idle})
		},
		InStream: map[string]schema.ErrorClass{
			"data: {\"error\":{\"code\":503,\"message\":\"overloaded\",\"status\":\"UNAVAILABLE\"}}": schema.ErrorOverloaded,
		},
	}.Run(t)
}
