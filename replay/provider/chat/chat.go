// Package chat asks models through the Chat Completions API
// (POST /chat/completions) as OpenAI and many compatible servers speak it. What
// servers differ in is a table: [Quirks].
package chat

import (
	"context"
	"errors"
	"io"
	"net/http"
	"time"

	"github.com/ownlog/ownlog/replay/provider"
)

// API is the name of the api, as it is recorded.
const API = "chat"

// projection is the version of the projection rules.
const projection = "chat-2"

// Config says how the API is reached.
type Config struct {
	Quirks  Quirks
	BaseURL string      // empty: the quirks'
	Key     string      // of the API; empty: none is sent
	Header  http.Header // sent besides
	Client  *http.Client
	Idle    time.Duration // see provider.Endpoint
}

// Provider asks through the Chat Completions API. It implements
// [provider.Provider].
type Provider struct {
	endpoint provider.Endpoint
	quirks   Quirks
	frames   provider.Frames
}

// New returns a provider.
func New(c Config) *Provider {
	e := provider.Endpoint{BaseURL: c.BaseURL, Header: c.Header, Client: c.Client, Idle: c.Idle}
	return &Provider{endpoint: provider.NewEndpoint(e, c.Quirks.BaseURL, "Authorization", c.Key), quirks: c.Quirks}
}

// Describe implements [provider.Provider].
func (p *Provider) Describe() provider.Description {
	return provider.Description{Provider: p.quirks.Name, API: API, Projection: projection}
}

// Send implements [provider.Provider].
func (p *Provider) Send(ctx context.Context, req *provider.Request, stream provider.Stream) (*provider.Response, error) {
	began := time.Now()
	r := &reader{req: req, stream: stream, began: began, name: p.quirks.Name}
	err := p.endpoint.Post(ctx, "/chat/completions", req, r.event)
	if err != nil && !(r.stop != "" && errors.Is(err, io.ErrUnexpectedEOF)) {
		return nil, err // a server that says why it stopped need not say [DONE]
	}
	resp := r.response()
	resp.Latency = time.Since(began)
	return resp, nil
}
