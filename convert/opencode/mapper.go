package opencode

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/ownlog/ownlog/convert"
	"github.com/ownlog/ownlog/schema"
)

// mapper turns the rows of one session into events. Its state is a function of
// the runs in the log: [mapper.restore] takes it up from there, so that rows
// which are new or changed go on with the same numbers.
//
// Turns count user messages; steps count the assistant messages of a turn, and
// further step-start parts inside one (files of 2025); indexes count the calls
// of a step. A row that comes again keeps the numbers of its first run.
type mapper struct {
	findings convert.Findings
	turns    int64              // user messages so far
	steps    map[int64]int64    // by turn: responses so far
	calls    map[response]int64 // calls so far
	parts    map[string]place
	orphans  map[string]string // by part: its message, which was not known
	messages map[string]*message
	renamed  map[string]string // by row: ids of messages that are not their row's

	info partInfo // of the part that is mapped

	// Of the record that is mapped: strings that are blobs already (see elider).
	elided map[string]schema.Blob
	mark   string
}

// response names a model response of the log.
type response struct{ turn, step int64 }

// message is what the parts of a message must know of it.
type message struct {
	role       string
	turn       int64
	first      int64 // step of its first response, 0 for users
	step       int64 // step of its parts from here on
	provider   string
	model      string
	stepStarts int // step-start parts so far
	lost       bool
}

// place is the numbers that a part got with its first run.
type place struct {
	response
	index int64 // of its call, -1 if it is none
	kept  bool  // it is there, but means nothing
}

const (
	roleUser      = "user"
	roleAssistant = "assistant"
)

func newMapper(findings convert.Findings) *mapper {
	return &mapper{
		findings: findings,
		steps:    make(map[int64]int64),
		calls:    make(map[response]int64),
		messages: make(map[string]*message),
		parts:    make(map[string]place),
		orphans:  make(map[string]string),
		renamed:  make(map[string]string),
	}
}

// restore takes up the state from an event that the log holds, in log order.
// raw are the bytes of the run's row, or nil.
func (m *mapper) restore(ev *schema.Event, raw []byte) {
	if ev.Source == nil || ev.Source.Row == nil {
		return
	}
	row, at := ev.Source.Row, response{ev.Turn, ev.Step}
	m.turns = max(m.turns, ev.Turn)
	if ev.Step > 0 {
		m.steps[ev.Turn] = max(m.steps[ev.Turn], ev.Step)
	}
	switch row.Table {
	case tableMessage:
		m.restoreMessage(ev)
	case tablePart:
		m.restorePart(row.ID, at, ev, raw)
	}
}

func (m *mapper) restoreMessage(ev *schema.Event) {
	switch data := ev.Data.(type) {
	case *schema.VendorRecord:
		m.lose(ev.Source.Row.ID) // it is gone, or cannot be read any more
	case *schema.UserMessage:
		m.named(ev.Source.Row.ID, data.MessageID)
		if m.messages[data.MessageID] == nil {
			m.messages[data.MessageID] = &message{role: roleUser, turn: ev.Turn}
		}
		m.messages[data.MessageID].lost = false
	case *schema.ModelOutput:
		m.named(ev.Source.Row.ID, data.MessageID)
		msg := m.messages[data.MessageID]
		if msg == nil {
			msg = &message{role: roleAssistant, turn: ev.Turn, first: ev.Step, step: ev.Step}
			m.messages[data.MessageID] = msg
		}
		msg.provider, msg.model, msg.lost = data.Provider, data.Model, false
	}
}

// named remembers the id of a message that is not its row's.
func (m *mapper) named(row, id string) {
	if row != id {
		m.renamed[row] = id
	}
}

// lose notes that the message of a row is not there any more. It keeps its numbers
// in case it comes again.
func (m *mapper) lose(row string) {
	if msg := m.messages[cmpOr(m.renamed[row], row)]; msg != nil {
		msg.lost = true
	}
}

// known finds a message, nil if it is not there.
func (m *mapper) known(id string) *message {
	if msg := m.messages[id]; msg != nil && !msg.lost {
		return msg
	}
	return nil
}

