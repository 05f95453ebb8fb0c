package format

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
)

// SealResult says what sealing a log did.
type SealResult struct {
	// Segments is how many sealed segments were written, Entries how many
	// entries are in them.
	Segments int
	Entries  int64
	// TextBytes is the text that went into them, StoredBytes what they take.
	TextBytes, StoredBytes int64
}

// sealLimits say which segments become one.
type sealLimits struct {
	// group is the text, in bytes, from which on a sealed segment takes in no
	// further segment. It bounds what an append has to read after everything was
	// sealed.
	group int64
	// small is the text below which a sealed segment is sealed again together
	// with what follows: frames that are closed early compress badly. It is less
	// than group.
	small int64
}

// defaultSealLimits are measured: larger groups make the append that follows slow.
var defaultSealLimits = sealLimits{group: 48 << 20, small: 4 << 20}

// Seal compresses all text segments of a log, the open one included. Adjacent
// segments are merged; heads do not change. Each sealed file is read back and
// compared before the text goes. Bytes of failed appends are kept in files that
// end in .torn.
//
// It may be broken off at any time and called again.
func (s *DirStore) Seal(ctx context.Context, log LogID) (SealResult, error) {
	return s.seal(ctx, log, true)
}

// SealClosed is [DirStore.Seal] without the open segment: for logs that somebody
// is writing to.
func (s *DirStore) SealClosed(ctx context.Context, log LogID) (SealResult, error) {
	return s.seal(ctx, log, false)
}

func (s *DirStore) seal(ctx context.Context, log LogID, open bool) (SealResult, error) {
	var res SealResult
	if s.readOnly {
		return res, fmt.Errorf("seal log %s: %w", log, ErrReadOnly)
	}
	for {
		if err := ctx.Err(); err != nil {
			return res, err
		}
		more, err := s.sealNext(ctx, log, open, &res)
		if errors.Is(err, fs.ErrNotExist) {
			err = errors.Join(ErrNotFound, err)
		}
		if err != nil {
			return res, fmt.Errorf("seal log %s: %w", log, err)
		}
		if !more {
			return res, nil
		}
	}
}

// sealNext seals the first group of segments that is worth it, under the lock.
func (s *DirStore) sealNext(ctx context.Context, log LogID, open bool, res *SealResult) (more bool, err error) {
	l := &dirLog{store: s, id: log, dir: s.logDir(log), sum: logSum(log)}
	defer func() { err = errors.Join(err, l.close()) }()
	if err := l.lockExclusive(ctx, false); err != nil {
		return false, err
	}
	s.removeTemps(l.dir)
	if err := s.removeStale(l); err != nil {
		return false, err
	}
	chain, err := s.chain(log)
	if err != nil || len(chain) == 0 {
		return false, err
	}
	if last := &chain[len(chain)-1]; !last.sealed {
		if chain, err = l.closeTail(chain, open); err != nil {
			return false, err
		}
	}
	group, _, err := s.nextGroup(log, chain)
	if err != nil || len(group) == 0 {
		return false, err
	}
	if open && group[len(group)-1].first == chain[len(chain)-1].first {
		// The record would lead appenders to a file that is about to go.
		if err := l.voidRecord(l.lock); err != nil {
			return false, err
		}
	}
	return true, l.sealGroup(group, res)
}

// closeTail makes the end of the open segment known, or takes it out of the chain.
func (l *dirLog) closeTail(chain []span, open bool) ([]span, error) {
	n := len(chain) - 1
	if !open {
		return chain[:n], nil
	}
	// What is not known to be durable is made so first.
	t, err := l.openTail()
	if err != nil {
		return nil, err
	}
	if chain, err = l.store.chain(l.id); err != nil {
		return nil, err
	}
	n = len(chain) - 1
	if t.size == t.first {
		return chain[:n], nil
	}
	chain[n].end = t.size
	return chain, nil
}

