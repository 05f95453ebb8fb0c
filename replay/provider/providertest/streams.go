package providertest

import (
	"fmt"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
)

// messagesStyle is how Anthropic's Messages API streams.
var messagesStyle = Style{
	Check: CheckMessages, Path: "/v1/messages", KeyHeader: "X-Api-Key",
	Refuse: func(m string) string {
		return `{"type":"error","error":{"type":"invalid_request_error","message":` + q(m) + `}}`
	},
	Events: func(r *Reply, n int) []string {
		at := 0
		ev := func(name, rest string) string {
			return "event: " + name + "\ndata: {\"type\":\"" + name + "\"" + rest + "}"
		}
		block := func(start string, deltas ...string) []string {
			out := []string{ev("content_block_start", fmt.Sprintf(`,"index":%d,"content_block":%s`, at, start))}
			for _, d := range deltas {
				out = append(out, ev("content_block_delta", fmt.Sprintf(`,"index":%d,"delta":%s`, at, d)))
			}
			out = append(out, ev("content_block_stop", fmt.Sprintf(`,"index":%d`, at)))
			at++
			return out
		}
		out := []string{ev("message_start", fmt.Sprintf(`,"message":{"id":"msg_%d","type":"message","role":"assistant","model":"claude-t-20260101","content":[],"usage":{"input_tokens":10,"cache_read_input_tokens":3,"cache_creation_input_tokens":2,"output_tokens":1}}`, n)), ev("ping", "")}
		if r.Reasoning != "" {
			h := halves(r.Reasoning)
			out = append(out, block(`{"type":"thinking","thinking":"","signature":""}`, `{"type":"thinking_delta","thinking":`+q(h[0])+`}`, `{"type":"thinking_delta","thinking":`+q(h[1])+`}`, `{"type":"signature_delta","signature":`+q(Sign(r.Reasoning))+`}`)...)
			out = append(out, block(`{"type":"redacted_thinking","data":"redacted:7"}`)...)
		}
		if r.Text != "" {
			h := halves(r.Text)
			out = append(out, block(`{"type":"text","text":""}`, `{"type":"text_delta","text":`+q(h[0])+`}`, `{"type":"text_delta","text":`+q(h[1])+`}`)...)
		}
		stop := "end_turn"
		for _, c := range r.Calls {
			stop = "tool_use"
			h := halves(c.Args)
			out = append(out, block(`{"type":"tool_use","id":`+q(c.ID)+`,"name":`+q(c.Name)+`,"input":{}}`, `{"type":"input_json_delta","partial_json":`+q(h[0])+`}`, `{"type":"input_json_delta","partial_json":`+q(h[1])+`}`)...)
		}
		if r.Stop != "" {
			stop = r.Stop
		}
		return append(out, ev("message_delta", `,"delta":{"stop_reason":`+q(stop)+`,"stop_sequence":null},"usage":{"output_tokens":42}`), ev("message_stop", ""))
	},
}

// responsesStyle is how OpenAI's Responses API streams.
var responsesStyle = Style{
	Check: CheckResponses, Path: "/responses", KeyHeader: "Authorization",
	Refuse: func(m string) string { return `{"error":{"message":` + q(m) + `,"type":"invalid_request_error"}}` },
	Events: func(r *Reply, n int) []string {
		ev := func(name, rest string) string {
			return "event: " + name + "\ndata: {\"type\":\"" + name + "\"" + rest + "}"
		}
		at := 0
		out := []string{ev("response.created", fmt.Sprintf(`,"response":{"id":"resp_%d","model":"gpt-t-2026-01-01","status":"in_progress"}`, n))}
		item := func(added, done string, deltas ...string) {
			out = append(out, ev("response.output_item.added", fmt.Sprintf(`,"output_index":%d,"item":%s`, at, added)))
			for _, d := range deltas {
				name, text, _ := strings.Cut(d, "|")
				out = append(out, ev(name, fmt.Sprintf(`,"output_index":%d,"delta":%s`, at, q(text))))
			}
			out = append(out, ev("response.output_item.done", fmt.Sprintf(`,"output_index":%d,"item":%s`, at, done)))
			at++
		}
		if r.Reasoning != "" {
			id := fmt.Sprintf("rs_%d", n)
			item(`{"type":"reasoning","id":`+q(id)+`}`, `{"id":`+q(id)+`,"type":"reasoning","summary":[{"type":"summary_text","text":`+q(r.Reasoning)+`}],"encrypted_content":`+q(Sign("reasoning "+id))+`}`, "response.reasoning_summary_text.delta|"+r.Reasoning)
		}
		if r.Text != "" {
			h := halves(r.Text)
			item(`{"type":"message","role":"assistant"}`, `{"type":"message","id":"m","role":"assistant","phase":"final_answer","status":"completed","content":[{"type":"output_text","text":`+q(r.Text)+`,"annotations":[]}]}`, "response.output_text.delta|"+h[0], "response.output_text.delta|"+h[1])
		}
		for _, c := range r.Calls {
			item(`{"type":"function_call","name":`+q(c.Name)+`}`, `{"type":"function_call","id":"fc","call_id":`+q(c.ID)+`,"name":`+q(c.Name)+`,"arguments":`+q(c.Args)+`}`, "response.function_call_arguments.delta|"+c.Args)
		}
		end, status := "response.completed", `"status":"completed"`
		if r.Stop != "" {
			end, status = "response.incomplete", `"status":"incomplete","incomplete_details":{"reason":`+q(r.Stop)+`}`
		}
		return append(out, ev(end, fmt.Sprintf(`,"response":{"id":"resp_%d","model":"gpt-t-2026-01-01",%s,"output":[],"usage":{"input_tokens":15,"input_tokens_details":{"cached_tokens":3},"output_tokens":42,"output_tokens_details":{"reasoning_tokens":7}}}`, n, status)))
	},
}

