package parquet

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	pq "github.com/parquet-go/parquet-go"

	"github.com/go-json-experiment/json"

	"github.com/ownlog/ownlog/convert/tables"
	"github.com/ownlog/ownlog/format"
)

const compactPrefix = "compact-"

// isCompact reports whether a name, without its ending, is that of a file of
// many logs.
func isCompact(name string) bool {
	digits, ok := strings.CutPrefix(name, compactPrefix)
	_, err := hex.DecodeString(digits)
	return ok && err == nil && len(digits) == 32
}

// source is a file of rows and the logs whose rows in it count.
type source struct {
	path string
	logs []format.LogID
}

// join rewrites files of many logs in which some do not count any more, and,
// with Compact, joins the files of each table and date.
func (x *exporter) join() error {
	if !x.opts.Compact && len(x.old.joined()) == 0 {
		return nil
	}
	for _, t := range Tables() {
		for date, files := range x.byDate(t) {
			var joined, single []source
			for _, f := range files {
				if isCompact(strings.TrimSuffix(path.Base(f.path), ".parquet")) {
					joined = append(joined, f)
				} else {
					single = append(single, f)
				}
			}
			if x.opts.Compact && len(joined)+len(single) > 1 {
				if err := x.merge(t, date, files); err != nil {
					return err
				}
				continue
			}
			for _, f := range joined {
				if f.path == compactPath(t, date, x.heads(f.logs)) {
					continue // all of its logs count
				}
				if err := x.merge(t, date, []source{f}); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// byDate returns the files of a table that count, by date.
func (x *exporter) byDate(t Table) map[string][]source {
	logs := make(map[string][]format.LogID)
	dates := make(map[string]string)
	for id, e := range x.old {
		if name := e.path(t); name != "" {
			logs[name] = append(logs[name], id)
			dates[name] = e.date
		}
	}
	files := make(map[string][]source)
	for name, ids := range logs {
		slices.SortFunc(ids, compareLogs)
		files[dates[name]] = append(files[dates[name]], source{name, ids})
	}
	return files
}

func compareLogs(a, b format.LogID) int { return bytes.Compare(a[:], b[:]) }

// heads returns the heads of logs, in order, as they were exported.
func (x *exporter) heads(logs []format.LogID) []string {
	heads := make([]string, len(logs))
	for i, id := range logs {
		heads[i] = x.old[id].head.String()
	}
	return heads
}

// compactPath names a file by what is in it.
func compactPath(t Table, date string, heads []string) string {
	sum := sha256.Sum256([]byte(strings.Join(heads, "\n")))
	return path.Join(string(t), "date="+date, compactPrefix+hex.EncodeToString(sum[:16])+".parquet")
}

// merge writes the rows of files into one, ordered by log, and notes it.
func (x *exporter) merge(t Table, date string, files []source) error {
	var err error
	switch t {
	case Sessions:
		err = mergeRows(x, sessionLayout(), date, files, func(r *tables.Session) string { return r.LogID })
	case Events:
		err = mergeRows(x, eventLayout(), date, files, func(r *tables.Event) string { return r.LogID })
	case Blocks:
		err = mergeRows(x, blockLayout(), date, files, func(r *tables.Block) string { return r.LogID })
	case ModelCalls:
		err = mergeRows(x, modelCallLayout(), date, files, func(r *tables.ModelCall) string { return r.LogID })
	case ToolCalls:
		err = mergeRows(x, toolCallLayout(), date, files, func(r *tables.ToolCall) string { return r.LogID })
	case FileTouches:
		err = mergeRows(x, fileTouchLayout(), date, files, func(r *tables.FileTouch) string { return r.LogID })
	case Compactions:
		err = mergeRows(x, compactionLayout(), date, files, func(r *tables.Compaction) string { return r.LogID })
	}
	if err != nil {
		return fmt.Errorf("join files of %s, date %s: %w", t, date, err)
	}
	return nil
}

func mergeRows[T any](x *exporter, l layout[T], date string, files []source, logOf func(*T) string) error {
	w := newTableWriter(x.opts.Out, l, &x.codec)
	defer w.abort()
	// The rows of a log stand together in one file, so that reading the logs in
	// order, each from its file, gives them in order. Files hold their logs in
	// order too: each is read once from its start to its end.
	type cursor struct {
		rows *rowCursor[T]
		file source
	}
	var open []*cursor
	defer func() {
		for _, c := range open {
			c.rows.close()
		}
	}()
	at := make(map[format.LogID]*cursor)
	var logs []format.LogID
	for _, f := range files {
		c := &cursor{file: f, rows: &rowCursor[T]{name: filepath.Join(x.opts.Out, filepath.FromSlash(f.path))}}
		open = append(open, c)
		for _, id := range f.logs {
			at[id] = c
			logs = append(logs, id)
		}
	}
	slices.SortFunc(logs, compareLogs)
	for i, id := range logs {
		c := at[id]
		n, err := c.rows.copy(id.String(), logOf, w.write)
		if err != nil {
			return err
		}
		if want := x.old[id].parts[l.table].rows; n != want {
			return fmt.Errorf("%s: %d rows of log %s, the manifest says %d; remove the file to export it again", c.file.path, n, id, want)
		}
		if last := i == len(logs)-1 || id == c.file.logs[len(c.file.logs)-1]; last {
			c.rows.close()
		}
	}
	heads := x.heads(logs)
	list, err := json.Marshal(heads)
	if err != nil {
		return err
	}
	f, err := w.finish([]keyValue{{"ownlog.heads", string(list)}}, false)
	if err != nil {
		return err
	}
	name := compactPath(l.table, date, heads)
	if err := x.settle(f, name); err != nil {
		return err
	}
	for _, id := range logs {
		p := x.old[id].parts[l.table]
		p.joined, p.bytes = name, f.bytes
		x.old[id].parts[l.table] = p
	}
	return nil
}

// rowCursor reads a file's rows from start to end. The file is opened when its
// first row is asked for.
type rowCursor[T any] struct {
	name   string
	file   *os.File
	reader *pq.GenericReader[T]
	rows   []T // read and not given out yet
	buf    [64]T
	done   bool
}

// copy hands on the rows of a log, passing over those of logs before it.
func (c *rowCursor[T]) copy(log string, logOf func(*T) string, write func(*T) error) (n int64, err error) {
	for {
		if len(c.rows) == 0 {
			if err := c.fill(); err != nil || len(c.rows) == 0 {
				return n, err
			}
		}
		switch cmp.Compare(logOf(&c.rows[0]), log) {
		case 1:
			return n, nil
		case 0:
			if err := write(&c.rows[0]); err != nil {
				return n, err
			}
			n++
		}
		c.rows = c.rows[1:]
	}
}

func (c *rowCursor[T]) fill() error {
	if c.done {
		return nil
	}
	if c.file == nil {
		f, err := os.Open(c.name)
		if err != nil {
			return err
		}
		c.file, c.reader = f, pq.NewGenericReader[T](f)
	}
	clear(c.buf[:]) // the reader keeps what rows point to otherwise
	n, err := c.reader.Read(c.buf[:])
	if err != nil && !errors.Is(err, io.EOF) {
		return fmt.Errorf("read %s: %w", c.name, err)
	}
	c.rows, c.done = c.buf[:n], errors.Is(err, io.EOF)
	return nil
}

func (c *rowCursor[T]) close() {
	if c.file != nil {
		_ = c.reader.Close()
		_ = c.file.Close()
		c.file = nil
	}
	c.done, c.rows = true, nil
}
