package convert

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
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

	mu      sync.Mutex
	logs    map[format.LogID]logRecords
	sources map[string]SourceRecord // without a folder
	journal sourceJournal
}

// logRecords are what is kept of one log.
type logRecords struct {
	contents []Content
	report   *Report
}

// OpenImports returns the records in a folder, which is made when the first
// record comes; with an empty dir they are kept in memory only.
func OpenImports(dir string) *Imports {
	return &Imports{
		dir: dir, logs: make(map[format.LogID]logRecords), sources: make(map[string]SourceRecord),
		journal: sourceJournal{path: filepath.Join(dir, "sources.jsonl")},
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
	Log      string    `json:"log"`
	Session  string    `json:"session,omitzero"` // of a log of rows: whose it is
	Entries  int64     `json:"entries"`
	SHA256   string    `json:"sha256,omitzero"`
	Pending  int64     `json:"pending,omitzero"`
	Findings []Finding `json:"findings,omitzero"`
}

// Contents returns the known states of a log's sources, oldest first.
func (im *Imports) Contents(log format.LogID) ([]Content, error) {
	im.mu.Lock()
	defer im.mu.Unlock()
	known, err := im.load(log)
	return known.contents, err
}

// load returns the records of a log; im.mu is held.
func (im *Imports) load(log format.LogID) (logRecords, error) {
	known, ok := im.logs[log]
	if ok || im.dir == "" {
		return known, nil
	}
	b, err := os.ReadFile(im.logPath(log))
	if errors.Is(err, fs.ErrNotExist) {
		return known, nil
	}
	if err != nil {
		return known, fmt.Errorf("import records of log %s: %w", log, err)
	}
	for line := range bytes.Lines(b) {
		var r struct {
			Content `json:",inline"`
			Report  *Report `json:"report"`
		}
		// A line torn by a crash names a content that was not acknowledged.
		switch err := json.Unmarshal(line, &r, jsontext.AllowInvalidUTF8(true)); {
		case err != nil:
		case r.Report != nil:
			known.report = r.Report
		default:
			known.contents = append(known.contents, r.Content)
		}
	}
	im.keep(log, known)
	return known, nil
}

// maxKnownLogs bounds of how many logs the records are kept in memory.
const maxKnownLogs = 4096

// keep remembers the records of a log, which are in its file as well; im.mu is held.
func (im *Imports) keep(log format.LogID, known logRecords) {
	if im.dir != "" && len(im.logs) >= maxKnownLogs {
		clear(im.logs)
	}
	im.logs[log] = known
}

// AddContent remembers a state of a log's source, durably.
func (im *Imports) AddContent(log format.LogID, c Content) error {
	im.mu.Lock()
	defer im.mu.Unlock()
	known, err := im.load(log)
	if err != nil {
		return err
	}
	for _, k := range known.contents {
		if k.SHA256 == c.SHA256 && k.Entries == c.Entries {
			return nil
		}
	}
	known.contents = append(known.contents, c)
	im.keep(log, known)
	if im.dir == "" {
		return nil
	}
	line, err := json.Marshal(c)
	if err != nil {
		return err
	}
	if _, err := appendLine(im.logPath(log), line, true); err != nil {
		return fmt.Errorf("import records of log %s: %w", log, err)
	}
	return nil
}

// appendLine adds a line to a file, durably if that is asked for, and returns how
// long the file is then. A torn line before it is closed.
func appendLine(name string, line []byte, durable bool) (end int64, err error) {
	const flag = os.O_APPEND | os.O_CREATE | os.O_RDWR
	f, err := os.OpenFile(name, flag, 0o600)
	if errors.Is(err, fs.ErrNotExist) {
		if err = os.MkdirAll(filepath.Dir(name), 0o700); err == nil {
			f, err = os.OpenFile(name, flag, 0o600)
		}
	}
	if err != nil {
		return 0, err
	}
	st, err := f.Stat()
	text := make([]byte, 0, len(line)+2)
	if err == nil && st.Size() > 0 {
		var last [1]byte
		if _, err = f.ReadAt(last[:], st.Size()-1); err == nil && last[0] != '\n' {
			text = append(text, '\n')
		}
	}
	if err == nil {
		_, err = f.Write(append(append(text, line...), '\n'))
	}
	if err == nil && durable {
		err = f.Sync()
	}
	if err == nil { // others may have written before it
		end, err = f.Seek(0, io.SeekCurrent)
	}
	return end, errors.Join(err, f.Close())
}

// Source returns what is known of the source at a path.
func (im *Imports) Source(path string) (SourceRecord, bool) {
	im.mu.Lock()
	defer im.mu.Unlock()
	if im.dir == "" {
		rec, ok := im.sources[path]
		return rec, ok
	}
	if rec, ok := im.journal.find(path); ok {
		return rec, true
	}
	b, err := os.ReadFile(im.sourcePath(path))
	if err != nil {
		return SourceRecord{}, false // a cache: not knowing costs a comparison
	}
	var rec SourceRecord
	if json.Unmarshal(b, &rec) != nil || rec.Path != path {
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
	put := im.journal.put
	if rec.Rows != nil {
		put = im.putRows
	}
	if err := put(rec); err != nil {
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

// logPath is the file of a log's records: a line for each content, and for each
// report, of which the last counts.
func (im *Imports) logPath(log format.LogID) string {
	return filepath.Join(im.dir, "logs", log.String()+".jsonl")
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
