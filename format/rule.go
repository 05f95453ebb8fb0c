package format

// The rules that stored bytes can break. The names are stable: they are those
// of spec/verification.md, and tools may branch on them.
const (
	ruleHeader        = "header"
	ruleVersion       = "version"
	ruleRequires      = "requires"
	ruleLineShape     = "line-shape"
	ruleLineCRC       = "line-crc"
	ruleLineSplit     = "line-split"
	ruleLineSize      = "line-size"
	ruleLineSeq       = "line-seq"
	ruleLineAck       = "line-ack"
	ruleSeal          = "seal"
	ruleAfterSeal     = "after-seal"
	ruleTorn          = "torn"
	ruleAcknowledged  = "acknowledged"
	ruleLastLF        = "last-lf"
	ruleFrontier      = "frontier"
	ruleMissing       = "missing"
	ruleDeadAck       = "dead-ack"
	ruleStale         = "stale"
	ruleFrame         = "frame"
	ruleFrameSize     = "frame-size"
	ruleFrameWindow   = "frame-window"
	ruleFrameDecode   = "frame-decode"
	ruleFrameLines    = "frame-lines"
	ruleIndex         = "index"
	ruleSeekTable     = "seek-table"
	ruleTrailing      = "trailing"
	ruleHole          = "hole"
	ruleFork          = "fork"
	ruleParentMissing = "parent-missing"
	ruleParentShort   = "parent-short"
	ruleBlob          = "blob"
	ruleBlobSize      = "blob-size"
	ruleBlobMissing   = "blob-missing"
	ruleBlobGone      = "blob-gone"
	ruleEntry         = "entry"
	ruleHead          = "head"
)

// fault says what is wrong with stored bytes; where is the caller's to know.
type fault struct{ rule, reason, want, got string }

func (f *fault) at(path string, offset, lineNo, seq int64) *CorruptError {
	return &CorruptError{Path: path, Offset: offset, Line: lineNo, Seq: seq, Rule: f.rule, Reason: f.reason, Want: f.want, Got: f.got}
}
