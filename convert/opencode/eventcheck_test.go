package opencode

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// eventHistory gives a database the events that the tool would have kept of its
// rows: one snapshot a row, ids first, as the tool spells them.
func eventHistory(x *testDB) {
	x.exec(`INSERT INTO event_sequence VALUES ('ses_a', 99, NULL)`)
	x.exec(`INSERT INTO event SELECT 'evt_0', 'ses_a', 0, 'session.created.1', json_object('sessionID', id, 'info', json_object('id', id, 'slug', slug,
		'projectID', project_id, 'directory', directory, 'title', title, 'version', version, 'cost', cost,
		'tokens', json('{"input":0,"output":0,"reasoning":0,"cache":{"read":0,"write":0}}'),
		'time', json_object('created', time_created, 'updated', time_updated))) FROM session`)
	x.exec(`INSERT INTO event SELECT 'evt_' || id, 'ses_a', rowid * 10, 'message.updated.1',
		json_object('sessionID', session_id, 'info', json_patch(json_object('id', id, 'sessionID', session_id), data)) FROM message`)
	x.exec(`INSERT INTO event SELECT 'evt_' || id, 'ses_a', rowid * 10 + 1, 'message.part.updated.1',
		json_object('sessionID', session_id, 'part', json_patch(json_object('id', id, 'sessionID', session_id, 'messageID', message_id), data)) FROM part`)
}

// TestEventsAreCheckedAgainstTheRows: the last snapshot of each row is compared
// with the row, whatever the order of its members.
func TestEventsAreCheckedAgainstTheRows(t *testing.T) {
	tests := []struct {
		name   string
		change func(x *testDB)
		want   map[string]int64
	}{
		{"they agree", func(*testDB) {}, map[string]int64{}},
		{"a later snapshot counts", func(x *testDB) {
			x.exec(`INSERT INTO event SELECT 'evt_old', aggregate_id, seq - 3, type, replace(data, 'hello', 'helo') FROM event WHERE data LIKE '%hello%'`)
		}, map[string]int64{}},
		{"a part was changed", func(x *testDB) { x.exec(`UPDATE part SET data = replace(data, 'hello', 'hallo')`) },
			map[string]int64{"event-differs-from-row": 1}},
		{"a message and the session were changed", func(x *testDB) {
			x.exec(`UPDATE message SET data = replace(data, '"finish":"stop"', '"finish":"length"')`)
			x.exec(`UPDATE session SET title = 'Another'`)
		}, map[string]int64{"event-differs-from-row": 2}},
		{"a row is gone", func(x *testDB) { x.exec(`DELETE FROM part WHERE data LIKE '%hello%'`) },
			map[string]int64{"event-without-row": 1}},
		{"a row was removed, and the history says so", func(x *testDB) {
			x.exec(`INSERT INTO event SELECT 'evt_gone', 'ses_a', 90, 'message.part.removed.1', json_object('messageID', message_id, 'partID', id) FROM part WHERE data LIKE '%hello%'`)
			x.exec(`DELETE FROM part WHERE data LIKE '%hello%'`)
		}, map[string]int64{}},
		{"a message was removed with its parts", func(x *testDB) {
			x.exec(`INSERT INTO event SELECT 'evt_gone', 'ses_a', 90, 'message.removed.1', json_object('messageID', id) FROM message WHERE data LIKE '%assistant%'`)
			x.exec(`DELETE FROM part WHERE message_id IN (SELECT id FROM message WHERE data LIKE '%assistant%')`)
			x.exec(`DELETE FROM message WHERE data LIKE '%assistant%'`)
		}, map[string]int64{}},
		{"a removed row is there", func(x *testDB) {
			x.exec(`INSERT INTO event SELECT 'evt_gone', 'ses_a', 90, 'message.part.removed.1', json_object('messageID', message_id, 'partID', id) FROM part WHERE data LIKE '%hello%'`)
		}, map[string]int64{"event-removed-row": 1}},
		{"a row that no event made", func(x *testDB) {
			x.part("prt_extra", madeID("msg", 10), "ses_a", 20, `{"type":"text","text":"!"}`)
		}, map[string]int64{"row-without-event": 1}},
		{"an upgrade deleted the beginning", func(x *testDB) { x.exec(`DELETE FROM event WHERE seq < 15`) }, map[string]int64{}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			x := newTestDB(t)
			smallSession(x)
			eventHistory(x)
			tt.change(x)
			for _, asked := range []bool{false, true} {
				in := newTestImport()
				options := map[string]string{}
				if asked {
					options[optionEvents] = "true"
				}
				in.run(t, options, x.path)
				want := tt.want
				if !asked {
					want = map[string]int64{}
				}
				if diff := cmp.Diff(want, in.ok(t).findings()); diff != "" {
					t.Errorf("asked %t: findings: want (-), got (+):\n%s", asked, diff)
				}
				for _, f := range in.summary.Findings {
					if !strings.Contains(f.Where, " ") {
						t.Errorf("%s does not say where: %q", f.Code, f.Where)
					}
				}
			}
		})
	}
}
