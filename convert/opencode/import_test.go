package opencode

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ownlog/ownlog/convert"
	"github.com/ownlog/ownlog/format"
	"github.com/ownlog/ownlog/schema"
)

// smallSession fills a database with one session of one turn.
func smallSession(x *testDB) {
	x.session("ses_a", "")
	u, a := madeID("msg", 0), madeID("msg", 10)
	x.message(u, "ses_a", 0, userData)
	x.part(madeID("prt", 1), u, "ses_a", 1, `{"type":"text","text":"hello"}`)
	x.message(a, "ses_a", 10, assistantOf(u))
	x.part(madeID("prt", 11), a, "ses_a", 11, `{"type":"text","text":"hi"}`)
	x.part(madeID("prt", 12), a, "ses_a", 12, `{"type":"tool","tool":"bash","callID":"c","state":{"status":"completed","input":{"command":"ls"},"output":"out","time":{"start":1,"end":2}}}`)
}

const smallView = `user 1/0 text(hello)
model 1/1 text(hi ) tool_call(bash{"command":"ls"} 1/1/0)
tool 1/1 1/1/0 ok text(out)
turn state running, title "Title"
`

func importSmall(t *testing.T, change func(*testDB)) *testImport {
	t.Helper()
	x := newTestDB(t)
	smallSession(x)
	if change != nil {
		change(x)
	}
	in := newTestImport()
	in.run(t, nil, x.path)
	return in.ok(t)
}

func sessionLogID(id string) format.LogID { return sessionName(id).LogID() }

func TestImportOfOddDatabases(t *testing.T) {
	tests := []struct {
		name     string
		change   func(*testDB)
		view     string
		findings map[string]int64
	}{
		{"newest schema", nil, smallView, nil},
		{"columns of the first schema", func(x *testDB) {
			for _, c := range []string{"workspace_id", "path", "metadata", "cost", "tokens_input", "tokens_output", "tokens_reasoning", "tokens_cache_read", "tokens_cache_write", "agent", "model"} {
				x.exec("DROP INDEX IF EXISTS session_workspace_idx")
				x.exec("ALTER TABLE session DROP COLUMN " + c)
			}
			for _, table := range []string{"event", "event_sequence", "permission", "todo", "project"} {
				x.exec("DROP TABLE " + table)
			}
		}, smallView, nil},
		{"columns of a later schema", func(x *testDB) {
			x.exec("ALTER TABLE part ADD COLUMN mood TEXT DEFAULT 'calm'")
			x.exec("ALTER TABLE session ADD COLUMN planet REAL DEFAULT 1.5")
		}, smallView, nil},
		{"no indexes", func(x *testDB) {
			x.exec("DROP INDEX part_message_id_id_idx")
			x.exec("DROP INDEX part_session_idx")
			x.exec("DROP INDEX message_session_time_created_id_idx")
		}, smallView, nil},
		{"bad JSON, unknown type, orphan", func(x *testDB) {
			x.part("prt_x1", madeID("msg", 10), "ses_a", 13, `{"type":"te`)
			x.part("prt_x2", madeID("msg", 10), "ses_a", 14, `{"type":"hologram"}`)
			x.part("prt_x3", "msg_lost", "ses_a", 15, `{"type":"text","text":"?"}`)
		}, smallView, map[string]int64{"data-not-json": 1, "unknown-part-type": 1, "part-without-message": 1}},
		{"no session row", func(x *testDB) { x.exec("DELETE FROM session") },
			strings.Replace(smallView, `"Title"`, `""`, 1), map[string]int64{"session-row-missing": 1}},
		{"a message without parts is not said", func(x *testDB) { x.message("msg_zz", "ses_a", 99, userData) },
			smallView, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			in := importSmall(t, tt.change)
			if diff := cmp.Diff(tt.view, in.view(t, sessionLogID("ses_a"))); diff != "" {
				t.Errorf("view: want (-), got (+):\n%s", diff)
			}
			want := tt.findings
			if want == nil {
				want = map[string]int64{}
			}
			if diff := cmp.Diff(want, in.findings()); diff != "" {
				t.Errorf("findings: want (-), got (+):\n%s", diff)
			}
		})
	}
}

