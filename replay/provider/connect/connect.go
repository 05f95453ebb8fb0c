// Package connect makes providers by name, from settings and the environment.
package connect

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/ownlog/ownlog/replay/provider"
	"github.com/ownlog/ownlog/replay/provider/anthropic"
	"github.com/ownlog/ownlog/replay/provider/chat"
	"github.com/ownlog/ownlog/replay/provider/gemini"
	"github.com/ownlog/ownlog/replay/provider/openai"
)

// Settings say how a provider is reached. They hold no key: KeyEnv names the
// environment variable that does.
type Settings struct {
	BaseURL string            `json:"base_url,omitzero"`
	Headers map[string]string `json:"headers,omitzero"`
	KeyEnv  string            `json:"key_env,omitzero"` // empty: the provider's usual one
	IdleMS  int64             `json:"idle_ms,omitzero"` // how long a stream may be silent
	NoCache bool              `json:"no_cache,omitzero"`
	// Params, a JSON object, are parameters of the requests in the API's words.
	// They are the executor's business, not Open's.
	Params jsontext.Value `json:"params,omitzero"`
}

// Config is a configuration file: settings by provider name.
type Config struct {
	Providers map[string]Settings `json:"providers"`
}

// ParseConfig reads a configuration file. Unknown members are refused, so that
// a key put there by mistake is not passed over.
func ParseConfig(b []byte) (*Config, error) {
	c := new(Config)
	if err := json.Unmarshal(b, c, json.RejectUnknownMembers(true)); err != nil {
		return nil, fmt.Errorf("provider configuration: %w", err)
	}
	for name, s := range c.Providers {
		if s.Params != nil && s.Params.Kind() != '{' {
			return nil, fmt.Errorf("provider configuration: params of %s: want a JSON object, got %s", name, provider.Truncate(string(s.Params), 40))
		}
	}
	return c, nil
}

// Names returns the names that [Open] knows, in order.
func Names() []string {
	names := append(chat.Servers(), anthropic.Name, openai.Name, gemini.Name)
	slices.Sort(names)
	return names
}

// ErrUnknown: there is no provider of that name.
var ErrUnknown = errors.New("not known")

// Open makes the provider of that name, one of [Names]; gemini is google, and a
// server of the Chat API may be written chat:NAME. getenv, such as os.Getenv, gives the
// environment; the key is read there and nowhere else. A missing key is an error
// if the provider's own address is used.
func Open(name string, s Settings, getenv func(string) string) (provider.Provider, error) {
	header := http.Header{}
	for k, v := range s.Headers {
		header.Set(k, v)
	}
	idle := time.Duration(s.IdleMS) * time.Millisecond
	key := func(usual string) (string, error) {
		env := s.KeyEnv
		if env == "" {
			env = usual
		}
		if env == "" {
			return "", nil
		}
		k := strings.TrimSpace(getenv(env))
		if k == "" && s.BaseURL == "" && len(s.Headers) == 0 {
			return "", fmt.Errorf("provider %s: the environment variable %s holds no key", name, env)
		}
		return k, nil
	}
	switch name {
	case anthropic.Name:
		k, err := key("ANTHROPIC_API_KEY")
		if err != nil {
			return nil, err
		}
		return anthropic.New(anthropic.Config{BaseURL: s.BaseURL, Key: k, Header: header, Idle: idle, NoCache: s.NoCache}), nil
	case openai.Name:
		k, err := key("OPENAI_API_KEY")
		if err != nil {
			return nil, err
		}
		return openai.New(openai.Config{BaseURL: s.BaseURL, Key: k, Header: header, Idle: idle}), nil
	case gemini.Name, "gemini":
		k, err := key("GEMINI_API_KEY")
		if err != nil {
			return nil, err
		}
		return gemini.New(gemini.Config{BaseURL: s.BaseURL, Key: k, Header: header, Idle: idle}), nil
	}
	quirks, ok := chat.QuirksOf(strings.TrimPrefix(name, "chat:"))
	if !ok {
		return nil, fmt.Errorf("provider %q: %w: want one of %s", name, ErrUnknown, strings.Join(Names(), ", "))
	}
	if s.BaseURL == "" && quirks.BaseURL == "" {
		return nil, fmt.Errorf("provider %s: say its base URL", name)
	}
	k, err := key(quirks.KeyEnv)
	if err != nil {
		return nil, err
	}
	return chat.New(chat.Config{Quirks: quirks, BaseURL: s.BaseURL, Key: k, Header: header, Idle: idle}), nil
}
