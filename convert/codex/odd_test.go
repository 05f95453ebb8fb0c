package codex

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ownlog/ownlog/convert"
	"github.com/ownlog/ownlog/schema"
)

// oddLines are records of unexpected shape.
var oddLines = []string{
	`{}`,
	`{"type":"response_item"}`,
	`{"type":"response_item","payload":[]}`,
	`{"type":"response_item","payload":{"role":"user","content":[]}}`,
	`{"type":"response_item","payload":{"type":"message","role":"user","content":"text"}}`,
	`{"type":"response_item","payload":{"type":"function_call","name":"f","call_id":"c","arguments":{"a":1}}}`,
	`{"type":"response_item","payload":{"type":"function_call_output","call_id":"c","output":7}}`,
	`{"type":"response_item","payload":{"type":"message","role":"assistant","content":[{"type":"input_image","image_url":"data:image/png;base64,@@"}]}}`,
	`{"type":"compacted","payload":{"message":"m","replacement_history":[{"id":"x"}]}}`,
	`{"type":"compacted","payload":{"message":"m","replacement_history":[],"replacement_history_metadata":[{}]}}`,
	`{"type":"event_msg","payload":{"type":"item_completed","item":{"type":"CommandExecution","id":"exec-1","exit_code":"3"}}}`,
	`{"type":"event_msg","payload":{"type":"thread_rolled_back","num_turns":-1}}`,
	`{"ty\u0070e":"event_msg","payload":{"\u0074ype":"task_started","turn_id":"\ud800"}}`,
	`{"type":"event_msg","payload":{"type":"task_complete","duration_ms":9007199254740993,"error":{"codex_error_info":{"a":1,"b":2}}}}`,
	`{"type":"token_usage_record","payload":{"usage":{"input_tokens":1.5}}}`,
}

// TestRecords maps one record or a few of a table each and compares a summary of
// their events.
func TestRecords(t *testing.T) {
	const (
		user   = `{"type":"response_item","payload":{"type":"message","role":"user","content":[{"type":"input_text","text":"do it"}]}}`
		callA  = `{"type":"response_item","payload":{"type":"function_call","name":"f","call_id":"a","arguments":"{}"}}`
		outA   = `{"type":"response_item","payload":{"type":"function_call_output","call_id":"a","output":"ok"}}`
		answer = `{"type":"response_item","payload":{"type":"message","role":"assistant","content":[{"type":"output_text","text":"done"}]}}`
	)
	sampled := func(item string, n int) string {
		return strings.Replace(item, `{"type":"response_item",`, fmt.Sprintf(`{"type":"response_item","metadata":{"sampled_through_sequence":%d},`, n), 1)
	}
	tests := []struct {
		name  string
		lines []string
		want  []string
	}{
		{"real input opens a turn while no task runs",
			[]string{user, callA, outA, user, answer},
			[]string{"1 user.message", "1/1 model.output 1/1/0", "1/1 tool.result 1/1/0", "2 user.message", "2/1 model.output"}},
		{"a task opens the turn, input in it opens none",
			[]string{`{"type":"event_msg","payload":{"type":"task_started","turn_id":"t"}}`, user, user, `{"type":"event_msg","payload":{"type":"task_complete","turn_id":"t"}}`, user},
			[]string{"1 turn.started", "1 user.message", "1 user.message", "1 turn.finished", "2 user.message"}},
		{"injected context opens none",
			[]string{strings.Replace(user, "do it", "<environment_context>x", 1), answer},
			[]string{"0 system.message", "0/1 model.output"}},
		{"another sampling is another step",
			[]string{user, sampled(answer, 1), sampled(callA, 1), sampled(answer, 2)},
			[]string{"1 user.message", "1/1 model.output", "1/1 model.output 1/1/0", "1/2 model.output"}},
		{"repeated call ids are answered by the latest response first, inside it in order",
			[]string{user, callA, outA, callA, callA, outA, outA, outA},
			[]string{"1 user.message", "1/1 model.output 1/1/0", "1/1 tool.result 1/1/0", "1/2 model.output 1/2/0", "1/2 model.output 1/2/1",
				"1/2 tool.result 1/2/0", "1/2 tool.result 1/2/1", "1/2 tool.result 1/2/1"}},
		{"an output of another kind answers nothing",
			[]string{user, callA, strings.Replace(outA, "function_call_output", "custom_tool_call_output", 1)},
			[]string{"1 user.message", "1/1 model.output 1/1/0", "0 vendor.record orphan result"}},
		{"a usage record closes a response, and one without items gets a step of its own",
			[]string{user, answer, `{"type":"token_usage_record","payload":{"usage":{"input_tokens":5,"cached_input_tokens":7}}}`, `{"type":"token_usage_record","payload":{"usage":{}}}`, answer},
			[]string{"1 user.message", "1/1 model.output", "1/1 model.output", "1/2 model.output", "1/3 model.output"}},
		{"a copied fork is linked to where it came from",
			[]string{`{"type":"session_meta","payload":{"id":"x","forked_from_id":"y"}}`, `{"type":"session_meta","payload":{"id":"y"}}`, user},
			[]string{"0 session.opened", "0 session.forked y, copied", "0 vendor.record", "1 user.message"}},
		{"later session_meta is no identity",
			[]string{`{"type":"session_meta","payload":{"id":"x"}}`, `{"type":"session_meta","payload":{"id":"y"}}`},
			[]string{"0 session.opened", "0 vendor.record"}},
		{"work without a call id belongs to the open call of the turn",
			[]string{user, callA, `{"type":"event_msg","payload":{"type":"item_completed","item":{"type":"CommandExecution","id":"exec-1","exit_code":3}}}`,
				`{"type":"event_msg","payload":{"type":"item_completed","item":{"type":"FileChange","id":"exec-2","changes":{"p":{"type":"add","content":"x"}}}}}`},
			[]string{"1 user.message", "1/1 model.output 1/1/0", "1/1 tool.result 1/1/0.0", "1/1 tool.result 1/1/0.1", "1/1 file.changed 1/1/0.1"}},
		{"bare lines",
			[]string{`{"id":"x","timestamp":"2025-08-01T00:00:00Z","instructions":"be good"}`, `{"record_type":"state"}`, `{"type":"message","role":"user","content":[{"type":"input_text","text":"hi"}]}`},
			[]string{"0 session.opened", "0 session.defined", "0 vendor.record", "1 user.message"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			runs := mapAll(t, NewMapper(new(convert.FindingCounts), Base{}), []byte(strings.Join(tt.lines, "\n")))
			if diff := cmp.Diff(tt.want, summarise(t, runs)); diff != "" {
				t.Errorf("events (-want +got):\n%s", diff)
			}
		})
	}
}

