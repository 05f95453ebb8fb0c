package format

import (
	"os"

	"golang.org/x/sys/unix"
)

// datasync asks the drive to empty its cache as well: on this system os.File.Sync
// is fcntl F_FULLFSYNC.
func datasync(f *os.File) error { return f.Sync() }

func readBootID() string {
	id, err := unix.Sysctl("kern.bootsessionuuid")
	if err != nil {
		return ""
	}
	return id
}
