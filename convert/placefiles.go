package convert

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// PlaceFiles copies files from one folder to the same relative places below
// another: all of them, or none if one is already there with other bytes. A file
// that is there with the same bytes stays. It returns the paths in the order of
// files, and never writes over anything. Files have mode 0600, folders 0700.
func PlaceFiles(files []string, from, to string) ([]string, error) {
	targets := make([]string, len(files))
	there := make([]bool, len(files))
	for i, file := range files {
		rel, err := filepath.Rel(from, file)
		if err != nil || !filepath.IsLocal(rel) {
			return nil, fmt.Errorf("%s: not below %s", file, from)
		}
		targets[i] = filepath.Join(to, rel)
		if there[i], err = sameFile(file, targets[i]); err != nil {
			return nil, err
		}
	}
	for i, file := range files {
		if there[i] {
			continue
		}
		if err := placeFile(file, targets[i]); err != nil {
			return nil, errors.Join(err, dropFiles(targets[:i], there))
		}
	}
	return targets, nil
}

// dropFiles takes back what was placed.
func dropFiles(placed []string, there []bool) error {
	var err error
	for i, name := range placed {
		if !there[i] {
			err = errors.Join(err, discard(name))
		}
	}
	return err
}

// sameFile tells whether target is there already; with other bytes it is an error
// that wraps fs.ErrExist.
func sameFile(file, target string) (bool, error) {
	info, err := os.Lstat(target)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	other := fmt.Errorf("%s: %w with other contents; nothing was written", target, fs.ErrExist)
	if !info.Mode().IsRegular() {
		return false, other
	}
	a, err := os.Open(file)
	if err != nil {
		return false, err
	}
	defer a.Close()
	b, err := os.Open(target)
	if err != nil {
		return false, err
	}
	defer b.Close()
	if same, err := sameBytes(a, b); err != nil || !same {
		return false, errors.Join(other, err)
	}
	return true, nil
}

func sameBytes(a, b io.Reader) (bool, error) {
	var x, y [32 << 10]byte
	for {
		n, errA := io.ReadFull(a, x[:])
		m, errB := io.ReadFull(b, y[:])
		if !bytes.Equal(x[:n], y[:m]) {
			return false, nil
		}
		for _, err := range []error{errA, errB} {
			if err != nil && err != io.EOF && err != io.ErrUnexpectedEOF { //nolint:errorlint // io.ReadFull returns them bare
				return false, err
			}
		}
		if errA != nil || errB != nil {
			return errA != nil && errB != nil, nil
		}
	}
}

func placeFile(file, target string) error {
	in, err := os.Open(file)
	if err != nil {
		return err
	}
	defer in.Close()
	if err := os.MkdirAll(filepath.Dir(target), 0o700); err != nil {
		return err
	}
	out, err := createAtomic(target, false)
	if err != nil {
		return err
	}
	if _, err := io.Copy(out, in); err != nil {
		return errors.Join(err, out.Abort())
	}
	return out.Close()
}
