package format

import (
	"errors"
	"io/fs"
	"os"
	"strconv"

	"golang.org/x/sys/windows"
	"golang.org/x/sys/windows/registry"
)

// errLockHeld says that somebody else holds the lock.
var errLockHeld = errors.New("the lock is held")

// lockAt is far behind the content of every lock file: locks are mandatory here,
// and a lock on the content would stop others from reading it.
const lockAt = 1 << 30

func lockFile(f *os.File, exclusive, wait bool) error {
	var flags uint32
	if exclusive {
		flags |= windows.LOCKFILE_EXCLUSIVE_LOCK
	}
	if !wait {
		flags |= windows.LOCKFILE_FAIL_IMMEDIATELY
	}
	where := &windows.Overlapped{OffsetHigh: lockAt}
	err := windows.LockFileEx(windows.Handle(f.Fd()), flags, 0, 1, 0, where)
	if errors.Is(err, windows.ERROR_LOCK_VIOLATION) || errors.Is(err, windows.ERROR_IO_PENDING) {
		return errLockHeld
	}
	if err != nil {
		return &fs.PathError{Op: "LockFileEx", Path: f.Name(), Err: err}
	}
	return nil
}

func unlockFile(f *os.File) error {
	return windows.UnlockFileEx(windows.Handle(f.Fd()), 0, 1, 0, &windows.Overlapped{OffsetHigh: lockAt})
}

func statPath(name string) (fsStat, error) {
	f, err := os.Open(name) // #nosec G304 -- names are made by the store
	if err != nil {
		return fsStat{}, err
	}
	s, err := statFile(f)
	return s, errors.Join(err, f.Close())
}

func statFile(f *os.File) (fsStat, error) {
	info, err := f.Stat()
	if err != nil {
		return fsStat{}, err
	}
	s := fsStat{Size: info.Size()}
	var data windows.ByHandleFileInformation
	if windows.GetFileInformationByHandle(windows.Handle(f.Fd()), &data) == nil {
		s.ID = uint64(data.FileIndexHigh)<<32 | uint64(data.FileIndexLow)
	}
	return s, nil
}

func datasync(f *os.File) error { return f.Sync() }

// syncDir does nothing: this system has no sync for directories, and NTFS
// journals names.
func syncDir(string) error { return nil }

// readBootID returns the number of boots, which the system counts in the
// registry.
func readBootID() string {
	key, err := registry.OpenKey(registry.LOCAL_MACHINE,
		`SYSTEM\CurrentControlSet\Control\Session Manager\Memory Management\PrefetchParameters`, registry.QUERY_VALUE)
	if err != nil {
		return ""
	}
	defer key.Close() //nolint:errcheck // only read from
	n, _, err := key.GetIntegerValue("BootId")
	if err != nil {
		return ""
	}
	return strconv.FormatUint(n, 10)
}

func openFile(name string, flag int) (*os.File, error) {
	return os.OpenFile(name, flag, 0o600) // #nosec G304 -- names are made by the store
}
