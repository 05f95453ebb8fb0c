package schema

import (
	"cmp"
	"slices"
)

// viewWriter turns units into messages, loading one unit's entries at a time.
type viewWriter struct {
	*viewBuilder
	units  []*unit
	vendor *vendorView // the view that the current unit is of
	yield  func(Message, error) bool
}

func (w *viewWriter) write(yield func(Message, error) bool) {
	w.yield = yield
	for i, u := range w.units {
		ok, err := w.writeUnit(i, u)
		if err != nil {
			yield(Message{}, err)
			return
		}
		if !ok {
			return
		}
	}
}

// writeUnit reports false when the reader wants no more.
func (w *viewWriter) writeUnit(i int, u *unit) (bool, error) {
	switch u.kind {
	case unitUser:
		return w.writeUser(u)
	case unitSystem:
		return w.writeSystem(u)
	case unitResponse:
		return w.writeResponse(u)
	case unitVendor:
		return w.writeVendor(i, u)
	default:
		return w.writeSummary(u)
	}
}

// message starts the message of an entry.
func (w *viewWriter) message(entry int32, role Role) (Message, *Event, error) {
	ev, err := w.event(entry)
	if err != nil {
		return Message{}, nil, err
	}
	f := &w.s.facts[w.d.entries[entry].fact]
	return Message{Role: role, Seq: f.seq, Time: ev.Time, Turn: f.turn, Step: f.step}, ev, nil
}

func (w *viewWriter) writeUser(u *unit) (bool, error) {
	var msg Message
	for i, e := range append([]int32{u.entry}, u.more...) {
		piece, ev, err := w.message(e, RoleUser)
		if err != nil {
			return false, err
		}
		data, ok := ev.Data.(*UserMessage)
		if !ok {
			return false, w.mismatch(e, ev)
		}
		if i == 0 {
			msg = piece
			msg.Origin, msg.Summary = data.Origin, data.Origin == OriginSummary
		}
		msg.Content = append(msg.Content, data.Content...)
		msg.Rendered = append(msg.Rendered, data.Rendered...)
		msg.From, msg.To = cmp.Or(msg.From, data.From), cmp.Or(msg.To, data.To)
		msg.addItem(data.ItemID)
	}
	if len(msg.Content) == 0 && len(msg.Rendered) == 0 {
		return true, nil
	}
	return w.yield(msg, nil), nil
}

func (w *viewWriter) writeSystem(u *unit) (bool, error) {
	msg, ev, err := w.message(u.entry, u.role)
	if err != nil {
		return false, err
	}
	data, ok := ev.Data.(*SystemMessage)
	if !ok {
		return false, w.mismatch(u.entry, ev)
	}
	msg.Injected = true
	msg.Kind, msg.Content, msg.Placement, msg.RenderedAlone = data.Kind, data.Content, data.Placement, data.RenderedAlone
	msg.addItem(data.ItemID)
	return w.yield(msg, nil), nil
}

// writeResponse writes a response and the results of its calls.
func (w *viewWriter) writeResponse(u *unit) (bool, error) {
	r := &w.d.responses[u.resp]
	if r.blocks == 0 || w.isFailed(r) {
		return true, nil
	}
	msg, err := w.response(r)
	if err != nil {
		return false, err
	}
	if !w.yield(msg, nil) {
		return false, nil
	}
	answered, open := w.results(r)
	for _, a := range answered {
		result, err := w.answer(a)
		if err != nil {
			return false, err
		}
		if !w.yield(result, nil) {
			return false, nil
		}
	}
	for _, c := range open {
		if !w.yield(w.unanswered(c), nil) {
			return false, nil
		}
	}
	return true, nil
}

// response puts the pieces of a response together. It stands at its first
// piece; its blocks go by their positions, where all pieces say theirs.
func (w *viewWriter) response(r *response) (Message, error) {
	type piece struct {
		position int64
		blocks   []Block
	}
	var msg Message
	var pieces []piece
	for i, e := range r.pieces {
		m, ev, err := w.message(e, RoleModel)
		if err != nil {
			return Message{}, err
		}
		data, ok := ev.Data.(*ModelOutput)
		if !ok {
			return Message{}, w.mismatch(e, ev)
		}
		if i == 0 {
			msg = m
		}
		p := piece{blocks: data.Blocks}
		if data.Block != nil {
			p.position = *data.Block
		}
		if len(p.blocks) > 0 {
			pieces = append(pieces, p)
		}
		msg.Provider, msg.API, msg.Model = cmp.Or(data.Provider, msg.Provider), cmp.Or(data.API, msg.API), cmp.Or(data.Model, msg.Model)
		msg.ResponseID = cmp.Or(data.ResponseID, msg.ResponseID)
		msg.StopReason = cmp.Or(data.StopReason, msg.StopReason)
		if data.Usage != nil {
			msg.Usage = data.Usage
		}
		if data.CostNUSD != nil {
			msg.CostNUSD = data.CostNUSD
		}
		msg.Synthetic = msg.Synthetic || data.Synthetic
		msg.Aborted = msg.Aborted || data.Aborted
		msg.Unfinished = msg.Unfinished || data.Unfinished
		msg.Summary = msg.Summary || data.Summary
		msg.addItem(data.ItemID)
	}
	if r.positions {
		slices.SortStableFunc(pieces, func(a, b piece) int { return cmp.Compare(a.position, b.position) })
	}
	for _, p := range pieces {
		msg.Blocks = append(msg.Blocks, p.blocks...)
	}
	return msg, nil
}

