package convert

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"sync"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/ownlog/ownlog/format"
)

// Imports are a store's import records, kept beside the logs: what came from
// where, and how each content that was seen ended. Except for the endings they
// are a cache; the logs decide. Imports without a folder live in memory. It is
// safe for concurrent use by one process; of several processes the last to
// write a source's record wins, which costs a comparison and no data.
type Imports struct {
	dir string

	mu       sync.Mutex
	contents map[format.LogID][]Content
	// endings are the contents of all logs, records what was learned last of each
	// source and log.
	endings, records journal
	// Without a folder:
	sources map[string]SourceRecord
	reports map[format.LogID]Report
}

// OpenImports returns the records in a folder, which is made when the first
// record comes; with an empty dir they are kept in memory only.
func OpenImports(dir string) *Imports {
	return &Imports{
		dir: dir, contents: make(map[format.LogID][]Content),
		endings: journal{path: filepath.Join(dir, "contents.jsonl")},
		records: journal{path: filepath.Join(dir, "records.jsonl"), last: true},
		sources: make(map[string]SourceRecord), reports: make(map[format.LogID]Report),
	}
}

// Content is one state of a source as it was seen. Export gives it back.
type Content struct {
	SHA256  string `json:"sha256"` // of all its bytes, 64 hexadecimal digits
	Bytes   int64  `json:"bytes"`
	Entries int64  `json:"entries"` // size of the log that holds it
	End     []byte `json:"end"`     // the bytes after the last record
}

// SourceRecord is what is known of a source from its last import.
type SourceRecord struct {
	Path     string            `json:"path"`
	Vendor   string            `json:"vendor"`
	Kind     ClaimKind         `json:"kind"`
	Group    string            `json:"group,omitzero"`
	Size     int64             `json:"size"`
	ModTime  int64             `json:"mtime_ns"`
	Status   FileStatus        `json:"status"`
	Final    bool              `json:"final,omitzero"`    // unfinished records were taken as damaged
	Projects Projects          `json:"projects,omitzero"` // that the import was limited to
	Outcomes []OutcomeRecord   `json:"outcomes,omitzero"`
	Rows     map[string]string `json:"rows,omitzero"` // row to the digest of the bytes it had last
}

// OutcomeRecord is what an import of the source did to one log.
type OutcomeRecord struct {
	Log     string `json:"log"`
	Session string `json:"session,omitzero"` // of a log of rows: whose it is
	Entries int64  `json:"entries"`
}

// Contents returns the known states of a log's sources, oldest first.
func (im *Imports) Contents(log format.LogID) ([]Content, error) {
	im.mu.Lock()
	defer im.mu.Unlock()
	return im.load(log)
}

// contentLine is a line of the journal of contents.
type contentLine struct {
	Log     string `json:"log"`
	Content `json:",inline"`
}

// load returns the contents of a log; im.mu is held.
func (im *Imports) load(log format.LogID) ([]Content, error) {
	known, ok := im.contents[log]
	if ok || im.dir == "" {
		return known, nil
	}
	// Older stores have a file for each log.
	var lines [][]byte
	b, err := os.ReadFile(filepath.Join(im.dir, "logs", log.String()+".jsonl"))
	if err == nil || errors.Is(err, fs.ErrNotExist) {
		lines, err = im.endings.find(logKey(log))
	}
	if err != nil {
		return nil, fmt.Errorf("import records of log %s: %w", log, err)
	}
	for _, line := range slices.Concat(bytes.SplitAfter(b, []byte{'\n'}), lines) {
		var c contentLine
		// A line torn by a crash names a content that was not acknowledged.
		if json.Unmarshal(line, &c) == nil {
			known = append(known, c.Content)
		}
	}
	im.keep(log, known)
	return known, nil
}

// maxKnownLogs bounds of how many logs the contents are kept in memory.
const maxKnownLogs = 4096

// keep remembers the contents of a log, which are in a file as well; im.mu is held.
func (im *Imports) keep(log format.LogID, known []Content) {
	if im.dir != "" && len(im.contents) >= maxKnownLogs {
		clear(im.contents)
	}
	im.contents[log] = known
}

// AddContent remembers a state of a log's source, durably.
func (im *Imports) AddContent(log format.LogID, c Content) error {
	im.mu.Lock()
	defer im.mu.Unlock()
	known, err := im.load(log)
	if err != nil {
		return err
	}
	for _, k := range known {
		if k.SHA256 == c.SHA256 && k.Entries == c.Entries {
			return nil
		}
	}
	if im.dir != "" {
		if err := im.endings.add(contentLine{log.String(), c}, true); err != nil {
			return fmt.Errorf("import records of log %s: %w", log, err)
		}
	}
	im.keep(log, append(known, c))
	return nil
}

// Source returns what is known of the source at a path.
func (im *Imports) Source(path string) (SourceRecord, bool) {
	im.mu.Lock()
	defer im.mu.Unlock()
	if im.dir == "" {
		rec, ok := im.sources[path]
		return rec, ok
	}
	// It is a cache: not knowing costs a comparison.
	if lines, err := im.records.find(keyOf("path", path)); err == nil && len(lines) > 0 {
		if rec, ok := sourceOfLine(lines[0], path); ok {
			return rec, true
		}
	}
	b, err := os.ReadFile(im.sourcePath(path))
	if err != nil {
		return SourceRecord{}, false
	}
	return sourceOfLine(b, path)
}

func sourceOfLine(line []byte, path string) (rec SourceRecord, ok bool) {
	if json.Unmarshal(line, &rec) != nil || rec.Path != path {
		return SourceRecord{}, false
	}
	return rec, true
}

// PutSource remembers an import of a source. Losing the record costs a comparison.
func (im *Imports) PutSource(rec SourceRecord) error {
	im.mu.Lock()
	defer im.mu.Unlock()
	if im.dir == "" {
		im.sources[rec.Path] = rec
		return nil
	}
	var err error
	if rec.Rows != nil {
		err = im.putRows(rec)
	} else {
		err = im.records.add(rec, false)
	}
	if err != nil {
		return fmt.Errorf("import record of %s: %w", rec.Path, err)
	}
	return nil
}

// putRows replaces the file of a record of rows: those are long, and would be
// written again and again.
func (im *Imports) putRows(rec SourceRecord) error {
	b, err := json.Marshal(rec, json.Deterministic(true), jsontext.AllowInvalidUTF8(true))
	if err != nil {
		return err
	}
	return ReplaceFile(im.sourcePath(rec.Path), b)
}

// sourcePath is the file of a record of rows. Older stores have one for every source.
func (im *Imports) sourcePath(path string) string {
	sum := sha256.Sum256([]byte(path))
	name := hex.EncodeToString(sum[:])
	return filepath.Join(im.dir, "sources", name[:2], name+".json")
}

// FileStatus says what an import did with a file.
type FileStatus string

// The statuses of files.
const (
	FileImported  FileStatus = "imported"
	FileUnchanged FileStatus = "unchanged" // since the last import, by size and time
	FileRefused   FileStatus = "refused"   // not history, or not readable: see the reason
	FileFailed    FileStatus = "failed"    // its bytes are not accounted for
)
