package providers

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/google/go-cmp/cmp"

	conformance "github.com/ownlog/ownlog/conformance/replay"
	"github.com/ownlog/ownlog/format"
	"github.com/ownlog/ownlog/replay"
	"github.com/ownlog/ownlog/replay/provider"
	"github.com/ownlog/ownlog/replay/provider/anthropic"
	"github.com/ownlog/ownlog/replay/provider/chat"
	"github.com/ownlog/ownlog/replay/provider/gemini"
	"github.com/ownlog/ownlog/replay/provider/openai"
	"github.com/ownlog/ownlog/schema"
)

// fixture is an answer of the mock, as its documentation calls the members.
type fixture map[string]any

// scene is what a user says, how the mock answers, and what the log must say then:
// the responses and failures, one a line, and how the turn ended.
type scene struct {
	say     string
	answers []fixture // their match gets the words of say
	want    []string
	// attempts is how often the request is sent; 0: once.
	attempts int64
	// except are the APIs in which the mock says something else, and what.
	except map[string][]string
}

// usage is the same under the names of all APIs.
var usage = fixture{
	"prompt_tokens": 15, "completion_tokens": 42, "input_tokens": 15, "output_tokens": 42,
	"promptTokenCount": 15, "candidatesTokenCount": 42, "totalTokenCount": 57,
}

func scenes() []scene {
	calls := []fixture{
		{"name": "read", "arguments": `{"path":"a.txt","note":"grün"}`, "id": "call_one"},
		{"name": "list", "arguments": `{}`, "id": "call_two"},
	}
	refuse := func(status int, message string) []fixture {
		return []fixture{{"response": fixture{"error": fixture{"message": message, "type": "some_error"}, "status": status, "retryAfter": 7}}}
	}
	return []scene{
		{
			say:     "a text in pieces",
			answers: []fixture{{"response": fixture{"content": "Words that come in many pieces, grün.", "usage": usage}, "chunkSize": 5}},
			want:    []string{"text Words that come in many pieces, grün.", "usage 15 42", "ended end_turn"},
		},
		{
			say:     "reasoning and a text",
			answers: []fixture{{"response": fixture{"content": "So it is.", "reasoning": "First I think it through.", "usage": usage}, "chunkSize": 4}},
			want:    []string{"reasoning First I think it through.", "text So it is.", "usage 15 42", "ended end_turn"},
		},
		{
			say: "two calls, then a text",
			answers: []fixture{
				{"match": fixture{"hasToolResult": true}, "response": fixture{"content": "Both are done.", "usage": usage}},
				{"response": fixture{"content": "I look.", "toolCalls": calls, "usage": usage}, "chunkSize": 6},
			},
			want: []string{
				"text I look.", `call read {"path":"a.txt","note":"grün"}`, "call list {}", "usage 15 42",
				"text Both are done.", "usage 15 42", "ended end_turn",
			},
		},
		{
			say:     "a text that is cut off",
			answers: []fixture{{"response": fixture{"content": "And so on and", "finishReason": "length", "usage": usage}}},
			want:    []string{"text And so on and", "usage 15 42", "ended max_tokens"},
		},
		{say: "too many requests", answers: refuse(429, "slow down"), want: []string{"failed rate_limit 429 slow down, wait 7s", "ended error"}},
		{say: "an error of the server", answers: refuse(500, "oops"), want: []string{"failed server 500 oops", "ended error"}},
		{say: "an overload", answers: refuse(529, "busy"), want: []string{"failed overloaded 529 busy", "ended error"}},
		{say: "a bad request", answers: refuse(400, "no such thing"), want: []string{"failed bad_request 400 no such thing", "ended error"}},
		{say: "a wrong key", answers: refuse(401, "who are you"), want: []string{"failed auth 401 who are you", "ended error"}},
		{
			say:     "a stream that breaks off",
			answers: []fixture{{"response": fixture{"content": "It never comes to an end, whatever one does."}, "chunkSize": 4, "truncateAfterChunks": 3}},
			want:    []string{"failed network", "ended error"},
		},
		{
			say:     "an answer that is none",
			answers: []fixture{{"response": fixture{"content": "Never said."}, "chaos": fixture{"malformedRate": 1}}},
			want:    []string{"failed network", "ended error"},
		},
		{
			say:     "a line that goes dead",
			answers: []fixture{{"response": fixture{"content": "Never said."}, "chaos": fixture{"disconnectRate": 1}}},
			want:    []string{"failed network", "ended error"},
		},
		{
			say: "a limit that passes", attempts: 2,
			answers: []fixture{
				{"match": fixture{"sequenceIndex": 0}, "response": fixture{"error": fixture{"message": "slow down"}, "status": 429, "retryAfter": 7}},
				{"response": fixture{"content": "Here I am.", "usage": usage}},
			},
			want: []string{"failed rate_limit 429 slow down, wait 7s", "text Here I am.", "usage 15 42", "ended end_turn"},
		},
	}
}

// testMock lets providers talk with an independent mock of their APIs and compares
// what gets into the log with what the mock was told to say.
func testMock(t *testing.T, dir string) {
	url := startMock(t, dir)
	for _, p := range mockRows(url) {
		t.Run(p.name, func(t *testing.T) {
			for _, s := range scenes() {
				want := s.want
				if other, ok := s.except[p.provider.Describe().API]; ok {
					want = other
				}
				got, err := play(t.Context(), p.provider, p.name+": "+s.say, s)
				if err != nil {
					t.Errorf("%s: %v", s.say, err)
					continue
				}
				if diff := cmp.Diff(want, got); diff != "" {
					t.Errorf("%s: -scripted +log:\n%s", s.say, diff)
				}
			}
		})
	}
}

