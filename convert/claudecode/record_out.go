package claudecode

import (
	"fmt"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/ownlog/ownlog/format"
)

// writtenVersion is the version of the tool whose records are written.
const writtenVersion = "2.1.330"

// treeRecord is a record of the transcript tree as it is written. The tool needs
// type, uuid, parentUuid and message; the rest is for its session list and for
// other readers.
type treeRecord struct {
	ParentUUID        *string          `json:"parentUuid"`
	LogicalParentUUID string           `json:"logicalParentUuid,omitzero"`
	IsSidechain       bool             `json:"isSidechain"`
	Type              string           `json:"type"`
	Subtype           string           `json:"subtype,omitzero"`
	Content           string           `json:"content,omitzero"`
	Level             string           `json:"level,omitzero"`
	Message           *messageRecord   `json:"message,omitzero"`
	IsMeta            bool             `json:"isMeta,omitzero"`
	IsCompactSummary  bool             `json:"isCompactSummary,omitzero"`
	TranscriptOnly    bool             `json:"isVisibleInTranscriptOnly,omitzero"`
	CompactMetadata   *compactMetadata `json:"compactMetadata,omitzero"`
	UUID              string           `json:"uuid"`
	Timestamp         string           `json:"timestamp"`
	UserType          string           `json:"userType"`
	Entrypoint        string           `json:"entrypoint"`
	CWD               string           `json:"cwd,omitzero"`
	SessionID         string           `json:"sessionId,omitzero"`
	Version           string           `json:"version"`
	GitBranch         string           `json:"gitBranch,omitzero"`
}

type messageRecord struct {
	ID         string         `json:"id,omitzero"`
	Type       string         `json:"type,omitzero"`
	Role       string         `json:"role"`
	Model      string         `json:"model,omitzero"`
	Content    jsontext.Value `json:"content"`
	StopReason string         `json:"stop_reason,omitzero"`
}

type compactMetadata struct {
	Trigger   string `json:"trigger"`
	PreTokens int64  `json:"preTokens"`
}

type titleRecord struct {
	Type        string `json:"type"`
	CustomTitle string `json:"customTitle"`
	SessionID   string `json:"sessionId,omitzero"`
}

type lastPromptRecord struct {
	Type       string `json:"type"`
	LastPrompt string `json:"lastPrompt"`
	LeafUUID   string `json:"leafUuid"`
	SessionID  string `json:"sessionId,omitzero"`
}

// encodeRecord encodes what is written; vendor JSON inside stays as it is.
func encodeRecord(v any) ([]byte, error) {
	return json.Marshal(v, jsontext.PreserveRawStrings(true), jsontext.AllowInvalidUTF8(true))
}

// line writes one record.
func (w *recordWriter) line(v any) error {
	b, err := encodeRecord(v)
	if err != nil {
		return err
	}
	_, err = w.out.Write(append(b, '\n'))
	return err
}

// put completes a record of the tree and writes it.
func (w *recordWriter) put(r *treeRecord, at string) error {
	w.written++
	w.begun = w.begun || r.Message != nil
	r.UUID = format.DeriveLogID(fmt.Sprintf("ownlog:export:%s:%s:%d", Name, w.req.Log, w.written)).String()
	if w.parent != "" && r.Subtype != subtypeBoundary {
		parent := w.parent
		r.ParentUUID = &parent
	}
	r.Timestamp = w.clock.stamp(at)
	r.UserType, r.Entrypoint = "external", "cli"
	r.CWD, r.SessionID, r.GitBranch, r.Version = w.cwd, w.session, w.survey.branch, writtenVersion
	w.parent = r.UUID
	return w.line(r)
}

// clock gives rising times: the tool goes by them where a parent is missing.
type clock struct{ last time.Time }

const stampLayout = "2006-01-02T15:04:05.000Z"

// stamp returns a time for a record, its own if that is later than all before.
func (c *clock) stamp(at string) string {
	t, err := time.Parse(time.RFC3339Nano, at)
	if err != nil {
		t = c.last
	}
	t = t.UTC().Truncate(time.Millisecond)
	if c.last.IsZero() && t.Year() < 1970 {
		t = time.Unix(0, 0).UTC()
	}
	if !c.last.IsZero() && !t.After(c.last) {
		t = c.last.Add(time.Millisecond)
	}
	c.last = t
	return t.Format(stampLayout)
}