// TestSecretsAreNeverRead puts a mark into every table that may hold secrets and
// looks for it in everything that was stored.
func TestSecretsAreNeverRead(t *testing.T) {
	const mark = "OWNLOG-SECRET-MARK"
	in := importSmall(t, func(x *testDB) {
		x.exec(`INSERT INTO account VALUES ('a', ?1, ?1, ?1, ?1, 1, 1, 1)`, mark)
		x.exec(`INSERT INTO account_state VALUES (1, ?1, ?1)`, mark)
		x.exec(`INSERT INTO control_account VALUES (?1, ?1, ?1, ?1, 1, 1, 1, 1)`, mark)
		x.exec(`INSERT INTO credential VALUES ('c', ?1, ?1, ?1, ?1, ?1, 1, 1, 1)`, mark)
		x.exec(`INSERT INTO session_share VALUES ('ses_a', ?1, ?1, ?1, 1, 1)`, mark)
	})
	for log, err := range in.store.List(context.Background()) {
		if err != nil {
			t.Fatal(err)
		}
		for e, err := range in.store.Read(context.Background(), log, 0) {
			if err != nil {
				t.Fatal(err)
			}
			if bytes.Contains(e.Bytes, []byte(mark)) {
				t.Fatalf("a secret was stored: %s", e.Bytes)
			}
		}
	}
}

// TestSecretsAreNeverAsked puts views in the place of tables that hold secrets: to
// read one is an error, so whoever does cannot import the database.
func TestSecretsAreNeverAsked(t *testing.T) {
	secrets := []string{"account", "account_state", "control_account", "credential", "session_share"}
	for _, damaged := range []bool{false, true} {
		x := newTestDB(t)
		smallSession(x)
		for _, name := range secrets {
			x.exec("DROP TABLE " + name)
			x.exec("CREATE VIEW " + name + " AS SELECT no_such_function() AS id, 'ses_a' AS session_id")
			if _, err := x.db.Exec("SELECT * FROM " + name); err == nil {
				t.Fatalf("the trap in place of %s does not work", name)
			}
		}
		x.exec(`INSERT INTO event_sequence VALUES ('ses_a', 1, NULL)`)
		x.exec(`INSERT INTO event VALUES ('evt_1', 'ses_a', 0, 'odd', '{}')`)
		x.db.Close()
		if damaged { // so that what is left is searched for
			b, err := os.ReadFile(x.path)
			if err != nil {
				t.Fatal(err)
			}
			writeFile(t, x.path, string(b[:len(b)-1024]))
		}
		in := newTestImport()
		in.run(t, map[string]string{optionEvents: "true"}, x.path)
		if damaged {
			var lost *DamageError
			if err := in.results[0].Err; !errors.As(err, &lost) || strings.Contains(err.Error(), "no_such") {
				t.Errorf("damaged: %v", err)
			}
			continue
		}
		if diff := cmp.Diff(smallView, in.ok(t).view(t, sessionLogID("ses_a"))); diff != "" {
			t.Errorf("view: want (-), got (+):\n%s", diff)
		}
	}
}

// TestNothingIsMadeBesideTheDatabase imports from a folder that must not change,
// while another process has the database open and everything in its -wal.
func TestNothingIsMadeBesideTheDatabase(t *testing.T) {
	x := newTestDB(t)
	x.exec("PRAGMA wal_autocheckpoint = 0")
	x.exec("PRAGMA journal_mode = WAL")
	smallSession(x)
	before := folderState(t, filepath.Dir(x.path))
	if len(before) != 3 {
		t.Fatalf("want a database, its -wal and its -shm: %v", before)
	}
	in := newTestImport()
	in.run(t, nil, filepath.Dir(x.path))
	if diff := cmp.Diff(smallView, in.ok(t).view(t, sessionLogID("ses_a"))); diff != "" {
		t.Errorf("view: want (-), got (+):\n%s", diff)
	}
	if diff := cmp.Diff(before, folderState(t, filepath.Dir(x.path))); diff != "" {
		t.Errorf("the folder changed:\n%s", diff)
	}
}

func folderState(t *testing.T, dir string) map[string]string {
	t.Helper()
	list, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	state := make(map[string]string)
	for _, e := range list {
		b, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			t.Fatal(err)
		}
		info, err := e.Info()
		if err != nil {
			t.Fatal(err)
		}
		state[e.Name()] = fmt.Sprint(convert.NewBlob(b, "").Ref.Digest, info.ModTime(), info.Mode())
	}
	return state
}

