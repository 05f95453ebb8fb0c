package providertest

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/ownlog/ownlog/replay/provider"
	"github.com/ownlog/ownlog/schema"
)

// Acceptance is the suite that every provider must pass.
type Acceptance struct {
	Style Style
	// Connect makes the provider of a server's base URL, which sends [Key] as
	// its key and gives up a stream that is silent for idle.
	Connect func(baseURL string, idle time.Duration) provider.Provider
	Model   string
	// StopMaxTokens is how the API says that a response was cut off.
	StopMaxTokens string
	// InStream are error events as the API sends them in the middle of a
	// stream, and the class each has.
	InStream map[string]schema.ErrorClass
	// Overflow is how the API says that a request is too long.
	Overflow string
	// Trailing is how many events before the last one come when the response is
	// complete already.
	Trailing int
	// NoSeal: the API seals no reasoning.
	NoSeal bool
}

// Run runs the suite.
func (a Acceptance) Run(t *testing.T) {
	t.Run("conversation", a.conversation)
	t.Run("cut off", a.cutOff)
	t.Run("failures", a.failures)
	t.Run("pauses", a.pauses)
	t.Run("broken streams", a.brokenStreams)
	t.Run("cancellation", a.cancellation)
}

func (a Acceptance) view(messages ...schema.Message) *provider.View {
	return &provider.View{
		Definition: schema.Definition{
			System: []string{"You are a test."},
			Tools: []schema.ToolDefinition{
				{Name: "look", Schema: []byte(`{"type":"object","properties":{}}`)},
				{Name: "naïve tool", Schema: []byte(`{"type":"object","properties":{}}`)},
			},
		},
		Model: a.Model, Messages: messages,
	}
}

func user(seq int64, text string) schema.Message {
	return schema.Message{Role: schema.RoleUser, Seq: seq, Turn: 1, Content: []schema.Part{schema.TextPart(text)}}
}

// conversation takes a response with sealed reasoning and parallel calls, and
// sends it back: a strict server checks the seals.
func (a Acceptance) conversation(t *testing.T) {
	wire := provider.WireName("naïve tool")
	server := NewServer(t, a.Style,
		Reply{Reasoning: "I th\u00efnk", Text: "Looking around.", Calls: []ReplyCall{
			{"call_A", "look", `{"n":1.50,"s":"\u00e9"}`}, {"call_B", wire, `{}`}, {"call_A", "look", `{"n":2}`},
		}},
		Reply{Reasoning: "Now I know.", Text: "Done, é."},
		Reply{Text: "Again."},
	)
	p := a.Connect(server.URL, 0)
	view := a.view(user(0, "look around"))
	resp, deltas := a.send(t, p, view)
	if len(deltas[provider.DeltaText]) != 2 || strings.Join(deltas[provider.DeltaText], "") != "Looking around." {
		t.Errorf("text streamed as %q", deltas[provider.DeltaText])
	}
	if strings.Join(deltas[provider.DeltaReasoning], "") != "I th\u00efnk" {
		t.Errorf("reasoning streamed as %q", deltas[provider.DeltaReasoning])
	}
	if resp.ID == "" || resp.Model == "" || resp.StopReason == "" || resp.Latency <= 0 || resp.First <= 0 {
		t.Errorf("the response lacks an id, model, stop reason, latency or time to the first piece: %+v", resp)
	}
	checkUsage(t, resp.Usage)
	names := []string{"look", "naïve tool", "look"}
	var calls []schema.Block
	for _, b := range resp.Blocks {
		if b.Type == schema.BlockToolCall {
			calls = append(calls, b)
		}
	}
	if len(calls) != 3 {
		t.Fatalf("%d calls, want 3: %+v", len(calls), resp.Blocks)
	}
	for i, b := range calls {
		if b.Name != names[i] || b.Args.Kind() != '{' {
			t.Errorf("call %d: %s %s, want %s and an object", i, b.Name, b.Args, names[i])
		}
	}
	if got := string(calls[0].Args); got != `{"n":1.50,"s":"\u00e9"}` {
		t.Errorf("arguments changed to %s", got)
	}
	view.Messages = append(view.Messages, a.answered(resp, 1, 1)...)
	resp2, _ := a.send(t, p, view)
	view.Messages = append(view.Messages, a.answered(resp2, 10, 2)...)
	view.Messages = append(view.Messages, user(20, "and again"))
	a.send(t, p, view)
	last := string(server.Bodies[2])
	for _, r := range []*provider.Response{resp, resp2} {
		for _, b := range r.Blocks {
			if b.Seal != nil && b.Type != schema.BlockToolCall && !a.NoSeal && !strings.Contains(last, strings.Trim(string(b.Seal.Item), "{}")) {
				t.Errorf("the seal did not go back byte for byte: %s", b.Seal.Item)
			}
		}
	}
	for _, body := range server.Bodies {
		if strings.Contains(string(body), Key) {
			t.Error("the key is in a request's body")
		}
	}
}

