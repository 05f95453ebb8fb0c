package format

import (
	"bytes"
	"errors"
	"fmt"
	"io"
)

// verdict is what the bytes behind the last valid line of an open segment are.
type verdict uint8

const (
	verdictWhole   verdict = iota // nothing follows
	verdictTorn                   // an append that did not finish
	verdictCorrupt                // bytes that were durable once are damaged
)

// sectorSize is what a disk writes as one piece, whatever happens.
const sectorSize = 512

// openScan is what reading an open segment from its beginning tells.
type openScan struct {
	header header
	state  scanState
	// batch is the state before the last batch: everything in front of it was
	// durable when the batch was written.
	batch scanState
	// sealed is set if the last valid line is a seal.
	sealed bool
	// unended is set if the last valid line lacks its LF (rule 4).
	unended bool
	verdict verdict
	// fault says what ended the run of valid lines; nil if the file ended.
	fault *CorruptError
}

// scanState is a position between two lines.
type scanState struct {
	off, size int64
	frontier  Frontier
}

func (s *scanState) clone() scanState {
	return scanState{off: s.off, size: s.size, frontier: s.frontier.Clone()}
}

// scanOpenSegment reads an open segment and judges its tail by the rules of
// recovery. The error is for a file that cannot be read or is not supported; a
// damaged header is a verdict like other damage.
func scanOpenSegment(f io.ReaderAt, path string, log LogID, first int64) (*openScan, error) {
	var s openScan
	r := segmentReader{path: path, src: newTextBlocks(f, 0)}
	h, _, err := r.readHeader(log, first)
	if s.fault = asCorrupt(err); s.fault != nil {
		s.verdict = verdictCorrupt
		s.state.size = first
		return &s, nil
	}
	if err != nil {
		return nil, err
	}
	s.header = h
	s.state = scanState{off: r.off, size: first, frontier: h.frontier.Clone()}
	s.batch = s.state.clone()
	err = s.run(&r)
	if s.fault = asCorrupt(err); s.fault == nil {
		return &s, err
	}
	return &s, s.judge(f, &r)
}

// run reads valid lines as far as they go.
func (s *openScan) run(r *segmentReader) error {
	for {
		ack := r.ack
		l, _, err := r.next()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		if l.kind == lineSeal {
			if f := sealMatches(l, &s.state.frontier); f != nil {
				return f.at(r.path, s.state.off, r.line, l.seq)
			}
			s.sealed, s.state.off = true, r.off
			continue
		}
		if l.ack != ack && l.ack == l.seq {
			s.batch = s.state.clone()
		}
		s.state.frontier.Push(l.leaf())
		s.state.off, s.state.size = r.off, r.seq
	}
}

// scanFromRecord reads what stands behind the entries that the lock record says
// are durable. Whatever ends the run of valid lines, a last one that lacks its LF
// alone counts as after a reboot: who reads the log finds the same entries
// before and after.
func (l *dirLog) scanFromRecord(f io.ReaderAt, path string, rec *lockRecord) (*openScan, error) {
	s := openScan{state: scanState{off: rec.off, size: rec.size, frontier: rec.frontier.Clone()}}
	r := segmentReader{path: path, sum: l.sum, src: newTextBlocks(f, rec.off), seq: rec.size, ack: unknownAck}
	err := s.run(&r)
	if s.fault = asCorrupt(err); s.fault == nil {
		return &s, err
	}
	return &s, s.judge(f, &r)
}

func sealMatches(l line, f *Frontier) *fault {
	if root := f.Root(); root != l.hash {
		return &fault{ruleSeal, "root of the seal", root.String(), l.hash.String()}
	}
	return nil
}

// judge applies the rules of recovery to the bytes behind the last valid line.
func (s *openScan) judge(f io.ReaderAt, r *segmentReader) error {
	p, n := s.fault.Offset, s.state.size
	t := tailScan{p: p, run: -1}
	if err := t.scan(f, r.sum, n); err != nil {
		return err
	}
	if t.begun {
		// The last batch is the one that is torn: what is in front of it was durable
		// when it was written.
		s.batch = s.state.clone()
	}
	switch {
	case s.sealed || t.sealed: // the segment is closed: nothing is torn in it
		s.verdict = verdictCorrupt
	case t.later: // rule 1
		s.verdict, s.fault.Rule = verdictCorrupt, ruleAcknowledged
		s.fault.Reason += ", and a later line shows that it was durable"
	case t.hole: // rule 2
		s.verdict = verdictTorn
	case t.lf: // rule 3
		s.verdict = verdictCorrupt
	case int64(len(t.head)) == t.size && s.keepUnended(r, t.head): // rule 4
		s.verdict, s.unended = verdictTorn, true
	case s.damagedLF(r, t.head): // rule 5
		s.verdict = verdictCorrupt
	default: // rule 6
		s.verdict = verdictTorn
	}
	return nil
}

// keepUnended takes in a last line that is whole but for its LF.
func (s *openScan) keepUnended(r *segmentReader, b []byte) bool {
	if !s.fits(r, b) {
		return false
	}
	l, _ := parseLine(b, r.sum)
	if l.kind == lineSeal {
		// Without it the segment stays open, and nothing is lost.
		return false
	}
	if l.ack != r.ack && l.ack == l.seq {
		s.batch = s.state.clone()
	}
	s.state.frontier.Push(l.leaf())
	s.state.size++
	return true
}

