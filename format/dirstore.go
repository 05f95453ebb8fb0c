package format

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
)

// DirStore keeps logs and blobs in a directory of a local file system. Any
// number of processes may use the same directory at the same time. It is safe
// for concurrent use; Close it when done.
//
// Assumed of the file system: a sync that returned is true, a sector is old or
// new, sectors never written read as zeros, and advisory locks work. Network
// file systems are for reading only.
type DirStore struct {
	root     string
	fs       fsys
	readOnly bool
	noSync   bool
	rollSize int64
	sealing  sealLimits

	mu   sync.Mutex
	logs map[LogID]*dirLog
	made map[string]bool // directories known to be there and durable

	ends    sealedEnds
	buffers sync.Pool // of *[]byte, for the lines of a batch
	heads   sync.Pool // of *[maxTextHead]byte, for segments that are read at once
	spare   spareSealBuffers
	blobs   blobHold

	// fallback has the logs and blobs that are not here.
	fallback *DirStore
}

// DirOption changes how a directory store works.
type DirOption func(*DirStore)

// ReadOnly opens a store for reading: nothing is written, not even a directory.
func ReadOnly() DirOption { return func(s *DirStore) { s.readOnly = true } }

// WithoutSync leaves it to the operating system when bytes reach the disk:
// acknowledged entries survive the death of processes, not of the machine. It
// is for stores that can be made again, and for tests.
func WithoutSync() DirOption { return func(s *DirStore) { s.noSync = true } }

// DefaultRollSize is the size of text, in bytes, from which on an append begins
// a new segment.
const DefaultRollSize = 16 << 20

// WithRollSize sets from which size of text on, in bytes, an append begins a
// new segment. Heads do not depend on it.
func WithRollSize(n int64) DirOption { return func(s *DirStore) { s.rollSize = max(n, 1) } }

// withFS replaces the file system, for tests.
func withFS(f fsys) DirOption { return func(s *DirStore) { s.fs = f } }

// withFallback looks in another store for logs and blobs that are not here.
func withFallback(f *DirStore) DirOption { return func(s *DirStore) { s.fallback = f } }

const (
	logsDir  = "logs"
	blobsDir = "blobs"
	// maxOpenLogs bounds the file descriptors that idle logs keep.
	maxOpenLogs = 64
	// maxForks bounds how long a chain of forks may be.
	maxForks = 1000
)

// OpenDirStore opens the store in dir. The directory is made by the first
// write; opening for reading fails if it is not there.
func OpenDirStore(dir string, opts ...DirOption) (*DirStore, error) {
	root, err := filepath.Abs(dir)
	if err != nil {
		return nil, fmt.Errorf("open store: %w", err)
	}
	s := &DirStore{root: root, fs: osFS{}, rollSize: DefaultRollSize, sealing: defaultSealLimits, logs: map[LogID]*dirLog{}, made: map[string]bool{}}
	for _, opt := range opts {
		opt(s)
	}
	if s.readOnly {
		if _, err := s.fs.Stat(root); err != nil {
			return nil, fmt.Errorf("open store: %w", err)
		}
	}
	return s, nil
}

// Dir returns the store's directory.
func (s *DirStore) Dir() string { return s.root }

// Close lets go of files and locks. Appends that are under way must have
// returned.
func (s *DirStore) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.spare.Store(nil)
	errs := []error{s.blobs.close()}
	for id, l := range s.logs {
		errs = append(errs, l.close())
		delete(s.logs, id)
	}
	return errors.Join(errs...)
}

// Caps implements [Store].
func (s *DirStore) Caps() Caps { return Caps{Durable: !s.noSync} }

func (s *DirStore) logDir(id LogID) string {
	dir := filepath.Join(s.root, logsDir, id.String())
	if s.fallback != nil {
		if _, err := s.fs.Stat(dir); errors.Is(err, fs.ErrNotExist) {
			return s.fallback.logDir(id)
		}
	}
	return dir
}

