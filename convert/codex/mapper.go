package codex

import (
	"strconv"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/ownlog/ownlog/convert"
	"github.com/ownlog/ownlog/schema"
)

// Name is the vendor's name, on the command line and in Source.Vendor.
const Name = "codex"

// host is the member of an item that the CLI keeps to itself: it is written to
// the rollout and taken off before an item is sent.
const host = "internal_chat_message_metadata_passthrough"

// Mapper turns the records of one rollout into events. It implements
// [convert.Mapper].
type Mapper struct {
	findings convert.Findings
	base     Base

	numbers numbering

	// Of the session.
	opened    bool // the file's own session_meta, its first, has been seen
	session   string
	copied    bool // the file begins with records of another session
	ordinals  bool // a record had an ordinal
	ordinal   int64
	paginated bool
	provider  string
	model     string
	// Of the token counts of files without usage records.
	hasUsageRecords bool
	totalUsage      string

	line, payload, metadata, hostSide object
	scratch, item                     object
}

// Base says where the history of a rollout begins that another rollout holds
// (session_meta.history_base).
type Base struct {
	// Log and Size name the parent's entries. Zero: the parent is not there.
	Log  string
	Size int64
}

var _ convert.Mapper = (*Mapper)(nil)

// NewMapper returns a mapper for one rollout. For a rollout whose history begins
// in another one, base says where, and the records of that history have to be
// mapped first, followed by [Mapper.NextFile].
func NewMapper(findings convert.Findings, base Base) *Mapper {
	return &Mapper{findings: findings, base: base, numbers: newNumbering()}
}

// NextFile tells the mapper that the records to come are another file's, which
// goes on where the ones before ended.
func (m *Mapper) NextFile() {
	m.opened = false
	m.paginated, m.hasUsageRecords, m.totalUsage = false, false, ""
	m.ordinals = false
	m.numbers.close()
}

// Map implements [convert.Mapper].
func (m *Mapper) Map(rec *convert.Record, run *convert.Run) {
	r := record{m: m, run: run, source: rec}
	m.line.read(rec.Bytes, m.opens)
	if m.isBare() {
		r.bare()
	} else {
		r.enveloped()
	}
	if len(run.Events) == 0 {
		r.keep("", findingUnknown)
	}
}

// opens gives the members of a line that are taken apart in the same walk.
func (m *Mapper) opens(name []byte) *object {
	switch string(name) {
	case "payload":
		return &m.payload
	case "metadata":
		return &m.metadata
	}
	return nil
}

// isBare reports whether the line has no envelope, as those of 2025.
func (m *Mapper) isBare() bool { return m.line.get("payload") == nil }

// record is the record being mapped.
type record struct {
	m      *Mapper
	run    *convert.Run
	source *convert.Record
	time   string
}

// enveloped maps {timestamp, type, payload, ...}.
func (r *record) enveloped() {
	m := r.m
	kind := m.line.str("type")
	r.setTime(m.line.str("timestamp"))
	r.checkOrdinal()
	if m.line.get("payload").kind() != '{' {
		r.keep(kind, "unexpected type of member payload")
		return
	}
	if m.line.get("metadata").kind() != '{' {
		m.metadata.reset()
	}
	switch kind {
	case "session_meta":
		if m.opened {
			r.keep(kind, "")
			if !m.copied && sessionID(&m.payload) != m.session {
				r.found("second-session")
			}
			return
		}
		r.sessionMeta(&m.payload)
	case "response_item":
		r.item(&m.payload)
	case "event_msg":
		r.event(&m.payload)
	case "turn_context":
		r.turnContext()
	case "compacted":
		r.compacted()
	case "token_usage_record":
		r.usageRecord()
	case "world_state", "inter_agent_communication", "inter_agent_communication_metadata",
		"retained_context", "security_risk_score", "realtime_item", "dynamic_tools_updated":
		r.keep(kind, "")
	case "":
		r.keep("", m.line.finding())
	default:
		r.unknown(kind)
	}
}

// checkOrdinal counts ordinals that do not go on by one, and lines of a paginated
// file without one: 0.169.0 refuses a file whose last line has none.
func (r *record) checkOrdinal() {
	m := r.m
	v := m.line.get("ordinal")
	if v == nil {
		if m.ordinals || m.paginated {
			r.found("odd-ordinal")
		}
		return
	}
	n, err := strconv.ParseInt(string(v), 10, 64)
	if err != nil || n < 0 || m.ordinals && n != m.ordinal {
		r.found("odd-ordinal")
	}
	if err == nil {
		m.ordinals, m.ordinal = true, n+1
	}
}

