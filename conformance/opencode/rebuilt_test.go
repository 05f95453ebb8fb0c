//go:build conformance

package opencode

import (
	"context"
	"database/sql"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/go-json-experiment/json"
	"github.com/google/go-cmp/cmp"

	"github.com/ownlog/ownlog/convert"
	"github.com/ownlog/ownlog/convert/codex"
	"github.com/ownlog/ownlog/convert/opencode"
	"github.com/ownlog/ownlog/fixtures"
	"github.com/ownlog/ownlog/format"
	"github.com/ownlog/ownlog/schema"
)

// rebuiltName is the database that OPENCODE_DB names, in the tool's data folder.
const rebuiltName = "rebuilt.db"

// TestToolUsesRebuiltDatabase makes one database of the logs of two, and of a log
// of another vendor, and has the tool use it: it lists the sessions, shows them as
// the logs have them, sends what the logs say, and prints a sanitized export. What
// it wrote meanwhile is imported from under it, with nothing left behind. Last it
// drops, without a word, messages whose ids are taken, and that is noticed.
func TestToolUsesRebuiltDatabase(t *testing.T) {
	project := newProject(t)
	sources := []string{moved(t, "sealed", project), moved(t, "subagent", project)}
	in := importPath(t, nil, sources...)
	own := in.sessions()
	foreign := importForeign(t, in, codex.Vendor{})
	inside := filepath.Join(project, "inside") // the tool itself would not look for sessions there
	if err := os.Mkdir(inside, 0o700); err != nil {
		t.Fatal(err)
	}
	rebuilt, report := rebuildDatabase(t, in, inside, slices.Concat(own, foreign))
	for _, item := range report.Items() {
		if strings.HasSuffix(item.Code, "-refused") {
			t.Errorf("the database refused a row: %v", item)
		}
	}
	compareRows(t, sources, rebuilt, own, in)

	tool := newCLI(t, project, modelsOf(t, in, slices.Concat(own, foreign)), "OPENCODE_DB="+rebuiltName)
	place := filepath.Join(tool.data, rebuiltName)
	if err := os.CopyFS(tool.data, os.DirFS(filepath.Dir(rebuilt))); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(filepath.Join(tool.data, "opencode.db"), place); err != nil {
		t.Fatal(err)
	}
	session := in.info(t, own[0]).VendorSession
	checkSanitized(t, in, own[0], tool.run(t, "", "export", session, "--sanitize"))

	tool.serve(t)
	var listed []struct {
		ID string `json:"id"`
	}
	if err := json.Unmarshal(tool.ask(t, "GET", "/session", nil), &listed); err != nil {
		t.Fatal(err)
	}
	var file string // of the session that is installed a second time
	for _, log := range slices.Concat(own, foreign) {
		folder := project
		if slices.Contains(foreign, log) {
			folder = inside
		}
		h := exportOne(t, in, log, folder)
		found := false
		for _, l := range listed {
			found = found || l.ID == h.session
		}
		if !found {
			t.Errorf("session %s is not among the %d that the tool lists", h.session, len(listed))
		}
		if file == "" {
			file = h.file
		}
		if err := h.compareStored(t, tool); err != nil {
			t.Errorf("%s: %v", h.session, err)
			continue
		}
		path, got := tool.resume(t, h.session, h.provider, h.model, false)
		if diff := cmp.Diff(h.want.resumed(t, h.session, path, h.provider, h.model), got); diff != "" {
			t.Errorf("%s: of the log (-), sent (+):\n%s", h.session, diff)
		}
	}
	importLive(t, tool, in.info(t, own[0]).VendorSession)
	installTaken(t, tool, file)
}

// moved copies a recorded database to a folder of its own and moves its sessions
// into a project.
func moved(t *testing.T, name, project string) (path string) {
	t.Helper()
	dir := t.TempDir()
	sub, err := fs.Sub(fixtures.FS, "opencode/"+name)
	if err == nil {
		err = os.CopyFS(dir, sub)
	}
	if err != nil {
		t.Fatal(err)
	}
	git := exec.Command("git", "rev-list", "--max-parents=0", "HEAD") // what the tool names projects by
	git.Dir = project
	root, err := git.Output()
	if err != nil {
		t.Fatal(err)
	}
	path = filepath.Join(dir, "opencode.db")
	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	id := strings.TrimSpace(string(root))
	for _, query := range []string{`UPDATE session SET project_id = ?1, directory = ?2`, `UPDATE project SET id = ?1, worktree = ?2`} {
		if _, err := db.Exec(query, id, project); err != nil {
			t.Fatal(err)
		}
	}
	return path
}

