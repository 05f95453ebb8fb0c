package tool

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// Workspace is the directory a session works in. Close it after use.
type Workspace struct {
	root *os.Root
	dir  string
}

// OpenWorkspace opens a directory to work in.
func OpenWorkspace(dir string) (*Workspace, error) {
	abs, err := filepath.Abs(dir)
	if err != nil {
		return nil, fmt.Errorf("working directory: %w", err)
	}
	root, err := os.OpenRoot(abs)
	if err != nil {
		return nil, fmt.Errorf("working directory: %w", err)
	}
	return &Workspace{root: root, dir: abs}, nil
}

// errNotRegular: directories, pipes, devices and the like are not read.
var errNotRegular = errors.New("not a regular file")

// openFile opens a regular file for reading. It does not wait: opening a pipe
// would, for a writer, for good.
func (w *Workspace) openFile(name string) (*os.File, error) {
	f, err := w.root.OpenFile(name, os.O_RDONLY|dontWait, 0)
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = errNotRegular
	}
	if err != nil {
		_ = f.Close() // only opened
		return nil, err
	}
	return f, nil
}

// Dir returns the absolute path.
func (w *Workspace) Dir() string { return w.dir }

// Close lets go of the directory.
func (w *Workspace) Close() error { return w.root.Close() }
