package format

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// openCounter counts how often files are opened.
type openCounter struct {
	osFS
	sealed int
}

func (c *openCounter) Open(name string, flag int) (fsFile, error) {
	if strings.HasSuffix(name, sealedSuffix) {
		c.sealed++
	}
	return c.osFS.Open(name, flag)
}

// TestSealedFilesAreOpenedOnce: of a long log, a second look opens the file with
// its header, and the last one; a file that was replaced is opened again.
func TestSealedFilesAreOpenedOnce(t *testing.T) {
	ctx := context.Background()
	files := &openCounter{}
	s, err := OpenDirStore(t.TempDir(), WithoutSync(), WithRollSize(1), withFS(files))
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	s.sealing = sealLimits{group: 1, small: 0}
	log := NewLogID()
	const segments = 12
	for i := range int64(segments) {
		if _, err := s.Append(ctx, log, i, [][]byte{[]byte(`{"a":"b"}`)}); err != nil {
			t.Fatal(err)
		}
		if _, err := s.Seal(ctx, log); err != nil {
			t.Fatal(err)
		}
	}
	look := func() int {
		t.Helper()
		before := files.sealed
		info, err := s.Info(ctx, log)
		if err != nil || info.Size != segments {
			t.Fatal(info, err)
		}
		return files.sealed - before
	}
	if list, err := listSegments(files, s.logDir(log)); err != nil || len(list) != segments {
		t.Fatalf("%d segments, want %d: %v", len(list), segments, err)
	}
	look()
	if n := look(); n > 2 {
		t.Errorf("a second look at %d sealed segments opened %d files", segments, n)
	}
	// Another file, of another log, under the name of one.
	other := NewLogID()
	if _, err := s.Append(ctx, other, 0, [][]byte{[]byte(`{"a":"bcd"}`)}); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Seal(ctx, other); err != nil {
		t.Fatal(err)
	}
	from := filepath.Join(s.logDir(other), segmentName(0, sealedSuffix))
	if err := os.Rename(from, filepath.Join(s.logDir(log), segmentName(5, sealedSuffix))); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Info(ctx, log); asCorrupt(err) == nil {
		t.Errorf("a segment of another log in place of one: %v", err)
	}
}
