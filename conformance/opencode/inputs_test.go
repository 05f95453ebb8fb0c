//go:build conformance

package opencode

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ownlog/ownlog/convert"
	"github.com/ownlog/ownlog/convert/opencode"
	"github.com/ownlog/ownlog/format"
	"github.com/ownlog/ownlog/schema"
)

// content is what a log says, counted.
type content struct {
	Users, Responses, Calls, Open, Results, Errors int
	Seals, Files, Links, Failed, Interrupts        int
	Compactions, Unfinished, Child                 int
}

// contentOf counts what logs say.
func contentOf(t *testing.T, in *imported, logs ...format.LogID) (c content) {
	t.Helper()
	for _, log := range logs {
		events := in.loadLog(t, log)
		var state schema.State
		for i, ev := range events {
			state.Apply(int64(i), ev)
			c.add(ev)
		}
		c.Open += len(state.OpenCalls())
	}
	return c
}

func (c *content) add(ev *schema.Event) {
	message := ev.Source.Row == nil || ev.Source.Row.Table == "message"
	switch data := ev.Data.(type) {
	case *schema.UserMessage:
		if len(data.Content) == 0 {
			c.Users++
		}
		for _, p := range data.Content {
			if p.Blob != nil {
				c.Files++
			}
		}
	case *schema.ModelOutput:
		if message && data.Provider != "" {
			c.Responses++
			if data.Unfinished {
				c.Unfinished++
			}
		}
		for _, b := range data.Blocks {
			if b.Type == schema.BlockToolCall {
				c.Calls++
			}
			if b.Seal != nil {
				c.Seals++
			}
		}
	case *schema.ToolResult:
		c.Results++
		if data.Status == schema.StatusError {
			c.Errors++
		}
		for _, p := range data.Content {
			if p.Blob != nil {
				c.Files++
			}
		}
	case *schema.SessionLinked:
		if data.Parent != "" {
			c.Child++
		} else {
			c.Links++
		}
	case *schema.ModelFailed:
		c.Failed++
	case *schema.UserInterrupt:
		c.Interrupts++
	case *schema.ContextCompacted:
		c.Compactions++
	}
}

// recordings says what must come out of each recorded database.
var recordings = map[string]content{
	"anthropic/opencode.db":            {Users: 4, Responses: 5, Calls: 2, Results: 2, Seals: 3, Files: 2},
	"apierror/opencode.db":             {Users: 3, Responses: 3, Failed: 1},
	"basic/opencode.db":                {Users: 7, Responses: 13, Calls: 14, Results: 14, Errors: 2},
	"compaction/opencode.db":           {Users: 5, Responses: 5, Calls: 1, Results: 1, Compactions: 1},
	"compaction-tail/opencode.db":      {Users: 6, Responses: 7, Calls: 2, Results: 2, Compactions: 1},
	"kill9/after-kill-tool-running.db": {Users: 1, Responses: 1, Calls: 2, Open: 1, Results: 1, Unfinished: 1},
	"kill9/opencode.db":                {Users: 4, Responses: 4, Calls: 2, Open: 1, Results: 1, Unfinished: 2},
	"openai-responses/opencode.db":     {Users: 4, Responses: 5, Calls: 1, Results: 1, Seals: 2},
	"permission/pending.db":            {Users: 1, Responses: 1, Calls: 1, Open: 1, Unfinished: 1},
	"subagent/opencode.db":             {Users: 2, Responses: 4, Calls: 2, Results: 2, Links: 1, Child: 1},
	"twowriters/opencode.db":           {Users: 4, Responses: 4},
}

