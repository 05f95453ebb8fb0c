package parquet

import (
	"context"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	pq "github.com/parquet-go/parquet-go"
	pqformat "github.com/parquet-go/parquet-go/format"

	"github.com/ownlog/ownlog/convert/tables"
	"github.com/ownlog/ownlog/convert/tables/samplelog"
	"github.com/ownlog/ownlog/format"
)

func sampleStore(t *testing.T) *format.MemStore {
	t.Helper()
	store := new(format.MemStore)
	if err := samplelog.Fill(t.Context(), store); err != nil {
		t.Fatal(err)
	}
	return store
}

func export(t *testing.T, store format.Store, opts Options) Result {
	t.Helper()
	r, err := Export(t.Context(), store, slices.Values(samplelog.Logs()), opts)
	if err != nil {
		t.Fatal(err)
	}
	if len(r.Failed) > 0 {
		t.Fatal(r.Failed)
	}
	return r
}

// sourceRows collects the rows of the logs as they are before they go to a file.
type sourceRows struct {
	sessions    []tables.Session
	events      []tables.Event
	blocks      []tables.Block
	models      []tables.ModelCall
	tools       []tables.ToolCall
	touches     []tables.FileTouch
	compactions []tables.Compaction
}

func into[T any](rows *[]T) func(*T) error {
	return func(row *T) error { *rows = append(*rows, *row); return nil }
}

