package format

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"os"
	"strconv"
)

// segmentVerifier verifies one segment. Problems after the first keep its
// entries out of the tree.
type segmentVerifier struct {
	part *partVerifier
	span
	to       int64 // entries from here on are not this verification's business
	trial    bool  // nothing is added to the tree
	problems int

	order  segmentReader // only its state: which line may come next
	header *header
	// own is the tree of this segment alone, kept when that of the log is not known.
	own    *Frontier
	frames []indexBlock
	off    int64 // behind the last line that was used
	line   int64
	ended  bool // the segment's part is over: by its seal, or by the next segment
}

// add reports a problem of the segment.
func (s *segmentVerifier) add(c *CorruptError) {
	s.problems++
	if c.Path == "" {
		c.Path = s.path
	}
	s.part.add(SeverityCorrupt, s.part.log(), c)
	if !s.trial {
		s.part.intact = false
	}
}

// run verifies a segment that is closed, or alone.
func (s *segmentVerifier) run(ctx context.Context) error {
	file, err := s.part.fs.Open(s.path, os.O_RDONLY)
	if err != nil {
		return err
	}
	defer file.Close() //nolint:errcheck // only read from
	st, err := file.Stat()
	if err != nil {
		return err
	}
	if s.sealed {
		err = s.runSealed(ctx, file, st.Size)
	} else {
		err = s.runText(ctx, file)
	}
	if s.problems == 0 && !s.trial {
		s.part.report.StoredBytes += st.Size
	}
	return err
}

var errPartOver = fmt.Errorf("the rest is not needed: %w", io.EOF)

func (s *segmentVerifier) checker() *blockChecker {
	return &blockChecker{buffers: s.part.checkBuffers(), sum: logSum(s.part.log()), strict: s.part.opts.Strict && !s.trial, facts: !s.trial, texts: s.part.opts.Entry != nil}
}

// runText verifies a text segment up to its seal or the next segment.
func (s *segmentVerifier) runText(ctx context.Context, file fsFile) error {
	err := s.checker().run(ctx, textSource(file), func(b *checkedBlock) error { return s.block(ctx, b) })
	if err != nil && err != errPartOver && err != errSegmentOver {
		return err
	}
	p := s.part
	switch {
	case s.header == nil:
		if s.problems == 0 {
			s.add((&fault{ruleHeader, "empty segment", "a header", "end of the file"}).at(s.path, 0, 1, s.first))
		}
		p.pos, p.intact = max(p.pos, s.end), false
		if s.end == openEnd {
			p.pos = s.first
		}
	case s.order.seal != nil:
		p.pos = s.order.seq
	case s.order.seq < s.end && s.problems == 0:
		// The gap is reported with the next segment.
		p.pos = s.order.seq
	case s.end == openEnd:
		p.pos = s.order.seq
	default:
		p.pos = s.end
		if s.to >= s.end {
			if err := judgeDead(file, s.path, logSum(p.log()), s.off, s.line, s.end); err != nil {
				return p.addErr(p.log(), s.path, err)
			}
		}
	}
	return nil
}

// runOpen verifies the open segment as it was under the lock.
func (s *segmentVerifier) runOpen(ctx context.Context, o *openSnapshot) error {
	if o.err != nil {
		s.part.intact = false
		return s.part.addErr(s.part.log(), s.path, o.err)
	}
	scan := o.scan
	if scan.state.off > 0 {
		limited := &limitedFile{o.file, scan.state.off}
		err := s.checker().run(ctx, textSource(limited), func(b *checkedBlock) error { return s.block(ctx, b) })
		if err != nil && err != errPartOver && err != errSegmentOver {
			return err
		}
	}
	s.part.report.StoredBytes += scan.state.off
	if s.order.seq >= s.to && s.order.seal == nil || scan.fault == nil {
		s.part.pos = s.order.seq
		return nil
	}
	if scan.verdict == verdictCorrupt {
		scan.fault.Line = max(s.line, 0) + 1
		s.add(scan.fault)
		s.part.pos = s.order.seq
		return nil
	}
	torn := *scan.fault
	torn.Rule, torn.Line = ruleTorn, s.line+1
	if scan.unended {
		if err := s.takeUnended(ctx, o); err != nil {
			return err
		}
	}
	torn.Reason = "remains of an append that was never acknowledged: " + torn.Reason
	s.part.add(SeverityTorn, s.part.log(), &torn)
	s.part.pos = s.order.seq
	return nil
}

