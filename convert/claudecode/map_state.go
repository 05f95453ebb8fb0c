package claudecode

import (
	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/ownlog/ownlog/convert"
	"github.com/ownlog/ownlog/schema"
)

// mapType maps a record by its type. If it finds a member of an unexpected type
// it changes nothing but the writer.
func (w *writer) mapType(typ string) {
	r := w.rec
	switch typ {
	case "user":
		w.mapUser()
	case "assistant":
		w.mapAssistant()
	case "attachment":
		w.mapAttachment()
	case "system":
		w.mapSystem()
	case "api-request":
		w.mapRequest()
	case "api-request-shape":
		w.mapShape()
	case "last-prompt":
		if leaf := r.text(fLeafUUID, "leafUuid"); leaf != "" {
			w.add(schema.ActorExecutor, &schema.BranchSelected{Leaf: leaf})
			return
		}
		w.vendorRecord(typ, true)
	case "custom-title":
		w.update(typ, &schema.SessionUpdated{Title: r.text(fCustomTitle, "customTitle")})
	case "ai-title":
		w.update(typ, &schema.SessionUpdated{Title: r.text(fAITitle, "aiTitle")})
	case "mode":
		w.update(typ, &schema.SessionUpdated{Permissions: permissions(r.text(fMode, "mode"))})
	case "permission-mode":
		w.update(typ, &schema.SessionUpdated{Permissions: permissions(r.text(fPermissionMode, "permissionMode"))})
	case "file-history-delta":
		w.mapFileHistory()
	default:
		w.inherit()
		w.vendorRecord(typ, knownType(typ))
	}
}

// inherit puts a record of the tree into its parent's turn.
func (w *writer) inherit() {
	if w.node.id != "" {
		w.turn = w.mapper.turnOf(w.node.parent.ID)
	}
}

// vendorRecord keeps a record that says nothing else.
func (w *writer) vendorRecord(kind string, known bool) {
	v := &schema.VendorRecord{Kind: kind}
	if !known {
		v.Finding = "unknown type"
		w.finding(FindingUnknownType)
	}
	w.add(schema.ActorExecutor, v)
}

// update says what changed about the session, unless that is nothing.
func (w *writer) update(typ string, u *schema.SessionUpdated) {
	if w.rec.bad != "" {
		return
	}
	if u.Title == "" && u.Permissions == nil {
		w.vendorRecord(typ, true)
		return
	}
	w.add(schema.ActorExecutor, u)
}

// permissions makes the session's permissions of a mode, nil of none.
func permissions(mode string) jsontext.Value {
	if mode == "" {
		return nil
	}
	b, err := json.Marshal(struct {
		Mode string `json:"mode"`
	}{mode}, jsontext.AllowInvalidUTF8(true))
	if err != nil {
		return nil
	}
	return b
}

func (w *writer) mapSystem() {
	r := w.rec
	subtype := r.text(fSubtype, "subtype")
	if r.bad != "" {
		return
	}
	w.inherit()
	switch subtype {
	case "compact_boundary":
		w.mapCompaction()
	case "api_error":
		w.mapAPIError()
	case "turn_duration":
		w.mapTurnDuration()
	case "local_command":
		w.mapLocalCommand()
	default:
		w.vendorRecord("system/"+subtype, knownSubtype(subtype))
	}
}

func (w *writer) mapCompaction() {
	r := w.rec
	c := &schema.ContextCompacted{LogicalParent: r.text(fLogicalParentUUID, "logicalParentUuid")}
	tokens := func(v []byte) *int64 {
		if n, ok := integer(v); ok {
			return &n
		}
		return nil
	}
	var segment string
	m := convert.MembersOf(r.object(fCompactMetadata, "compactMetadata"))
	for {
		name, value, ok := m.Next()
		if !ok {
			break
		}
		switch string(name) {
		case "trigger":
			c.Trigger = r.inner(value, "compactMetadata.trigger")
		case "preTokens":
			c.TokensBefore = tokens(value)
		case "postTokens":
			c.TokensAfter = tokens(value)
		case "preservedSegment":
			segment, _ = unquote(member(value, "headUuid"))
		case "preservedMessages":
			ids := convert.ElementsOf(member(value, "uuids"))
			for {
				id, ok := ids.Next()
				if !ok {
					break
				}
				c.Kept = append(c.Kept, r.inner(id, "preservedMessages.uuids"))
			}
		}
	}
	if len(c.Kept) == 0 {
		c.KeptFrom = segment // a version that does not list the records kept
	}
	if r.bad == "" {
		w.add(schema.ActorExecutor, c)
	}
}

