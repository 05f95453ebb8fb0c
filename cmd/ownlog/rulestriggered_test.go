package main

import (
	"bytes"
	"database/sql"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/go-json-experiment/json"
	_ "modernc.org/sqlite" // database/sql driver "sqlite"
)

// A rule of vendors' own files and a file that breaks it.
type brokenRule struct {
	rule  string
	level string
	lay   func(h *hostileRun)
}

// rollout lays out a rollout of Codex with these lines behind its first.
func rollout(lines ...string) func(h *hostileRun) {
	return func(h *hostileRun) { h.write(rolloutName, rolloutFirst+strings.Join(lines, "\n")+"\n") }
}

// item is a line of a rollout.
func item(kind, payload string) string {
	return `{"timestamp":"2026-11-23T01:00:01.000Z","type":"` + kind + `","payload":` + payload + `}`
}

// answered is a response of Claude Code.
func answered(id, parent, message, usage string) string {
	return `{"type":"assistant","uuid":"` + id + `","parentUuid":"` + parent + `","sessionId":"` + someSession +
		`","timestamp":"2026-11-23T01:00:01.000Z","version":"2.1.330","cwd":"/home/dev/x","message":{"id":"` + message +
		`","role":"assistant","model":"m","content":[{"type":"text","text":"yes"}],"usage":` + usage + `}}`
}

// openCodeTree lays out a legacy tree of one session, two messages and a part, some of
// it changed or (empty) left out.
func openCodeTree(changes map[string]string) func(h *hostileRun) {
	return func(h *hostileRun) {
		files := map[string]string{
			"session/p/ses_1.json":     `{"id":"ses_1","projectID":"p","directory":"/x","title":"t","version":"1","time":{"created":1,"updated":1}}`,
			"message/ses_1/msg_1.json": `{"id":"msg_1","sessionID":"ses_1","role":"user","time":{"created":1}}`,
			"message/ses_1/msg_2.json": `{"id":"msg_2","sessionID":"ses_1","role":"assistant","parentID":"msg_1","providerID":"p","modelID":"m","time":{"created":2}}`,
			"part/msg_1/prt_1.json":    `{"id":"prt_1","messageID":"msg_1","sessionID":"ses_1","type":"text","text":"hello"}`,
			"part/msg_2/prt_2.json":    `{"id":"prt_2","messageID":"msg_2","sessionID":"ses_1","type":"text","text":"yes"}`,
		}
		for name, content := range changes {
			files[name] = content
		}
		for name, content := range files {
			if content != "" {
				h.write("storage/"+name, content)
			}
		}
	}
}

// openCodePart changes what the model says in such a tree.
func openCodePart(members string) func(h *hostileRun) {
	return openCodeTree(map[string]string{"part/msg_2/prt_2.json": `{"id":"prt_2","messageID":"msg_2","sessionID":"ses_1",` + members + `}`})
}

