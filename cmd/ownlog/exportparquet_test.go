package main

import (
	"context"
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/go-json-experiment/json"
	pq "github.com/parquet-go/parquet-go"

	"github.com/ownlog/ownlog/convert"
	"github.com/ownlog/ownlog/convert/tables"
	"github.com/ownlog/ownlog/fixtures"
)

// TestExportedFidelity imports and exports with the command: the report of its
// import stands in the row of every session.
func TestExportedFidelity(t *testing.T) {
	dir := t.TempDir()
	if err := os.CopyFS(filepath.Join(dir, "rec"), fixtures.FS); err != nil {
		t.Fatal(err)
	}
	command := func(args ...string) {
		t.Helper()
		args = append([]string{"ownlog", "--store", filepath.Join(dir, "store")}, args...)
		none := func(string) string { return "" }
		if code := run(context.Background(), args, console{Out: io.Discard, Err: io.Discard, Getenv: none, Home: dir}); code != 0 {
			t.Fatalf("%v: exit code %d", args, code)
		}
	}
	command("import", filepath.Join(dir, "rec"))
	command("export", "--to", "parquet", "--tables", "sessions", "--out", filepath.Join(dir, "out"))
	files, err := filepath.Glob(filepath.Join(dir, "out", "sessions", "date=*", "*-*.parquet"))
	if err != nil || len(files) == 0 {
		t.Fatalf("files %v, %v", files, err)
	}
	for _, name := range files {
		rows, err := pq.ReadFile[tables.Session](name)
		if err != nil {
			t.Fatal(err)
		}
		for _, row := range rows {
			if row.Fidelity == nil {
				t.Errorf("log %s, %s: no report", row.LogID, row.Kind)
				continue
			}
			var report convert.Report
			if err := json.Unmarshal([]byte(*row.Fidelity), &report, json.RejectUnknownMembers(true)); err != nil {
				t.Errorf("log %s: %v", row.LogID, err)
			}
			if report.Records == 0 || len(report.Fidelity) == 0 {
				t.Errorf("log %s: report %s", row.LogID, *row.Fidelity)
			}
		}
	}
}
