package format

import (
	"context"
	"io/fs"
	"os"
	"sync"
	"time"
)

// osFS is the machine's file system.
type osFS struct{}

func (osFS) Open(name string, flag int) (fsFile, error) {
	f, err := openFile(name, flag)
	if err != nil {
		return nil, err
	}
	return osFile{f}, nil
}

func (osFS) Mkdir(name string) error                    { return os.Mkdir(name, 0o700) }
func (osFS) ReadDir(name string) ([]fs.DirEntry, error) { return os.ReadDir(name) }
func (osFS) Link(old, name string) error                { return os.Link(old, name) }
func (osFS) Rename(old, name string) error              { return os.Rename(old, name) }
func (osFS) Remove(name string) error                   { return os.Remove(name) }
func (osFS) SyncDir(name string) error                  { return syncDir(name) }
func (osFS) BootID() string                             { return bootID() }
func (osFS) Stat(name string) (fsStat, error)           { return statPath(name) }

// bootID is read once: it cannot change while the process lives.
var bootID = sync.OnceValue(readBootID)

// osFile is a file of the machine.
type osFile struct{ *os.File }

func (f osFile) Stat() (fsStat, error) { return statFile(f.File) }
func (f osFile) Datasync() error       { return datasync(f.File) }

// lockPoll bounds how often a lock that somebody else holds is tried again when
// the wait can be cancelled.
const lockPoll = 5 * time.Millisecond

func (f osFile) Lock(ctx context.Context, exclusive bool) error {
	if ctx.Done() == nil {
		return lockFile(f.File, exclusive, true)
	}
	for wait := 100 * time.Microsecond; ; wait = min(2*wait, lockPoll) {
		err := lockFile(f.File, exclusive, false)
		if err != errLockHeld {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(wait):
		}
	}
}

func (f osFile) Unlock() error { return unlockFile(f.File) }