// importForeign imports a vendor's shortest recording besides, and returns its log.
func importForeign(t *testing.T, in *imported, vendor convert.Vendor) []format.LogID {
	t.Helper()
	dir := t.TempDir()
	sub, err := fs.Sub(fixtures.FS, vendor.Name())
	if err == nil {
		err = os.CopyFS(dir, sub)
	}
	if err != nil {
		t.Fatal(err)
	}
	other := &imported{store: in.store, imports: in.imports}
	_, err = convert.Import(t.Context(), in.store, in.imports, convert.NewRegistry(vendor), convert.ImportOptions{
		Roots: []string{dir}, Progress: func(r convert.FileResult) { other.results = append(other.results, r) },
	})
	if err != nil || len(other.sessions()) == 0 {
		t.Fatalf("no session of %s: %v", vendor.Name(), err)
	}
	return other.sessions()[:1]
}

func rebuildDatabase(t *testing.T, in *imported, folder string, logs []format.LogID) (path string, report *schema.Fidelity) {
	t.Helper()
	out := &convert.FolderOutput{Dir: t.TempDir()}
	report = new(schema.Fidelity)
	req := convert.ExportRequest{
		Store: in.store, Imports: in.imports, Log: logs[0], Size: -1, Out: out, Report: report,
		Options: map[string]string{opencode.OptionCWD: folder, opencode.OptionOnly: "transcript"},
	}
	if err := opencode.ExportDatabase(context.Background(), req, logs[1:]...); err != nil {
		t.Fatal(err)
	}
	return out.Written[0], report
}

// compareRows compares the rows of the sessions in the databases that they came
// from with those in the rebuilt one.
func compareRows(t *testing.T, sources []string, rebuilt string, logs []format.LogID, in *imported) {
	t.Helper()
	got := openCopy(t, rebuilt)
	ids := make([]string, len(logs))
	for i, log := range logs {
		ids[i] = "'" + in.info(t, log).VendorSession + "'"
	}
	for table, column := range map[string]string{"session": "id", "message": "session_id", "part": "session_id", "todo": "session_id"} {
		columns := tableColumns(t, got, table)
		var want []string
		for _, source := range sources {
			want = append(want, tableRows(t, openCopy(t, source), table, columns)...)
		}
		slices.Sort(want)
		have := tableRows(t, got, table+`" WHERE "`+column+`" IN (`+strings.Join(ids, ", ")+`) -- "`, columns)
		slices.Sort(have)
		if diff := cmp.Diff(want, have); diff != "" {
			t.Errorf("%s: rows of the sources (-), rebuilt (+):\n%s", table, diff)
		}
	}
}

// modelsOf are the providers and models of logs.
func modelsOf(t *testing.T, in *imported, logs []format.LogID) map[string][]string {
	models := map[string][]string{"unknown": {"unknown"}}
	for _, log := range logs {
		for _, ev := range in.loadLog(t, log) {
			if out, ok := ev.Data.(*schema.ModelOutput); ok && out.Model != "" && !slices.Contains(models[out.Provider], out.Model) {
				models[out.Provider] = append(models[out.Provider], out.Model)
			}
		}
	}
	return models
}

// info is what a log says of its session.
func (in *imported) info(t testing.TB, log format.LogID) schema.SessionInfo {
	t.Helper()
	var state schema.State
	for i, ev := range in.loadLog(t, log) {
		state.Apply(int64(i), ev)
	}
	return state.Info()
}

// exportOne exports a log for the tool.
func exportOne(t *testing.T, in *imported, log format.LogID, project string) *handed {
	t.Helper()
	out := &convert.FolderOutput{Dir: t.TempDir()}
	req := convert.ExportRequest{
		Store: in.store, Imports: in.imports, Log: log, Size: -1, Out: out, Report: new(schema.Fidelity),
		Options: map[string]string{opencode.OptionCWD: project, opencode.OptionOnly: "transcript"},
	}
	if err := (opencode.Vendor{}).Export(t.Context(), req); err != nil {
		t.Fatal(err)
	}
	return readHanded(t, "rebuilt", out.Written[0])
}

