package claudecode

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ownlog/ownlog/schema"
)

// TestAgentSDKSessions: the Claude Agent SDK keeps the same files, and its name for
// itself changes nothing. conformance/claudecode runs the SDK itself.
func TestAgentSDKSessions(t *testing.T) {
	tried := 0
	for name, content := range transcripts(t) {
		const printed = `"entrypoint":"sdk-cli"`
		if !bytes.Contains(content, []byte(printed)) {
			continue
		}
		tried++
		want := mapAll(t, bytes.ReplaceAll(content, []byte(printed), []byte(`"entrypoint":"cli"`)))
		for _, entrypoint := range []string{"sdk-cli", "sdk-ts", "sdk-py"} {
			transcript := bytes.ReplaceAll(content, []byte(printed), []byte(`"entrypoint":"`+entrypoint+`"`))
			got := mapAll(t, transcript)
			if diff := cmp.Diff(want.lines, got.lines); diff != "" || len(got.findings) > len(want.findings) {
				t.Errorf("%s, %s: findings %+v, -cli +sdk:\n%s", name, entrypoint, got.findings, diff)
			}
			if _, back := mirror(t, transcript, false); !bytes.Equal(back, transcript) {
				t.Errorf("%s, %s: not the bytes that were there", name, entrypoint)
			}
		}
	}
	if tried == 0 {
		t.Error("no recording names the SDK")
	}
}

// TestOlderLayouts: what versions before 2.1.197 wrote keeps its place in the tree,
// and every record its bytes.
func TestOlderLayouts(t *testing.T) {
	record := func(typ, id, parent, more string) string {
		return fmt.Sprintf(`{"parentUuid":%s,"isSidechain":false,"userType":"external","cwd":"/p","sessionId":"s","version":"1.0.24","type":%q,"uuid":%q,"timestamp":"2025-06-01T10:00:00.000Z",%s}`,
			parent, typ, id, more)
	}
	content := strings.Join([]string{
		`{"type":"summary","summary":"Boats","leafUuid":"a2"}`,
		record("user", "u1", "null", `"message":{"role":"user","content":"count"}`),
		record("assistant", "a1", `"u1"`, `"requestId":"r1","message":{"id":"m1","role":"assistant","model":"claude-x","content":[{"type":"tool_use","id":"t1","name":"Task","input":{"prompt":"go"}}],"usage":{"input_tokens":3,"output_tokens":1}}`),
		// A subagent's conversation, before it had a file of its own.
		record("progress", "p1", `"a1"`, `"toolUseID":"agent_msg_1","parentToolUseID":"t1","data":{"type":"agent_progress","agentId":"b1","prompt":"go","message":{"type":"assistant","message":{"id":"m9","role":"assistant","content":[{"type":"text","text":"inside"}],"usage":{"output_tokens":7}}}}`),
		record("user", "r1", `"p1"`, `"toolUseResult":{"content":[],"totalTokens":8},"message":{"role":"user","content":[{"type":"tool_result","tool_use_id":"t1","content":[{"type":"text","text":"five"}]}]}`),
		record("assistant", "a2", `"r1"`, `"requestId":"r2","message":{"id":"m2","role":"assistant","model":"claude-x","content":[{"type":"text","text":"Five."}],"usage":{"input_tokens":5,"output_tokens":2}}`),
	}, "\n") + "\n"
	m := mapAll(t, []byte(content))
	checkInvariants(t, "older layouts", m.events)
	if len(m.findings) > 0 {
		t.Errorf("findings: %+v", m.findings)
	}
	var state schema.State
	var kinds []string
	for seq, ev := range m.events {
		state.Apply(int64(seq), ev)
		kinds = append(kinds, string(ev.Type))
	}
	want := []string{"vendor.record", "session.opened", "user.message", "model.output", "vendor.record", "tool.result", "model.output"}
	if diff := cmp.Diff(want, kinds); diff != "" {
		t.Errorf("events (-want +got):\n%s", diff)
	}
	var roles []string
	for msg, err := range state.View(schema.LoadFrom(m.events)) {
		if err != nil {
			t.Fatal(err)
		}
		roles = append(roles, string(msg.Role))
	}
	if diff := cmp.Diff([]string{"user", "model", "tool", "model"}, roles); diff != "" {
		t.Errorf("the view, through the record of the subagent (-want +got):\n%s", diff)
	}
	if _, back := mirror(t, []byte(content), false); string(back) != content {
		t.Errorf("comes back as %q", back)
	}
}
