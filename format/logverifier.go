package format

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
)

// logVerifier verifies one log, the forks it comes from first.
type logVerifier struct {
	store  *DirStore // nil for a file alone
	fs     fsys
	log    LogID
	opts   VerifyOptions
	found  func(Problem)
	report VerifyReport

	// tree is over the entries that were read without a gap from the first.
	tree Frontier
	// claimed says that tree began with what a header claims: the parent is
	// missing.
	claimed bool
	// intact is false once something is missing in the middle.
	intact bool
	expect []Head
	holes  map[int64]hole // by entry
	blobs  map[Hash]bool

	buffers *checkBuffers
}

// checkBuffers returns the buffers of this verification; done gives them back.
func (v *logVerifier) checkBuffers() *checkBuffers {
	if v.buffers == nil {
		v.buffers = allCheckBuffers.Get().(*checkBuffers)
	}
	return v.buffers
}

func (v *logVerifier) done() {
	if v.buffers != nil {
		allCheckBuffers.Put(v.buffers)
		v.buffers = nil
	}
}

// hole is an entry that was redacted and not named yet.
type hole struct {
	log  LogID
	path string
	seq  int64
	leaf Hash
}

func (s *DirStore) newVerifier(log LogID, opts VerifyOptions, found func(Problem)) *logVerifier {
	v := &logVerifier{store: s, fs: s.fs, log: log, opts: opts, found: found, intact: true, holes: map[int64]hole{}, blobs: map[Hash]bool{}}
	v.expect = slices.Clone(opts.Expect)
	return v
}

// add reports a problem.
func (v *logVerifier) add(severity Severity, log LogID, c *CorruptError) {
	v.report.Problems++
	v.report.Status = max(v.report.Status, severity)
	if v.found != nil {
		v.found(Problem{Severity: severity, Log: log, CorruptError: c})
	}
}

// addErr reports what is a finding and returns what is not.
func (v *logVerifier) addErr(log LogID, path string, err error) error {
	if c := asCorrupt(err); c != nil {
		if c.Path == "" {
			c.Path = path
		}
		v.add(SeverityCorrupt, log, c)
		return nil
	}
	if errors.Is(err, ErrUnsupported) {
		rule := ruleVersion
		if errors.Is(err, errRequires) {
			rule = ruleRequires
		}
		v.add(SeverityUnsupported, log, &CorruptError{Path: path, Offset: 0, Line: 1, Seq: -1, Rule: rule, Reason: err.Error()})
		return nil
	}
	return err
}

// run verifies the log.
func (v *logVerifier) run(ctx context.Context) error {
	defer v.done()
	lineage, err := v.lineage()
	if err != nil {
		return err
	}
	for i, l := range lineage {
		to := int64(openEnd)
		if i+1 < len(lineage) {
			to = lineage[i+1].begins
		}
		if l.missing {
			v.missingParent(lineage[i+1], l.log)
			continue
		}
		if err := v.part(ctx, l, to); err != nil {
			return err
		}
		if i+1 < len(lineage) && v.tree.Size() != to && !v.claimed {
			v.add(max(v.report.Status, SeverityIncomplete), v.log, &CorruptError{Path: lineage[i+1].path, Offset: -1, Seq: to, Rule: ruleParentShort,
				Reason: fmt.Sprintf("the first %d entries of the parent, log %s, cannot be read", to, l.log), Want: strconv.FormatInt(to, 10), Got: strconv.FormatInt(v.tree.Size(), 10)})
			v.intact = false
		}
	}
	if err := v.nameHoles(ctx, lineage); err != nil {
		return err
	}
	v.report.Head = Head{Log: v.log, Size: v.tree.Size(), Root: v.tree.Root()}
	v.checkExpected(true)
	return nil
}

// kin is a log in the lineage of the one that is verified.
type kin struct {
	log     LogID
	begins  int64
	fork    *Fork
	path    string // of its first segment
	missing bool
}

// lineage returns the logs that the history comes from, oldest first. A circle
// and a missing parent end it.
func (v *logVerifier) lineage() ([]kin, error) {
	var list []kin
	seen := map[LogID]bool{}
	begins := int64(openEnd)
	for log := v.log; ; {
		k, err := v.kin(log)
		if err != nil {
			return nil, err
		}
		if k.missing && len(list) == 0 {
			return nil, fmt.Errorf("log %s: %w", log, ErrNotFound)
		}
		seen[log] = true
		// A fork inside what its parent has from its own parent passes by the parent.
		if k.missing || k.begins < begins || len(list) == 0 {
			list = append(list, k)
		}
		begins = min(begins, k.begins)
		if k.fork == nil {
			break
		}
		if seen[k.fork.Log] || len(seen) > maxForks {
			v.add(SeverityCorrupt, v.log, &CorruptError{Path: k.path, Line: 1, Seq: -1, Rule: ruleFork, Reason: "the ancestors form a circle", Want: "a log that is no descendant", Got: k.fork.Log.String()})
			list[len(list)-1].fork = nil
			v.intact = false
			break
		}
		log = k.fork.Log
	}
	slices.Reverse(list)
	return list, nil
}

