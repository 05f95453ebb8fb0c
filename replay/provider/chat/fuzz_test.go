package chat_test

import (
	"net/http"
	"testing"

	"github.com/ownlog/ownlog/replay/provider"
	"github.com/ownlog/ownlog/replay/provider/chat"
	"github.com/ownlog/ownlog/replay/provider/providertest"
)

func FuzzStream(f *testing.F) {
	q, _ := chat.QuirksOf("vllm")
	providertest.FuzzStream(f, providertest.ChatStyle(providertest.ChatRules{}), "m-t", func(client *http.Client) provider.Provider {
		return chat.New(chat.Config{Quirks: q, Client: client})
	})
}