type mockRow struct {
	name     string
	provider provider.Provider
}

func mockRows(url string) []mockRow {
	const key = "key-of-the-mock"
	out := []mockRow{
		{"anthropic", anthropic.New(anthropic.Config{BaseURL: url, Key: key})},
		{"openai", openai.New(openai.Config{BaseURL: url + "/v1", Key: key})},
		{"google", gemini.New(gemini.Config{BaseURL: url + "/v1beta", Key: key})},
		{"google, Vertex AI", gemini.New(gemini.Config{BaseURL: url + "/v1/projects/p/locations/l/publishers/google", Key: key})},
	}
	for _, server := range []string{"openai-chat", "deepseek", "vllm", "openrouter"} {
		q, _ := chat.QuirksOf(server)
		base := url + "/v1"
		if server == "openrouter" {
			base = url + "/api/v1"
		}
		out = append(out, mockRow{"chat: " + server, chat.New(chat.Config{Quirks: q, BaseURL: base, Key: key})})
	}
	return out
}

// startMock starts the mock and returns its URL.
func startMock(t *testing.T, dir string) string {
	t.Helper()
	var all []fixture
	for _, p := range mockRows("") {
		for _, s := range scenes() {
			for _, a := range s.answers {
				match := fixture{"userMessage": p.name + ": " + s.say}
				if own, ok := a["match"].(fixture); ok {
					for k, v := range own {
						match[k] = v
					}
				}
				whole := fixture{"match": match}
				for k, v := range a {
					if k != "match" {
						whole[k] = v
					}
				}
				all = append(all, whole)
			}
		}
	}
	b, err := json.Marshal(all, json.Deterministic(true))
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "fixtures.json")
	if err := os.WriteFile(file, b, 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	cmd := exec.CommandContext(ctx, "node", "mock.mjs", file)
	cmd.Dir = dir
	stdin, errIn := cmd.StdinPipe() // its end is the mock's
	stdout, errOut := cmd.StdoutPipe()
	cmd.Stderr = os.Stderr
	if errIn != nil || errOut != nil {
		t.Fatal(errIn, errOut)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = stdin.Close()
		cancel()
		_ = cmd.Wait()
	})
	url, err := bufio.NewReader(stdout).ReadString('\n')
	if err != nil {
		t.Fatalf("the mock has not started: %v", err)
	}
	return strings.TrimSpace(url)
}

// hurried is a clock that sleeps a thousandth of the time.
type hurried struct{ replay.SystemClock }

// Sleep implements [replay.Clock].
func (h hurried) Sleep(ctx context.Context, d time.Duration) error {
	return h.SystemClock.Sleep(ctx, d/1000)
}

// play runs a scene and tells what the log says of it.
func play(ctx context.Context, p provider.Provider, say string, s scene) ([]string, error) {
	store := new(format.MemStore)
	inbox := &replay.Inbox{Store: store}
	log, err := inbox.Create(ctx, schema.SessionOpened{Title: "a scene"})
	if err != nil {
		return nil, err
	}
	if _, err := inbox.Say(ctx, log, schema.TextPart(say)); err != nil {
		return nil, err
	}
	var told []string
	x := &replay.Executor{
		Store: store, Provider: p, Model: "model-t", Tools: conformance.Tools(), Clock: hurried{},
		Retry: replay.Retry{Attempts: max(1, s.attempts)},
		OnEvent: func(_ format.LogID, _ int64, ev *schema.Event) {
			told = append(told, tell(ev)...)
		},
	}
	if _, err := x.Run(ctx, log); err != nil {
		return nil, err
	}
	return told, nil
}

// tell tells of an event what a scene may want.
func tell(ev *schema.Event) []string {
	switch d := ev.Data.(type) {
	case *schema.ModelOutput:
		return tellOutput(d)
	case *schema.ModelFailed:
		out := "failed " + string(d.Class)
		if d.HTTPStatus != 0 {
			out += fmt.Sprintf(" %d %s", d.HTTPStatus, d.Message.Inline)
		}
		at, errAt := schema.ParseTime(d.RetryAt)
		now, errNow := schema.ParseTime(ev.Time)
		if errAt == nil && errNow == nil {
			if wait := at.Sub(now).Round(time.Second); wait > time.Second {
				out += ", wait " + wait.String()
			}
		}
		return []string{out}
	case *schema.TurnFinished:
		return []string{"ended " + string(d.Reason)}
	}
	return nil
}

func tellOutput(d *schema.ModelOutput) []string {
	var out []string
	for _, b := range d.Blocks {
		switch b.Type {
		case schema.BlockToolCall:
			args := string(b.Args)
			if b.Args == nil {
				args = "unparsed " + b.ArgsRaw.Inline
			}
			out = append(out, "call "+b.Name+" "+args)
		default:
			words := b.Text.Inline
			for _, s := range b.Summary {
				words += s.Inline
			}
			if words == "" {
				continue // of Responses, where the mock makes a reasoning item of its own
			}
			out = append(out, string(b.Type)+" "+words)
		}
	}
	if d.Model == "" || d.ResponseID == "" && d.API != gemini.API {
		out = append(out, fmt.Sprintf("no model %q or response id %q", d.Model, d.ResponseID))
	}
	if d.LatencyUS == nil || d.FirstUS == nil {
		out = append(out, "no latency")
	}
	if u := d.Usage; u != nil && u.Input != nil && u.Output != nil {
		out = append(out, fmt.Sprintf("usage %d %d", *u.Input, *u.Output))
	}
	return out
}