// TestDamagedPagesLoseOnlyTheirRows overwrites each page of a database in turn.
// Whatever page it is, the import ends, names what is lost, and keeps the rest.
func TestDamagedPagesLoseOnlyTheirRows(t *testing.T) {
	x := newTestDB(t)
	for _, name := range []string{"account", "account_state", "control_account", "credential", "data_migration", "event", "event_sequence",
		"migration", "session_context_epoch", "session_input", "session_message", "session_share", "workspace", "project_directory"} {
		x.exec("DROP TABLE " + name)
	}
	x.exec("VACUUM")
	smallSession(x)
	for i := range int64(60) {
		x.part(madeID("prt", 100+i), madeID("msg", 10), "ses_a", 100+i, fmt.Sprintf(`{"type":"text","text":"%d %s"}`, i, strings.Repeat("x", 200)))
	}
	x.db.Close()
	whole, err := os.ReadFile(x.path)
	if err != nil {
		t.Fatal(err)
	}
	const page = 1024
	lost, kept := 0, 0
	for at := page; at < len(whole); at += page {
		broken := bytes.Clone(whole)
		copy(broken[at:], bytes.Repeat([]byte{0xa5}, page))
		path := filepath.Join(t.TempDir(), "opencode.db")
		if err := os.WriteFile(path, broken, 0o600); err != nil {
			t.Fatal(err)
		}
		in := newTestImport()
		in.run(t, nil, path)
		rows := 0
		err := convert.LatestRows(context.Background(), in.store, sessionLogID("ses_a"), -1, func(schema.Row, []byte) error { rows++; return nil })
		if err != nil && !strings.Contains(err.Error(), format.ErrNotFound.Error()) {
			t.Fatal(err)
		}
		switch r := in.results[0]; {
		case r.Status == convert.FileImported && rows != 66:
			t.Errorf("page %d: %d rows of 66, and no word about it", at/page, rows)
		case r.Status == convert.FileFailed && rows < 66:
			lost++
			if rows > 0 {
				kept++
			}
		}
	}
	if lost == 0 || kept < lost/2 {
		t.Errorf("%d pages lost rows, in %d of these something was kept", lost, kept)
	}
	for cut := len(whole) - page; cut >= page; cut -= len(whole) / 7 {
		path := filepath.Join(t.TempDir(), "opencode.db")
		if err := os.WriteFile(path, whole[:cut], 0o600); err != nil {
			t.Fatal(err)
		}
		in := newTestImport()
		in.run(t, nil, path)
		if r := in.results[0]; r.Status != convert.FileFailed {
			t.Errorf("cut at %d: %s %s", cut, r.Status, r.Reason)
		}
	}
}

func TestNotOpenCode(t *testing.T) {
	x := newTestDB(t)
	x.exec("DROP TABLE session")
	x.db.Close()
	in := newTestImport()
	in.run(t, nil, x.path)
	if r := in.results[0]; r.Status != convert.FileRefused || !strings.Contains(r.Reason, "not OpenCode") {
		t.Errorf("got %s: %s", r.Status, r.Reason)
	}
}

// TestRevisions: rows that changed come again, rows that are gone are said to be,
// the same source adds nothing, and another path with the same bytes adds nothing.
func TestRevisions(t *testing.T) {
	x := newTestDB(t)
	smallSession(x)
	in := newTestImport()
	in.run(t, nil, x.path)
	log := sessionLogID("ses_a")
	size := func() int { return len(in.events(t, log)) }
	first := size()

	in.run(t, nil, x.path)
	copied := filepath.Join(t.TempDir(), "opencode-copy.db")
	b, _ := os.ReadFile(x.path)
	if err := os.WriteFile(copied, b, 0o600); err != nil {
		t.Fatal(err)
	}
	in.run(t, nil, copied)
	if size() != first {
		t.Fatalf("the same rows again added %d entries", size()-first)
	}

	x.part(madeID("prt", 12), madeID("msg", 10), "ses_a", 12, `{"type":"tool","tool":"bash","callID":"c","state":{"status":"completed","input":{"command":"ls"},"output":"changed","time":{"start":1,"end":2}}}`)
	x.exec("DELETE FROM part WHERE id = ?", madeID("prt", 11))
	in.run(t, nil, x.path)
	want := `user 1/0 text(hello)
model 1/1 tool_call(bash{"command":"ls"} 1/1/0)
tool 1/1 1/1/0 ok text(changed)
turn state running, title "Title"
`
	if diff := cmp.Diff(want, in.ok(t).view(t, log)); diff != "" {
		t.Errorf("view: want (-), got (+):\n%s", diff)
	}
	events := in.events(t, log)
	if rev := events[first].Source.Rev; rev != 1 {
		t.Errorf("the changed row came with rev %d", rev)
	}
	for _, ev := range events[:first] {
		if ev.Source.Rev != 0 {
			t.Errorf("an old entry changed: %v", ev.Source)
		}
	}
	grown := size()
	in.run(t, nil, x.path)
	in.run(t, nil, copied)
	if size() != grown {
		t.Errorf("importing twice, and an older copy again, added %d entries", size()-grown)
	}
}

