package format

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sync/atomic"
)

// dirLog is one log of a directory store, as one handle sees it. Its fields
// below queue belong to whoever leads the queue.
type dirLog struct {
	store *DirStore
	id    LogID
	dir   string
	sum   uint32
	users int // guarded by store.mu

	queue commitQueue

	lock fsFile
	tail *openSegment // as this handle left it; checked against the record before use
	next Frontier     // of the batch being written
	// suspect is set after an error while appending: nothing more is written to
	// the file that was open then.
	suspect bool
	record  []byte // the lock record as this handle wrote it
	// recorded is where the log ends according to that record.
	recorded struct{ off, size int64 }
	// holders keep the lock between appends; see [DirStore.Hold]. Anybody may
	// look whether there are any.
	holders atomic.Int64
	scratch []byte
	// tailSize is the size of tail's file when the lock was taken.
	tailSize int64
}

// openSegment is an open segment that may be appended to, under the lock.
type openSegment struct {
	file  fsFile
	path  string
	first int64
	ino   uint64
	fork  *Fork // of the log, which every header repeats
	scanState
	last []byte // the last min(off, lastBytes) bytes before off
}

func (l *dirLog) segmentPath(first int64, suffix string) string {
	return filepath.Join(l.dir, segmentName(first, suffix))
}

func (l *dirLog) close() error {
	var errs []error
	if l.tail != nil {
		errs = append(errs, l.tail.file.Close())
	}
	if l.lock != nil {
		errs = append(errs, l.lock.Close())
	}
	l.tail, l.lock, l.record = nil, nil, nil
	l.holders.Store(0)
	return errors.Join(errs...)
}

// poison gives up the handle's files after an error whose effect is unknown.
// The next append opens them anew and copies what is not known to be durable to
// fresh pages, as if the writer had died.
func (l *dirLog) poison() {
	// The error that led here is the one to report.
	_ = l.close()
	l.suspect = true
}

// lockExclusive takes the log's lock; the log's directory is made if create is
// set, else the error is fs.ErrNotExist.
func (l *dirLog) lockExclusive(ctx context.Context, create bool) error {
	path := filepath.Join(l.dir, lockName)
	for {
		if l.lock == nil {
			f, err := l.openLock(path, create)
			if err != nil {
				return err
			}
			l.lock = f
		}
		if err := l.lock.Lock(ctx, true); err != nil {
			return err
		}
		if l.tailThere() {
			return nil
		}
		mine, err := l.lock.Stat()
		if err != nil {
			return errors.Join(err, l.lock.Unlock())
		}
		now, err := l.store.fs.Stat(path)
		if err == nil && now.ID == mine.ID {
			return nil
		}
		// The whole log was removed while this handle waited.
		if err := l.close(); err != nil {
			return err
		}
		if err := ctx.Err(); err != nil {
			return err
		}
	}
}

// tailThere tells whether the segment this handle has open is still under its
// name: then the log was not removed since, and made anew. It notes how long
// the segment is.
func (l *dirLog) tailThere() bool {
	if l.tail == nil || l.tail.ino == 0 {
		return false
	}
	st, err := l.store.fs.Stat(l.tail.path)
	l.tailSize = st.Size
	return err == nil && st.ID == l.tail.ino
}

func (l *dirLog) openLock(path string, create bool) (fsFile, error) {
	if !create {
		f, err := l.store.fs.Open(path, os.O_RDWR)
		if !errors.Is(err, fs.ErrNotExist) {
			return f, err
		}
		// A log that was copied without its lock file gets a new one.
		segments, err2 := listSegments(l.store.fs, l.dir)
		if err2 != nil || len(segments) == 0 {
			return nil, errors.Join(err, err2)
		}
	}
	for {
		if err := l.store.makeDir(l.dir); err != nil {
			return nil, err
		}
		f, err := l.store.fs.Open(path, os.O_RDWR|os.O_CREATE)
		if !errors.Is(err, fs.ErrNotExist) || !l.store.forget(l.dir) {
			return f, err
		}
	}
}

// forget makes the next makeDir look again; false if it did anyway.
func (s *DirStore) forget(dir string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	made := s.made[dir]
	delete(s.made, dir)
	return made
}