// takeUnended takes in the last line, which is whole but for its LF.
func (s *segmentVerifier) takeUnended(ctx context.Context, o *openSnapshot) error {
	st, err := o.file.Stat()
	if err != nil {
		return err
	}
	raw := make([]byte, st.Size-o.scan.state.off)
	if err := readFull(o.file, raw, o.scan.state.off); err != nil {
		return err
	}
	b := checkedBlock{data: append(raw, '\n'), off: o.scan.state.off}
	s.checker().check(&b)
	return s.block(ctx, &b)
}

// limitedFile is the first n bytes of a file.
type limitedFile struct {
	f io.ReaderAt
	n int64
}

func (l *limitedFile) ReadAt(p []byte, off int64) (int, error) {
	if off >= l.n {
		return 0, io.EOF
	}
	short := int64(len(p)) > l.n-off
	if short {
		p = p[:l.n-off]
	}
	n, err := l.f.ReadAt(p, off)
	if err == nil && short {
		err = io.EOF
	}
	return n, err
}

// runSealed verifies a sealed segment: its frames, and what index and seek
// table say about them.
func (s *segmentVerifier) runSealed(ctx context.Context, file fsFile, size int64) error {
	end := int64(0)
	err := s.checker().run(ctx, frameSource(file, &end), func(b *checkedBlock) error { return s.frame(ctx, b) })
	p := s.part
	switch {
	case err == errPartOver:
		p.pos = s.order.seq
		return nil
	case err == errSegmentOver:
	case asCorrupt(err) != nil:
		c := asCorrupt(err)
		c.Path, c.Seq = s.path, s.nextSeq()
		s.add(c)
	case err != nil:
		return err
	default:
		s.afterFrames(file, end, size)
	}
	p.pos = s.nextSeq()
	if s.problems == 0 {
		if !s.trial {
			p.over = &span{first: s.first, end: p.pos, path: s.path, sealed: true}
		}
	} else if !s.trial {
		p.intact = false
	}
	return nil
}

// errSegmentOver ends the reading of a segment that cannot be read on.
var errSegmentOver = fmt.Errorf("the rest cannot be read: %w", io.EOF)

func (s *segmentVerifier) nextSeq() int64 {
	if s.header == nil {
		return s.first
	}
	return s.order.seq
}

// frame uses a frame that was checked.
func (s *segmentVerifier) frame(ctx context.Context, b *checkedBlock) error {
	at := func(f *fault) *CorruptError { return f.at(s.path, b.frame.off, 0, s.nextSeq()) }
	if b.bad != nil {
		s.add(at(b.bad))
		return errSegmentOver
	}
	if s.order.seal != nil {
		s.add(at(&fault{ruleSeal, "frame after the seal", "the index", "a frame"}))
		return errSegmentOver
	}
	if b.unended || b.size == 0 {
		s.add(at(&fault{ruleFrameLines, "the frame does not end with a line", "LF", "no LF"}))
		return errSegmentOver
	}
	if b.first && len(b.lines) > 0 {
		s.add(at(&fault{ruleFrameLines, "the first frame", "the header alone", strconv.Itoa(len(b.lines)) + " more lines"}))
		return errSegmentOver
	}
	b.frame.first = s.nextSeq()
	before := s.problems
	if err := s.block(ctx, b); err != nil {
		return err
	}
	if s.header == nil {
		return errSegmentOver
	}
	if s.order.seal != nil && len(b.lines) > 1 && s.problems == before {
		s.add(at(&fault{ruleFrameLines, "the last frame", "the seal alone", strconv.Itoa(len(b.lines)) + " lines"}))
		return errSegmentOver
	}
	b.frame.count = s.order.seq - b.frame.first
	s.frames = append(s.frames, b.frame)
	return nil
}

