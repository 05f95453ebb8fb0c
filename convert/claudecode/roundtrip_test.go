package claudecode

import (
	"bytes"
	"context"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ownlog/ownlog/convert"
	"github.com/ownlog/ownlog/fixtures"
	"github.com/ownlog/ownlog/format"
	"github.com/ownlog/ownlog/schema"
)

// memOutput keeps exported files in memory.
type memOutput map[string]string

func (o memOutput) Create(name string) (io.WriteCloser, error) {
	return &memFile{out: o, name: name}, nil
}

type memFile struct {
	bytes.Buffer
	out  memOutput
	name string
}

func (f *memFile) Close() error { f.out[f.name] = f.String(); return nil }

// homeFiles returns the fixtures as files of a configuration folder.
func homeFiles(t testing.TB) map[string]string {
	t.Helper()
	files := make(map[string]string)
	home, err := fs.Sub(fixtures.FS, "claude-code")
	if err != nil {
		t.Fatal(err)
	}
	err = fs.WalkDir(home, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || name == "README.md" {
			return err
		}
		b, err := fs.ReadFile(home, name)
		files[name] = string(b)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// writeHome writes files below a new folder named .claude.
func writeHome(t testing.TB, files map[string]string) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), ".claude")
	for name, content := range files {
		target := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(target), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(target, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

type testStore struct {
	format.MemStore
	imports *convert.Imports
}

func newTestStore() *testStore { return &testStore{imports: convert.OpenImports("")} }

// importDir imports a folder and returns the outcome of each log.
func (s *testStore) importDir(t testing.TB, dir string) map[format.LogID]convert.Outcome {
	t.Helper()
	logs := make(map[format.LogID]convert.Outcome)
	_, err := convert.Import(t.Context(), &s.MemStore, s.imports, convert.NewRegistry(Vendor{}), convert.ImportOptions{
		Roots: []string{dir},
		Progress: func(r convert.FileResult) {
			if r.Status == convert.FileFailed {
				t.Errorf("%s: %v", r.Path, r.Err)
			}
			for _, o := range r.Outcomes {
				logs[o.Log] = o
			}
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	return logs
}

func (s *testStore) export(t testing.TB, log format.LogID, size int64, options map[string]string) (memOutput, *schema.Fidelity) {
	t.Helper()
	out, report := make(memOutput), new(schema.Fidelity)
	err := Vendor{}.Export(context.Background(), convert.ExportRequest{
		Store: &s.MemStore, Imports: s.imports, Log: log, Size: size, Options: options, Out: out, Report: report,
	})
	if err != nil {
		t.Fatalf("export of %s: %v", log, err)
	}
	return out, report
}

// TestRoundTrip: every file of a configuration folder that is history comes back
// where it was, byte for byte.
func TestRoundTrip(t *testing.T) {
	files := homeFiles(t)
	files["projects/-home-dev-harbour/0a0a0a0a-0000-4000-8000-000000000001/tool-results/nothing.txt"] = ""
	store := newTestStore()
	logs := store.importDir(t, writeHome(t, files))
	got := make(memOutput)
	for log, o := range logs {
		if o.Name.Kind != convert.LogSession {
			continue
		}
		out, _ := store.export(t, log, -1, nil)
		for name, content := range out {
			if _, twice := got[name]; twice {
				t.Errorf("%s comes from two logs", name)
			}
			got[name] = content
		}
	}
	if diff := cmp.Diff(files, map[string]string(got)); diff != "" {
		t.Errorf("-imported +exported:\n%s", diff)
	}
	for log, o := range store.importDir(t, writeHome(t, files)) {
		if o.Appended != 0 {
			t.Errorf("importing again appends %d entries to %s", o.Appended, log)
		}
	}
}