// openTail returns the open segment to append to. The lock is held. It makes
// one if the last is closed, and puts lines that are not known to be durable
// into a new one.
func (l *dirLog) openTail() (*openSegment, error) {
	if l.held() {
		return l.tail, nil
	}
	raw := l.rawRecord(l.lock)
	if !l.suspect && l.tail != nil && len(raw) > 0 && bytes.Equal(raw, l.record) && l.tailSize == l.tail.off {
		// Nobody wrote since, and whoever makes or removes a segment voids the record.
		return l.tail, nil
	}
	rec := l.parseRecord(raw)
	if !l.suspect && rec != nil {
		if t := l.openRecorded(rec); t != nil {
			l.setTail(t)
			return t, nil
		}
	}
	t, err := l.repairTail(rec)
	if err != nil {
		return nil, err
	}
	l.suspect = false
	l.setTail(t)
	return t, l.writeRecord(t)
}

func (l *dirLog) setTail(t *openSegment) {
	if l.tail != nil && l.tail != t && l.tail.file != t.file {
		// Everything written through it was synced.
		_ = l.tail.file.Close()
	}
	l.tail = t
}

// readRecord returns the lock record, nil if it is not valid or of another boot.
func (l *dirLog) readRecord(f io.ReaderAt) *lockRecord { return l.parseRecord(l.rawRecord(f)) }

// rawRecord returns the bytes of the lock record, valid until the next call.
func (l *dirLog) rawRecord(f io.ReaderAt) []byte {
	if cap(l.scratch) < maxLockRecord {
		l.scratch = make([]byte, maxLockRecord)
	}
	buf := l.scratch[:maxLockRecord]
	n, err := f.ReadAt(buf, 0)
	if err != nil && err != io.EOF {
		return nil
	}
	end := bytes.IndexByte(buf[:n], '\n')
	return buf[:end+1]
}

func (l *dirLog) parseRecord(raw []byte) *lockRecord {
	rec, ok := parseLockRecord(raw, l.sum)
	boot := l.store.fs.BootID()
	if !ok || boot == "" || rec.boot != boot || rec.ino == 0 {
		return nil
	}
	return rec
}

func (l *dirLog) writeRecord(t *openSegment) error {
	rec := lockRecord{boot: l.store.fs.BootID(), first: t.first, ino: t.ino, off: t.off, size: t.size, last: lastSum(t.last), frontier: t.frontier}
	l.record = appendLockRecord(l.record[:0], l.sum, &rec)
	l.recorded.off, l.recorded.size = t.off, t.size
	_, err := l.lock.WriteAt(l.record, 0)
	return err
}

// voidRecord makes the lock record say nothing. It must be done before files
// change in a way that a process which finds the record could not see.
func (l *dirLog) voidRecord(lock io.WriterAt) error {
	l.record = nil
	_, err := lock.WriteAt([]byte("\n"), 0)
	return err
}

// unchanged tells whether a segment is still as the record has it: the same
// file under its name, no byte more, no successor.
//
// Only two files can be there without the record saying so: the sealed form of
// the segment, and the segment that a process which died began at the recorded
// size. So two or three look-ups do instead of reading the directory.
func (l *dirLog) unchanged(t *openSegment) bool {
	st, err := l.store.fs.Stat(t.path)
	if err != nil || st.ID != t.ino || st.Size != t.off {
		return false
	}
	if l.exists(t.first, sealedSuffix) {
		return false
	}
	return t.size == t.first || !l.exists(t.size, textSuffix) && !l.exists(t.size, sealedSuffix)
}

func (l *dirLog) exists(first int64, suffix string) bool {
	_, err := l.store.fs.Stat(l.segmentPath(first, suffix))
	return !errors.Is(err, fs.ErrNotExist)
}