func checkUsage(t *testing.T, u *schema.Usage) {
	t.Helper()
	if u == nil {
		return // some servers do not say
	}
	input, read, output := int64(0), int64(0), int64(0)
	for p, v := range map[*int64]*int64{&input: u.Input, &read: u.CacheRead, &output: u.Output} {
		if v != nil {
			*p = *v
		}
	}
	if input < 10 || input > 12 || read != 3 || output != 42 {
		t.Errorf("usage: input %d without 3 of the cache, cache %d, output %d; want 10 to 12, 3, 42", input, read, output)
	}
}

// answered makes messages of a response, its calls answered.
func (a Acceptance) answered(resp *provider.Response, seq, step int64) []schema.Message {
	m := schema.Message{Role: schema.RoleModel, Seq: seq, Turn: 1, Step: step, Model: resp.Model, Blocks: resp.Blocks, StopReason: resp.StopReason}
	out := []schema.Message{m}
	index := int64(0)
	for i := range resp.Blocks {
		b := &resp.Blocks[i]
		if b.Type != schema.BlockToolCall {
			continue
		}
		b.Index, b.CallKey = schema.Int(index), schema.NewCallKey(1, step, index)
		index++
		out = append(out, schema.Message{Role: schema.RoleTool, Seq: seq + index, Turn: 1, Step: step, Result: &schema.Result{
			CallKey: b.CallKey, VendorID: b.VendorID, Name: b.Name, Status: schema.StatusOK, Content: []schema.Part{schema.TextPart("ok")},
		}})
	}
	return out
}

func (a Acceptance) send(t *testing.T, p provider.Provider, view *provider.View) (*provider.Response, map[provider.DeltaKind][]string) {
	t.Helper()
	req, err := p.Project(t.Context(), view)
	if err != nil {
		t.Fatal(err)
	}
	deltas := make(map[provider.DeltaKind][]string)
	resp, err := p.Send(t.Context(), req, func(d provider.Delta) {
		if d.Text != "" {
			deltas[d.Kind] = append(deltas[d.Kind], d.Text)
		}
	})
	if err != nil {
		t.Fatalf("%v\n%s", err, req.Body)
	}
	return resp, deltas
}

func (a Acceptance) cutOff(t *testing.T) {
	server := NewServer(t, a.Style, Reply{Text: "It goes on and", Stop: a.StopMaxTokens})
	resp, _ := a.send(t, a.Connect(server.URL, 0), a.view(user(0, "go on")))
	if provider.StopOf(resp.StopReason) != provider.StopMaxTokens {
		t.Errorf("stop reason %q is not taken for a response that was cut off", resp.StopReason)
	}
}

// fail sends a request that is to fail.
func (a Acceptance) fail(t *testing.T, ctx context.Context, p provider.Provider) *provider.Error {
	t.Helper()
	req, err := p.Project(ctx, a.view(user(0, "hello")))
	if err != nil {
		t.Fatal(err)
	}
	resp, err := p.Send(ctx, req, nil)
	var e *provider.Error
	if !errors.As(err, &e) {
		t.Fatalf("%+v, %v: want a *provider.Error", resp, err)
	}
	if strings.Contains(e.Error(), Key) {
		t.Errorf("the error shows the key: %v", e)
	}
	return e
}