// kin reads where a log begins, from the first header that can be read.
func (v *logVerifier) kin(log LogID) (kin, error) {
	dir := v.store.logDir(log)
	files, err := listSegments(v.store.fs, dir)
	if err != nil {
		return kin{}, err
	}
	k := kin{log: log}
	if len(files) == 0 {
		// A directory without a segment is a log without an entry.
		_, err := v.store.fs.Stat(dir)
		k.missing = errors.Is(err, fs.ErrNotExist)
	}
	for _, f := range files {
		for _, suffix := range forms(f) {
			path := filepath.Join(dir, segmentName(f.first, suffix))
			if k.path == "" {
				k.path = path
			}
			h, err := v.readHeader(log, path, f.first, suffix == sealedSuffix)
			if errors.Is(err, fs.ErrNotExist) {
				return kin{}, err
			}
			if err == nil {
				if k.fork = h.fork; h.fork != nil {
					k.begins = h.fork.Size
				}
				return k, nil
			}
		}
	}
	return k, nil
}

// forms returns the suffixes of the forms of a segment that are there.
func forms(f segmentFile) []string {
	var list []string
	if f.sealed {
		list = append(list, sealedSuffix)
	}
	if f.text {
		list = append(list, textSuffix)
	}
	return list
}

// readHeader reads the header of a segment without any index.
func (v *logVerifier) readHeader(log LogID, path string, first int64, sealed bool) (header, error) {
	file, err := v.fs.Open(path, os.O_RDONLY)
	if err != nil {
		return header{}, err
	}
	defer file.Close() //nolint:errcheck // only read from
	r := segmentReader{path: path}
	if r.src, err = headerSource(file, path, sealed); err != nil {
		return header{}, err
	}
	h, _, err := r.readHeader(log, first)
	return h, err
}

// headerSource gives the beginning of a segment's text.
func headerSource(file fsFile, path string, sealed bool) (blockSource, error) {
	if !sealed {
		return newTextBlocks(file, 0), nil
	}
	h, stored, err := scanFrame(file, 0)
	if err != nil {
		return nil, err
	}
	s := sealedFile{f: file, path: path}
	text, err := s.decode(nil, &indexBlock{stored: stored, raw: h.content})
	return &oneBlock{data: text}, err
}

func (v *logVerifier) missingParent(child kin, parent LogID) {
	v.add(SeverityIncomplete, v.log, &CorruptError{Path: child.path, Line: 1, Seq: -1, Rule: ruleParentMissing, Reason: "the parent is not in the store: copy it as well", Want: "log " + parent.String()})
	v.claimed = true
}

// part verifies the segments of one log, up to entry to.
func (v *logVerifier) part(ctx context.Context, k kin, to int64) error {
	p := partVerifier{logVerifier: v, kin: k, to: to, pos: k.begins}
	return p.run(ctx)
}

// partVerifier puts the segments of one log together.
type partVerifier struct {
	*logVerifier
	kin
	to  int64
	pos int64 // the end of what the segments so far hold
	// over is the sealed segment that pos is the end of.
	over *span
	open *openSnapshot
}

// openSnapshot is the open segment as it was under the lock.
type openSnapshot struct {
	file fsFile
	scan *openScan
	err  error
}

func (p *partVerifier) run(ctx context.Context) error {
	dir := p.store.logDir(p.log())
	files, err := p.snapshot(ctx, dir)
	if p.open != nil {
		defer p.open.file.Close() //nolint:errcheck // only read from
	}
	if err != nil {
		return err
	}
	for i, f := range files {
		if (f.first >= p.to || p.pos >= p.to) && i > 0 {
			break
		}
		next := int64(openEnd)
		if i+1 < len(files) {
			next = files[i+1].first
		}
		if err := p.segment(ctx, dir, f, next); err != nil {
			return err
		}
	}
	return nil
}

func (p *partVerifier) log() LogID { return p.kin.log }

// snapshot lists the segments and looks at the open one under the lock, so that
// no append is under way there.
func (p *partVerifier) snapshot(ctx context.Context, dir string) ([]segmentFile, error) {
	unlock, _, err := p.store.lockShared(ctx, p.log())
	if err != nil {
		return nil, err
	}
	defer unlock()
	files, err := listSegments(p.store.fs, dir)
	if err != nil || len(files) == 0 {
		return files, err
	}
	last := files[len(files)-1]
	if !last.text || last.sealed || last.first >= p.to {
		return files, nil
	}
	path := filepath.Join(dir, segmentName(last.first, textSuffix))
	file, err := p.store.fs.Open(path, os.O_RDONLY)
	if err != nil {
		return nil, err
	}
	p.open = &openSnapshot{file: file}
	p.open.scan, p.open.err = scanOpenSegment(file, path, p.log(), last.first)
	return files, nil
}

