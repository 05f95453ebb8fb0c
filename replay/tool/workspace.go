package tool

import (
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

// Dir returns the absolute path.
func (w *Workspace) Dir() string { return w.dir }

// Close lets go of the directory.
func (w *Workspace) Close() error { return w.root.Close() }
