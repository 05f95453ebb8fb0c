//go:build !amd64 || purego

package format

// surelyObject knows no faster way than [scanObject] here.
func surelyObject([]byte) bool { return false }

const hasBlockScan = false
