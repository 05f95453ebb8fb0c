//go:build unix

package format

import (
	"errors"
	"io/fs"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// errLockHeld says that somebody else holds the lock.
var errLockHeld = errors.New("the lock is held")

func lockFile(f *os.File, exclusive, wait bool) error {
	how := unix.LOCK_SH
	if exclusive {
		how = unix.LOCK_EX
	}
	if !wait {
		how |= unix.LOCK_NB
	}
	for {
		err := unix.Flock(int(f.Fd()), how)
		switch {
		case err == nil:
			return nil
		case errors.Is(err, unix.EINTR):
		case errors.Is(err, unix.EWOULDBLOCK):
			return errLockHeld
		default:
			return &fs.PathError{Op: "flock", Path: f.Name(), Err: err}
		}
	}
}

func unlockFile(f *os.File) error { return unix.Flock(int(f.Fd()), unix.LOCK_UN) }

// statPath asks the system itself: every append does, and needs two numbers.
func statPath(name string) (fsStat, error) {
	var st unix.Stat_t
	for {
		err := unix.Stat(name, &st)
		if err == nil {
			return fsStat{ID: uint64(st.Ino), Size: st.Size}, nil //nolint:unconvert // of another type elsewhere
		}
		if !errors.Is(err, unix.EINTR) {
			return fsStat{}, &fs.PathError{Op: "stat", Path: name, Err: err}
		}
	}
}

func statFile(f *os.File) (fsStat, error) {
	info, err := f.Stat()
	if err != nil {
		return fsStat{}, err
	}
	s := fsStat{Size: info.Size()}
	if sys, ok := info.Sys().(*syscall.Stat_t); ok {
		s.ID = uint64(sys.Ino)
	}
	return s, nil
}

// openFile is [os.OpenFile] for files that nobody waits for: that one asks the
// system five times whether the file can be polled, which regular files cannot.
func openFile(name string, flag int) (*os.File, error) {
	for {
		fd, err := unix.Open(name, flag|unix.O_CLOEXEC, 0o600)
		if err == nil {
			return os.NewFile(uintptr(fd), name), nil
		}
		if !errors.Is(err, unix.EINTR) {
			return nil, &fs.PathError{Op: "open", Path: name, Err: err}
		}
	}
}

func syncDir(name string) error {
	d, err := openFile(name, os.O_RDONLY)
	if err != nil {
		return err
	}
	err = d.Sync()
	return errors.Join(err, d.Close())
}