// segment verifies one segment and adds its entries.
func (p *partVerifier) segment(ctx context.Context, dir string, f segmentFile, next int64) error {
	text := span{first: f.first, end: next, path: filepath.Join(dir, segmentName(f.first, textSuffix))}
	sealed := span{first: f.first, path: filepath.Join(dir, segmentName(f.first, sealedSuffix)), sealed: true}
	if f.first < p.pos && p.over != nil {
		return p.stale(f, text, sealed)
	}
	if f.sealed && f.text {
		ok, err := p.trySealed(ctx, sealed)
		if err != nil {
			return err
		}
		if ok {
			if err := p.use(ctx, sealed); err != nil {
				return err
			}
			return p.stale(segmentFile{first: f.first, text: true}, text, sealed)
		}
		return p.use(ctx, text)
	}
	if f.sealed {
		return p.use(ctx, sealed)
	}
	return p.use(ctx, text)
}

// trySealed verifies a sealed segment without adding its entries.
func (p *partVerifier) trySealed(ctx context.Context, f span) (bool, error) {
	trial := segmentVerifier{part: p, span: f, to: openEnd, trial: true}
	err := trial.run(ctx)
	return trial.problems == 0, err
}

// use verifies a segment and adds its entries.
func (p *partVerifier) use(ctx context.Context, f span) error {
	s := segmentVerifier{part: p, span: f, to: p.to}
	if !f.sealed && f.end == openEnd && p.open != nil {
		return s.runOpen(ctx, p.open)
	}
	return s.run(ctx)
}

// stale compares a segment that lies inside a sealed one with it, unless that
// was not read to its end: it has problems of its own, or a fork leaves it.
func (p *partVerifier) stale(f segmentFile, text, sealed span) error {
	if p.over == nil {
		return nil
	}
	for _, suffix := range forms(f) {
		stale := text
		if suffix == sealedSuffix {
			stale = sealed
		}
		if _, err := p.store.compareStale(p.log(), *p.over, stale, judgeDead); err != nil {
			if err := p.addErr(p.log(), stale.path, err); err != nil {
				return err
			}
		}
	}
	return nil
}

// begin takes in the header of a segment that counts.
func (p *partVerifier) begin(path string, h *header) {
	p.over = nil
	if !sameFork(h.fork, p.fork) {
		p.add(SeverityCorrupt, p.log(), &CorruptError{Path: path, Line: 1, Seq: h.first, Rule: ruleFork, Reason: "another fork than in the first segment", Want: forkString(p.fork), Got: forkString(h.fork)})
	}
	if h.first > p.pos {
		p.add(SeverityIncomplete, p.log(), &CorruptError{Path: path, Offset: -1, Seq: p.pos, Rule: ruleMissing, Reason: fmt.Sprintf("entries %d to %d are missing: copy the log again", p.pos, h.first-1)})
		p.intact = false
	}
	if !p.intact {
		return
	}
	if p.claimed && p.tree.Size() == 0 && h.first > 0 {
		p.tree = h.frontier.Clone()
		return
	}
	if !slices.Equal(p.tree.nodes, h.frontier.nodes) || p.tree.Size() != h.first {
		want, got := p.tree.Root(), h.frontier.Root()
		p.add(SeverityCorrupt, p.log(), &CorruptError{Path: path, Line: 1, Seq: h.first, Rule: ruleFrontier, Reason: "the frontier is not that of the entries before it", Want: "root " + want.String(), Got: "root " + got.String()})
		p.intact = false
	}
}

func sameFork(a, b *Fork) bool {
	if a == nil || b == nil {
		return a == b
	}
	return *a == *b
}

func forkString(f *Fork) string {
	if f == nil {
		return "no fork"
	}
	return f.Log.String() + "@" + strconv.FormatInt(f.Size, 10)
}

// push adds an entry that was read at its place.
func (p *partVerifier) push(path string, l *checkedLine) error {
	if l.kind == lineHole {
		p.report.Holes++
		p.holes[l.seq] = hole{p.log(), path, l.seq, l.leaf}
	} else {
		p.report.Entries++
	}
	if p.intact {
		p.checkExpected(false)
		p.tree.Push(l.leaf)
	}
	if p.opts.Entry == nil {
		return nil
	}
	return p.opts.Entry(Entry{Seq: l.seq, Bytes: l.entry, Leaf: l.leaf, Hole: l.kind == lineHole})
}