// nextGroup returns the first run of segments to seal together, and how much
// text they are. A segment without a path is one that is still to be written.
func (s *DirStore) nextGroup(log LogID, chain []span) (group []span, text int64, err error) {
	for i := range chain {
		if chain[i].sealed {
			continue
		}
		from := i
		if i > 0 && chain[i-1].sealed {
			before, err := s.sealedText(log, chain[i-1])
			if err != nil {
				return nil, 0, err
			}
			if before < s.sealing.small {
				from, text = i-1, before
			}
		}
		to := i
		for ; to < len(chain) && !chain[to].sealed && text < s.sealing.group; to++ {
			if chain[to].path == "" {
				continue
			}
			st, err := s.fs.Stat(chain[to].path)
			if err != nil {
				return nil, 0, err
			}
			text += st.Size
		}
		return chain[from:to], text, nil
	}
	return nil, 0, nil
}

func (s *DirStore) sealedText(log LogID, f span) (int64, error) {
	file, sealed, err := s.openSealedFile(log, f.path, f.first)
	if err != nil {
		return 0, err
	}
	return sealed.textOffset(len(sealed.blocks)), file.Close()
}

// sealGroup writes one sealed segment in the place of group.
func (l *dirLog) sealGroup(group []span, res *SealResult) error {
	g, err := l.beginSealed(group, nil)
	if err != nil {
		return err
	}
	return g.publish(res)
}

// sealedTemp is a sealed segment that is being written: a temporary file until
// it is published in the place of group.
type sealedTemp struct {
	l     *dirLog
	group []span
	name  string
	file  fsFile
	w     *sealWriter
	// named is set before the file gets its name: from then on it may be there,
	// whatever fails.
	named bool
}

// beginSealed begins a sealed segment with the lines of group, and notes where
// they end in each file. It checks what it copies. Without a group the segment
// begins with h, else with the header of its first one. The lock is held.
func (l *dirLog) beginSealed(group []span, h *header) (t *sealedTemp, err error) {
	t = &sealedTemp{l: l, group: group}
	if t.name, t.file, err = l.store.createTemp(l.dir); err != nil {
		return nil, err
	}
	if len(group) == 0 {
		line := appendHeader(nil, h)
		t.w, err = newSealWriter(t.file, &l.store.spare, h, line[:len(line)-1])
	}
	for i := range group {
		if err == nil {
			err = t.copySegment(&group[i])
		}
	}
	if err != nil {
		return nil, errors.Join(err, t.abandon())
	}
	return t, nil
}

// abandon removes what was written.
func (t *sealedTemp) abandon() error {
	if t.w != nil {
		t.w.release()
	}
	return errors.Join(t.file.Close(), removeIfThere(t.l.store.fs, t.name))
}

// publish finishes the segment, makes it durable, reads it back, gives it its
// name and removes the text that is in it.
func (t *sealedTemp) publish(res *SealResult) error {
	s, w := t.l.store, t.w
	size, err := w.finish()
	if err == nil {
		err = s.sync(t.file)
	}
	if err == nil {
		err = w.readBack(t.file)
	}
	if err != nil {
		return errors.Join(err, t.abandon())
	}
	res.Segments++
	res.Entries += w.index.size - w.index.first
	res.StoredBytes += size
	for _, b := range w.index.blocks {
		res.TextBytes += b.raw
	}
	w.release()
	t.named = true
	if err = t.file.Close(); err == nil {
		err = s.fs.Rename(t.name, t.l.segmentPath(w.index.first, sealedSuffix))
	}
	if err == nil {
		err = s.syncDir(t.l.dir)
	}
	if err != nil {
		return errors.Join(err, removeIfThere(s.fs, t.name))
	}
	return t.l.removeGroup(t.group)
}

