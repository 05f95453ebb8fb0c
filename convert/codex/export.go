package codex

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/ownlog/ownlog/convert"
	"github.com/ownlog/ownlog/format"
	"github.com/ownlog/ownlog/schema"
)

// Options of an export, by the names of the command's flags.
const (
	// OptionOnly, if `transcript`, leaves out the rollouts that the session's
	// history begins in.
	OptionOnly = "only"
	// OptionPaginated, if `true`, writes a rollout whose tool calls are shown,
	// which only versions from about 0.146 on take.
	OptionPaginated = "paginated"
	// OptionProvider is the name, in the target's configuration, of the
	// provider that the session is resumed with. Empty: the session's own if it
	// is a Codex session, else `openai`, which is built in.
	OptionProvider = "provider"
	// OptionCWD is the working directory of the exported session. Empty: the
	// session's own.
	OptionCWD = "cwd"
	// OptionRemap, if `true`, also replaces the session's own working directory by
	// OptionCWD at the beginning of strings in tool arguments. It has no effect on
	// records that are given back as they were.
	OptionRemap = "remap"
	// OptionSystem, if `keep`, gives the session's system prompt to the CLI, which
	// uses it instead of its own. A prompt of another vendor's tool is left out
	// otherwise: it speaks of tools that are not there.
	OptionSystem = "system"
	// OptionInstall, if `true`, says that the files go into a home of the tool.
	OptionInstall = "install"
	// OptionRewrite, if `true`, writes a Codex session anew from its view instead
	// of giving back its records.
	OptionRewrite = "rewrite"
)

// Export implements [convert.Vendor]. A session imported from Codex is given
// back byte for byte, decompressed; entries that were added to a fork of it
// follow as records of their own. Any other log is written anew from its view.
func (v Vendor) Export(ctx context.Context, req convert.ExportRequest) error {
	s, err := surveyLog(ctx, req)
	if err != nil {
		return err
	}
	if req.Report == nil {
		req.Report = new(schema.Fidelity)
	}
	switch {
	case s.rows:
		return exportSide(ctx, req, s)
	case s.mirrored && !s.rewritten(req):
		return exportMirror(ctx, req, s)
	}
	return exportView(ctx, req, s)
}

// rewritten tells whether a Codex session is to be written anew: because that is
// asked for, or because a continued fork is to be installed, where the session it
// was forked from has its id already.
func (s *survey) rewritten(req convert.ExportRequest) bool {
	return req.Options[OptionRewrite] == "true" || req.Options[OptionInstall] == "true" && s.native < s.size
}

// survey is what a log says about itself, and what it is.
type survey struct {
	mirrored bool // the first entry was made from a rollout
	rows     bool // the log holds side files
	session  string
	created  string // time of the session's first record
	cwd      string
	title    string
	provider string
	from     string // vendor of the first entry
	base     *format.Fork
	start    int64 // first entry of the session's own file
	size     int64
	native   int64 // first entry that was not imported, size if none
	define   *schema.Blob
	rewound  bool   // an entry that was not imported changed what came before it
	last     string // time of the last entry that has one
	lost     lostCounts
}

// surveyLog reads a log for what an export needs to know beforehand.
func surveyLog(ctx context.Context, req convert.ExportRequest) (*survey, error) {
	info, err := req.Store.Info(ctx, req.Log)
	if err != nil {
		return nil, err
	}
	s := &survey{size: info.Size}
	if req.Size >= 0 && req.Size < s.size {
		s.size = req.Size
	}
	s.native = s.size
	err = convert.WalkEvents(ctx, req.Store, req.Log, 0, s.size, func(e convert.LogEvent) error {
		if e.Event == nil {
			return nil
		}
		src := e.Event.Source
		if e.Seq == 0 && src != nil {
			s.from = src.Vendor
			s.mirrored, s.rows = src.Vendor == Name && src.Row == nil, src.Vendor == Name && src.Row != nil
		}
		if src == nil && e.Seq < s.native {
			s.native = e.Seq
		}
		s.take(e)
		return nil
	})
	return s, err
}

// take takes up what an entry says about the session as a whole.
func (s *survey) take(e convert.LogEvent) {
	if s.created == "" {
		s.created = e.Event.Time
	}
	if e.Event.Time != "" {
		s.last = e.Event.Time
	}
	if !s.mirrored || e.Event.Source == nil {
		s.lost.take(e.Event.Data)
	}
	switch d := e.Event.Data.(type) {
	case *schema.ContextCompacted, *schema.BranchSelected:
		s.rewound = s.rewound || e.Event.Source == nil
	case *schema.SessionOpened:
		s.opened(e, d)
	case *schema.SessionForked:
		if d.From != nil && d.From.Log != "" && e.Event.Source != nil {
			if log, err := format.ParseLogID(d.From.Log); err == nil {
				s.base, s.start = &format.Fork{Log: log, Size: d.From.Size}, d.From.Size
			}
		}
	case *schema.SessionDefined:
		s.define = d.Definition
	case *schema.SessionUpdated:
		if d.Title != "" {
			s.title = d.Title
		}
	}
}

