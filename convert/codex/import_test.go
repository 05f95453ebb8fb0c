package codex

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/google/go-cmp/cmp"
	"github.com/klauspost/compress/zstd"

	"github.com/ownlog/ownlog/convert"
	"github.com/ownlog/ownlog/convert/stats"
	"github.com/ownlog/ownlog/fixtures"
	"github.com/ownlog/ownlog/format"
	"github.com/ownlog/ownlog/schema"
)

func TestClaims(t *testing.T) {
	var packed bytes.Buffer
	enc, err := zstd.NewWriter(&packed)
	if err == nil {
		_, err = io.WriteString(enc, `{"type":"session_meta","payload":{"id":"x"}}`+"\n")
		err = errors.Join(err, enc.Close())
	}
	if err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		path, head string
		kind       convert.ClaimKind
		group      string
	}{
		{".codex/sessions/2026/11/23/rollout-2026-11-23T01-33-29-x.jsonl", `{"timestamp":"t","type":"session_meta","payload":{"id":"x"}}`, convert.ClaimTranscript, ""},
		{".codex/archived_sessions/rollout-2026-11-23T01-33-29-x.jsonl", `{"timestamp":"t","type":"session_meta","payload":{"id":"x"}}`, convert.ClaimTranscript, ""},
		{"elsewhere/any.jsonl", `{"payload":{"id":"x"},"timestamp":"t","type":"session_meta"}`, convert.ClaimTranscript, ""},
		{"elsewhere/old.jsonl", `{"id":"x","timestamp":"t","instructions":null,"git":{}}`, convert.ClaimTranscript, ""},
		{"elsewhere/cut.jsonl", `{"timestamp":"t","type":"session_meta","payload":{"id":"x","base_instructions":{"text":"very lo`, convert.ClaimTranscript, ""},
		{"elsewhere/packed.jsonl.zst", packed.String(), convert.ClaimTranscript, ""},
		{".codex/sessions/2026/11/23/rollout-2026-11-23T01-33-29-y.jsonl", "\x00\x00\x00", convert.ClaimTranscript, ""},
		{"elsewhere/other.jsonl", `{"type":"user","message":{"role":"user"}}`, convert.ClaimNone, ""},
		{"elsewhere/other.zst", "not zstd", convert.ClaimNone, ""},
		{".codex/session_index.jsonl", `{"id":"x","thread_name":"n","updated_at":"t"}`, convert.ClaimSide, "/home/user/.codex/session_index"},
		{".codex/goals_1.sqlite", "SQLite format 3\x00", convert.ClaimSide, "/home/user/.codex/goals_1"},
		{".codex/goals_1.sqlite-wal", "", convert.ClaimSide, "/home/user/.codex/goals_1"},
		{".codex/queue_1.sqlite", "SQLite format 3\x00", convert.ClaimSide, "/home/user/.codex/queue_1"},
		{".codex/state_5.sqlite", "SQLite format 3\x00", convert.ClaimRefused, ""},
		{".codex/logs_2.sqlite-wal", "", convert.ClaimRefused, ""},
		{".codex/history.jsonl", `{"session_id":"x","ts":1,"text":"hi"}`, convert.ClaimRefused, ""},
		{".codex/auth.json", `{}`, convert.ClaimRefused, ""},
		{".codex/log/codex-tui.log", "text", convert.ClaimRefused, ""},
		{"elsewhere/auth.json", `{}`, convert.ClaimNone, ""},
	}
	for _, tt := range tests {
		got := Vendor{}.Claim(convert.File{Path: "/home/user/" + tt.path, Rel: tt.path, Head: []byte(tt.head)})
		if got.Kind != tt.kind || got.Group != tt.group || (got.Reason == "") == (tt.kind == convert.ClaimRefused) {
			t.Errorf("%s: claimed as %+v, want %s %s", tt.path, got, tt.kind, tt.group)
		}
	}
	for _, name := range []string{"/home/user/.codex/auth.json", "/srv/any/auth.json"} {
		if (Vendor{}).Guarded(convert.File{Path: name, Rel: "auth.json"}) == "" {
			t.Errorf("%s is not guarded", name)
		}
	}
}