// afterFrames checks what stands behind the frames.
func (s *segmentVerifier) afterFrames(file io.ReaderAt, end, size int64) {
	at := func(f *fault, off int64) { s.add(f.at(s.path, off, 0, -1)) }
	if s.order.seal == nil {
		if s.problems == 0 {
			at(&fault{ruleSeal, "the last frame is not the seal", "a seal", "none"}, end)
		}
		return
	}
	if s.problems > 0 {
		// Without all lines nothing can be said about the index.
		return
	}
	want := index{first: s.first, size: s.order.seq, root: s.order.seal.hash, blocks: s.frames}
	length, f, err := s.checkIndex(file, end, size, &want)
	if err != nil {
		f = &fault{ruleIndex, "the index cannot be read: " + err.Error(), "", ""}
	}
	if f != nil {
		at(f, end)
		return
	}
	frames := make([]frameSize, 0, len(s.frames)+1)
	for _, b := range s.frames {
		frames = append(frames, frameSize{uint32(b.stored), uint32(b.raw)})
	}
	table := appendSeekTable(nil, append(frames, frameSize{stored: uint32(length)}))
	end += length
	got := make([]byte, min(int64(len(table)), max(size-end, 0)))
	if err := readFull(file, got, end); err != nil || string(got) != string(table) {
		at(&fault{ruleSeekTable, "the seek table is not what the frames are", printable(table), printable(got)}, end)
		return
	}
	if end += int64(len(table)); end != size {
		at(&fault{ruleTrailing, "bytes after the seek table", "the end of the file", strconv.FormatInt(size-end, 10) + " bytes"}, end)
	}
}

// checkIndex compares the index with what was read; it returns the length of
// its frame.
func (s *segmentVerifier) checkIndex(file io.ReaderAt, off, size int64, want *index) (int64, *fault, error) {
	var head [skippableHeader]byte
	if off+skippableHeader > size {
		return 0, &fault{ruleIndex, "no index after the seal", "a skippable frame", "end of the file"}, nil
	}
	if err := readFull(file, head[:], off); err != nil {
		return 0, nil, err
	}
	n := int64(binary.LittleEndian.Uint32(head[4:]))
	if binary.LittleEndian.Uint32(head[:]) != indexMagic || n > maxIndex || off+skippableHeader+n > size {
		return 0, &fault{ruleIndex, "no index after the seal", "a skippable frame within the file", printable(head[:])}, nil
	}
	b := make([]byte, n)
	if err := readFull(file, b, off+skippableHeader); err != nil {
		return 0, nil, err
	}
	got, f := parseIndex(b, logSum(s.part.log()))
	if f != nil {
		return 0, f, nil
	}
	return skippableHeader + n, want.differs(got), nil
}

// differs tells where got is not what was found in the frames.
func (x *index) differs(got *index) *fault {
	if x.first != got.first || x.size != got.size || x.root != got.root || len(x.blocks) != len(got.blocks) {
		return &fault{ruleIndex, "the index is not that of the frames", fmt.Sprintf("[%d,%d) root %s, %d frames", x.first, x.size, x.root, len(x.blocks)), fmt.Sprintf("[%d,%d) root %s, %d frames", got.first, got.size, got.root, len(got.blocks))}
	}
	for i := range x.blocks {
		want, got := string(appendIndexBlock(nil, normalTimes(x.blocks[i]))), string(appendIndexBlock(nil, normalTimes(got.blocks[i])))
		if want != got {
			return &fault{ruleIndex, "block " + strconv.Itoa(i) + " of the index", want, got}
		}
	}
	return nil
}

// normalTimes gives equal instants equal spellings.
func normalTimes(b indexBlock) *indexBlock {
	for _, t := range []*string{&b.tmin, &b.tmax} {
		if *t != "" {
			const seconds = 19
			frac := (*t)[seconds : len(*t)-1]
			for frac != "" && (frac[len(frac)-1] == '0' || frac[len(frac)-1] == '.') {
				frac = frac[:len(frac)-1]
			}
			*t = (*t)[:seconds] + frac + "Z"
		}
	}
	return &b
}

