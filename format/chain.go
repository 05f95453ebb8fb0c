package format

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"sync"
)

// span is a segment and the entries it contributes: [first, end).
type span struct {
	first  int64
	end    int64 // of the last segment, if it is text: openEnd
	path   string
	sealed bool
	// textEnd is where the entries end in a text file, once they were read.
	textEnd int64
}

// openEnd is the end of a segment that only its content tells.
const openEnd = math.MaxInt64

// chain returns the segments of a log that count, in order; none if there is
// no such log. Segments that begin inside a sealed one are left out. A sealed
// segment beside whose text it stands counts only if it verifies.
func (s *DirStore) chain(id LogID) ([]span, error) {
	dir := s.logDir(id)
	files, err := listSegments(s.fs, dir)
	if err != nil {
		return nil, err
	}
	var chain []span
	covered := int64(-1)
	for _, f := range files {
		if f.first < covered {
			continue
		}
		next := span{first: f.first, end: openEnd, path: filepath.Join(dir, segmentName(f.first, textSuffix))}
		if f.sealed {
			path := filepath.Join(dir, segmentName(f.first, sealedSuffix))
			end, err := s.sealedEnd(id, path, f.first, f.text)
			switch {
			case err == nil:
				next, covered = span{first: f.first, end: end, path: path, sealed: true}, end
			case !f.text || asCorrupt(err) == nil:
				return nil, err
			}
		}
		if n := len(chain); n > 0 && !chain[n-1].sealed {
			chain[n-1].end = f.first
		}
		chain = append(chain, next)
	}
	return chain, nil
}

// sealedEnd returns the size that a sealed segment's seal gives; all of it is
// checked if whole is set.
func (s *DirStore) sealedEnd(id LogID, path string, first int64, whole bool) (int64, error) {
	var st fsStat
	if !whole {
		var err error
		if st, err = s.fs.Stat(path); err != nil {
			return 0, err
		}
		if end, known := s.ends.of(path, st); known {
			return end, nil
		}
	}
	f, sealed, err := s.openSealedFile(id, path, first)
	if err != nil {
		return 0, err
	}
	if whole {
		_, err = rehash(sealed.reader(), id, first)
	}
	if err = errors.Join(err, f.Close()); err == nil && !whole {
		s.ends.note(path, st, sealed.size)
	}
	return sealed.size, err
}

// sealedEnds remembers what the seals of segments say. Sealed files never
// change, so the same file of the same length need not be opened again: each
// look at a log would open all of them.
type sealedEnds struct {
	mu   sync.Mutex
	ends map[string]sealedEnd
}

type sealedEnd struct {
	file fsStat
	end  int64
}

// maxSealedEnds bounds the memory that sealedEnds takes.
const maxSealedEnds = 4096

func (e *sealedEnds) of(path string, file fsStat) (end int64, known bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	k, there := e.ends[path]
	return k.end, there && k.file == file
}

