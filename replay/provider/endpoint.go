package provider

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/ownlog/ownlog/schema"
)

// Endpoint is where an API is reached; [NewEndpoint] makes one. Its fields are set
// once; then it is safe for concurrent use.
type Endpoint struct {
	// BaseURL is what the API's path is appended to, without a slash at its end.
	BaseURL string
	// Header is sent with every request. Values of a key belong here and
	// nowhere else; what the API says of them in an error is blotted out.
	Header http.Header
	// Client sends. Nil: one without redirects and without a time limit for
	// the whole, as streams may be long.
	Client *http.Client
	// Idle is how long a stream may be silent; 0: DefaultIdle.
	Idle time.Duration
	// Classify, if not nil, corrects the class of a failed request.
	Classify func(status int, message string, class schema.ErrorClass) schema.ErrorClass
}

// NewEndpoint returns e with what an API needs besides: its default address, if e
// has none, and the key, if there is one, in the header keyHeader. The header of e
// is copied.
func NewEndpoint(e Endpoint, defaultURL, keyHeader, key string) Endpoint {
	header := http.Header{}
	for name, values := range e.Header {
		header[http.CanonicalHeaderKey(name)] = slices.Clone(values)
	}
	switch {
	case key == "":
	case keyHeader == "Authorization":
		header.Set(keyHeader, "Bearer "+key)
	default:
		header.Set(keyHeader, key)
	}
	e.Header = header
	e.BaseURL = strings.TrimSuffix(cmp.Or(e.BaseURL, defaultURL), "/")
	return e
}

// DefaultIdle is how long a stream may be silent before it counts as dead.
const DefaultIdle = 5 * time.Minute

// maxErrorBody bounds what is read of an error's body.
const maxErrorBody = 64 << 10

// ErrIdle: the provider has sent nothing for too long.
var ErrIdle = errors.New("the provider has sent nothing for too long")

var noRedirects = &http.Client{
	CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
}

// Post sends a request's body to a path of the API and gives the events of the
// answer to each, until the stream ends or each returns an error. io.EOF from
// each ends the stream in good order. Every failure is an [*Error].
func (e *Endpoint) Post(ctx context.Context, path string, asked *Request, each func(StreamEvent) error) error {
	err := e.post(ctx, path, asked, each)
	if err == nil {
		return nil
	}
	failure := AsError(ctx, err)
	failure.Message = e.blot(failure.Message)
	return failure
}

