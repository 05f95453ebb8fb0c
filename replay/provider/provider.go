// Package provider is how the replay engine asks a model for its next response:
// the [Provider] interface, what a projection may look at ([View]), what it makes
// of it ([Request]) and what comes back ([Response]).
//
// # Promises
//
//   - A projection is pure: the same view gives the same bytes. It is
//     prefix-stable: the projection of a history is a prefix of the projection of
//     the longer history, unless the new entry is a compaction or an edit.
//   - What a provider signed or encrypted (a seal) goes back to the same provider,
//     api and model byte for byte, and to nobody else.
//   - What a projection cannot say to its provider is in [Request.Losses].
//   - Keys come from the environment, are put into headers only, and are in no
//     error, event or request body.
package provider

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"time"

	"github.com/ownlog/ownlog/format"
	"github.com/ownlog/ownlog/schema"
)

// Provider answers requests. Implementations are safe for concurrent use.
//
// Package providertest has the acceptance suite every implementation must pass.
type Provider interface {
	// Describe names the provider. It is constant.
	Describe() Description
	// Project makes the request for the next response from a view. It is pure
	// and prefix-stable; ctx bounds the reading of blobs, nothing else.
	Project(ctx context.Context, view *View) (*Request, error)
	// Send asks for the response. Pieces are shown to stream, if it is not nil,
	// as they arrive; only the Response counts. A failure is an [*Error].
	Send(ctx context.Context, req *Request, stream Stream) (*Response, error)
}

// Description says who answers and under which rules.
type Description struct {
	Provider   string // as it is recorded in the log: "anthropic", "openai", ...
	API        string // "messages", "responses", "chat", "generate_content", "scripted"
	Projection string // version of the projection rules
}

// View is all that a projection may look at.
type View struct {
	// Definition is the session's: system prompt, tools, model parameters.
	Definition schema.Definition
	// Messages are those of the live branch, in order.
	Messages []schema.Message
	// Model is the id of the model to ask.
	Model string
	// Blobs gives the content of what the log holds beside itself. Nil: blobs
	// are named, not sent.
	Blobs Blobs
}

// Blobs opens blobs by digest; every [format.Store] does.
type Blobs interface {
	OpenBlob(ctx context.Context, digest format.Hash) (io.ReadCloser, error)
}

// MaxBlob is the largest blob, in bytes, that a projection reads.
const MaxBlob = 64 << 20

// ReadBlob returns the content of a blob. It refuses blobs above [MaxBlob].
func ReadBlob(ctx context.Context, blobs Blobs, b *schema.Blob) ([]byte, error) {
	if blobs == nil {
		return nil, fmt.Errorf("blob %s: %w", b.Digest, format.ErrNotFound)
	}
	digest, err := ParseDigest(b.Digest)
	if err != nil {
		return nil, err
	}
	r, err := blobs.OpenBlob(ctx, digest)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	content, err := io.ReadAll(io.LimitReader(r, MaxBlob+1))
	if err != nil {
		return nil, fmt.Errorf("blob %s: %w", b.Digest, err)
	}
	if len(content) > MaxBlob {
		return nil, fmt.Errorf("blob %s: more than %d bytes, too much for a request", b.Digest, MaxBlob)
	}
	return content, nil
}

// digestPrefix is how the digest of a blob begins in an event.
const digestPrefix = "sha256:"

// ParseDigest reads the digest of a blob as events spell it.
func ParseDigest(s string) (format.Hash, error) {
	if len(s) < len(digestPrefix) || s[:len(digestPrefix)] != digestPrefix {
		return format.Hash{}, fmt.Errorf("blob digest %q: want %s and 64 hexadecimal digits", s, digestPrefix)
	}
	return format.ParseHash(s[len(digestPrefix):])
}

// Digest spells the digest of a blob as events do.
func Digest(h format.Hash) string { return digestPrefix + h.String() }

// Request is a projected request.
type Request struct {
	// Body is what is sent, to the byte; or, from a [Projector], all of it but
	// Tail. Both are read-only: the next request of the session shares Body.
	Body []byte
	// Tail stands behind Body.
	Tail []byte
	// Model is the id of the model that is asked.
	Model string
	// Losses are what the view says and the body does not.
	Losses []schema.Loss
	// Tools maps the names of tools on the wire to those of the log, where they
	// differ.
	Tools map[string]string
	// Attempt counts the times this request is sent, from 1. It is not part of
	// the body; the executor sets it.
	Attempt int64

	sum hash.Cloner // a SHA-256 that has read Body; nil: none has
}

