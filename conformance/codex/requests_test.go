//go:build conformance

package codex

import (
	"os"
	"path/filepath"
	"reflect"
	"sort"
	"strings"
	"testing"

	"github.com/go-json-experiment/json"

	"github.com/ownlog/ownlog/convert"
	"github.com/ownlog/ownlog/convert/codex"
	"github.com/ownlog/ownlog/schema"
)

// sent is a request that the tool made, as the recordings keep it.
type sent struct {
	name         string
	ThreadID     string           `json:"thread_id"`
	Kind         string           `json:"request_kind"`
	Instructions *string          `json:"instructions"`
	Input        []map[string]any `json:"input"`
}

// score counts how requests compare.
type score struct{ equal, butPrompt, different, noLog int }

// TestRequestsAreRebuilt rebuilds every recorded request from a log that was
// imported from the session files: of each log some prefix must give the
// request, and prefixes must not go backwards.
func TestRequestsAreRebuilt(t *testing.T) {
	var total score
	for _, dir := range captureFolders(t) {
		parent := filepath.Dir(dir.path)
		requests := readRequests(t, parent)
		if filepath.Base(dir.path) != "sessions" || len(requests) == 0 {
			continue
		}
		in := importTree(t, dir.path)
		at := map[string]int{}
		for _, req := range requests {
			states := in.states(t, req.ThreadID)
			if states == nil {
				total.noLog++
				t.Errorf("%s/%s: no log of thread %s", dir.name, req.name, req.ThreadID)
				continue
			}
			verdict, n := find(states, at[req.ThreadID], req)
			switch verdict {
			case "equal":
				total.equal++
			case "equal but for the prompt":
				total.butPrompt++
			default:
				total.different++
				t.Errorf("%s/%s: %s", dir.name, req.name, verdict)
			}
			at[req.ThreadID] = n
		}
	}
	t.Logf("%d requests equal, %d equal but for the compaction prompt, %d different, %d without a log",
		total.equal, total.butPrompt, total.different, total.noLog)
}

func readRequests(t *testing.T, dir string) (list []sent) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "sent-*.json"))
	if err != nil {
		t.Fatal(err)
	}
	sort.Strings(files)
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		s := sent{name: filepath.Base(f)}
		if err := json.Unmarshal(b, &s); err != nil {
			t.Fatalf("%s: %v", f, err)
		}
		list = append(list, s)
	}
	return list
}

// state is the history after a prefix of a log.
type state struct {
	system string
	input  []map[string]any
}

// states gives the history after every entry of a session's log.
func (in *imported) states(t *testing.T, session string) (list []state) {
	t.Helper()
	for _, r := range in.results {
		for _, o := range r.Outcomes {
			if id, _, _ := strings.Cut(o.Name.ID, "@"); id != session {
				continue
			}
			h := codex.NewHistory(in.store)
			err := convert.WalkEvents(t.Context(), in.store, o.Log, 0, -1, func(e convert.LogEvent) error {
				if err := h.Add(t.Context(), e); err != nil {
					return err
				}
				if _, ok := e.Event.Data.(*schema.VendorRecord); ok && list != nil {
					return nil
				}
				s := state{system: h.System()}
				for _, item := range h.Input() {
					var v map[string]any
					if err := json.Unmarshal(item, &v); err != nil {
						t.Fatalf("item %s: %v", item, err)
					}
					s.input = append(s.input, v)
				}
				list = append(list, s)
				return nil
			})
			if err != nil {
				t.Fatal(err)
			}
			return list
		}
	}
	return nil
}

// find looks for the first prefix, from one on, that gives a request.
func find(states []state, from int, req sent) (verdict string, at int) {
	old := req.Instructions != nil
	got := req.Input
	if !old && len(got) > 0 && got[0]["type"] != "additional_tools" && got[0]["role"] == "developer" {
		if want := states[len(states)-1].system; want != "" && want != textOf(got[0]) {
			return "the system prompt differs", from
		}
		got = got[1:]
	}
	compaction := req.Kind == "compaction"
	if n := len(got); n > 0 && got[n-1]["role"] == "user" {
		b, _ := json.Marshal(got[n-1])
		compaction = compaction || strings.Contains(string(b), "CONTEXT CHECKPOINT")
	}
	for i := from; i < len(states); i++ {
		switch {
		case same(states[i].input, got, !old):
			return "equal", i
		case compaction && same(states[i].input, got[:len(got)-1], !old):
			return "equal but for the prompt", i
		}
	}
	return describe(states[len(states)-1].input, got, !old), from
}

func textOf(item map[string]any) string {
	parts, _ := item["content"].([]any)
	if len(parts) == 0 {
		return ""
	}
	part, _ := parts[0].(map[string]any)
	text, _ := part["text"].(string)
	return text
}

func same(a, b []map[string]any, ids bool) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if !reflect.DeepEqual(plain(a[i], b[i], ids), plain(b[i], a[i], ids)) {
			return false
		}
	}
	return true
}

// hostSide is the tool's own member of an item: it is taken off before an item is
// sent, except to the provider `openai`.
const hostSide = "internal_chat_message_metadata_passthrough"

// plain drops what is not compared: nulls, the tool's own member, ids of versions
// that strip them and of outputs that the tool makes up on the way.
func plain(item, other map[string]any, ids bool) map[string]any {
	out := map[string]any{}
	for k, v := range item {
		madeUp := item["output"] == "aborted" && (item["id"] == nil || other["id"] == nil)
		if v == nil || k == hostSide || k == "id" && (!ids || madeUp) {
			continue
		}
		out[k] = v
	}
	return out
}

func describe(a, b []map[string]any, ids bool) string {
	i := 0
	for i < len(a) && i < len(b) && reflect.DeepEqual(plain(a[i], b[i], ids), plain(b[i], a[i], ids)) {
		i++
	}
	at := func(list []map[string]any) string {
		if i >= len(list) {
			return "nothing"
		}
		s, _ := json.Marshal(list[i])
		return string(s[:min(len(s), 300)])
	}
	return "differs at item " + string(rune('0'+i%10)) + ": rebuilt " + at(a) + ", sent " + at(b)
}
