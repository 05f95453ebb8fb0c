package format

import (
	"bytes"

	"github.com/go-json-experiment/json"
)

// facts are what an entry says that verification compares with other things.
type facts struct {
	seq       int64
	blobs     []blobRef
	redaction *redaction
}

// blobRef is a reference to a blob.
type blobRef struct {
	digest Hash
	size   int64
}

// redaction is the data of an entry that names holes: as many leaves as positions.
type redaction struct {
	Seqs   []int64  `json:"seqs"`
	Leaves []string `json:"leaves"`
}

// redactionType is the one type of entry whose meaning the format knows: a hole
// that none of them names could hide anything.
const redactionType = "log.redacted"

// factsOf collects the facts of an entry, whose top members are m; ok is false if
// there are none.
func factsOf(seq int64, entry []byte, m members) (f facts, ok bool) {
	norm := entry
	if n := normLen(entry); n > 0 {
		norm = entry[:n]
	}
	f.seq = seq
	f.blobs = blobRefs(norm)
	if typ, ok := unquoted(m.typ); ok && string(typ) == redactionType {
		f.redaction = redactionOf(entry)
	}
	return f, len(f.blobs) > 0 || f.redaction != nil
}

// redactionOf reads the holes that an entry names. One that breaks a rule of
// entries can be read in more than one way: it names none.
func redactionOf(entry []byte) *redaction {
	if CheckEntry(entry) != nil {
		return nil
	}
	var e struct {
		Data redaction `json:"data"`
	}
	norm, _, err := CutRaw(nil, entry)
	if err != nil || json.Unmarshal(norm, &e) != nil || len(e.Data.Seqs) != len(e.Data.Leaves) {
		return nil
	}
	return &e.Data
}

// blobRefs finds the references in a normalised object. Their first bytes cannot
// stand anywhere else in JSON: inside a string the quotes would be escaped.
func blobRefs(norm []byte) []blobRef {
	const begin, size = `{"blob":"sha256:`, `","size":`
	var refs []blobRef
	for {
		i := bytes.Index(norm, []byte(begin))
		if i < 0 {
			return refs
		}
		norm = norm[i+len(begin):]
		digest, ok := hashAt(norm, 0)
		if !ok {
			continue
		}
		p, ok := skip(norm, 64, size)
		if !ok {
			continue
		}
		if n, end, ok := number(norm, p); ok && end < len(norm) && (norm[end] == ',' || norm[end] == '}') {
			refs = append(refs, blobRef{digest, n})
		}
	}
}
