//go:build conformance

package opencode

import (
	"context"
	"database/sql"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	_ "modernc.org/sqlite" // the driver

	"github.com/ownlog/ownlog/convert"
	"github.com/ownlog/ownlog/convert/opencode"
	"github.com/ownlog/ownlog/format"
	"github.com/ownlog/ownlog/schema"
)

// captures is the folder of recordings.
func captures(t testing.TB) string {
	t.Helper()
	dir := filepath.Join(os.Getenv("OWNLOG_VENDORS"), "opencode", "captures")
	if st, err := os.Stat(dir); os.Getenv("OWNLOG_VENDORS") == "" || err != nil || !st.IsDir() {
		t.Fatalf("OWNLOG_VENDORS=%q: want a folder that holds opencode/captures; see the package's documentation", os.Getenv("OWNLOG_VENDORS"))
	}
	return dir
}

// imported is what an import of one path made.
type imported struct {
	store   *format.MemStore
	imports *convert.Imports
	results []convert.FileResult
	summary *convert.ImportSummary
}

func importPath(t testing.TB, options map[string]string, paths ...string) *imported {
	t.Helper()
	in := &imported{store: new(format.MemStore), imports: convert.OpenImports("")}
	in.again(t, options, paths...)
	return in
}

func (in *imported) again(t testing.TB, options map[string]string, paths ...string) {
	t.Helper()
	in.results = nil
	var err error
	in.summary, err = convert.Import(context.Background(), in.store, in.imports, convert.NewRegistry(opencode.Vendor{}), convert.ImportOptions{
		Roots: paths, Options: options,
		Progress: func(r convert.FileResult) { in.results = append(in.results, r) },
	})
	if err != nil {
		t.Fatal(err)
	}
}

// sessions are the ids of the session logs, in the order of import.
func (in *imported) sessions() (logs []format.LogID) {
	for _, r := range in.results {
		for _, o := range r.Outcomes {
			if o.Name.Kind == convert.LogSession {
				logs = append(logs, o.Log)
			}
		}
	}
	return logs
}

func (in *imported) findings() map[string]int64 {
	counts := make(map[string]int64)
	for _, f := range in.summary.Findings {
		counts[f.Code] = f.Count
	}
	return counts
}

func (in *imported) rebuild(t testing.TB) (path string, report *schema.Fidelity) {
	t.Helper()
	logs := in.sessions()
	out := &convert.FolderOutput{Dir: t.TempDir()}
	report = new(schema.Fidelity)
	req := convert.ExportRequest{Store: in.store, Imports: in.imports, Log: logs[0], Size: -1, Out: out, Report: report}
	if err := opencode.ExportDatabase(context.Background(), req, logs[1:]...); err != nil {
		t.Fatal(err)
	}
	return out.Written[0], report
}

