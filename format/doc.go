// Package format stores logs: sequences of entries (byte strings, one JSON
// object each) under a log id, kept in segments, covered by a Merkle tree.
// It knows no event type; what entries mean is package schema's business.
//
// # Promises
//
//   - The stored bytes are the record. An entry is hashed, kept and given back
//     exactly as it was appended; nothing is ever re-serialised.
//   - A [Head] (log id, size, root) names a whole history. It does not depend
//     on how the entries are segmented, compressed, packed or forked.
//   - An entry acknowledged by [Store.Append] survives the death of any process
//     and, on the assumptions stated in spec/, of the machine.
//   - No input makes the package panic or allocate from an untrusted length.
//
// # Not promised
//
//   - Order by time. A log is ordered by position alone.
//   - Detection, without an outside head, of the loss of whole trailing lines
//     of the last batch or of a consistent rewrite of everything. Keep heads.
//   - Network file systems for writing.
//
// The rules are those of spec/, which is enough to write another
// implementation; this package is one of several possible ones.
package format
