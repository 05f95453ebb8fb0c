package tables_test

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ownlog/ownlog/convert/tables"
	"github.com/ownlog/ownlog/convert/tables/samplelog"
	"github.com/ownlog/ownlog/format"
)

var update = flag.Bool("update", false, "write the golden files anew")

// dump writes a row as its columns that are not NULL, apart from those that are
// the same for all rows of a log.
func dump[T any](b *bytes.Buffer, table string) func(*T) error {
	return func(row *T) error {
		v := reflect.ValueOf(row).Elem()
		fmt.Fprintf(b, "%s", table)
		i := -1
		for column := range tables.Columns[T]() {
			i++
			switch column.Name {
			case "log_id", "session_id", "source_vendor", "export_schema":
				continue
			}
			f := v.Field(i)
			if f.Kind() == reflect.Pointer {
				if f.IsNil() {
					continue
				}
				f = f.Elem()
			}
			text := fmt.Sprint(f.Interface())
			if f.Kind() == reflect.String {
				text = strconv.Quote(text)
			}
			fmt.Fprintf(b, " %s=%s", column.Name, text)
		}
		b.WriteByte('\n')
		return nil
	}
}

func dumpLog(t *testing.T, store format.Store, log format.LogID, opts tables.Options) string {
	t.Helper()
	var b bytes.Buffer
	_, err := tables.Project(t.Context(), store, log, opts, tables.Sink{
		Session: dump[tables.Session](&b, "session"), Event: dump[tables.Event](&b, "event"), Block: dump[tables.Block](&b, "block"),
		ModelCall: dump[tables.ModelCall](&b, "model_call"), ToolCall: dump[tables.ToolCall](&b, "tool_call"),
		FileTouch: dump[tables.FileTouch](&b, "file_touch"), Compaction: dump[tables.Compaction](&b, "compaction"),
	})
	if err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// TestGoldenRows pins what the sample logs say, row by row. `go test -update`
// writes the files anew; read the difference before committing it.
func TestGoldenRows(t *testing.T) {
	store := new(format.MemStore)
	if err := samplelog.Fill(t.Context(), store); err != nil {
		t.Fatal(err)
	}
	prices, err := samplelog.Prices("test")
	if err != nil {
		t.Fatal(err)
	}
	for name, log := range map[string]format.LogID{
		"tree": samplelog.Tree, "rows": samplelog.Rows, "assets": samplelog.Assets, "fork": samplelog.Fork, "timeless": samplelog.Timeless,
	} {
		t.Run(name, func(t *testing.T) {
			got := dumpLog(t, store, log, tables.Options{Prices: prices})
			file := filepath.Join("testdata", name+".golden")
			if *update {
				if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(strings.Split(string(want), "\n"), strings.Split(got, "\n")); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		})
	}
}
