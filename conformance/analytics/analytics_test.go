//go:build conformance

package analytics

import (
	"context"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/ownlog/ownlog/convert"
	"github.com/ownlog/ownlog/convert/claudecode"
	"github.com/ownlog/ownlog/convert/codex"
	"github.com/ownlog/ownlog/convert/opencode"
	"github.com/ownlog/ownlog/convert/parquet"
	"github.com/ownlog/ownlog/convert/tables"
	"github.com/ownlog/ownlog/convert/tables/samplelog"
	"github.com/ownlog/ownlog/fixtures"
	"github.com/ownlog/ownlog/format"
	"github.com/ownlog/ownlog/schema"
)

// TestSamples lets the readers compare every value of the sample logs, read a
// live and a sealed segment, answer the stock questions, and run what docs/sql.md
// says.
func TestSamples(t *testing.T) {
	dir := t.TempDir()
	store := openStore(t, dir)
	if err := samplelog.Fill(t.Context(), store); err != nil {
		t.Fatal(err)
	}
	if _, err := store.Seal(t.Context(), samplelog.Tree); err != nil {
		t.Fatal(err)
	}
	prices, err := samplelog.Prices("test")
	if err != nil {
		t.Fatal(err)
	}
	makeCase(t, dir, store, tables.Options{Payload: true, Prices: prices}, false)
	if err := copyFile(filepath.Join("testdata", "answers.json"), filepath.Join(dir, "expected", "answers.json")); err != nil {
		t.Fatal(err)
	}
	if err := copyFile(filepath.Join("..", "..", "docs", "sql.md"), filepath.Join(dir, "sql.md")); err != nil {
		t.Fatal(err)
	}
	writeSegments(t, dir, store, samplelog.Tree, samplelog.Rows)
	check(t, dir)
}

// TestCorpus lets the readers compare every value of real sessions and of the
// bundled recordings, in files that were joined.
func TestCorpus(t *testing.T) {
	corpus := os.Getenv("OWNLOG_CORPUS")
	if st, err := os.Stat(corpus); err != nil || !st.IsDir() {
		t.Fatalf("OWNLOG_CORPUS=%q: want a folder; see the package's documentation", corpus)
	}
	dir, recordings := t.TempDir(), t.TempDir()
	if err := os.CopyFS(recordings, fixtures.FS); err != nil {
		t.Fatal(err)
	}
	store, imports := new(format.MemStore), convert.OpenImports("")
	_, err := convert.Import(t.Context(), store, imports, convert.NewRegistry(claudecode.Vendor{}, codex.Vendor{}, opencode.Vendor{}),
		convert.ImportOptions{Roots: []string{corpus, recordings}})
	if err != nil {
		t.Fatal(err)
	}
	prices, err := schema.DefaultPrices()
	if err != nil {
		t.Fatal(err)
	}
	fidelity := func(id format.LogID) *string {
		report, ok, err := imports.Report(id)
		if !ok || err != nil {
			t.Errorf("log %s: import report %v, %v", id, ok, err)
			return nil
		}
		b, err := json.Marshal(report, json.Deterministic(true))
		if err != nil {
			t.Error(err)
		}
		text := string(b)
		return &text
	}
	makeCase(t, dir, store, tables.Options{Payload: true, Prices: prices, Fidelity: fidelity}, true)
	check(t, dir)
}

func openStore(t *testing.T, dir string) *format.DirStore {
	t.Helper()
	store, err := format.OpenDirStore(filepath.Join(dir, "store"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := store.Close(); err != nil {
			t.Error(err)
		}
	})
	return store
}

