package parquet

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ownlog/ownlog/convert/tables"
)

var update = flag.Bool("update", false, "write the column reference in docs/sql.md anew")

// columnReference describes a table for people.
func columnReference[T any](b *bytes.Buffer, table Table) {
	fmt.Fprintf(b, "\n### %s\n\n| column | type | meaning |\n|---|---|---|\n", table)
	fields := reflect.VisibleFields(reflect.TypeFor[T]())
	i := 0
	for c := range tables.Columns[T]() {
		kind := strings.ToUpper(strings.TrimPrefix(fields[i].Type.String(), "*"))
		kind = map[string]string{"STRING": "text", "INT64": "integer", "INT32": "integer", "BOOL": "boolean"}[kind]
		if strings.Contains(fields[i].Tag.Get("parquet"), "timestamp") {
			kind = "time"
		}
		if c.Null {
			kind += ", may be NULL"
		}
		fmt.Fprintf(b, "| %s | %s | %s |\n", c.Name, kind, c.Doc)
		i++
	}
}

func TestDocsDescribeEveryColumn(t *testing.T) {
	var b bytes.Buffer
	columnReference[tables.Session](&b, Sessions)
	columnReference[tables.Event](&b, Events)
	columnReference[tables.Block](&b, Blocks)
	columnReference[tables.ModelCall](&b, ModelCalls)
	columnReference[tables.ToolCall](&b, ToolCalls)
	columnReference[tables.FileTouch](&b, FileTouches)
	columnReference[tables.Compaction](&b, Compactions)
	name := filepath.Join("..", "..", "docs", "sql.md")
	page, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	const mark = "<!-- columns: written by go test ./convert/parquet -update -->\n"
	text, have, ok := strings.Cut(string(page), mark)
	if !ok {
		t.Fatalf("%s has no line %q", name, mark)
	}
	if *update {
		if err := os.WriteFile(name, []byte(text+mark+b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if diff := cmp.Diff(have, b.String()); diff != "" {
		t.Errorf("the columns in %s are not those of the tables (-docs +tables):\n%s", name, diff)
	}
}

func TestViewsNameEveryTable(t *testing.T) {
	sql, err := os.ReadFile("views.sql")
	if err != nil {
		t.Fatal(err)
	}
	for _, table := range Tables() {
		want := fmt.Sprintf("CREATE OR REPLACE TEMP VIEW %s AS SELECT * FROM read_parquet(getvariable('ownlog_%s')", table, table)
		if !strings.Contains(string(sql), want) {
			t.Errorf("views.sql has no view of table %s", table)
		}
	}
}