// openCopy opens a copy of a database and of its -wal.
func openCopy(t testing.TB, path string) *sql.DB {
	t.Helper()
	dir := t.TempDir()
	for _, suffix := range []string{"", "-wal"} {
		b, err := os.ReadFile(path + suffix)
		if err != nil {
			continue
		}
		if err := os.WriteFile(filepath.Join(dir, "x.db"+suffix), b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	db, err := sql.Open("sqlite", filepath.Join(dir, "x.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return db
}

// tableRows reads a table's rows, by the columns given, as texts with types.
func tableRows(t testing.TB, db *sql.DB, table string, columns []string) []string {
	t.Helper()
	var list []string
	for _, c := range columns {
		list = append(list, fmt.Sprintf(`typeof("%s") || ':' || quote("%s")`, c, c))
	}
	rows, err := db.Query(fmt.Sprintf(`SELECT %s FROM "%s" ORDER BY 1, 2`, strings.Join(list, ", "), table))
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	var out []string
	for rows.Next() {
		values := make([]any, len(columns))
		texts := make([]string, len(columns))
		for i := range values {
			values[i] = &texts[i]
		}
		if err := rows.Scan(values...); err != nil {
			t.Fatal(err)
		}
		out = append(out, strings.Join(texts, " | "))
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return out
}

func tableColumns(t testing.TB, db *sql.DB, table string) (columns []string) {
	t.Helper()
	rows, err := db.Query(`SELECT name FROM pragma_table_info(?) ORDER BY cid`, table)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		var c string
		if err := rows.Scan(&c); err != nil {
			t.Fatal(err)
		}
		columns = append(columns, c)
	}
	return columns
}

func databases(t testing.TB, dir string) (list []string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(p string, d fs.DirEntry, err error) error {
		if err == nil && strings.HasSuffix(p, ".db") {
			list = append(list, p)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return list
}

// unreadable are the databases that are damaged or not OpenCode's: see
// TestVariants for what must come of them.
var unreadable = map[string]bool{
	"variants/damaged-page": true, "variants/truncated": true,
	"variants/no-session-table": true, "variants/not-a-database": true,
}

// TestDatabasesComeBackRowForRow imports every readable database and rebuilds it:
// all rows of all tables that are read must be there, value for value.
func TestDatabasesComeBackRowForRow(t *testing.T) {
	dir := captures(t)
	total := 0
	for _, path := range databases(t, dir) {
		rel, _ := filepath.Rel(dir, path)
		if unreadable[filepath.ToSlash(filepath.Dir(rel))] {
			continue
		}
		t.Run(filepath.ToSlash(rel), func(t *testing.T) {
			in := importPath(t, map[string]string{"events": "true"}, filepath.Dir(path))
			if strings.HasSuffix(filepath.Dir(path), "kill9") {
				in = importPath(t, map[string]string{"events": "true"}, path)
			}
			rebuiltPath, report := in.rebuild(t)
			source, rebuilt := openCopy(t, path), openCopy(t, rebuiltPath)
			for _, table := range []string{"project", "session", "message", "part", "todo", "event", "permission"} {
				columns := tableColumns(t, source, table)
				if len(columns) == 0 || table == "permission" && columns[0] == "project_id" {
					continue
				}
				want := tableRows(t, source, table, columns)
				got := tableRows(t, rebuilt, table, columns)
				if diff := cmp.Diff(want, got); diff != "" {
					t.Errorf("%s: rows of the source (-) and rebuilt (+):\n%s\n%v", table, diff, report.Items())
				}
				total += len(want)
			}
		})
	}
	t.Logf("%d rows came back as they were", total)
}

// TestRebuiltLayoutIsTheTools compares tables, keys and indexes of a rebuilt
// database with those of one that the tool made.
func TestRebuiltLayoutIsTheTools(t *testing.T) {
	path := filepath.Join(captures(t), "basic", "opencode.db")
	in := importPath(t, nil, path)
	rebuiltPath, _ := in.rebuild(t)
	source, rebuilt := openCopy(t, path), openCopy(t, rebuiltPath)
	for _, query := range []string{
		`SELECT m.name, c.name, lower(c.type), c."notnull", c.dflt_value, c.pk FROM sqlite_master m JOIN pragma_table_info(m.name) c WHERE m.type = 'table' ORDER BY m.name, c.cid`,
		`SELECT m.name, k."from", k."table", k."to", k.on_delete FROM sqlite_master m JOIN pragma_foreign_key_list(m.name) k WHERE m.type = 'table' ORDER BY 1, 2`,
		`SELECT m.tbl_name, m.name, l."unique", i.seqno, i.name FROM sqlite_master m JOIN pragma_index_list(m.tbl_name) l ON l.name = m.name JOIN pragma_index_info(m.name) i WHERE m.type = 'index' ORDER BY 1, 2, 4`,
		`SELECT id FROM migration ORDER BY id`,
	} {
		if diff := cmp.Diff(queryTexts(t, source, query), queryTexts(t, rebuilt, query)); diff != "" {
			t.Errorf("the tool's (-) and the rebuilt layout (+):\n%s", diff)
		}
	}
}

func queryTexts(t testing.TB, db *sql.DB, query string) (out []string) {
	t.Helper()
	rows, err := db.Query(query)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	columns, err := rows.Columns()
	if err != nil {
		t.Fatal(err)
	}
	for rows.Next() {
		values, into := make([]any, len(columns)), make([]any, len(columns))
		for i := range values {
			into[i] = &values[i]
		}
		if err := rows.Scan(into...); err != nil {
			t.Fatal(err)
		}
		out = append(out, fmt.Sprint(values...))
	}
	return out
}
