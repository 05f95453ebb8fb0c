package opencode

import (
	"crypto/sha256"
	"slices"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/ownlog/ownlog/convert"
	"github.com/ownlog/ownlog/schema"
)

// eventCheck compares the tool's own history of a session, in which every event
// is a whole snapshot of a row, with the rows. The rows are what counts; where the
// last snapshot says something else, a person should know. It holds a digest for
// each row, no contents.
type eventCheck struct {
	rows  map[schema.Row]snapshotDigest
	order []schema.Row
	last  map[schema.Row]lastEvent
	// whole is set when the history begins with the making of the session: tools
	// that were upgraded deleted what was before.
	whole, any bool
}

type snapshotDigest [sha256.Size]byte

// lastEvent is what the history says of a row at its end.
type lastEvent struct {
	id      string // of the event
	digest  snapshotDigest
	message string // of a part
	removed bool
}

func newEventCheck() *eventCheck {
	return &eventCheck{rows: make(map[schema.Row]snapshotDigest), last: make(map[schema.Row]lastEvent)}
}

// unknown stands for rows and events that are too big to be compared.
var unknown snapshotDigest

// digestSnapshot is the digest of a row's data, however its members are ordered
// and spelled. The ids stand in columns or in the data.
func digestSnapshot(data jsontext.Value) snapshotDigest {
	if data.Kind() != '{' {
		return unknown
	}
	return sha256.Sum256(canonical(without(data, "id", "sessionID", "messageID")))
}

// row notes a row of the session.
func (c *eventCheck) row(r *row) {
	if r.table == tableEvent {
		if r.big == nil {
			c.event(r)
		}
		return
	}
	if r.table != tableMessage && r.table != tablePart && r.table != tableSession {
		return
	}
	key := schema.Row{Table: r.table, ID: r.id}
	if _, known := c.rows[key]; !known {
		c.order = append(c.order, key)
	}
	c.rows[key] = unknown
	if r.big != nil {
		return
	}
	rec := r.record()
	if r.table == tableSession {
		rec.data = infoOfRow(rec.cells)
	}
	c.rows[key] = digestSnapshot(rec.data)
}

// event notes an event, in the order of the history.
func (c *eventCheck) event(r *row) {
	_, cells, err := parseRow(r.bytes)
	if err != nil {
		return
	}
	data := r.record().data
	kind := strings.TrimRight(cellText(cells, "type"), "0123456789") // message.updated.1: a version follows
	kind = strings.TrimSuffix(kind, ".")
	if !c.any {
		c.any, c.whole = true, kind == "session.created"
	}
	set := func(table string, snapshot jsontext.Value) {
		key := schema.Row{Table: table, ID: stringAt(snapshot, "/id")}
		c.last[key] = lastEvent{id: r.id, digest: digestSnapshot(snapshot), message: stringAt(snapshot, "/messageID")}
	}
	switch kind {
	case "session.created", "session.updated":
		set(tableSession, member(data, "info"))
	case "message.updated":
		set(tableMessage, member(data, "info"))
	case "message.part.updated":
		set(tablePart, member(data, "part"))
	case "message.part.removed":
		c.remove(r.id, schema.Row{Table: tablePart, ID: stringAt(data, "/partID")})
	case "message.removed":
		message := stringAt(data, "/messageID")
		c.remove(r.id, schema.Row{Table: tableMessage, ID: message})
		for key, l := range c.last {
			if key.Table == tablePart && l.message == message {
				c.remove(r.id, key)
			}
		}
	}
}

func (c *eventCheck) remove(event string, key schema.Row) {
	l := c.last[key]
	l.id, l.removed = event, true
	c.last[key] = l
}

// report adds what does not agree.
func (c *eventCheck) report(findings convert.Findings) {
	if !c.any {
		return
	}
	for _, key := range c.order {
		where := key.Table + " " + key.ID
		l, told := c.last[key]
		delete(c.last, key)
		switch digest := c.rows[key]; {
		case !told && c.whole:
			findings.Add("row-without-event", where)
		case !told:
		case l.removed:
			findings.Add("event-removed-row", where+", event "+l.id)
		case digest != unknown && l.digest != unknown && digest != l.digest:
			findings.Add("event-differs-from-row", where+", event "+l.id)
		}
	}
	var rowless []string
	for key, l := range c.last {
		if !l.removed {
			rowless = append(rowless, key.Table+" "+key.ID+", event "+l.id)
		}
	}
	slices.Sort(rowless)
	for _, where := range rowless {
		findings.Add("event-without-row", where)
	}
}