func (e *sealedEnds) note(path string, file fsStat, end int64) {
	if file.ID == 0 {
		return // nothing tells it from another one
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.ends == nil || len(e.ends) >= maxSealedEnds {
		e.ends = make(map[string]sealedEnd)
	}
	e.ends[path] = sealedEnd{file, end}
}

func (s *DirStore) openSealedFile(id LogID, path string, first int64) (fsFile, *sealedFile, error) {
	f, err := s.fs.Open(path, os.O_RDONLY)
	if err != nil {
		return nil, nil, err
	}
	st, err := f.Stat()
	if err == nil {
		var sealed *sealedFile
		if sealed, err = openSealed(f, st.Size, path, id, first); err == nil {
			return f, sealed, nil
		}
	}
	return nil, nil, errors.Join(err, f.Close())
}

// rehash reads a whole segment and returns the frontier at its end. A seal must
// match.
func rehash(r *segmentReader, id LogID, first int64) (Frontier, error) {
	h, _, err := r.readHeader(id, first)
	if err != nil {
		return Frontier{}, err
	}
	frontier := h.frontier.Clone()
	for {
		l, off, err := r.next()
		switch {
		case err == io.EOF:
			return frontier, nil
		case err != nil:
			return frontier, err
		case l.kind == lineSeal:
			if bad := sealMatches(l, &frontier); bad != nil {
				return frontier, bad.at(r.path, off, r.line, l.seq)
			}
		default:
			frontier.Push(l.leaf())
		}
	}
}

// sealedFrontier returns the frontier at the end of a sealed segment, and the
// fork its header names. It reads all of it.
func (s *DirStore) sealedFrontier(id LogID, f span) (Frontier, *Fork, error) {
	file, sealed, err := s.openSealedFile(id, f.path, f.first)
	if err != nil {
		return Frontier{}, nil, err
	}
	defer file.Close() //nolint:errcheck // only read from
	h, _, err := sealed.reader().readHeader(id, f.first)
	if err != nil {
		return Frontier{}, nil, err
	}
	frontier, err := rehash(sealed.reader(), id, f.first)
	return frontier, h.fork, err
}

// openSpan opens a segment and reads its header.
func (s *DirStore) openSpan(id LogID, f span) (*segmentReader, header, fsFile, error) {
	r, file, err := s.spanReader(id, f)
	if err != nil {
		return nil, header{}, nil, err
	}
	h, _, err := r.readHeader(id, f.first)
	if err != nil {
		return nil, header{}, nil, errors.Join(err, file.Close())
	}
	return r, h, file, nil
}

// spanReader opens a segment for reading from its beginning.
func (s *DirStore) spanReader(id LogID, f span) (*segmentReader, fsFile, error) {
	if f.sealed {
		file, sealed, err := s.openSealedFile(id, f.path, f.first)
		if err != nil {
			return nil, nil, err
		}
		return sealed.reader(), file, nil
	}
	file, err := s.fs.Open(f.path, os.O_RDONLY)
	if err != nil {
		return nil, nil, err
	}
	return &segmentReader{path: f.path, src: newTextBlocks(file, 0), open: f.end == openEnd}, file, nil
}

// openSpanAt opens a segment for reading from entry seq or one before it.
func (s *DirStore) openSpanAt(id LogID, f span, seq int64) (*segmentReader, fsFile, error) {
	if f.sealed && seq > f.first {
		file, sealed, err := s.openSealedFile(id, f.path, f.first)
		if err != nil {
			return nil, nil, err
		}
		return sealed.readerAt(seq), file, nil
	}
	r, _, file, err := s.openSpan(id, f)
	return r, file, err
}

// tailInfo is where a log ends and begins.
type tailInfo struct {
	size int64
	// root is that of the size entries, and frontier theirs if it is known
	// without reading a sealed segment.
	root     Hash
	frontier *Frontier
	fork     *Fork
	chain    []span
}

// tailOf reads where a log ends, under its lock, without changing anything.
// It is [ErrNotFound] if there is no such log.
func (s *DirStore) tailOf(ctx context.Context, id LogID) (tailInfo, error) {
	t, last, err := s.openTailOf(ctx, id)
	if last != nil {
		err = errors.Join(err, last.Close())
	}
	return t, err
}

// openTailOf is tailOf for who reads on: it leaves the last segment open, as it
// was then, if that is text. Close it, if it is not nil, error or not.
func (s *DirStore) openTailOf(ctx context.Context, id LogID) (t tailInfo, last *textFile, err error) {
	held, err := s.heldFrontier(ctx, id)
	if err != nil {
		return t, nil, err
	}
	var lock fsFile
	if held == nil {
		var unlock func()
		if unlock, lock, err = s.lockShared(ctx, id); err != nil {
			return t, nil, err
		}
		defer unlock()
	}
	t, last, err = s.openOrigin(id)
	if err == nil && t.chain[0].first != t.begins() {
		begins := t.begins()
		err = fmt.Errorf("log %s: %w: entries %d to %d are missing: copy the log again", id, ErrIncomplete, begins, t.chain[0].first-1)
	}
	if err != nil {
		return tailInfo{}, last, err
	}
	if held != nil {
		t.size, t.root, t.frontier = held.Size(), held.Root(), held
		return t, last, nil
	}
	if last == nil {
		span := t.chain[len(t.chain)-1]
		file, sealed, err := s.openSealedFile(id, span.path, span.first)
		if err != nil {
			return tailInfo{}, nil, err
		}
		t.size, t.root = sealed.size, sealed.root
		return t, nil, file.Close()
	}
	l := &dirLog{store: s, id: id, dir: s.logDir(id), sum: logSum(id), scratch: s.buffer()}
	defer func() { used := l.scratch; s.buffers.Put(&used) }()
	size, frontier, err := l.textTail(lock, last)
	t.size, t.root, t.frontier = size, frontier.Root(), &frontier
	return t, last, err
}

// originOf returns a log's segments and its fork without looking at its tail.
func (s *DirStore) originOf(id LogID) (tailInfo, error) {
	var t tailInfo
	err := s.retry(func() (err error) {
		if t.chain, err = s.existing(id); err == nil {
			t.fork, err = s.forkOf(id, t.chain, nil)
		}
		return err
	})
	return t, err
}

// existing is chain for a log that must be there.
func (s *DirStore) existing(id LogID) ([]span, error) {
	chain, err := s.chain(id)
	if err == nil && len(chain) == 0 {
		err = fmt.Errorf("log %s: %w", id, ErrNotFound)
	}
	return chain, err
}

// openOrigin is originOf, with the last segment left open, if that is text.
// Close it, if it is not nil, error or not.
func (s *DirStore) openOrigin(id LogID) (t tailInfo, last *textFile, err error) {
	err = s.retry(func() (err error) {
		if last != nil {
			_ = last.Close() // only read from
			last = nil
		}
		if t.chain, err = s.existing(id); err != nil {
			return err
		}
		if end := t.chain[len(t.chain)-1]; !end.sealed {
			if last, err = s.openText(end); err != nil {
				return err
			}
		}
		t.fork, err = s.forkOf(id, t.chain, last)
		return err
	})
	return t, last, err
}

// forkOf returns the fork that a log's first header names. last is its last
// segment, if that is open.
func (s *DirStore) forkOf(id LogID, chain []span, last *textFile) (*Fork, error) {
	if len(chain) == 1 && last != nil {
		h, _, err := last.reader().readHeader(id, chain[0].first)
		return h.fork, err
	}
	_, h, file, err := s.openSpan(id, chain[0])
	if err != nil {
		return nil, err
	}
	return h.fork, file.Close()
}

// retry runs f again when a segment changed its form between listing and opening.
func (s *DirStore) retry(f func() error) error {
	var err error
	for range 5 {
		if err = f(); !errors.Is(err, fs.ErrNotExist) {
			break
		}
	}
	return err
}

// begins returns the first entry of the log's own files.
func (t *tailInfo) begins() int64 {
	if t.fork != nil {
		return t.fork.Size
	}
	return 0
}

// lockShared takes a log's lock shared, with a descriptor of its own. Without a
// lock file nobody on this machine writes, and lock is nil.
func (s *DirStore) lockShared(ctx context.Context, id LogID) (unlock func(), lock fsFile, err error) {
	lock, err = s.fs.Open(filepath.Join(s.logDir(id), lockName), os.O_RDONLY)
	if errors.Is(err, fs.ErrNotExist) {
		return func() {}, nil, nil
	}
	if err != nil {
		return nil, nil, err
	}
	if err := lock.Lock(ctx, false); err != nil {
		return nil, nil, errors.Join(err, lock.Close())
	}
	// Closing the descriptor unlocks.
	return func() { _ = lock.Close() }, lock, nil
}

// Sync makes durable what can be read of a log, and returns its size. Whoever
// wrote the last entries may have died, or failed, before its sync. It is
// [ErrNotFound] if there is no such log.
func (s *DirStore) Sync(ctx context.Context, id LogID) (size int64, err error) {
	if s.readOnly {
		return 0, fmt.Errorf("sync log %s: %w", id, ErrReadOnly)
	}
	l := &dirLog{store: s, id: id, dir: s.logDir(id), sum: logSum(id)}
	defer func() { err = errors.Join(err, l.close()) }()
	if err := l.lockExclusive(ctx, false); err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			err = fmt.Errorf("log %s: %w", id, ErrNotFound)
		}
		return 0, err
	}
	chain, err := s.chain(id)
	if err != nil {
		return 0, err
	}
	if len(chain) == 0 {
		return 0, fmt.Errorf("log %s: %w", id, ErrNotFound)
	}
	if last := chain[len(chain)-1]; last.sealed {
		return last.end, s.syncDir(l.dir)
	}
	t, err := l.openTail()
	if err != nil {
		return 0, err
	}
	return t.size, nil
}

