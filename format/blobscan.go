package format

import (
	"bytes"
	"iter"
)

// ScanBlobs yields the digest of everything in an entry that looks like a
// reference to a blob: `sha256:` and 64 lower-case hexadecimal digits. It may
// yield too many, and one more than once, never too few.
func ScanBlobs(entry []byte) iter.Seq[Hash] {
	return func(yield func(Hash) bool) {
		prefix := []byte("sha256:")
		for {
			i := bytes.Index(entry, prefix)
			if i < 0 {
				return
			}
			entry = entry[i+len(prefix):]
			if digest, ok := hashAt(entry, 0); ok && !yield(digest) {
				return
			}
		}
	}
}