// use returns the open log of that id; done must be called after use.
func (s *DirStore) use(id LogID) (l *dirLog, done func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	l = s.logs[id]
	if l == nil {
		if len(s.logs) >= maxOpenLogs {
			s.closeIdle()
		}
		l = &dirLog{store: s, id: id, dir: s.logDir(id), sum: logSum(id)}
		s.logs[id] = l
	}
	l.users++
	return l, func() {
		s.mu.Lock()
		l.users--
		s.mu.Unlock()
	}
}

// closeIdle closes the logs that nobody uses. s.mu is held.
func (s *DirStore) closeIdle() {
	for id, l := range s.logs {
		if l.users == 0 {
			// Only caches and a lock nobody holds: nothing can be lost.
			_ = l.close()
			delete(s.logs, id)
		}
	}
}

// List implements [Store]. A log without a segment, which a process that died
// while making it leaves behind, is none.
func (s *DirStore) List(ctx context.Context) iter.Seq2[LogID, error] {
	return func(yield func(LogID, error) bool) {
		names, err := s.fs.ReadDir(filepath.Join(s.root, logsDir))
		if err != nil {
			if !errors.Is(err, fs.ErrNotExist) {
				yield(LogID{}, fmt.Errorf("list logs: %w", err))
			}
			return
		}
		var ids []LogID
		for _, e := range names {
			if id, err := ParseLogID(e.Name()); err == nil && e.IsDir() {
				ids = append(ids, id)
			}
		}
		slices.SortFunc(ids, func(a, b LogID) int { return bytes.Compare(a[:], b[:]) })
		for _, id := range ids {
			if err := ctx.Err(); err != nil {
				yield(LogID{}, err)
				return
			}
			segments, err := listSegments(s.fs, s.logDir(id))
			if err != nil {
				yield(id, fmt.Errorf("list logs: %w", err))
				return
			}
			if len(segments) > 0 && !yield(id, nil) {
				return
			}
		}
	}
}

// makeDir makes a directory below the root, and those above it, and makes
// their names durable.
func (s *DirStore) makeDir(dir string) error {
	s.mu.Lock()
	made := s.made[dir]
	s.mu.Unlock()
	if made {
		return nil
	}
	parent := filepath.Dir(dir)
	if strings.HasPrefix(parent, s.root) {
		// The parent may be there without its name being durable.
		if err := s.makeDir(parent); err != nil {
			return err
		}
	}
	err := s.fs.Mkdir(dir)
	if errors.Is(err, fs.ErrNotExist) && parent != dir {
		if err = s.makeDir(parent); err == nil {
			err = s.fs.Mkdir(dir)
		}
	}
	if err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	// A directory that exists may have been made by somebody who died before
	// the sync.
	if err := s.syncDir(parent); err != nil {
		return err
	}
	s.mu.Lock()
	s.made[dir] = true
	s.mu.Unlock()
	return nil
}

func (s *DirStore) syncDir(dir string) error {
	if s.noSync {
		return nil
	}
	return s.fs.SyncDir(dir)
}

func (s *DirStore) sync(f fsFile) error {
	if s.noSync {
		return nil
	}
	return f.Sync()
}

// createTemp makes a new file in dir under a random name that everybody ignores.
func (s *DirStore) createTemp(dir string) (name string, f fsFile, err error) {
	var b [8]byte
	_, _ = rand.Read(b[:]) // never fails
	name = filepath.Join(dir, tmpPrefix+hex.EncodeToString(b[:]))
	f, err = s.fs.Open(name, os.O_RDWR|os.O_CREATE|os.O_EXCL)
	return name, f, err
}

// removeTemps removes what writers that died left in dir, whose lock is held.
func (s *DirStore) removeTemps(dir string) {
	names, err := s.fs.ReadDir(dir)
	if err != nil {
		return
	}
	for _, e := range names {
		if isTemporary(e.Name()) && !e.IsDir() {
			// Leaving one does no harm: everybody ignores it.
			_ = s.fs.Remove(filepath.Join(dir, e.Name()))
		}
	}
}
