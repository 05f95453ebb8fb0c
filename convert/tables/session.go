package tables

import (
	"encoding/base64"
	"strings"

	"github.com/ownlog/ownlog/format"
	"github.com/ownlog/ownlog/schema"
)

// sessionState gathers the session's row.
type sessionState struct {
	row    Session
	opened bool
	// other is set when there is more than vendor records from rows and side files.
	other bool
	turn  int64
	ended bool // the newest turn is known to have ended
}

func (s *sessionState) begin(p *projection) {
	s.row = p.key.sessionRow(p.own)
	s.row.Outcome = "none"
	if f := p.info.Fork; f != nil {
		s.row.ParentLogID, s.row.ForkSize = ptr(f.Log.String()), ptr(f.Size)
		s.row.ParentKind = ptr("fork")
	}
}

// see takes every event of the log, those of a fork's parent too: a fork goes on
// in the folder and under the definition that its parent had.
func (s *sessionState) see(p *projection, at place) {
	ev := at.ev
	if at.mine {
		if s.row.Started == nil {
			s.row.Started = at.time
		}
		s.row.Ended = latest(s.row.Ended, at.time)
	}
	if ev.Turn > s.turn {
		if at.mine {
			s.row.Turns++
		}
		s.turn, s.ended = ev.Turn, false
		s.row.Outcome = "open"
	}
	if ev.Type != schema.TypeVendorRecord || ev.Source == nil || ev.Source.Row == nil {
		s.other = true
	}
	if ev.Data == nil || p.scan.superseded(ev.Source) {
		return
	}
	switch data := ev.Data.(type) {
	case *schema.SessionOpened:
		s.open(p, data)
	case *schema.SessionUpdated:
		if data.Title != "" {
			s.row.Title = &data.Title
		}
	case *schema.SessionDefined:
		if data.Definition != nil {
			s.row.Definition = p.names.ptr(data.Definition.Digest)
		}
	case *schema.SessionForked:
		s.forked(p, data)
	case *schema.TurnFinished:
		if ev.Turn == s.turn || ev.Turn == 0 {
			s.row.Outcome, s.ended = string(data.Reason), true
		}
	}
	s.progress(at)
	if at.mine {
		s.count(at)
	}
}

// progress derives how the newest turn stands where the source does not say that
// it finished.
func (s *sessionState) progress(at place) {
	if s.ended || at.ev.Turn != s.turn || s.turn == 0 {
		return
	}
	switch data := at.ev.Data.(type) {
	case *schema.UserInterrupt:
		s.row.Outcome = string(schema.TurnInterrupted)
	case *schema.ModelFailed:
		s.row.Outcome = string(schema.TurnError)
	case *schema.PermissionRequested:
		s.row.Outcome = string(schema.TurnRequiresAction)
	case *schema.ModelOutput:
		s.row.Outcome = outputOutcome(data)
	case *schema.UserMessage, *schema.ModelRequested, *schema.ToolStarted, *schema.ToolResult, *schema.PermissionDecided:
		s.row.Outcome = "open"
	}
}

// outputOutcome says what a response means for its turn, in the providers' words
// for stop reasons.
func outputOutcome(out *schema.ModelOutput) string {
	switch out.StopReason {
	case "end_turn", "stop", "stop_sequence", "completed":
		return string(schema.TurnEnd)
	case "max_tokens", "length", "max_output_tokens":
		return string(schema.TurnMaxTokens)
	case "refusal", "content_filter", "content-filter":
		return string(schema.TurnRefusal)
	}
	return "open"
}

func (s *sessionState) open(p *projection, data *schema.SessionOpened) {
	s.opened = true
	s.row.CWD = last(s.row.CWD, some(data.CWD))
	s.row.Title = last(s.row.Title, some(data.Title))
	s.row.Agent = last(s.row.Agent, some(data.Agent))
	s.row.VendorVersion = last(s.row.VendorVersion, some(data.VendorVersion))
	if g := data.Git; g != nil {
		s.row.GitBranch = last(s.row.GitBranch, some(g.Branch))
		s.row.GitCommit = last(s.row.GitCommit, some(g.Commit))
		s.row.GitRepository = last(s.row.GitRepository, some(g.Repository))
	}
	if l := data.Link; l != nil {
		s.row.ParentSessionID = last(s.row.ParentSessionID, some(l.Session))
		s.row.ParentKind = last(s.row.ParentKind, some(l.Kind))
		s.row.ParentCallKey = last(s.row.ParentCallKey, some(string(l.CallKey)))
	}
}

func (s *sessionState) forked(p *projection, data *schema.SessionForked) {
	s.row.ParentKind = p.names.ptr("fork")
	if data.From != nil {
		s.row.ParentSessionID = last(s.row.ParentSessionID, some(data.From.VendorSession))
	}
}

func (s *sessionState) count(at place) {
	switch data := at.ev.Data.(type) {
	case *schema.UserMessage:
		// Pieces of one message have no content of their own before the first part.
		if (data.Origin == schema.OriginTyped || data.Origin == schema.OriginQueued || data.Origin == "") && opensMessage(at.ev, data) {
			s.row.UserMessages++
		}
	case *schema.UserInterrupt:
		s.row.Interrupts++
	case *schema.ContextCompacted:
		s.row.Compactions++
	case *schema.VendorRecord:
		if data.Damaged || data.Finding != "" {
			s.row.Malformed++
		}
	}
}

// opensMessage reports whether an event is a message or the first piece of one:
// later pieces repeat its message_id from rows of their own.
func opensMessage(ev *schema.Event, data *schema.UserMessage) bool {
	if data.MessageID == "" || ev.Source == nil || ev.Source.Row == nil {
		return true
	}
	return ev.Source.Row.ID == data.MessageID
}

func (s *sessionState) end(p *projection, head format.Head) *Session {
	row := s.row
	row.Kind = s.kind(head.Size)
	row.Project = project(row.GitRepository, row.CWD)
	if p.opts.NoText {
		row.Title = nil
	}
	row.Entries = head.Size
	row.HeadDigest = base64.RawURLEncoding.EncodeToString(head.Root[:])
	row.ModelCalls, row.FailedCalls, row.PeakContext = p.models.total, p.models.failures, p.models.peak
	row.ToolCalls, row.FailedTools = p.calls.total, p.calls.failures
	if p.opts.Fidelity != nil {
		row.Fidelity = p.opts.Fidelity(p.info.ID)
	}
	return &row
}

func (s *sessionState) kind(entries int64) string {
	switch {
	case entries > 0 && !s.other:
		return "assets"
	case s.row.Agent != nil || s.row.ParentKind != nil && *s.row.ParentKind == "subagent":
		return "subagent"
	}
	return "session"
}

// project names what a session works on: the last element of the repository's
// address, else of the folder.
func project(repository, cwd *string) *string {
	for _, s := range []*string{repository, cwd} {
		if s == nil {
			continue
		}
		name := strings.TrimRight(strings.ReplaceAll(*s, `\`, "/"), "/")
		name = strings.TrimSuffix(name, ".git")
		name = name[strings.LastIndexAny(name, "/:")+1:]
		if name != "" {
			return &name
		}
	}
	return nil
}
