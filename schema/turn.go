package schema

// TurnState returns what the live branch waits for. Where the source records no
// end of a turn it follows from what the branch ends in.
func (s *State) TurnState() TurnState {
	d := s.settle()
	if len(s.OpenPermissions()) > 0 {
		return StateWaiting
	}
	end := s.branchEnd()
	switch end.kind {
	case factTurnFinished:
		return finishedState(end.fact.body.(*finishedFact).reason)
	case factInterrupt:
		return StateInterrupted
	case factFailed:
		if end.fact.body.(*failedFact).class == ErrorCancelled {
			return StateInterrupted
		}
		return StateFailed
	case factUser, factResult, factTurnStarted:
		return StateRunning
	case factOutput:
		switch r := &d.responses[end.ref]; {
		case len(r.calls) > 0 && !d.onlyServerCalls(r), r.unfinished:
			return StateRunning
		case r.aborted:
			return StateInterrupted
		case end.inTurn:
			return StateRunning
		}
	}
	return StateIdle
}

// NeedsModel reports whether the live branch ends in input that no model has
// answered: a user message, or the answers to all calls of the last response.
// After an interrupt or the end of a turn there is none.
func (s *State) NeedsModel() bool {
	d := s.settle()
	end := s.branchEnd()
	switch end.kind {
	case factUser, factFailed, factTurnStarted:
		return len(s.OpenCalls()) == 0
	case factResult:
		return len(s.OpenCalls()) == 0
	case factOutput:
		r := &d.responses[end.ref]
		return len(r.calls) > 0 && !d.onlyServerCalls(r) && len(s.OpenCalls()) == 0
	}
	return false
}

func finishedState(r TurnReason) TurnState {
	switch r {
	case TurnInterrupted:
		return StateInterrupted
	case TurnError:
		return StateFailed
	case TurnRequiresAction:
		return StateRunning // nothing is open any more: see TurnState
	}
	return StateIdle
}

func (d *derived) onlyServerCalls(r *response) bool {
	for _, c := range r.calls {
		if d.calls[c].kind != CallServer {
			return false
		}
	}
	return true
}

// branchEnd is the last entry of the live branch that says where a turn stands.
type branchEnd struct {
	kind   factKind // factOther: the branch is empty
	fact   *fact
	ref    int32
	inTurn bool // a turn.started before it has no turn.finished
}

func (s *State) branchEnd() branchEnd {
	d := s.settle()
	path := d.livePath().path
	var end branchEnd
	for i := len(path) - 1; i >= 0; i-- {
		n := &d.nodes[path[i]]
		for e := n.hi - 1; e >= n.lo; e-- {
			f := &s.facts[d.entries[e].fact]
			if end.kind == factOther && tellsTurn(f) {
				end = branchEnd{kind: f.kind, fact: f, ref: d.entries[e].ref}
			}
			switch {
			case end.kind == factOther:
			case end.kind != factOutput || f.kind == factTurnFinished:
				return end
			case f.kind == factTurnStarted:
				end.inTurn = true
				return end
			}
		}
	}
	return end
}

// tellsTurn reports whether an entry changes where its turn stands.
func tellsTurn(f *fact) bool {
	switch f.kind {
	case factUser:
		return f.body.(*userFact).origin != OriginSummary
	case factResult:
		r := f.body.(*resultFact)
		return r.answers && !r.nested
	case factInterrupt, factOutput, factFailed, factTurnStarted, factTurnFinished:
		return true
	}
	return false
}
