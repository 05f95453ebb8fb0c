// Package gemini asks models through Google's Gemini API
// (POST /v1beta/models/MODEL:streamGenerateContent).
package gemini

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/ownlog/ownlog/replay/provider"
)

// The names of the provider and of its api, as they are recorded.
const (
	Name = "google"
	API  = "generate_content"
)

// DefaultURL is where the vendor's own API is.
const DefaultURL = "https://generativelanguage.googleapis.com/v1beta"

// projection is the version of the projection rules.
const projection = "generate-content-2"

// Sentinel is the signature that the API's documentation gives for function
// calls of other models, which have none (Gemini API, "Thought signatures").
const Sentinel = "skip_thought_signature_validator"

// Config says how the API is reached.
type Config struct {
	BaseURL string      // empty: DefaultURL
	Key     string      // of the API; empty: none is sent
	Header  http.Header // sent besides
	Client  *http.Client
	Idle    time.Duration // see provider.Endpoint
	// NoSentinel sends calls of other models without a signature; Gemini 3 and
	// later refuse them.
	NoSentinel bool
}

// Provider asks through the Gemini API. It implements [provider.Provider].
type Provider struct {
	endpoint   provider.Endpoint
	noSentinel bool
	frames     provider.Frames
}

// New returns a provider.
func New(c Config) *Provider {
	e := provider.Endpoint{BaseURL: c.BaseURL, Header: c.Header, Client: c.Client, Idle: c.Idle}
	return &Provider{endpoint: provider.NewEndpoint(e, DefaultURL, "X-Goog-Api-Key", c.Key), noSentinel: c.NoSentinel}
}

// Describe implements [provider.Provider].
func (p *Provider) Describe() provider.Description {
	return provider.Description{Provider: Name, API: API, Projection: projection}
}

// Send implements [provider.Provider].
func (p *Provider) Send(ctx context.Context, req *provider.Request, stream provider.Stream) (*provider.Response, error) {
	began := time.Now()
	r := &reader{req: req, stream: stream, began: began}
	path := "/models/" + url.PathEscape(strings.TrimPrefix(req.Model, "models/")) + ":streamGenerateContent?alt=sse"
	err := p.endpoint.Post(ctx, path, req, r.event)
	if err != nil && !(r.stop != "" && errors.Is(err, io.ErrUnexpectedEOF)) {
		return nil, err // the API ends a stream without a last event
	}
	if err := r.refused(); err != nil {
		return nil, err
	}
	resp := r.response()
	resp.Latency = time.Since(began)
	return resp, nil
}

// generation returns the number behind "gemini-" in a model's id; a model that
// does not say counts as the newest.
func generation(model string) int {
	_, tail, ok := strings.Cut(model, "gemini-")
	if !ok {
		return 3
	}
	end := 0
	for end < len(tail) && tail[end] >= '0' && tail[end] <= '9' {
		end++
	}
	n, err := strconv.Atoi(tail[:end])
	if err != nil {
		return 3
	}
	return n
}
