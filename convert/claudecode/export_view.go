package claudecode

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"github.com/ownlog/ownlog/convert"
	"github.com/ownlog/ownlog/format"
	"github.com/ownlog/ownlog/schema"
)

// exportView writes any log as a session of its own, from its live view.
func exportView(ctx context.Context, req convert.ExportRequest, s *survey) error {
	v, err := foldView(ctx, req, s.size)
	if err != nil {
		return err
	}
	defer v.load.Close()
	// The same log at the same size is the same session; one that has grown is
	// another, so that installing it never meets an older export.
	session := format.DeriveLogID(fmt.Sprintf("ownlog:export:%s:%s@%d", Name, req.Log, s.size)).String()
	w := newRecordWriter(ctx, req, s, session)
	name := "projects/" + s.project(req) + "/" + session + ".jsonl"
	return createFile(req.Out, name, func(out io.Writer) error {
		w.out = out
		if v.summarised(0) {
			if err := w.boundary(""); err != nil {
				return err
			}
		}
		if err := w.writeView(v, 0); err != nil {
			return err
		}
		v.reportState(req.Report)
		s.report(req.Report, w.seen)
		return w.finish(cmp.Or(s.title, w.firstPrompt))
	})
}

// continueTranscript writes the entries that were added to a fork of a mirrored
// session, after the records of the mirror.
func continueTranscript(ctx context.Context, req convert.ExportRequest, s *survey, out io.Writer) error {
	v := &foldedView{load: convert.NewEventLoader(ctx, req.Store, req.Log)}
	defer v.load.Close()
	if err := convert.Fold(ctx, req.Store, req.Log, 0, s.native, &v.state); err != nil {
		return err
	}
	leaf := v.state.LiveLeaf()
	if err := convert.Fold(ctx, req.Store, req.Log, s.native, s.size, &v.state); err != nil {
		return err
	}
	w := newRecordWriter(ctx, req, s, s.session)
	w.out, w.parent, w.begun = out, leaf, leaf != ""
	from := s.native
	if v.summarised(from) {
		// The tool starts from the boundary, so all that the view keeps follows it.
		if err := w.boundary(leaf); err != nil {
			return err
		}
		from = 0
	}
	if err := w.writeView(v, from); err != nil {
		return err
	}
	return w.finish(s.titleAfter)
}

// foldedView is a log's state and the entries to make its view from.
type foldedView struct {
	state schema.State
	load  *convert.EventLoader
}

func foldView(ctx context.Context, req convert.ExportRequest, size int64) (*foldedView, error) {
	v := &foldedView{load: convert.NewEventLoader(ctx, req.Store, req.Log)}
	return v, convert.Fold(ctx, req.Store, req.Log, 0, size, &v.state)
}

// summarised tells whether the view holds a summary from an entry at or after a
// position.
func (v *foldedView) summarised(from int64) bool {
	for m, err := range v.state.View(v.load.Load) {
		if err != nil {
			return false // the second reading reports it
		}
		if m.Summary && m.Role == schema.RoleUser && m.Seq >= from {
			return true
		}
	}
	return false
}

// reportState counts what is no content and has no place in the target.
func (v *foldedView) reportState(report *schema.Fidelity) {
	if _, ok := v.state.Definition(); ok {
		report.Add(schema.Dropped, codeDefinition, 1, "")
	}
	if n := int64(len(v.state.OpenPermissions())); n > 0 {
		report.Add(schema.Dropped, codeOpenAsk, n, "")
	}
}

// recordWriter writes Claude Code records, each hanging off the one before.
type recordWriter struct {
	ctx    context.Context
	req    convert.ExportRequest
	survey *survey
	out    io.Writer

	session string
	cwd     string
	remap   bool
	parent  string // uuid of the record before, empty: none
	clock   clock
	written int64
	begun   bool  // a message of the conversation was written
	seen    int64 // user messages and responses of the view

	firstPrompt string // for a title
	lastPrompt  string

	current *pendingCalls   // of the response written last
	taken   map[string]bool // tool_use ids in use
}