func (e *Endpoint) post(ctx context.Context, path string, asked *Request, each func(StreamEvent) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, e.BaseURL+path, asked.Reader())
	if err != nil {
		return &Error{Class: schema.ErrorBadRequest, Message: "the address of the API is not a URL", Err: err}
	}
	req.ContentLength = asked.Size()
	req.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(asked.Reader()), nil }
	for name, values := range e.Header {
		req.Header[name] = values
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Accept", "text/event-stream")
	client := e.Client
	if client == nil {
		client = noRedirects
	}
	idle := e.Idle
	if idle <= 0 {
		idle = DefaultIdle
	}
	watchdog := time.AfterFunc(idle, func() { cancel(ErrIdle) })
	defer watchdog.Stop()
	resp, err := client.Do(req)
	if err != nil {
		return e.broken(ctx, err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return e.refused(resp)
	}
	events := NewEventReader(&heard{resp.Body, func() { watchdog.Reset(idle) }})
	for {
		ev, err := events.Next()
		if errors.Is(err, io.EOF) {
			return &Error{Class: schema.ErrorNetwork, Message: "the stream ended before the response did", Err: io.ErrUnexpectedEOF}
		}
		if err != nil {
			return e.broken(ctx, err)
		}
		if err := each(ev); err != nil {
			if errors.Is(err, io.EOF) {
				return nil
			}
			return AsError(ctx, err)
		}
	}
}

// heard tells of every read that gave something: comments, too, say that the other
// side is alive.
type heard struct {
	io.Reader
	tell func()
}

// Read implements [io.Reader].
func (h *heard) Read(b []byte) (int, error) {
	n, err := h.Reader.Read(b)
	if n > 0 {
		h.tell()
	}
	return n, err
}

// shortestSecret is the length from which a header's value is looked for in what
// the API says; shorter ones are no keys.
const shortestSecret = 8

// blot takes the values of headers out of a text: some APIs repeat a key that they
// refuse.
func (e *Endpoint) blot(text string) string {
	var secrets []string
	for name, values := range e.Header {
		if name == "Anthropic-Version" {
			continue
		}
		for _, v := range values {
			secrets = append(secrets, v, strings.TrimPrefix(v, "Bearer "))
		}
	}
	// One may be the beginning of another.
	slices.SortFunc(secrets, func(a, b string) int { return cmp.Compare(len(b), len(a)) })
	for _, secret := range secrets {
		if len(secret) >= shortestSecret {
			text = strings.ReplaceAll(text, secret, "[key]")
		}
	}
	return text
}

func (e *Endpoint) broken(ctx context.Context, err error) *Error {
	if cause := context.Cause(ctx); errors.Is(cause, ErrIdle) {
		return &Error{Class: schema.ErrorNetwork, Message: cause.Error(), Err: cause}
	}
	return AsError(ctx, err)
}

// refused makes an error of an answer that is none.
func (e *Endpoint) refused(resp *http.Response) *Error {
	body, _ := io.ReadAll(io.LimitReader(resp.Body, maxErrorBody))
	out := &Error{
		Class: ClassOf(resp.StatusCode), HTTPStatus: resp.StatusCode, Message: errorMessage(body),
		RetryAfter: retryAfter(resp.Header),
	}
	if out.Message == "" {
		out.Message = http.StatusText(resp.StatusCode)
	}
	if overflows(out.Message) {
		out.Class = schema.ErrorContextOverflow
	}
	if e.Classify != nil {
		out.Class = e.Classify(resp.StatusCode, out.Message, out.Class)
	}
	return out
}

// ClassOf classes a failed request by its HTTP status.
func ClassOf(status int) schema.ErrorClass {
	switch {
	case status == http.StatusTooManyRequests:
		return schema.ErrorRateLimit
	case status == 529, status == http.StatusServiceUnavailable:
		return schema.ErrorOverloaded
	case status == http.StatusUnauthorized, status == http.StatusForbidden:
		return schema.ErrorAuth
	case status == http.StatusRequestTimeout, status == http.StatusBadGateway, status == http.StatusGatewayTimeout:
		return schema.ErrorNetwork
	case status >= 500:
		return schema.ErrorServer
	case status >= 400:
		return schema.ErrorBadRequest
	}
	return schema.ErrorOther
}

// overflows reports whether a provider says that the request is too long for
// the model. The phrases are those of Anthropic, OpenAI, Google and of llama.cpp
// and vLLM.
func overflows(message string) bool {
	m := strings.ToLower(message)
	for _, phrase := range []string{
		"prompt is too long", "context_length_exceeded", "maximum context length", "context window",
		"exceeds the maximum number of tokens", "exceeds the available context size", "input length and `max_tokens` exceed",
	} {
		if strings.Contains(m, phrase) {
			return true
		}
	}
	return false
}

// errorMessage finds the message in the body of an error.
func errorMessage(body []byte) string {
	var shape struct {
		Error struct {
			Message string `json:"message"`
			Code    any    `json:"code"`
		} `json:"error"`
		Message string `json:"message"`
	}
	if json.Unmarshal(body, &shape) == nil {
		if code, ok := shape.Error.Code.(string); ok && shape.Error.Message != "" && !strings.Contains(shape.Error.Message, code) {
			return shape.Error.Message + " (" + code + ")"
		}
		if shape.Error.Message != "" {
			return shape.Error.Message
		}
		if shape.Message != "" {
			return shape.Message
		}
	}
	text := strings.ToValidUTF8(strings.TrimSpace(string(body)), "\uFFFD")
	if len(text) > 500 {
		text = strings.ToValidUTF8(text[:500], "") + "..."
	}
	return text
}

// retryAfter reads how long the provider asks to wait: Retry-After in seconds
// or as a date by the provider's clock, or retry-after-ms.
func retryAfter(h http.Header) time.Duration {
	if ms, err := strconv.ParseInt(h.Get("Retry-After-Ms"), 10, 32); err == nil && ms > 0 {
		return time.Duration(ms) * time.Millisecond
	}
	v := h.Get("Retry-After")
	if s, err := strconv.ParseFloat(v, 64); err == nil {
		if s > 0 && s < longestWait.Seconds() {
			return time.Duration(s * float64(time.Second))
		}
		return 0
	}
	at, err := http.ParseTime(v)
	if err != nil {
		return 0
	}
	date, err := http.ParseTime(h.Get("Date"))
	if err != nil {
		date = time.Now() // the best guess at its clock
	}
	if wait := at.Sub(date); wait > 0 && wait < longestWait {
		return wait
	}
	return 0
}

// longestWait is what a provider may ask for; more is taken for a mistake.
const longestWait = 7 * 24 * time.Hour

// Malformed is the failure of a stream that does not say what it should.
func Malformed(what string, data []byte) *Error {
	show := strings.ToValidUTF8(string(data[:min(len(data), 200)]), "\uFFFD")
	return &Error{Class: schema.ErrorServer, Message: fmt.Sprintf("malformed stream: %s: %s", what, show)}
}

// JoinParams puts the members of params, a JSON object, into a request body
// behind its own; members the projection sets itself are left out.
func JoinParams(body, params []byte, own ...string) ([]byte, error) {
	if len(params) == 0 {
		return body, nil
	}
	members, err := objectMembers(params)
	if err != nil {
		return nil, fmt.Errorf("model parameters: %w", err)
	}
	out := body[:len(body)-1]
	for _, m := range members {
		taken := false
		for _, name := range own {
			taken = taken || m.name == name
		}
		if taken {
			continue
		}
		quoted, err := json.Marshal(m.name)
		if err != nil {
			return nil, fmt.Errorf("model parameters: %w", err)
		}
		out = append(append(append(append(out, ','), quoted...), ':'), m.value...)
	}
	return append(out, '}'), nil
}
