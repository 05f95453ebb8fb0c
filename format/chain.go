package format

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// span is a segment and the entries it contributes: [first, end).
type span struct {
	first  int64
	end    int64 // of the last segment, if it is text: openEnd
	path   string
	sealed bool
}

// openEnd is the end of a segment that only its content tells.
const openEnd = MaxSize + 1

// chain returns the segments of a log that count, in order; none if there is
// no such log. Segments that begin inside a sealed one are left out.
func (s *DirStore) chain(id LogID) ([]span, error) {
	dir := s.logDir(id)
	files, err := listSegments(s.fs, dir)
	if err != nil {
		return nil, err
	}
	var chain []span
	for _, f := range files {
		if !f.text {
			continue
		}
		if n := len(chain); n > 0 {
			chain[n-1].end = f.first
		}
		chain = append(chain, span{first: f.first, end: openEnd, path: filepath.Join(dir, segmentName(f.first, textSuffix))})
	}
	return chain, nil
}

// sealedFrontier returns the frontier at the end of a sealed segment.
func (s *DirStore) sealedFrontier(id LogID, f span) (Frontier, error) {
	return Frontier{}, fmt.Errorf("log %s: %s: %w", id, f.path, ErrUnsupported)
}

// openSpan opens a segment and reads its header.
func (s *DirStore) openSpan(id LogID, f span) (*segmentReader, header, io.Closer, error) {
	file, err := s.fs.Open(f.path, os.O_RDONLY)
	if err != nil {
		return nil, header{}, nil, err
	}
	r := &segmentReader{path: f.path, src: newTextBlocks(file, 0)}
	h, _, err := r.readHeader(id, f.first)
	if err != nil {
		return nil, header{}, nil, errors.Join(err, file.Close())
	}
	return r, h, file, nil
}

// tailInfo is where a log ends and begins.
type tailInfo struct {
	size     int64
	frontier Frontier
	fork     *Fork
	chain    []span
}

// tailOf reads where a log ends, under its lock, without changing anything.
// It is [ErrNotFound] if there is no such log.
func (s *DirStore) tailOf(ctx context.Context, id LogID) (tailInfo, error) {
	unlock, lock, err := s.lockShared(ctx, id)
	if err != nil {
		return tailInfo{}, err
	}
	defer unlock()
	l := &dirLog{store: s, id: id, dir: s.logDir(id), sum: logSum(id)}
	chain, err := s.chain(id)
	if err != nil {
		return tailInfo{}, err
	}
	if len(chain) == 0 {
		return tailInfo{}, fmt.Errorf("log %s: %w", id, ErrNotFound)
	}
	t := tailInfo{chain: chain}
	_, h, file, err := s.openSpan(id, chain[0])
	if err != nil {
		return tailInfo{}, err
	}
	t.fork = h.fork
	if err := file.Close(); err != nil {
		return tailInfo{}, err
	}
	if begins := t.begins(); chain[0].first != begins {
		return tailInfo{}, fmt.Errorf("log %s: %w: entries %d to %d are missing: copy the log again", id, ErrIncomplete, begins, chain[0].first-1)
	}
	last := chain[len(chain)-1]
	if last.sealed {
		t.size = last.end
		t.frontier, err = s.sealedFrontier(id, last)
		return t, err
	}
	t.size, t.frontier, err = l.textTail(lock, last)
	return t, err
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

// textTail returns the size and the frontier of a log whose last segment is
// text. The lock is held shared, or there is none.
func (l *dirLog) textTail(lock fsFile, last span) (int64, Frontier, error) {
	file, err := l.store.fs.Open(last.path, os.O_RDONLY)
	if err != nil {
		return 0, Frontier{}, err
	}
	defer file.Close() //nolint:errcheck // only read from
	if lock != nil {
		if rec, _ := l.readRecord(lock); rec != nil && rec.first == last.first && l.sameAsRecord(file, rec) {
			run := openScan{state: scanState{off: rec.off, size: rec.size, frontier: rec.frontier}}
			err := run.run(&segmentReader{path: last.path, sum: l.sum, src: newTextBlocks(file, rec.off), seq: rec.size, ack: -1})
			if asCorrupt(err) != nil {
				err = nil
			}
			return run.state.size, run.state.frontier, err
		}
	}
	scan, err := scanOpenSegment(file, last.path, l.id, last.first)
	if err != nil {
		return 0, Frontier{}, err
	}
	if scan.verdict == verdictCorrupt {
		return scan.state.size, scan.state.frontier, scan.fault
	}
	return scan.state.size, scan.state.frontier, nil
}
