package opencode

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"
)

// A database in WAL mode is two files: the tool does not checkpoint on close,
// so that the newest sessions, or all, stand in the -wal. Both are copied into a
// private folder and the copy is opened; the -shm is never copied (SQLite makes
// one from the -wal). Nothing is created or locked beside the original.
const walSuffix = "-wal"

// walHeader is the length of a -wal's header, which changes with every restart.
const walHeader = 32

// snapshotTries is how often a copy is begun again when the tool checkpoints
// meanwhile.
const snapshotTries = 8

// errBusy: the database changed under every attempt to copy it.
var errBusy = errors.New("the database is being rewritten all the time: try again when OpenCode is idle")

// snapshot copies the database at path, with its -wal if it has one, into a new
// folder that only this user can read, and returns the copy's path. The caller
// removes the folder.
func snapshot(ctx context.Context, path string) (copied string, remove func(), err error) {
	dir, err := os.MkdirTemp("", "ownlog-opencode-") // 0700
	if err != nil {
		return "", nil, err
	}
	remove = func() { _ = os.RemoveAll(dir) }
	copied = filepath.Join(dir, "copy.db")
	for try := range snapshotTries {
		if err = snapshotOnce(ctx, path, copied); err == nil {
			return copied, remove, nil
		}
		if !errors.Is(err, errBusy) {
			break
		}
		select {
		case <-ctx.Done():
			remove()
			return "", nil, ctx.Err()
		case <-time.After(time.Duration(try+1) * 50 * time.Millisecond):
		}
	}
	remove()
	return "", nil, fmt.Errorf("copy %s: %w", path, err)
}

// snapshotOnce copies the database first and its -wal second. As long as the
// database is the same before and after, no checkpoint ran; the -wal may have
// grown, since a copy that ends within a commit reads as the state before it.
func snapshotOnce(ctx context.Context, path, copied string) error {
	before, err := os.Stat(path)
	if err != nil {
		return err
	}
	walBefore, err := readHead(path+walSuffix, walHeader)
	if err != nil {
		return err
	}
	if err := copyFile(ctx, path, copied); err != nil {
		return err
	}
	if walBefore != nil {
		if err := copyFile(ctx, path+walSuffix, copied+walSuffix); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	after, err := os.Stat(path)
	if err != nil {
		return err
	}
	walAfter, err := readHead(path+walSuffix, walHeader)
	if err != nil {
		return err
	}
	if before.Size() != after.Size() || !before.ModTime().Equal(after.ModTime()) || !bytes.Equal(walBefore, walAfter) {
		return errBusy
	}
	return nil
}

// copyFile copies inside the kernel where the file systems can.
func copyFile(ctx context.Context, from, to string) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	const step = 64 << 20 // between looks at ctx
	for {
		if err := ctx.Err(); err != nil {
			out.Close()
			return err
		}
		n, err := io.CopyN(out, in, step)
		if errors.Is(err, io.EOF) || err == nil && n == 0 {
			return out.Close()
		}
		if err != nil {
			out.Close()
			return err
		}
	}
}