// removeGroup removes the text that was sealed. What is left over in it is kept.
func (l *dirLog) removeGroup(group []span) error {
	removed := false
	for _, g := range group {
		if g.sealed {
			continue
		}
		if err := l.store.keepTorn(l, g.path, g.first, g.textEnd); err != nil {
			return err
		}
		if err := l.store.fs.Remove(g.path); err != nil {
			return err
		}
		removed = true
	}
	if !removed {
		return nil
	}
	return l.store.syncDir(l.dir)
}

// copySegment adds the lines of one segment.
func (t *sealedTemp) copySegment(g *span) error {
	r, file, err := t.l.store.spanReader(t.l.id, *g)
	if err != nil {
		return err
	}
	defer file.Close() //nolint:errcheck // only read from
	h, raw, err := r.readHeader(t.l.id, g.first)
	if err != nil {
		return err
	}
	if t.w == nil {
		t.w, err = newSealWriter(t.file, &t.l.store.spare, &h, raw)
	} else if h.frontier.Root() != t.w.frontier.Root() {
		bad := &fault{ruleFrontier, "frontier of the header", t.w.frontier.Root().String(), h.frontier.Root().String()}
		err = bad.at(r.path, 0, 1, g.first)
	}
	if err == nil {
		err = copyLines(t.w, r, g.end)
	}
	if err == nil && g.sealed {
		err = checkSeal(t.w, r)
	}
	if err == nil && !g.sealed {
		g.textEnd = r.off
		err = checkDead(file, r.path, r.sum, r.off, r.line, g.end)
	}
	return err
}

// checkSeal reads the seal of a segment whose entries were copied.
func checkSeal(w *sealWriter, r *segmentReader) error {
	l, off, err := r.next()
	if err != nil && err != io.EOF {
		return err
	}
	bad := &fault{ruleSeal, "seal", "a seal after the last entry", "something else"}
	if err == nil && l.kind == lineSeal {
		bad = sealMatches(l, &w.frontier)
	}
	if bad != nil {
		return bad.at(r.path, off, r.line, w.seq)
	}
	return nil
}

// checkDead is [judgeDead] for writers: damage in a dead part is kept with it.
func checkDead(f io.ReaderAt, path string, sum uint32, off, lineNo, end int64) error {
	err := judgeDead(f, path, sum, off, lineNo, end)
	if bad := asCorrupt(err); bad != nil && bad.Rule != ruleDeadAck {
		return nil
	}
	return err
}

// copyLines copies the lines up to end.
func copyLines(w *sealWriter, r *segmentReader, end int64) error {
	for w.seq < end {
		raw, off, err := r.nextLine()
		if err == io.EOF {
			return fmt.Errorf("%s: %w: it ends before entry %d: copy the log again", r.path, ErrIncomplete, w.seq)
		}
		if err != nil {
			return err
		}
		l, err := r.parse(raw, off)
		if err != nil {
			return err
		}
		if l.kind == lineSeal {
			return fmt.Errorf("%s: %w: it ends before entry %d: copy the log again", r.path, ErrIncomplete, w.seq)
		}
		if err := w.copy(raw, &l); err != nil {
			return err
		}
	}
	return nil
}

// removeStale removes the text of segments that lie in a sealed one, and sealed
// segments inside a larger one, after it has compared them. The lock is held.
// When it returns, the names of all sealed segments are durable: what follows
// may rely on them.
func (s *DirStore) removeStale(l *dirLog) error {
	chain, err := s.chain(l.id)
	if err != nil || !slices.ContainsFunc(chain, func(c span) bool { return c.sealed }) {
		return err
	}
	// Whoever sealed may have died before this.
	if err := s.syncDir(l.dir); err != nil {
		return err
	}
	files, err := listSegments(s.fs, l.dir)
	if err != nil {
		return err
	}
	removed := false
	for _, c := range chain {
		if !c.sealed {
			continue
		}
		for _, f := range files {
			if f.first < c.first || f.first >= c.end && f.first != c.first {
				continue
			}
			if f.text {
				if err := s.removeText(l, c, f.first); err != nil {
					return err
				}
				removed = true
			}
			if f.sealed && f.first != c.first {
				stale := span{first: f.first, path: l.segmentPath(f.first, sealedSuffix), sealed: true}
				if _, err := s.compareStale(l.id, c, stale, checkDead); err != nil {
					return err
				}
				if err := s.fs.Remove(stale.path); err != nil {
					return err
				}
				removed = true
			}
		}
	}
	if !removed {
		return nil
	}
	return s.syncDir(l.dir)
}

