package schema

import (
	"encoding/hex"
	"fmt"
)

// The codes of problems between entries.
const (
	ProblemSeq          = "seq-gap"               // positions are not contiguous
	ProblemTime         = "bad-time"              // not a time
	ProblemNoTime       = "no-time"               // an entry written natively has no time
	ProblemEpoch        = "epoch-order"           // a lease does not raise the epoch by one
	ProblemFenced       = "fenced-epoch"          // an entry of an epoch that another lease ended
	ProblemCallClaimed  = "call-claimed-twice"    // a call key stands for two calls
	ProblemCallKey      = "call-key-mismatch"     // a call key does not say the turn and step of its entry
	ProblemNoCallKey    = "call-without-key"      // a call of a response has no call key
	ProblemUnknownCall  = "unknown-call"          // a result, start or decision names no call before it
	ProblemCallAnswered = "call-already-answered" // a native result answers a call that is not open
	ProblemNoPermission = "no-open-permission"    // a native decision answers no open permission
	ProblemRequest      = "unknown-request"       // a native output names a request that was not logged
	ProblemRun          = "broken-run"            // the parts of a record do not follow each other
	ProblemRunBytes     = "run-bytes"             // the record's bytes are not on the run's first entry alone
	ProblemCovers       = "covers-newer"          // a compaction covers entries that are not before it
	ProblemCause        = "cause-not-older"       // a cause is not an entry before
	ProblemForkHead     = "fork-head"             // the parent's head is not what the fork says
	ProblemBlob         = "bad-blob"              // a blob is missing or has other bytes
	ProblemHole         = "unnamed-hole"          // no log.redacted names the hole
	ProblemNotHole      = "not-a-hole"            // a log.redacted names an entry that is there, or another leaf
	ProblemGap          = "bad-gap"               // a log.gap stands at another position than it says
	ProblemNumbering    = "turn-or-step-skipped"  // a turn or step number jumps
	ProblemUsage        = "usage-anomaly"         // counts of tokens that cannot be
	ProblemUnknownType  = "unknown-type"          // a type of a later version
	ProblemCritical     = "unknown-critical"      // such a type that a replayer must know
	ProblemNotCanonical = "not-canonical"         // the bytes are not those that Encode makes
)

// ValidatorOptions say what a [Validator] may look at beyond the entries.
type ValidatorOptions struct {
	// Report takes the problems, in log order; those found at the end come last.
	Report func(Problem)
	// Blob checks that a blob is there and has its digest and size; nil: blobs
	// are not checked. It is asked once for each.
	Blob func(Blob) error
	// Head returns the root of the first size entries of another log, unpadded
	// base64url; nil: forks are not checked.
	Head func(log string, size int64) (root string, err error)
	// Canonical also asks for the very bytes that Encode makes, in entries of
	// known types.
	Canonical bool
}

// Validator checks a log, entry by entry, against the invariants of the event
// model. It keeps the call keys, request ids and blob digests of the log. It is
// used by one goroutine.
type Validator struct {
	options ValidatorOptions
	checker *Checker
	next    int64 // position of the next entry
	run     runKey
	part    int64 // of the last entry in its run, -1: no run
	epoch   int64
	lost    bool // holes or gaps: what they said is unknown

	calls    map[CallKey]*callRecord
	requests map[string]bool
	blobs    map[Blob]bool
	holes    map[int64]*hole
	holeSeqs []int64 // in order
	turns    int64
	steps    map[int64]int64
	last     countedResponse
}

// callRecord is what the validator keeps of a call.
type callRecord struct {
	row      rowKey // of the record that claimed it
	claimed  bool
	answered bool
	asked    bool // a permission is open
}

// hole is a redacted entry.
type hole struct {
	leaf  string // hexadecimal
	named bool   // by a log.redacted
}

// NewValidator returns a Validator for a log that begins at position 0.
func NewValidator(options ValidatorOptions) *Validator {
	return &Validator{
		options: options, checker: NewChecker(), part: -1,
		calls: make(map[CallKey]*callRecord), requests: make(map[string]bool),
		blobs: make(map[Blob]bool), holes: make(map[int64]*hole), steps: make(map[int64]int64),
	}
}

// Entry checks the next entry: the normalised object, and whether the vendor's
// record stands verbatim beside it.
func (v *Validator) Entry(seq int64, norm []byte, hasRaw bool) {
	v.position(seq)
	shapely := true
	v.checker.Check(seq, norm, func(p Problem) {
		shapely = false
		v.options.Report(p)
	})
	if !shapely {
		v.part = -1
		v.lost = true // it may have said anything
		return
	}
	ev, err := Decode(norm)
	if err != nil {
		v.problem(seq, ProblemKind, LevelError, "%v", err)
		return
	}
	if v.options.Canonical {
		v.canonical(seq, ev, norm)
	}
	v.event(seq, ev, hasRaw)
}

// Event checks the next entry, already decoded, for all but its shape.
func (v *Validator) Event(seq int64, ev *Event, hasRaw bool) {
	v.position(seq)
	v.event(seq, ev, hasRaw)
}

