package opencode

import (
	"github.com/go-json-experiment/json/jsontext"

	"github.com/ownlog/ownlog/convert"
	"github.com/ownlog/ownlog/schema"
)

// messageInfo is the data of a message row, or a message file.
type messageInfo struct {
	ID   string `json:"id"` // in files
	Role string `json:"role"`
	Time struct {
		Created   jsontext.Value `json:"created"`
		Completed jsontext.Value `json:"completed"`
	} `json:"time"`
	Agent string       `json:"agent"`
	Model *vendorModel `json:"model"` // of a user message

	// Of assistants.
	ParentID   string         `json:"parentID"`
	ProviderID string         `json:"providerID"`
	ModelID    string         `json:"modelID"`
	Finish     string         `json:"finish"`
	Summary    jsontext.Value `json:"summary"` // true: a compaction's; of a user message: an object
	Error      *messageError  `json:"error"`
}

type messageError struct {
	Name string `json:"name"`
	Data struct {
		Message    string         `json:"message"`
		StatusCode jsontext.Value `json:"statusCode"`
	} `json:"data"`
}

// abortedError is the name of the error of a response that a person stopped.
// Its parts are sent again, those of other errors are not.
const abortedError = "MessageAbortedError"

func (m *mapper) mapMessage(rec record, run *convert.Run) {
	var info messageInfo
	if err := decodeMessage(rec.data, &info); err != nil || rec.data.Kind() != '{' {
		m.unreadable(rec, run, "unexpected-type")
		return
	}
	if rec.created == nil {
		rec.created = milliseconds(info.Time.Created)
	}
	if rec.file && info.ID != "" {
		rec.messageID = info.ID
	} else {
		rec.messageID = rec.id
	}
	m.named(rec.id, rec.messageID)
	switch info.Role {
	case roleUser:
		m.mapUser(rec, &info, run)
	case roleAssistant:
		m.mapAssistant(rec, &info, run)
	default:
		m.unreadable(rec, run, "unknown-role")
	}
}

func (m *mapper) mapUser(rec record, info *messageInfo, run *convert.Run) {
	msg := m.messages[rec.messageID]
	if msg == nil {
		m.turns++
		msg = &message{role: roleUser, turn: m.turns}
		m.messages[rec.messageID] = msg
	}
	msg.lost = false
	emit(run, rec.created, schema.ActorUser, response{turn: msg.turn}, &schema.UserMessage{
		MessageID: rec.messageID, Content: []schema.Part{}, Origin: schema.OriginTyped,
		Agent: info.Agent, Model: info.Model.neutral(),
	})
}

func (m *mapper) mapAssistant(rec record, info *messageInfo, run *convert.Run) {
	msg := m.messages[rec.messageID]
	if msg == nil {
		msg = &message{role: roleAssistant, turn: m.turns}
		if parent := m.messages[info.ParentID]; parent != nil {
			msg.turn = parent.turn
		} else if info.ParentID != "" {
			m.find("parent-message-missing", rec)
		}
		m.steps[msg.turn]++
		msg.first, msg.step = m.steps[msg.turn], m.steps[msg.turn]
		m.messages[rec.messageID] = msg
	}
	msg.provider, msg.model, msg.lost = info.ProviderID, info.ModelID, false
	at := response{msg.turn, msg.first} // later step-starts may have moved on
	aborted := info.Error != nil && info.Error.Name == abortedError
	if aborted {
		emit(run, rec.created, schema.ActorUser, at, &schema.UserInterrupt{Scope: "turn"})
	}
	out := &schema.ModelOutput{
		MessageID: rec.messageID, Provider: info.ProviderID, Model: info.ModelID, StopReason: info.Finish,
		Blocks: []schema.Block{}, Aborted: aborted,
		Summary:    info.Summary.Kind() == 't',
		Unfinished: info.Finish == "" && milliseconds(info.Time.Completed) == nil && info.Error == nil,
	}
	emit(run, rec.created, schema.ActorModel, at, out)
	if info.Error != nil {
		status, _ := integer(info.Error.Data.StatusCode)
		failed := &schema.ModelFailed{MessageID: rec.messageID, Class: errorClass(info.Error.Name, status), HTTPStatus: status}
		if info.Error.Data.Message != "" {
			failed.Message = m.text(run, info.Error.Data.Message)
		}
		emit(run, milliseconds(info.Time.Completed), schema.ActorSystem, at, failed)
	}
}

// errorClass says what to do about an error, from its name in the tool and the
// status of the provider's answer.
func errorClass(name string, status int64) schema.ErrorClass {
	switch name {
	case abortedError:
		return schema.ErrorCancelled
	case "ProviderAuthError":
		return schema.ErrorAuth
	case "ContextOverflowError":
		return schema.ErrorContextOverflow
	case "APIError":
		switch {
		case status == 429:
			return schema.ErrorRateLimit
		case status == 529 || status == 503:
			return schema.ErrorOverloaded
		case status == 401 || status == 403:
			return schema.ErrorAuth
		case status >= 400 && status < 500:
			return schema.ErrorBadRequest
		case status >= 500:
			return schema.ErrorServer
		case status == 0:
			return schema.ErrorNetwork
		}
	}
	return schema.ErrorOther
}
