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

var update = flag.Bool("update", false, "write the tables of README.md and docs/migrating.md anew")

// The parts of README.md and docs/migrating.md that this test writes stand between these.
const (
	directionsBegin = "<!-- directions -->\n"
	directionsEnd   = "<!-- end -->\n"
)

// TestDirections writes every bundled session in the form of every vendor, imports
// what was written, compares the conversations, and the reports with the tables of
// README.md and docs/migrating.md.
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
	var details, overview strings.Builder
	details.WriteString("| from | to | sessions | what became of it |\n|---|---|---|---|\n")
	overview.WriteString("| from \\ to | claude-code | codex | opencode |\n|---|---|---|---|\n")
	for from := range registry().Vendors() {
		fmt.Fprintf(&overview, "| **%s**, %d sessions |", from.Name(), len(sessions[from.Name()]))
		for to := range registry().Vendors() {
			report := new(schema.Fidelity)
			for _, sum := range sessions[from.Name()] {
				crossOver(t, store, sum, to, report)
			}
			fmt.Fprintf(&details, "| %s | %s | %d | %s |\n", from.Name(), to.Name(), len(sessions[from.Name()]), itemsLine(report))
			fmt.Fprintf(&overview, " %s |", lossLine(report))
		}
		overview.WriteByte('\n')
	}
	compareTable(t, filepath.Join("..", "..", "docs", "migrating.md"), details.String())
	compareTable(t, filepath.Join("..", "..", "README.md"), overview.String())
}

// compareTable compares a table with a page, or writes it there.
func compareTable(t *testing.T, page, table string) {
	t.Helper()
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
		if err := os.WriteFile(page, []byte(before+directionsBegin+table+directionsEnd+after), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if diff := cmp.Diff(written, table); diff != "" {
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
	want := conversationOf(t, store, id)
	var missing []string
	for log, err := range again.List(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		lacks := want.missingFrom(conversationOf(t, again, log))
		if lacks == "" {
			return
		}
		missing = append(missing, lacks)
	}
	t.Errorf("%s session %s to %s, imported again: %s", sum.Vendor, sum.Session, to.Name(), strings.Join(missing, "\n"))
}

// conversation is what is said in a session, in order.
type conversation struct {
	people, models, results []string
	calls                   int
}

// conversationOf reads the view of a log. What tools tell models by themselves is
// left out, as each has its own.
func conversationOf(t *testing.T, store format.Store, log format.LogID) conversation {
	t.Helper()
	load := convert.NewEventLoader(t.Context(), store, log)
	defer load.Close()
	state := new(schema.State)
	err := convert.WalkEvents(t.Context(), store, log, 0, -1, func(e convert.LogEvent) error {
		if e.Event != nil {
			state.Apply(e.Seq, e.Event)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	var c conversation
	for m, err := range state.View(load.Load) {
		if err != nil {
			t.Fatal(err)
		}
		switch {
		case m.Injected || m.Synthetic:
		case m.Role == schema.RoleUser:
			c.people = append(c.people, textsOf(m.Content)...)
		case m.Role == schema.RoleTool && m.Result != nil:
			c.results = append(c.results, textsOf(m.Result.Content)...)
		case m.Role == schema.RoleModel:
			for _, b := range m.Blocks {
				switch {
				case b.Type == schema.BlockText && strings.TrimSpace(b.Text.Inline) != "":
					c.models = append(c.models, strings.TrimSpace(b.Text.Inline))
				case b.Type == schema.BlockToolCall && b.Kind != schema.CallServer:
					c.calls++
				}
			}
		}
	}
	return c
}

func textsOf(parts []schema.Part) (texts []string) {
	for _, p := range parts {
		if text := strings.TrimSpace(p.Text.Inline); p.Type == schema.PartText && text != "" {
			texts = append(texts, text)
		}
	}
	return texts
}

// missingFrom says what of a conversation another one does not have; empty if it
// has all. Texts may have been joined or put beside others.
func (c conversation) missingFrom(other conversation) string {
	for _, side := range []struct {
		who       string
		want, got []string
	}{{"people", c.people, other.people}, {"models", c.models, other.models}} {
		rest := strings.Join(side.got, "\n")
		for _, text := range side.want {
			_, after, found := strings.Cut(rest, text)
			if !found {
				return fmt.Sprintf("what %s say lacks %q; it is %q", side.who, text, side.got)
			}
			rest = after
		}
	}
	// Answers of one response go in the order of the calls, or of their coming.
	rest := strings.Join(other.results, "\n")
	for _, text := range c.results {
		before, after, found := strings.Cut(rest, text)
		if !found {
			return fmt.Sprintf("what tools answer lacks %q; it is %q", text, other.results)
		}
		rest = before + "\n" + after
	}
	if c.calls != other.calls {
		return fmt.Sprintf("%d calls, want %d", other.calls, c.calls)
	}
	return ""
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

// lossLine says what of the conversation itself a direction loses.
func lossLine(report *schema.Fidelity) string {
	var lost []string
	for _, it := range report.Items() {
		if it.Axis == schema.Dropped && !strings.HasPrefix(it.Code, schema.StatePrefix) {
			lost = append(lost, fmt.Sprintf("`%s` %d", it.Code, it.Count))
		}
	}
	if len(lost) == 0 {
		return "nothing"
	}
	return strings.Join(lost, ", ")
}
