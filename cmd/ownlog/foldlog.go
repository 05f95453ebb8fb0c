package main

import (
	"context"

	"github.com/ownlog/ownlog/convert"
	"github.com/ownlog/ownlog/format"
	"github.com/ownlog/ownlog/schema"
)

// foldLog folds the first entries of a log, all of them if size is negative.
func foldLog(ctx context.Context, store format.Store, log format.LogID, size int64) (*schema.State, error) {
	state := new(schema.State)
	err := convert.WalkEvents(ctx, store, log, 0, size, func(e convert.LogEvent) error {
		if e.Event == nil {
			state.ApplyHole(e.Seq)
			return nil
		}
		state.Apply(e.Seq, e.Event)
		return nil
	})
	return state, err
}
