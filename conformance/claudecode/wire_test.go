//go:build conformance

package claudecode

import (
	"encoding/base64"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/google/go-cmp/cmp"

	"github.com/ownlog/ownlog/convert"
	"github.com/ownlog/ownlog/convert/claudecode"
	"github.com/ownlog/ownlog/format"
	"github.com/ownlog/ownlog/schema"
)

// block is a content block as it is sent; members as in the Messages API.
type block map[string]any

// placed is a message under construction.
type placed struct {
	role   string
	blocks []block
}

// wire puts a view into the messages that the tool sends, by the placement rules
// of spec/mapping-claude-code.md.
type wire struct {
	t        *testing.T
	store    format.Store
	messages []placed

	// The run of neighbours of role user that is being collected.
	results, reminders, beside []block
	rest                       [][]block // by message
	alone                      []aloneText

	// failed are the places of the tool's reports that a request got no answer.
	// They are not sent, but what stands before and after is placed apart.
	failed []int64
	at     int64 // of the message before
}

// aloneText is a reminder that reads otherwise where no result stands before it.
type aloneText struct {
	at    int // among reminders
	texts []schema.Text
}

func (w *wire) add(m schema.Message) {
	for _, seq := range w.failed {
		if w.at < seq && seq < m.Seq {
			w.endRun()
		}
	}
	w.at = m.Seq
	switch {
	case m.Role == schema.RoleModel:
		w.endRun()
		w.addOutput(m)
	case m.Role == schema.RoleTool:
		if m.Result.Content != nil {
			w.results = append(w.results, w.resultBlock(m.Result))
		}
	case m.Injected && m.Placement == schema.PlacementBeside:
		w.beside = append(w.beside, w.blocks(m.Content)...)
	case m.Injected && m.Placement == schema.PlacementReminder:
		if m.RenderedAlone != nil {
			w.alone = append(w.alone, aloneText{len(w.reminders), m.RenderedAlone})
		}
		w.reminders = append(w.reminders, w.blocks(m.Content)...)
	case m.Rendered != nil:
		for _, text := range m.Rendered {
			w.reminders = append(w.reminders, textOf(text.Inline))
		}
	default:
		if blocks := w.blocks(m.Content); len(blocks) > 0 {
			w.rest = append(w.rest, blocks)
		}
	}
}

func textOf(s string) block { return block{"type": "text", "text": s} }

// endRun makes one message of the neighbours collected.
func (w *wire) endRun() {
	blocks := w.results
	if len(blocks) == 0 {
		for _, a := range w.alone {
			for i, text := range a.texts {
				w.reminders[a.at+i] = textOf(text.Inline)
			}
		}
		blocks = append(blocks, w.reminders...)
	} else {
		blocks = appendReminders(blocks, w.reminders)
	}
	blocks = append(blocks, w.beside...)
	for _, unit := range w.rest {
		if n := len(blocks); n > 0 && blocks[n-1]["type"] == "text" && unit[0]["type"] == "text" {
			blocks[n-1] = textOf(blocks[n-1]["text"].(string) + "\n")
		}
		blocks = append(blocks, unit...)
	}
	if n := len(w.messages); n > 0 && w.messages[n-1].role == "user" {
		w.messages[n-1].blocks = append(w.messages[n-1].blocks, blocks...)
	} else if len(blocks) > 0 {
		w.messages = append(w.messages, placed{"user", blocks})
	}
	w.results, w.reminders, w.beside, w.rest, w.alone = nil, nil, nil, nil, nil
}

// appendReminders puts reminders behind the last result.
func appendReminders(blocks, reminders []block) []block {
	last := blocks[len(blocks)-1]
	switch content := last["content"].(type) {
	case string:
		for _, r := range reminders {
			content += "\n\n" + r["text"].(string)
		}
		last["content"] = content
	case []block:
		if len(content) > 0 && content[0]["type"] == "tool_reference" {
			if len(reminders) > 0 {
				blocks = append(append(blocks, textOf(toolsLoaded)), reminders...)
			}
			return blocks
		}
		last["content"] = append(content, reminders...)
	}
	return blocks
}

func (w *wire) addOutput(m schema.Message) {
	p := placed{role: "assistant"}
	for _, b := range m.Blocks {
		switch {
		case b.Type == schema.BlockText:
			if b.Text.Inline != "" {
				p.blocks = append(p.blocks, textOf(b.Text.Inline))
			}
		case b.Seal != nil:
			p.blocks = append(p.blocks, w.decoded(b.Seal.Item))
		case b.Type == schema.BlockToolCall:
			p.blocks = append(p.blocks, block{"type": "tool_use", "id": b.VendorID, "name": b.Name, "input": w.value(b.Args)})
		case b.Type == schema.BlockOpaque:
			p.blocks = append(p.blocks, w.decoded(b.Item))
		}
	}
	w.messages = append(w.messages, p)
}

