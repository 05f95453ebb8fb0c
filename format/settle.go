package format

import (
	"bytes"
	"context"
	"errors"
	"fmt"
)

// Settle brings an append of entries at position at to a certain end after
// [ErrUnknown], or after a conflict with one's own earlier attempt. It reads
// from at: leading entries that are there byte for byte are taken for the
// caller's, and the rest is appended. On return without an error all are
// durable, and the size of the log is returned.
//
// A [*ConflictError] says that others' entries stand at its At, and that those
// before are the caller's and durable. Any other error leaves the end as
// uncertain as it was, and wraps [ErrUnknown]: settle again. Entries written
// live have random ids, so that equal bytes mean the same entry.
func Settle(ctx context.Context, s Store, log LogID, at int64, entries [][]byte) (int64, error) {
	var c *ConflictError
	for {
		n, size := 0, int64(0)
		for e, err := range s.Read(ctx, log, at) {
			if errors.Is(err, ErrNotFound) && at == 0 {
				break
			}
			if err != nil {
				return 0, stillUnknown(err)
			}
			size = e.Seq + 1
			if int64(n) == e.Seq-at && n < len(entries) && !e.Hole && bytes.Equal(e.Bytes, entries[n]) {
				n++
			}
		}
		next := at + int64(n)
		if n == len(entries) {
			next = max(size, next)
		}
		// Appending nothing makes durable what is there.
		size, err := s.Append(ctx, log, next, entries[n:])
		if errors.As(err, &c) && (n == len(entries) || c.Size < next) {
			continue
		}
		if err != nil && !errors.As(err, &c) {
			err = stillUnknown(err)
		}
		return size, err
	}
}

func stillUnknown(err error) error {
	if errors.Is(err, ErrUnknown) {
		return err
	}
	return fmt.Errorf("%w: %w", ErrUnknown, err)
}
