package codex

import (
	"cmp"
	"context"
	"encoding/base64"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/ownlog/ownlog/convert"
	"github.com/ownlog/ownlog/format"
	"github.com/ownlog/ownlog/schema"
)

// Codes of the report of an export that writes records anew. They are documented
// in docs/codex.md.
const (
	codeInjected          = "injected-as-developer-text"
	codeOpenCall          = "open-call-answered"
	codeCleared           = "cleared-result"
	codeToolName          = "tool-name-spelled"
	codeStatus            = "status-as-text"
	codeJoined            = "output-parts-joined"
	codeRefusal           = "refusal-as-text"
	codeLongOutput        = "long-output-limit-raised"
	codeUnsealedReasoning = "reasoning-unsealed"
	codeForeignReasoning  = "reasoning-of-another-provider"
	codeServerCall        = "server-call"
	codeSynthetic         = "synthetic-output"
	codeOpaque            = "opaque-content"
	codeFile              = "file-content"
	codeImage             = "image-content"
	codeCitations         = "citations"
	codeOrphanResult      = "result-without-call"
	codeSystemPrompt      = "state-system-prompt"
	codeSystemRole        = "system-role-text"
	codeRewritten         = "records-written-anew"
	codePreview           = "preview"
	codePathRemapped      = "path-remapped"
)

// noTime is the time of a rollout whose log has none.
const noTime = "1970-01-01T00:00:00.000Z"

// writtenBy is what a written rollout says about its writer. The version is not
// the CLI's: what it wrote in which version does not hold for such a file.
const (
	writtenBy      = "ownlog"
	writtenVersion = "0.0.0"
)

// rolloutWriter writes the records of a rollout.
type rolloutWriter struct {
	ctx    context.Context
	req    convert.ExportRequest
	survey *survey
	out    io.Writer

	thread    string
	provider  string
	cwd       string
	remap     bool
	paginated bool
	ordinal   int64
	clock     string // time of the record before

	turn      int64 // of the log, of the message before
	turnID    string
	lastWords string
	previewed bool // a message of the user is shown: without one the session is not listed
	items     int64

	current *pendingCalls
}

func newRolloutWriter(ctx context.Context, req convert.ExportRequest, s *survey) *rolloutWriter {
	w := &rolloutWriter{ctx: ctx, req: req, survey: s, turn: -1}
	if s.from == Name {
		w.provider = s.provider
	}
	w.provider = cmp.Or(req.Options[OptionProvider], w.provider, "openai")
	w.cwd = cmp.Or(req.Options[OptionCWD], s.cwd, "/")
	w.remap = req.Options[OptionRemap] == "true" && s.cwd != "" && s.cwd != w.cwd
	return w
}

// outLine is a record as it is written.
type outLine struct {
	Timestamp string       `json:"timestamp"`
	Ordinal   *int64       `json:"ordinal,omitzero"`
	Type      string       `json:"type"`
	Payload   any          `json:"payload"`
	Metadata  *outMetadata `json:"metadata,omitzero"`
}

type outMetadata struct {
	FallbackTokenLimitOverride int64 `json:"fallback_token_limit_override"`
}

type outSession struct {
	ID               string           `json:"id"`
	SessionID        string           `json:"session_id"`
	Timestamp        string           `json:"timestamp"`
	CWD              string           `json:"cwd"`
	Originator       string           `json:"originator"`
	CLIVersion       string           `json:"cli_version"`
	Source           string           `json:"source"`
	ModelProvider    string           `json:"model_provider"`
	HistoryMode      string           `json:"history_mode,omitzero"`
	BaseInstructions *outInstructions `json:"base_instructions,omitzero"`
}

type outInstructions struct {
	Text string `json:"text"`
}

// outEvent is an event message; which members it has depends on its type.
type outEvent struct {
	Type             string  `json:"type"`
	ThreadID         string  `json:"thread_id,omitzero"`
	TurnID           string  `json:"turn_id,omitzero"`
	Message          string  `json:"message,omitzero"`
	LastAgentMessage *string `json:"last_agent_message,omitzero"`
	Item             any     `json:"item,omitzero"`
	StartedAtMS      *int64  `json:"started_at_ms,omitzero"`
	CompletedAtMS    *int64  `json:"completed_at_ms,omitzero"`
}