// Reader returns a reader of the whole body, Tail included.
func (r *Request) Reader() io.Reader {
	return io.MultiReader(bytes.NewReader(r.Body), bytes.NewReader(r.Tail))
}

// Size is the length of the whole body in bytes.
func (r *Request) Size() int64 { return int64(len(r.Body) + len(r.Tail)) }

// SHA256 returns the digest of the whole body in lower-case hexadecimal.
func (r *Request) SHA256() string {
	h := sha256.New()
	if r.sum != nil {
		if read, err := r.sum.Clone(); err == nil {
			read.Write(r.Tail)
			return hex.EncodeToString(read.Sum(nil))
		}
	}
	h.Write(r.Body)
	h.Write(r.Tail)
	return hex.EncodeToString(h.Sum(nil))
}

// ToolName returns the log's name of a tool that the wire calls name.
func (r *Request) ToolName(name string) string {
	if own, ok := r.Tools[name]; ok {
		return own
	}
	return name
}

// Response is a model's whole answer.
type Response struct {
	Model      string // that answered, as the provider names it
	ID         string // the provider's
	StopReason string // in the provider's words
	// Blocks are verbatim, seals included. Of tool calls VendorID, Name (the
	// log's), Kind, Args and ArgsRaw are set; index and call key are the
	// executor's business.
	Blocks   []schema.Block
	Usage    *schema.Usage
	CostNUSD *int64        // as the provider states it, in 10^-9 USD
	Latency  time.Duration // to the end
	First    time.Duration // to the first piece; 0 if unknown
}

// Stream is shown pieces of a response as they arrive. They are for people's
// eyes; a stream that breaks off has shown what no response will hold. It is
// called from one goroutine at a time and must not block for long.
type Stream func(Delta)

// Delta is a piece of a response.
type Delta struct {
	Kind  DeltaKind
	Block int    // position of the block in the response, from 0
	Text  string // what was added
	Tool  string // of a tool call: the log's name of the tool
}

// DeltaKind says what a [Delta] adds to.
type DeltaKind string

// The kinds of deltas.
const (
	DeltaText      DeltaKind = "text"
	DeltaReasoning DeltaKind = "reasoning"
	DeltaToolCall  DeltaKind = "tool_call" // text is a piece of the arguments
)

// Error is a request without a usable answer.
type Error struct {
	Class      schema.ErrorClass
	HTTPStatus int           // 0: there was none
	RetryAfter time.Duration // as the provider asks; 0: it does not
	Message    string        // the provider's, or what went wrong; holds no key
	Err        error         // the cause, may be nil
}

func (e *Error) Error() string {
	s := "provider: " + string(e.Class)
	if e.HTTPStatus != 0 {
		s += fmt.Sprintf(" (HTTP %d)", e.HTTPStatus)
	}
	if e.Message != "" {
		s += ": " + e.Message
	}
	return s
}

func (e *Error) Unwrap() error { return e.Err }

// Retryable reports whether the same request may succeed later.
func (e *Error) Retryable() bool { return RetryableClass(e.Class) }

// RetryableClass reports whether a request that failed so may succeed later.
func RetryableClass(class schema.ErrorClass) bool {
	switch class {
	case schema.ErrorRateLimit, schema.ErrorOverloaded, schema.ErrorNetwork, schema.ErrorServer:
		return true
	}
	return false
}

// AsError makes any error of a request an [*Error]: the end of ctx is
// cancelled, everything else without a class a failure of the network.
func AsError(ctx context.Context, err error) *Error {
	var e *Error
	if errors.As(err, &e) {
		return e
	}
	if ctx.Err() != nil {
		return &Error{Class: schema.ErrorCancelled, Message: context.Cause(ctx).Error(), Err: err}
	}
	return &Error{Class: schema.ErrorNetwork, Message: err.Error(), Err: err}
}

// Stop is why a model stopped, in one vocabulary for all providers.
type Stop int

// The reasons to stop.
const (
	StopEnd       Stop = iota // it said what it had to say, or waits for results
	StopMaxTokens             // the response was cut off
	StopRefusal               // it or a filter refused
	StopPause                 // it wants to go on and asks to be called again
)

// StopOf reads a provider's stop reason. Words it does not know are StopEnd.
func StopOf(reason string) Stop {
	switch reason {
	case "max_tokens", "length", "max_output_tokens", "incomplete", "MAX_TOKENS", "model_context_window_exceeded":
		return StopMaxTokens
	case "refusal", "content_filter", "SAFETY", "PROHIBITED_CONTENT", "BLOCKLIST", "SPII", "RECITATION":
		return StopRefusal
	case "pause_turn":
		return StopPause
	}
	return StopEnd
}
