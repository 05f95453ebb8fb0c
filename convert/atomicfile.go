package convert

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
)

// atomicFile is a file that appears under its name when it is complete and
// durable, and not at all otherwise.
type atomicFile struct {
	tmp       *os.File
	path      string
	overwrite bool
	done      bool
}

// createAtomic starts a file at path; its folder must exist.
func createAtomic(path string, overwrite bool) (*atomicFile, error) {
	tmp, err := os.CreateTemp(filepath.Dir(path), ".tmp-*") // 0600
	if err != nil {
		return nil, err
	}
	return &atomicFile{tmp: tmp, path: path, overwrite: overwrite}, nil
}

func (f *atomicFile) Write(p []byte) (int, error) { return f.tmp.Write(p) }

// Close makes the file durable and gives it its name. An existing file is an
// error that wraps fs.ErrExist unless it may be overwritten.
func (f *atomicFile) Close() error {
	if f.done {
		return nil
	}
	f.done = true
	err := f.tmp.Sync()
	err = errors.Join(err, f.tmp.Close())
	if err == nil {
		if f.overwrite {
			err = os.Rename(f.tmp.Name(), f.path)
		} else if err = os.Link(f.tmp.Name(), f.path); err == nil {
			err = os.Remove(f.tmp.Name())
		}
	}
	if err != nil {
		return errors.Join(err, discard(f.tmp.Name()))
	}
	return syncDir(filepath.Dir(f.path))
}

// Abort drops the file, unless Close was called before.
func (f *atomicFile) Abort() error {
	if f.done {
		return nil
	}
	f.done = true
	return errors.Join(f.tmp.Close(), discard(f.tmp.Name()))
}

func discard(name string) error {
	if err := os.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// syncDir makes the names in a folder durable, where the system can.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	// Windows cannot sync folders; its renames are durable with the journal.
	if err := d.Sync(); err != nil && !errors.Is(err, fs.ErrPermission) && !errors.Is(err, errors.ErrUnsupported) {
		return errors.Join(err, d.Close())
	}
	return d.Close()
}

// FolderOutput is an [Output] that writes below a folder, which it makes when
// the first file comes. Folders have mode 0700, files 0600.
type FolderOutput struct {
	Dir string
	// Overwrite lets files replace older ones of their name.
	Overwrite bool
	// Written are the paths of the files that are in place, in order.
	Written []string
}

// Create implements [Output].
func (o *FolderOutput) Create(name string) (io.WriteCloser, error) {
	if !fs.ValidPath(name) || name == "." || strings.ContainsAny(name, "\\:") {
		return nil, fmt.Errorf("output file %q: not a plain relative path", name)
	}
	target := filepath.Join(o.Dir, filepath.FromSlash(path.Clean(name)))
	if err := o.noLinks(path.Dir(path.Clean(name))); err != nil {
		return nil, err
	}
	if err := os.MkdirAll(filepath.Dir(target), 0o700); err != nil {
		return nil, err
	}
	if !o.Overwrite {
		if _, err := os.Lstat(target); err == nil {
			return nil, fmt.Errorf("output file %s: %w; nothing was written over it", target, fs.ErrExist)
		}
	}
	f, err := createAtomic(target, o.Overwrite)
	if err != nil {
		return nil, err
	}
	return &folderFile{atomicFile: f, out: o}, nil
}

// noLinks refuses folders below o.Dir that are symbolic links: what they lead to
// was not named.
func (o *FolderOutput) noLinks(folder string) error {
	at := o.Dir
	for part := range strings.SplitSeq(folder, "/") {
		at = filepath.Join(at, part)
		info, err := os.Lstat(at)
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil {
			return err
		}
		if info.Mode()&fs.ModeSymlink != 0 && part != "." {
			return fmt.Errorf("output folder %s is a symbolic link; nothing is written through it", at)
		}
	}
	return nil
}

type folderFile struct {
	*atomicFile
	out *FolderOutput
}

func (f *folderFile) Close() error {
	if f.done {
		return nil
	}
	if err := f.atomicFile.Close(); err != nil {
		return err
	}
	f.out.Written = append(f.out.Written, f.path)
	return nil
}

// WriterOutput is an [Output] that writes its one file to W, for standard
// output and tests. A second file is an error.
type WriterOutput struct {
	W    io.Writer
	used bool
}

// Create implements [Output].
func (o *WriterOutput) Create(name string) (io.WriteCloser, error) {
	if o.used {
		return nil, fmt.Errorf("output file %q: the export has more than one file; name a folder for it", name)
	}
	o.used = true
	return keepOpen{o.W}, nil
}

type keepOpen struct{ io.Writer }

func (keepOpen) Close() error { return nil }

// CreateFile starts a file that appears under its name when it is closed, durable
// and with mode 0600. An existing file is an error that wraps fs.ErrExist.
func CreateFile(name string) (io.WriteCloser, error) {
	if _, err := os.Lstat(name); err == nil {
		return nil, fmt.Errorf("%s: %w; nothing was written over it", name, fs.ErrExist)
	}
	return createAtomic(name, false)
}

// ReplaceFile gives a file of mode 0600 new content at once, for what can be made
// again: it is written beside its place and renamed, and not synced, so that after
// a crash of the machine it may be the old one, empty or missing. Its folder is
// made if it is not there.
func ReplaceFile(name string, content []byte) error {
	if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(name), ".tmp-*")
	if err != nil {
		return err
	}
	_, err = f.Write(content)
	if err = errors.Join(err, f.Close()); err == nil {
		err = os.Rename(f.Name(), name)
	}
	if err != nil {
		return errors.Join(err, discard(f.Name()))
	}
	return nil
}
