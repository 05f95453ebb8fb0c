package main

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/urfave/cli/v2"

	"github.com/ownlog/ownlog/replay/provider"
	"github.com/ownlog/ownlog/replay/provider/connect"
	"github.com/ownlog/ownlog/replay/provider/scripted"
)

// providerScripted is the provider that answers from a file, offline.
const providerScripted = "scripted"

// providerFlags are the flags of verbs that ask a model.
func providerFlags() []cli.Flag {
	return []cli.Flag{
		&cli.StringFlag{Name: "provider", Usage: "scripted, " + strings.Join(connect.Names(), ", ")},
		&cli.StringFlag{Name: "model", Usage: "id of the model (default: the session's)"},
		&cli.StringFlag{Name: "base-url", Usage: "where the API is, if not at the vendor's"},
		&cli.StringSliceFlag{Name: "header", Usage: "sent with every request, as 'Name: value'; may be repeated"},
		&cli.StringSliceFlag{Name: "param", Usage: "parameter of the request, as NAME=VALUE, VALUE in JSON or a text; may be repeated"},
		&cli.StringFlag{Name: "providers", Usage: "file of addresses, headers and parameters of providers"},
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
	name := c.String("provider")
	switch name {
	case "":
		return nil, usageError(errors.New("say --provider; see --help for the names"))
	case providerScripted:
		return readScript(c.String("script"))
	}
	settings, err := readSettings(c.String("providers"), name)
	if err != nil {
		return nil, err
	}
	if base := c.String("base-url"); base != "" {
		settings.BaseURL = base
	}
	for k, v := range header {
		if settings.Headers == nil {
			settings.Headers = make(map[string]string)
		}
		settings.Headers[k] = v
	}
	p, err := connect.Open(name, settings, s.Getenv)
	if errors.Is(err, connect.ErrUnknown) {
		return nil, usageError(fmt.Errorf("--%w", err))
	}
	return p, err
}

// readSettings reads a provider's settings from a configuration file, if one is named.
func readSettings(file, name string) (connect.Settings, error) {
	if file == "" {
		return connect.Settings{}, nil
	}
	b, err := os.ReadFile(file)
	if err != nil {
		return connect.Settings{}, err
	}
	config, err := connect.ParseConfig(b)
	if err != nil {
		return connect.Settings{}, usageError(fmt.Errorf("%s: %w", file, err))
	}
	return config.Providers[name], nil
}

// modelParams returns the parameters that the command line and the configuration
// file give; nil if they give none.
func modelParams(c *cli.Context) (jsontext.Value, error) {
	settings, err := readSettings(c.String("providers"), c.String("provider"))
	if err != nil {
		return nil, err
	}
	params := make(map[string]jsontext.Value)
	if settings.Params != nil {
		if err := json.Unmarshal(settings.Params, &params); err != nil {
			return nil, usageError(fmt.Errorf("%s: params of %s: %w", c.String("providers"), c.String("provider"), err))
		}
	}
	for _, p := range c.StringSlice("param") {
		name, text, ok := strings.Cut(p, "=")
		if !ok || name == "" {
			return nil, usageError(fmt.Errorf("--param %q: want NAME=VALUE", p))
		}
		value := jsontext.Value(text)
		if !value.IsValid() {
			if value, err = jsontext.AppendQuote(nil, text); err != nil {
				return nil, usageError(fmt.Errorf("--param %s: %w", name, err))
			}
		}
		params[name] = value
	}
	if len(params) == 0 {
		return nil, nil
	}
	out, err := json.Marshal(params, json.Deterministic(true))
	return out, err
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

func parseHeaders(list []string) (map[string]string, error) {
	header := make(map[string]string)
	for _, h := range list {
		name, value, ok := strings.Cut(h, ":")
		if !ok || strings.TrimSpace(name) == "" {
			return nil, fmt.Errorf("--header %q: want 'Name: value'", h)
		}
		header[strings.TrimSpace(name)] = strings.TrimSpace(value)
	}
	return header, nil
}