// TestRecordingsSayWhatHappened: the databases that the tool wrote give what was
// recorded in them, and what cannot be read as a session is refused.
func TestRecordingsSayWhatHappened(t *testing.T) {
	dir := captures(t)
	seen := 0
	for _, path := range databases(t, dir) {
		rel, _ := filepath.Rel(dir, path)
		name := filepath.ToSlash(rel)
		if strings.HasPrefix(name, "variants/") {
			continue // see TestVariants
		}
		want, ok := recordings[name]
		in := importPath(t, nil, path)
		if got := contentOf(t, in, in.sessions()...); !ok || got != want {
			t.Errorf("%s: got %#v, want %#v", name, got, want)
		}
		if len(in.findings()) > 0 {
			t.Errorf("%s: findings %v", name, in.findings())
		}
		seen++
	}
	if seen != len(recordings) {
		t.Errorf("%d of %d recordings are there", seen, len(recordings))
	}
	in := importPath(t, nil, filepath.Join(dir, "syncreplay"))
	for _, r := range in.results { // bodies of requests: their form is no file of the tool's
		if r.Status == convert.FileImported {
			t.Errorf("%s was imported", r.Path)
		}
	}
}

// input is what must come out of a file for `opencode import`.
type input struct {
	Content  content
	Findings map[string]int64
}

// inputs are the files that the tool was given to import, those that it refused
// and those of which it dropped rows among them: a log holds what the file says.
var inputs = map[string]input{
	"import/bad-part/session.json":         {content{Users: 3, Responses: 3, Calls: 5, Open: 1, Results: 4, Errors: 1, Seals: 1}, map[string]int64{"unknown-part-type": 1}},
	"import/changed-text/1-first.json":     {content{Users: 1, Responses: 2, Calls: 5, Open: 1, Results: 4, Errors: 1, Seals: 1}, nil},
	"import/changed-text/2-changed.json":   {content{Users: 1, Responses: 2, Calls: 5, Open: 1, Results: 4, Errors: 1, Seals: 1}, nil},
	"import/export-roundtrip/session.json": {content{Users: 3, Responses: 6, Calls: 7, Results: 7, Errors: 1}, nil},
	"import/free-form-ids/session.json":    {content{Users: 1, Responses: 2, Calls: 5, Open: 1, Results: 4, Errors: 1, Seals: 1}, nil},
	"import/ids-exist/1-first.json":        {content{Users: 1, Responses: 2, Calls: 5, Open: 1, Results: 4, Errors: 1, Seals: 1}, nil},
	"import/ids-exist/2-same-ids.json":     {content{Users: 2, Responses: 2, Calls: 5, Open: 1, Results: 4, Errors: 1, Seals: 1}, nil},
	"import/missing-field/session.json":    {content{Users: 1, Responses: 2, Calls: 5, Open: 1, Results: 4, Errors: 1, Seals: 1}, nil},
	"import/no-finish/session.json":        {content{Users: 1, Responses: 2, Calls: 5, Open: 1, Results: 4, Errors: 1, Seals: 1}, nil},
	"import/openai-reasoning/session.json": {content{Users: 1, Responses: 2, Calls: 5, Open: 1, Results: 4, Errors: 1, Seals: 1}, nil},
	"import/other-provider/session.json":   {content{Users: 1, Responses: 2, Calls: 5, Open: 1, Results: 4, Errors: 1, Seals: 1}, nil},
	"import/parent-child/child.json":       {content{Users: 1, Responses: 2, Calls: 1, Results: 1, Child: 1}, nil},
	"import/parent-child/parent.json":      {content{Users: 1, Responses: 2, Calls: 1, Results: 1, Links: 1}, nil},
	"import/part-id-order/session.json":    {content{Users: 1, Responses: 2, Calls: 5, Open: 1, Results: 4, Errors: 1, Seals: 1}, nil},
	"import/plain/session.json":            {content{Users: 1, Responses: 2, Calls: 5, Open: 1, Results: 4, Errors: 1, Seals: 1}, nil},
}

