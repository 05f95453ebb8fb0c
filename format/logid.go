package format

import (
	"crypto/rand"
	"crypto/sha1" //nolint:gosec // RFC 9562 defines version-5 UUIDs by SHA-1; nothing secret depends on it
	"encoding/hex"
	"fmt"
)

// LogID names a log: a UUID, written in lower case. It is comparable and safe
// to use as a map key. The zero LogID names no log.
type LogID [16]byte

// urlNamespace is the URL namespace of RFC 9562, section 6.6.
var urlNamespace = LogID{0x6b, 0xa7, 0xb8, 0x11, 0x9d, 0xad, 0x11, 0xd1, 0x80, 0xb4, 0x00, 0xc0, 0x4f, 0xd4, 0x30, 0xc8}

// NewLogID returns a random (version 4) id, for a log that mirrors nothing.
func NewLogID() LogID {
	var id LogID
	// crypto/rand.Read never fails: it ends the program if the system has no randomness.
	_, _ = rand.Read(id[:])
	return id.stamp(4)
}

// DeriveLogID returns the version-5 id of a name in the URL namespace. Logs
// that mirror an outside source, and only they, have such ids, so that two
// people who import the same transcript get the same log.
func DeriveLogID(name string) LogID {
	h := sha1.New() //nolint:gosec // see the import
	h.Write(urlNamespace[:])
	h.Write([]byte(name))
	var id LogID
	copy(id[:], h.Sum(nil))
	return id.stamp(5)
}

// ParseLogID reads the one accepted spelling: 36 characters, lower case.
func ParseLogID(s string) (LogID, error) {
	var id LogID
	if len(s) != 36 || s[8] != '-' || s[13] != '-' || s[18] != '-' || s[23] != '-' {
		return LogID{}, fmt.Errorf("log id %q: want a UUID of 36 characters", s)
	}
	digits := s[0:8] + s[9:13] + s[14:18] + s[19:23] + s[24:36]
	if _, err := hex.Decode(id[:], []byte(digits)); err != nil || id.String() != s {
		return LogID{}, fmt.Errorf("log id %q: want lower-case hexadecimal digits", s)
	}
	return id, nil
}

// String returns the canonical spelling.
func (id LogID) String() string {
	var b [36]byte
	hex.Encode(b[0:8], id[0:4])
	b[8] = '-'
	hex.Encode(b[9:13], id[4:6])
	b[13] = '-'
	hex.Encode(b[14:18], id[6:8])
	b[18] = '-'
	hex.Encode(b[19:23], id[8:10])
	b[23] = '-'
	hex.Encode(b[24:36], id[10:16])
	return string(b[:])
}

// IsZero reports whether the id names no log.
func (id LogID) IsZero() bool { return id == LogID{} }

// Derived reports whether the id is of version 5, that is, whether its log
// mirrors an outside source and may be appended to by an importer only.
func (id LogID) Derived() bool { return id[6]>>4 == 5 }

func (id LogID) stamp(version byte) LogID {
	id[6] = id[6]&0x0f | version<<4
	id[8] = id[8]&0x3f | 0x80
	return id
}
