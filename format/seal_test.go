package format_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ownlog/ownlog/format"
	"github.com/ownlog/ownlog/format/storetest"
)

// sealingStore seals a log after every append to it.
type sealingStore struct {
	*format.DirStore
	seal func(*format.DirStore, context.Context, format.LogID) (format.SealResult, error)
}

func (s sealingStore) Append(ctx context.Context, log format.LogID, at int64, entries [][]byte) (int64, error) {
	size, err := s.DirStore.Append(ctx, log, at, entries)
	if err == nil {
		if _, err := s.seal(s.DirStore, ctx, log); err != nil && !errors.Is(err, format.ErrNotFound) {
			return 0, err
		}
	}
	return size, err
}

func TestSealedStore(t *testing.T) {
	t.Run("all", func(t *testing.T) {
		storetest.Run(t, func(t *testing.T) format.Store {
			return sealingStore{openDir(t, t.TempDir(), format.WithoutSync()), (*format.DirStore).Seal}
		})
	})
	t.Run("closed", func(t *testing.T) {
		storetest.Run(t, func(t *testing.T) format.Store {
			return sealingStore{openDir(t, t.TempDir(), format.WithoutSync(), format.WithRollSize(1000)), (*format.DirStore).SealClosed}
		})
	})
}

func TestSealLeavesOnlySealedFiles(t *testing.T) {
	dir := t.TempDir()
	s := openDir(t, dir, format.WithoutSync(), format.WithRollSize(500))
	log, entries := format.NewLogID(), storetest.Entries("a", 100)
	for i := range entries {
		storetest.MustAppend(t, s, log, int64(i), entries[i:i+1])
	}
	before, err := s.Head(t.Context(), log, -1)
	if err != nil {
		t.Fatal(err)
	}
	res, err := s.Seal(t.Context(), log)
	if err != nil {
		t.Fatal(err)
	}
	if res.Segments != 1 || res.Entries != 100 {
		t.Errorf("sealed %+v, want one segment of 100 entries", res)
	}
	if diff := cmp.Diff([]string{"0000000000000000.jsonl.zst", "lock"}, names(t, filepath.Join(dir, "logs", log.String()))); diff != "" {
		t.Errorf("files (-want +got):\n%s", diff)
	}
	after, err := s.Head(t.Context(), log, -1)
	if err != nil || after != before {
		t.Errorf("head after sealing: %s, %v, want %s", after, err, before)
	}
	if res, err := s.Seal(t.Context(), log); err != nil || res.Segments != 0 {
		t.Errorf("sealing again did %+v, %v", res, err)
	}
}

func names(t *testing.T, dir string) []string {
	t.Helper()
	list, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range list {
		names = append(names, e.Name())
	}
	return names
}
