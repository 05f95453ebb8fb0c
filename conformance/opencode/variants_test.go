//go:build conformance

package opencode

import (
	"fmt"
	"path/filepath"
	"sort"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ownlog/ownlog/convert"
	"github.com/ownlog/ownlog/schema"
)

// outcome is what must come of a variant.
type outcome struct {
	Status   string         // of the database, or of the first file of the tree
	Reason   string         // part of it
	Sessions int            // logs
	Rows     map[string]int // by table, those of the sessions
	Findings map[string]int64
}

// variants are the damaged, old and odd sources among the recordings.
var variants = map[string]outcome{
	"wal-only":            {"imported", "", 2, rows(2, 20, 66, 2), nil},
	"wal-torn":            {"imported", "", 2, rows(2, 19, 63, 2), nil},
	"damaged-page":        {"failed", "lost: part prt_206361c5c001svxubYX4WYDBH3", 2, rows(2, 20, 50, 2), nil},
	"truncated":           {"failed", "pages at the end of the file, message msg_20635f9b20012g7Pb1Mc5Pvk9L", 2, map[string]int{"session": 2, "todo": 2}, nil},
	"not-a-database":      {"refused", "not an SQLite file", 0, nil, nil},
	"no-session-table":    {"refused", "not OpenCode's", 0, nil, nil},
	"id-wrap":             {"imported", "", 2, rows(2, 20, 66, 2), nil},
	"id-wrap-in-message":  {"imported", "", 2, rows(2, 20, 66, 2), nil},
	"older-schema-a":      {"imported", "", 1, rows(1, 9, 31, 2), nil},
	"older-schema-1.2.27": {"imported", "", 3, rows(3, 15, 47, 2), nil},
	"bad-rows": {"imported", "", 2, rows(2, 20, 68, 2), map[string]int64{
		"unknown-part-type": 1, "data-not-json": 1, "part-without-message": 1,
	}},
	"legacy-json": {"imported", "", 3, map[string]int{"session": 3, "message": 15, "part": 47, "todo": 1, "session_diff": 3}, nil},
	"legacy-json-traps": {"imported", "", 3, map[string]int{"session": 2, "message": 14, "part": 41, "todo": 1, "session_diff": 3}, map[string]int64{
		"message-without-parts": 1, "session-file-missing": 1, "file-not-json": 1, "message-file-missing": 1, "part-without-message": 3,
	}},
}

func rows(session, message, part, todo int) map[string]int {
	return map[string]int{"session": session, "message": message, "part": part, "todo": todo}
}

func TestVariants(t *testing.T) {
	dir := captures(t)
	folders, err := filepath.Glob(filepath.Join(dir, "variants", "*", ""))
	if err != nil {
		t.Fatal(err)
	}
	seen := 0
	for _, folder := range folders {
		name := filepath.Base(folder)
		want, ok := variants[name]
		if !ok {
			if name != "variants.json" {
				t.Errorf("%s: no test says what must come of it", name)
			}
			continue
		}
		seen++
		t.Run(name, func(t *testing.T) {
			in := importPath(t, nil, folder)
			if diff := cmp.Diff(want.Findings, in.findings(), cmpEmpty); diff != "" {
				t.Errorf("findings: want (-), got (+):\n%s", diff)
			}
			got := outcome{Sessions: len(in.sessions()), Rows: in.rowCounts(t)}
			for _, r := range in.results {
				if strings.HasSuffix(r.Path, ".db") || r.Kind == convert.ClaimTree {
					got.Status, got.Reason = string(r.Status), r.Reason
					break
				}
			}
			if got.Status != want.Status || !strings.Contains(got.Reason, want.Reason) || got.Sessions != want.Sessions {
				t.Errorf("got %s (%s), %d sessions; want %s (%s), %d", got.Status, got.Reason, got.Sessions, want.Status, want.Reason, want.Sessions)
			}
			if diff := cmp.Diff(want.Rows, got.Rows, cmpEmpty); diff != "" {
				t.Errorf("rows: want (-), got (+):\n%s", diff)
			}
		})
	}
	if seen != len(variants) {
		t.Errorf("%d of %d variants are there", seen, len(variants))
	}
}

// cmpEmpty takes an empty map for none.
var cmpEmpty = cmp.FilterPath(func(p cmp.Path) bool { return len(p) == 1 }, cmp.Options{
	cmp.Transformer("empty", func(m map[string]int64) []string {
		var list []string
		for k, v := range m {
			list = append(list, fmt.Sprintf("%s: %d", k, v))
		}
		sort.Strings(list)
		return list
	}),
	cmp.Transformer("empty", func(m map[string]int) []string {
		var list []string
		for k, v := range m {
			list = append(list, fmt.Sprintf("%s: %d", k, v))
		}
		sort.Strings(list)
		return list
	}),
})

// rowCounts counts the rows of the session logs by table.
func (in *imported) rowCounts(t *testing.T) map[string]int {
	counts := make(map[string]int)
	for _, log := range in.sessions() {
		err := convert.LatestRows(t.Context(), in.store, log, -1, func(row schema.Row, _ []byte) error {
			counts[row.Table]++
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return counts
}

// TestIDWrapKeepsTheOrderOfTime: where ids wrap, between messages or inside one,
// the log has the order in which things happened.
func TestIDWrapKeepsTheOrderOfTime(t *testing.T) {
	dir := captures(t)
	basic := importPath(t, nil, filepath.Join(dir, "basic", "opencode.db"))
	want := said(t, basic)
	for _, name := range []string{"id-wrap", "id-wrap-in-message"} {
		got := said(t, importPath(t, nil, filepath.Join(dir, "variants", name)))
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: of the database it was made from (-), of the log (+):\n%s", name, diff)
		}
	}
}

// said lists the texts and calls of all sessions, in the order of the log.
func said(t *testing.T, in *imported) (list []string) {
	for _, log := range in.sessions() {
		for _, ev := range in.loadLog(t, log) {
			switch data := ev.Data.(type) {
			case *schema.UserMessage:
				for _, p := range data.Content {
					list = append(list, "user: "+p.Text.Inline)
				}
			case *schema.ModelOutput:
				for _, b := range data.Blocks {
					list = append(list, fmt.Sprintf("%d/%d %s %s%s %s", ev.Turn, ev.Step, b.Type, b.Text.Inline, b.Name, b.CallKey))
				}
			}
		}
	}
	return list
}

// TestEventsAgreeWithTheRows: what the tool's own history says last of a row is
// what the row says, in all recordings but one: there the tool made a part
// synthetic without an event.
func TestEventsAgreeWithTheRows(t *testing.T) {
	dir := captures(t)
	paths, err := filepath.Glob(filepath.Join(dir, "*", "*.db"))
	if err != nil || len(paths) == 0 {
		t.Fatalf("no databases: %v", err)
	}
	for _, path := range paths {
		name := filepath.Base(filepath.Dir(path))
		want := map[string]int64{}
		if name == "anthropic" {
			want["event-differs-from-row"] = 1
		}
		if diff := cmp.Diff(want, importPath(t, map[string]string{"events": "true"}, path).findings()); diff != "" {
			t.Errorf("%s: findings: want (-), got (+):\n%s", name, diff)
		}
	}
}