// project returns the rows of the logs; none named: of all samples.
func project(t *testing.T, store format.Store, opts tables.Options, logs ...format.LogID) *sourceRows {
	t.Helper()
	s := new(sourceRows)
	if logs == nil {
		logs = samplelog.Logs()
	}
	logs = slices.SortedFunc(slices.Values(logs), compareLogs)
	for _, log := range logs {
		_, err := tables.Project(t.Context(), store, log, opts, tables.Sink{
			Session: into(&s.sessions), Event: into(&s.events), Block: into(&s.blocks), ModelCall: into(&s.models),
			ToolCall: into(&s.tools), FileTouch: into(&s.touches), Compaction: into(&s.compactions),
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return s
}

// paths returns the files that count.
func (m manifest) paths() map[string]bool {
	in := make(map[string]bool)
	for _, e := range m {
		for t := range e.parts {
			if name := e.path(t); name != "" {
				in[name] = true
			}
		}
	}
	return in
}

// readTable returns the rows of all files of a table that the manifest counts,
// ordered by log.
func readTable[T any](t *testing.T, out string, table Table, logOf func(*T) string) []T {
	t.Helper()
	m, err := readManifest(out)
	if err != nil {
		t.Fatal(err)
	}
	var rows []T
	for name := range m.paths() {
		if !strings.HasPrefix(name, string(table)+"/") {
			continue
		}
		rows = append(rows, readFile[T](t, filepath.Join(out, name))...)
	}
	slices.SortStableFunc(rows, func(a, b T) int { return strings.Compare(logOf(&a), logOf(&b)) })
	return rows
}

func readFile[T any](t *testing.T, name string) []T {
	t.Helper()
	f, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	r := pq.NewGenericReader[T](f)
	defer r.Close()
	for _, group := range metadata(t, f).RowGroups {
		for i, column := range group.Columns {
			if want := r.Schema().Columns()[i]; !slices.Equal(column.MetaData.PathInSchema, want) {
				t.Errorf("%s: column %d of a row group is called %q, want %q", name, i, column.MetaData.PathInSchema, want)
			}
		}
	}
	rows := make([]T, r.NumRows())
	n, err := r.Read(rows)
	if err != nil && err != io.EOF || n != len(rows) {
		t.Fatalf("read %s: %d of %d rows, %v", name, n, len(rows), err)
	}
	return rows
}

func check[T any](t *testing.T, out string, table Table, want []T, logOf func(*T) string) {
	t.Helper()
	t.Run(string(table), func(t *testing.T) {
		if len(want) == 0 {
			t.Fatal("the samples have no row of this table")
		}
		got := readTable(t, out, table, logOf)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("rows read back differ from the source (-want +got):\n%s", diff)
		}
	})
}

// covered checks that the rows compared say something about every column: a
// value, and NULL where that may be.
func covered[T any](t *testing.T, rows []T) {
	t.Helper()
	for _, f := range reflect.VisibleFields(reflect.TypeFor[T]()) {
		if f.Type.Kind() != reflect.Pointer {
			continue
		}
		var null, value bool
		for i := range rows {
			v := reflect.ValueOf(&rows[i]).Elem().FieldByIndex(f.Index)
			null, value = null || v.IsNil(), value || !v.IsNil()
		}
		if !value {
			t.Errorf("no sample has a value in column %s", f.Name)
		}
	}
}

func checkAll(t *testing.T, out string, want *sourceRows) {
	t.Helper()
	check(t, out, Sessions, want.sessions, func(r *tables.Session) string { return r.LogID })
	check(t, out, Events, want.events, func(r *tables.Event) string { return r.LogID })
	check(t, out, Blocks, want.blocks, func(r *tables.Block) string { return r.LogID })
	check(t, out, ModelCalls, want.models, func(r *tables.ModelCall) string { return r.LogID })
	check(t, out, ToolCalls, want.tools, func(r *tables.ToolCall) string { return r.LogID })
	check(t, out, FileTouches, want.touches, func(r *tables.FileTouch) string { return r.LogID })
	check(t, out, Compactions, want.compactions, func(r *tables.Compaction) string { return r.LogID })
}

func TestReadBackEveryColumn(t *testing.T) {
	store := sampleStore(t)
	opts := tables.Options{Payload: true, Prices: samplePrices(t, "1"), Fidelity: func(id format.LogID) *string {
		if id != samplelog.Tree {
			return nil
		}
		s := `[{"axis":"preserved","code":"record","count":20}]`
		return &s
	}}
	want := project(t, store, opts)
	out := t.TempDir()
	export(t, store, Options{Out: out, Rows: opts})
	checkAll(t, out, want)
	covered(t, want.sessions)
	covered(t, want.events)
	covered(t, want.blocks)
	covered(t, want.models)
	covered(t, want.tools)
	covered(t, want.touches)
	covered(t, want.compactions)
	t.Run("compact", func(t *testing.T) {
		export(t, store, Options{Out: out, Rows: opts, Compact: true})
		checkAll(t, out, want)
	})
}

// TestAbsentEmptyZero pins what the Parquet library gets wrong for some Go types.
func TestAbsentEmptyZero(t *testing.T) {
	type row struct {
		S *string `parquet:"s,dict"`
		T *string `parquet:"t"`
		N *int64  `parquet:"n"`
		M *int64  `parquet:"m,timestamp(microsecond)"`
	}
	empty, zero, some, n := "", int64(0), "x", int64(-7)
	want := []row{{}, {&empty, &empty, &zero, &zero}, {&some, &some, &n, &n}, {}}
	name := filepath.Join(t.TempDir(), "x.parquet")
	f, err := os.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	w := pq.NewGenericWriter[row](f)
	if _, err := w.Write(want); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, readFile[row](t, name)); diff != "" {
		t.Error(diff)
	}
}

func TestFooter(t *testing.T) {
	store := sampleStore(t)
	out := t.TempDir()
	export(t, store, Options{Out: out, Rows: tables.Options{Prices: samplePrices(t, "1")}})
	head, err := store.Head(context.Background(), samplelog.Tree, -1)
	if err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(filepath.Join(out, "model_calls", "date=2026-11-20", samplelog.Tree.String()+".parquet"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		t.Fatal(err)
	}
	file, err := pq.OpenFile(f, info.Size())
	if err != nil {
		t.Fatal(err)
	}
	for key, want := range map[string]string{
		"ownlog.table": "model_calls", "ownlog.export_schema": "1",
		"ownlog.heads": `["` + head.String() + `"]`, "ownlog.prices": "1",
	} {
		if got, _ := file.Lookup(key); got != want {
			t.Errorf("footer %s = %q, want %q", key, got, want)
		}
	}
	docs, _ := file.Lookup("ownlog.columns")
	seen := make(map[int]string)
	for _, field := range file.Schema().Fields() {
		if id := field.ID(); id == 0 || seen[id] != "" {
			t.Errorf("column %s has field id %d, as has %q", field.Name(), id, seen[id])
		} else {
			seen[id] = field.Name()
		}
		if !strings.Contains(docs, `"`+field.Name()+`":"`) {
			t.Errorf("column %s is not described in the footer", field.Name())
		}
	}
	for _, chunk := range file.RowGroups()[0].ColumnChunks() {
		name := file.Schema().Columns()[chunk.Column()][0]
		if want := slices.Contains(modelCallLayout().ids, name); (chunk.BloomFilter() != nil) != want {
			t.Errorf("column %s: bloom filter %v, want %v", name, chunk.BloomFilter() != nil, want)
		}
	}
	sorting := file.RowGroups()[0].SortingColumns()
	if len(sorting) != 2 || sorting[0].Path()[0] != "log_id" || sorting[1].Path()[0] != "seq" {
		t.Errorf("sorting columns are %v", sorting)
	}
}

// metadata reads a file's footer.
func metadata(t *testing.T, f *os.File) *pqformat.FileMetaData {
	t.Helper()
	info, err := f.Stat()
	if err != nil {
		t.Fatal(err)
	}
	file, err := pq.OpenFile(f, info.Size())
	if err != nil {
		t.Fatal(err)
	}
	return file.Metadata()
}
