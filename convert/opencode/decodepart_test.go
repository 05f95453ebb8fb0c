package opencode

import (
	"testing"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/google/go-cmp/cmp"
)

// FuzzDecodePart: a part is read as the JSON package reads it, whatever way is taken.
func FuzzDecodePart(f *testing.F) {
	for _, s := range []string{
		`{"type":"text","text":"a\n\"é\u00e9\u0001","time":{"start":1,"end":2},"synthetic":true}`,
		`{"type":"tool","tool":"bash","callID":"c","state":{"status":"completed","input":{"a":1},"raw":"","output":"x","metadata":{"exit":0,"sessionId":"s"},"time":{"start":1,"end":2,"compacted":3},"attachments":[{"mime":"m","url":"u"}]}}`,
		`{"type":"tool","state":{"status":"error","error":"e","metadata":[1]}}`, `{"type":"tool","state":null}`, `{"type":null}`,
		`{"type":"a","type":"b"}`, `{"t\u0079pe":"b","type":"a"}`, `{"type":"text","text":"\ud83d\ude00\ud800"}`, `{"type":"text","text":"` + "\xff" + `"}`,
		`{"type":"step-finish","tokens":{"input":1,"cache":{"read":2}},"cost":0.1,"reason":"stop"}`, `{"type":"patch","files":["a"],"hash":"h"}`,
		`{"time":{"start":1,"start":2},"metadata":{"a":1},"metadata":{"b":1}}`, `{"state":{"time":{"start":null}}}`, `{"state":{"input":1},"state":{"raw":"x"}}`,
		`{"TYPE":"x"}`, `[]`, `"x"`,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		if !isJSON(data) {
			return
		}
		got := partInfo{State: &toolState{Output: "of the part before"}, Tokens: &tokens{Input: jsontext.Value("1")}}
		var want partInfo
		gotErr, wantErr := decodePart(data, &got), unmarshal(data, &want)
		if (gotErr == nil) != (wantErr == nil) {
			t.Fatalf("%q: %v, want %v", data, gotErr, wantErr)
		}
		same := cmp.Comparer(func(a, b jsontext.Value) bool { return string(a) == string(b) })
		if diff := cmp.Diff(want, got, same); wantErr == nil && diff != "" {
			t.Fatalf("%q: as the JSON package (-), got (+):\n%s", data, diff)
		}
	})
}

// FuzzDecodeMessage: a message is read as the JSON package reads it.
func FuzzDecodeMessage(f *testing.F) {
	for _, s := range []string{
		`{"role":"user","time":{"created":1},"agent":"build","model":{"providerID":"p","modelID":"m","variant":"v","id":"i"},"summary":{"diffs":[]}}`,
		`{"parentID":"m","role":"assistant","mode":"build","path":{"cwd":"/w"},"cost":0.1,"tokens":{"input":1},"modelID":"m","providerID":"p","time":{"created":1,"completed":2},"finish":"stop","summary":true}`,
		`{"role":"assistant","error":{"name":"APIError","data":{"message":"m","statusCode":500}}}`, `{"role":null}`, `{"role":"a","role":"b"}`, `{"r\u006fle":"b"}`,
		`{"model":{"id":"a","id":"b"}}`, `{"model":{"id":"a"},"model":{"modelID":"b"}}`, `{"time":5}`, `{"time":{"created":"x"}}`, `{"id":"\ud800"}`, `{"model":null}`, `[]`,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		if !isJSON(data) {
			return
		}
		var got, want messageInfo
		gotErr, wantErr := decodeMessage(data, &got), unmarshal(data, &want)
		if (gotErr == nil) != (wantErr == nil) {
			t.Fatalf("%q: %v, want %v", data, gotErr, wantErr)
		}
		same := cmp.Comparer(func(a, b jsontext.Value) bool { return string(a) == string(b) })
		if diff := cmp.Diff(want, got, same); wantErr == nil && diff != "" {
			t.Fatalf("%q: as the JSON package (-), got (+):\n%s", data, diff)
		}
	})
}
