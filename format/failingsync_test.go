package format

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
)

// WithFailingSyncs makes a share of all syncs fail, for tests with real
// processes. What was written since the last sync that did not fail is lost, as
// on a machine: there the page cache takes such pages for clean, no later sync
// writes them, and sooner or later they are dropped. Half of them are dropped at
// once. Of the others the file is kept in the directory lost, for [LoseUnsynced].
func WithFailingSyncs(share float64, lost string) DirOption {
	return withFS(failingFS{share: share, lost: lost})
}

type failingFS struct {
	osFS
	share float64
	lost  string
}

func (f failingFS) fails() bool { return rand.Float64() < f.share }

func (f failingFS) Open(name string, flag int) (fsFile, error) {
	file, err := f.osFS.Open(name, flag)
	if err != nil {
		return nil, err
	}
	return &failingFile{fsFile: file, fs: f, name: name}, nil
}

func (f failingFS) SyncDir(name string) error {
	if f.fails() {
		return &os.PathError{Op: "syncdir", Path: name, Err: syscall.EIO}
	}
	return f.osFS.SyncDir(name)
}

// failingFile is one handle. The store never writes to a file through two.
type failingFile struct {
	fsFile
	fs       failingFS
	name     string
	from, to int64 // what was written and not synced
}

func (f *failingFile) WriteAt(b []byte, off int64) (int, error) {
	if f.to == 0 || off < f.from {
		f.from = off
	}
	f.to = max(f.to, off+int64(len(b)))
	return f.fsFile.WriteAt(b, off)
}

func (f *failingFile) Sync() error     { return f.sync(f.fsFile.Sync) }
func (f *failingFile) Datasync() error { return f.sync(f.fsFile.Datasync) }

func (f *failingFile) sync(sync func() error) error {
	if !f.fs.fails() {
		if err := sync(); err != nil {
			return err
		}
		f.from, f.to = 0, 0
		return nil
	}
	if err := f.lose(); err != nil {
		panic(err) // the test's own doing
	}
	return &os.PathError{Op: "sync", Path: f.name, Err: syscall.EIO}
}

// lose drops what was not synced, or keeps a name of the file for later: its own
// may be gone by then.
func (f *failingFile) lose() error {
	if f.to == 0 {
		return nil
	}
	if rand.IntN(2) == 0 {
		return dropRange(f.fsFile, f.from, f.to)
	}
	name, err := f.nameNow()
	if err != nil || name == "" {
		return err
	}
	return os.Link(name, filepath.Join(f.fs.lost, fmt.Sprintf("%016x.%d.%d", rand.Uint64(), f.from, f.to)))
}

// nameNow finds a name of the file, which may have got another one; "": none.
func (f *failingFile) nameNow() (string, error) {
	me, err := f.Stat()
	if err != nil {
		return "", err
	}
	dir := filepath.Dir(f.name)
	list, err := os.ReadDir(dir)
	if err != nil {
		return "", err
	}
	for _, e := range list {
		name := filepath.Join(dir, e.Name())
		st, err := f.fs.Stat(name)
		if errors.Is(err, os.ErrNotExist) {
			continue
		}
		if err != nil {
			return "", err
		}
		if st.ID == me.ID {
			return name, nil
		}
	}
	return "", nil
}

// dropRange makes a part of a file what a disk gives that never got it.
func dropRange(f fsFile, from, to int64) error {
	st, err := f.Stat()
	if err != nil || st.Size <= from {
		return err
	}
	_, err = f.WriteAt(make([]byte, min(to, st.Size)-from), from)
	return err
}

// LoseUnsynced does to the files in lost what a loss of power does, once all
// processes are dead, and returns how many there were.
func LoseUnsynced(lost string) (int, error) {
	list, err := os.ReadDir(lost)
	if err != nil {
		return 0, err
	}
	for _, e := range list {
		name := filepath.Join(lost, e.Name())
		var from, to int64
		if _, err := fmt.Sscanf(e.Name()[17:], "%d.%d", &from, &to); err != nil {
			return 0, fmt.Errorf("%s: %w", strconv.Quote(name), err)
		}
		f, err := osFS{}.Open(name, os.O_RDWR)
		if err != nil {
			return 0, err
		}
		if err := errors.Join(dropRange(f, from, to), f.Close(), os.Remove(name)); err != nil {
			return 0, err
		}
	}
	return len(list), nil
}