// header writes the session's first line.
func (w *rolloutWriter) header() error {
	meta := outSession{
		ID: w.thread, SessionID: w.thread, Timestamp: w.clock,
		CWD:        w.cwd,
		Originator: writtenBy, CLIVersion: writtenVersion, Source: "cli", ModelProvider: w.provider,
	}
	if w.paginated {
		meta.HistoryMode = "paginated"
	}
	def, err := loadDefinition(w.ctx, w.req.Store, w.survey.define)
	if err != nil {
		return err
	}
	if system := strings.Join(def.System, "\n\n"); system != "" {
		if w.survey.from == Name || w.req.Options[OptionSystem] == "keep" {
			meta.BaseInstructions = &outInstructions{system}
		} else {
			w.req.Report.Add(schema.Dropped, codeSystemPrompt, 1, w.survey.define.Digest)
		}
	}
	return w.line("session_meta", meta, nil)
}

// line writes one record, at the time of the one before unless [at] set another.
func (w *rolloutWriter) line(kind string, payload any, meta *outMetadata) error {
	l := outLine{Timestamp: w.clock, Type: kind, Payload: payload, Metadata: meta}
	if w.paginated {
		n := w.ordinal
		l.Ordinal = &n
		w.ordinal++
	}
	b, err := encode(l)
	if err != nil {
		return err
	}
	_, err = w.out.Write(append(b, '\n'))
	return err
}

// at takes the time for the records to come; one that has none leaves it.
func (w *rolloutWriter) at(eventTime string) {
	if t := lineTime(eventTime); t != "" {
		w.clock = t
	}
}

// lineTime spells a time as the CLI does, in milliseconds.
func lineTime(eventTime string) string {
	t, err := schema.ParseTime(eventTime)
	if err != nil {
		return ""
	}
	return t.UTC().Format("2006-01-02T15:04:05.000Z")
}

// milliseconds since 1970 of the record that is written.
func (w *rolloutWriter) milliseconds() *int64 {
	t, err := time.Parse(time.RFC3339, w.clock)
	if err != nil {
		return schema.Int(0)
	}
	return schema.Int(t.UnixMilli())
}

func (w *rolloutWriter) event(e outEvent) error { return w.line("event_msg", e, nil) }

// enterTurn opens the turn that a message belongs to. What stands before the
// first turn, or in none, is in no task.
func (w *rolloutWriter) enterTurn(m schema.Message) error {
	w.at(m.Time)
	if m.Turn == w.turn && (w.turnID != "" || m.Turn == 0) {
		return nil
	}
	if err := w.endTurn(); err != nil {
		return err
	}
	w.turn = m.Turn
	if m.Turn == 0 {
		return nil
	}
	w.turnID = format.DeriveLogID(fmt.Sprintf("ownlog:export:%s:%s:turn:%d", Name, w.req.Log, m.Turn)).String()
	return w.event(outEvent{Type: "task_started", TurnID: w.turnID})
}

// finish ends a session that was written anew. The CLI lists no session in which
// no message of the user is shown, so such a session shows its title.
func (w *rolloutWriter) finish() error {
	if !w.previewed {
		w.req.Report.Add(schema.NotInSource, codePreview, 1, "")
		if err := w.showUser([]string{cmp.Or(w.survey.title, "Imported session")}); err != nil {
			return err
		}
	}
	return w.endTurn()
}

// endTurn closes the open turn.
func (w *rolloutWriter) endTurn() error {
	if w.turnID == "" {
		return nil
	}
	e := outEvent{Type: "task_complete", TurnID: w.turnID}
	if w.lastWords != "" {
		words := w.lastWords
		e.LastAgentMessage = &words
	}
	w.turnID, w.lastWords = "", ""
	return w.event(e)
}

// completed tells what is shown of an item, in a paginated rollout.
func (w *rolloutWriter) completed(item any) error {
	now := w.milliseconds()
	return w.event(outEvent{Type: "item_completed", ThreadID: w.thread, TurnID: w.turnID, Item: item, StartedAtMS: now, CompletedAtMS: now})
}

// itemID names the next item that is shown.
func (w *rolloutWriter) itemID() string {
	w.items++
	return fmt.Sprintf("item-%d", w.items)
}

func (w *rolloutWriter) lose(code string, m schema.Message) {
	w.req.Report.Add(schema.Dropped, code, 1, fmt.Sprintf("entry %d", m.Seq))
}

func (w *rolloutWriter) change(code string, m schema.Message) {
	w.req.Report.Add(schema.Transformed, code, 1, fmt.Sprintf("entry %d", m.Seq))
}

// dataURI reads an image's bytes as a data URI.
func (w *rolloutWriter) dataURI(ref *schema.Blob) (string, error) {
	b, err := loadBlob(w.ctx, w.req.Store, ref)
	if err != nil {
		return "", err
	}
	return "data:" + ref.Media + ";base64," + base64.StdEncoding.EncodeToString(b), nil
}

// encode encodes what is written; JSON inside stays as it is.
func encode(v any) (jsontext.Value, error) {
	return json.Marshal(v, jsontext.PreserveRawStrings(true), jsontext.AllowInvalidUTF8(true))
}
