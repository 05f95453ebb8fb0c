package connect_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/ownlog/ownlog/replay/provider/connect"
)

func TestOpen(t *testing.T) {
	none := func(string) string { return "" }
	all := func(name string) string { return "key of " + name }
	for _, name := range append(connect.Names(), "gemini", "chat:vllm") {
		p, err := connect.Open(name, connect.Settings{BaseURL: "http://localhost:1"}, all)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if about := p.Describe(); about.Provider == "" || about.API == "" || about.Projection == "" {
			t.Errorf("%s describes itself as %+v", name, about)
		}
	}
	if _, err := connect.Open("nobody", connect.Settings{}, all); !errors.Is(err, connect.ErrUnknown) {
		t.Errorf("an unknown provider: %v", err)
	}
	if _, err := connect.Open("anthropic", connect.Settings{}, none); err == nil || !strings.Contains(err.Error(), "ANTHROPIC_API_KEY") {
		t.Errorf("without a key: %v, want the name of the variable", err)
	}
	if _, err := connect.Open("chat", connect.Settings{}, all); err == nil {
		t.Error("a server without an address was taken")
	}
}

func TestParseConfig(t *testing.T) {
	c, err := connect.ParseConfig([]byte(`{"providers":{"vllm":{"base_url":"http://localhost:9","headers":{"X-A":"b"}}}}`))
	if err != nil || c.Providers["vllm"].BaseURL != "http://localhost:9" {
		t.Errorf("%+v, %v", c, err)
	}
	if _, err := connect.ParseConfig([]byte(`{"providers":{"openai":{"params":["temperature"]}}}`)); err == nil || !strings.Contains(err.Error(), "params of openai") {
		t.Errorf("parameters that are no object: %v", err)
	}
	if _, err := connect.ParseConfig([]byte(`{"providers":{"openai":{"key":"secret"}}}`)); err == nil || strings.Contains(err.Error(), `"secret"`) {
		t.Errorf("a key in the file: %v", err)
	}
}