// holdSettled returns where a log ends, with its first size entries durable, as
// far as it has them. Nobody removes it before unlock.
func (s *DirStore) holdSettled(ctx context.Context, id LogID, size int64) (unlock func(), t tailInfo, err error) {
	for {
		settled, err := s.Sync(ctx, id)
		if err != nil {
			return nil, t, err
		}
		if unlock, _, err = s.lockShared(ctx, id); err != nil {
			return nil, t, err
		}
		if t, err = s.tailOf(ctx, id); err != nil {
			unlock()
			return nil, t, err
		}
		if size <= settled || size > t.size {
			return unlock, t, nil
		}
		unlock() // somebody appended between
	}
}

// textTail returns the size and the frontier of a log whose last segment is
// text. The lock is held shared, or there is none.
func (l *dirLog) textTail(lock fsFile, last *textFile) (int64, Frontier, error) {
	if lock != nil {
		if rec := l.readRecord(lock); rec != nil && rec.first == last.first && l.sameAsRecord(last, rec) {
			if last.stat.Size == rec.off {
				return rec.size, rec.frontier, nil
			}
			run, err := l.scanFromRecord(last, last.path, rec)
			if err != nil {
				return 0, Frontier{}, err
			}
			return run.state.size, run.state.frontier, nil
		}
	}
	scan, err := scanOpenSegment(last, last.path, l.id, last.first)
	if err != nil {
		return 0, Frontier{}, err
	}
	if scan.verdict == verdictCorrupt {
		return scan.state.size, scan.state.frontier, scan.fault
	}
	return scan.state.size, scan.state.frontier, nil
}
