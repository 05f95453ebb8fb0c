package opencode

import (
	"strconv"
	"strings"
)

// Ids that the tool makes are `prefix_`, 12 hexadecimal digits and 14 of base
// 62. The hexadecimal digits are the low 48 bits of milliseconds * 4096 +
// counter (for sessions their complement), so they wrap every 2^36 ms, about
// 795 days: on 2026-08-14T11:19:55.136Z the last time.
const (
	idDigits = 12
	idSuffix = 14
	idWrap   = int64(1) << 48
	perMilli = 4096
)

// idTime returns the 48-bit time of an id that the tool made.
func idTime(id, prefix string) (int64, bool) {
	rest, ok := strings.CutPrefix(id, prefix+"_")
	if !ok || len(rest) != idDigits+idSuffix {
		return 0, false
	}
	n, err := strconv.ParseUint(rest[:idDigits], 16, 48)
	return int64(n), err == nil
}

// unwrap places a 48-bit id time at the turn of the clock that is nearest to a
// time in milliseconds, and returns it in the id's own unit.
func unwrap(idTime, nearMS int64) int64 {
	if nearMS < 0 || nearMS > 1<<50 {
		return idTime
	}
	near := nearMS * perMilli
	base := near - near%idWrap
	best := base + idTime
	for _, other := range []int64{best - idWrap, best + idWrap} {
		if other >= 0 && distance(other, near) < distance(best, near) {
			best = other
		}
	}
	return best
}

func distance(a, b int64) int64 {
	if a > b {
		return a - b
	}
	return b - a
}

// partKey orders the parts of one message.
type partKey struct {
	id      string
	created int64 // milliseconds, column time_created
}

// comparePart returns the order of the parts of one message that was created at
// messageMS: by the time in the id, unwrapped near the message's, then by id.
// Ids that the tool did not make do not say when; if there is one, parts go by
// their own time_created, then id.
func comparePart(toolMade bool, messageMS int64) func(a, b partKey) int {
	return func(a, b partKey) int {
		ka, kb := a.created, b.created
		if toolMade {
			ta, _ := idTime(a.id, partPrefix)
			tb, _ := idTime(b.id, partPrefix)
			ka, kb = unwrap(ta, messageMS), unwrap(tb, messageMS)
		}
		switch {
		case ka < kb:
			return -1
		case ka > kb:
			return 1
		}
		return strings.Compare(a.id, b.id)
	}
}

// The prefixes of ids, the only thing about them that the tool checks.
const (
	sessionPrefix = "ses"
	messagePrefix = "msg"
	partPrefix    = "prt"
)