// block uses the lines of a block in order.
func (s *segmentVerifier) block(ctx context.Context, b *checkedBlock) error {
	if b.first {
		if !s.begin(b) {
			return errSegmentOver
		}
	}
	end := int64(openEnd)
	for i := range b.lines {
		l := &b.lines[i]
		if s.order.seq >= s.to && s.order.seal == nil {
			end, s.ended = s.to, true
			break
		}
		if !s.sealed && s.order.seq >= s.end && s.order.seal == nil && l.kind != lineSeal {
			end, s.ended = s.end, true
			break
		}
		s.line++
		s.use(l)
		s.off = b.off + b.end
		if i+1 < len(b.lines) {
			s.off = b.lines[i+1].off
		}
		if l.bad == nil && l.kind != lineSeal && !s.trial {
			if err := s.part.push(s.path, l); err != nil {
				return err
			}
		}
	}
	if !s.trial {
		s.part.report.TextBytes += b.size
		if err := s.part.take(ctx, b.facts, end, s.path); err != nil {
			return err
		}
	}
	if s.ended {
		return errPartOver
	}
	if b.unended && s.order.seal == nil && !s.sealed && s.order.seq >= s.end {
		// The rest is dead.
		return errPartOver
	}
	if b.unended && s.order.seal == nil {
		s.add((&fault{ruleLineShape, "line without end", "LF", "end of the file"}).at(s.path, b.off+b.end, s.line+1, s.order.seq))
	} else if b.unended {
		s.add((&fault{ruleAfterSeal, "bytes after the seal", "end of the file", "more"}).at(s.path, b.off+b.end, s.line+1, s.order.seq))
	}
	return nil
}

// begin reads the header.
func (s *segmentVerifier) begin(b *checkedBlock) bool {
	r := segmentReader{path: s.path, src: &oneBlock{data: b.data}}
	h, _, err := r.readHeader(s.part.log(), s.first)
	if err != nil {
		s.problems++
		if !s.trial {
			s.part.intact = false
		}
		// Only findings can come from what is in memory.
		_ = s.part.addErr(s.part.log(), s.path, err)
		return false
	}
	s.header, s.line = &h, 1
	s.off = r.off
	s.order = segmentReader{seq: h.first, ack: noAck}
	if !s.trial {
		s.part.begin(s.path, &h)
	}
	if s.trial || !s.part.intact {
		own := h.frontier.Clone()
		s.own = &own
	}
	return true
}

// use checks a line against the one before it. After a bad line it goes on with
// the next valid one, so that all damage is reported.
func (s *segmentVerifier) use(l *checkedLine) {
	if l.bad == nil {
		if l.bad = s.order.inOrder(l.line); l.bad == nil && l.kind == lineSeal {
			l.bad = s.checkSeal(l)
		}
		if l.bad != nil && s.problems > 0 && l.kind != lineSeal && l.seq > s.order.seq {
			l.bad = nil
		}
	}
	if l.bad != nil {
		s.add(l.bad.at(s.path, l.off, s.line, s.order.seq))
		s.order.ack = unknownAck
		return
	}
	if l.strict != nil && !s.trial {
		s.part.add(SeverityCorrupt, s.part.log(), &CorruptError{Path: s.path, Offset: l.off, Line: s.line, Seq: l.seq, Rule: ruleEntry, Reason: l.strict.Error()})
	}
	if l.kind == lineSeal {
		s.order.seal = &l.line
		return
	}
	s.order.seq, s.order.ack = l.seq+1, l.ack
	if s.own != nil {
		s.own.Push(l.leaf)
	}
}

// checkSeal compares a seal with the tree.
func (s *segmentVerifier) checkSeal(l *checkedLine) *fault {
	switch {
	case s.own != nil && s.problems == 0:
		return sealMatches(l.line, s.own)
	case s.part.intact:
		return sealMatches(l.line, &s.part.tree)
	}
	return nil
}
