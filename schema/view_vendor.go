package schema

import "slices"

// vendorView is a whole history that a vendor wrote into a compaction. Its calls
// carry the vendor's ids alone; the log says which calls they were.
type vendorView struct {
	entry int32
	data  *ContextCompacted
	seq   int64
	turn  int64
	// left counts, by vendor id, the answers in the view that no call has taken.
	left map[string]int
	// skip counts, by vendor id, the calls of the log to pass over: the view
	// holds the last of those that have the id.
	skip  map[string]int
	calls map[string][]int32 // of the log, before the compaction, by vendor id
	made  int64              // keys given to calls that the log does not know
	asked map[string][]viewCall
}

// viewCall is a call in a vendor's view.
type viewCall struct {
	key  CallKey
	name string
	ref  int32 // the call of the log, noRef: none
}

// writeVendor writes one message of a vendor's view.
func (w *viewWriter) writeVendor(i int, u *unit) (bool, error) {
	if w.vendor == nil || w.vendor.entry != u.entry {
		v, err := w.openVendor(i, u.entry)
		if err != nil {
			return false, err
		}
		w.vendor = v
	}
	v := w.vendor
	if u.at >= len(v.data.View) {
		return true, nil
	}
	m := &v.data.View[u.at]
	msg := Message{Role: m.Role, Seq: v.seq, Turn: v.turn}
	msg.addItem(m.ItemID)
	switch m.Role {
	case RoleTool:
		msg.Result = w.vendorResult(m)
		return w.yield(msg, nil), nil
	case RoleModel:
		return w.writeVendorOutput(msg, m)
	}
	msg.Content = m.Content
	return len(msg.Content) == 0 || w.yield(msg, nil), nil
}

// openVendor loads a vendor's view, whose first message still shown is unit i.
func (w *viewWriter) openVendor(i int, entry int32) (*vendorView, error) {
	ev, err := w.event(entry)
	if err != nil {
		return nil, err
	}
	data, ok := ev.Data.(*ContextCompacted)
	if !ok {
		return nil, w.mismatch(entry, ev)
	}
	f := &w.s.facts[w.d.entries[entry].fact]
	v := &vendorView{
		entry: entry, data: data, seq: f.seq, turn: f.turn,
		left: make(map[string]int), skip: make(map[string]int),
		calls: make(map[string][]int32), asked: make(map[string][]viewCall),
	}
	for c := range w.d.calls {
		if call := &w.d.calls[c]; call.seq < f.seq && call.vendorID != "" {
			v.calls[call.vendorID] = append(v.calls[call.vendorID], int32(c))
		}
	}
	asked := make(map[string]int)
	for _, u := range w.units[i:] {
		if u.kind != unitVendor || u.entry != entry || u.at >= len(data.View) {
			break
		}
		m := &data.View[u.at]
		if m.Role == RoleTool {
			v.left[m.VendorID]++
		}
		for b := range m.Blocks {
			if m.Blocks[b].Type == BlockToolCall {
				asked[m.Blocks[b].VendorID]++
			}
		}
	}
	for id, n := range asked {
		v.skip[id] = len(v.calls[id]) - n
	}
	return v, nil
}

// writeVendorOutput writes a model's message and a result for each of its calls
// that the view does not answer.
func (w *viewWriter) writeVendorOutput(msg Message, m *ViewMessage) (bool, error) {
	v := w.vendor
	msg.Blocks = slices.Clone(m.Blocks)
	if len(msg.Blocks) == 0 {
		return true, nil
	}
	var open []viewCall
	for i := range msg.Blocks {
		b := &msg.Blocks[i]
		if b.Type != BlockToolCall {
			continue
		}
		c := v.identify(w.d, b)
		b.CallKey = c.key
		if c.ref != noRef {
			msg.Step = w.d.responses[w.d.calls[c.ref].response].key.step
		}
		switch {
		case v.left[b.VendorID] > 0:
			v.left[b.VendorID]--
			v.asked[b.VendorID] = append(v.asked[b.VendorID], c)
		case b.Kind != CallServer:
			open = append(open, c)
		}
	}
	if !w.yield(msg, nil) {
		return false, nil
	}
	for _, c := range open {
		result, err := w.lateAnswer(c)
		if err != nil || !w.yield(result, nil) {
			return false, err
		}
	}
	return true, nil
}

// identify finds the call of the log that a block of the view repeats.
func (v *vendorView) identify(d *derived, b *Block) viewCall {
	c := viewCall{key: b.CallKey, name: b.Name, ref: noRef}
	if ref, ok := d.byCall[b.CallKey]; ok {
		c.ref = ref
		return c
	}
	n := v.skip[b.VendorID]
	v.skip[b.VendorID]++
	if of := v.calls[b.VendorID]; n >= 0 && n < len(of) {
		c.ref = of[n]
		c.key = d.calls[c.ref].key
	}
	if c.key == "" {
		// No response has step 0, so no call of the log has such a key.
		c.key = NewCallKey(v.turn, 0, v.made)
		v.made++
	}
	return c
}

// vendorResult is a tool's message of the view. Its status is the one in the log.
func (w *viewWriter) vendorResult(m *ViewMessage) *Result {
	r := &Result{VendorID: m.VendorID, Status: StatusOK, Content: m.Content}
	if r.Content == nil {
		r.Content = []Part{}
	}
	of := w.vendor.asked[m.VendorID]
	if len(of) == 0 {
		return r
	}
	w.vendor.asked[m.VendorID] = of[1:]
	r.CallKey, r.Name = of[0].key, of[0].name
	if of[0].ref == noRef {
		return r
	}
	if a := w.lastAnswer(&w.d.calls[of[0].ref]); a != noRef {
		f := w.s.facts[w.d.entries[a].fact].body.(*resultFact)
		r.Status, r.ExitCode = f.status, copyInt(f.exit)
	}
	return r
}

// lateAnswer is the result of a call whose answer came after the view that
// repeats it, or not at all.
func (w *viewWriter) lateAnswer(c viewCall) (Message, error) {
	if c.ref == noRef {
		return Message{Role: RoleTool, Seq: w.vendor.seq, Turn: w.vendor.turn, Result: &Result{CallKey: c.key, Name: c.name, Status: StatusUnknown}}, nil
	}
	call := &w.d.calls[c.ref]
	if a := w.lastAnswer(call); a != noRef {
		return w.answer(answer{call, a})
	}
	return w.unanswered(call), nil
}
