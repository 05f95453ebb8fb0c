package gemini_test

import (
	"net/http"
	"testing"

	"github.com/ownlog/ownlog/replay/provider"
	"github.com/ownlog/ownlog/replay/provider/gemini"
	"github.com/ownlog/ownlog/replay/provider/providertest"
)

func FuzzStream(f *testing.F) {
	providertest.FuzzStream(f, providertest.GenerateStyle(), "gemini-3-t", func(client *http.Client) provider.Provider {
		return gemini.New(gemini.Config{Client: client})
	})
}