// TestImportInputs reads the files that were handed to the tool, and what its
// export printed: each is a log of its own, says what the file says, and comes
// back byte for byte.
func TestImportInputs(t *testing.T) {
	dir := captures(t)
	files, err := filepath.Glob(filepath.Join(dir, "import", "*", "*.json"))
	if err != nil {
		t.Fatal(err)
	}
	exports, err := filepath.Glob(filepath.Join(dir, "*", "export-*.json"))
	if err != nil || len(exports) == 0 {
		t.Fatalf("no exports: %v", err)
	}
	seen := 0
	for _, path := range slices.Concat(files, exports) {
		if filepath.Base(path) == "report.json" {
			continue
		}
		rel, _ := filepath.Rel(dir, path)
		name := filepath.ToSlash(rel)
		in := importPath(t, nil, path)
		if len(in.sessions()) != 1 {
			t.Errorf("%s: %+v", name, in.results)
			continue
		}
		log := in.sessions()[0]
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		compareFile(t, in, log, string(b))
		sanitized := strings.Contains(name, "export-sanitized-")
		if id := in.results[0].Outcomes[0].Name.ID; strings.HasSuffix(id, "/sanitized") != sanitized || strings.HasSuffix(id, "/export") == sanitized {
			t.Errorf("%s became the log of %s", name, id)
		}
		got := input{contentOf(t, in, log), in.findings()}
		if strings.HasPrefix(filepath.Base(name), "export-") {
			checkExported(t, dir, name, got)
			continue
		}
		seen++
		want, ok := inputs[name]
		if want.Findings == nil {
			want.Findings = map[string]int64{}
		}
		if !ok || !cmp.Equal(want, got) {
			t.Errorf("%s: got %#v, want %#v", name, got, want)
		}
	}
	if seen != len(inputs) {
		t.Errorf("%d of %d inputs are there", seen, len(inputs))
	}
}

// checkExported: what the tool's export of a session says is what its rows say,
// sanitized or not.
func checkExported(t *testing.T, dir, name string, got input) {
	t.Helper()
	folder := filepath.Dir(name)
	session := strings.TrimSuffix(strings.TrimPrefix(filepath.Base(name), "export-"), ".json")
	sanitized := strings.HasPrefix(session, "sanitized-")
	session = strings.TrimPrefix(session, "sanitized-")
	in := importPath(t, nil, filepath.Join(dir, folder, "opencode.db"))
	for _, r := range in.results {
		for _, o := range r.Outcomes {
			if o.Name.ID != session {
				continue
			}
			want := contentOf(t, in, o.Log)
			if sanitized { // which replaces the contents of files, and what seals hold
				want.Files, want.Seals = got.Content.Files, got.Content.Seals
			}
			if got.Content != want || len(got.Findings) > 0 {
				t.Errorf("%s: of the rows %#v, of the export %#v, findings %v", name, want, got.Content, got.Findings)
			}
			return
		}
	}
	t.Errorf("%s: its session is not in the database", name)
}

// TestImportFilesHoldTheRows: in the file that a session is exported to, the data
// of every message and part of every recorded database stands as it is.
func TestImportFilesHoldTheRows(t *testing.T) {
	dir := captures(t)
	rows := 0
	for _, path := range databases(t, dir) {
		rel, _ := filepath.Rel(dir, path)
		if unreadable[filepath.ToSlash(filepath.Dir(rel))] {
			continue
		}
		in := importPath(t, nil, path)
		source := openCopy(t, path)
		if strings.HasSuffix(filepath.Dir(path), "bad-rows") {
			continue // rows that the tool refuses are left out, and reported
		}
		exported := ""
		for _, log := range in.sessions() {
			var b strings.Builder
			req := convert.ExportRequest{Store: in.store, Log: log, Size: -1, Out: &convert.WriterOutput{W: &b}, Report: new(schema.Fidelity)}
			if err := (opencode.Vendor{}).Export(t.Context(), req); err != nil {
				t.Fatalf("%s: %v", rel, err)
			}
			exported += b.String()
		}
		for _, table := range []string{"message", "part"} {
			for _, row := range queryTexts(t, source, `SELECT substr(data, 1, length(data) - 1) || ',"id":"' || id || '","sessionID":"' || session_id || '"' FROM `+table) {
				rows++
				if !strings.Contains(exported, row) {
					t.Errorf("%s: the data of a %s is not in the file: %.200s", rel, table, row)
				}
			}
		}
	}
	if rows == 0 {
		t.Error("no rows were found")
	}
	t.Logf("%d rows stand in the exported files as they are", rows)
}
