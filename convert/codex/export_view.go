package codex

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/ownlog/ownlog/convert"
	"github.com/ownlog/ownlog/format"
	"github.com/ownlog/ownlog/schema"
)

// exportView writes any log as a rollout of its own, from its live view.
func exportView(ctx context.Context, req convert.ExportRequest, s *survey) error {
	v, err := foldView(ctx, req, s.size)
	if err != nil {
		return err
	}
	defer v.load.Close()
	w := newRolloutWriter(ctx, req, s)
	// The same log at the same size is the same session; one that has grown is
	// another, so that installing it never meets an older export.
	w.thread = exportedThread(req.Log, s.size)
	w.paginated = req.Options[OptionPaginated] == "true"
	w.clock = cmp.Or(lineTime(s.created), noTime)
	out, err := req.Out.Create(rolloutPath(req, w.clock, w.thread))
	if err != nil {
		return err
	}
	w.out = out
	if err = w.header(); err == nil {
		err = w.writeView(v, 0)
	}
	if err == nil {
		err = w.finish()
	}
	if err != nil {
		return errors.Join(err, abandon(out))
	}
	s.reportLosses(req.Report)
	return out.Close()
}

// exportedThread is the id of the session that a log is exported as.
func exportedThread(log format.LogID, size int64) string {
	return format.DeriveLogID(fmt.Sprintf("ownlog:export:%s:%s@%d", Name, log, size)).String()
}

// appendView writes the entries that were added to a fork of a mirrored session,
// after the records of the mirror.
func appendView(ctx context.Context, req convert.ExportRequest, s *survey, form rolloutForm, out io.Writer) error {
	v, err := foldView(ctx, req, s.size)
	if err != nil {
		return err
	}
	defer v.load.Close()
	w := newRolloutWriter(ctx, req, s)
	w.out, w.thread = out, s.session
	w.clock = cmp.Or(lineTime(s.last), lineTime(s.created), noTime)
	w.paginated, w.ordinal = form.paginated, form.next
	if err := w.writeView(v, s.native); err != nil {
		return err
	}
	s.reportLosses(req.Report)
	return w.endTurn()
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

// rolloutForm is how the records of a rollout are written.
type rolloutForm struct {
	bare      bool // without envelope, as in 2025
	paginated bool
	next      int64 // ordinal of the next record
}

// readForm finds out how the records of the session's own file are written.
func readForm(ctx context.Context, req convert.ExportRequest, s *survey) (form rolloutForm, err error) {
	var line object
	err = convert.WalkEvents(ctx, req.Store, req.Log, s.start, s.native, func(e convert.LogEvent) error {
		if e.Event == nil || e.Event.Source == nil || e.Event.Source.Part > 0 {
			return nil
		}
		record, err := convert.RecordBytes(ctx, req.Store, e.Event, e.Raw)
		if err != nil {
			return fmt.Errorf("entry %d: %w", e.Seq, err)
		}
		line.parseText(record)
		if e.Seq == s.start {
			form.bare = line.get("payload") == nil
		}
		if n, ok := line.integer("ordinal"); ok {
			form.paginated, form.next = true, n+1
		}
		return nil
	})
	return form, err
}

// writeView writes the messages of the view from the entry at position from on;
// of earlier responses only the results that came later.
func (w *rolloutWriter) writeView(v *foldedView, from int64) error {
	for m, err := range v.state.View(v.load.Load) {
		if err != nil {
			return err
		}
		if m.Role == schema.RoleTool {
			w.hold(m)
			continue
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

// pendingCalls are the calls of a response that wait for their results.
type pendingCalls struct {
	calls    []pendingCall
	results  map[schema.CallKey]*schema.Message
	imported bool  // the response stands in the part that is given back as it was
	from     int64 // where that part ends
}

// pendingCall is a call and what it is called in the rollout.
type pendingCall struct {
	key    schema.CallKey
	id     string
	answer string // type of the item that answers it
	name   string
	args   []byte // a JSON value
}

// passOver notes the calls of a response that is in the target already.
func (w *rolloutWriter) passOver(m schema.Message, from int64) {
	w.current = nil
	if m.Role != schema.RoleModel {
		return
	}
	w.current = &pendingCalls{results: make(map[schema.CallKey]*schema.Message), imported: true, from: from}
	for i := range m.Blocks {
		b := &m.Blocks[i]
		if b.Type != schema.BlockToolCall || b.Kind == schema.CallServer {
			continue
		}
		c := pendingCall{key: b.CallKey, id: b.VendorID, answer: itemFunctionOutput, name: b.Name, args: b.Args}
		if b.Kind == schema.CallCustom {
			c.answer = itemCustomOutput
		}
		w.current.calls = append(w.current.calls, c)
	}
}

// hold keeps a result until all of its response are there.
func (w *rolloutWriter) hold(m schema.Message) {
	known := w.current != nil && slices.ContainsFunc(w.current.calls, func(c pendingCall) bool { return c.key == m.Result.CallKey })
	if !known {
		if w.current == nil || !w.current.imported {
			w.lose(codeOrphanResult, m)
		}
		return
	}
	w.current.results[m.Result.CallKey] = &m
}

// answer writes the results of the response written last, in the order of its
// calls. more: another message is written next, before which every call needs one.
func (w *rolloutWriter) answer(more bool) error {
	p := w.current
	w.current = nil
	if p == nil {
		return nil
	}
	for _, c := range p.calls {
		m := p.results[c.key]
		if m == nil {
			continue
		}
		if p.imported && (m.Result.Content != nil && m.Seq < p.from || m.Result.Content == nil && !more) {
			continue
		}
		if err := w.result(c, m); err != nil {
			return err
		}
	}
	return nil
}

// reportLosses counts what has no place in a rollout that is written anew.
func (s *survey) reportLosses(report *schema.Fidelity) {
	for _, l := range []struct {
		code string
		n    int64
	}{
		{"state-usage", s.lost.usage}, {"state-cost", s.lost.cost}, {"state-stop-reason", s.lost.stopReasons},
		{"state-permission", s.lost.permissions}, {"state-interrupt", s.lost.interrupts},
		{"state-file-change", s.lost.fileChanges}, {"state-link", s.lost.links}, {"state-note", s.lost.notes},
		{"state-vendor-record", s.lost.vendorRecords},
	} {
		report.Add(schema.Dropped, l.code, l.n, "")
	}
}

// lostCounts count what a rollout that is written anew does not say.
type lostCounts struct {
	usage, cost, stopReasons, permissions, interrupts, fileChanges, links, notes, vendorRecords int64
}

func (l *lostCounts) take(data schema.Data) {
	switch d := data.(type) {
	case *schema.ModelOutput:
		if d.Usage != nil {
			l.usage++
		}
		if d.CostNUSD != nil {
			l.cost++
		}
		if d.StopReason != "" {
			l.stopReasons++
		}
	case *schema.PermissionRequested, *schema.PermissionDecided:
		l.permissions++
	case *schema.UserInterrupt:
		l.interrupts++
	case *schema.FileChanged:
		l.fileChanges++
	case *schema.SessionLinked:
		l.links++
	case *schema.NoteAdded:
		l.notes++
	case *schema.VendorRecord:
		l.vendorRecords++
	}
}
