package parquet

import (
	"bufio"
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/go-json-experiment/json"

	"github.com/ownlog/ownlog/format"
)

// ManifestName is the manifest's file in the output folder: JSON Lines, one for
// each log and table.
const ManifestName = "manifest.jsonl"

// manifestLine says where a log's rows of a table are.
type manifestLine struct {
	Table Table `json:"table"`
	// Path is relative to the output folder, with slashes. It is absent if the
	// log has no rows in the table.
	Path string `json:"path,omitzero"`
	Log  string `json:"log"`
	Head string `json:"head"` // of the log when it was exported
	Date string `json:"date"` // the partition
	Rows int64  `json:"rows"`
	// Bytes is the size of the file.
	Bytes int64 `json:"bytes"`
	// Variant says under which rules and options the rows were made: rows made
	// under others are made again.
	Variant string `json:"variant"`
}

// part is a log's share of a table.
type part struct {
	path    string
	rows    int64
	bytes   int64
	variant string
}

// exported is what the manifest holds about a log.
type exported struct {
	head  format.Head
	date  string
	parts map[Table]part
}

// manifest maps logs to what was exported of them.
type manifest map[format.LogID]*exported

// readManifest reads the manifest of an output folder; none is an empty one.
func readManifest(out string) (manifest, error) {
	name := filepath.Join(out, ManifestName)
	f, err := os.Open(name)
	if errors.Is(err, fs.ErrNotExist) {
		return make(manifest), nil
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	m := make(manifest)
	r := bufio.NewReaderSize(f, 64<<10)
	for n := 1; ; n++ {
		line, err := r.ReadSlice('\n')
		if err == io.EOF && len(line) == 0 {
			return m, nil
		}
		if err != nil && err != io.EOF {
			return nil, fmt.Errorf("%s, line %d: %w", name, n, err)
		}
		if err := m.add(bytes.TrimSpace(line)); err != nil {
			return nil, fmt.Errorf("%s, line %d: %w; remove the file to export everything again", name, n, err)
		}
	}
}

func (m manifest) add(line []byte) error {
	var l manifestLine
	if err := json.Unmarshal(line, &l); err != nil {
		return err
	}
	head, err := format.ParseHead(l.Head)
	if err != nil {
		return err
	}
	if head.Log.String() != l.Log {
		return fmt.Errorf("log %s has the head of log %s", l.Log, head.Log)
	}
	if _, err := ParseTable(string(l.Table)); err != nil {
		return err
	}
	if l.Path != "" && !ours(l.Path) {
		return fmt.Errorf("path %q is not one of an export", l.Path)
	}
	e := m[head.Log]
	if e == nil {
		e = &exported{head: head, date: strings.Clone(l.Date), parts: make(map[Table]part)}
		m[head.Log] = e
	}
	if e.head != head {
		return fmt.Errorf("log %s has two heads, %s and %s", l.Log, e.head, head)
	}
	e.parts[l.Table] = part{path: l.Path, rows: l.Rows, bytes: l.Bytes, variant: l.Variant}
	return nil
}

// write replaces the manifest of an output folder: temporary file, sync, rename.
func (m manifest) write(out string) error {
	f, err := os.CreateTemp(out, tempPrefix+"*")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	w := bufio.NewWriter(f)
	byID := func(a, b format.LogID) int { return bytes.Compare(a[:], b[:]) }
	for _, id := range slices.SortedFunc(maps.Keys(m), byID) {
		if err := m[id].write(w, id); err != nil {
			_ = f.Close()
			return fmt.Errorf("write the manifest: %w", err)
		}
	}
	if err := cmp.Or(w.Flush(), f.Sync(), f.Close()); err != nil {
		_ = f.Close()
		return fmt.Errorf("write the manifest: %w", err)
	}
	if err := os.Rename(f.Name(), filepath.Join(out, ManifestName)); err != nil {
		return fmt.Errorf("put the manifest in place: %w", err)
	}
	return syncDir(out)
}

func (e *exported) write(w io.Writer, id format.LogID) error {
	for _, t := range Tables() {
		p, ok := e.parts[t]
		if !ok {
			continue
		}
		line, err := json.Marshal(manifestLine{
			Table: t, Path: p.path, Log: id.String(), Head: e.head.String(), Date: e.date,
			Rows: p.rows, Bytes: p.bytes, Variant: p.variant,
		})
		if err != nil {
			return err
		}
		if _, err := w.Write(append(line, '\n')); err != nil {
			return err
		}
	}
	return nil
}

// paths returns the files that count.
func (m manifest) paths() map[string]bool {
	in := make(map[string]bool)
	for _, e := range m {
		for _, p := range e.parts {
			if p.path != "" {
				in[p.path] = true
			}
		}
	}
	return in
}

// Names of files.
const (
	tempPrefix = ".tmp-"
	noDate     = "__HIVE_DEFAULT_PARTITION__"
	emptyName  = "empty.parquet"
)

func emptyPath(t Table) string { return path.Join(string(t), "date="+noDate, emptyName) }

func logPath(t Table, date string, log format.LogID) string {
	return path.Join(string(t), "date="+date, log.String()+".parquet")
}

// ours reports whether a relative path is one that an export writes. Nothing
// else is ever removed or replaced.
func ours(p string) bool {
	parts := strings.Split(p, "/")
	if len(parts) != 3 {
		return false
	}
	if _, err := ParseTable(parts[0]); err != nil {
		return false
	}
	date, ok := strings.CutPrefix(parts[1], "date=")
	if !ok || date != noDate && !isDate(date) {
		return false
	}
	name, ok := strings.CutSuffix(parts[2], ".parquet")
	if !ok {
		return false
	}
	_, err := format.ParseLogID(name)
	return err == nil || parts[2] == emptyName || isCompact(name)
}

func isDate(s string) bool {
	if len(s) != len("2006-01-02") {
		return false
	}
	for i, c := range []byte(s) {
		if dash := i == 4 || i == 7; dash != (c == '-') || !dash && (c < '0' || c > '9') {
			return false
		}
	}
	return true
}

// syncDir makes the names in a folder durable.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	return ignoreUnsupported(d.Sync())
}