var brokenRules = []brokenRule{
	{"source/unreadable", "error", func(h *hostileRun) { h.write("opencode.db", "SQLite format 3\x00") }},
	{"source/unfinished", "note", func(h *hostileRun) { h.write("in.jsonl", recordA+"\n"+recordB[:50]) }},
	{"source/damaged-record", "error", transcript(recordA, recordB[:50], recordB)},
	{"source/glued-records", "warning", transcript(recordA + recordB)},
	{"source/odd-separator", "note", transcript(recordA+"\r", recordB)},
	{"source/odd-ordinal", "warning", rollout(strings.Replace(item("event_msg", `{"type":"task_started"}`), "{", `{"ordinal":4,`, 1), item("event_msg", `{"type":"task_complete"}`))},
	{"source/second-session", "warning", rollout(item("session_meta", `{"id":"another"}`))},
	{"source/lone-surrogate", "warning", transcript(recordA, said(someSession, uuidB, uuidA, `"\ud83d"`))},
	{"source/nul-byte", "warning", transcript(recordA, said(someSession, uuidB, uuidA, `"\u0000"`))},
	{"source/nul-byte", "warning", transcript(recordA, "\x00\x00\x00\x00", recordB)},
	{"source/invalid-utf8", "warning", transcript(recordA, said(someSession, uuidB, uuidA, "\"\xff\""))},
	{"source/usage-anomaly", "warning", transcript(recordA, answered(uuidB, uuidA, "m1", `{"input_tokens":5,"output_tokens":99999999999}`))},
	{"source/usage-anomaly", "warning", transcript(recordA,
		answered(uuidB, uuidA, "m1", `{"input_tokens":5,"output_tokens":9}`), answered(uuidC, uuidB, "m1", `{"input_tokens":5,"output_tokens":3}`))},
	{"source/dangling-parent", "warning", transcript(recordA, said(someSession, uuidB, uuidC, `"b"`))},
	{"source/parent-cycle", "warning", transcript(recordA, said(someSession, uuidB, uuidC, `"b"`), said(someSession, uuidC, uuidB, `"c"`))},
	{"source/duplicate-uuid", "warning", transcript(recordA, recordA)},
	{"source/orphan-result", "warning", transcript(recordA, said(someSession, uuidB, uuidA, `[{"type":"tool_result","tool_use_id":"x","content":"y"}]`))},
	{"source/bad-time", "warning", transcript(recordA, strings.Replace(recordB, "2026-11-23T01:00:00.000Z", "yesterday", 1))},
	{"source/unknown-record-type", "warning", transcript(recordA, `{"type":"hologram","sessionId":"`+someSession+`"}`)},
	{"source/unexpected-member-type", "warning", transcript(recordA, strings.Replace(recordB, `"message":{`, `"message":[{`, 1)[:len(recordB)]+"]}")},
	{"source/orphan-result", "warning", rollout(item("response_item", `{"type":"function_call_output","call_id":"x","output":"y"}`))},
	{"source/missing-history-base", "warning", func(h *hostileRun) {
		h.write(rolloutName, rolloutLine+`,"history_base":{"thread_id":"01a20619-0000-7000-8000-000000000077","end_byte_offset":10}}}`+"\n")
	}},
	{"source/unreadable-image", "warning", rollout(item("response_item", `{"type":"message","role":"user","content":[{"type":"input_image","image_url":"data:image/png;base64,***"}]}`))},
	{"source/unknown-item-type", "warning", rollout(item("compacted", `{"message":"","replacement_history":[{"type":"hologram"}]}`))},
	{"source/session-file-missing", "error", openCodeTree(map[string]string{"session/p/ses_1.json": ""})},
	{"source/message-file-missing", "error", openCodeTree(map[string]string{"message/ses_1/msg_2.json": ""})},
	{"source/message-without-parts", "warning", openCodeTree(map[string]string{"part/msg_2/prt_2.json": ""})},
	{"source/file-not-json", "error", openCodeTree(map[string]string{"message/ses_1/msg_2.json": "{"})},
	{"source/parent-message-missing", "warning", openCodeTree(map[string]string{
		"message/ses_1/msg_2.json": `{"id":"msg_2","sessionID":"ses_1","role":"assistant","parentID":"msg_0","time":{"created":2}}`})},
	{"source/unknown-role", "warning", openCodeTree(map[string]string{
		"message/ses_1/msg_2.json": `{"id":"msg_2","sessionID":"ses_1","role":"oracle","time":{"created":2}}`})},
	{"source/part-of-other-role", "warning", openCodeTree(map[string]string{
		"part/msg_1/prt_1.json": `{"id":"prt_1","messageID":"msg_1","sessionID":"ses_1","type":"tool","tool":"bash","callID":"c","state":{"status":"running","input":{}}}`})},
	{"source/unknown-part-type", "warning", openCodePart(`"type":"hologram"`)},
	{"source/unexpected-type", "warning", openCodePart(`"type":7`)},
	{"source/unknown-tool-status", "warning", openCodePart(`"type":"tool","tool":"bash","callID":"c","state":{"status":"dreaming","input":{}}`)},
	{"source/seal-unreadable", "warning", openCodePart(`"type":"reasoning","text":"t","metadata":{"anthropic":7}`)},
	{"source/session-row-missing", "error", openCodeDatabase("PRAGMA foreign_keys=OFF", "DELETE FROM session")},
	{"source/part-without-message", "warning", openCodeDatabase("PRAGMA foreign_keys=OFF", "DELETE FROM message WHERE id = (SELECT min(id) FROM message)")},
}