// pendingCalls are the calls of a response that wait for their results.
type pendingCalls struct {
	ids      map[schema.CallKey]string // tool_use id of each call that was written
	order    []schema.CallKey
	results  map[schema.CallKey]*schema.Message
	imported bool // the response stands in the part that is given back as it was
	from     int64
}

func newRecordWriter(ctx context.Context, req convert.ExportRequest, s *survey, session string) *recordWriter {
	w := &recordWriter{ctx: ctx, req: req, survey: s, session: session, cwd: s.cwd, taken: make(map[string]bool)}
	if to := req.Options[OptionCWD]; to != "" {
		w.cwd = to
		w.remap = req.Options[OptionRemap] == "true" && s.cwd != "" && s.cwd != to
	}
	return w
}

// writeView writes the messages of the view from the entry at position from on;
// of earlier responses only the results that came later.
func (w *recordWriter) writeView(v *foldedView, from int64) error {
	for m, err := range v.state.View(v.load.Load) {
		if err != nil {
			return err
		}
		if m.Role == schema.RoleTool {
			w.hold(m)
			continue
		}
		if !m.Injected {
			w.seen++
		}
		if err := w.answer(m.Seq >= from); err != nil {
			return err
		}
		if m.Seq < from {
			w.passOver(m, from)
			continue
		}
		if m.Role == schema.RoleModel {
			err = w.response(m)
		} else {
			err = w.message(m)
		}
		if err != nil {
			return err
		}
	}
	return w.answer(false)
}

// passOver notes the calls of a response that is in the target already.
func (w *recordWriter) passOver(m schema.Message, from int64) {
	w.current = nil
	if m.Role != schema.RoleModel {
		return
	}
	w.current = &pendingCalls{ids: make(map[schema.CallKey]string), results: make(map[schema.CallKey]*schema.Message), imported: true, from: from}
	for i := range m.Blocks {
		if b := &m.Blocks[i]; b.Type == schema.BlockToolCall && b.Kind != schema.CallServer {
			w.current.ids[b.CallKey] = b.VendorID
			w.current.order = append(w.current.order, b.CallKey)
			w.taken[b.VendorID] = true
		}
	}
}

// hold keeps a result until all of its response are there.
func (w *recordWriter) hold(m schema.Message) {
	if w.current == nil || w.current.ids[m.Result.CallKey] == "" {
		w.lose("result-without-call", m)
		return
	}
	w.current.results[m.Result.CallKey] = &m
}

// answer writes the results of the response written last, in the order of its
// calls. more: another message is written next, before which every call needs one.
func (w *recordWriter) answer(more bool) error {
	p := w.current
	w.current = nil
	if p == nil {
		return nil
	}
	for _, key := range p.order {
		m := p.results[key]
		if m == nil {
			continue
		}
		if p.imported && (m.Result.Content != nil && m.Seq < p.from || m.Result.Content == nil && !more) {
			continue
		}
		if err := w.result(p.ids[key], m); err != nil {
			return err
		}
	}
	return nil
}

func (w *recordWriter) lose(code string, m schema.Message) {
	w.req.Report.Add(schema.Dropped, code, 1, fmt.Sprintf("entry %d", m.Seq))
}

func (w *recordWriter) change(code string, m schema.Message) {
	w.req.Report.Add(schema.Transformed, code, 1, fmt.Sprintf("entry %d", m.Seq))
}

// finish ends the file with what the tool reads from there: the title and the
// leaf to go on from.
func (w *recordWriter) finish(title string) error {
	if w.written == 0 {
		return nil
	}
	if title = shorten(title, 200); title != "" {
		if err := w.line(titleRecord{Type: "custom-title", CustomTitle: title, SessionID: w.session}); err != nil {
			return err
		}
	}
	return w.line(lastPromptRecord{Type: "last-prompt", LastPrompt: shorten(w.lastPrompt, 200), LeafUUID: w.parent, SessionID: w.session})
}

// shorten cuts a text to its first line and to so many bytes.
func shorten(s string, limit int) string {
	s, _, _ = strings.Cut(strings.TrimSpace(s), "\n")
	if len(s) <= limit {
		return s
	}
	for limit > 0 && !utf8.RuneStart(s[limit]) {
		limit--
	}
	return s[:limit]
}
