//go:build !linux

package format

// newLargeBuffer returns an empty buffer of capacity n that is about to be filled.
func newLargeBuffer(n int64) []byte { return make([]byte, 0, n) }
