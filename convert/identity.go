package convert

import (
	"fmt"

	"github.com/ownlog/ownlog/format"
)

// LogName is what a mirrored log's id is made from.
type LogName struct {
	Vendor string
	Kind   LogKind
	// ID is the vendor's session id; `<session>/<agent>` for an agent's own
	// transcript; `<session>@<parent log>@<size>` for a fork that has no bytes
	// of its parent.
	ID string
}

// LogKind is the kind of a mirrored log.
type LogKind string

// The kinds of mirrored logs.
const (
	LogSession LogKind = "session"
	LogAgent   LogKind = "agent"
	LogAssets  LogKind = "assets" // side files of a session, which change in place
	LogFork    LogKind = "fork"
)

// LogID returns the id of the log of that name under [MappingVersion].
func (n LogName) LogID() format.LogID {
	return format.DeriveLogID(fmt.Sprintf("ownlog:%d:%s:%s:%s", MappingVersion, n.Vendor, n.Kind, n.ID))
}

// divergedLogID returns the id of the log that holds a content which differs
// from what log holds, from entry size on; leaf is the first differing one.
func divergedLogID(log format.LogID, size int64, leaf format.Hash) format.LogID {
	return format.DeriveLogID(fmt.Sprintf("ownlog:fork:%s@%d#%s", log, size, leaf))
}
