//go:build conformance

package codex

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/go-json-experiment/json"

	"github.com/ownlog/ownlog/convert"
	"github.com/ownlog/ownlog/convert/claudecode"
	"github.com/ownlog/ownlog/convert/codex"
	"github.com/ownlog/ownlog/convert/opencode"
	"github.com/ownlog/ownlog/fixtures"
	"github.com/ownlog/ownlog/format"
	"github.com/ownlog/ownlog/schema"
)

// importFixtures imports the recordings of all vendors into one store.
func importFixtures(t *testing.T) *imported {
	t.Helper()
	dir := t.TempDir()
	if err := os.CopyFS(dir, fixtures.FS); err != nil {
		t.Fatal(err)
	}
	in := &imported{store: new(format.MemStore), imports: convert.OpenImports("")}
	reg := convert.NewRegistry(claudecode.Vendor{}, codex.Vendor{}, opencode.Vendor{})
	_, err := convert.Import(t.Context(), in.store, in.imports, reg, convert.ImportOptions{
		Roots: []string{dir}, Final: true,
		Progress: func(r convert.FileResult) { in.results = append(in.results, r) },
	})
	if err != nil {
		t.Fatal(err)
	}
	return in
}

// oldShare: of every so many sessions each older version resumes one, not the same
// as the version before it; all of them in a long run.
const oldShare = 6

// takesOld tells whether the i-th version, an older one, resumes the n-th session.
func takesOld(i, n int) bool {
	return os.Getenv("OWNLOG_SOAK") != "" || n%oldShare == 3*(i-1)%oldShare
}

// TestExportsResume writes the recordings of all vendors as rollouts, has the
// real tool go on with them, and compares what it sends with what the rollout
// says. That the rollout says what the log does is proven beside the exporter.
func TestExportsResume(t *testing.T) {
	in := importFixtures(t)
	for i, dir := range installedCLIs(t) {
		tool := newCLI(t, dir, i > 0)
		var sessions, items int
		for n, o := range in.sessions() {
			if i > 0 && !takesOld(i, n) {
				continue
			}
			forms := []string{"false", "true"}
			if i > 0 || o.Name.Vendor == codex.Name {
				forms = forms[:1]
			}
			for _, paginated := range forms {
				rollout := exportTo(t, in, o.Log, tool.home, map[string]string{
					codex.OptionRewrite: "true", codex.OptionPaginated: paginated, codex.OptionProvider: "mock",
				})
				sessions++
				items += checkResume(t, tool, rollout, i > 0)
				if err := os.RemoveAll(filepath.Join(tool.home, "sessions")); err != nil {
					t.Fatal(err)
				}
			}
		}
		t.Logf("%s: %d exported sessions resumed, %d items sent as they were written", filepath.Base(dir), sessions, items)
	}
}

