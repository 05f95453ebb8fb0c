package opencode

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"slices"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/ownlog/ownlog/convert"
	"github.com/ownlog/ownlog/schema"
)

// Export implements [convert.Vendor]. A log that mirrors an OpenCode session is
// given back from its own rows: as a file for `opencode import`, or, with option
// to=opencode-db, as a database; a log that mirrors an export file, as that file.
// Any other log is written anew from its view, with its subagents' sessions.
func (v Vendor) Export(ctx context.Context, req convert.ExportRequest) error {
	if req.Report == nil {
		req.Report = new(schema.Fidelity)
	}
	s, err := indexRows(ctx, req, cmp.Or(v.limit, maxInline))
	if err != nil {
		return err
	}
	mirrored := !s.foreign && !s.rewound && s.session != nil
	switch {
	case req.Options[optionTo] == targetDatabase:
		return ExportDatabase(ctx, req)
	case s.lines && s.native < 0:
		return exportLines(ctx, req)
	case mirrored:
		return exportRows(ctx, req, s)
	case s.native < 0 && !s.foreign && !s.lines:
		return fmt.Errorf("log %s: it holds no session row, which `opencode import` needs; --to %s takes what there is", req.Log, targetDatabase)
	}
	return exportView(ctx, req)
}

// exportRows writes the file for `opencode import` of a mirrored session.
func exportRows(ctx context.Context, req convert.ExportRequest, s *sessionRows) error {
	var more *viewWriter
	if s.native >= 0 {
		var err error
		if more, err = newViewWriter(ctx, req, req.Log, req.Size); err != nil {
			return err
		}
		defer more.load.Close()
		if err := more.continueAfter(s); err != nil {
			return err
		}
	}
	w, err := req.Out.Create(exportName(s.session))
	if err != nil {
		return err
	}
	if err := writeImportFile(ctx, s, more, w); err != nil {
		return err
	}
	return w.Close()
}

// sessionRows is what a mirrored session's log holds, as an index: where the
// newest bytes of each row stand, and what sorts them. It holds no contents.
type sessionRows struct {
	req      convert.ExportRequest
	limit    int64 // of rows that are read whole, in bytes
	session  *rowRef
	messages []*messageRef
	orphans  []rowRef
	other    []rowRef // todo, event and other tables
	native   int64    // position of the first entry that was not imported, or -1
	rewound  bool     // an entry that was not imported changed what came before it
	foreign  bool     // records of another vendor
	lines    bool     // the log mirrors an export file
}

// rowRef is where the newest bytes of a row stand.
type rowRef struct {
	row     schema.Row
	seq     int64
	created int64
	id      string // of a message or part, in files its own
	call    schema.CallKey
	big     *schema.Blob // its bytes, if it is too big to be read whole
}

type messageRef struct {
	rowRef
	role  string
	parts []rowRef
}

