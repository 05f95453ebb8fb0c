package format

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"os"
	"path/filepath"
	"strings"
)

// GCReport says what collecting garbage did.
type GCReport struct {
	// Kept and Removed count blobs; RemovedBytes is what was won.
	Kept, Removed int
	RemovedBytes  int64
}

// GC removes the blobs that no entry of any log refers to. references yields
// the digests that an entry refers to; it may yield too many. Nil is
// [ScanBlobs]. With dryRun nothing is removed.
//
// It waits until nobody is adding blobs, and nobody can add any until it is
// done. A store of which one log cannot be read is not swept: what is damaged
// may refer to anything.
func (s *DirStore) GC(ctx context.Context, references func(entry []byte) iter.Seq[Hash], dryRun bool) (GCReport, error) {
	var res GCReport
	if references == nil {
		references = ScanBlobs
	}
	if s.readOnly && !dryRun {
		return res, fmt.Errorf("collect garbage: %w", ErrReadOnly)
	}
	unlock, err := s.lockBlobs(ctx)
	if errors.Is(err, fs.ErrNotExist) {
		return res, nil // no blob was ever put
	}
	if err != nil {
		return res, fmt.Errorf("collect garbage: %w", err)
	}
	defer unlock()
	live, err := s.liveBlobs(ctx, references)
	if err != nil {
		return res, fmt.Errorf("collect garbage: nothing was removed: %w", err)
	}
	if err := s.sweep(ctx, live, dryRun, &res); err != nil {
		return res, fmt.Errorf("collect garbage: %w", err)
	}
	return res, nil
}

// errBlobsPending: this handle itself keeps the lock.
var errBlobsPending = errors.New("blobs were put through this store and are not named by an entry yet: append it, or close the store")

// lockBlobs keeps everybody from adding blobs.
func (s *DirStore) lockBlobs(ctx context.Context) (unlock func(), err error) {
	s.blobs.mu.Lock()
	held := s.blobs.lock != nil
	s.blobs.mu.Unlock()
	if held {
		return nil, errBlobsPending
	}
	f, err := s.fs.Open(filepath.Join(s.root, blobsDir, lockName), os.O_RDWR)
	if err != nil {
		return nil, err
	}
	if err := f.Lock(ctx, true); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	// Closing the descriptor unlocks.
	return func() { _ = f.Close() }, nil
}

// liveBlobs marks what all logs refer to.
func (s *DirStore) liveBlobs(ctx context.Context, references func([]byte) iter.Seq[Hash]) (map[Hash]bool, error) {
	live := map[Hash]bool{}
	for log, err := range s.List(ctx) {
		if err != nil {
			return nil, err
		}
		t, err := s.tailOf(ctx, log)
		if err != nil {
			return nil, err
		}
		// The entries before are those of a parent, which is in the list or, if it
		// is missing, cannot be read here either.
		for e, err := range s.Read(ctx, log, t.begins()) {
			if err != nil {
				return nil, err
			}
			for digest := range references(e.Bytes) {
				live[digest] = true
			}
		}
	}
	return live, nil
}

// sweep removes blobs that are not live. Names that are no blobs are left.
func (s *DirStore) sweep(ctx context.Context, live map[Hash]bool, dryRun bool, res *GCReport) error {
	root := filepath.Join(s.root, blobsDir, "sha256")
	shards, err := s.fs.ReadDir(root)
	if err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		return err
	}
	if !dryRun {
		s.removeTemps(root)
	}
	for _, shard := range shards {
		if err := ctx.Err(); err != nil {
			return err
		}
		if !shard.IsDir() || len(shard.Name()) != 2 {
			continue
		}
		dir := filepath.Join(root, shard.Name())
		blobs, err := s.fs.ReadDir(dir)
		if err != nil {
			return err
		}
		for _, b := range blobs {
			digest, err := ParseHash(b.Name())
			if err != nil || b.IsDir() || !strings.HasPrefix(b.Name(), shard.Name()) {
				continue
			}
			if live[digest] {
				res.Kept++
				continue
			}
			st, err := s.fs.Stat(filepath.Join(dir, b.Name()))
			if err != nil {
				return err
			}
			if !dryRun {
				if err := s.fs.Remove(filepath.Join(dir, b.Name())); err != nil {
					return err
				}
			}
			res.Removed++
			res.RemovedBytes += st.Size
		}
		if !dryRun {
			if err := s.syncDir(dir); err != nil {
				return err
			}
		}
	}
	return nil
}
