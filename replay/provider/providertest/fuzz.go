package providertest

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/ownlog/ownlog/replay/provider"
	"github.com/ownlog/ownlog/schema"
)

// FuzzStream feeds a provider streams of any bytes: it must return a response or
// an [*provider.Error], and what it returns must be fit for a log and for another
// request. connect makes the provider with a client that gives those bytes.
func FuzzStream(f *testing.F, style Style, model string, connect func(client *http.Client) provider.Provider) {
	whole := Reply{Reasoning: "hm", Text: "text", Calls: []ReplyCall{{"c1", "look", `{"a":1}`}, {"c1", "look", "{bad"}}}
	f.Add([]byte(strings.Join(style.Events(&whole, 0), "\n\n") + "\n\n"))
	for _, event := range style.Events(&whole, 0) {
		f.Add([]byte(event + "\n\n"))
	}
	f.Add([]byte("data: {}\n\ndata: [DONE]\n\n"))
	f.Add([]byte(":\r\n\r\ndata:\r\n\r\n"))
	f.Fuzz(func(t *testing.T, stream []byte) {
		p := connect(&http.Client{Transport: bytesTransport(stream)})
		view := &provider.View{Model: model, Messages: []schema.Message{user(0, "hello")}}
		req, err := p.Project(t.Context(), view)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := p.Send(t.Context(), req, func(provider.Delta) {})
		var e *provider.Error
		if err != nil {
			if !errors.As(err, &e) || e.Class == "" {
				t.Fatalf("%v is no *provider.Error with a class", err)
			}
			return
		}
		m := schema.Message{Role: schema.RoleModel, Seq: 1, Turn: 1, Step: 1, Model: resp.Model, Blocks: resp.Blocks}
		for i := range m.Blocks {
			if m.Blocks[i].Type == schema.BlockToolCall {
				m.Blocks[i].CallKey = schema.NewCallKey(1, 1, int64(i))
			}
		}
		view.Messages = append(view.Messages, m, user(2, "and then"))
		if _, err := p.Project(t.Context(), view); err != nil {
			t.Fatalf("a response does not go back: %v", err)
		}
	})
}

// bytesTransport answers every request with the same stream.
type bytesTransport []byte

// RoundTrip implements [http.RoundTripper].
func (b bytesTransport) RoundTrip(*http.Request) (*http.Response, error) {
	return &http.Response{
		StatusCode: http.StatusOK, Header: http.Header{"Content-Type": {"text/event-stream"}}, Body: io.NopCloser(bytes.NewReader(b)),
	}, nil
}
