package opencode

import (
	"context"
	"database/sql"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/ownlog/ownlog/convert"
	"github.com/ownlog/ownlog/fixtures"
	"github.com/ownlog/ownlog/format"
	"github.com/ownlog/ownlog/schema"
)

// testMS is the time at which the made-up sessions begin.
const testMS = int64(1790000000000)

// testDB is a database under construction.
type testDB struct {
	t    testing.TB
	db   *sql.DB
	path string
}

// newTestDB makes a database with the tables of the newest release.
func newTestDB(t testing.TB) *testDB {
	t.Helper()
	path := filepath.Join(t.TempDir(), "opencode.db")
	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	db.SetMaxOpenConns(1)
	t.Cleanup(func() { db.Close() })
	x := &testDB{t: t, db: db, path: path}
	x.exec("PRAGMA synchronous = OFF")
	x.exec("PRAGMA page_size = 1024")
	x.exec("BEGIN")
	for _, s := range layoutSQL() {
		x.exec(s)
	}
	x.exec("COMMIT")
	x.exec(`INSERT INTO project (id, worktree, time_created, time_updated, sandboxes) VALUES ('p1', '/w', 1, 2, '[]')`)
	return x
}

func (x *testDB) exec(query string, args ...any) {
	x.t.Helper()
	if _, err := x.db.Exec(query, args...); err != nil {
		x.t.Fatalf("%s: %v", query, err)
	}
}

func (x *testDB) session(id, parent string) {
	x.t.Helper()
	x.exec(`INSERT OR REPLACE INTO session (id, project_id, parent_id, slug, directory, title, version, time_created, time_updated, cost)
		VALUES (?, 'p1', nullif(?, ''), 's', '/w', 'Title', '1.18.33', ?, ?, 0.25)`, id, parent, testMS, testMS)
}

func (x *testDB) message(id, session string, ms int64, data string) {
	x.t.Helper()
	x.exec(`INSERT OR REPLACE INTO message (id, session_id, time_created, time_updated, data) VALUES (?, ?, ?, ?, ?)`, id, session, testMS+ms, testMS+ms, data)
}

func (x *testDB) part(id, message, session string, ms int64, data string) {
	x.t.Helper()
	x.exec(`INSERT OR REPLACE INTO part (id, message_id, session_id, time_created, time_updated, data) VALUES (?, ?, ?, ?, ?, ?)`, id, message, session, testMS+ms, testMS+ms, data)
}

// madeID is an id as the tool makes them.
func madeID(prefix string, ms int64) string {
	return fmt.Sprintf("%s_%012x%s", prefix, ((testMS+ms)*perMilli+1)%idWrap, "OwnlogExample0")
}

// testImport is what an import made.
type testImport struct {
	store   *format.MemStore
	imports *convert.Imports
	results []convert.FileResult
	summary *convert.ImportSummary
	vendor  Vendor
}

func newTestImport() *testImport {
	return &testImport{store: new(format.MemStore), imports: convert.OpenImports("")}
}

// run imports paths, again or for the first time.
func (in *testImport) run(t testing.TB, options map[string]string, paths ...string) {
	t.Helper()
	in.runWith(t, convert.ImportOptions{Roots: paths, Options: options})
}

// runWith imports by any options.
func (in *testImport) runWith(t testing.TB, options convert.ImportOptions) {
	t.Helper()
	in.results = nil
	options.Progress = func(r convert.FileResult) { in.results = append(in.results, r) }
	var err error
	in.summary, err = convert.Import(context.Background(), in.store, in.imports, convert.NewRegistry(in.vendor), options)
	if err != nil {
		t.Fatal(err)
	}
}

// ok fails the test if a file failed.
func (in *testImport) ok(t testing.TB) *testImport {
	t.Helper()
	for _, r := range in.results {
		if r.Status == convert.FileFailed {
			t.Errorf("%s: %s", r.Path, r.Reason)
		}
	}
	return in
}

func (in *testImport) findings() map[string]int64 {
	counts := make(map[string]int64)
	for _, f := range in.summary.Findings {
		counts[f.Code] = f.Count
	}
	return counts
}

// events reads a log.
func (in *testImport) events(t testing.TB, log format.LogID) (events []*schema.Event) {
	t.Helper()
	err := convert.WalkEvents(context.Background(), in.store, log, 0, -1, func(e convert.LogEvent) error {
		events = append(events, e.Event)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return events
}

// view folds a log and describes what a model would be shown.
func (in *testImport) view(t testing.TB, log format.LogID) string {
	t.Helper()
	events := in.events(t, log)
	var state schema.State
	for i, ev := range events {
		state.Apply(int64(i), ev)
	}
	for _, f := range state.Findings() {
		t.Errorf("the fold found %s at %d", f.Code, f.Seq)
	}
	var b strings.Builder
	for msg, err := range state.View(schema.LoadFrom(events)) {
		if err != nil {
			t.Fatal(err)
		}
		describe(&b, msg)
	}
	fmt.Fprintf(&b, "turn state %s, title %q\n", state.TurnState(), state.Info().Title)
	return b.String()
}

func describe(b *strings.Builder, msg schema.Message) {
	fmt.Fprintf(b, "%s %d/%d", msg.Role, msg.Turn, msg.Step)
	for _, p := range msg.Content {
		fmt.Fprintf(b, " %s(%s%s)", p.Type, p.Text.Inline, p.URI)
	}
	for _, k := range msg.Blocks {
		fmt.Fprintf(b, " %s(%s%s%s %s)", k.Type, k.Text.Inline, k.Name, string(k.Args), k.CallKey)
	}
	if r := msg.Result; r != nil {
		fmt.Fprintf(b, " %s %s", r.CallKey, r.Status)
		for _, p := range r.Content {
			fmt.Fprintf(b, " %s(%s)", p.Type, p.Text.Inline)
		}
	}
	b.WriteByte('\n')
}

// fixture copies a recording to a folder of its own and returns that.
func fixture(t testing.TB, name string) string {
	t.Helper()
	dir := t.TempDir()
	sub, err := fs.Sub(fixtures.FS, "opencode/"+name)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.CopyFS(dir, sub); err != nil {
		t.Fatal(err)
	}
	return dir
}

const (
	userData      = `{"role":"user","time":{"created":1},"agent":"build","model":{"providerID":"p","modelID":"m"}}`
	assistantData = `{"role":"assistant","parentID":"%s","providerID":"p","modelID":"m","time":{"created":1,"completed":2},"finish":"stop"}`
)

func assistantOf(parent string) string { return fmt.Sprintf(assistantData, parent) }

func writeFile(t testing.TB, path, content string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

func copyTree(t testing.TB, dir string, tree fs.FS) {
	t.Helper()
	if err := os.CopyFS(dir, tree); err != nil {
		t.Fatal(err)
	}
}

func sortStrings(list []string) { slices.Sort(list) }
