package convert

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"unicode/utf8"

	"github.com/ownlog/ownlog/format"
	"github.com/ownlog/ownlog/schema"
)

// minBase64 is the shortest base64 text, in characters, that is taken out of a
// record and kept as a blob of the decoded bytes.
const minBase64 = 4096

// keepRecord puts a record's bytes into the first event of its run, in the first
// of the four ways that fits: rawparts, raw, rawblob, raw64. raw is what is to be
// joined to the encoded event; blobs must be stored first.
func keepRecord(ev *schema.Event, rec *Record) (raw []byte, blobs []PendingBlob) {
	record := rec.Bytes
	switch {
	case record == nil: // a row that is gone
		return nil, nil
	case len(record) == 0: // which raw64 cannot say
		blob := NewBlob(record, "")
		ev.RawBlob = &blob.Ref
		return nil, []PendingBlob{blob}
	}
	if parts, blobs := takeApart(record, rec.Checked); parts != nil {
		ev.RawParts = parts
		return nil, blobs
	}
	if len(record) > format.MaxRaw {
		blob := NewBlob(record, "")
		ev.RawBlob = &blob.Ref
		return nil, []PendingBlob{blob}
	}
	if rec.Checked || format.CheckRaw(record) == nil {
		return record, nil
	}
	ev.Raw64 = base64.StdEncoding.EncodeToString(record)
	return nil, nil
}

// takeApart splits a record that holds long base64 into texts and blobs; parts is
// nil if it holds none, or too much text besides for one entry. checked says that
// the record is known to be UTF-8.
func takeApart(record []byte, checked bool) (parts []schema.RawPart, blobs []PendingBlob) {
	if len(record) < minBase64 {
		return nil, nil
	}
	start, end := nextBase64(record, 0)
	if start < 0 || !checked && !utf8.Valid(record) {
		return nil, nil
	}
	text, left := 0, 0
	for ; start >= 0; start, end = nextBase64(record, end) {
		// Strict: only what encodes to the same characters again.
		decoded := make([]byte, base64.StdEncoding.DecodedLen(end-start))
		n, err := base64.StdEncoding.Strict().Decode(decoded, record[start:end])
		if err != nil {
			continue
		}
		blob := NewBlob(decoded[:n], "")
		blobs = append(blobs, blob)
		parts = append(parts, schema.String(string(record[text:start])), schema.RawPart{Blob: &blob.Ref})
		left += escapedLen(record[text:start])
		text = end
	}
	left += escapedLen(record[text:])
	if parts == nil || left > format.MaxRaw {
		return nil, nil
	}
	return append(parts, schema.String(string(record[text:]))), blobs
}

// escapedLen returns how many bytes a text takes inside a JSON string.
func escapedLen(b []byte) int {
	n := len(b)
	for _, c := range b {
		switch {
		case c == '"' || c == '\\' || c == '\n' || c == '\t' || c == '\r' || c == '\b' || c == '\f':
			n++
		case c < 0x20:
			n += len(`\u0000`) - 1
		}
	}
	return n
}

// nextBase64 finds the next run of at least minBase64 base64 characters, padding
// included, at or after from; start is -1 if there is none.
func nextBase64(b []byte, from int) (start, end int) {
	for i := from; i+minBase64 <= len(b); {
		// A run that long covers this place, whatever its start.
		probe := i + minBase64 - 1
		if !isBase64(b[probe]) && b[probe] != '=' {
			i = probe + 1
			continue
		}
		start = probe
		for start > i && isBase64(b[start-1]) {
			start--
		}
		for end = probe; end < len(b) && isBase64(b[end]); {
			end++
		}
		for pad := 0; pad < 2 && end < len(b) && b[end] == '='; pad++ {
			end++
		}
		if end-start >= minBase64 {
			return start, end
		}
		i = max(end, probe+1)
	}
	return -1, -1
}

// isBase64 looks a character up in the bits of two words: there are many to look at.
func isBase64(c byte) bool {
	const (
		digits  = 1<<'+' | 1<<'/' | (1<<10-1)<<'0'
		letters = (1<<26-1)<<('A'-64) | (1<<26-1)<<('a'-64)
	)
	bits := uint64(digits)
	if c >= 64 {
		bits = letters
	}
	return c < 128 && bits>>(c%64)&1 != 0
}

// ErrNoRecord: the event was not made from a vendor record, or is not the first
// of its run, so it carries no bytes.
var ErrNoRecord = errors.New("the entry carries no record")

// RecordBytes gives the vendor's record back that an entry carries: raw is what
// format.CutRaw cut off, ev the event. It wraps [ErrNoRecord] if there is none.
func RecordBytes(ctx context.Context, store format.Store, ev *schema.Event, raw []byte) ([]byte, error) {
	if raw != nil {
		return raw, nil
	}
	var b bytes.Buffer
	if err := writeRecord(ctx, store, ev, raw, &b); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}

// writeRecord writes the record that an entry carries.
func writeRecord(ctx context.Context, store format.Store, ev *schema.Event, raw []byte, w io.Writer) error {
	switch {
	case raw != nil:
		_, err := w.Write(raw)
		return err
	case ev.Raw64 != "":
		b, err := base64.StdEncoding.DecodeString(ev.Raw64)
		if err != nil {
			return fmt.Errorf("raw64: %w", err)
		}
		_, err = w.Write(b)
		return err
	case ev.RawBlob != nil:
		return copyBlob(ctx, store, ev.RawBlob, w)
	case ev.RawParts != nil:
		for _, p := range ev.RawParts {
			if err := writeRawPart(ctx, store, p, w); err != nil {
				return err
			}
		}
		return nil
	}
	return ErrNoRecord
}

// writeRawPart writes a text as it is and a blob as base64.
func writeRawPart(ctx context.Context, store format.Store, p schema.RawPart, w io.Writer) error {
	if p.Blob == nil {
		_, err := io.WriteString(w, p.Inline)
		return err
	}
	enc := base64.NewEncoder(base64.StdEncoding, w)
	if err := copyBlob(ctx, store, p.Blob, enc); err != nil {
		return err
	}
	return enc.Close()
}

// copyBlob writes a blob's content to w; the store checks its digest.
func copyBlob(ctx context.Context, store format.Store, ref *schema.Blob, w io.Writer) error {
	digest, err := BlobDigest(*ref)
	if err != nil {
		return err
	}
	r, err := store.OpenBlob(ctx, digest)
	if err != nil {
		return err
	}
	_, err = io.Copy(w, r)
	return errors.Join(err, r.Close())
}

// blobPrefix is how a blob reference names the digest's algorithm.
const blobPrefix = "sha256:"

// BlobDigest returns the digest that a blob reference names.
func BlobDigest(ref schema.Blob) (format.Hash, error) {
	if len(ref.Digest) <= len(blobPrefix) || ref.Digest[:len(blobPrefix)] != blobPrefix {
		return format.Hash{}, fmt.Errorf("blob reference %q: want %s and 64 hexadecimal digits", ref.Digest, blobPrefix)
	}
	return format.ParseHash(ref.Digest[len(blobPrefix):])
}

// NewBlob makes the reference of a content and the content to be stored with it.
func NewBlob(data []byte, media string) PendingBlob {
	digest := format.Hash(sha256.Sum256(data))
	return PendingBlob{Ref: schema.Blob{Digest: blobPrefix + digest.String(), Size: int64(len(data)), Media: media}, Data: data}
}