func (m *mapper) restorePart(id string, at response, ev *schema.Event, raw []byte) {
	if ev.Source.Part == 0 {
		delete(m.orphans, id)
		m.keep(id, at == response{})
	}
	if at == (response{}) {
		if data, ok := ev.Data.(*schema.VendorRecord); ok && data.Finding == findingText(partWithoutMessage) {
			m.orphans[id] = partMessage(raw)
		}
		return // never placed
	}
	p, known := m.parts[id]
	if !known {
		p = place{at, -1, false}
	}
	var messageID string
	switch data := ev.Data.(type) {
	case *schema.ModelOutput:
		messageID = data.MessageID
		for _, b := range data.Blocks {
			if b.Type != schema.BlockToolCall || b.Index == nil {
				continue
			}
			p.index = *b.Index
			m.calls[at] = max(m.calls[at], *b.Index+1)
		}
	case *schema.VendorRecord:
		if data.Kind == kindStepStart && ev.Source.Part == 0 && !known {
			messageID = partMessage(raw)
			if msg := m.messages[messageID]; msg != nil {
				msg.stepStarts++
			}
		}
	}
	m.parts[id] = p
	if msg := m.messages[messageID]; msg != nil && msg.turn == at.turn {
		msg.step = max(msg.step, at.step)
	}
}

// keep notes whether a part that was placed means something.
func (m *mapper) keep(id string, kept bool) {
	if p, placed := m.parts[id]; placed {
		p.kept = kept
		m.parts[id] = p
	}
}

// partMessage finds a part's message in the bytes of its row or file.
func partMessage(raw []byte) string {
	if isRow(raw) {
		return fromRow("", raw).messageID
	}
	return fromFile(tablePart, "", raw).messageID
}

// mapRecord appends the record's events to the run.
func (m *mapper) mapRecord(rec record, run *convert.Run) {
	if rec.finding != "" {
		m.unreadable(rec, run, rec.finding)
		return
	}
	switch rec.table {
	case tableSession:
		m.mapSession(rec, run)
	case tableMessage:
		m.mapMessage(rec, run)
	case tablePart:
		m.mapPart(rec, run)
	default:
		emit(run, rec.created, schema.ActorImport, response{}, &schema.VendorRecord{Kind: rec.table})
	}
}

// waiting tells of a row whose bytes mean something else by now, because its
// message was not known when it was mapped, or is not there any more: then it must
// be mapped again although it is the same.
func (m *mapper) waiting(row schema.Row, message string) bool {
	if row.Table != tablePart {
		return false
	}
	if of, orphan := m.orphans[row.ID]; orphan {
		return m.known(of) != nil
	}
	p, placed := m.parts[row.ID]
	return placed && !p.kept && m.known(message) == nil
}

// unreadable keeps a record's bytes and counts what is wrong with it.
func (m *mapper) unreadable(rec record, run *convert.Run, code string) {
	run.Events = run.Events[:0]
	run.Blobs = run.Blobs[:0]
	switch rec.table {
	case tableMessage:
		m.lose(rec.id)
	case tablePart:
		m.keep(rec.id, true)
	}
	m.find(code, rec)
	emit(run, rec.created, schema.ActorImport, response{}, &schema.VendorRecord{Kind: rec.table, Finding: findingText(code)})
}

// findingText says a finding's code in words.
func findingText(code string) string { return strings.ReplaceAll(code, "-", " ") }

// partWithoutMessage is the code of parts whose message is missing or unreadable.
const partWithoutMessage = "part-without-message"

func (m *mapper) find(code string, rec record) {
	if m.findings != nil {
		m.findings.Add(code, rec.table+" "+rec.id)
	}
}

// emit appends an event to the run.
func emit(run *convert.Run, ms *int64, actor schema.ActorKind, at response, data schema.Data) {
	run.Events = append(run.Events, &schema.Event{
		Time:  timeText(ms),
		Actor: schema.Actor{Kind: actor},
		Turn:  at.turn,
		Step:  at.step,
		Data:  data,
	})
}

// text makes a Text of a string, or of a blob when it is long. A placeholder
// stands for a string that is a blob already.
func (m *mapper) text(run *convert.Run, s string) schema.Text {
	if ref, ok := m.elided[s]; ok {
		return schema.Text{Blob: &ref, Set: true}
	}
	if len(s) <= schema.MaxString {
		return schema.String(s)
	}
	ref := blob(run, []byte(s), textMedia)
	return schema.Text{Blob: &ref, Set: true}
}

