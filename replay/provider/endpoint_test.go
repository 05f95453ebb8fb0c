package provider_test

import (
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ownlog/ownlog/replay/provider"
)

// slow is a body of pieces with a pause before each.
type slow struct {
	pieces []string
	pause  time.Duration
	closed chan struct{}
}

func (s *slow) Read(b []byte) (int, error) {
	select {
	case <-time.After(s.pause):
	case <-s.closed:
		return 0, errors.New("closed")
	}
	if len(s.pieces) == 0 {
		return 0, io.EOF
	}
	n := copy(b, s.pieces[0])
	s.pieces = s.pieces[1:]
	return n, nil
}

func (s *slow) Close() error { return nil }

// RoundTrip implements [http.RoundTripper].
func (s *slow) RoundTrip(r *http.Request) (*http.Response, error) {
	s.closed = make(chan struct{})
	go func() {
		<-r.Context().Done()
		close(s.closed)
	}()
	return &http.Response{StatusCode: http.StatusOK, Body: s, Request: r}, nil
}

// TestPauses: a stream may be slow, and whatever comes counts as a sign of life,
// comments too; one that says nothing for longer than Idle is given up.
func TestPauses(t *testing.T) {
	comments := make([]string, 20)
	for i := range comments {
		comments[i] = ": working\n\n"
	}
	tests := []struct {
		name   string
		pieces []string
		pause  time.Duration
		idle   bool
	}{
		{"comments, then the end", append(comments, "data: end\n\n"), 40 * time.Second, false},
		{"an event in pieces", []string{"da", "ta: ", "en", "d\n", "\n"}, 59 * time.Second, false},
		{"silence", []string{"data: end\n\n"}, 61 * time.Second, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				e := provider.NewEndpoint(provider.Endpoint{
					Client: &http.Client{Transport: &slow{pieces: tt.pieces, pause: tt.pause}}, Idle: time.Minute,
				}, "http://localhost", "", "")
				err := e.Post(t.Context(), "/x", new(provider.Request), func(provider.StreamEvent) error { return io.EOF })
				if errors.Is(err, provider.ErrIdle) != tt.idle || !tt.idle && err != nil {
					t.Errorf("ended with %v, want idle %t", err, tt.idle)
				}
			})
		})
	}
}

// answer is a response to every request.
type answer struct {
	status int
	body   string
	seen   *http.Request
}

// RoundTrip implements [http.RoundTripper].
func (a *answer) RoundTrip(r *http.Request) (*http.Response, error) {
	a.seen = r
	return &http.Response{StatusCode: a.status, Body: io.NopCloser(strings.NewReader(a.body)), Request: r}, nil
}

// TestKeysAreBlottedOut: an API that repeats a key in what it says gets it into no
// error, whichever header it came in.
func TestKeysAreBlottedOut(t *testing.T) {
	const key, other = "sk-0123456789", "token-of-a-proxy"
	bodies := map[string]answer{
		"refused":   {status: 401, body: `{"error":{"message":"wrong key sk-0123456789 from token-of-a-proxy"}}`},
		"no JSON":   {status: 500, body: "debug: Authorization: Bearer sk-0123456789, token-of-a-proxy"},
		"in stream": {status: 200, body: "data: {\"sk-0123456789\":\"token-of-a-proxy\"}\n\n"},
	}
	for name, a := range bodies {
		for _, header := range []string{"Authorization", "X-Api-Key"} {
			e := provider.NewEndpoint(provider.Endpoint{
				Header: http.Header{"x-proxy": {other}}, Client: &http.Client{Transport: &a},
			}, "http://localhost", header, key)
			err := e.Post(t.Context(), "/x", new(provider.Request), func(ev provider.StreamEvent) error {
				return provider.Malformed("not an event", ev.Data)
			})
			var failure *provider.Error
			if !errors.As(err, &failure) {
				t.Fatalf("%s: %v is no *provider.Error", name, err)
			}
			if strings.Contains(err.Error(), key) || strings.Contains(err.Error(), other) || !strings.Contains(err.Error(), "[key]") {
				t.Errorf("%s, %s: the error is %q", name, header, err)
			}
			if !strings.HasSuffix(a.seen.Header.Get(header), key) || a.seen.Header.Get("X-Proxy") != other {
				t.Errorf("%s, %s: sent with %v", name, header, a.seen.Header)
			}
		}
	}
}

// TestRetryAfter: the wait that a provider asks for, in seconds or until a date by
// its clock, or by ours if it does not tell the time.
func TestRetryAfter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		now := time.Now().UTC()
		at := func(d time.Duration) string { return now.Add(d).Format(http.TimeFormat) }
		for _, tt := range []struct {
			header map[string]string
			want   time.Duration
		}{
			{map[string]string{}, 0},
			{map[string]string{"Retry-After": "1.5"}, 1500 * time.Millisecond},
			{map[string]string{"Retry-After": "7", "Retry-After-Ms": "20"}, 20 * time.Millisecond},
			{map[string]string{"Retry-After": "-1"}, 0},
			{map[string]string{"Retry-After": "NaN"}, 0},
			{map[string]string{"Retry-After": "-Inf"}, 0},
			{map[string]string{"Retry-After": "1e30"}, 0},
			{map[string]string{"Retry-After": "soon"}, 0},
			{map[string]string{"Retry-After": at(time.Minute)}, time.Minute},
			{map[string]string{"Retry-After": at(-time.Minute)}, 0},
			{map[string]string{"Retry-After": at(1000 * time.Hour)}, 0},
			{map[string]string{"Retry-After": at(time.Minute), "Date": at(-time.Hour)}, 61 * time.Minute},
			{map[string]string{"Retry-After": at(time.Minute), "Date": at(time.Hour)}, 0},
			{map[string]string{"Retry-After": at(time.Minute), "Date": "today"}, time.Minute},
		} {
			answer := refusal{Header: make(http.Header), StatusCode: http.StatusTooManyRequests, Body: http.NoBody}
			for name, value := range tt.header {
				answer.Header.Set(name, value)
			}
			client := &http.Client{Transport: answer}
			e := provider.NewEndpoint(provider.Endpoint{Client: client}, "http://localhost", "Authorization", "")
			err := e.Post(t.Context(), "/", &provider.Request{}, func(provider.StreamEvent) error { return nil })
			var refused *provider.Error
			if !errors.As(err, &refused) || refused.RetryAfter != tt.want {
				t.Errorf("%v: %v, want a wait of %s", tt.header, err, tt.want)
			}
		}
	})
}

// refusal is the answer to every request.
type refusal http.Response

// RoundTrip implements [http.RoundTripper].
func (r refusal) RoundTrip(*http.Request) (*http.Response, error) {
	resp := http.Response(r)
	return &resp, nil
}