// damagedLF tells whether b begins with a whole line that something follows
// where its LF should be.
func (s *openScan) damagedLF(r *segmentReader, b []byte) bool {
	end, _ := scanObject(b)
	if end == 0 || end >= len(b) || !s.fits(r, b[:end]) {
		return false
	}
	s.fault.Rule, s.fault.Reason, s.fault.Want, s.fault.Got = ruleLastLF, "end of the line", "LF", printable(b[end:end+1])
	return true
}

// fits tells whether b is the valid next line.
func (s *openScan) fits(r *segmentReader, b []byte) bool {
	l, f := parseLine(b, r.sum)
	return f == nil && r.inOrder(l) == nil
}

// tailScan looks at the bytes from p to the end of a file.
type tailScan struct {
	p      int64
	later  bool   // there is a valid line whose batch was begun after entry n was durable
	begun  bool   // there is a valid line of the batch that begins with entry n
	hole   bool   // there is a run of NUL as sectors leave it that were never written
	lf     bool   // there is an LF
	sealed bool   // the last line is a seal
	head   []byte // the first bytes, as many as a line has at most, if there is no LF

	run  int64 // where the run of NUL begins that goes on, -1 if none
	size int64 // bytes seen
}

func (t *tailScan) scan(f io.ReaderAt, sum uint32, n int64) error {
	src := newTextBlocks(f, t.p)
	for {
		data, off, err := src.next()
		if err == io.EOF {
			break
		}
		if err != nil {
			return err
		}
		t.runs(data, off)
		if t.size == 0 {
			t.head = bytes.Clone(data[:min(len(data), maxLine)])
		}
		t.size += int64(len(data))
		t.sealed = false
		for len(data) > 0 {
			i := bytes.IndexByte(data, '\n')
			if i < 0 {
				break
			}
			t.lf = true
			text := data[:i]
			data = data[i+1:]
			for start := 0; start >= 0; start = nextStart(text, start) {
				l, f := parseLine(text[start:], sum)
				if f != nil {
					continue
				}
				t.later = t.later || l.ack > n || l.kind == lineSeal && l.seq > n
				t.begun = t.begun || l.kind != lineSeal && l.ack == n
				t.sealed = t.sealed || l.kind == lineSeal && len(data) == 0
			}
		}
	}
	t.endRun(t.p+t.size, true)
	return nil
}

// nextStart returns where the next line may begin in text behind start: a lost
// sector may end where no line does, so after a NUL; -1 if nowhere.
func nextStart(text []byte, start int) int {
	i := bytes.Index(text[start:], []byte("\x00{"))
	if i < 0 {
		return -1
	}
	return start + i + 1
}

// runs follows the runs of NUL through a block.
func (t *tailScan) runs(data []byte, off int64) {
	for i := 0; i < len(data); {
		if t.run < 0 {
			j := bytes.IndexByte(data[i:], 0)
			if j < 0 {
				return
			}
			i += j
			t.run = off + int64(i)
		}
		for i < len(data) && data[i] == 0 {
			i++
		}
		if i < len(data) {
			t.endRun(off+int64(i), false)
		}
	}
}

func (t *tailScan) endRun(end int64, eof bool) {
	if t.run < 0 {
		return
	}
	if (t.run == t.p || t.run%sectorSize == 0) && (eof || end%sectorSize == 0) {
		t.hole = true
	}
	t.run = -1
}

// judgeDead looks at what stands in a text segment behind the entries that
// count, from off on. What a failed append can have left is whole or TORN by the
// rules of recovery. A line that was written when more than end entries were
// durable is [ruleDeadAck]; other damage loses no entry.
func judgeDead(f io.ReaderAt, path string, sum uint32, off, lineNo, end int64) error {
	r := segmentReader{path: path, sum: sum, src: newTextBlocks(f, off), line: lineNo, seq: end, ack: unknownAck}
	for {
		l, _, err := r.next()
		if err == io.EOF {
			return nil
		}
		bad := asCorrupt(err)
		if bad != nil {
			t := tailScan{p: bad.Offset, run: -1}
			if err = t.scan(f, sum, end); err == nil && !t.later {
				s := openScan{fault: bad, state: scanState{size: r.seq}}
				if err = s.judge(f, &r); err == nil && s.verdict == verdictCorrupt {
					return bad
				}
				return err
			}
		}
		if err != nil && bad == nil {
			return fmt.Errorf("read %s: %w", path, err)
		}
		if bad != nil || l.ack > end || l.kind == lineSeal && l.seq > end {
			return (&fault{ruleDeadAck, "the log goes on in another segment, but a line here shows that more was durable", fmt.Sprintf("ack at most %d", end), "more"}).at(path, off, lineNo+1, end)
		}
	}
}

// asCorrupt returns err as a *CorruptError, nil if it is something else.
func asCorrupt(err error) *CorruptError {
	var c *CorruptError
	if errors.As(err, &c) {
		return c
	}
	return nil
}
