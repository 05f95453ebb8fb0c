// Package anthropic asks models through Anthropic's Messages API
// (POST /v1/messages, version 2023-06-01) and what speaks it.
package anthropic

import (
	"context"
	"net/http"
	"time"

	"github.com/ownlog/ownlog/replay/provider"
	"github.com/ownlog/ownlog/schema"
)

// The names of the provider and of its api, as they are recorded.
const (
	Name = "anthropic"
	API  = "messages"
)

// DefaultURL is where the vendor's own API is.
const DefaultURL = "https://api.anthropic.com"

// projection is the version of the projection rules.
const projection = "messages-1"

// DefaultMaxTokens is asked for when the definition's parameters do not say
// max_tokens, which the API wants.
const DefaultMaxTokens = 16_384

// Config says how the API is reached.
type Config struct {
	BaseURL string      // empty: DefaultURL
	Key     string      // of the API; empty: none is sent
	Header  http.Header // sent besides
	Client  *http.Client
	Idle    time.Duration // see provider.Endpoint
	// NoCache leaves prompt caching alone: for servers that do not know it.
	NoCache bool
}

// Provider asks through the Messages API. It implements [provider.Provider].
type Provider struct {
	endpoint provider.Endpoint
	noCache  bool
	frames   provider.Frames
}

// New returns a provider.
func New(c Config) *Provider {
	e := provider.NewEndpoint(provider.Endpoint{BaseURL: c.BaseURL, Header: c.Header, Client: c.Client, Idle: c.Idle}, DefaultURL, "X-Api-Key", c.Key)
	if e.Header.Get("Anthropic-Version") == "" {
		e.Header.Set("Anthropic-Version", "2023-06-01")
	}
	return &Provider{endpoint: e, noCache: c.NoCache}
}

// Describe implements [provider.Provider].
func (p *Provider) Describe() provider.Description {
	return provider.Description{Provider: Name, API: API, Projection: projection}
}

// Send implements [provider.Provider].
func (p *Provider) Send(ctx context.Context, req *provider.Request, stream provider.Stream) (*provider.Response, error) {
	began := time.Now()
	r := &reader{req: req, stream: stream, began: began}
	if err := p.endpoint.Post(ctx, "/v1/messages", req, r.event); err != nil {
		return nil, err
	}
	resp := r.response()
	resp.Latency = time.Since(began)
	return resp, nil
}

// errorClass classes the error types of the API.
func errorClass(kind string) schema.ErrorClass {
	switch kind {
	case "overloaded_error":
		return schema.ErrorOverloaded
	case "rate_limit_error":
		return schema.ErrorRateLimit
	case "authentication_error", "permission_error", "billing_error":
		return schema.ErrorAuth
	case "invalid_request_error", "not_found_error", "request_too_large":
		return schema.ErrorBadRequest
	case "timeout_error":
		return schema.ErrorNetwork
	}
	return schema.ErrorServer
}
