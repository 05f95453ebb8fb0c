package replay

import (
	"context"
	"encoding/base64"
	"fmt"

	"github.com/ownlog/ownlog/format"
	"github.com/ownlog/ownlog/schema"
)

// Fork makes a log whose history is the first size entries of parent, all of
// them if size < 0, and says so in its first own entry. Nothing is copied. A
// fork of a mirror must not cut what one vendor record says in two.
func (in *Inbox) Fork(ctx context.Context, parent format.LogID, size int64, reason string) (format.LogID, error) {
	info, err := in.Store.Info(ctx, parent)
	if err != nil {
		return format.LogID{}, err
	}
	if size < 0 {
		size = info.Size
	}
	if err := betweenRuns(ctx, in.Store, parent, size); err != nil {
		return format.LogID{}, err
	}
	head, err := in.Store.Head(ctx, parent, size)
	if err != nil {
		return format.LogID{}, err
	}
	ids := in.IDs
	if ids == nil {
		ids = RandomIDs{}
	}
	child := ids.LogID()
	if err := in.Store.CreateFork(ctx, child, parent, size); err != nil {
		return format.LogID{}, err
	}
	_, err = in.put(ctx, child, func(s *session) (*schema.Event, error) {
		return s.event(schema.ActorExecutor, &schema.SessionForked{
			From: &schema.ForkOrigin{
				Log: parent.String(), Size: size, Root: base64.RawURLEncoding.EncodeToString(head.Root[:]),
			},
			Reason: reason,
		}), nil
	})
	return child, err
}

// Prepare returns a log in which the session may go on: log itself, or a fork
// of it if it mirrors an outside source.
func (in *Inbox) Prepare(ctx context.Context, log format.LogID, reason string) (live format.LogID, forked bool, err error) {
	if !log.Derived() {
		return log, false, nil
	}
	live, err = in.Fork(ctx, log, -1, reason)
	return live, err == nil, err
}

// betweenRuns checks that a log can be cut at size: the entry there, if any,
// begins a run.
func betweenRuns(ctx context.Context, store format.Store, log format.LogID, size int64) error {
	for e, err := range store.Read(ctx, log, size) {
		if err != nil {
			return err
		}
		if e.Hole {
			return nil
		}
		norm, _, err := format.CutRaw(nil, e.Bytes)
		if err != nil {
			return fmt.Errorf("log %s, entry %d: %w", log, e.Seq, err)
		}
		ev, err := schema.Decode(norm)
		if err != nil {
			return fmt.Errorf("log %s, entry %d: %w", log, e.Seq, err)
		}
		if ev.Source != nil && ev.Source.Part > 0 {
			return fmt.Errorf("log %s cannot be cut at %d: entries %d and before come from one vendor record; cut at %d", log, size, size, size-ev.Source.Part)
		}
		return nil
	}
	return nil
}
