package format

import (
	"context"
	"io"
	"io/fs"
)

// fsys is what a directory store needs of a file system. It exists so that
// tests can lose sectors, fail syncs and stop in the middle; outside tests it
// is [osFS].
type fsys interface {
	// Open opens or creates a file; flag is as for os.OpenFile. New files are
	// readable by their owner alone.
	Open(name string, flag int) (fsFile, error)
	// Mkdir makes a directory that only its owner can enter.
	Mkdir(name string) error
	ReadDir(name string) ([]fs.DirEntry, error)
	Stat(name string) (fsStat, error)
	Link(old, name string) error
	Rename(old, name string) error
	Remove(name string) error
	// SyncDir makes the names in a directory durable.
	SyncDir(name string) error
	// BootID names this run of the machine, "" if it cannot be told.
	BootID() string
}

// fsFile is an open file.
type fsFile interface {
	io.ReaderAt
	io.WriterAt
	io.Closer
	Stat() (fsStat, error)
	// Sync makes content and metadata durable.
	Sync() error
	// Datasync makes content, and the size needed to read it, durable.
	Datasync() error
	// Lock waits for the advisory lock of the whole file.
	Lock(ctx context.Context, exclusive bool) error
	Unlock() error
}

// fsStat is what the store asks about a file.
type fsStat struct {
	// ID tells a file from another one that had the same name. 0: unknown.
	ID   uint64
	Size int64
}

// readFull reads len(b) bytes at off.
func readFull(f io.ReaderAt, b []byte, off int64) error {
	n, err := f.ReadAt(b, off)
	if n == len(b) {
		return nil
	}
	if err == io.EOF || err == nil {
		err = io.ErrUnexpectedEOF
	}
	return err
}