// openCodeDatabase lays out a bundled database, changed.
func openCodeDatabase(statements ...string) func(h *hostileRun) {
	return func(h *hostileRun) {
		h.write("opencode.db", h.fixture("opencode/subagent/opencode.db"))
		db, err := sql.Open("sqlite", filepath.Join(h.in, "opencode.db"))
		if err != nil {
			h.Fatal(err)
		}
		defer db.Close()
		db.SetMaxOpenConns(1)
		for _, s := range statements {
			if _, err := db.ExecContext(h.Context(), s); err != nil {
				h.Fatal(err)
			}
		}
	}
}

// notTriggered are the rules of vendors' files that no file here breaks, and why.
var notTriggered = map[string]string{
	"source/event-rows-damaged":       "needs a damaged page under a table of a database that is read on request",
	"source/project-damaged":          "needs a damaged page under one table of a database alone",
	"source/row-unreadable":           "guards against a row that the importer itself spells wrongly",
	"source/unreadable-instructions":  "guards against a text that JSON cannot hold, of which none is known",
	"source/seal-too-big":             "needs a value of more megabytes than a test should write",
	"source/permissions-not-portable": "needs permissions that are no portable JSON, which a database column does not keep",
	"source/work-without-call":        "needs a whole turn of an older version",
	"source/ignored-compaction":       "needs a whole turn of an older version",
}

// TestEveryRuleIsTriggered breaks every rule of docs/rules.md: those of vendors' files
// here, through the command; those of stored bytes are the subject of the vectors,
// those of what entries say of the tests of package schema, which are asked whether
// they have a case for each.
func TestEveryRuleIsTriggered(t *testing.T) {
	triggered := make(map[string]bool)
	for _, b := range brokenRules {
		triggered[b.rule] = true
		t.Run(b.rule, func(t *testing.T) {
			h := &hostileRun{T: t, dir: t.TempDir(), in: t.TempDir(), store: filepath.Join(t.TempDir(), "store")}
			b.lay(h)
			h.command("verify --json IN", "")
			var doc verifyJSON
			if err := json.Unmarshal(h.stdout.Bytes(), &doc); err != nil {
				t.Fatalf("%v: %s%s", err, &h.stdout, &h.stderr)
			}
			var found []string
			for _, log := range doc.Logs {
				for _, f := range log.Findings {
					if f.Rule == b.rule && f.Level == b.level && f.Message != "" && f.File != "" {
						return
					}
					found = append(found, f.Level+" "+f.Rule)
				}
			}
			t.Errorf("no %s %s, but %v", b.level, b.rule, found)
		})
	}
	cases := readAll(t, "../../schema/*_test.go") + readAll(t, "../../format/*_test.go")
	vectors := readAll(t, "../../conformance/vectors/*.json")
	converters := readAll(t, "../../convert/*/*_test.go")
	constants := ruleConstants(t)
	page := readAll(t, "../../docs/rules.md")
	for _, m := range ruleRow.FindAllStringSubmatch(page, -1) {
		rule := m[1]
		code, source := strings.CutPrefix(rule, sourceRules)
		switch {
		case triggered[rule], rule == ruleExpect, rule == rulePack: // verify.txtar, verify-pack.txtar
		case source && strings.Contains(converters, `"`+code+`"`):
		case notTriggered[rule] != "":
		case !source && regexp.MustCompile(`"rule": ?"`+rule+`"`).MatchString(vectors):
		case !source && (strings.Contains(cases, `"`+rule+`"`) || constants[rule] != "" && strings.Contains(cases, constants[rule])):
		default:
			t.Errorf("no test breaks the rule %s", rule)
		}
	}
}

// ruleConstants returns the names of the constants of rules, by their values.
func ruleConstants(t *testing.T) map[string]string {
	t.Helper()
	names := make(map[string]string)
	for _, m := range regexp.MustCompile(`(\w+)\s+= "([a-z-]+)"`).FindAllStringSubmatch(readAll(t, "../../schema/*.go")+readAll(t, "../../format/rule.go"), -1) {
		names[m[2]] = m[1]
	}
	return names
}

func readAll(t *testing.T, pattern string) string {
	t.Helper()
	files, err := filepath.Glob(filepath.FromSlash(pattern))
	if err != nil || len(files) == 0 {
		t.Fatalf("%s: %d files, %v", pattern, len(files), err)
	}
	var all bytes.Buffer
	for _, file := range files {
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		all.Write(b)
	}
	return all.String()
}
