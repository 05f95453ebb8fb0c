//go:build conformance && speed

package opencode

import (
	"bytes"
	"database/sql"
	"encoding/hex"
	"fmt"
	"iter"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

func openForWriting(t *testing.T, path string) *sql.DB {
	t.Helper()
	db, err := sql.Open("sqlite", path+"?_pragma=synchronous(0)&_pragma=journal_mode(off)")
	if err != nil {
		t.Fatal(err)
	}
	db.SetMaxOpenConns(1)
	return db
}

// generateDatabase fills a database of the tool's layout, that of a recording,
// with sessions until their rows hold so many bytes of data. It returns how many
// rows there are and the bytes of their data.
func generateDatabase(t *testing.T, path string, bytes int64, sessions iter.Seq[sessionText]) (rows, size int64) {
	t.Helper()
	in := importPath(t, nil, filepath.Join(captures(t), "basic", "opencode.db"))
	empty, _ := in.rebuild(t)
	b, err := os.ReadFile(empty)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	db := openForWriting(t, path)
	defer db.Close()
	tx, err := db.Begin()
	if err != nil {
		t.Fatal(err)
	}
	for _, table := range []string{"part", "message", "todo", "event", "event_sequence", "session"} {
		if _, err := tx.Exec("DELETE FROM " + table); err != nil {
			t.Fatal(err)
		}
	}
	w := &rowWriter{t: t, rng: rand.New(rand.NewPCG(3, 4)), ms: 1_795_000_000_000}
	for i, query := range []string{
		`INSERT INTO session (id, project_id, slug, directory, title, version, time_created, time_updated) SELECT ?1, id, 's', '/home/dev/project', 'Generated', '1.18.33', ?2, ?2 FROM project LIMIT 1`,
		`INSERT INTO message (id, session_id, time_created, time_updated, data) VALUES (?1, ?2, ?3, ?3, ?4)`,
		`INSERT INTO part (id, message_id, session_id, time_created, time_updated, data) VALUES (?1, ?2, ?3, ?4, ?4, ?5)`,
	} {
		if w.statements[i], err = tx.Prepare(query); err != nil {
			t.Fatal(err)
		}
	}
	for s := range sessions {
		if w.size >= bytes {
			break
		}
		w.writeSession(&s)
	}
	if err := tx.Commit(); err != nil {
		t.Fatal(err)
	}
	return w.rows, w.size
}

// rowWriter writes rows as the tool does: the shapes are those of a recording of
// 1.18.33 in which it read, searched, edited and wrote files and ran commands.
type rowWriter struct {
	t          *testing.T
	statements [3]*sql.Stmt // session, message, part
	rng        *rand.Rand
	ms         int64
	session    string
	rows, size int64
}

func (w *rowWriter) insert(kind int, args ...any) {
	w.t.Helper()
	if _, err := w.statements[kind].Exec(args...); err != nil {
		w.t.Fatal(err)
	}
	w.rows++
}

// id makes an id of the tool's form: the time, and 14 random characters.
func (w *rowWriter) id(prefix string) string {
	const base62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
	w.ms += 7 + int64(w.rng.IntN(100))
	random := make([]byte, 14)
	for i := range random {
		random[i] = base62[w.rng.IntN(len(base62))]
	}
	return fmt.Sprintf("%s_%012x%s", prefix, w.ms*4096%(1<<48), random)
}

func (w *rowWriter) message(data string) string {
	name := w.id("msg")
	w.insert(1, name, w.session, w.ms, data)
	w.size += int64(len(data))
	return name
}

func (w *rowWriter) part(message, data string) {
	w.insert(2, w.id("prt"), message, w.session, w.ms, data)
	w.size += int64(len(data))
}

func (w *rowWriter) writeSession(s *sessionText) {
	w.session = w.id("ses")
	w.insert(0, w.session, w.ms)
	user := w.message(fmt.Sprintf(`{"role":"user","time":{"created":%d},"agent":"build","model":{"providerID":"anthropic","modelID":"claude-sonnet-4-5"}}`, w.ms))
	w.part(user, `{"type":"text","text":`+quoted(s.prompt)+`}`)
	for i := range s.responses {
		w.writeResponse(user, &s.responses[i])
	}
}

func (w *rowWriter) writeResponse(user string, r *responseText) {
	snapshot := make([]byte, 20)
	for i := range snapshot {
		snapshot[i] = byte(w.rng.Uint32())
	}
	tree := hex.EncodeToString(snapshot)
	input, output, read := 1+w.rng.IntN(20), 50+w.rng.IntN(2000), 10_000+w.rng.IntN(150_000)
	tokens := fmt.Sprintf(`"tokens":{"total":%d,"input":%d,"output":%d,"reasoning":0,"cache":{"write":%d,"read":%d}}`, input+output+read, input, output, w.rng.IntN(9000), read)
	cost := fmt.Sprintf(`"cost":0.%07d`, w.rng.IntN(900_000))
	m := w.message(fmt.Sprintf(`{"parentID":%q,"role":"assistant","mode":"build","agent":"build","path":{"cwd":"/home/dev/project","root":"/home/dev/project"},%s,%s,"modelID":"claude-sonnet-4-5","providerID":"anthropic","time":{"created":%d,"completed":%d},"finish":"tool-calls"}`, user, cost, tokens, w.ms, w.ms+int64(w.rng.IntN(20_000))))
	w.part(m, `{"type":"step-start","snapshot":"`+tree+`"}`)
	if r.reasoning != "" || r.signature != "" {
		w.part(m, fmt.Sprintf(`{"type":"reasoning","text":%s,"time":{"start":%d,"end":%d},"metadata":{"anthropic":{"signature":%s}}}`, quoted(r.reasoning), w.ms, w.ms+300, quoted(r.signature)))
	}
	if r.text != "" {
		w.part(m, fmt.Sprintf(`{"type":"text","text":%s,"time":{"start":%d,"end":%d}}`, quoted(r.text), w.ms, w.ms+300))
	}
	for i := range r.calls {
		w.writeCall(m, &r.calls[i])
	}
	w.part(m, `{"type":"step-finish","reason":"tool-calls","snapshot":"`+tree+`",`+cost+`,`+tokens+`}`)
}

func (w *rowWriter) writeCall(message string, c *callText) {
	metadata := `{"truncated":false}`
	var input struct {
		FilePath string `json:"file_path"`
		Old      string `json:"old_string"`
		New      string `json:"new_string"`
	}
	_ = json.Unmarshal([]byte(c.input), &input, jsontext.AllowInvalidUTF8(true)) // of other tools: nothing
	switch c.tool {
	case "bash":
		const most = 30_000 // characters of an output that its metadata repeats
		kept := strings.ToValidUTF8(c.output[:min(len(c.output), most)], "")
		metadata = `{"output":` + quoted(kept) + `,"exit":0,"truncated":false}`
	case "read":
		text, lines := unnumbered(c.output)
		preview := strings.Join(strings.SplitN(text, "\n", 21)[:min(20, lines)], "\n")
		metadata = fmt.Sprintf(`{"preview":%s,"truncated":false,"loaded":[],"display":{"type":"file","path":%s,"text":%s,"lineStart":1,"lineEnd":%d,"totalLines":%d,"truncated":false}}`,
			quoted(preview), quoted(input.FilePath), quoted(text), lines, lines)
	case "edit":
		diff := quoted("Index: " + input.FilePath + "\n===================================================================\n--- " + input.FilePath + "\n+++ " + input.FilePath + "\n@@ -1,9 +1,9 @@\n" + signed("-", input.Old) + signed("+", input.New))
		metadata = fmt.Sprintf(`{"diagnostics":{},"diff":%s,"filediff":{"file":%s,"patch":%s,"additions":1,"deletions":1},"truncated":false}`, diff, quoted(input.FilePath), diff)
	case "write":
		metadata = `{"diagnostics":{},"filepath":` + quoted(input.FilePath) + `,"exists":false,"truncated":false}`
	}
	w.part(message, fmt.Sprintf(`{"type":"tool","tool":%s,"callID":"toolu_01%s","state":{"status":"completed","input":%s,"output":%s,"metadata":%s,"title":%s,"time":{"start":%d,"end":%d}}}`,
		quoted(c.tool), w.id("x")[14:], c.input, quoted(c.output), metadata, quoted(input.FilePath), w.ms, w.ms+int64(w.rng.IntN(3000))))
}

// unnumbered takes line numbers off, as Claude Code and OpenCode put them before
// the lines of a file.
func unnumbered(output string) (text string, lines int) {
	var b strings.Builder
	for line := range strings.Lines(output) {
		for _, end := range []string{"→", ": "} {
			if number, rest, ok := strings.Cut(line, end); ok && strings.Trim(number, " 0123456789") == "" {
				line = rest
				break
			}
		}
		b.WriteString(line)
		lines++
	}
	return b.String(), lines
}

func signed(sign, text string) string {
	var b strings.Builder
	for line := range strings.Lines(text) {
		b.WriteString(sign + line)
	}
	return b.String()
}

// quoted is a text as JSON.stringify spells it.
func quoted(text string) string {
	b, err := json.Marshal(strings.ToValidUTF8(text, "\uFFFD"))
	if err != nil {
		panic(err) // it is valid UTF-8
	}
	return string(bytes.TrimSpace(b))
}