// indexRows reads through a log once.
func indexRows(ctx context.Context, req convert.ExportRequest, limit int64) (*sessionRows, error) {
	s := &sessionRows{req: req, limit: limit, native: -1}
	type latest struct {
		ref     rowRef
		message string
		role    string
		gone    bool
	}
	found := make(map[schema.Row]*latest)
	var order []*latest
	err := convert.WalkEvents(ctx, req.Store, req.Log, 0, req.Size, func(e convert.LogEvent) error {
		if e.Event == nil {
			return fmt.Errorf("log %s, entry %d: redacted, its row cannot be given back", req.Log, e.Seq)
		}
		src := e.Event.Source
		switch {
		case src == nil:
			if s.native < 0 {
				s.native = e.Seq
			}
			switch e.Event.Data.(type) {
			case *schema.ContextCompacted, *schema.BranchSelected:
				s.rewound = true
			}
			return nil
		case src.Vendor != VendorName:
			s.foreign = true
			return nil
		case src.Row == nil:
			s.lines = true
			return nil
		case src.Part > 0:
			return nil
		}
		l := found[*src.Row]
		if l == nil {
			l = &latest{ref: rowRef{row: *src.Row}}
			found[*src.Row] = l
			order = append(order, l)
		}
		l.ref.seq, l.ref.id = e.Seq, src.Row.ID
		l.ref.call = callOf(e.Event)
		l.gone = isGone(e.Event)
		record, err := s.record(ctx, e, &l.ref)
		if err != nil || l.gone {
			return nil
		}
		rec := readRecord(*src.Row, record)
		l.message = rec.messageID
		if rec.created != nil {
			l.ref.created = *rec.created
		}
		if src.Row.Table == tableMessage || src.Row.Table == tablePart {
			l.ref.id = ownID(rec)
			l.role = roleOf(e.Event)
			l.message = cmpOr(l.message, dataMessage(e.Event))
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	byID := make(map[string]*messageRef)
	for _, l := range order {
		switch {
		case l.gone:
		case l.ref.row.Table == tableSession:
			s.session = &l.ref
		case l.ref.row.Table == tableMessage:
			m := &messageRef{rowRef: l.ref, role: l.role}
			byID[m.id] = m
			s.messages = append(s.messages, m)
		}
	}
	for _, l := range order {
		switch {
		case l.gone || l.ref.row.Table == tableSession || l.ref.row.Table == tableMessage:
		case l.ref.row.Table != tablePart:
			s.other = append(s.other, l.ref)
		case byID[l.message] == nil:
			s.orphans = append(s.orphans, l.ref)
		default:
			m := byID[l.message]
			m.parts = append(m.parts, l.ref)
		}
	}
	s.sort()
	return s, nil
}

// record reads the bytes of a row, or the skeleton of one that is too big. A row
// that has too much besides long strings is read whole all the same.
func (s *sessionRows) record(ctx context.Context, e convert.LogEvent, ref *rowRef) (record []byte, err error) {
	ref.big = nil
	if blob := e.Event.RawBlob; blob != nil && blob.Size > s.limit {
		if record, err = s.skeleton(ctx, blob); err != nil || record != nil {
			ref.big = blob
			return record, err
		}
	}
	return convert.RecordBytes(ctx, s.req.Store, e.Event, e.Raw)
}

// empty reports whether the log holds no rows at all.
func (s *sessionRows) empty() bool {
	return s.session == nil && len(s.messages) == 0 && len(s.orphans) == 0 && len(s.other) == 0
}

// sort puts messages and parts in the order of import.
func (s *sessionRows) sort() {
	slices.SortStableFunc(s.messages, func(a, b *messageRef) int {
		return comparePlaces(spot{key: a.created, id: a.id}, spot{key: b.created, id: b.id})
	})
	for _, m := range s.messages {
		toolMade := true
		for _, p := range m.parts {
			_, made := idTime(p.id, partPrefix)
			toolMade = toolMade && made
		}
		compare := comparePart(toolMade, m.created)
		slices.SortStableFunc(m.parts, func(a, b rowRef) int {
			return compare(partKey{a.id, a.created}, partKey{b.id, b.created})
		})
	}
}

// readRecord reads a row's or a file's bytes.
func readRecord(row schema.Row, b []byte) record {
	if isRow(b) {
		return fromRow(row.ID, b)
	}
	rec := fromFile(row.Table, row.ID, b)
	switch row.Table {
	case tableMessage:
		var info messageInfo
		if unmarshal(rec.data, &info) == nil {
			rec.created = milliseconds(info.Time.Created)
		}
	case tablePart:
		rec.created = partTimeOf(b)
	}
	return rec
}

// ownID is the id of a message or part: the row's, or what a file says.
func ownID(rec record) string {
	var ids struct {
		ID string `json:"id"`
	}
	if rec.file && rec.data != nil && unmarshal(rec.data, &ids) == nil && ids.ID != "" {
		return ids.ID
	}
	return rec.id
}

// dataMessage is the message that an entry's event belongs to.
func dataMessage(ev *schema.Event) string {
	switch data := ev.Data.(type) {
	case *schema.UserMessage:
		return data.MessageID
	case *schema.ModelOutput:
		return data.MessageID
	}
	return ""
}

// kindGone marks the revision of a row that the source no longer has.
const kindGone = "gone"

func isGone(ev *schema.Event) bool {
	data, ok := ev.Data.(*schema.VendorRecord)
	return ok && data.Kind == kindGone
}

// roleOf is whose message a message row's event begins.
func roleOf(ev *schema.Event) string {
	if _, ok := ev.Data.(*schema.UserMessage); ok {
		return roleUser
	}
	return roleAssistant
}

// callOf is the key of the call that a tool part's event makes.
func callOf(ev *schema.Event) schema.CallKey {
	if out, ok := ev.Data.(*schema.ModelOutput); ok && len(out.Blocks) == 1 {
		return out.Blocks[0].CallKey
	}
	return ""
}

func cmpOr(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

// read gives the newest bytes of a row.
func (s *sessionRows) read(ctx context.Context, ref rowRef) ([]byte, error) {
	var out []byte
	err := convert.WalkEvents(ctx, s.req.Store, s.req.Log, ref.seq, ref.seq+1, func(e convert.LogEvent) error {
		b, err := convert.RecordBytes(ctx, s.req.Store, e.Event, e.Raw)
		out = bytes.Clone(b)
		return err
	})
	return out, err
}

// members yields the members of a JSON object with their values as they stand.
func members(object jsontext.Value, each func(name string, value jsontext.Value) error) error {
	dec := jsontext.NewDecoder(bytes.NewBuffer(object), lenient...)
	if _, err := dec.ReadToken(); err != nil {
		return err
	}
	for dec.PeekKind() == '"' {
		name, err := dec.ReadToken()
		if err != nil {
			return err
		}
		key := name.String()
		v, err := dec.ReadValue()
		if err != nil {
			return err
		}
		end := dec.InputOffset()
		if err := each(key, object[end-int64(len(v)):end]); err != nil {
			return err
		}
	}
	_, err := dec.ReadToken()
	return err
}

// exportName names a session's file.
func exportName(session *rowRef) string {
	if session == nil || !plainName(session.row.ID) {
		return "session.json"
	}
	return session.row.ID + ".json"
}

// plainName reports whether an id can be a file name on every system.
func plainName(id string) bool {
	for _, c := range id {
		ok := c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c == '_' || c == '-'
		if !ok {
			return false
		}
	}
	return id != "" && len(id) <= 100
}