// openRecorded opens the segment that the record names; nil if it is not as the
// record says.
func (l *dirLog) openRecorded(rec *lockRecord) *openSegment {
	path := l.segmentPath(rec.first, textSuffix)
	f, err := l.store.fs.Open(path, os.O_RDWR)
	if err != nil {
		return nil
	}
	h, err := l.headerOf(f, span{path: path, first: rec.first})
	if err != nil {
		_ = f.Close() // only read from
		return nil
	}
	t := &openSegment{file: f, path: path, first: rec.first, ino: rec.ino, fork: h.fork, scanState: scanState{off: rec.off, size: rec.size, frontier: rec.frontier}}
	if !l.sameAsRecord(f, rec) || !l.unchanged(t) {
		_ = f.Close() // only read from
		return nil
	}
	t.last = make([]byte, min(rec.off, lastBytes))
	if readFull(f, t.last, rec.off-int64(len(t.last))) != nil {
		_ = f.Close()
		return nil
	}
	return t
}

// sameAsRecord tells whether f is the file of the record, up to rec.off.
func (l *dirLog) sameAsRecord(f fsFile, rec *lockRecord) bool {
	st, err := f.Stat()
	if err != nil || st.ID != rec.ino || st.Size < rec.off {
		return false
	}
	last := make([]byte, min(rec.off, lastBytes))
	return readFull(f, last, rec.off-int64(len(last))) == nil && lastSum(last) == rec.last
}

// tailSource says what a new open segment is made of: the lines of an older
// file that are not known to be durable.
type tailSource struct {
	header header   // of the segment to make
	file   fsFile   // nil: no lines to take over
	from   int64    // where the lines begin
	until  int64    // size of the log with them
	last   lineTail // a last line that lacks its LF
}

// lineTail is where a line without LF stands; zero if there is none.
type lineTail struct{ off, n int64 }

// repairTail makes an open segment from whatever is in the log's directory.
func (l *dirLog) repairTail(rec *lockRecord) (*openSegment, error) {
	l.store.removeTemps(l.dir)
	chain, err := l.store.chain(l.id)
	if err != nil {
		return nil, err
	}
	if len(chain) == 0 {
		return l.newSegment(tailSource{header: header{log: l.id}})
	}
	f := chain[len(chain)-1]
	if f.sealed {
		// Whoever sealed may have died before its name was durable: a segment
		// behind it must not survive a crash that it does not.
		if err := l.store.syncDir(l.dir); err != nil {
			return nil, err
		}
		frontier, fork, err := l.store.sealedFrontier(l.id, f)
		if err != nil {
			return nil, err
		}
		return l.newSegment(tailSource{header: header{log: l.id, first: f.end, frontier: frontier, fork: fork}})
	}
	file, err := l.store.fs.Open(f.path, os.O_RDWR)
	if err != nil {
		return nil, err
	}
	defer file.Close() //nolint:errcheck // only read from
	src, err := l.unproven(file, f, rec)
	if err != nil {
		return nil, err
	}
	return l.newSegment(src)
}

// unproven finds what of the last segment is not known to be durable.
func (l *dirLog) unproven(file fsFile, f span, rec *lockRecord) (tailSource, error) {
	if rec != nil && rec.first == f.first && l.sameAsRecord(file, rec) {
		// The writer died, or its sync failed: what it left is in the page cache.
		h, err := l.headerOf(file, f)
		if err != nil {
			return tailSource{}, err
		}
		run, err := l.scanFromRecord(file, f.path, rec)
		if err != nil {
			return tailSource{}, err
		}
		if run.sealed {
			return tailSource{header: header{log: l.id, first: run.state.size, frontier: run.state.frontier, fork: h.fork}}, nil
		}
		src := tailSource{header: header{log: l.id, first: rec.size, frontier: rec.frontier, fork: h.fork}, file: file, from: rec.off, until: run.state.size}
		if rec.size == f.first {
			src.header = h
		}
		return src, src.takeUnended(file, run)
	}
	scan, err := scanOpenSegment(file, f.path, l.id, f.first)
	if err != nil {
		return tailSource{}, err
	}
	if scan.verdict == verdictCorrupt {
		return tailSource{}, scan.fault
	}
	if scan.sealed {
		return tailSource{header: header{log: l.id, first: scan.state.size, frontier: scan.state.frontier, fork: scan.header.fork}}, nil
	}
	src := tailSource{header: header{log: l.id, first: scan.batch.size, frontier: scan.batch.frontier, fork: scan.header.fork}, file: file, from: scan.batch.off, until: scan.state.size}
	if scan.batch.size == f.first {
		src.header = scan.header
	}
	return src, src.takeUnended(file, scan)
}

