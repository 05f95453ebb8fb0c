package openai_test

import (
	"net/http"
	"testing"

	"github.com/ownlog/ownlog/replay/provider"
	"github.com/ownlog/ownlog/replay/provider/openai"
	"github.com/ownlog/ownlog/replay/provider/providertest"
)

func FuzzStream(f *testing.F) {
	providertest.FuzzStream(f, providertest.ResponsesStyle(), "gpt-t", func(client *http.Client) provider.Provider {
		return openai.New(openai.Config{Client: client})
	})
}
