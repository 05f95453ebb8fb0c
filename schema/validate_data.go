package schema

// data checks what an entry says against the entries before it.
func (v *Validator) data(seq int64, ev *Event) {
	native := ev.Source == nil
	switch d := ev.Data.(type) {
	case *ModelOutput:
		v.output(seq, ev, d)
	case *ModelRequested:
		v.requests[d.RequestID] = true
	case *ToolStarted:
		v.call(seq, d.CallKey, ev)
	case *ToolResult:
		v.result(seq, ev, d)
	case *PermissionRequested:
		if c := v.call(seq, d.CallKey, ev); c != nil {
			c.asked = true
		}
	case *PermissionDecided:
		if c := v.call(seq, d.CallKey, ev); c != nil {
			if native && !c.asked && !v.lost {
				v.problem(seq, ProblemNoPermission, LevelError, "no permission is open for call %s", d.CallKey)
			}
			c.asked = false
		}
	case *ContextCompacted:
		v.compaction(seq, d)
	case *SessionForked:
		v.fork(seq, d)
	case *LogRedacted:
		v.redacted(seq, d)
	case *LogGap:
		if d.Seq != seq {
			v.problem(seq, ProblemGap, LevelError, "it stands for position %d", d.Seq)
		}
		v.lost = true
	case *Unknown:
		if ev.Crit {
			v.problem(seq, ProblemCritical, LevelWarning, "type %s is of a later version, and no replayer may go on without knowing it", short([]byte(ev.Type)))
		} else {
			v.problem(seq, ProblemUnknownType, LevelNote, "type %s is of a later version", short([]byte(ev.Type)))
		}
	}
}

// output checks a response's calls and the request it answers.
func (v *Validator) output(seq int64, ev *Event, d *ModelOutput) {
	if d.Usage != nil {
		v.usage(seq, ev, d.Usage)
	}
	if ev.Source == nil && d.RequestID != "" && !v.requests[d.RequestID] && !v.lost {
		v.problem(seq, ProblemRequest, LevelError, "no model.requested has request id %s", short([]byte(d.RequestID)))
	}
	var row rowKey
	if ev.Source != nil && ev.Source.Row != nil {
		row = sourceKey(ev.Source).row
	}
	for i := range d.Blocks {
		b := &d.Blocks[i]
		if b.Type != BlockToolCall {
			continue
		}
		switch {
		case b.CallKey == "" || b.Index == nil:
			v.problem(seq, ProblemNoCallKey, LevelError, "block %d is a call without call_key or index", i)
			continue
		case b.CallKey != NewCallKey(ev.Turn, ev.Step, *b.Index):
			v.problem(seq, ProblemCallKey, LevelError, "call %s is call %d of response %d/%d", b.CallKey, *b.Index, ev.Turn, ev.Step)
		}
		c := v.calls[b.CallKey]
		if c == nil {
			c = new(callRecord)
			v.calls[b.CallKey] = c
		}
		// A row that changed says its own calls again.
		if c.claimed && (row == rowKey{} || c.row != row || ev.Source.Rev == 0) {
			v.problem(seq, ProblemCallClaimed, LevelError, "call %s was made before", b.CallKey)
		}
		c.claimed, c.row = true, row
	}
}

// call finds the call that an entry is about, nil if the log has none.
func (v *Validator) call(seq int64, key CallKey, ev *Event) *callRecord {
	if c := v.calls[key]; c != nil {
		return c
	}
	if !v.lost {
		v.problem(seq, ProblemUnknownCall, LevelError, "%s names call %s, which no entry before it makes", ev.Data.EventType(), short([]byte(key)))
	}
	return nil
}

func (v *Validator) result(seq int64, ev *Event, d *ToolResult) {
	if d.Nested {
		v.call(seq, d.CallKey.Outer(), ev)
		return
	}
	c := v.call(seq, d.CallKey, ev)
	if c == nil {
		return
	}
	if ev.Source == nil && c.answered {
		v.problem(seq, ProblemCallAnswered, LevelError, "call %s is answered already", d.CallKey)
	}
	if d.Content != nil {
		c.answered, c.asked = true, false
	}
}

func (v *Validator) compaction(seq int64, d *ContextCompacted) {
	if d.Covers == nil {
		return
	}
	if len(d.Covers) != 2 || d.Covers[0] > d.Covers[1] || d.Covers[1] >= seq {
		v.problem(seq, ProblemCovers, LevelError, "it covers %v, want the first and last position of entries before it", d.Covers)
	}
}

func (v *Validator) fork(seq int64, d *SessionForked) {
	if v.options.Head == nil || d.From == nil || d.From.Log == "" || d.From.Root == "" {
		return
	}
	root, err := v.options.Head(d.From.Log, d.From.Size)
	switch {
	case err != nil:
		v.problem(seq, ProblemForkHead, LevelWarning, "parent %s: %v", d.From.Log, err)
	case root != d.From.Root:
		v.problem(seq, ProblemForkHead, LevelError, "parent %s has root %s at size %d, not %s", d.From.Log, root, d.From.Size, d.From.Root)
	}
}

func (v *Validator) redacted(seq int64, d *LogRedacted) {
	if len(d.Seqs) != len(d.Leaves) {
		v.problem(seq, ProblemNotHole, LevelError, "it names %d positions and %d leaves", len(d.Seqs), len(d.Leaves))
		return
	}
	for i, at := range d.Seqs {
		h := v.holes[at]
		switch {
		case h == nil:
			v.problem(seq, ProblemNotHole, LevelError, "the entry at %d is no hole", at)
		case h.leaf != d.Leaves[i]:
			v.problem(seq, ProblemNotHole, LevelError, "the hole at %d has leaf %s, not %s", at, h.leaf, short([]byte(d.Leaves[i])))
		default:
			h.named = true
		}
	}
}
