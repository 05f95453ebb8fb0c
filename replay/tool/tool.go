// Package tool is what a model may have done: the [Tool] interface, the [Set] a
// session works with, and built-in tools confined to a working directory.
//
// # Promises
//
//   - Built-in file tools reach nothing outside the working directory, not
//     through symbolic links either ([os.Root]).
//   - Output and time are bounded by [Limits]; what is cut off is said.
//
// # Not promised
//
//   - That the shell is confined. It starts in the working directory and may do
//     whatever the user may; hence it is effectful and asks for permission.
package tool

import (
	"context"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/ownlog/ownlog/schema"
)

// Tool does one kind of work. Implementations are safe for concurrent use.
type Tool interface {
	// Definition is the tool as the model is told of it, its effect included.
	// It is constant.
	Definition() schema.ToolDefinition
	// Run does the work. What the work comes to, failure included, is in the
	// Result; an error means that nothing is known of the outcome. When ctx
	// ends, Run stops what it started and returns.
	Run(ctx context.Context, call Call) (Result, error)
}

// Call is one dispatch of a tool.
type Call struct {
	Key schema.CallKey
	// Name is the tool as the model called it; a vendor's name where the
	// session uses the vendor's vocabulary.
	Name string
	// Args is a JSON object. Nil: the model wrote something else, see Text.
	Args jsontext.Value
	// Text is the input of a free-form call, or arguments that are not a JSON
	// object.
	Text string
	// Attempt counts the dispatches of this call, from 1.
	Attempt int64
	// IdempotencyKey is the same for every attempt.
	IdempotencyKey string
	// Token entitles whoever holds it to append the result.
	Token string
	// Workspace is where the call works. Nil: nowhere; tools that need a
	// directory fail.
	Workspace *Workspace
	Limits    Limits
}

// Result is what a call came to.
type Result struct {
	Status schema.Status
	// Content is what the model is told.
	Content []schema.Part
	// Images are shown after the content. The executor stores them as blobs.
	Images     []Image
	ExitCode   *int64
	Structured jsontext.Value
	Files      []schema.FileChanged
	// Detached: the work goes on elsewhere; whoever holds the token appends the
	// result. Nothing else of the Result counts then.
	Detached bool
}

// Image is a picture in a result.
type Image struct {
	Media string // such as image/png
	Bytes []byte
}

// Limits bound a call. Zero values stand for the defaults.
type Limits struct {
	Time   time.Duration // of one call
	Output int           // bytes of content
}

// The default limits.
const (
	DefaultTime   = 2 * time.Minute
	DefaultOutput = 48 << 10
)

func (l Limits) time() time.Duration {
	if l.Time > 0 {
		return l.Time
	}
	return DefaultTime
}

func (l Limits) output() int {
	if l.Output > 0 {
		return l.Output
	}
	return DefaultOutput
}

// errorResult is the result of a call that failed.
func errorResult(msg string) Result {
	return Result{Status: schema.StatusError, Content: []schema.Part{schema.TextPart(msg)}}
}

func textResult(text string) Result {
	return Result{Status: schema.StatusOK, Content: []schema.Part{schema.TextPart(text)}}
}

// Set is the tools of a session by name. A later tool of the same name
// replaces an earlier one. The zero Set is empty.
type Set struct {
	tools map[string]Tool
	order []string
}

// NewSet returns the set of the given tools.
func NewSet(tools ...Tool) *Set {
	s := new(Set)
	for _, t := range tools {
		s.Add(t.Definition().Name, t)
	}
	return s
}

// Add makes a tool known under a name, its own or a vendor's.
func (s *Set) Add(name string, t Tool) {
	if s.tools == nil {
		s.tools = make(map[string]Tool)
	}
	if _, there := s.tools[name]; !there {
		s.order = append(s.order, name)
	}
	s.tools[name] = t
}

// Lookup returns the tool of a name.
func (s *Set) Lookup(name string) (Tool, bool) {
	if s == nil {
		return nil, false
	}
	t, ok := s.tools[name]
	return t, ok
}

// Effect returns what repeating a call of the named tool would do. Unknown
// tools are effectful.
func (s *Set) Effect(name string) schema.Effect {
	if t, ok := s.Lookup(name); ok {
		if e := t.Definition().Effect; e != "" {
			return e
		}
	}
	return schema.EffectEffectful
}

// Definitions returns the tools as a model is told of them, in the order they
// were added, under the names they were added by.
func (s *Set) Definitions() []schema.ToolDefinition {
	defs := make([]schema.ToolDefinition, 0, len(s.order))
	for _, name := range s.order {
		d := s.tools[name].Definition()
		d.Name = name
		defs = append(defs, d)
	}
	return defs
}
