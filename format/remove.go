package format

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// ChildrenError: the log cannot be removed because forks of it live on its
// entries.
type ChildrenError struct {
	Log      LogID
	Children []LogID
}

func (e *ChildrenError) Error() string {
	return fmt.Sprintf("log %s has %d forks that begin with its entries, %s the first: remove them first", e.Log, len(e.Children), e.Children[0])
}

// Remove deletes a log with all its files. A log that has forks is kept and a
// [*ChildrenError] returned. Blobs stay until [DirStore.GC].
func (s *DirStore) Remove(ctx context.Context, log LogID) error {
	if s.readOnly {
		return fmt.Errorf("remove log %s: %w", log, ErrReadOnly)
	}
	l := &dirLog{store: s, id: log, dir: s.logDir(log), sum: logSum(log)}
	defer l.close() //nolint:errcheck // the lock goes with the log
	if err := l.lockExclusive(ctx, false); err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			err = ErrNotFound
		}
		return fmt.Errorf("remove log %s: %w", log, err)
	}
	children, err := s.children(ctx, log)
	if err != nil {
		return fmt.Errorf("remove log %s: %w", log, err)
	}
	if len(children) > 0 {
		return &ChildrenError{Log: log, Children: children}
	}
	if err := s.removeDir(l.dir); err != nil {
		return fmt.Errorf("remove log %s: %w", log, err)
	}
	return nil
}

// children returns the logs whose headers name log as their parent.
func (s *DirStore) children(ctx context.Context, log LogID) ([]LogID, error) {
	var children []LogID
	for id, err := range s.List(ctx) {
		if err != nil {
			return nil, err
		}
		if id == log {
			continue
		}
		v := s.newVerifier(id, VerifyOptions{}, nil)
		k, err := v.kin(id)
		if err != nil {
			return nil, err
		}
		if k.fork != nil && k.fork.Log == log {
			children = append(children, id)
		}
	}
	return children, nil
}

// removeDir takes the log out of the store by one rename, and then deletes it: a
// crash in between leaves a directory that nobody looks at.
func (s *DirStore) removeDir(dir string) error {
	name, f, err := s.createTemp(filepath.Dir(dir))
	if err != nil {
		return err
	}
	if err := errors.Join(f.Close(), s.fs.Remove(name)); err != nil {
		return err
	}
	if err := s.fs.Rename(dir, name); err != nil {
		return err
	}
	if err := s.syncDir(filepath.Dir(dir)); err != nil {
		return err
	}
	s.forget(dir)
	return s.removeTree(name)
}

// removeTree deletes a directory of files.
func (s *DirStore) removeTree(dir string) error {
	list, err := s.fs.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, e := range list {
		path := filepath.Join(dir, e.Name())
		if e.IsDir() {
			err = s.removeTree(path)
		} else {
			err = s.fs.Remove(path)
		}
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
	}
	return s.fs.Remove(dir)
}
