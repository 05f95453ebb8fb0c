package format

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sync"

	"github.com/klauspost/compress/zstd"
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

const (
	// mergeLimit is the text, in bytes, up to which adjacent segments become
	// one. It bounds what an append has to read after everything was sealed.
	mergeLimit = 64 << 20
	// smallSealed is the text below which a sealed segment is sealed again
	// together with what follows: frames that are closed early compress badly.
	smallSealed = 4 << 20
)

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
	group, err := s.nextGroup(log, chain)
	if err != nil || len(group) == 0 {
		return false, err
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
	// The record would lead appenders to a file that is about to go.
	return chain, l.voidRecord(l.lock)
}

// nextGroup returns the first run of segments to seal together.
func (s *DirStore) nextGroup(log LogID, chain []span) ([]span, error) {
	for i := range chain {
		if chain[i].sealed {
			continue
		}
		from, size := i, int64(0)
		if i > 0 && chain[i-1].sealed {
			text, err := s.sealedText(log, chain[i-1])
			if err != nil {
				return nil, err
			}
			if text < smallSealed {
				from, size = i-1, text
			}
		}
		to := i
		for ; to < len(chain) && !chain[to].sealed; to++ {
			st, err := s.fs.Stat(chain[to].path)
			if err != nil {
				return nil, err
			}
			if size += st.Size; size > mergeLimit && to > i {
				break
			}
		}
		return chain[from:to], nil
	}
	return nil, nil
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
	tmp, f, err := l.store.createTemp(l.dir)
	if err != nil {
		return err
	}
	w, size, err := l.writeSealed(f, group)
	if err == nil {
		err = l.store.sync(f)
	}
	path := l.segmentPath(group[0].first, sealedSuffix)
	if err == nil {
		err = l.readBack(f, size, path, w)
	}
	if err = errors.Join(err, f.Close()); err == nil {
		err = l.store.fs.Rename(tmp, path)
	}
	if err == nil {
		err = l.store.syncDir(l.dir)
	}
	if err != nil {
		return errors.Join(err, removeIfThere(l.store.fs, tmp))
	}
	res.Segments++
	res.Entries += w.seq - group[0].first
	res.StoredBytes += size
	for _, b := range w.index.blocks {
		res.TextBytes += b.raw
	}
	return l.removeGroup(group)
}

// removeGroup removes the text that was sealed. What is left over in it is kept.
func (l *dirLog) removeGroup(group []span) error {
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
	}
	return l.store.syncDir(l.dir)
}

// encoders keeps encoders: each holds some megabytes of tables.
var encoders = sync.Pool{New: func() any { return newEncoder() }}

// writeSealed writes the lines of a group, and notes where they end in each
// file. It checks what it copies.
func (l *dirLog) writeSealed(f io.WriterAt, group []span) (*sealWriter, int64, error) {
	enc := encoders.Get().(*zstd.Encoder)
	defer encoders.Put(enc)
	var w *sealWriter
	for i := range group {
		var err error
		if w, err = l.copySegment(w, f, enc, &group[i]); err != nil {
			return nil, 0, err
		}
	}
	size, err := w.finish()
	return w, size, err
}

// copySegment adds the lines of one segment; with the first, w is nil.
func (l *dirLog) copySegment(w *sealWriter, f io.WriterAt, enc *zstd.Encoder, g *span) (*sealWriter, error) {
	r, file, err := l.store.spanReader(l.id, *g)
	if err != nil {
		return nil, err
	}
	defer file.Close() //nolint:errcheck // only read from
	h, raw, err := r.readHeader(l.id, g.first)
	if err != nil {
		return nil, err
	}
	if w == nil {
		w, err = newSealWriter(f, enc, &h, raw)
	} else if h.frontier.Root() != w.frontier.Root() {
		bad := &fault{ruleFrontier, "frontier of the header", w.frontier.Root().String(), h.frontier.Root().String()}
		err = bad.at(r.path, 0, 1, g.first)
	}
	if err == nil {
		err = copyLines(w, r, g.end)
	}
	if err == nil && !g.sealed {
		g.textEnd = r.off
		err = checkDead(file, r.path, r.sum, r.off, r.line, g.end)
	}
	return w, err
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
		if err := w.add(raw, &l); err != nil {
			return err
		}
	}
	return nil
}

// readBack reads a sealed file anew and compares its root with that of the text.
func (l *dirLog) readBack(f io.ReaderAt, size int64, path string, w *sealWriter) error {
	sealed, err := openSealed(f, size, path, l.id, w.index.first)
	if err != nil {
		return fmt.Errorf("read back what was written: %w", err)
	}
	frontier, err := rehash(sealed.reader(), l.id, w.index.first)
	if err != nil {
		return fmt.Errorf("read back what was written: %w", err)
	}
	if root := frontier.Root(); root != w.index.root || frontier.Size() != w.index.size {
		return (&fault{ruleSeal, "root of what was written, read back", w.index.root.String(), root.String()}).at(path, -1, 0, -1)
	}
	return nil
}

// removeStale removes the text of segments that lie in a sealed one, and sealed
// segments inside a larger one, after it has compared them. The lock is held.
func (s *DirStore) removeStale(l *dirLog) error {
	chain, err := s.chain(l.id)
	if err != nil {
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
	_, err = copyAt(context.Background(), t, io.NewSectionReader(f, off, st.Size-off))
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
