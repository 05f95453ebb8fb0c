package opencode

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"time"

	"github.com/ownlog/ownlog/format"
	"github.com/ownlog/ownlog/schema"
)

// idMaker makes the ids of a session that is written anew: deterministic, in the
// tool's own form, ascending, and unlike those of any other log or size of it.
// Ids are primary keys over a whole database, so they must not collide.
type idMaker struct {
	seed  [sha256.Size]byte
	n     uint64
	clock int64 // milliseconds of the message written last
	tick  int64 // of the id made last, in the unit of ids
}

const base62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"

func newIDMaker(log format.LogID, size int64) *idMaker {
	return &idMaker{seed: sha256.Sum256(fmt.Appendf(nil, "ownlog:export:%s:%s@%d", VendorName, log, size))}
}

// session makes the id of the session. Its time is complemented: newest first.
func (m *idMaker) session(ms int64) string {
	return fmt.Sprintf("%s_%012x%s", sessionPrefix, (idWrap-1)&^(ms*perMilli%idWrap), m.suffix())
}

// message moves the clock on and makes a message's id. The tool sorts messages
// by time, so each has a later one than the message before; room is how many
// parts it will have, which sort by id alone: their ids must not wrap.
func (m *idMaker) message(at string, room int) (id string, ms int64) {
	if t, err := schema.ParseTime(at); err == nil && t.UnixMilli() > m.clock {
		m.clock = t.UnixMilli()
	} else {
		m.clock++
	}
	m.tick = max(m.tick+1, m.clock*perMilli)
	if left := idWrap - m.tick%idWrap; left <= int64(room)+1 {
		m.tick += left
	}
	m.clock = max(m.clock, m.tick/perMilli)
	return m.make(messagePrefix), m.clock
}

// part makes the id of the next part of that message.
func (m *idMaker) part() string {
	m.tick++
	return m.make(partPrefix)
}

func (m *idMaker) make(prefix string) string {
	return fmt.Sprintf("%s_%012x%s", prefix, m.tick%idWrap, m.suffix())
}

func (m *idMaker) suffix() string {
	m.n++
	sum := sha256.Sum256(binary.BigEndian.AppendUint64(m.seed[:], m.n))
	var out [idSuffix]byte
	for i := range out {
		out[i] = base62[int(sum[i])%len(base62)]
	}
	return string(out[:])
}

// noTime is when a session without any time is said to begin.
var noTime = time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC).UnixMilli()