func (w *writer) mapAPIError() {
	r := w.rec
	f := &schema.ModelFailed{RequestID: w.mapper.lastRequest}
	if attempt := r.number(fRetryAttempt, "retryAttempt"); attempt != nil {
		f.Attempt = *attempt
	}
	cause := r.members[fError]
	if status, ok := integer(member(cause, "status")); ok {
		f.HTTPStatus = status
	}
	message, _ := unquote(member(member(member(cause, "error"), "error"), "message"))
	if message == "" {
		message, _ = unquote(member(cause, "message"))
	}
	if message != "" {
		f.Message = w.blobs.string(message)
	}
	f.Class = errorClass(f.HTTPStatus, "", message)
	if f.HTTPStatus == 0 && f.Class == schema.ErrorOther {
		f.Class = schema.ErrorNetwork // no answer at all
	}
	if r.bad != "" {
		return
	}
	w.mapper.failures++
	w.add(schema.ActorExecutor, f)
}

// mapLocalCommand maps a command that the person ran in the tool, or what it
// printed. Of the system records these alone are sent, as the person's text.
func (w *writer) mapLocalCommand() {
	if !w.rec.has(fContent) {
		w.vendorRecord("system/local_command", true)
		return
	}
	content, _ := w.rec.parts(w.rec.members[fContent], &w.blobs)
	w.add(schema.ActorExecutor, &schema.SystemMessage{Role: schema.RoleUser, Kind: "local_command", Content: content})
}

func (w *writer) mapTurnDuration() {
	f := &schema.TurnFinished{Reason: schema.TurnEnd}
	if v := w.rec.members[fDurationMS]; v != nil {
		us, ok := microseconds(v)
		if !ok {
			w.rec.unexpected("durationMs")
			return
		}
		f.DurationUS = &us
	}
	w.add(schema.ActorExecutor, f)
}

func (w *writer) mapFileHistory() {
	r := w.rec
	path := r.text(fTrackingPath, "trackingPath")
	backup := r.object(fBackup, "backup")
	if r.bad != "" {
		return
	}
	if path == "" {
		w.vendorRecord("file-history-delta", true)
		return
	}
	name, _ := unquote(member(backup, "backupFileName"))
	w.add(schema.ActorExecutor, &schema.FileChanged{Path: path, Snapshot: name})
}

// mapRequest maps a provider request. It may stand before the records it sends.
func (w *writer) mapRequest() {
	r := w.rec
	q := &schema.ModelRequested{
		RequestID:    r.text(fID, "id"),
		VendorDigest: r.text(fRequestDigest, "requestDigest"),
		Attempt:      1 + w.mapper.failures,
	}
	if params := r.object(fParams, "params"); params != nil {
		q.Model = r.inner(orNull(member(params, "model")), "params.model")
		q.Params = schema.At("/params")
	}
	if r.bad != "" {
		return
	}
	w.mapper.lastRequest = q.RequestID
	w.mapper.requests++
	w.add(schema.ActorExecutor, q)
}

// mapShape maps the part of provider requests that stays the same: the system
// prompt and the tools.
func (w *writer) mapShape() {
	r := w.rec
	shape := r.object(fShape, "shape")
	if shape == nil {
		r.unexpected("shape")
		return
	}
	d := new(schema.Definition)
	system := convert.ElementsOf(member(shape, "system"))
	for {
		element, ok := system.Next()
		if !ok {
			break
		}
		text, _ := unquote(member(element, "text"))
		d.System = append(d.System, text)
	}
	tools := convert.ElementsOf(member(shape, "tools"))
	for {
		element, ok := tools.Next()
		if !ok {
			break
		}
		d.Tools = append(d.Tools, toolDefinition(element))
	}
	digest := r.text(fShapeHash, "shapeHash")
	if r.bad == "" {
		w.define(d, digest)
	}
}

// toolDefinition maps a tool as it is declared to the provider; one with
// members that have no neutral form keeps its declaration.
func toolDefinition(v []byte) schema.ToolDefinition {
	var t schema.ToolDefinition
	m := convert.MembersOf(v)
	for {
		name, value, ok := m.Next()
		if !ok {
			return t
		}
		switch string(name) {
		case "name":
			t.Name, _ = unquote(value)
		case "description":
			t.Description, _ = unquote(value)
		case "input_schema":
			t.Schema, _ = schema.VendorJSON(value)
		case "type":
			t.VendorType, _ = unquote(value)
			t.Item, _ = schema.VendorJSON(v)
		default:
			t.Item, _ = schema.VendorJSON(v)
		}
	}
}