// makeCase exports all logs of the store and writes what readers must find.
func makeCase(t *testing.T, dir string, store format.Store, opts tables.Options, compact bool) {
	t.Helper()
	var logs []format.LogID
	for log, err := range store.List(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		logs = append(logs, log)
	}
	r, err := parquet.Export(t.Context(), store, slices.Values(logs), parquet.Options{Out: filepath.Join(dir, "out"), Rows: opts, Compact: compact})
	if err != nil {
		t.Fatal(err)
	}
	if len(r.Failed) > 0 {
		t.Fatal(r.Failed)
	}
	expected := filepath.Join(dir, "expected")
	if err := os.Mkdir(expected, 0o700); err != nil {
		t.Fatal(err)
	}
	w := &expectation{dir: expected, files: make(map[parquet.Table]*os.File)}
	want := make(rowSums)
	sums := want.sink()
	sink := tables.Sink{
		Session:    both(sums.Session, rows[tables.Session](w, parquet.Sessions)),
		Event:      both(sums.Event, rows[tables.Event](w, parquet.Events)),
		Block:      both(sums.Block, rows[tables.Block](w, parquet.Blocks)),
		ModelCall:  both(sums.ModelCall, rows[tables.ModelCall](w, parquet.ModelCalls)),
		ToolCall:   both(sums.ToolCall, rows[tables.ToolCall](w, parquet.ToolCalls)),
		FileTouch:  both(sums.FileTouch, rows[tables.FileTouch](w, parquet.FileTouches)),
		Compaction: both(sums.Compaction, rows[tables.Compaction](w, parquet.Compactions)),
	}
	for _, log := range logs { // ascending, as List yields them
		if _, err := tables.Project(t.Context(), store, log, opts, sink); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.close(); err != nil {
		t.Fatal(err)
	}
	checkParquetGo(t, filepath.Join(dir, "out"), store, logs, want)
	writeJSON(t, filepath.Join(expected, "columns.json"), w.columns)
}

// expectation writes the rows that readers must find.
type expectation struct {
	dir     string
	files   map[parquet.Table]*os.File
	columns []column
}

type column struct {
	Table parquet.Table `json:"table"`
	Name  string        `json:"name"`
	Type  string        `json:"type"` // of DuckDB
}

// rows makes the file of a table and returns what writes a row to it.
func rows[T any](w *expectation, table parquet.Table) func(*T) error {
	var names []string
	for c := range tables.Columns[T]() {
		names = append(names, c.Name)
	}
	fields := reflect.VisibleFields(reflect.TypeFor[T]())
	for i, f := range fields {
		w.columns = append(w.columns, column{table, names[i], duckType(f)})
	}
	f, err := os.Create(filepath.Join(w.dir, string(table)+".jsonl"))
	w.files[table] = f
	return func(row *T) error {
		if err != nil {
			return err
		}
		enc := jsontext.NewEncoder(f, jsontext.AllowInvalidUTF8(true))
		if err := enc.WriteToken(jsontext.BeginObject); err != nil {
			return err
		}
		for i, field := range fields {
			if err := enc.WriteToken(jsontext.String(names[i])); err != nil {
				return err
			}
			if err := json.MarshalEncode(enc, reflect.ValueOf(row).Elem().FieldByIndex(field.Index).Interface()); err != nil {
				return err
			}
		}
		return enc.WriteToken(jsontext.EndObject)
	}
}

func duckType(f reflect.StructField) string {
	if strings.Contains(f.Tag.Get("parquet"), "timestamp") {
		return "TIMESTAMP WITH TIME ZONE"
	}
	t := f.Type
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	return map[reflect.Kind]string{
		reflect.String: "VARCHAR", reflect.Int64: "BIGINT", reflect.Int32: "INTEGER", reflect.Bool: "BOOLEAN",
	}[t.Kind()]
}

func (w *expectation) close() error {
	for _, f := range w.files {
		if err := f.Close(); err != nil {
			return err
		}
	}
	return nil
}

// writeSegments says what the segments of logs hold, as seq, type and bytes.
func writeSegments(t *testing.T, dir string, store *format.DirStore, logs ...format.LogID) {
	t.Helper()
	type segment struct {
		Path    string  `json:"path"`
		Entries [][]any `json:"entries"`
	}
	var all []segment
	for _, log := range logs {
		files, err := filepath.Glob(filepath.Join(store.Dir(), "logs", log.String(), "*.jsonl*"))
		if err != nil || len(files) != 1 {
			t.Fatalf("log %s: files %v, want one segment, %v", log, files, err)
		}
		s := segment{Path: files[0]}
		for e, err := range store.Read(t.Context(), log, 0) {
			if err != nil {
				t.Fatal(err)
			}
			norm, _, err := format.CutRaw(nil, e.Bytes)
			if err != nil {
				t.Fatal(err)
			}
			ev, err := schema.Decode(norm)
			if err != nil {
				t.Fatal(err)
			}
			s.Entries = append(s.Entries, []any{e.Seq, ev.Type, string(e.Bytes)})
		}
		all = append(all, s)
	}
	if !strings.HasSuffix(all[0].Path, ".jsonl.zst") || !strings.HasSuffix(all[1].Path, ".jsonl") {
		t.Fatalf("want a sealed and a live segment, have %s and %s", all[0].Path, all[1].Path)
	}
	writeJSON(t, filepath.Join(dir, "segments.json"), all)
}

func writeJSON(t *testing.T, name string, v any) {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, b, 0o600); err != nil {
		t.Fatal(err)
	}
}

// check runs the readers over a case.
func check(t *testing.T, dir string) {
	t.Helper()
	home := readers(t)
	script, err := os.ReadFile("check.mjs")
	if err != nil {
		t.Fatal(err)
	}
	name := filepath.Join(home, "check.mjs")
	if err := os.WriteFile(name, script, 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), "node", "--max-old-space-size=4096", name, dir)
	out, err := cmd.CombinedOutput()
	t.Logf("%s", out)
	if err != nil {
		t.Errorf("check.mjs: %v", err)
	}
}

// readers returns a folder in which the npm packages are installed.
func readers(t *testing.T) string {
	t.Helper()
	if home := os.Getenv("OWNLOG_ANALYTICS"); home != "" {
		return home
	}
	home := t.TempDir()
	for _, name := range []string{"package.json", "package-lock.json", ".npmrc"} {
		if err := copyFile(name, filepath.Join(home, name)); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.CommandContext(context.WithoutCancel(t.Context()), "npm", "install", "--no-audit", "--no-fund") // ci wants the binaries of all platforms in the lock file
	cmd.Dir = home
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("npm install: %v\n%s", err, out)
	}
	return home
}

func copyFile(from, to string) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	if _, err := io.Copy(out, in); err != nil {
		_ = out.Close()
		return err
	}
	return out.Close()
}
