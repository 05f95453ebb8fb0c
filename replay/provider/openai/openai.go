// Package openai asks models through OpenAI's Responses API (POST /responses)
// and what speaks it. The provider keeps nothing: requests say store:false and
// carry the whole history, encrypted reasoning included.
package openai

import (
	"cmp"
	"context"
	"net/http"
	"time"

	"github.com/ownlog/ownlog/replay/provider"
)

// The names of the provider and of its api, as they are recorded.
const (
	Name = "openai"
	API  = "responses"
)

// DefaultURL is where the vendor's own API is.
const DefaultURL = "https://api.openai.com/v1"

// projection is the version of the projection rules.
const projection = "responses-2"

// Config says how the API is reached.
type Config struct {
	// Name is the provider as it is recorded; seals go back to the same name
	// only. Empty: Name.
	Name    string
	BaseURL string      // empty: DefaultURL
	Key     string      // of the API; empty: none is sent
	Header  http.Header // sent besides
	Client  *http.Client
	Idle    time.Duration // see provider.Endpoint
}

// Provider asks through the Responses API. It implements [provider.Provider].
type Provider struct {
	endpoint provider.Endpoint
	name     string
	frames   provider.Frames
}

// New returns a provider.
func New(c Config) *Provider {
	e := provider.Endpoint{BaseURL: c.BaseURL, Header: c.Header, Client: c.Client, Idle: c.Idle}
	return &Provider{endpoint: provider.NewEndpoint(e, DefaultURL, "Authorization", c.Key), name: cmp.Or(c.Name, Name)}
}

// Describe implements [provider.Provider].
func (p *Provider) Describe() provider.Description {
	return provider.Description{Provider: p.name, API: API, Projection: projection}
}

// Send implements [provider.Provider].
func (p *Provider) Send(ctx context.Context, req *provider.Request, stream provider.Stream) (*provider.Response, error) {
	began := time.Now()
	r := &reader{req: req, stream: stream, began: began, name: p.name, items: make(map[int]item)}
	if err := p.endpoint.Post(ctx, "/responses", req, r.event); err != nil {
		return nil, err
	}
	resp := r.response()
	resp.Latency = time.Since(began)
	return resp, nil
}
