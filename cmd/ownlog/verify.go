package main

import (
	"context"

	"github.com/ownlog/ownlog/format"
)

// verifyLogs reads logs whole, which checks every checksum.
func verifyLogs(ctx context.Context, store *format.DirStore, logs []format.LogID) error {
	for _, log := range logs {
		for _, err := range store.Read(ctx, log, 0) {
			if err != nil {
				return err
			}
		}
	}
	return nil
}