func (s *survey) opened(e convert.LogEvent, d *schema.SessionOpened) {
	if e.Event.Source == nil && s.session != "" {
		return // said again by whoever went on with the session
	}
	s.session, s.created = d.VendorSession, e.Event.Time
	if t := sessionTime(e.Raw); t != "" {
		s.created = t
	}
	if d.CWD != "" {
		s.cwd = d.CWD
	}
	if d.Title != "" {
		s.title = d.Title
	}
	if d.Provider != "" {
		s.provider = d.Provider
	}
	if d.Model != nil && s.provider == "" {
		s.provider = d.Model.Provider
	}
}

// sessionTime returns when the tool says that a session began, which is a little
// before it wrote the first line; the name of the file has it.
func sessionTime(record []byte) string {
	var o object
	o.parseText(record)
	if payload := o.get("payload"); payload != nil {
		o.parse(payload)
	}
	return eventTime(o.str("timestamp"))
}

// exportMirror gives the records of a rollout back, and those of the rollouts
// that its history begins in: the CLI cannot read it without them.
func exportMirror(ctx context.Context, req convert.ExportRequest, s *survey) error {
	var form rolloutForm
	if s.native < s.size {
		var err error
		if form, err = readForm(ctx, req, s); err != nil {
			return err
		}
		if s.rewound || form.bare {
			// No record can follow that says what happened, or none that any version
			// reads.
			req.Report.Add(schema.Transformed, codeRewritten, 1, fmt.Sprintf("entry %d", s.native))
			return exportView(ctx, req, s)
		}
	}
	if s.base != nil && req.Options[OptionOnly] != "transcript" {
		parent := req
		parent.Log, parent.Size, parent.SHA256 = s.base.Log, -1, ""
		if err := (Vendor{}).Export(ctx, parent); err != nil {
			return fmt.Errorf("the session that the history begins in: %w", err)
		}
	}
	out, err := req.Out.Create(rolloutPath(req, s.created, s.name(req.Log)))
	if err != nil {
		return err
	}
	next, err := convert.ExportTranscript(ctx, req, convert.TranscriptRange{From: s.start, To: s.size}, out)
	if err == nil && next < s.size {
		err = appendView(ctx, req, s, form, out)
	}
	if err != nil {
		return errors.Join(err, abandon(out))
	}
	req.Report.Add(schema.Preserved, "entry", next-s.start, "")
	return out.Close()
}

// abandon drops an output that is not complete, if it can be dropped.
func abandon(out io.WriteCloser) error {
	if a, ok := out.(interface{ Abort() error }); ok {
		return a.Abort()
	}
	return nil
}

// name is the session's id as a part of a file name; an id that is no such part
// is replaced by the log's.
func (s *survey) name(log format.LogID) string {
	if len(s.session) > maxNamePart || s.session == "" {
		return log.String()
	}
	for i := range len(s.session) {
		c := s.session[i]
		if c != '-' && c != '_' && (c < '0' || c > '9') && (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') {
			return log.String()
		}
	}
	return s.session
}

const maxNamePart = 64

// rolloutPath names a rollout as the CLI does, except that the time is UTC: the
// CLI takes the local one, which is nobody else's. A file that is installed gets
// the local one, so that it meets the original if that is there.
func rolloutPath(req convert.ExportRequest, created, name string) string {
	t, err := schema.ParseTime(created)
	if err != nil {
		t = time.Unix(0, 0)
	}
	zone := time.UTC
	if req.Options[OptionInstall] == "true" {
		zone = time.Local
	}
	return t.In(zone).Format("sessions/2006/01/02/rollout-2006-01-02T15-04-05-") + name + ".jsonl"
}

// exportSide writes the newest state of a session's side files: the lines of
// session_index.jsonl, and the rows of each table as lines.
func exportSide(ctx context.Context, req convert.ExportRequest, s *survey) error {
	files := make(map[string][]byte)
	var order []string
	err := convert.LatestRows(ctx, req.Store, req.Log, s.size, func(row schema.Row, record []byte) error {
		if _, ok := files[row.Table]; !ok {
			order = append(order, row.Table)
		}
		files[row.Table] = append(append(files[row.Table], record...), '\n')
		return nil
	})
	if err != nil {
		return err
	}
	for _, table := range order {
		out, err := req.Out.Create(table + ".jsonl")
		if err != nil {
			return err
		}
		if _, err := out.Write(files[table]); err != nil {
			return errors.Join(err, abandon(out))
		}
		if err := out.Close(); err != nil {
			return err
		}
	}
	return nil
}
