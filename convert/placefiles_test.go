package convert

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestPlaceFilesWritesOverNothing(t *testing.T) {
	from, to := t.TempDir(), t.TempDir()
	write := func(name, content string) string {
		if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		return name
	}
	files := []string{write(filepath.Join(from, "a", "one"), "1"), write(filepath.Join(from, "two"), "2")}
	want := []string{filepath.Join(to, "a", "one"), filepath.Join(to, "two")}
	for range 2 { // the second time they are there already
		got, err := PlaceFiles(files, from, to)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	}

	// One file is another: none is placed, and it stays as it is.
	if err := os.RemoveAll(filepath.Join(to, "a")); err != nil {
		t.Fatal(err)
	}
	write(filepath.Join(to, "two"), "theirs")
	if _, err := PlaceFiles(files, from, to); !errors.Is(err, fs.ErrExist) {
		t.Errorf("error %v, want one that wraps fs.ErrExist", err)
	}
	if _, err := os.Stat(filepath.Join(to, "a", "one")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a file was placed although another could not be: %v", err)
	}
	if b, err := os.ReadFile(filepath.Join(to, "two")); err != nil || string(b) != "theirs" {
		t.Errorf("the file that was there holds %q, %v", b, err)
	}

	// A link in the place is not followed.
	if err := os.Remove(filepath.Join(to, "two")); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(files[1], filepath.Join(to, "two")); err != nil {
		t.Skip(err)
	}
	if _, err := PlaceFiles(files, from, to); !errors.Is(err, fs.ErrExist) {
		t.Errorf("error %v for a link, want one that wraps fs.ErrExist", err)
	}
	if _, err := PlaceFiles([]string{filepath.Join(to, "two")}, from, to); err == nil {
		t.Error("a file outside the folder was taken")
	}
}
