//go:build conformance

package opencode

import (
	"os"
	"path/filepath"
	"sort"
	"strings"
	"testing"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/google/go-cmp/cmp"

	"github.com/ownlog/ownlog/convert"
	"github.com/ownlog/ownlog/format"
	"github.com/ownlog/ownlog/schema"
)

// loadLog reads all events of a log.
func (in *imported) loadLog(t testing.TB, log format.LogID) (events []*schema.Event) {
	t.Helper()
	err := convert.WalkEvents(t.Context(), in.store, log, 0, -1, func(e convert.LogEvent) error {
		events = append(events, e.Event)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return events
}

// request is what the tool would send to a provider and model with the history
// of the first size events.
func (in *imported) request(t testing.TB, events []*schema.Event, provider, model, api string) []any {
	t.Helper()
	var state schema.State
	for i, ev := range events {
		state.Apply(int64(i), ev)
	}
	var messages []schema.Message
	for msg, err := range state.View(schema.LoadFrom(events)) {
		if err != nil {
			t.Fatal(err)
		}
		messages = append(messages, msg)
	}
	w := &wire{t: t, in: in, api: api, provider: provider, model: model}
	for i, msg := range messages {
		var results []*schema.Result
		for _, next := range messages[i+1:] {
			if next.Role != schema.RoleTool {
				break
			}
			results = append(results, next.Result)
		}
		w.add(msg, results)
	}
	return w.out
}

// sent is a recorded request.
type sent struct {
	Kind     string         `json:"kind"`
	URL      string         `json:"url"`
	Messages jsontext.Value `json:"messages"`
	Params   struct {
		Model string `json:"model"`
	} `json:"params"`
}

func readSent(t testing.TB, path string) sent {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var s sent
	if err := json.Unmarshal(b, &s); err != nil {
		t.Fatal(err)
	}
	return s
}

// histories are what a log gives as history: in front of each response, and at
// each moment, since two processes may write to one session at once.
func (in *imported) histories(t testing.TB, log format.LogID) (requests [][]any) {
	events := in.loadLog(t, log)
	for i, ev := range events {
		data, ok := ev.Data.(*schema.ModelOutput)
		if !ok || ev.Source.Row == nil || ev.Source.Row.Table != "message" {
			continue
		}
		ask := func(history []*schema.Event) {
			requests = append(requests, in.request(t, history, data.Provider, data.Model, apiOf(data.Provider)))
		}
		ask(events[:i])
		moments := make(map[string]bool)
		for _, at := range events {
			if moments[at.Time] {
				continue
			}
			moments[at.Time] = true
			var history []*schema.Event
			for _, ev := range events {
				if ev.Time <= at.Time {
					history = append(history, ev)
				}
			}
			ask(history)
		}
	}
	return requests
}

// TestRecordedRequestsFollowFromTheLog: every request that the tool was seen to
// send follows from the entries of a log and the fold alone.
func TestRecordedRequestsFollowFromTheLog(t *testing.T) {
	dir := captures(t)
	files, err := filepath.Glob(filepath.Join(dir, "*", "sent-*.json"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no recorded requests: %v", err)
	}
	sort.Strings(files)
	byFolder := make(map[string][][]any)
	same, total := 0, 0
	for _, file := range files {
		s := readSent(t, file)
		folder := filepath.Dir(file)
		name := filepath.Base(folder)
		if s.Kind != "main" || name == "syncreplay" { // its session is not among the databases
			continue
		}
		if byFolder[folder] == nil {
			paths, _ := filepath.Glob(filepath.Join(folder, "*.db"))
			for _, path := range paths {
				in := importPath(t, nil, path)
				for _, log := range in.sessions() {
					byFolder[folder] = append(byFolder[folder], in.histories(t, log)...)
				}
			}
		}
		total++
		want := withoutCacheMarks(plain(t, s.Messages)).([]any)
		if name == "permission" && strings.HasSuffix(file, "003.json") {
			want = want[:len(want)-1] // the database is from before the prompt
		}
		best := ""
		for _, got := range byFolder[folder] {
			diff := cmp.Diff(want, got)
			if diff == "" {
				best = ""
				same++
				break
			}
			if best == "" || len(diff) < len(best) {
				best = diff
			}
		}
		if best != "" {
			t.Errorf("%s/%s: no history of the log is what was sent (-); the nearest (+):\n%s", name, filepath.Base(file), best)
		}
	}
	t.Logf("%d of %d recorded requests follow from the log", same, total)
}

// TestResumedVariantsFollowFromTheLog: the tool resumed derived databases and
// imported files with one more prompt; what it sent follows from the log too.
func TestResumedVariantsFollowFromTheLog(t *testing.T) {
	dir := captures(t)
	files, err := filepath.Glob(filepath.Join(dir, "*", "*", "report.json"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no reports: %v", err)
	}
	same, total := 0, 0
	for _, file := range files {
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var report struct {
			Exit       int            `json:"exit"`
			Session    string         `json:"session"`
			Messages   []any          `json:"messages"`
			RawRequest *sent          `json:"raw_request"`
			_          jsontext.Value `json:"-"`
		}
		if err := json.Unmarshal(b, &report); err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		name := filepath.Base(filepath.Dir(file))
		if report.Exit != 0 || report.Session == "" || report.RawRequest == nil || resumedOtherwise[name] {
			continue
		}
		total++
		t.Run(name, func(t *testing.T) {
			in := importPath(t, nil, filepath.Dir(file))
			got := in.resumed(t, report.Session, report.RawRequest.URL, "", report.RawRequest.Params.Model)
			want := withoutCacheMarks(any(report.Messages))
			if diff := cmp.Diff(want, any(got)); diff != "" {
				t.Errorf("sent (-), of the log (+):\n%s", diff)
				return
			}
			same++
		})
	}
	t.Logf("%d of %d resumed sessions follow from the log", same, total)
}

// resumedOtherwise are sessions that the tool itself resumed with another
// history than theirs: parts sorted by ids that wrap or do not ascend, and
// messages dropped because their ids were taken.
var resumedOtherwise = map[string]bool{
	"id-wrap-in-message": true, "part-id-order": true, "ids-exist": true, "changed-text": true, "parent-child": true,
	"bad-part": true, "missing-field": true,
}

// resumed is the request, by its path, provider and model, for a session and the
// prompt that the reports use. Without a provider it is the one that answered last.
func (in *imported) resumed(t testing.TB, session, url, provider, model string) []any {
	t.Helper()
	var log format.LogID
	for _, r := range in.results {
		for _, o := range r.Outcomes {
			if o.Name.ID == session || strings.HasPrefix(o.Name.ID, session+"/") {
				log = o.Log
			}
		}
	}
	if log.IsZero() {
		t.Fatalf("session %s was not imported", session)
	}
	events := in.loadLog(t, log)
	last := ""
	for _, ev := range events {
		if out, ok := ev.Data.(*schema.ModelOutput); ok && out.Provider != "" {
			last = out.Provider
		}
	}
	events = append(events, &schema.Event{
		Actor: schema.Actor{Kind: schema.ActorUser}, Turn: 999,
		Data: &schema.UserMessage{Content: []schema.Part{schema.TextPart(prompt)}, Origin: schema.OriginTyped},
	})
	api := "chat"
	switch {
	case strings.HasSuffix(url, "/messages"):
		api = "messages"
	case strings.HasSuffix(url, "/responses"):
		api = "responses"
	}
	if provider == "" {
		provider = last
	}
	return in.request(t, events, provider, model, api)
}