// TestStepsFoldAsAtOnce grows a session as the tool does, rows rewritten in
// place, imports after some of the steps, and compares with one import at the end.
func TestStepsFoldAsAtOnce(t *testing.T) {
	for seed := range int64(12) {
		rng := rand.New(rand.NewSource(seed)) //nolint:gosec // a test wants the same numbers each time
		x := newTestDB(t)
		x.session("ses_a", "")
		steps := newTestImport()
		g := &growth{x: x, rng: rng}
		for range 40 {
			g.step()
			if rng.Intn(3) == 0 {
				steps.run(t, nil, x.path)
				steps.ok(t)
			}
		}
		steps.run(t, nil, x.path)
		once := newTestImport()
		once.run(t, nil, x.path)
		log := sessionLogID("ses_a")
		if diff := cmp.Diff(once.ok(t).view(t, log), steps.ok(t).view(t, log)); diff != "" {
			t.Fatalf("seed %d: at once (-), in steps (+):\n%s", seed, diff)
		}
		checkCallKeys(t, steps.events(t, log))
	}
}

// checkCallKeys: no call key is claimed by two rows, and no result is without its call.
func checkCallKeys(t *testing.T, events []*schema.Event) {
	t.Helper()
	type record struct {
		row  schema.Row
		line int64
		part int64 // of records without a row, of which one may make many calls
	}
	owner := make(map[schema.CallKey]record)
	for i, ev := range events {
		switch data := ev.Data.(type) {
		case *schema.ModelOutput:
			for _, b := range data.Blocks {
				if b.CallKey == "" {
					continue
				}
				by := record{line: ev.Source.Line, part: ev.Source.Part}
				if ev.Source.Row != nil {
					by = record{row: *ev.Source.Row}
				}
				if other, claimed := owner[b.CallKey]; claimed && other != by {
					t.Errorf("entry %d claims %s of %v", i, b.CallKey, other)
				}
				owner[b.CallKey] = by
			}
		case *schema.ToolResult:
			if _, known := owner[data.CallKey]; !known {
				t.Errorf("entry %d answers %s, which is no call", i, data.CallKey)
			}
		}
	}
}

// growth writes a session the way the tool does.
type growth struct {
	x         *testDB
	rng       *rand.Rand
	ms        int64
	user      string
	assistant string
	tools     []string // parts of calls that run
}

func (g *growth) next() int64 { g.ms += 1 + g.rng.Int63n(1000); return g.ms }