// TestContinuedSessionsResume goes on natively with forks of the recordings, and
// then with the real tool: the tool sends the records of the mirror and what was
// added.
func TestContinuedSessionsResume(t *testing.T) {
	in := importFixtures(t)
	tool := newCLI(t, installedCLIs(t)[0], false)
	sessions := 0
	for _, o := range in.sessions() {
		thread, resumable := in.resumable(t, o)
		if !resumable {
			continue
		}
		log := goOn(t, in.store, o)
		want := append(in.sends(t, log),
			map[string]any{"type": "message", "role": "user", "content": []any{map[string]any{"type": "input_text", "text": "and then?"}}},
			map[string]any{"type": "message", "role": "assistant", "content": []any{map[string]any{"type": "output_text", "text": "Then this."}}})
		exportTo(t, in, log, tool.home, map[string]string{})
		checkSent(t, thread, want, tool.resume(t, thread, "please go on"))
		sessions++
		if err := os.RemoveAll(filepath.Join(tool.home, "sessions")); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("%d continued sessions resumed", sessions)
}

// resumable tells whether the tool goes on with a session: not with agents of
// another session, and no version with bare lines.
func (in *imported) resumable(t *testing.T, o convert.Outcome) (thread string, ok bool) {
	t.Helper()
	ok = o.Name.Vendor == codex.Name
	err := convert.WalkEvents(t.Context(), in.store, o.Log, 0, -1, func(e convert.LogEvent) error {
		if d, opened := e.Event.Data.(*schema.SessionOpened); opened {
			thread = d.VendorSession
			ok = ok && d.Link == nil && d.VendorVersion != ""
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return thread, ok
}

// sends is what the tool would send of a log's records.
func (in *imported) sends(t *testing.T, log format.LogID) (items []map[string]any) {
	t.Helper()
	h := codex.NewHistory(in.store)
	err := convert.WalkEvents(t.Context(), in.store, log, 0, -1, func(e convert.LogEvent) error { return h.Add(t.Context(), e) })
	if err != nil {
		t.Fatal(err)
	}
	for _, item := range h.Input() {
		var v map[string]any
		if err := json.Unmarshal(item, &v); err != nil {
			t.Fatal(err)
		}
		items = append(items, v)
	}
	return items
}

// goOn forks a mirror and adds a turn.
func goOn(t *testing.T, store *format.MemStore, o convert.Outcome) format.LogID {
	t.Helper()
	log := format.NewLogID()
	if err := store.CreateFork(t.Context(), log, o.Log, o.Head.Size); err != nil {
		t.Fatal(err)
	}
	var entries [][]byte
	for _, ev := range []*schema.Event{
		{Time: "2026-11-24T00:00:00Z", Actor: schema.Actor{Kind: schema.ActorUser}, Turn: 99, Data: &schema.UserMessage{
			Origin: schema.OriginTyped, Content: []schema.Part{schema.TextPart("and then?")},
		}},
		{Time: "2026-11-24T00:00:01Z", Actor: schema.Actor{Kind: schema.ActorModel}, Turn: 99, Step: 1, Data: &schema.ModelOutput{
			Provider: "mock", Blocks: []schema.Block{{Type: schema.BlockText, Text: schema.String("Then this.")}},
		}},
	} {
		b, err := schema.Encode(nil, ev)
		if err != nil {
			t.Fatal(err)
		}
		entries = append(entries, b)
	}
	if _, err := store.Append(t.Context(), log, o.Head.Size, entries); err != nil {
		t.Fatal(err)
	}
	return log
}

// sessions are the logs of sessions that the import made, each once.
func (in *imported) sessions() (list []convert.Outcome) {
	seen := map[format.LogID]bool{}
	for _, r := range in.results {
		for _, o := range r.Outcomes {
			if !seen[o.Log] && o.Name.Kind != convert.LogAssets {
				list = append(list, o)
			}
			seen[o.Log] = true
		}
	}
	return list
}

// exportTo writes a log as a rollout below a home and returns its path.
func exportTo(t *testing.T, in *imported, log format.LogID, home string, options map[string]string) string {
	t.Helper()
	out := &convert.FolderOutput{Dir: home}
	err := codex.Vendor{}.Export(t.Context(), convert.ExportRequest{
		Store: in.store, Imports: in.imports, Log: log, Size: -1, Out: out, Report: new(schema.Fidelity), Options: options,
	})
	if err != nil {
		t.Fatalf("log %s: %v", log, err)
	}
	return out.Written[len(out.Written)-1]
}

// checkResume resumes a rollout and counts the items that were sent as expected.
func checkResume(t *testing.T, tool *cli, rollout string, old bool) int {
	t.Helper()
	content, err := os.ReadFile(rollout)
	if err != nil {
		t.Fatal(err)
	}
	thread, want := written(t, content)
	got := tool.resume(t, thread, "please go on")
	if old {
		want, got = knownToOld(want), knownToOld(got)
	}
	return checkSent(t, thread, want, got)
}

// knownToOld leaves out what versions up to 0.130 skip: types of items and members
// that later ones brought, which only their own sessions have.
func knownToOld(items []map[string]any) (out []map[string]any) {
	for _, item := range items {
		switch item["type"] {
		case "additional_tools", "agent_message", "configuration_update":
			continue
		}
		delete(item, "namespace")
		for _, member := range []string{"content", "output"} {
			parts, _ := item[member].([]any)
			for _, p := range parts {
				if part, ok := p.(map[string]any); ok {
					delete(part, "detail")
				}
			}
		}
		out = append(out, item)
	}
	return out
}

// checkSent compares what the tool sent with what it was to send: after the system
// prompt, before what it adds of its own. It returns how many items agree.
func checkSent(t *testing.T, thread string, want, got []map[string]any) int {
	t.Helper()
	if len(got) > 0 && got[0]["role"] == "developer" && (len(want) == 0 || textOf(got[0]) != textOf(want[0])) {
		got = got[1:]
	}
	if len(got) < len(want) || !same(want, got[:len(want)], false) {
		t.Errorf("session %s: %s", thread, describe(want, got, false))
		return 0
	}
	return len(want)
}

// written gives the history that a rollout holds.
func written(t *testing.T, content []byte) (thread string, items []map[string]any) {
	t.Helper()
	store := new(format.MemStore)
	m := convert.NewMirror(store, convert.OpenImports(""), false)
	out, err := m.MirrorTranscript(t.Context(), convert.Transcript{
		Vendor: codex.Name, Path: "export", Content: bytes.NewReader(content),
		Identify: func(*convert.Record) (convert.LogName, bool) {
			return convert.LogName{Vendor: codex.Name, Kind: convert.LogSession, ID: "export"}, true
		},
		NewMapper: func(f convert.Findings) convert.Mapper { return codex.NewMapper(f, codex.Base{}) },
	})
	if err != nil {
		t.Fatal(err)
	}
	in := &imported{store: store}
	err = convert.WalkEvents(t.Context(), store, out.Log, 0, 1, func(e convert.LogEvent) error {
		if d, ok := e.Event.Data.(*schema.SessionOpened); ok {
			thread = d.VendorSession
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return thread, in.sends(t, out.Log)
}

// TestExportsAreListed gives an export to the tool as a user does and has it list
// and name the session.
func TestExportsAreListed(t *testing.T) {
	in := importFixtures(t)
	tool := newCLI(t, installedCLIs(t)[0], false)
	tool.run(t, "exec", "--skip-git-repo-check", "make the home complete")
	for _, variable := range tool.env {
		name, v, _ := strings.Cut(variable, "=")
		t.Setenv(name, v)
	}
	var listed int
	for _, o := range in.sessions() {
		if o.Name.Vendor == codex.Name {
			continue
		}
		rollout := exportTo(t, in, o.Log, tool.home, map[string]string{codex.OptionProvider: "mock"})
		vendor := codex.Vendor{Command: tool.command}
		if err := vendor.Register(t.Context(), convert.Installed{Root: tool.home, Files: []string{rollout}, Title: "Moved here"}); err != nil {
			t.Errorf("%s: %v", rollout, err)
		}
		listed++
	}
	index, err := os.ReadFile(filepath.Join(tool.home, "session_index.jsonl"))
	if err != nil || strings.Count(string(index), "Moved here") != listed {
		t.Errorf("%d sessions, named in the tool's index: %s, %v", listed, index, err)
	}
	t.Logf("%d exported sessions listed and named", listed)
}
