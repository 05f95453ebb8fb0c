package format

import (
	"os"
	"unsafe"

	"golang.org/x/sys/unix"
)

// hugePage is the size of a huge page of memory where pages have 4 KiB.
const hugePage = 2 << 20

// newLargeBuffer returns an empty buffer of capacity n that is about to be
// filled. Touching its pages for the first time, 4 KiB each, can take
// as long as decompressing into them: the system is asked for huge ones, which
// begin where the buffer does.
func newLargeBuffer(n int64) []byte {
	if n < hugePage || os.Getpagesize() != 4<<10 {
		return make([]byte, 0, n)
	}
	whole := (n + hugePage - 1) / hugePage * hugePage
	b := make([]byte, whole+hugePage)
	skip := int64(-uintptr(unsafe.Pointer(unsafe.SliceData(b))) % hugePage) // #nosec G103 -- where it lies, and nothing else
	b = b[skip : skip+whole]
	// Not to have them costs time and nothing else.
	_ = unix.Madvise(b, unix.MADV_HUGEPAGE)
	return b[:0:n]
}
