package anthropic_test

import (
	"net/http"
	"testing"

	"github.com/ownlog/ownlog/replay/provider"
	"github.com/ownlog/ownlog/replay/provider/anthropic"
	"github.com/ownlog/ownlog/replay/provider/providertest"
)

func FuzzStream(f *testing.F) {
	providertest.FuzzStream(f, providertest.MessagesStyle(), "claude-t", func(client *http.Client) provider.Provider {
		return anthropic.New(anthropic.Config{Client: client})
	})
}
