package main

import (
	"errors"
	"fmt"
	"net/http"
	"os"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/ownlog/ownlog/replay/provider"
	"github.com/ownlog/ownlog/replay/provider/anthropic"
	"github.com/ownlog/ownlog/replay/provider/chat"
	"github.com/ownlog/ownlog/replay/provider/gemini"
	"github.com/ownlog/ownlog/replay/provider/openai"
	"github.com/ownlog/ownlog/replay/provider/scripted"
)

// The names of the providers on the command line that are not names of servers in
// the table of package chat.
const (
	providerAnthropic = "anthropic"
	providerOpenAI    = "openai"
	providerGemini    = "gemini"
	providerChat      = "chat"
	providerScripted  = "scripted"
)

// providerFlags are the flags of verbs that ask a model.
func providerFlags() []cli.Flag {
	return []cli.Flag{
		&cli.StringFlag{Name: "provider", Usage: "anthropic, openai, gemini, scripted, or a server of the chat API: " + strings.Join(chat.Servers(), ", ")},
		&cli.StringFlag{Name: "model", Usage: "id of the model (default: the session's)"},
		&cli.StringFlag{Name: "base-url", Usage: "where the API is, if not at the vendor's"},
		&cli.StringSliceFlag{Name: "header", Usage: "sent with every request, as 'Name: value'; may be repeated"},
		&cli.StringFlag{Name: "script", Usage: "scripted: file of the responses"},
	}
}

// newProvider makes the provider that the command line names. Keys come from the
// environment only.
func (s *session) newProvider(c *cli.Context) (provider.Provider, error) {
	header, err := parseHeaders(c.StringSlice("header"))
	if err != nil {
		return nil, usageError(err)
	}
	base := strings.TrimSuffix(c.String("base-url"), "/")
	switch name := c.String("provider"); name {
	case "":
		return nil, usageError(errors.New("say --provider; see --help for the names"))
	case providerScripted:
		return readScript(c.String("script"))
	case providerAnthropic:
		return anthropic.New(anthropic.Config{BaseURL: base, Header: header, Key: s.Getenv("ANTHROPIC_API_KEY")}), nil
	case providerOpenAI:
		return openai.New(openai.Config{BaseURL: base, Header: header, Key: s.Getenv("OPENAI_API_KEY")}), nil
	case providerGemini:
		return gemini.New(gemini.Config{BaseURL: base, Header: header, Key: s.Getenv("GEMINI_API_KEY")}), nil
	default:
		quirks, ok := chat.QuirksOf(strings.TrimPrefix(name, providerChat+":"))
		if !ok {
			return nil, usageError(fmt.Errorf("--provider %s: no such provider; see --help for the names", name))
		}
		cfg := chat.Config{Quirks: quirks, BaseURL: base, Header: header}
		if quirks.KeyEnv != "" {
			cfg.Key = s.Getenv(quirks.KeyEnv)
		}
		return chat.New(cfg), nil
	}
}

func readScript(name string) (provider.Provider, error) {
	if name == "" {
		return nil, usageError(errors.New("--provider scripted needs --script FILE"))
	}
	b, err := os.ReadFile(name)
	if err != nil {
		return nil, err
	}
	return scripted.Parse(b)
}

func parseHeaders(list []string) (http.Header, error) {
	header := make(http.Header)
	for _, h := range list {
		name, value, ok := strings.Cut(h, ":")
		if !ok || strings.TrimSpace(name) == "" {
			return nil, fmt.Errorf("--header %q: want 'Name: value'", h)
		}
		header.Add(strings.TrimSpace(name), strings.TrimSpace(value))
	}
	return header, nil
}
