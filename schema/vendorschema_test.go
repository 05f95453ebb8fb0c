package schema

import (
	"testing"
)

func TestVendorSchemas(t *testing.T) {
	s, err := NewVendorSchemas()
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		vendor, record string
		drifts         bool
	}{
		{"claude-code", `{"type":"user","uuid":"u","parentUuid":null,"message":{"role":"user","content":"hi"},"later":1}`, false},
		{"claude-code", `{"type":"assistant","uuid":"a","parentUuid":"u","message":{"id":"m","role":"assistant","content":[{"type":"tool_use","id":"t","name":"Bash","input":{}}]}}`, false},
		{"claude-code", `{"type":"user","message":{"role":"user","content":7}}`, true},
		{"claude-code", `{"type":"assistant","message":{"content":[{"type":"tool_use","name":"Bash"}]}}`, true},
		{"claude-code", `{"type":"of-tomorrow"}`, true},
		{"claude-code", `{"uuid":"u"}`, true},
		{"codex", `{"timestamp":"2026-11-24T09:00:00.000Z","type":"response_item","payload":{"type":"function_call","name":"shell","arguments":"{}","call_id":"c"}}`, false},
		{"codex", `{"type":"message","role":"user","content":[{"type":"input_text","text":"hi"}]}`, false},
		{"codex", `{"record_type":"state"}`, false},
		{"codex", `{"timestamp":"t","type":"response_item","payload":{"type":"function_call","name":"shell","arguments":{},"call_id":"c"}}`, true},
		{"codex", `{"timestamp":"t","type":"token_usage_record","payload":{"response_id":"r","turn_id":"t","usage":{"input_tokens":1}}}`, true},
		{"codex", `{"timestamp":"t","type":"compacted","payload":{"message":"","replacement_history":[{"type":"message","role":"user"}]}}`, true},
		{"codex", `{"timestamp":"t","type":"of_tomorrow","payload":{}}`, true},
		{"opencode", `{"table":"part","id":"p","message_id":"m","session_id":"s","data":{"type":"tool","tool":"bash","callID":"c","state":{"status":"running","input":{},"time":{"start":1}}}}`, false},
		{"opencode", `{"table":"message","id":"m","session_id":"s","data":null,"data_text":"{"}`, false},
		{"opencode", `{"table":"part","id":"p","message_id":"m","data":{"type":"tool","tool":"bash","callID":"c","state":{"status":"paused"}}}`, true},
		{"opencode", `{"table":"message","id":"m","session_id":"s","data":{"role":"assistant","time":{"created":1}}}`, true},
		{"somebody", `{}`, false},
		{"codex", `not JSON`, false},
	} {
		found := 0
		s.Validate(3, test.vendor, []byte(test.record), func(p Problem) {
			found++
			if p.Code != ProblemDrift || p.Level != LevelNote || p.Seq != 3 {
				t.Errorf("problem %+v, want a note of drift at 3", p)
			}
		})
		if (found > 0) != test.drifts {
			t.Errorf("%s %s: %d problems, want some: %t", test.vendor, test.record, found, test.drifts)
		}
	}
}
