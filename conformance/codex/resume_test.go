//go:build conformance

package codex

import (
	"bytes"
	"context"
	"io/fs"
	"os"
	"path/filepath"
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

// TestExportsResume writes the recordings of all vendors as rollouts, has the
// real tool go on with them, and compares what it sends with what the rollout
// says. That the rollout says what the log does is proven beside the exporter.
func TestExportsResume(t *testing.T) {
	in := importFixtures(t)
	tool := newCLI(t)
	var sessions, items int
	seen := map[format.LogID]bool{}
	for _, r := range in.results {
		for _, o := range r.Outcomes {
			if seen[o.Log] || o.Name.Kind == convert.LogAssets {
				continue
			}
			seen[o.Log] = true
			for _, paginated := range []string{"false", "true"} {
				if paginated == "true" && r.Vendor == codex.Name {
					continue
				}
				out := &convert.FolderOutput{Dir: tool.home}
				err := codex.Vendor{}.Export(t.Context(), convert.ExportRequest{
					Store: in.store, Imports: in.imports, Log: o.Log, Size: -1, Out: out, Report: new(schema.Fidelity),
					Options: map[string]string{codex.OptionRewrite: "true", codex.OptionPaginated: paginated, codex.OptionProvider: "mock"},
				})
				if err != nil {
					t.Errorf("%s: %v", r.Path, err)
					continue
				}
				n := checkResume(t, tool, out.Written[len(out.Written)-1])
				sessions++
				items += n
				if err := os.RemoveAll(filepath.Join(tool.home, "sessions")); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
	t.Logf("%d exported sessions resumed, %d items sent as they were written", sessions, items)
}

// checkResume resumes a rollout and counts the items that were sent as expected.
func checkResume(t *testing.T, tool *cli, rollout string) int {
	t.Helper()
	content, err := os.ReadFile(rollout)
	if err != nil {
		t.Fatal(err)
	}
	thread, want := written(t, content)
	got := tool.resume(t, thread, "please go on")
	if got == nil {
		return 0
	}
	if len(got) > 0 && got[0]["role"] == "developer" && (len(want) == 0 || textOf(got[0]) != textOf(want[0])) {
		got = got[1:] // the system prompt
	}
	if len(got) < len(want) || !same(want, got[:len(want)], false) {
		t.Errorf("%s: %s", filepath.Base(rollout), describe(want, got, false))
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
	h := codex.NewHistory(store)
	err = convert.WalkEvents(context.Background(), store, out.Log, 0, -1, func(e convert.LogEvent) error {
		if d, ok := e.Event.Data.(*schema.SessionOpened); ok {
			thread = d.VendorSession
		}
		return h.Add(t.Context(), e)
	})
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
	return thread, items
}

// TestExportsAreListed gives an export to the tool as a user does and has it list
// and name the session.
func TestExportsAreListed(t *testing.T) {
	in := importFixtures(t)
	tool := newCLI(t)
	tool.run(t, "exec", "--skip-git-repo-check", "make the home complete")
	for _, r := range in.results {
		if r.Vendor != claudecode.Name || r.Kind != convert.ClaimTranscript || len(r.Outcomes) == 0 {
			continue
		}
		out := &convert.FolderOutput{Dir: tool.home}
		err := codex.Vendor{}.Export(t.Context(), convert.ExportRequest{
			Store: in.store, Imports: in.imports, Log: r.Outcomes[0].Log, Size: -1, Out: out, Report: new(schema.Fidelity),
			Options: map[string]string{codex.OptionProvider: "mock"},
		})
		if err != nil {
			t.Fatal(err)
		}
		for _, variable := range tool.env {
			name, v, _ := bytes.Cut([]byte(variable), []byte{'='})
			t.Setenv(string(name), string(v))
		}
		vendor := codex.Vendor{Command: tool.command}
		if err := vendor.Register(t.Context(), convert.Installed{Root: tool.home, Files: out.Written, Title: "Moved here"}); err != nil {
			t.Errorf("%s: %v", r.Path, err)
		}
	}
	index, err := fs.ReadFile(os.DirFS(tool.home), "session_index.jsonl")
	if err != nil || !bytes.Contains(index, []byte("Moved here")) {
		t.Errorf("the tool did not name the session: %v", err)
	}
}
