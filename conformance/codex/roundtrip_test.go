//go:build conformance

package codex

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ownlog/ownlog/convert"
	"github.com/ownlog/ownlog/convert/codex"
	"github.com/ownlog/ownlog/format"
	"github.com/ownlog/ownlog/schema"
)

// folder returns the folder that an environment variable names.
func folder(t *testing.T, variable string, below ...string) string {
	t.Helper()
	dir := filepath.Join(append([]string{os.Getenv(variable)}, below...)...)
	if st, err := os.Stat(dir); os.Getenv(variable) == "" || err != nil || !st.IsDir() {
		t.Fatalf("%s=%q: want a folder; see the package's documentation", variable, dir)
	}
	return dir
}

// imported is what an import made of a tree.
type imported struct {
	store   *format.MemStore
	imports *convert.Imports
	results []convert.FileResult
	summary *convert.ImportSummary
}

func importTree(t *testing.T, root string) *imported {
	t.Helper()
	in := &imported{store: new(format.MemStore), imports: convert.OpenImports("")}
	var err error
	in.summary, err = convert.Import(t.Context(), in.store, in.imports, convert.NewRegistry(codex.Vendor{}), convert.ImportOptions{
		Roots:    []string{root},
		Progress: func(r convert.FileResult) { in.results = append(in.results, r) },
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range in.results {
		if r.Status == convert.FileFailed {
			t.Errorf("%s: %s", r.Path, r.Reason)
		}
		if r.Status == convert.FileRefused && r.Reason == "" {
			t.Errorf("%s: refused without a reason", r.Path)
		}
	}
	return in
}

// export gives back what a file became.
func (in *imported) export(t *testing.T, o convert.Outcome) []byte {
	t.Helper()
	var out bytes.Buffer
	err := codex.Vendor{}.Export(t.Context(), convert.ExportRequest{
		Store: in.store, Imports: in.imports, Log: o.Log, Size: o.Head.Size, SHA256: o.SHA256,
		Out: &convert.WriterOutput{W: &out}, Report: new(schema.Fidelity), Options: map[string]string{codex.OptionOnly: "transcript"},
	})
	if err != nil {
		t.Errorf("export of %s: %v", o.Log, err)
	}
	return out.Bytes()
}

// roundTrip imports a tree and gives every rollout back.
func roundTrip(t *testing.T, root string) {
	in := importTree(t, root)
	var files, same, records, entries, total int64
	for _, r := range in.results {
		if r.Kind != convert.ClaimTranscript || len(r.Outcomes) == 0 {
			continue
		}
		o := r.Outcomes[0]
		files++
		records += o.Records
		entries += o.Appended
		total += o.Bytes
		in.validate(t, r.Path, o.Log)
		sum := sha256.Sum256(in.export(t, o))
		if hex.EncodeToString(sum[:]) == o.SHA256 {
			same++
		} else {
			t.Errorf("%s: not the bytes that were there", r.Path)
		}
	}
	if files == 0 {
		t.Error("no rollout found")
	}
	t.Logf("%d rollouts, %d records, %d entries, %d bytes; %d given back identical", files, records, entries, total, same)
	for status, n := range in.summary.Logs {
		t.Logf("logs %s: %d", status, n)
	}
	for _, f := range in.summary.Findings {
		t.Logf("finding %s: %d, first at %s", f.Code, f.Count, f.Where)
	}
}

// validate checks a log against the invariants of the event model.
func (in *imported) validate(t *testing.T, name string, log format.LogID) {
	t.Helper()
	v := schema.NewValidator(schema.ValidatorOptions{Canonical: true, Report: func(p schema.Problem) {
		if p.Level != schema.LevelNote {
			t.Errorf("%s, entry %d: %s %s: %s", name, p.Seq, p.Code, p.Path, p.Message)
		}
	}})
	for e, err := range in.store.Read(t.Context(), log, 0) {
		if err != nil {
			t.Fatal(err)
		}
		norm, raw, err := format.CutRaw(nil, e.Bytes)
		if err != nil {
			t.Fatal(err)
		}
		v.Entry(e.Seq, norm, raw != nil)
	}
	v.Close()
}

func TestCorpusRoundTrip(t *testing.T) { roundTrip(t, folder(t, "OWNLOG_CORPUS")) }

// TestCapturesRoundTrip takes every folder of rollouts for itself: several hold
// states of the same session.
func TestCapturesRoundTrip(t *testing.T) {
	for _, dir := range captureFolders(t) {
		t.Run(dir.name, func(t *testing.T) { roundTrip(t, dir.path) })
	}
}

type captureFolder struct{ name, path string }

// captureFolders lists the folders `sessions` and `input` of the recordings.
func captureFolders(t *testing.T) (dirs []captureFolder) {
	t.Helper()
	root := folder(t, "OWNLOG_VENDORS", "codex", "captures")
	err := filepath.WalkDir(root, func(name string, d os.DirEntry, err error) error {
		if err == nil && d.IsDir() && (d.Name() == "sessions" || d.Name() == "input") {
			dirs = append(dirs, captureFolder{strings.TrimPrefix(filepath.ToSlash(name), filepath.ToSlash(root)+"/"), name})
			return filepath.SkipDir
		}
		return err
	})
	if err != nil || len(dirs) == 0 {
		t.Fatalf("no recordings: %v", err)
	}
	return dirs
}

// TestStepsGiveTheHeadOfTheWhole imports the longest rollouts in steps that end
// at lines and inside of them.
func TestStepsGiveTheHeadOfTheWhole(t *testing.T) {
	for _, dir := range captureFolders(t) {
		files, err := filepath.Glob(filepath.Join(dir.path, "*", "*", "*", "*.jsonl"))
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range files {
			content, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			checkSteps(t, name, content)
		}
	}
}

func checkSteps(t *testing.T, name string, content []byte) {
	t.Helper()
	file := filepath.Join(t.TempDir(), filepath.Base(name))
	steps := &imported{store: new(format.MemStore), imports: convert.OpenImports("")}
	var head format.Head
	n := len(content)
	for _, end := range []int{n / 7, n / 3, n / 2, n - 1, n} {
		if err := os.WriteFile(file, content[:end], 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := convert.Import(t.Context(), steps.store, steps.imports, convert.NewRegistry(codex.Vendor{}), convert.ImportOptions{
			Roots: []string{file},
			Progress: func(r convert.FileResult) {
				for _, o := range r.Outcomes {
					head = o.Head
				}
			},
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	whole := importTree(t, file)
	if len(whole.results) != 1 || len(whole.results[0].Outcomes) != 1 {
		t.Fatalf("%s: imported as %+v", name, whole.results)
	}
	if want := whole.results[0].Outcomes[0].Head; head != want {
		t.Errorf("%s: in steps %s, at once %s", name, head, want)
	}
}