func (g *growth) step() {
	switch k := g.rng.Intn(9); {
	case g.user == "" || k == 0:
		g.finish()
		ms := g.next()
		g.user, g.assistant = madeID("msg", ms), ""
		g.x.message(g.user, "ses_a", ms, userData)
		ms = g.next()
		g.x.part(madeID("prt", ms), g.user, "ses_a", ms, fmt.Sprintf(`{"type":"text","text":"question %d"}`, ms))
	case g.assistant == "" || k == 1:
		g.finish()
		ms := g.next()
		g.assistant = madeID("msg", ms)
		g.x.message(g.assistant, "ses_a", ms, fmt.Sprintf(`{"role":"assistant","parentID":%q,"providerID":"p","modelID":"m","time":{"created":1}}`, g.user))
		g.part(`{"type":"step-start"}`)
	case k == 2:
		g.part(fmt.Sprintf(`{"type":"text","text":"answer %d"}`, g.ms))
	case k == 3:
		g.part(fmt.Sprintf(`{"type":"reasoning","text":"thought %d"}`, g.ms))
	case k <= 5:
		ms := g.next()
		id := madeID("prt", ms)
		g.x.part(id, g.assistant, "ses_a", ms, `{"type":"tool","tool":"bash","callID":"same","state":{"status":"pending","input":{},"raw":""}}`)
		g.tools = append(g.tools, id)
	case len(g.tools) > 0:
		id := g.tools[g.rng.Intn(len(g.tools))]
		status := []string{
			`{"status":"running","input":{"n":1},"time":{"start":5}}`,
			fmt.Sprintf(`{"status":"completed","input":{"n":1},"output":"done %d","time":{"start":5,"end":6}}`, g.ms),
			`{"status":"error","input":{"n":1},"error":"failed","time":{"start":5,"end":6}}`,
		}[g.rng.Intn(3)]
		g.x.exec("UPDATE part SET data = ?, time_updated = ? WHERE id = ?",
			`{"type":"tool","tool":"bash","callID":"same","state":`+status+`}`, testMS+g.next(), id)
	default:
		g.x.exec("UPDATE session SET title = ?, cost = cost + 0.125", fmt.Sprintf("title %d", g.ms))
	}
}

func (g *growth) part(data string) {
	ms := g.next()
	g.x.part(madeID("prt", ms), g.assistant, "ses_a", ms, data)
}

// finish ends the running message: its row is rewritten.
func (g *growth) finish() {
	if g.assistant == "" {
		return
	}
	end := `"finish":"stop","time":{"created":1,"completed":2}`
	switch g.rng.Intn(5) {
	case 0:
		end = `"error":{"name":"MessageAbortedError","data":{"message":"stopped"}}`
	case 1:
		end = `"error":{"name":"APIError","data":{"message":"bad","statusCode":500}}`
	}
	g.x.exec("UPDATE message SET data = ? WHERE id = ?", fmt.Sprintf(`{"role":"assistant","parentID":%q,"providerID":"p","modelID":"m",%s}`, g.user, end), g.assistant)
	g.tools = nil
}

// TestOrphanFindsItsMessageLater: a part whose message was unreadable has its
// meaning as soon as the message can be read.
func TestOrphanFindsItsMessageLater(t *testing.T) {
	x := newTestDB(t)
	smallSession(x)
	x.message(madeID("msg", 10), "ses_a", 10, `{"role":"assi`)
	in := newTestImport()
	in.run(t, nil, x.path)
	if got := in.findings()[partWithoutMessage]; got != 2 {
		t.Errorf("%d parts without a message, want 2", got)
	}
	x.message(madeID("msg", 10), "ses_a", 10, assistantOf(madeID("msg", 0)))
	in.run(t, nil, x.path)
	if diff := cmp.Diff(smallView, in.ok(t).view(t, sessionLogID("ses_a"))); diff != "" {
		t.Errorf("view: want (-), got (+):\n%s", diff)
	}
}

// TestEventsOnRequest: event rows are kept when asked for, and change nothing.
func TestEventsOnRequest(t *testing.T) {
	x := newTestDB(t)
	smallSession(x)
	x.exec(`INSERT INTO event_sequence VALUES ('ses_a', 1, NULL)`)
	x.exec(`INSERT INTO event VALUES ('evt_1', 'ses_a', 0, 'session.created.1', '{"x":1}'), ('evt_2', 'ses_a', 1, 'odd', 'not json')`)
	for _, asked := range []bool{false, true} {
		options := map[string]string{}
		if asked {
			options[optionEvents] = "true"
		}
		in := newTestImport()
		in.run(t, options, x.path)
		kept := 0
		for _, ev := range in.ok(t).events(t, sessionLogID("ses_a")) {
			if ev.Source.Row.Table == tableEvent {
				kept++
			}
		}
		if want := map[bool]int{false: 0, true: 2}[asked]; kept != want {
			t.Errorf("asked %t: %d event rows, want %d", asked, kept, want)
		}
		if diff := cmp.Diff(smallView, in.view(t, sessionLogID("ses_a"))); diff != "" {
			t.Errorf("view: want (-), got (+):\n%s", diff)
		}
	}
}
