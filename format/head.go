package format

import (
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"
)

// Hash is a SHA-256 value: a leaf, a node or a root of the tree, or the digest
// of a blob.
type Hash [32]byte

// String returns 64 lower-case hexadecimal digits.
func (h Hash) String() string { return hex.EncodeToString(h[:]) }

// ParseHash reads 64 lower-case hexadecimal digits.
func ParseHash(s string) (Hash, error) {
	var h Hash
	if len(s) != 2*len(h) {
		return Hash{}, fmt.Errorf("hash: %d characters, want %d", len(s), 2*len(h))
	}
	if _, err := hex.Decode(h[:], []byte(s)); err != nil || h.String() != s {
		return Hash{}, fmt.Errorf("hash %q: want lower-case hexadecimal digits", s)
	}
	return h, nil
}

// Head names a whole history: the first Size entries of a log and the root of
// the Merkle tree (RFC 6962, SHA-256) over them. Two logs with equal sizes and
// roots hold the same entries, whatever their ids and files.
type Head struct {
	Log  LogID
	Size int64
	Root Hash
}

// String returns `<log-id>@<size>#<root in unpadded base64url>`.
func (h Head) String() string {
	return h.Log.String() + "@" + strconv.FormatInt(h.Size, 10) + "#" + base64.RawURLEncoding.EncodeToString(h.Root[:])
}

// ParseHead reads what [Head.String] writes, and no other spelling of it.
func ParseHead(s string) (Head, error) {
	at, hash := strings.IndexByte(s, '@'), strings.IndexByte(s, '#')
	if at < 0 || hash < at {
		return Head{}, fmt.Errorf("head %q: want <log-id>@<size>#<root>", s)
	}
	var h Head
	var err error
	if h.Log, err = ParseLogID(s[:at]); err != nil {
		return Head{}, fmt.Errorf("head: %w", err)
	}
	if h.Size, err = strconv.ParseInt(s[at+1:hash], 10, 64); err != nil || h.Size < 0 || h.Size > MaxSize {
		return Head{}, fmt.Errorf("head %q: size is not a number from 0 to %d", s, int64(MaxSize))
	}
	root, err := base64.RawURLEncoding.DecodeString(s[hash+1:])
	if err != nil || len(root) != len(h.Root) {
		return Head{}, fmt.Errorf("head %q: root is not %d bytes in unpadded base64url", s, len(h.Root))
	}
	copy(h.Root[:], root)
	if h.String() != s {
		return Head{}, fmt.Errorf("head %q: not the canonical spelling, want %s", s, h)
	}
	return h, nil
}
