package schema

// The event types about the log itself and about who works on it.
const (
	TypeLeaseAcquired Type = "lease.acquired"
	TypeLeaseReleased Type = "lease.released"
	TypeNoteAdded     Type = "note.added"
	TypeLogGap        Type = "log.gap"
	TypeLogRedacted   Type = "log.redacted"
	TypeLogDerived    Type = "log.derived"
	TypeVendorRecord  Type = "vendor.record"
)

// LeaseAcquired makes an executor the one that may go on with the session. Its
// epoch, in the envelope, is one more than any before.
type LeaseAcquired struct {
	Holder string `json:"holder"`
	TTLUS  int64  `json:"ttl_us,omitzero"`
}

// LeaseReleased ends a lease.
type LeaseReleased struct {
	Holder string `json:"holder"`
}

// NoteAdded is a remark about the session; no part of the conversation.
type NoteAdded struct {
	Text   Text     `json:"text"`
	Labels []string `json:"labels,omitzero"`
	Author string   `json:"author,omitzero"`
}

// LogGap stands for one entry that was lost, so that later ones keep their place.
type LogGap struct {
	Seq    int64  `json:"seq"`
	Reason string `json:"reason,omitzero"`
}

// LogRedacted names entries that were replaced by their leaves.
type LogRedacted struct {
	Seqs   []int64  `json:"seqs"`
	Leaves []string `json:"leaves"` // lower-case hexadecimal, one for each of Seqs
	Reason string   `json:"reason,omitzero"`
	By     string   `json:"by,omitzero"`
}

// LogDerived says that this log is an edited copy of another.
type LogDerived struct {
	From   string `json:"from"` // head
	Reason string `json:"reason,omitzero"`
}

// VendorRecord is a record of a vendor that says nothing else; its bytes are
// kept all the same.
type VendorRecord struct {
	Kind    string `json:"kind,omitzero"`    // the vendor's name for it
	Finding string `json:"finding,omitzero"` // what is wrong with it
	Damaged bool   `json:"damaged,omitzero"` // it is not JSON
}

// KindGone is the kind of a vendor.record that says that a row, imported before,
// is no longer at its source. It has no bytes.
const KindGone = "gone"

// EventType implements [Data].
func (*LeaseAcquired) EventType() Type { return TypeLeaseAcquired }

// EventType implements [Data].
func (*LeaseReleased) EventType() Type { return TypeLeaseReleased }

// EventType implements [Data].
func (*NoteAdded) EventType() Type { return TypeNoteAdded }

// EventType implements [Data].
func (*LogGap) EventType() Type { return TypeLogGap }

// EventType implements [Data].
func (*LogRedacted) EventType() Type { return TypeLogRedacted }

// EventType implements [Data].
func (*LogDerived) EventType() Type { return TypeLogDerived }

// EventType implements [Data].
func (*VendorRecord) EventType() Type { return TypeVendorRecord }