// removeText removes a text segment whose entries are in the sealed segment c.
// What else it holds is kept in a file beside it.
func (s *DirStore) removeText(l *dirLog, c span, first int64) error {
	stale := span{first: first, path: l.segmentPath(first, textSuffix)}
	off, err := s.compareStale(l.id, c, stale, checkDead)
	if err != nil {
		return err
	}
	if err := s.keepTorn(l, stale.path, first, off); err != nil {
		return err
	}
	return s.fs.Remove(stale.path)
}

// deadJudge is [judgeDead] or [checkDead].
type deadJudge func(f io.ReaderAt, path string, sum uint32, off, lineNo, end int64) error

// compareStale compares the entries of a segment that lies in the sealed segment
// c with those there, and returns the offset behind the last of them; judge
// looks at the rest. A segment with other entries is CORRUPT.
func (s *DirStore) compareStale(id LogID, c, stale span, judge deadJudge) (int64, error) {
	want, wantFile, err := s.openSpanAt(id, c, stale.first)
	if err != nil {
		return 0, err
	}
	defer wantFile.Close() //nolint:errcheck // only read from
	got, _, gotFile, err := s.openSpan(id, stale)
	if err != nil {
		return 0, err
	}
	defer gotFile.Close() //nolint:errcheck // only read from
	for {
		g, off, err := got.next()
		if err == io.EOF || err == nil && g.kind == lineSeal {
			return got.off, nil
		}
		if err == nil && g.seq >= c.end {
			if stale.sealed {
				return 0, (&fault{ruleDeadAck, "sealed past the end of " + filepath.Base(c.path), fmt.Sprintf("entries up to %d", c.end), "more"}).at(stale.path, off, got.line, g.seq)
			}
			return off, judge(gotFile, stale.path, got.sum, off, got.line-1, c.end)
		}
		if bad := asCorrupt(err); bad != nil && !stale.sealed {
			// An append that was cut, before another segment went on in its place:
			// that one may be gone already.
			return bad.Offset, judge(gotFile, stale.path, got.sum, bad.Offset, got.line-1, min(got.seq, c.end))
		}
		if err != nil {
			return 0, err
		}
		for {
			w, _, err := want.next()
			if err != nil {
				return 0, err
			}
			if w.seq < g.seq {
				continue
			}
			if w.leaf() != g.leaf() {
				bad := &fault{ruleStale, "entry of a segment that lies in " + filepath.Base(c.path), w.leaf().String(), g.leaf().String()}
				return 0, bad.at(stale.path, off, got.line, g.seq)
			}
			break
		}
	}
}

// keepTorn copies what stands in a text segment from off on to <first>.torn.
func (s *DirStore) keepTorn(l *dirLog, path string, first, off int64) (err error) {
	f, err := s.fs.Open(path, os.O_RDONLY)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	st, err := f.Stat()
	if err != nil || st.Size <= off {
		return err
	}
	tmp, t, err := s.createTemp(l.dir)
	if err != nil {
		return err
	}
	_, err = copyAt(context.Background(), t, io.Discard, io.NewSectionReader(f, off, st.Size-off))
	if err == nil {
		err = s.sync(t)
	}
	if err = errors.Join(err, t.Close()); err == nil {
		err = s.fs.Rename(tmp, l.segmentPath(first, tornSuffix))
	}
	if err != nil {
		return errors.Join(err, removeIfThere(s.fs, tmp))
	}
	return s.syncDir(l.dir)
}
