package convert_test

import (
	"os"
	"path/filepath"
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

// TestImportReports imports the recordings: every log has the report of its
// import afterwards, for a reader that opens the records anew, and an import that
// finds nothing new leaves it.
func TestImportReports(t *testing.T) {
	recordings := t.TempDir()
	if err := os.CopyFS(recordings, fixtures.FS); err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(t.TempDir(), "imports")
	store := new(format.MemStore)
	want := make(map[format.LogID]convert.Report)
	registry := convert.NewRegistry(claudecode.Vendor{}, codex.Vendor{}, opencode.Vendor{})
	_, err := convert.Import(t.Context(), store, convert.OpenImports(dir), registry, convert.ImportOptions{
		Roots: []string{recordings},
		Progress: func(res convert.FileResult) {
			for _, o := range res.Outcomes {
				if o.Status != convert.OutcomePrefix && o.Head.Size > 0 {
					want[o.Log] = convert.Report{Records: o.Records, Fidelity: o.Report.Items(), Findings: o.Findings}
				}
			}
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	check := func() {
		t.Helper()
		imports := convert.OpenImports(dir)
		for log, err := range store.List(t.Context()) {
			if err != nil {
				t.Fatal(err)
			}
			report, ok, err := imports.Report(log)
			if err != nil || !ok {
				t.Fatalf("log %s: report %v, %v", log, ok, err)
			}
			if diff := cmp.Diff(want[log], report); diff != "" {
				t.Errorf("log %s (-want +got):\n%s", log, diff)
			}
			var kept int64
			for _, item := range report.Fidelity {
				if item.Axis == schema.Preserved {
					kept += item.Count
				}
			}
			if kept < report.Records || report.Records == 0 {
				t.Errorf("log %s: %d records, %d of them preserved", log, report.Records, kept)
			}
		}
	}
	check()
	if _, err := convert.Import(t.Context(), store, convert.OpenImports(dir), registry, convert.ImportOptions{Roots: []string{recordings}}); err != nil {
		t.Fatal(err)
	}
	check()
	if _, ok, err := convert.OpenImports(dir).Report(format.LogID{9}); ok || err != nil {
		t.Errorf("a log that was never imported: report %v, %v", ok, err)
	}
}
