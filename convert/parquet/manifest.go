package parquet

import (
	"bufio"
	"bytes"
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
	"unique"

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
	rows, bytes int64
	variant     string
	// joined is the file of many logs that has the rows; empty: a file of the
	// log's own, if there are any rows.
	joined string
}

// exported is what the manifest holds about a log.
type exported struct {
	head  format.Head
	date  string
	parts map[Table]part
}

// path returns the file that has the log's rows of a table; empty if it has none.
func (e *exported) path(t Table) string {
	switch p := e.parts[t]; {
	case p.rows == 0:
		return ""
	case p.joined != "":
		return p.joined
	}
	return logPath(t, e.date, e.head.Log)
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
	t, err := ParseTable(string(l.Table))
	if err != nil {
		return err
	}
	if l.Path != "" && !ours(l.Path) {
		return fmt.Errorf("path %q is not one of an export", l.Path)
	}
	if l.Date != noDate && !isDate(l.Date) {
		return fmt.Errorf("date %q", l.Date)
	}
	if (l.Path == "") != (l.Rows == 0) {
		return fmt.Errorf("path %q for %d rows", l.Path, l.Rows)
	}
	e := m[head.Log]
	if e == nil {
		e = &exported{head: head, date: unique.Make(l.Date).Value(), parts: make(map[Table]part)}
		m[head.Log] = e
	}
	if e.head != head {
		return fmt.Errorf("log %s has two heads, %s and %s", l.Log, e.head, head)
	}
	if e.date != l.Date {
		return fmt.Errorf("log %s has two dates, %s and %s", l.Log, e.date, l.Date)
	}
	p := part{rows: l.Rows, bytes: l.Bytes, variant: unique.Make(l.Variant).Value()}
	if l.Path != "" && l.Path != logPath(t, l.Date, head.Log) {
		p.joined = unique.Make(l.Path).Value()
	}
	e.parts[t] = p
	return nil
}

// write replaces the manifest of an output folder.
func (m manifest) write(out string) error {
	byID := func(a, b format.LogID) int { return bytes.Compare(a[:], b[:]) }
	return replaceFile(out, ManifestName, func(w io.Writer) error {
		for _, id := range slices.SortedFunc(maps.Keys(m), byID) {
			if err := m[id].write(w, id); err != nil {
				return err
			}
		}
		return nil
	})
}

func (e *exported) write(w io.Writer, id format.LogID) error {
	for _, t := range Tables() {
		p, ok := e.parts[t]
		if !ok {
			continue
		}
		line, err := json.Marshal(manifestLine{
			Table: t, Path: e.path(t), Log: id.String(), Head: e.head.String(), Date: e.date,
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

// joined returns the files of many logs that count.
func (m manifest) joined() map[string]bool {
	in := make(map[string]bool)
	for _, e := range m {
		for t, p := range e.parts {
			if p.joined != "" {
				in[e.path(t)] = true
			}
		}
	}
	return in
}

// counts reports whether a file of an export counts; joined is what [joined]
// returns.
func (m manifest) counts(rel string, joined map[string]bool) bool {
	table, _, _ := strings.Cut(rel, "/")
	name := strings.TrimSuffix(path.Base(rel), ".parquet")
	if name == strings.TrimSuffix(emptyName, ".parquet") {
		return rel == emptyPath(Table(table))
	}
	if id, err := format.ParseLogID(name); err == nil {
		return m[id] != nil && m[id].path(Table(table)) == rel
	}
	return joined[rel]
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
