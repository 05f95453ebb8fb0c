//go:build conformance

package claudecode

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/ownlog/ownlog/convert"
	"github.com/ownlog/ownlog/convert/claudecode"
	"github.com/ownlog/ownlog/format"
	"github.com/ownlog/ownlog/schema"
)

// folder returns the folder that an environment variable names.
func folder(t *testing.T, variable string) string {
	t.Helper()
	dir := os.Getenv(variable)
	if st, err := os.Stat(dir); err != nil || !st.IsDir() {
		t.Fatalf("%s=%q: want a folder; see the package's documentation", variable, dir)
	}
	return dir
}

// lastFile takes the files of an export and keeps the content of the last.
type lastFile struct {
	bytes.Buffer
	names []string
}

func (f *lastFile) Create(name string) (io.WriteCloser, error) {
	f.Reset()
	f.names = append(f.names, name)
	return nopCloser{f}, nil
}

type nopCloser struct{ io.Writer }

func (nopCloser) Close() error { return nil }

// TestCorpusRoundTrip imports every transcript of the corpus and gives it back.
func TestCorpusRoundTrip(t *testing.T) {
	store := new(format.MemStore)
	imports := convert.OpenImports("")
	var results []convert.FileResult
	summary, err := convert.Import(t.Context(), store, imports, convert.NewRegistry(claudecode.Vendor{}), convert.ImportOptions{
		Roots:    []string{folder(t, "OWNLOG_CORPUS")},
		Progress: func(r convert.FileResult) { results = append(results, r) },
	})
	if err != nil {
		t.Fatal(err)
	}
	var files, records, identical, total int64
	for _, r := range results {
		if r.Status == convert.FileFailed {
			t.Errorf("%s: %v", r.Path, r.Err)
		}
		if r.Status == convert.FileRefused && r.Reason == "" {
			t.Errorf("%s: refused without a reason", r.Path)
		}
		if r.Kind != convert.ClaimTranscript || len(r.Outcomes) == 0 {
			continue
		}
		o := r.Outcomes[0]
		files++
		records += o.Records
		total += r.Bytes
		if sameBytes(t, store, imports, r, o) {
			identical += r.Bytes
		}
	}
	if files < 70 {
		t.Errorf("only %d transcripts found", files)
	}
	if identical != total {
		t.Errorf("%d of %d bytes came back", identical, total)
	}
	t.Logf("%d transcripts, %d records, %d entries, %d bytes given back identical", files, records, summary.Appended, identical)
	for _, f := range summary.Findings {
		t.Logf("finding %s: %d", f.Code, f.Count)
	}
}

// sameBytes exports what a file became and compares.
func sameBytes(t *testing.T, store format.Store, imports *convert.Imports, r convert.FileResult, o convert.Outcome) bool {
	t.Helper()
	out := new(lastFile)
	err := claudecode.Vendor{}.Export(t.Context(), convert.ExportRequest{
		Store: store, Imports: imports, Log: o.Log, Size: o.Head.Size, SHA256: o.SHA256, Out: out, Report: new(schema.Fidelity),
	})
	if err != nil {
		t.Errorf("%s: %v", r.Path, err)
		return false
	}
	sum := sha256.Sum256(out.Bytes())
	if got := hex.EncodeToString(sum[:]); got != o.SHA256 {
		t.Errorf("%s: %d bytes come back, not the %d that were there", r.Path, out.Len(), r.Bytes)
		return false
	}
	return true
}

// TestCorpusGrowth imports snapshots of growing sessions one after the other and
// the last one alone: the heads are equal.
func TestCorpusGrowth(t *testing.T) {
	sessions, err := filepath.Glob(filepath.Join(folder(t, "OWNLOG_CORPUS"), "*", "claude-growth", "*"))
	if err != nil || len(sessions) == 0 {
		t.Fatalf("no growing sessions found: %v", err)
	}
	for _, session := range sessions {
		var snapshots []string
		err := filepath.WalkDir(session, func(name string, d fs.DirEntry, err error) error {
			if err == nil && strings.HasSuffix(name, ".jsonl") {
				snapshots = append(snapshots, name)
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		slices.Sort(snapshots)
		inSteps := headAfter(t, snapshots)
		atOnce := headAfter(t, snapshots[len(snapshots)-1:])
		if inSteps != atOnce {
			t.Errorf("%s: %d steps give head %s, at once %s", session, len(snapshots), inSteps, atOnce)
		}
	}
	t.Logf("%d sessions", len(sessions))
}

func headAfter(t *testing.T, snapshots []string) format.Head {
	t.Helper()
	store := new(format.MemStore)
	imports := convert.OpenImports("")
	var head format.Head
	for _, name := range snapshots {
		_, err := convert.Import(t.Context(), store, imports, convert.NewRegistry(claudecode.Vendor{}), convert.ImportOptions{
			Roots: []string{name},
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
	return head
}