// take uses the facts of entries that count.
func (p *partVerifier) take(ctx context.Context, list []facts, end int64, path string) error {
	for _, f := range list {
		if f.seq >= end {
			break
		}
		if f.redaction != nil {
			p.nameBy(f)
		}
		for _, b := range f.blobs {
			if err := p.blob(ctx, b, f.seq, path); err != nil {
				return err
			}
		}
	}
	return nil
}

// nameBy drops the holes that an entry names.
func (v *logVerifier) nameBy(f facts) {
	for i, seq := range f.redaction.Seqs {
		if h, ok := v.holes[seq]; ok && seq < f.seq && f.redaction.Leaves[i] == h.leaf.String() {
			delete(v.holes, seq)
		}
	}
}

// nameHoles looks in the rest of the ancestors for entries that name holes in
// the part taken from them, and reports those that nobody names.
func (v *logVerifier) nameHoles(ctx context.Context, lineage []kin) error {
	for i, k := range lineage {
		if len(v.holes) == 0 || i+1 == len(lineage) {
			break
		}
		if k.missing {
			continue
		}
		for e, err := range v.store.Read(ctx, k.log, lineage[i+1].begins) {
			if err != nil {
				// What is damaged behind the fork is no concern of it.
				break
			}
			if f, ok := factsOf(e.Seq, e.Bytes, topMembers(e.Bytes)); ok && f.redaction != nil {
				v.nameBy(f)
			}
		}
	}
	for _, seq := range slices.Sorted(maps.Keys(v.holes)) {
		h := v.holes[seq]
		v.add(SeverityCorrupt, h.log, &CorruptError{Path: h.path, Offset: -1, Seq: h.seq, Rule: ruleHole, Reason: "the entry was redacted, and no later entry says so"})
	}
	return nil
}

// blob checks a blob that an entry refers to, once.
func (v *logVerifier) blob(ctx context.Context, ref blobRef, seq int64, path string) error {
	if v.store == nil || v.blobs[ref.digest] {
		return nil
	}
	v.blobs[ref.digest] = true
	at := func(rule, reason, want, got string) *CorruptError {
		return &CorruptError{Path: v.store.blobPath(ref.digest), Offset: -1, Seq: seq, Rule: rule, Reason: reason, Want: want, Got: got}
	}
	r, err := v.store.OpenBlob(ctx, ref.digest)
	if errors.Is(err, ErrNotFound) {
		if _, gone := v.store.fs.Stat(v.store.blobPath(ref.digest) + goneSuffix); gone == nil {
			v.add(SeverityOK, v.log, at(ruleBlobGone, "the blob was redacted", "", ""))
			return nil
		}
		v.add(SeverityIncomplete, v.log, at(ruleBlobMissing, "the blob that an entry refers to is missing: copy it again", "sha256:"+ref.digest.String(), "nothing"))
		return nil
	}
	if err != nil {
		return err
	}
	defer r.Close() //nolint:errcheck // only read from
	v.report.Blobs++
	n, err := io.Copy(io.Discard, r)
	if c := asCorrupt(err); c != nil {
		c.Seq = seq
		v.add(SeverityCorrupt, v.log, c)
		return nil
	}
	if err != nil {
		return err
	}
	if n != ref.size {
		wrong := at(ruleBlobSize, "size of the blob sha256:"+ref.digest.String(), strconv.FormatInt(ref.size, 10), strconv.FormatInt(n, 10))
		wrong.Path = path
		v.add(SeverityCorrupt, v.log, wrong)
	}
	return nil
}

// checkExpected compares the tree with the heads that are expected at its size;
// at the end, with those that are beyond.
func (v *logVerifier) checkExpected(end bool) {
	if len(v.expect) == 0 {
		return
	}
	v.expect = slices.DeleteFunc(v.expect, func(h Head) bool {
		at := CorruptError{Path: v.log.String(), Offset: -1, Seq: -1, Rule: ruleHead}
		switch {
		case h.Log != v.log:
			at.Reason, at.Want, at.Got = "the head is another log's", h.Log.String(), v.log.String()
		case h.Size > v.tree.Size() && !end:
			return false
		case h.Size > v.tree.Size():
			at.Reason, at.Want, at.Got = "the log is shorter than the head", strconv.FormatInt(h.Size, 10)+" entries", strconv.FormatInt(v.tree.Size(), 10)
			v.add(max(SeverityIncomplete, v.report.Status), v.log, &at)
			return true
		case h.Size < v.tree.Size():
			at.Reason = "the log does not extend the head"
		case h.Root != v.tree.Root():
			at.Reason, at.Want, at.Got = "the log does not have the head", h.String(), Head{Log: v.log, Size: h.Size, Root: v.tree.Root()}.String()
		default:
			return true
		}
		v.add(SeverityCorrupt, v.log, &at)
		return true
	})
}
