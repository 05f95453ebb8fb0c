//go:build conformance

package opencode

import (
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ownlog/ownlog/convert"
	"github.com/ownlog/ownlog/convert/claudecode"
	"github.com/ownlog/ownlog/convert/codex"
	"github.com/ownlog/ownlog/convert/opencode"
	"github.com/ownlog/ownlog/fixtures"
	"github.com/ownlog/ownlog/format"
	"github.com/ownlog/ownlog/schema"
)

// handed is a session on its way into the tool.
type handed struct {
	name            string
	file            string
	session         string
	provider, model string
	want            *imported // what our own importer makes of the file
	log             format.LogID
}

// TestToolTakesAndSendsEverySession exports the recordings of all vendors for
// `opencode import`, has the tool import them, compares what it stored, resumes
// each, and compares the history that it sends with the view of the log.
func TestToolTakesAndSendsEverySession(t *testing.T) {
	project := ""
	models := make(map[string][]string)
	var sessions []*handed
	// The folder of the project must be known before the files are written.
	probe := newCLI(t, map[string][]string{"fake": {"m1"}})
	project = probe.project
	for _, vendor := range []convert.Vendor{opencode.Vendor{}, claudecode.Vendor{}, codex.Vendor{}} {
		sessions = append(sessions, exportFixtures(t, vendor, project)...)
	}
	for _, s := range sessions {
		if !slices.Contains(models[s.provider], s.model) {
			models[s.provider] = append(models[s.provider], s.model)
		}
		for _, ev := range s.want.loadLog(t, s.log) {
			if out, ok := ev.Data.(*schema.ModelOutput); ok && out.Model != "" && !slices.Contains(models[out.Provider], out.Model) {
				models[out.Provider] = append(models[out.Provider], out.Model)
			}
		}
	}
	tool := newCLI(t, models)
	tool.project = project
	taken, sent := 0, 0
	for _, s := range sessions {
		t.Run(s.name, func(t *testing.T) {
			err := opencode.Vendor{Command: tool.command}.Register(t.Context(), convert.Installed{Root: filepath.Dir(s.file), Files: []string{s.file}})
			if err != nil {
				t.Fatal(err)
			}
			taken++
			path, got := tool.resume(t, s.session, s.provider, s.model, "What is next?")
			want := s.want.resumed(t, s.session, path, s.model)
			if diff := cmp.Diff(want, got); diff != "" {
				t.Fatalf("of the log (-), sent (+):\n%s", diff)
			}
			sent++
		})
	}
	t.Logf("%d of %d sessions taken whole by the tool, %d sent as the log says", taken, len(sessions), sent)
}

// exportFixtures imports a vendor's recordings and exports each session.
func exportFixtures(t *testing.T, vendor convert.Vendor, project string) (list []*handed) {
	t.Helper()
	dir := t.TempDir()
	sub, err := fs.Sub(fixtures.FS, vendor.Name())
	if err != nil {
		t.Fatal(err)
	}
	if err := os.CopyFS(dir, sub); err != nil {
		t.Fatal(err)
	}
	folders, _ := filepath.Glob(filepath.Join(dir, "*"))
	if vendor.Name() != opencode.VendorName {
		folders = []string{dir}
	}
	for _, folder := range folders {
		if vendor.Name() == opencode.VendorName && filepath.Base(folder) == "README.md" {
			continue
		}
		in := &imported{store: new(format.MemStore), imports: convert.OpenImports("")}
		_, err := convert.Import(t.Context(), in.store, in.imports, convert.NewRegistry(vendor), convert.ImportOptions{
			Roots: []string{folder}, Progress: func(r convert.FileResult) { in.results = append(in.results, r) },
		})
		if err != nil {
			t.Fatal(err)
		}
		for i, log := range in.sessions() {
			if slices.Contains(in.sessions()[:i], log) {
				continue
			}
			out := &convert.FolderOutput{Dir: t.TempDir()}
			req := convert.ExportRequest{
				Store: in.store, Imports: in.imports, Log: log, Size: -1, Out: out, Report: new(schema.Fidelity),
				Options: map[string]string{opencode.OptionCWD: project, opencode.OptionOnly: "transcript"},
			}
			if err := (opencode.Vendor{}).Export(t.Context(), req); err != nil {
				t.Fatal(err)
			}
			list = append(list, readHanded(t, vendor.Name()+"/"+filepath.Base(folder), out.Written[0]))
		}
	}
	return list
}

// readHanded reads an exported file back with our own importer.
func readHanded(t *testing.T, name, file string) *handed {
	t.Helper()
	h := &handed{file: file, session: strings.TrimSuffix(filepath.Base(file), ".json"), provider: "unknown", model: "unknown"}
	h.name = name + "/" + h.session
	h.want = importPath(t, nil, file)
	if logs := h.want.sessions(); len(logs) == 1 {
		h.log = logs[0]
	} else {
		t.Fatalf("%s: %d sessions in the file", name, len(logs))
	}
	for _, ev := range h.want.loadLog(t, h.log) {
		if out, ok := ev.Data.(*schema.ModelOutput); ok && out.Model != "" {
			h.provider, h.model = out.Provider, out.Model
		}
	}
	return h
}