func (w *wire) resultBlock(r *schema.Result) block {
	b := block{"type": "tool_result", "tool_use_id": r.VendorID}
	blocks := w.blocks(r.Content)
	switch {
	case r.Shape == "string" && len(blocks) == 1:
		b["content"] = blocks[0]["text"]
	case r.Shape != "":
		b["content"] = blocks
	}
	if r.Status != schema.StatusOK {
		b["is_error"] = true
	}
	return b
}

func (w *wire) blocks(parts []schema.Part) []block {
	var out []block
	for _, p := range parts {
		switch {
		case p.Type == schema.PartText:
			out = append(out, textOf(p.Text.Inline))
		case p.Type == schema.PartImage && p.Blob != nil:
			digest, err := convert.BlobDigest(*p.Blob)
			if err != nil {
				w.t.Fatal(err)
			}
			data := base64.StdEncoding.EncodeToString(readBlob(w.t, w.store, digest))
			out = append(out, block{"type": "image", "source": map[string]any{"type": "base64", "media_type": p.Blob.Media, "data": data}})
		default:
			out = append(out, w.decoded(p.Item))
		}
	}
	return out
}

func (w *wire) decoded(v jsontext.Value) block {
	var b block
	if err := json.Unmarshal(v, &b); err != nil {
		w.t.Fatal(err)
	}
	return b
}

func (w *wire) value(v jsontext.Value) any {
	var x any
	if err := json.Unmarshal(v, &x); err != nil {
		w.t.Fatal(err)
	}
	return x
}

// lines writes messages for comparison, a line for each block.
func (w *wire) lines() []string {
	w.endRun()
	var out []string
	for _, m := range w.messages {
		for _, b := range m.blocks {
			line, err := json.Marshal(b, json.Deterministic(true))
			if err != nil {
				w.t.Fatal(err)
			}
			out = append(out, m.role+" "+string(line))
		}
	}
	return out
}

// sentLines writes recorded messages the same way: without markers of the cache,
// and without what says the same as its absence.
func sentLines(t *testing.T, messages jsontext.Value) []string {
	t.Helper()
	var list []struct {
		Role    string `json:"role"`
		Content any    `json:"content"`
	}
	if err := json.Unmarshal(messages, &list); err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, m := range list {
		blocks, ok := m.Content.([]any)
		if !ok {
			blocks = []any{map[string]any{"type": "text", "text": m.Content}}
		}
		for _, b := range blocks {
			fields := b.(map[string]any)
			delete(fields, "cache_control")
			if fields["is_error"] == false {
				delete(fields, "is_error")
			}
			line, err := json.Marshal(fields, json.Deterministic(true))
			if err != nil {
				t.Fatal(err)
			}
			out = append(out, m.Role+" "+string(line))
		}
	}
	return out
}

// askedAt says where in a log a request was answered.
type askedAt struct {
	seq    int64  // of the first entry of the answer
	parent string // the record that the answer follows
	given  bool   // there is an answer
}