// textMedia is the media type of texts that became blobs.
const textMedia = "text/plain; charset=utf-8"

// isElided reports whether JSON holds a placeholder.
func (m *mapper) isElided(v []byte) bool {
	return m.mark != "" && bytes.Contains(v, []byte(m.mark))
}

// blob adds content that the run's events refer to.
func blob(run *convert.Run, content []byte, media string) schema.Blob {
	sum := sha256.Sum256(content)
	ref := schema.Blob{Digest: "sha256:" + hex.EncodeToString(sum[:]), Size: int64(len(content)), Media: media}
	run.Blobs = append(run.Blobs, convert.PendingBlob{Ref: ref, Data: content})
	return ref
}

// sessionFields are the members that a session row and a session file share.
type sessionFields struct {
	ID          string
	ParentID    string
	Directory   string
	Title       string
	Version     string
	Model       *vendorModel
	Permissions jsontext.Value
}

// vendorModel is how a session or user message names its model.
type vendorModel struct {
	ID         string `json:"id"`
	ProviderID string `json:"providerID"`
	ModelID    string `json:"modelID"`
	Variant    string `json:"variant"`
}

func (v *vendorModel) neutral() *schema.Model {
	if v == nil || *v == (vendorModel{}) {
		return nil
	}
	id := v.ModelID
	if id == "" {
		id = v.ID
	}
	return &schema.Model{Provider: v.ProviderID, ID: id, Variant: v.Variant}
}

func (m *mapper) mapSession(rec record, run *convert.Run) {
	var s sessionFields
	var err error
	if !rec.file {
		s, err = sessionRow(rec.cells)
	} else {
		s, rec.created, err = sessionFile(rec.data)
	}
	if err != nil {
		m.unreadable(rec, run, "unexpected-type")
		return
	}
	if s.ID == "" {
		s.ID = rec.id
	}
	opened := &schema.SessionOpened{
		VendorSession: s.ID, CWD: s.Directory, VendorVersion: s.Version, Title: s.Title,
		Model: s.Model.neutral(),
	}
	if len(s.Permissions) > 0 && s.Permissions.Kind() != 'n' {
		if v, ok := schema.VendorJSON(s.Permissions); ok {
			opened.Permissions = v
		} else {
			m.find("permissions-not-portable", rec)
		}
	}
	if s.ParentID != "" {
		opened.Link = &schema.SessionLink{Session: s.ParentID, Kind: "subagent"}
	}
	emit(run, rec.created, schema.ActorSystem, response{}, opened)
	if s.ParentID != "" {
		emit(run, rec.created, schema.ActorSystem, response{}, &schema.SessionLinked{Parent: s.ParentID})
	}
}

// sessionRow reads a session's columns. Columns that an older schema lacks are
// absent; JSON in a column that cannot be read leaves its member absent.
func sessionRow(cells []cell) (sessionFields, error) {
	var s sessionFields
	for _, c := range cells {
		switch c.name {
		case "id":
			s.ID = textOf(c.value)
		case "parent_id":
			s.ParentID = textOf(c.value)
		case "directory":
			s.Directory = textOf(c.value)
		case "title":
			s.Title = textOf(c.value)
		case "version":
			s.Version = textOf(c.value)
		case "model":
			if t := textOf(c.value); t != "" {
				if err := unmarshal([]byte(t), &s.Model); err != nil {
					return s, err
				}
			}
		case "permission":
			if t := textOf(c.value); isJSON([]byte(t)) {
				s.Permissions = jsontext.Value(t)
			}
		}
	}
	return s, nil
}

func sessionFile(data jsontext.Value) (sessionFields, *int64, error) {
	var f struct {
		ID         string         `json:"id"`
		ParentID   string         `json:"parentID"`
		Directory  string         `json:"directory"`
		Title      string         `json:"title"`
		Version    string         `json:"version"`
		Model      *vendorModel   `json:"model"`
		Permission jsontext.Value `json:"permission"`
		Time       struct {
			Created jsontext.Value `json:"created"`
		} `json:"time"`
	}
	err := unmarshal(data, &f)
	return sessionFields{f.ID, f.ParentID, f.Directory, f.Title, f.Version, f.Model, f.Permission}, milliseconds(f.Time.Created), err
}