// TestOddRecordsAreKept checks that what cannot be read is kept with a finding.
func TestOddRecordsAreKept(t *testing.T) {
	want := []string{
		"0 vendor.record missing member type",
		"0 vendor.record missing member payload",
		"0 vendor.record unexpected type of member payload",
		"0 vendor.record missing member type",
		"0 vendor.record unexpected type of member content",
		"0 vendor.record unexpected type of member arguments",
		"0 vendor.record unexpected type of member output",
		"0/1 model.output",
		"0 vendor.record replacement_history: missing member type",
		"0 vendor.record replacement_history_metadata of another length",
		"0 vendor.record item: unexpected type of member exit_code",
		"0 vendor.record",
		"1 turn.started",
		"1 turn.finished",
		"0 vendor.record unexpected type of member input_tokens",
	}
	runs := mapAll(t, NewMapper(new(convert.FindingCounts), Base{}), []byte(strings.Join(oddLines, "\n")))
	if diff := cmp.Diff(want, summarise(t, runs)); diff != "" {
		t.Errorf("events (-want +got):\n%s", diff)
	}
}

// summarise names each event: its numbers, its type, the calls it makes or
// answers, and what was found wrong.
func summarise(t *testing.T, runs [][][]byte) (out []string) {
	t.Helper()
	for _, run := range runs {
		for _, b := range run {
			ev, err := schema.Decode(b)
			if err != nil {
				t.Fatal(err)
			}
			s := fmt.Sprint(ev.Turn)
			if ev.Step > 0 {
				s += fmt.Sprintf("/%d", ev.Step)
			}
			s += " " + string(ev.Type)
			switch d := ev.Data.(type) {
			case *schema.ModelOutput:
				for _, block := range d.Blocks {
					if block.CallKey != "" {
						s += " " + string(block.CallKey)
					}
				}
			case *schema.ToolResult:
				s += " " + string(d.CallKey)
			case *schema.SessionForked:
				if d.From != nil && d.Copied {
					s += " " + d.From.VendorSession + ", copied"
				}
			case *schema.FileChanged:
				s += " " + string(d.CallKey)
			case *schema.VendorRecord:
				if d.Finding != "" {
					s += " " + d.Finding
				}
			}
			out = append(out, s)
		}
	}
	return out
}