// answers finds, for every request of a log, its answer. One that was superseded
// without an answer has its own place, one that is the last the log's end.
func answers(t *testing.T, store format.Store, log format.LogID) (map[string]askedAt, []*schema.Event) {
	t.Helper()
	found := make(map[string]askedAt)
	asked := make(map[string]askedAt)
	var events []*schema.Event
	var last string
	err := convert.WalkEvents(t.Context(), store, log, 0, -1, func(e convert.LogEvent) error {
		events = append(events, e.Event)
		var id string
		switch d := e.Event.Data.(type) {
		case *schema.ModelRequested:
			last = d.RequestID
			asked[last] = askedAt{seq: e.Seq}
		case *schema.ModelOutput:
			id = d.RequestID
		case *schema.ModelFailed:
			id = d.RequestID
		}
		if _, ok := found[id]; !ok && id != "" {
			found[id] = askedAt{e.Seq, e.Event.Parent.ID, true}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	asked[last] = askedAt{seq: int64(len(events))}
	for id, at := range asked {
		if _, ok := found[id]; !ok {
			found[id] = at
		}
	}
	return found, events
}

// viewLines gives the messages of the branch that ends in a record, as far as the
// log was when the answer came.
func viewLines(t *testing.T, store format.Store, events []*schema.Event, at askedAt) []string {
	t.Helper()
	var state schema.State
	w := &wire{t: t, store: store}
	for seq, ev := range events[:at.seq] {
		state.Apply(int64(seq), ev)
		if d, ok := ev.Data.(*schema.ModelFailed); ok && d.Attempt == 0 {
			w.failed = append(w.failed, int64(seq))
		}
	}
	if at.parent != "" {
		state.Apply(at.seq, &schema.Event{Data: &schema.BranchSelected{Leaf: at.parent}})
	}
	for m, err := range state.View(schema.LoadFrom(events)) {
		if err != nil {
			t.Fatal(err)
		}
		w.add(m)
	}
	return w.lines()
}

// captureLogs imports the recordings of one version.
func captureLogs(t *testing.T, store format.Store, accept func(path string) bool) []importedSession {
	t.Helper()
	root := filepath.Join(folder(t, "OWNLOG_VENDORS"), "claude-code", "captures")
	var logs []importedSession
	err := filepath.WalkDir(root, func(name string, d fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(name, ".jsonl") || !strings.Contains(name, "projects") || !accept(name) {
			return err
		}
		_, err = convert.Import(t.Context(), store, convert.OpenImports(""), convert.NewRegistry(claudecode.Vendor{}), convert.ImportOptions{
			Roots: []string{name},
			Progress: func(r convert.FileResult) {
				for _, o := range r.Outcomes {
					logs = append(logs, importedSession{o.Name, o.Log})
				}
			},
		})
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return logs
}

// TestRecordedRequests: the messages of every request that the recordings hold
// follow from entries and fold alone. Two things only the request log knows: the
// frame around a notice that starts a turn, and a reminder that the tool puts into
// a request when it tries again after a refusal, and records later or not at all.
func TestRecordedRequests(t *testing.T) {
	store := new(format.MemStore)
	logs := captureLogs(t, store, func(path string) bool { return !strings.Contains(path, "197") })
	var compared, equal, framed, retried int
	for _, s := range logs {
		found, events := answers(t, store, s.log)
		check, err := claudecode.CheckRequests(t.Context(), store, s.log, -1, func(line int64, id string, body []byte) error {
			if body == nil {
				return errors.New("a request cannot be rebuilt")
			}
			at := found[id]
			var request struct {
				Messages jsontext.Value `json:"messages"`
			}
			if err := json.Unmarshal(body, &request); err != nil {
				return err
			}
			want := sentLines(t, request.Messages)
			got := viewLines(t, store, events, at)
			compared++
			if slices.ContainsFunc(got, func(l string) bool { return strings.Contains(l, `"text":"`+notice) }) {
				framed++
				want, got = withoutNotices(want), withoutNotices(got)
			}
			if !at.given && !slices.Equal(want, got) {
				retried++
				want, got = spoken(want), spoken(got)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("%s, request on line %d: -sent +view:\n%s", s.name.ID, line, diff)
				return nil
			}
			equal++
			return nil
		})
		if err != nil {
			t.Errorf("%s: %v", s.name.ID, err)
		}
		if check.Verified != check.Total {
			t.Errorf("%s: %d of %d requests verified: %v", s.name.ID, check.Verified, check.Total, check.Problems)
		}
	}
	if compared < 50 {
		t.Errorf("only %d requests found", compared)
	}
	if framed+retried > 6 {
		t.Errorf("%d requests with a framed notice and %d retries are more than the recordings have", framed, retried)
	}
	t.Logf("%d of %d requests follow from the view, %d of them but for the frame of a notice, %d retries but for reminders", equal, compared, framed, retried)
}

// withoutNotices leaves out the notice that starts a turn, framed or not.
func withoutNotices(lines []string) []string {
	return slices.DeleteFunc(slices.Clone(lines), func(l string) bool {
		return strings.HasPrefix(l, `user {"text":"`) && strings.Contains(l, notice)
	})
}

// TestRequestsOfOlderVersion: of 2.1.197, which records neither requests nor
// reminders, the view is compared with what was recorded on the wire.
func TestRequestsOfOlderVersion(t *testing.T) {
	store := new(format.MemStore)
	logs := captureLogs(t, store, func(path string) bool { return strings.Contains(path, "v197") })
	if len(logs) != 1 {
		t.Fatalf("%d logs, want one", len(logs))
	}
	_, events := answers(t, store, logs[0].log)
	dir := filepath.Join(folder(t, "OWNLOG_VENDORS"), "claude-code", "captures", "v197-tools-resume")
	files, err := filepath.Glob(filepath.Join(dir, "sent-*.json"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no recorded requests: %v", err)
	}
	var views [][]string // at every answer
	for seq, ev := range events {
		if d, ok := ev.Data.(*schema.ModelOutput); ok && !d.Synthetic {
			views = append(views, spoken(viewLines(t, store, events, askedAt{int64(seq), ev.Parent.ID, true})))
		}
	}
	for _, file := range files {
		content, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var request struct {
			Messages jsontext.Value `json:"messages"`
		}
		if err := json.Unmarshal(content, &request); err != nil {
			t.Fatal(err)
		}
		sent := spoken(sentLines(t, request.Messages))
		if !slices.ContainsFunc(views, func(v []string) bool { return slices.Equal(v, sent) }) {
			t.Errorf("%s: no view of the log says this:\n%s", filepath.Base(file), strings.Join(sent, "\n"))
		}
	}
	t.Logf("%d recorded requests", len(files))
}

// spoken leaves reminders out.
func spoken(lines []string) []string {
	var out []string
	for _, l := range lines {
		if !strings.HasPrefix(l, `user {"text":"`+reminder) {
			l, _, _ = strings.Cut(l, `\n\n`+reminder)
			out = append(out, strings.ReplaceAll(l, `\n"`, `"`))
		}
	}
	return out
}
