//go:build conformance

package opencode

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/google/go-cmp/cmp"

	"github.com/ownlog/ownlog/convert"
	"github.com/ownlog/ownlog/convert/opencode"
	"github.com/ownlog/ownlog/schema"
)

// TestTreeFilesAreKept: every file of other people's storage trees, and of the
// recorded ones, stands in a log byte for byte.
func TestTreeFilesAreKept(t *testing.T) {
	corpus := os.Getenv("OWNLOG_CORPUS")
	if st, err := os.Stat(corpus); corpus == "" || err != nil || !st.IsDir() {
		t.Fatalf("OWNLOG_CORPUS=%q: want a folder; see the package's documentation", corpus)
	}
	files := 0
	for _, root := range []string{corpus, filepath.Join(captures(t), "variants", "legacy-json"), filepath.Join(captures(t), "variants", "legacy-json-traps")} {
		in := importPath(t, nil, root)
		kept := make(map[string]int)
		for _, r := range in.results {
			for _, o := range r.Outcomes {
				err := convert.LatestRows(t.Context(), in.store, o.Log, -1, func(_ schema.Row, record []byte) error {
					kept[string(record)]++
					return nil
				})
				if err != nil && o.Name.Kind != convert.LogSession {
					t.Error(err)
				}
			}
		}
		for _, r := range in.results {
			if r.Kind != convert.ClaimTree {
				continue
			}
			files++
			b, err := os.ReadFile(r.Path)
			if err != nil {
				t.Fatal(err)
			}
			if r.Status != convert.FileImported || kept[string(b)] == 0 {
				t.Errorf("%s: %s, kept %d times", r.Path, r.Status, kept[string(b)])
			}
			kept[string(b)]--
		}
	}
	if files == 0 {
		t.Error("no storage trees were found")
	}
	t.Logf("%d files of storage trees are kept byte for byte", files)
}

// TestExportsAreTheTools compares our import files with what the tool's own
// export printed for the same sessions.
func TestExportsAreTheTools(t *testing.T) {
	dir := captures(t)
	same := 0
	for _, name := range []string{"basic", "anthropic", "openai-responses", "subagent", "compaction", "apierror", "kill9"} {
		in := importPath(t, nil, filepath.Join(dir, name, "opencode.db"))
		for _, r := range in.results {
			for _, o := range r.Outcomes {
				want, err := os.ReadFile(filepath.Join(dir, name, "export-"+o.Name.ID+".json"))
				if err != nil {
					continue
				}
				var got bytes.Buffer
				req := convert.ExportRequest{Store: in.store, Log: o.Log, Size: -1, Out: &convert.WriterOutput{W: &got}, Report: new(schema.Fidelity)}
				if err := (opencode.Vendor{}).Export(t.Context(), req); err != nil {
					t.Fatal(err)
				}
				if diff := cmp.Diff(plain(t, jsontext.Value(bytes.TrimSpace(want))), plain(t, jsontext.Value(bytes.TrimSpace(got.Bytes())))); diff != "" {
					t.Errorf("%s, %s: the tool's (-), ours (+):\n%s", name, o.Name.ID, diff)
					continue
				}
				same++
			}
		}
	}
	if same == 0 {
		t.Error("no exports of the tool were found")
	}
	t.Logf("%d sessions exported as the tool does", same)
}