// chatStyle is how servers of the Chat Completions API stream.
func chatStyle(rules ChatRules) Style {
	return Style{
		Check: func(body []byte) error { return CheckChat(body, rules) }, Path: "/chat/completions", KeyHeader: "Authorization",
		Refuse: func(m string) string { return `{"error":{"message":` + q(m) + `,"code":"invalid_request_error"}}` },
		Events: func(r *Reply, n int) []string {
			var out []string
			delta := func(d string) {
				out = append(out, fmt.Sprintf(`data: {"id":"chatcmpl-%d","model":"m-t","choices":[{"index":0,"delta":%s,"finish_reason":null}]}`, n, d))
			}
			delta(`{"role":"assistant","content":""}`)
			if r.Reasoning != "" {
				h := halves(r.Reasoning)
				delta(`{"reasoning_content":` + q(h[0]) + `}`)
				delta(`{"reasoning_content":` + q(h[1]) + `}`)
			}
			if r.Text != "" {
				h := halves(r.Text)
				delta(`{"content":` + q(h[0]) + `}`)
				delta(`{"content":` + q(h[1]) + `}`)
			}
			stop := "stop"
			for i, c := range r.Calls {
				stop = "tool_calls"
				h := halves(c.Args)
				delta(fmt.Sprintf(`{"tool_calls":[{"index":%d,"id":%s,"type":"function","function":{"name":%s,"arguments":""}}]}`, i, q(c.ID), q(c.Name)))
				delta(fmt.Sprintf(`{"tool_calls":[{"index":%d,"function":{"arguments":%s}}]}`, i, q(h[0])))
				delta(fmt.Sprintf(`{"tool_calls":[{"index":%d,"function":{"arguments":%s}}]}`, i, q(h[1])))
			}
			if r.Stop != "" {
				stop = r.Stop
			}
			out = append(out, fmt.Sprintf(`data: {"id":"chatcmpl-%d","model":"m-t","choices":[{"index":0,"delta":{},"finish_reason":%s}]}`, n, q(stop)))
			if !rules.NoUsageOption {
				out = append(out, fmt.Sprintf(`data: {"id":"chatcmpl-%d","model":"m-t","choices":[],"usage":{"prompt_tokens":15,"prompt_tokens_details":{"cached_tokens":3},"completion_tokens":42,"completion_tokens_details":{"reasoning_tokens":7}}}`, n))
			}
			return append(out, "data: [DONE]")
		},
	}
}

// generateStyle is how the Gemini API streams.
var generateStyle = Style{
	Check: CheckGenerate, Path: ":streamGenerateContent", KeyHeader: "X-Goog-Api-Key",
	Refuse: func(m string) string {
		return `{"error":{"code":400,"message":` + q(m) + `,"status":"INVALID_ARGUMENT"}}`
	},
	Events: func(r *Reply, n int) []string {
		var out []string
		part := func(p string) {
			out = append(out, fmt.Sprintf(`data: {"candidates":[{"content":{"role":"model","parts":[%s]}}],"modelVersion":"gemini-3-t","responseId":"r%d"}`, p, n))
		}
		if r.Reasoning != "" {
			part(`{"text":` + q(r.Reasoning) + `,"thought":true}`)
		}
		if r.Text != "" {
			h := halves(r.Text)
			part(`{"text":` + q(h[0]) + `}`)
			part(`{"text":` + q(h[1]) + `}`)
			if len(r.Calls) == 0 && r.Reasoning != "" {
				part(`{"text":"","thoughtSignature":` + q(Sign("text ")) + `}`)
			}
		}
		for i, c := range r.Calls {
			seal := ""
			if i == 0 {
				seal = `,"thoughtSignature":` + q(Sign("call "+c.Name))
			}
			args := c.Args
			if !jsontext.Value(args).IsValid() {
				args = "{}"
			}
			part(`{"functionCall":{"id":` + q(c.ID) + `,"name":` + q(c.Name) + `,"args":` + args + `}` + seal + `}`)
		}
		stop := "STOP"
		if r.Stop != "" {
			stop = r.Stop
		}
		return append(out, fmt.Sprintf(`data: {"candidates":[{"content":{"role":"model","parts":[]},"finishReason":%s}],"usageMetadata":{"promptTokenCount":15,"cachedContentTokenCount":3,"candidatesTokenCount":35,"thoughtsTokenCount":7},"modelVersion":"gemini-3-t","responseId":"r%d"}`, q(stop), n))
	},
}

// MessagesStyle returns how Anthropic's Messages API streams.
func MessagesStyle() Style { return messagesStyle }

// ResponsesStyle returns how OpenAI's Responses API streams.
func ResponsesStyle() Style { return responsesStyle }

// ChatStyle returns how servers of the Chat Completions API stream.
func ChatStyle(rules ChatRules) Style { return chatStyle(rules) }

// GenerateStyle returns how the Gemini API streams.
func GenerateStyle() Style { return generateStyle }