// checkSanitized imports what `opencode export --sanitize` printed: a log of its
// own, with every message and call in its place, that gives the file back.
func checkSanitized(t *testing.T, in *imported, log format.LogID, printed string) {
	t.Helper()
	if i := strings.IndexByte(printed, '{'); i > 0 {
		printed = printed[i:]
	}
	path := filepath.Join(t.TempDir(), "sanitized.json")
	if err := os.WriteFile(path, []byte(printed), 0o600); err != nil {
		t.Fatal(err)
	}
	clean := importPath(t, nil, path)
	if len(clean.sessions()) != 1 || !strings.HasSuffix(clean.results[0].Outcomes[0].Name.ID, "/sanitized") || len(clean.findings()) > 0 {
		t.Fatalf("the sanitized export became %+v, findings %v", clean.results, clean.findings())
	}
	if diff := cmp.Diff(shape(in.loadLog(t, log)), shape(clean.loadLog(t, clean.sessions()[0]))); diff != "" {
		t.Errorf("shape of the session (-), of its sanitized export (+):\n%s", diff)
	}
	compareFile(t, clean, clean.sessions()[0], printed)
}

// shape lists the kinds of what is said, without what it says.
func shape(events []*schema.Event) (list []string) {
	for _, ev := range events {
		switch data := ev.Data.(type) {
		case *schema.UserMessage:
			for _, p := range data.Content {
				list = append(list, "user "+string(p.Type))
			}
		case *schema.ModelOutput:
			for _, b := range data.Blocks {
				list = append(list, "model "+string(b.Type)+" "+b.Name)
			}
		case *schema.ToolResult:
			list = append(list, "result "+string(data.Status))
		}
	}
	return list
}

// compareFile exports the log of an export file and compares the bytes.
func compareFile(t *testing.T, in *imported, log format.LogID, want string) {
	t.Helper()
	var got strings.Builder
	req := convert.ExportRequest{Store: in.store, Imports: in.imports, Log: log, Size: -1, Out: &convert.WriterOutput{W: &got}, Report: new(schema.Fidelity)}
	if err := (opencode.Vendor{}).Export(t.Context(), req); err != nil {
		t.Fatal(err)
	}
	if got.String() != want {
		t.Error("the export file did not come back as it was")
	}
}

// importLive imports the database that OPENCODE_DB names while the tool has it open.
func importLive(t *testing.T, tool *cli, session string) {
	t.Helper()
	before := listing(t, tool.data)
	live := &imported{store: new(format.MemStore), imports: convert.OpenImports("")}
	env := map[string]string{"XDG_DATA_HOME": filepath.Dir(tool.data), "OPENCODE_DB": rebuiltName}
	_, err := convert.Import(t.Context(), live.store, live.imports, convert.NewRegistry(opencode.Vendor{}), convert.ImportOptions{
		Env:      convert.Environment{Home: t.TempDir(), Getenv: func(name string) string { return env[name] }},
		Progress: func(r convert.FileResult) { live.results = append(live.results, r) },
	})
	if err != nil {
		t.Fatal(err)
	}
	said := ""
	for _, log := range live.sessions() {
		if live.info(t, log).VendorSession != session {
			continue
		}
		for _, ev := range live.loadLog(t, log) {
			if out, ok := ev.Data.(*schema.ModelOutput); ok && len(out.Blocks) > 0 && out.Blocks[0].Type == schema.BlockText {
				said = out.Blocks[0].Text.Inline
			}
		}
	}
	if said != "Scripted." {
		t.Errorf("the last thing said in %s is %q, not what the tool was just told; %d logs", session, said, len(live.sessions()))
	}
	if diff := cmp.Diff(before, listing(t, tool.data)); diff != "" {
		t.Errorf("the import changed the tool's data folder:\n%s", diff)
	}
}

// listing are the names in a folder: what is in the files is the tool's, which goes on.
func listing(t *testing.T, dir string) (list []string) {
	t.Helper()
	files, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		list = append(list, f.Name())
	}
	return list
}

// installTaken hands the tool a session under another id whose messages it has
// already: it says that it imported the session, and drops every row.
func installTaken(t *testing.T, tool *cli, file string) {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	session := strings.TrimSuffix(filepath.Base(file), ".json")
	taken := session[:len(session)-4] + "Dupe"
	again := filepath.Join(t.TempDir(), taken+".json")
	if err := os.WriteFile(again, []byte(strings.ReplaceAll(string(b), session, taken)), 0o600); err != nil {
		t.Fatal(err)
	}
	err = (opencode.Vendor{Command: tool.command}).Register(t.Context(), convert.Installed{Root: filepath.Dir(again), Files: []string{again}})
	var dropped *opencode.InstallError
	if !errors.As(err, &dropped) {
		t.Fatalf("a session of which the tool drops every row: %v", err)
	}
	h := &handed{file: file, session: session}
	if want := len(h.ids(t)) - 1; len(dropped.Missing) != want || len(dropped.Changed) != 0 {
		t.Errorf("%d rows missing, %d changed, want %d missing", len(dropped.Missing), len(dropped.Changed), want)
	}
}