// bare maps a line of the first generation (0.25.0): the session's first line,
// {"record_type":"state"}, or an item.
func (r *record) bare() {
	m := r.m
	m.metadata.reset()
	switch {
	case m.line.get("record_type") != nil:
		r.keep(m.line.str("record_type"), "")
	case m.line.get("type") == nil && !m.opened && m.line.get("id") != nil:
		r.setTime(m.line.str("timestamp"))
		r.sessionMeta(&m.line)
	case m.line.get("type") == nil:
		r.keep("", "missing member type")
	case recordTypes[m.line.str("type")]:
		r.keep(m.line.str("type"), "missing member payload")
	default:
		r.item(&m.line)
	}
}

// add appends an event to the run.
func (r *record) add(actor schema.ActorKind, turn, step int64, data schema.Data) {
	r.run.Events = append(r.run.Events, &schema.Event{
		Time:  r.time,
		Actor: schema.Actor{Kind: actor},
		Turn:  turn,
		Step:  step,
		Data:  data,
	})
}

// keep makes the record a vendor.record, with a finding if something is wrong
// with it.
func (r *record) keep(kind, finding string) {
	r.run.Events = r.run.Events[:0]
	r.run.Blobs = r.run.Blobs[:0]
	r.add(schema.ActorExecutor, 0, 0, &schema.VendorRecord{Kind: kind, Finding: finding})
	if finding != "" {
		r.found(findingCode(finding))
	}
}

// What is wrong with a record, beside the members that are missing or of another
// type.
const (
	findingUnknown    = "unknown type"
	findingOrphan     = "orphan result"
	findingNoCall     = "work without a call"
	findingMismatched = "replacement_history_metadata of another length"
)

// findingCode names a finding in counts; the codes are documented in
// docs/codex.md.
func findingCode(finding string) string {
	switch finding {
	case findingUnknown:
		return "unknown-record-type"
	case findingOrphan:
		return "orphan-result"
	case findingNoCall:
		return "work-without-call"
	case findingMismatched:
		return "ignored-compaction"
	}
	return "unexpected-member-type"
}

// unknown keeps a record of a type this version does not know.
func (r *record) unknown(kind string) { r.keep(kind, findingUnknown) }

func (r *record) found(code string) {
	r.m.findings.Add(code, r.source.Where())
}

// text makes a text of a string, and a blob of a long one.
func (r *record) text(s string) schema.Text {
	if len(s) <= schema.MaxString {
		return schema.String(s)
	}
	return schema.Text{Blob: r.blob([]byte(s), "text/plain"), Set: true}
}

// blob stores content beside the run and returns its reference.
func (r *record) blob(data []byte, media string) *schema.Blob {
	b := convert.NewBlob(data, media)
	r.run.Blobs = append(r.run.Blobs, b)
	return &b.Ref
}

// seal keeps an item in the provider's own form.
func (r *record) seal(item []byte) *schema.Seal {
	s := &schema.Seal{Provider: r.m.provider, API: apiResponses, Model: r.m.model, Kind: schema.SealEncrypted}
	if v, ok := schema.VendorJSON(item); ok {
		s.Item = v
	} else {
		s.ItemBlob = r.blob(item, "application/json")
	}
	return s
}

// apiResponses is the one provider interface that the CLI speaks.
const apiResponses = "responses"

// vendorJSON is schema.VendorJSON for values that may be left out.
func vendorJSON(v []byte) jsontext.Value {
	out, ok := schema.VendorJSON(v)
	if !ok {
		return nil
	}
	return out
}

// setTime takes the record's time, if it is one.
func (r *record) setTime(s string) {
	if r.time = eventTime(s); r.time == "" && s != "" {
		r.found("bad-time")
	}
}

// eventTime brings a record's time into the form of an event's: UTC, as precise
// as it was. A time that cannot be read is none.
func eventTime(s string) string {
	t, err := time.Parse(time.RFC3339Nano, s)
	if err != nil {
		return ""
	}
	if s[len(s)-1] == 'Z' {
		return s
	}
	return t.UTC().Format(time.RFC3339Nano)
}
