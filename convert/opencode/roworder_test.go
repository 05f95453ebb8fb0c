package opencode

import (
	"fmt"
	"math/rand"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ownlog/ownlog/format"
	"github.com/ownlog/ownlog/schema"
)

// TestAnyStepsFoldAsAtOnce changes a session in any way, rows put between others,
// rewritten, moved, deleted and put back, imports after some of the changes, and
// compares with one import at the end. Numbers of turns and calls count what was
// seen, so they are compared by which are the same.
func TestAnyStepsFoldAsAtOnce(t *testing.T) {
	for seed := range int64(12) {
		x := newTestDB(t)
		x.session("ses_a", "")
		e := &editor{x: x, rng: rand.New(rand.NewSource(seed))} //nolint:gosec // a test wants the same numbers each time
		steps := newTestImport()
		for range 30 {
			e.edit()
			if e.rng.Intn(3) == 0 {
				steps.run(t, nil, x.path)
				steps.ok(t)
			}
		}
		steps.run(t, nil, x.path)
		once := newTestImport()
		once.run(t, nil, x.path)
		log := sessionLogID("ses_a")
		if diff := cmp.Diff(once.ok(t).folded(t, log), steps.ok(t).folded(t, log)); diff != "" {
			t.Fatalf("seed %d: at once (-), in steps (+):\n%s", seed, diff)
		}
		checkCallKeys(t, steps.events(t, log))
		size := len(steps.events(t, log))
		x.exec(fmt.Sprintf("PRAGMA user_version = %d", seed+1)) // the file changes, its rows do not
		steps.run(t, nil, x.path)
		if again := len(steps.events(t, log)); again != size {
			t.Fatalf("seed %d: the same rows again added %d entries", seed, again-size)
		}
		x.db.Close()
	}
}

// numbers are turns, steps and calls in the description of a view.
var numbers = regexp.MustCompile(`\b\d+/\d+(/\d+)?\b`)

// folded describes all that a log's state says, numbers by their first appearance.
func (in *testImport) folded(t *testing.T, log format.LogID) string {
	events := in.events(t, log)
	var state schema.State
	for i, ev := range events {
		state.Apply(int64(i), ev)
	}
	var b strings.Builder
	b.WriteString(in.view(t, log))
	for _, c := range state.OpenCalls() {
		fmt.Fprintf(&b, "open %s %s\n", c.Key, c.State)
	}
	fmt.Fprintf(&b, "usage %+v\n", state.Usage())
	seen := make(map[string]string)
	return numbers.ReplaceAllStringFunc(b.String(), func(n string) string {
		if seen[n] == "" {
			seen[n] = fmt.Sprintf("#%d", len(seen)+1)
		}
		return seen[n]
	})
}

// editor changes a session at random.
type editor struct {
	x        *testDB
	rng      *rand.Rand
	n        int64
	messages []editedMessage
	deleted  []func() // put something back that was deleted
}

type editedMessage struct {
	id, parent string
	ms         int64
	parts      []string
}

func (e *editor) pick() *editedMessage {
	if len(e.messages) == 0 {
		return nil
	}
	return &e.messages[e.rng.Intn(len(e.messages))]
}

func (e *editor) edit() {
	e.n++
	m := e.pick()
	switch k := e.rng.Intn(16); {
	case m == nil || k < 3:
		e.insertMessage()
	case k < 8:
		e.insertPart(m)
	case len(m.parts) > 0 && k < 11: // another text, type or state
		e.x.exec("UPDATE part SET data = ? WHERE id = ?", e.part(), m.parts[e.rng.Intn(len(m.parts))])
	case len(m.parts) > 0 && k < 12:
		e.x.exec("DELETE FROM part WHERE id = ?", m.parts[e.rng.Intn(len(m.parts))])
	case k < 13: // with its parts, as the tool does, or without
		e.save(m)
		e.x.exec("DELETE FROM message WHERE id = ?", m.id)
		if e.rng.Intn(2) == 0 {
			e.x.exec("DELETE FROM part WHERE message_id = ?", m.id)
		}
	case k < 14:
		e.x.exec("UPDATE message SET data = '{\"role\":' WHERE id = ?", m.id)
	case k < 15 && len(e.deleted) > 0:
		e.deleted[e.rng.Intn(len(e.deleted))]()
	case k < 15:
		m.ms = e.rng.Int63n(1000)
		e.x.exec("UPDATE message SET time_created = ? WHERE id = ?", testMS+m.ms, m.id)
	default: // readable again, finished
		e.put(m)
	}
}

func (e *editor) insertMessage() {
	ms := e.rng.Int63n(1000) // anywhere between the others
	m := editedMessage{id: fmt.Sprintf("%s%02d", madeID("msg", ms)[:len(madeID("msg", ms))-2], e.n), ms: ms}
	if other := e.pick(); other != nil && e.rng.Intn(3) > 0 {
		m.parent = other.id
	}
	e.put(&m)
	e.messages = append(e.messages, m)
}

// put writes the message's row.
func (e *editor) put(m *editedMessage) {
	data := userData
	if m.parent != "" {
		data = assistantOf(m.parent)
		if e.rng.Intn(3) == 0 {
			data = strings.Replace(data, `,"finish":"stop"`, `,"error":{"name":"MessageAbortedError","data":{"message":"stopped"}}`, 1)
		}
	}
	e.x.message(m.id, "ses_a", m.ms, data)
}

func (e *editor) insertPart(m *editedMessage) {
	ms := m.ms + e.rng.Int63n(100)
	id := madeID("prt", ms)
	id = fmt.Sprintf("%s%02d", id[:len(id)-2], e.n)
	e.x.part(id, m.id, "ses_a", ms, e.part())
	m.parts = append(m.parts, id)
}

func (e *editor) part() string {
	return []string{
		fmt.Sprintf(`{"type":"text","text":"text %d"}`, e.n),
		fmt.Sprintf(`{"type":"reasoning","text":"thought %d"}`, e.n),
		fmt.Sprintf(`{"type":"tool","tool":"t%d","callID":"same","state":{"status":"running","input":{"n":1},"time":{"start":5}}}`, e.n),
		fmt.Sprintf(`{"type":"tool","tool":"t%d","callID":"same","state":{"status":"completed","input":{},"output":"done %d","time":{"start":5,"end":6}}}`, e.n, e.n),
		`{"type":"step-finish","reason":"stop","cost":0.5,"tokens":{"input":10,"output":5,"reasoning":2,"cache":{"read":3,"write":4}}}`,
		`{"type":"te`,
		fmt.Sprintf(`{"type":"hologram %d"}`, e.n),
	}[e.rng.Intn(7)]
}

// save remembers a message's row, to put it back.
func (e *editor) save(m *editedMessage) {
	var data string
	if e.x.db.QueryRow("SELECT data FROM message WHERE id = ?", m.id).Scan(&data) == nil {
		e.deleted = append(e.deleted, func() { e.x.message(m.id, "ses_a", m.ms, data) })
	}
}