// takeUnended notes a last line that lacks its LF alone.
func (s *tailSource) takeUnended(file fsFile, scan *openScan) error {
	if !scan.unended {
		return nil
	}
	st, err := file.Stat()
	s.last = lineTail{scan.state.off, st.Size - scan.state.off}
	return err
}

func (l *dirLog) headerOf(file io.ReaderAt, f span) (header, error) {
	r := segmentReader{path: f.path, src: newTextBlocks(file, 0)}
	h, _, err := r.readHeader(l.id, f.first)
	return h, err
}

// newSegment makes an open segment: durable, and then visible, with a durable
// header. Lines taken over get ack = the first of them, as a batch of their own
// whose sync is that of the file.
func (l *dirLog) newSegment(src tailSource) (*openSegment, error) {
	tmp, f, err := l.store.createTemp(l.dir)
	if err != nil {
		return nil, err
	}
	t := &openSegment{file: f, path: l.segmentPath(src.header.first, textSuffix), first: src.header.first}
	t.frontier, t.fork = src.header.frontier.Clone(), src.header.fork
	t.size = src.header.first
	err = l.fillSegment(t, src)
	if err == nil {
		err = l.store.sync(f)
	}
	if err == nil {
		// The record would lead appenders to the segment before.
		err = l.voidRecord(l.lock)
	}
	if err == nil {
		err = l.publish(tmp, t.path)
	}
	if err == nil {
		err = l.store.syncDir(l.dir)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("new segment %s: %w", t.path, err), f.Close(), removeIfThere(l.store.fs, tmp))
	}
	st, err := f.Stat()
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	t.ino = st.ID
	return t, nil
}

// publish gives a finished temporary file its name. A file that has the name
// holds nothing that was proven durable elsewhere than in the new one.
func (l *dirLog) publish(tmp, path string) error {
	err := l.store.fs.Link(tmp, path)
	if err == nil {
		// A name that stays behind is ignored.
		_ = l.store.fs.Remove(tmp)
		return nil
	}
	if errors.Is(err, fs.ErrExist) || linkUnsupported(err) {
		return l.store.fs.Rename(tmp, path)
	}
	return err
}

// linkUnsupported tells errors of file systems that know no hard links.
func linkUnsupported(err error) bool {
	return errors.Is(err, errors.ErrUnsupported) || errors.Is(err, fs.ErrPermission)
}

// fillSegment writes the header and the lines taken over.
func (l *dirLog) fillSegment(t *openSegment, src tailSource) error {
	buf := appendHeader(nil, &src.header)
	flush := func() error {
		err := t.write(buf)
		buf = buf[:0]
		return err
	}
	take := func(ln line) error {
		ln.ack = src.header.first
		buf = appendLine(buf, l.sum, ln)
		t.frontier.Push(ln.leaf())
		t.size++
		if len(buf) < textBlockSize {
			return nil
		}
		return flush()
	}
	if src.file != nil {
		r := segmentReader{sum: l.sum, src: newTextBlocks(src.file, src.from), seq: t.size, ack: unknownAck}
		until := src.until
		if src.last.n > 0 {
			until--
		}
		for t.size < until {
			ln, _, err := r.next()
			if err != nil {
				return err
			}
			if err := take(ln); err != nil {
				return err
			}
		}
	}
	if src.last.n > 0 {
		raw := make([]byte, src.last.n)
		if err := readFull(src.file, raw, src.last.off); err != nil {
			return err
		}
		ln, f := parseLine(raw, l.sum)
		if f != nil {
			return f.at("", src.last.off, 0, t.size)
		}
		if err := take(ln); err != nil {
			return err
		}
	}
	return flush()
}

// write adds bytes at the end of the segment; it moves off, nothing else.
func (t *openSegment) write(b []byte) error {
	for done := 0; done < len(b); {
		n, err := t.file.WriteAt(b[done:], t.off+int64(done))
		if err != nil {
			return err
		}
		done += n
	}
	t.off += int64(len(b))
	t.last = append(t.last, b[max(0, len(b)-lastBytes):]...)
	t.last = append(t.last[:0], t.last[max(0, len(t.last)-lastBytes):]...)
	return nil
}

func removeIfThere(f fsys, name string) error {
	if err := f.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}