func (a Acceptance) failures(t *testing.T) {
	tests := []struct {
		fault Fault
		class schema.ErrorClass
		after time.Duration
		says  string
	}{
		{Fault{Status: 429, RetryAfter: "7", Body: a.Style.Refuse("slow down")}, schema.ErrorRateLimit, 7 * time.Second, "slow down"},
		{Fault{Status: 429, RetryAfter: "Wed, 21 Oct 2026 07:29:37 GMT", Date: "Wed, 21 Oct 2026 07:28:00 GMT", Body: "{}"}, schema.ErrorRateLimit, 97 * time.Second, ""},
		{Fault{Status: 503, RetryAfter: "Wed, 21 Oct 2026 07:28:00 GMT", Date: "Wed, 21 Oct 2026 07:29:37 GMT", Body: "{}"}, schema.ErrorOverloaded, 0, ""},
		{Fault{Status: 500, Body: "<html>oops</html>"}, schema.ErrorServer, 0, "oops"},
		{Fault{Status: 502, Body: ""}, schema.ErrorNetwork, 0, "Bad Gateway"},
		{Fault{Status: 503, RetryAfter: "0.5", Body: "{}"}, schema.ErrorOverloaded, 500 * time.Millisecond, ""},
		{Fault{Status: 529, Body: a.Style.Refuse("overloaded")}, schema.ErrorOverloaded, 0, "overloaded"},
		{Fault{Status: 400, Body: a.Style.Refuse("bad thing")}, schema.ErrorBadRequest, 0, "bad thing"},
		{Fault{Status: 401, Body: a.Style.Refuse("who are you")}, schema.ErrorAuth, 0, "who are you"},
		{Fault{Status: 400, Body: a.Style.Refuse(a.Overflow)}, schema.ErrorContextOverflow, 0, a.Overflow},
		{Fault{Status: 302, Body: "elsewhere"}, schema.ErrorOther, 0, "elsewhere"},
	}
	for _, tt := range tests {
		server := NewServer(t, a.Style, Reply{Fault: tt.fault})
		e := a.fail(t, t.Context(), a.Connect(server.URL, 0))
		if e.Class != tt.class || e.HTTPStatus != tt.fault.Status || e.RetryAfter != tt.after || !strings.Contains(e.Message, tt.says) {
			t.Errorf("HTTP %d %s: %+v, want class %s after %s", tt.fault.Status, tt.fault.Body, e, tt.class, tt.after)
		}
	}
	echo := NewServer(t, a.Style, Reply{Fault: Fault{Status: 401, Body: a.Style.Refuse("the key " + Key + " is wrong")}})
	if e := a.fail(t, t.Context(), a.Connect(echo.URL, 0)); !strings.Contains(e.Message, "the key") { // fail looks for the key
		t.Errorf("a key that the API repeats: %+v", e)
	}
	server := NewServer(t, a.Style)
	server.Close()
	if e := a.fail(t, t.Context(), a.Connect(server.URL, 0)); e.Class != schema.ErrorNetwork {
		t.Errorf("nobody there: %+v, want class network", e)
	}
}

// pauses: a stream that stops anywhere and goes on is a response like any other.
func (a Acceptance) pauses(t *testing.T) {
	reply := Reply{Text: "a text with pauses", Calls: []ReplyCall{{"c1", "look", `{"a":1}`}}}
	events := len(a.Style.Events(&reply, 0))
	for after := 1; after < events; after++ {
		r := reply
		r.Fault = Fault{After: after, Silent: time.Millisecond}
		resp, deltas := a.send(t, a.Connect(NewServer(t, a.Style, r).URL, time.Hour), a.view(user(0, "hello")))
		if text := strings.Join(deltas[provider.DeltaText], ""); text != reply.Text {
			t.Errorf("a pause after event %d: the text is %q", after, text)
		}
		if last := resp.Blocks[len(resp.Blocks)-1]; last.Type != schema.BlockToolCall || string(last.Args) != `{"a":1}` {
			t.Errorf("a pause after event %d: the response ends in %+v", after, last)
		}
	}
}

func (a Acceptance) brokenStreams(t *testing.T) {
	reply := Reply{Text: "a text that breaks off", Calls: []ReplyCall{{"c1", "look", `{"a":1}`}}}
	events := len(a.Style.Events(&reply, 0))
	for after := 1; after < events-1-a.Trailing; after++ {
		for name, fault := range map[string]Fault{"drop": {After: after, Drop: true}, "malformed": {After: after, Malformed: true}} {
			r := reply
			r.Fault = fault
			server := NewServer(t, a.Style, r)
			e := a.fail(t, t.Context(), a.Connect(server.URL, 0))
			if !e.Retryable() {
				t.Errorf("%s after event %d: %+v, want a class that is tried again", name, after, e)
			}
		}
	}
	for event, class := range a.InStream {
		r := reply
		r.Fault = Fault{After: 1, InStream: event}
		server := NewServer(t, a.Style, r)
		if e := a.fail(t, t.Context(), a.Connect(server.URL, 0)); e.Class != class {
			t.Errorf("%s: %+v, want class %s", event, e, class)
		}
	}
	r := reply
	// A provider that does not give up gets the whole answer in the end.
	r.Fault = Fault{After: 1, Silent: time.Minute}
	server := NewServer(t, a.Style, r)
	e := a.fail(t, t.Context(), a.Connect(server.URL, 50*time.Millisecond))
	if e.Class != schema.ErrorNetwork || !errors.Is(e, provider.ErrIdle) {
		t.Errorf("a silent stream: %+v, want class network", e)
	}
}

func (a Acceptance) cancellation(t *testing.T) {
	server := NewServer(t, a.Style, Reply{Text: "slow", Fault: Fault{After: 1, Silent: time.Minute}})
	cause := fmt.Errorf("somebody said stop")
	ctx, cancel := context.WithCancelCause(t.Context())
	time.AfterFunc(50*time.Millisecond, func() { cancel(cause) })
	if e := a.fail(t, ctx, a.Connect(server.URL, 0)); e.Class != schema.ErrorCancelled {
		t.Errorf("%+v, want class cancelled", e)
	}
}