// answer is an entry that answers a call.
type answer struct {
	call  *call
	entry int32
}

// results returns the answers to the calls of a response in log order, and the
// calls without one in call order. An answer on the live branch goes before
// those beside it; of several the last counts.
func (w *viewWriter) results(r *response) (answered []answer, open []*call) {
	for _, i := range r.calls {
		c := &w.d.calls[i]
		if a := w.lastAnswer(c); a != noRef {
			answered = append(answered, answer{c, a})
		} else if c.kind != CallServer {
			open = append(open, c)
		}
	}
	slices.SortFunc(answered, func(a, b answer) int { return cmp.Compare(a.entry, b.entry) })
	return answered, open
}

func (w *viewWriter) lastAnswer(c *call) int32 {
	for i := len(c.results) - 1; i >= 0; i-- {
		if w.branch.on[w.d.entries[c.results[i]].node] {
			return c.results[i]
		}
	}
	if n := len(c.results); n > 0 {
		return c.results[n-1]
	}
	return noRef
}

func (w *viewWriter) answer(a answer) (Message, error) {
	msg, ev, err := w.message(a.entry, RoleTool)
	if err != nil {
		return Message{}, err
	}
	data, ok := ev.Data.(*ToolResult)
	if !ok {
		return Message{}, w.mismatch(a.entry, ev)
	}
	msg.Result = &Result{
		CallKey: a.call.key, VendorID: cmp.Or(data.VendorID, a.call.vendorID), Name: a.call.name,
		Status: data.Status, Content: data.Content, Shape: data.Shape, ExitCode: data.ExitCode, Cleared: data.Cleared,
	}
	if msg.Result.Content == nil {
		msg.Result.Content = []Part{}
	}
	return msg, nil
}

// unanswered is the result of a call that the log leaves open.
func (w *viewWriter) unanswered(c *call) Message {
	r := w.d.responses[c.response]
	msg := Message{Role: RoleTool, Seq: c.seq, Turn: r.key.turn, Step: r.key.step}
	msg.Result = &Result{CallKey: c.key, VendorID: c.vendorID, Name: c.name, Status: StatusUnknown}
	switch w.d.callState(c) {
	case CallRecovered:
		msg.Result.Recovered, msg.Result.OutcomeSeq = true, c.endSeq
		msg.Result.Status, msg.Result.ExitCode = c.outcome.status, copyInt(c.outcome.exit)
	case CallWaiting, CallNotStarted:
		msg.Result.NotStarted = true
	}
	return msg
}

// writeSummary writes the summary that stands in a compaction, or the marker in
// front of one.
func (w *viewWriter) writeSummary(u *unit) (bool, error) {
	msg, ev, err := w.message(u.entry, RoleUser)
	if err != nil {
		return false, err
	}
	data, ok := ev.Data.(*ContextCompacted)
	if !ok {
		return false, w.mismatch(u.entry, ev)
	}
	if u.kind == unitMarker {
		msg.Origin = OriginSynthetic
		msg.Content = []Part{{Type: PartText, Text: data.Marker}}
		return data.Marker.IsZero() || w.yield(msg, nil), nil
	}
	msg.Summary, msg.Origin = true, OriginSummary
	if data.Seal != nil {
		sealed := msg
		sealed.Role = RoleModel
		sealed.Provider, sealed.API, sealed.Model = data.Seal.Provider, data.Seal.API, data.Seal.Model
		sealed.Blocks = []Block{{Type: BlockOpaque, Seal: data.Seal}}
		if !w.yield(sealed, nil) {
			return false, nil
		}
	}
	msg.Content = data.Summary
	return len(msg.Content) == 0 || w.yield(msg, nil), nil
}

func (m *Message) addItem(id string) {
	if id != "" {
		m.ItemIDs = append(m.ItemIDs, id)
	}
}