// Hole takes the next entry, redacted; leaf is the hash that stands for it.
func (v *Validator) Hole(seq int64, leaf [32]byte) {
	v.position(seq)
	v.holes[seq] = &hole{leaf: hex.EncodeToString(leaf[:])}
	v.holeSeqs = append(v.holeSeqs, seq)
	v.part, v.lost = -1, true
}

// Close reports what only the end of the log shows.
func (v *Validator) Close() {
	for _, seq := range v.holeSeqs {
		if !v.holes[seq].named {
			v.problem(seq, ProblemHole, LevelError, "no log.redacted entry names this hole")
		}
	}
}

func (v *Validator) problem(seq int64, code string, level Level, format string, args ...any) {
	v.options.Report(Problem{Code: code, Level: level, Seq: seq, Message: fmt.Sprintf(format, args...)})
}

func (v *Validator) position(seq int64) {
	if seq != v.next {
		v.problem(seq, ProblemSeq, LevelError, "want position %d", v.next)
	}
	v.next = seq + 1
}

func (v *Validator) canonical(seq int64, ev *Event, norm []byte) {
	if _, unknown := ev.Data.(*Unknown); unknown {
		return
	}
	if again, err := Encode(nil, ev); err != nil || string(again) != string(norm) {
		v.problem(seq, ProblemNotCanonical, LevelNote, "the same event encodes to other bytes")
	}
}

func (v *Validator) event(seq int64, ev *Event, hasRaw bool) {
	v.envelope(seq, ev)
	v.inRun(seq, ev, hasRaw)
	v.numbering(seq, ev)
	v.data(seq, ev)
	if v.options.Blob == nil {
		return
	}
	for b := range BlobRefs(ev) {
		if v.blobs[b] {
			continue
		}
		v.blobs[b] = true
		if err := v.options.Blob(b); err != nil {
			v.problem(seq, ProblemBlob, LevelError, "%v", err)
		}
	}
}

func (v *Validator) envelope(seq int64, ev *Event) {
	switch {
	case ev.Time != "":
		if _, err := ParseTime(ev.Time); err != nil {
			v.problem(seq, ProblemTime, LevelError, "%v", err)
		}
	case ev.Source == nil:
		v.problem(seq, ProblemNoTime, LevelError, "an entry written natively has a time")
	}
	for _, c := range ev.Causes {
		if c >= seq {
			v.problem(seq, ProblemCause, LevelError, "cause %d is not before the entry", c)
		}
	}
	if _, leased := ev.Data.(*LeaseAcquired); leased {
		if ev.Epoch != v.epoch+1 && !v.lost || ev.Epoch <= v.epoch {
			v.problem(seq, ProblemEpoch, LevelError, "want epoch %d, have %d", v.epoch+1, ev.Epoch)
		}
	} else if ev.Epoch != 0 && ev.Epoch < v.epoch {
		v.problem(seq, ProblemFenced, LevelError, "epoch %d ended when %d began", ev.Epoch, v.epoch)
	} else if ev.Epoch > v.epoch && !v.lost {
		v.problem(seq, ProblemEpoch, LevelError, "no lease began epoch %d, the last is %d", ev.Epoch, v.epoch)
	}
	v.epoch = max(v.epoch, ev.Epoch)
}

// inRun checks an entry's place among the entries of its record.
func (v *Validator) inRun(seq int64, ev *Event, hasRaw bool) {
	bytes := hasRaw || ev.Raw64 != "" || ev.RawBlob != nil || ev.RawParts != nil
	if ev.Source == nil {
		v.part = -1
		if bytes {
			v.problem(seq, ProblemRunBytes, LevelError, "an entry without a source has a vendor's record")
		}
		return
	}
	key := sourceKey(ev.Source)
	switch part := ev.Source.Part; {
	case part > 0 && (v.part < 0 || key != v.run || part != v.part+1):
		v.problem(seq, ProblemRun, LevelError, "part %d does not follow part %d of the same record", part, part-1)
	case part > 0 && bytes:
		v.problem(seq, ProblemRunBytes, LevelError, "part %d of a record has bytes; they stand on the first entry of the run alone", part)
	case part == 0 && !bytes && !isGone(ev):
		v.problem(seq, ProblemRunBytes, LevelError, "the first entry of a record has no bytes")
	}
	v.run, v.part = key, ev.Source.Part
}

// isGone reports whether an entry says that a row was deleted at its source.
func isGone(ev *Event) bool {
	r, ok := ev.Data.(*VendorRecord)
	return ok && r.Kind == KindGone
}

// numbering checks that turns and steps are counted one by one.
func (v *Validator) numbering(seq int64, ev *Event) {
	if ev.Turn > v.turns+1 && !v.lost {
		v.problem(seq, ProblemNumbering, LevelWarning, "turn %d after turn %d", ev.Turn, v.turns)
	}
	v.turns = max(v.turns, ev.Turn)
	if ev.Step == 0 {
		return
	}
	if last := v.steps[ev.Turn]; ev.Step > last {
		if ev.Step > last+1 && !v.lost {
			v.problem(seq, ProblemNumbering, LevelWarning, "step %d after step %d of turn %d", ev.Step, last, ev.Turn)
		}
		v.steps[ev.Turn] = ev.Step
	}
}
