package format

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
)

const (
	textSuffix   = ".jsonl"
	sealedSuffix = ".jsonl.zst"
	tornSuffix   = ".torn"
	tmpPrefix    = ".tmp-"
	lockName     = "lock"
	nameDigits   = 16
)

// segmentFile is a segment as a directory shows it.
type segmentFile struct {
	first  int64
	text   bool // <first>.jsonl is there
	sealed bool // <first>.jsonl.zst is there
}

// segmentName returns the file name of the segment that begins at first.
func segmentName(first int64, suffix string) string {
	return fmt.Sprintf("%0*d%s", nameDigits, first, suffix)
}

// parseSegmentName reads what segmentName writes, for the two suffixes of segments.
func parseSegmentName(name string) (first int64, sealed, ok bool) {
	if len(name) < nameDigits {
		return 0, false, false
	}
	switch name[nameDigits:] {
	case textSuffix:
	case sealedSuffix:
		sealed = true
	default:
		return 0, false, false
	}
	for _, c := range []byte(name[:nameDigits]) {
		if c < '0' || c > '9' {
			return 0, false, false
		}
		first = 10*first + int64(c-'0')
	}
	return first, sealed, true
}

// listSegments returns the segments in a log's directory in ascending order;
// none, and no error, if there is no directory.
func listSegments(fsys fsys, dir string) ([]segmentFile, error) {
	names, err := fsys.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var list []segmentFile
	for _, e := range names {
		first, sealed, ok := parseSegmentName(e.Name())
		// A pipe would never open. What is not read counts as missing.
		if !ok || e.Type()&(fs.ModeDir|fs.ModeNamedPipe|fs.ModeSocket|fs.ModeDevice) != 0 {
			continue
		}
		i, found := slices.BinarySearchFunc(list, first, func(s segmentFile, first int64) int { return cmp.Compare(s.first, first) })
		if !found {
			list = slices.Insert(list, i, segmentFile{first: first})
		}
		list[i].sealed = list[i].sealed || sealed
		list[i].text = list[i].text || !sealed
	}
	return list, nil
}

// isTemporary tells files that a writer which died may have left behind.
func isTemporary(name string) bool { return strings.HasPrefix(filepath.Base(name), tmpPrefix) }