// importFolder imports a folder and returns what became of each file, by name.
func importFolder(t *testing.T, l *testLog, dir string) map[string]convert.FileResult {
	t.Helper()
	results := map[string]convert.FileResult{}
	_, err := convert.Import(context.Background(), l.store, l.imports, convert.NewRegistry(Vendor{}), convert.ImportOptions{
		Roots: []string{dir},
		Progress: func(r convert.FileResult) {
			if r.Err != nil {
				t.Errorf("%s: %v", r.Path, r.Err)
			}
			results[filepath.Base(r.Path)] = r
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	return results
}

func emptyLog() *testLog {
	return &testLog{store: new(format.MemStore), imports: convert.OpenImports("")}
}

const (
	forkParent = "rollout-2026-11-23T01-33-29-01a20609-66b5-7e03-b719-59b83a597011.jsonl"
	forkChild  = "rollout-2026-11-23T01-43-31-01a20612-9658-7cb3-afa2-00ce7eda58e9.jsonl"
)

// copyFork copies the rollouts of the recording `fork` into a folder.
func copyFork(t *testing.T, names ...string) string {
	t.Helper()
	dir := t.TempDir()
	for _, name := range names {
		b, err := fs.ReadFile(fixtures.FS, "codex/fork/sessions/2026/11/23/"+name)
		if err == nil {
			err = os.WriteFile(filepath.Join(dir, name), b, 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// TestHistoryBase imports a session whose history begins in another one.
func TestHistoryBase(t *testing.T) {
	l := emptyLog()
	results := importFolder(t, l, copyFork(t, forkParent, forkChild))
	parent, child := results[forkParent].Outcomes[0], results[forkChild].Outcomes[0]
	info, err := l.store.Info(context.Background(), child.Log)
	if err != nil {
		t.Fatal(err)
	}
	if info.Fork == nil || info.Fork.Log != parent.Log {
		t.Fatalf("the child's log is a fork of %+v, want of %s", info.Fork, parent.Log)
	}
	// The parent is one file, all of whose records come before the child's.
	if info.Fork.Size != parent.Head.Size {
		t.Errorf("the child begins at entry %d, want %d", info.Fork.Size, parent.Head.Size)
	}
	var state schema.State
	if err := convert.Fold(context.Background(), l.store, child.Log, 0, -1, &state); err != nil {
		t.Fatal(err)
	}
	turns := map[int64]bool{}
	err = convert.WalkEvents(context.Background(), l.store, child.Log, info.Fork.Size, -1, func(e convert.LogEvent) error {
		turns[e.Event.Turn] = true
		return nil
	})
	if diff := cmp.Diff(map[int64]bool{0: true, 3: true}, turns); err != nil || diff != "" {
		t.Errorf("turns of the child, which go on behind the parent's two (-want +got), %v:\n%s", err, diff)
	}
	checkForkUsage(t, l, parent.Log, child.Log)
	again := importFolder(t, l, copyFork(t, forkParent, forkChild))
	for name, r := range again {
		if r.Outcomes[0].Appended != 0 {
			t.Errorf("%s: a second import added %d entries", name, r.Outcomes[0].Appended)
		}
	}
}

// checkForkUsage compares the tokens of a parent and its fork with the records of
// their files: each response counts once, and a fork's are its own.
func checkForkUsage(t *testing.T, l *testLog, parent, child format.LogID) {
	t.Helper()
	for name, log := range map[string]format.LogID{forkParent: parent, forkChild: child} {
		content, err := fs.ReadFile(fixtures.FS, "codex/fork/sessions/2026/11/23/"+name)
		if err != nil {
			t.Fatal(err)
		}
		var want, responses int64
		for line := range bytes.Lines(content) {
			var r struct {
				Type    string `json:"type"`
				Payload struct {
					Usage struct {
						Output int64 `json:"output_tokens"`
					} `json:"usage"`
				} `json:"payload"`
			}
			if err := json.Unmarshal(line, &r, jsontext.AllowDuplicateNames(true)); err != nil {
				t.Fatal(err)
			}
			if r.Type == "token_usage_record" {
				want += r.Payload.Usage.Output
				responses++
			}
		}
		got, err := stats.Collect(context.Background(), l.store, slices.Values([]format.LogID{log}), stats.Query{})
		if err != nil {
			t.Fatal(err)
		}
		var output, calls int64
		for _, u := range got.Usage {
			output, calls = output+u.Output, calls+u.Calls
		}
		if output != want || calls != responses || responses == 0 {
			t.Errorf("%s: %d output tokens in %d responses, want %d in %d", name, output, calls, want, responses)
		}
	}
}

// TestMissingHistoryBase imports such a session alone, and then its parent.
func TestMissingHistoryBase(t *testing.T) {
	l := emptyLog()
	alone := importFolder(t, l, copyFork(t, forkChild))[forkChild]
	o := alone.Outcomes[0]
	if len(o.Findings) != 1 || o.Findings[0].Code != "missing-history-base" {
		t.Errorf("findings %+v, want the missing base", o.Findings)
	}
	if info, err := l.store.Info(context.Background(), o.Log); err != nil || info.Fork != nil {
		t.Errorf("the log is a fork of %+v, %v", info.Fork, err)
	}
	both := importFolder(t, l, copyFork(t, forkParent, forkChild))
	if both[forkChild].Outcomes[0].Log == o.Log {
		t.Error("with its parent the session is in the log that has none")
	}
}

// TestByteOffsetDecides cuts the parent's history in and around a record.
func TestByteOffsetDecides(t *testing.T) {
	parent := `{"type":"session_meta","payload":{"id":"parent"}}` + "\n" +
		`{"type":"event_msg","payload":{"type":"task_started","turn_id":"a"}}` + "\n" +
		`{"type":"event_msg","payload":{"type":"task_complete","turn_id":"a"}}` + "\n"
	second := int64(strings.Index(parent, `{"type":"event_msg","payload":{"type":"task_complete"`))
	tests := []struct {
		name   string
		offset int64
		want   int64
	}{
		{"nothing", 0, 0},
		{"inside the first line", 10, 0},
		{"before a line feed", second - 1, 2},
		{"behind it", second, 2},
		{"inside the next line", second + 5, 2},
		{"all", int64(len(parent)), 3},
		{"all but the last line feed", int64(len(parent)) - 1, 3},
		{"more than there is", int64(len(parent)) + 1, -1},
	}
	l := importContent(t, []byte(parent))
	for _, tt := range tests {
		got, err := entriesUpTo(context.Background(), l.store, l.log, tt.offset)
		if err != nil || got != tt.want {
			t.Errorf("%s: %d entries, %v, want %d", tt.name, got, err, tt.want)
		}
	}
}

// TestCompressedRollouts gives the decompressed bytes back.
func TestCompressedRollouts(t *testing.T) {
	plain := importFolder(t, emptyLog(), copyFork(t, forkParent))[forkParent].Outcomes[0]
	dir := t.TempDir()
	b, err := fs.ReadFile(fixtures.FS, "codex/compressed/sessions/2026/11/23/"+forkParent+".zst")
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, forkParent+".zst"), b, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	packed := importFolder(t, emptyLog(), dir)[forkParent+".zst"].Outcomes[0]
	if packed.Head != plain.Head || packed.SHA256 != plain.SHA256 {
		t.Errorf("compressed %s, plain %s", packed.Head, plain.Head)
	}
}

// TestImagesAreKeptOnce imports the same image a few times.
func TestImagesAreKeptOnce(t *testing.T) {
	image := strings.Repeat("AAAABBBBCCCCDDDD", 2000)
	line := `{"type":"response_item","payload":{"type":"message","role":"user","content":[{"type":"input_image","image_url":"data:image/png;base64,` + image + `"}]}}` + "\n"
	content := []byte(`{"type":"session_meta","payload":{"id":"images"}}` + "\n" + strings.Repeat(line, 20))
	l := importContent(t, content)
	var stored int
	for e, err := range l.store.Read(context.Background(), l.log, 0) {
		if err != nil {
			t.Fatal(err)
		}
		stored += len(e.Bytes)
	}
	if stored > len(image) {
		t.Errorf("the entries have %d bytes, more than one image", stored)
	}
	if got, _ := l.export(t, nil); !bytes.Equal(got, content) {
		t.Error("not the bytes that were there")
	}
}

// TestSideFiles imports names, goals and queued messages.
func TestSideFiles(t *testing.T) {
	dir := filepath.Join(t.TempDir(), ".codex")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	index := filepath.Join(dir, "session_index.jsonl")
	write := func(s string) {
		if err := os.WriteFile(index, []byte(s), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	first := `{"id":"s1","thread_name":"one","updated_at":"2026-11-23T01:00:00Z"}` + "\n" + `{"id":"s2","thread_name":"two","updated_at":"2026-11-23T01:00:00Z"}` + "\n"
	write(first)
	queue(t, filepath.Join(dir, "queue_1.sqlite"),
		`CREATE TABLE queued_items (id TEXT PRIMARY KEY NOT NULL, thread_id TEXT NOT NULL, payload_json TEXT NOT NULL, queue_order INTEGER NOT NULL)`,
		`INSERT INTO queued_items VALUES ('q1', 's1', '{"text":"later"}', 1), ('q2', 's1', '{"text":"last"}', 2)`)
	goals := filepath.Join(dir, "goals_1.sqlite")
	queue(t, goals,
		`CREATE TABLE thread_goals (thread_id TEXT PRIMARY KEY NOT NULL, goal_id TEXT NOT NULL, objective TEXT NOT NULL, status TEXT NOT NULL, tokens_used INTEGER NOT NULL)`,
		`INSERT INTO thread_goals VALUES ('s2', 'g1', 'find the boats', 'active', 7)`)
	l := emptyLog()
	importFolder(t, l, dir)
	queue(t, goals, `UPDATE thread_goals SET status = 'complete'`)
	write(first + `{"id":"s1","thread_name":"uno","updated_at":"2026-11-23T02:00:00Z"}` + "\n")
	queue(t, filepath.Join(dir, "queue_1.sqlite"), `DELETE FROM queued_items WHERE id = 'q1'`)
	importFolder(t, l, dir)
	queue(t, filepath.Join(dir, "queue_1.sqlite"), `DELETE FROM queued_items`)
	importFolder(t, l, dir)
	importFolder(t, l, dir)
	want := []string{
		`queued_items q1 queued_items {"table":"queued_items","id":"q1","thread_id":"s1","payload_json":"{\"text\":\"later\"}","queue_order":1}`,
		`queued_items q2 queued_items {"table":"queued_items","id":"q2","thread_id":"s1","payload_json":"{\"text\":\"last\"}","queue_order":2}`,
		`session_index s1/1 one {"id":"s1","thread_name":"one","updated_at":"2026-11-23T01:00:00Z"}`,
		`queued_items q1 gone `,
		`session_index s1/2 uno {"id":"s1","thread_name":"uno","updated_at":"2026-11-23T02:00:00Z"}`,
		`queued_items q2 gone `,
	}
	if diff := cmp.Diff(want, sideEntries(t, l, "s1")); diff != "" {
		t.Errorf("entries of the assets log (-want +got):\n%s", diff)
	}
	want = []string{
		`thread_goals s2 thread_goals {"table":"thread_goals","thread_id":"s2","goal_id":"g1","objective":"find the boats","status":"active","tokens_used":7}`,
		`session_index s2/1 two {"id":"s2","thread_name":"two","updated_at":"2026-11-23T01:00:00Z"}`,
		`thread_goals s2 thread_goals {"table":"thread_goals","thread_id":"s2","goal_id":"g1","objective":"find the boats","status":"complete","tokens_used":7}`,
	}
	if diff := cmp.Diff(want, sideEntries(t, l, "s2")); diff != "" {
		t.Errorf("entries of the assets log of the session with a goal (-want +got):\n%s", diff)
	}
	// The databases were read from copies: none has a file beside it that was not there.
	beside, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil || len(beside) != 3 {
		t.Errorf("the home holds %v, %v", beside, err)
	}
}

// sideEntries says what a session's assets log holds.
func sideEntries(t *testing.T, l *testLog, session string) (entries []string) {
	t.Helper()
	err := convert.WalkEvents(context.Background(), l.store, assetsName(session).LogID(), 0, -1, func(e convert.LogEvent) error {
		src := e.Event.Source
		s := src.Row.Table + " " + src.Row.ID
		switch d := e.Event.Data.(type) {
		case *schema.SessionUpdated:
			s += " " + d.Title
		case *schema.VendorRecord:
			s += " " + d.Kind
		}
		entries = append(entries, s+" "+string(e.Raw))
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return entries
}

// queue runs statements on a database.
func queue(t *testing.T, name string, statements ...string) {
	t.Helper()
	db, err := sql.Open("sqlite", name)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	for _, s := range statements {
		if _, err := db.Exec(s); err != nil {
			t.Fatal(err)
		}
	}
}
