package claudecode

import (
	"context"
	"maps"
	"slices"

	"github.com/ownlog/ownlog/convert"
	"github.com/ownlog/ownlog/schema"
)

// survey is what a log says about itself, and what it is.
type survey struct {
	mirrored bool // the first entry was made from a Claude Code transcript
	rows     bool // the log holds side files
	session  string
	agent    string
	cwd      string
	title    string
	// titleAfter is the title that entries of a fork gave it.
	titleAfter string
	vendor     string // whose records the log began with; empty: written natively
	version    string
	branch     string
	children   []string // agents that the session started
	size       int64
	native     int64 // position of the first entry that was not imported, size if none

	state     map[string]int64      // what has no place in a session written anew, by code
	users     int64                 // user messages
	responses map[response]struct{} // model responses
}

// surveyLog reads a log for what an export needs to know beforehand.
func surveyLog(ctx context.Context, req convert.ExportRequest) (*survey, error) {
	info, err := req.Store.Info(ctx, req.Log)
	if err != nil {
		return nil, err
	}
	s := &survey{size: info.Size, state: make(map[string]int64), responses: make(map[response]struct{})}
	if req.Size >= 0 && req.Size < s.size {
		s.size = req.Size
	}
	s.native = s.size
	children := make(map[string]bool)
	err = convert.WalkEvents(ctx, req.Store, req.Log, 0, s.size, func(e convert.LogEvent) error {
		if e.Event == nil {
			return nil
		}
		src := e.Event.Source
		if e.Seq == 0 && src != nil {
			s.vendor = src.Vendor
			s.mirrored, s.rows = src.Vendor == Name && src.Row == nil, src.Vendor == Name && src.Row != nil
		}
		if src == nil && e.Seq < s.native {
			s.native = e.Seq
		}
		s.count(e.Event)
		switch d := e.Event.Data.(type) {
		case *schema.SessionOpened:
			s.opened(d)
		case *schema.SessionUpdated:
			if d.Title != "" {
				s.title = d.Title
				if src == nil {
					s.titleAfter = d.Title
				}
			}
		case *schema.SessionLinked:
			if isPlainName(d.Child) {
				children[d.Child] = true
			}
		}
		return nil
	})
	s.children = slices.Sorted(maps.Keys(children))
	return s, err
}

// opened takes what session.opened says; the first word about the session and
// its place counts, as the tool's project folder follows from it.
func (s *survey) opened(d *schema.SessionOpened) {
	if s.session == "" {
		s.session, s.agent, s.version = d.VendorSession, d.Agent, d.VendorVersion
	}
	if s.cwd == "" {
		s.cwd = d.CWD
	}
	if d.Title != "" {
		s.title = d.Title
	}
	if d.Git != nil && s.branch == "" {
		s.branch = d.Git.Branch
	}
}

// count notes what a session written anew cannot say. Usage counts once for each
// response.
func (s *survey) count(ev *schema.Event) {
	switch d := ev.Data.(type) {
	case *schema.UserMessage:
		s.users++
	case *schema.ModelOutput:
		at := response{ev.Turn, ev.Step}
		if _, seen := s.responses[at]; !seen && d.Usage != nil {
			s.state[codeUsage]++
		}
		s.responses[at] = struct{}{}
		if d.CostNUSD != nil {
			s.state[codeCost]++
		}
	case *schema.ModelRequested:
		s.state[codeRequest]++
	case *schema.ModelFailed:
		s.state[codeFailure]++
	case *schema.PermissionDecided:
		s.state[codeDecision]++
	case *schema.UserInterrupt:
		s.state[codeInterrupt]++
	case *schema.VendorRecord:
		s.state[codeVendorRecord]++
	}
}

// report adds the counts, and how much of the conversation is not in the view.
func (s *survey) report(report *schema.Fidelity, written int64) {
	for code, n := range s.state {
		report.Add(schema.Dropped, code, n, "")
	}
	report.Add(schema.Dropped, codeNotInView, max(0, s.users+int64(len(s.responses))-written), "")
}

// Codes of the report about what is no content.
const (
	codeUsage        = schema.StatePrefix + "usage"
	codeCost         = schema.StatePrefix + "cost"
	codeRequest      = schema.StatePrefix + "provider-request"
	codeFailure      = schema.StatePrefix + "failed-request"
	codeDecision     = schema.StatePrefix + "permission-decision"
	codeInterrupt    = schema.StatePrefix + "interrupt"
	codeVendorRecord = schema.StatePrefix + "vendor-record"
	codeSynthetic    = schema.StatePrefix + "synthetic-output"
	codeNotInView    = schema.StatePrefix + "not-in-view"
	codeDefinition   = schema.StatePrefix + "definition"
	codeOpenAsk      = schema.StatePrefix + "open-permission"
	codePhase        = schema.StatePrefix + "phase"
	codeIndex        = schema.StatePrefix + "sessions-index" // the tool makes none any more
)
