package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ownlog/ownlog/convert"
	"github.com/ownlog/ownlog/convert/summary"
	"github.com/ownlog/ownlog/fixtures"
	"github.com/ownlog/ownlog/format"
	"github.com/ownlog/ownlog/schema"
)

var update = flag.Bool("update", false, "write the table of docs/migrating.md anew")

// The part of docs/migrating.md that this test writes stands between these.
const (
	directionsBegin = "<!-- directions -->\n"
	directionsEnd   = "<!-- end -->\n"
)

// TestDirections writes every bundled session in the form of every vendor, imports
// what was written, and compares the reports with docs/migrating.md.
func TestDirections(t *testing.T) {
	recordings := t.TempDir()
	if err := os.CopyFS(recordings, fixtures.FS); err != nil {
		t.Fatal(err)
	}
	store := new(format.MemStore)
	importFolder(t, store, recordings)
	sessions := make(map[string][]summary.Summary)
	for id, err := range store.List(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		sum, err := summary.Of(t.Context(), store, id)
		if err != nil {
			t.Fatal(err)
		}
		if sum.Kind == convert.LogSession && sum.Session != "" {
			sessions[sum.Vendor] = append(sessions[sum.Vendor], sum)
		}
	}
	var table strings.Builder
	table.WriteString("| from | to | sessions | what became of it |\n|---|---|---|---|\n")
	for from := range registry().Vendors() {
		for to := range registry().Vendors() {
			report := new(schema.Fidelity)
			for _, sum := range sessions[from.Name()] {
				crossOver(t, store, sum, to, report)
			}
			fmt.Fprintf(&table, "| %s | %s | %d | %s |\n", from.Name(), to.Name(), len(sessions[from.Name()]), itemsLine(report))
		}
	}
	page := filepath.Join("..", "..", "docs", "migrating.md")
	b, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, found := strings.Cut(string(b), directionsBegin)
	written, after, ended := strings.Cut(rest, directionsEnd)
	if !found || !ended {
		t.Fatalf("%s has no %s", page, directionsBegin)
	}
	if *update {
		if err := os.WriteFile(page, []byte(before+directionsBegin+table.String()+directionsEnd+after), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if diff := cmp.Diff(written, table.String()); diff != "" {
		t.Errorf("%s, which -update writes (-page +now):\n%s", page, diff)
	}
}

// crossOver exports a session and imports what was written again.
func crossOver(t *testing.T, store format.Store, sum summary.Summary, to convert.Vendor, report *schema.Fidelity) {
	t.Helper()
	id, err := format.ParseLogID(sum.Log)
	if err != nil {
		t.Fatal(err)
	}
	out := &convert.FolderOutput{Dir: t.TempDir()}
	one := new(schema.Fidelity)
	if err := to.Export(t.Context(), convert.ExportRequest{Store: store, Log: id, Size: -1, Out: out, Report: one}); err != nil {
		t.Errorf("%s session %s to %s: %v", sum.Vendor, sum.Session, to.Name(), err)
		return
	}
	report.Merge(one)
	again := new(format.MemStore)
	if got := importFolder(t, again, out.Dir); got.Appended == 0 {
		t.Errorf("%s session %s to %s: nothing of %v could be imported again", sum.Vendor, sum.Session, to.Name(), out.Written)
	}
}

// importFolder imports a folder, in which nothing fails.
func importFolder(t *testing.T, store format.Store, dir string) *convert.ImportSummary {
	t.Helper()
	got, err := convert.Import(context.Background(), store, convert.OpenImports(""), registry(), convert.ImportOptions{
		Roots: []string{dir}, Env: convert.Environment{Getenv: func(string) string { return "" }},
		Progress: func(r convert.FileResult) {
			if r.Status == convert.FileFailed {
				t.Errorf("%s: %s", r.Path, r.Reason)
			}
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	return got
}

func itemsLine(report *schema.Fidelity) string {
	var items []string
	for _, it := range report.Items() {
		items = append(items, fmt.Sprintf("%s `%s` %d", strings.ReplaceAll(string(it.Axis), "_", " "), it.Code, it.Count))
	}
	return strings.Join(items, ", ")
}
