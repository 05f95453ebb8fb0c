package schema

// State is the fold of a log: what its entries, from the first to the last
// applied, say about the session. It keeps no content: of every entry its
// position, record id and parent and a few numbers, besides the calls, the
// permissions and what is said about the session as a whole. [State.View]
// loads the content it needs again.
//
// The zero State is the state of an empty log. Folding is pure, total and
// deterministic: the same entries give the same state, and no sequence of
// entries fails. Rows that a vendor changed in place come again with a
// revision, which takes the older one's place, so that any sequence of
// revisions folds to the state of the last. A row that was gone and comes again
// stands where it comes again.
//
// What is asked for is derived when it is asked for, so even reading methods
// change the State: it must not be used by two goroutines at once.
type State struct {
	facts []fact    // what the fold keeps of each entry, in log order
	runs  []runSpan // the live revision of each vendor record, in the order of their places
	rows  map[rowKey]int32
	last  runKey // run of the entry applied last
	cur   int32  // its place among runs
	size  int64
	// stale: an entry was put before others; derived must be made again.
	stale    bool
	derived  *derived
	reorders int64             // of states derived before
	names    map[string]string // one copy of each provider's, model's and tool's name
}

// runSpan is the range of facts of one vendor record, or of one native entry.
type runSpan struct{ lo, hi int32 }

// rowKey identifies a record that a vendor may change in place.
type rowKey struct{ vendor, table, id string }

// runKey identifies a run; the zero runKey is no run.
type runKey struct {
	row  rowKey
	line int64
	rev  int64
}

func sourceKey(src *Source) runKey {
	key := runKey{row: rowKey{vendor: src.Vendor}, line: src.Line, rev: src.Rev}
	if src.Row != nil {
		key.row.table, key.row.id = src.Row.Table, src.Row.ID
	}
	return key
}

// Apply adds the entry at position seq. The State keeps no reference to ev.
func (s *State) Apply(seq int64, ev *Event) {
	f := s.reduce(seq, ev)
	if ev.Source == nil {
		s.append(f, runKey{})
		return
	}
	key := sourceKey(ev.Source)
	if ev.Source.Part > 0 && key == s.last && key != (runKey{}) {
		s.extend(f)
		return
	}
	if ev.Source.Row == nil {
		s.append(f, key)
		return
	}
	at, seen := s.rows[key.row]
	if !seen {
		if s.rows == nil {
			s.rows = make(map[rowKey]int32)
		}
		s.rows[key.row] = int32(len(s.runs))
		s.append(f, key)
	} else {
		s.replace(at, f, key)
	}
	if isGone(ev) {
		delete(s.rows, key.row) // if it comes again, it does so at a place of its own
	}
}

// ApplyHole adds an entry whose bytes were redacted: it may have said anything.
func (s *State) ApplyHole(seq int64) {
	s.append(fact{seq: seq, kind: factHole}, runKey{})
}

// Size returns the number of entries of the log, as far as it was applied.
func (s *State) Size() int64 { return s.size }

// Reorders counts the entries that have said something of the order of those
// before them: newer revisions of rows, selections of a branch, parents that
// came after their children.
func (s *State) Reorders() int64 {
	return s.reorders + s.settle().reorders
}

// append adds a run of its own after all others.
func (s *State) append(f fact, key runKey) {
	at := int32(len(s.facts))
	s.keep(f)
	s.cur, s.last = int32(len(s.runs)), key
	s.runs = append(s.runs, runSpan{at, at + 1})
	if !s.stale {
		s.fold(at, true)
	}
}

// extend adds a further part to the run of the entry before.
func (s *State) extend(f fact) {
	at := int32(len(s.facts))
	s.keep(f)
	s.runs[s.cur].hi = at + 1
	if s.cur != int32(len(s.runs))-1 {
		s.stale = true
	}
	if !s.stale {
		s.fold(at, false)
	}
}

// replace puts the first part of a newer revision in the place of the older.
func (s *State) replace(run int32, f fact, key runKey) {
	old := s.runs[run]
	for i := old.lo; i < old.hi; i++ {
		s.facts[i] = fact{seq: s.facts[i].seq}
	}
	at := int32(len(s.facts))
	s.keep(f)
	s.cur, s.last = run, key
	s.runs[run] = runSpan{at, at + 1}
	s.stale = true
}

func (s *State) keep(f fact) {
	s.facts = append(s.facts, f)
	s.size = max(s.size, f.seq+1)
}

// settle makes what is derived current and returns it.
func (s *State) settle() *derived {
	if s.derived == nil || s.stale {
		if s.derived != nil {
			s.reorders += s.derived.reorders + 1
		}
		s.derived, s.stale = newDerived(), false
		for _, run := range s.runs {
			for i := run.lo; i < run.hi; i++ {
				s.fold(i, i == run.lo)
			}
		}
	}
	return s.derived
}

// fold adds a fact, in the order of places, to what is derived; first: it begins
// a run.
func (s *State) fold(i int32, first bool) {
	if s.derived == nil {
		s.derived = newDerived()
	}
	s.derived.add(i, &s.facts[i], first)
}

// name returns one copy of a string that repeats in a log.
func (s *State) name(n string) string {
	if n == "" {
		return ""
	}
	if one, ok := s.names[n]; ok {
		return one
	}
	if s.names == nil {
		s.names = make(map[string]string)
	}
	s.names[n] = n
	return n
}
