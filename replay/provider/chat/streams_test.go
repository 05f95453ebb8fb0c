package chat_test

import (
	"io"
	"net/http"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ownlog/ownlog/replay/provider"
	"github.com/ownlog/ownlog/replay/provider/chat"
	"github.com/ownlog/ownlog/schema"
)

// lines answers every request with a stream of data lines.
type lines []string

// RoundTrip implements [http.RoundTripper].
func (l lines) RoundTrip(r *http.Request) (*http.Response, error) {
	body := "data: " + strings.Join(l, "\n\ndata: ") + "\n\n"
	return &http.Response{StatusCode: http.StatusOK, Body: io.NopCloser(strings.NewReader(body)), Request: r}, nil
}

// TestStreams reads the streams that servers send, each in its own way.
func TestStreams(t *testing.T) {
	tests := []struct {
		server, name string
		stream       lines
		want         []string // blocks, then usage: input, cache, output, reasoning; cost
		seal         string   // of the reasoning
	}{
		{
			"openai-chat", "a refusal, usage in a chunk without choices",
			lines{
				`{"id":"c","model":"m","choices":[{"index":0,"delta":{"role":"assistant","content":"","refusal":null}}]}`,
				`{"id":"c","model":"m","choices":[{"index":0,"delta":{"refusal":"I will not."},"finish_reason":null}]}`,
				`{"id":"c","model":"m","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}`,
				`{"id":"c","model":"m","choices":[],"usage":{"prompt_tokens":9,"completion_tokens":4,"prompt_tokens_details":{"cached_tokens":2}}}`,
				`[DONE]`,
			},
			[]string{"refusal I will not.", "usage 7 2 4 0"}, "",
		},
		{
			"deepseek", "reasoning_content, cache hits by another name",
			lines{
				`{"id":"c","model":"m","choices":[{"index":0,"delta":{"role":"assistant","content":null,"reasoning_content":"Hm"}}]}`,
				`{"id":"c","model":"m","choices":[{"index":0,"delta":{"content":null,"reasoning_content":"m."}}]}`,
				`{"id":"c","model":"m","choices":[{"index":0,"delta":{"content":"So."},"finish_reason":"stop"}],"usage":{"prompt_tokens":9,"completion_tokens":4,"prompt_cache_hit_tokens":5,"prompt_cache_miss_tokens":4,"completion_tokens_details":{"reasoning_tokens":3}}}`,
				`[DONE]`,
			},
			[]string{"reasoning Hmm.", "text So.", "usage 4 5 4 3"}, `{"reasoning_content":"Hmm."}`,
		},
		{
			"ollama", "reasoning, whole calls of one index",
			lines{
				`{"id":"c","model":"m","choices":[{"index":0,"delta":{"role":"assistant","content":"","reasoning":"Hmm."},"finish_reason":null}]}`,
				`{"id":"c","model":"m","choices":[{"index":0,"delta":{"role":"assistant","content":"","tool_calls":[{"id":"call_a","index":0,"type":"function","function":{"name":"look","arguments":"{\"n\":1}"}}]},"finish_reason":null}]}`,
				`{"id":"c","model":"m","choices":[{"index":0,"delta":{"role":"assistant","content":"","tool_calls":[{"id":"call_b","index":0,"type":"function","function":{"name":"look","arguments":"{\"n\":2}"}}]},"finish_reason":"tool_calls"}]}`,
				`[DONE]`,
			},
			[]string{"reasoning Hmm.", `call look {"n":1}`, `call look {"n":2}`, "no usage"}, `{"reasoning":"Hmm."}`,
		},
		{
			"llama.cpp", "arguments in pieces, the name and id once",
			lines{
				`{"id":"c","model":"m","choices":[{"index":0,"delta":{"role":"assistant","content":null}}]}`,
				`{"id":"c","model":"m","choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"id":"a1","type":"function","function":{"name":"look","arguments":"{"}}]}}]}`,
				`{"id":"c","model":"m","choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"function":{"arguments":"\"n\":1}"}}]}}]}`,
				`{"id":"c","model":"m","choices":[{"index":0,"delta":{},"finish_reason":"tool_calls"}]}`,
				`{"id":"c","model":"m","choices":[],"usage":{"prompt_tokens":9,"completion_tokens":4},"timings":{"predicted_n":4}}`,
				`[DONE]`,
			},
			[]string{`call look {"n":1}`, "usage 9 0 4 0"}, "",
		},
		{
			"vllm", "reasoning before calls without an index, no usage asked for",
			lines{
				`{"id":"c","model":"m","choices":[{"index":0,"delta":{"role":"assistant","content":""}}]}`,
				`{"id":"c","model":"m","choices":[{"index":0,"delta":{"reasoning_content":"Hmm.","reasoning":"Hmm."}}]}`,
				`{"id":"c","model":"m","choices":[{"index":0,"delta":{"tool_calls":[{"id":"chatcmpl-tool-1","type":"function","function":{"name":"look","arguments":"{}"}}]}}]}`,
				`{"id":"c","model":"m","choices":[{"index":0,"delta":{"content":""},"finish_reason":"tool_calls","stop_reason":null}]}`,
				`[DONE]`,
			},
			[]string{"reasoning Hmm.", "call look {}", "no usage"}, `{"reasoning_content":"Hmm."}`,
		},
		{
			"mistral", "arguments that are an object, no [DONE]",
			lines{
				`{"id":"c","model":"m","choices":[{"index":0,"delta":{"tool_calls":[{"id":"abcdefghi","index":0,"function":{"name":"look","arguments":{"n": 1}}}]},"finish_reason":"tool_calls"}],"usage":{"prompt_tokens":9,"completion_tokens":4}}`,
			},
			[]string{`call look {"n":1}`, "usage 9 0 4 0"}, "",
		},
		{
			"qwen", "text, then a cut",
			lines{
				`{"id":"c","model":"m","choices":[{"index":0,"delta":{"content":"And so","reasoning_content":null}}]}`,
				`{"id":"c","model":"m","choices":[{"index":0,"delta":{"content":""},"finish_reason":"length"}]}`,
				`[DONE]`,
			},
			[]string{"text And so", "no usage"}, "",
		},
		{
			"openrouter", "comments while it waits, reasoning twice over, its cost",
			lines{
				"{\"id\":\"c\",\"model\":\"m\",\"choices\":[{\"index\":0,\"delta\":{\"role\":\"assistant\",\"reasoning\":\"Hmm.\",\"reasoning_details\":[{\"type\":\"reasoning.text\",\"text\":\"Hmm.\"}]}}]}\n\n: OPENROUTER PROCESSING",
				`{"id":"c","model":"m","choices":[{"index":0,"delta":{"content":"So."},"finish_reason":"stop","native_finish_reason":"STOP"}],"usage":{"prompt_tokens":9,"completion_tokens":4,"cost":0.00123,"cost_details":{}}}`,
				`[DONE]`,
			},
			[]string{"reasoning Hmm.", "text So.", "usage 9 0 4 0", "cost 1230000"}, `{"reasoning":"Hmm."}`,
		},
	}
	for _, tt := range tests {
		t.Run(tt.server+" "+tt.name, func(t *testing.T) {
			q, ok := chat.QuirksOf(tt.server)
			if !ok {
				t.Fatal("not in the table")
			}
			p := chat.New(chat.Config{Quirks: q, BaseURL: "http://localhost", Client: &http.Client{Transport: tt.stream}})
			resp, err := p.Send(t.Context(), &provider.Request{Body: []byte("{}"), Model: "m"}, nil)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, tell(resp)); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
			for _, b := range resp.Blocks {
				if b.Type == schema.BlockReasoning && string(b.Seal.Item) != tt.seal {
					t.Errorf("reasoning goes back as %s, want %s", b.Seal.Item, tt.seal)
				}
			}
		})
	}
}

func tell(resp *provider.Response) []string {
	var out []string
	for _, b := range resp.Blocks {
		if b.Type == schema.BlockToolCall {
			out = append(out, "call "+b.Name+" "+string(b.Args))
		} else {
			out = append(out, string(b.Type)+" "+b.Text.Inline)
		}
	}
	u := resp.Usage
	if u == nil {
		return append(out, "no usage")
	}
	out = append(out, "usage "+number(u.Input)+" "+number(u.CacheRead)+" "+number(u.Output)+" "+number(u.Reasoning))
	if resp.CostNUSD != nil {
		out = append(out, "cost "+number(resp.CostNUSD))
	}
	return out
}

func number(n *int64) string {
	if n == nil {
		return "-"
	}
	return strconv.FormatInt(*n, 10)
}
