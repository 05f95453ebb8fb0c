package replay

import (
	"context"

	"github.com/ownlog/ownlog/format"
	"github.com/ownlog/ownlog/schema"
)

// stopSign looks at the entries from a position on for a reason to stop what is
// under way: an interrupt, or the lease of another. It folds nothing in. What it
// cannot read it leaves to the next append to find.
func stopSign(ctx context.Context, store format.Store, log format.LogID, from, epoch int64) error {
	var norm []byte
	for e, err := range store.Read(ctx, log, from) {
		if err != nil || e.Hole {
			return nil
		}
		if norm, _, err = format.CutRaw(norm, e.Bytes); err != nil {
			return nil
		}
		ev, err := schema.Decode(norm)
		if err != nil {
			return nil
		}
		switch {
		case ev.Type == schema.TypeUserInterrupt:
			return errInterrupted
		case ev.Type == schema.TypeLeaseAcquired && ev.Epoch > epoch:
			return ErrFenced
		}
	}
	return nil
}
