package parquet

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"

	pq "github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/compress"

	"github.com/ownlog/ownlog/convert/tables"
)

// tableWriter writes one file of a table after another. It is used by one
// goroutine.
type tableWriter[T any] struct {
	layout layout[T]
	large  []pq.WriterOption
	small  []pq.WriterOption // for small logs
	tiny   bool              // the next file is of a small log
	folder string            // of the table
	docs   []keyValue        // what the columns mean
	pq     *pq.GenericWriter[T]
	file   *os.File // being written, nil between files
	batch  []T
	weight int // of the batch
	group  int // weight of the row group
	rows   int64
}

// fileWriter is a tableWriter of any row type.
type fileWriter interface {
	// expect says of how many entries the log of the next file is.
	expect(entries int64)
	// finish completes the file under its temporary name; without rows there is
	// none, nil, unless empty is set.
	finish(meta []keyValue, empty bool) (*finishedFile, error)
	// abort drops the file being written, if there is one.
	abort()
}

// finishedFile is a complete file, not durable yet.
type finishedFile struct {
	file        *os.File // open
	rows, bytes int64
}

// keyValue is one piece of a file's footer metadata.
type keyValue struct{ key, value string }

func newTableWriter[T any](out string, l layout[T], codec compress.Codec) *tableWriter[T] {
	return &tableWriter[T]{
		layout: l, large: l.options(pageBytes, codec), small: l.options(smallPage, codec),
		folder: filepath.Join(out, string(l.table)), docs: columnDocs[T](l.table),
	}
}

func (w *tableWriter[T]) expect(entries int64) { w.tiny = entries <= smallLog }

// write adds a row to the file, which it begins if there is none.
func (w *tableWriter[T]) write(row *T) error {
	if w.file == nil {
		if err := w.begin(); err != nil {
			return err
		}
	}
	w.batch = append(w.batch, *row)
	w.weight += w.layout.weigh(row)
	if len(w.batch) < batchRows && w.weight < batchBytes {
		return nil
	}
	return w.flush()
}

func (w *tableWriter[T]) begin() error {
	if err := os.MkdirAll(w.folder, 0o700); err != nil {
		return outputError{err}
	}
	f, err := os.CreateTemp(w.folder, tempPrefix+"*")
	if err != nil {
		return outputError{err}
	}
	w.file, w.rows, w.group, w.weight, w.batch = f, 0, 0, 0, w.batch[:0]
	// A writer that is Reset, as of version 0.32, forgets the names of columns in
	// the metadata of row groups, and some readers need them.
	options := w.large
	if w.tiny {
		options = w.small
	}
	w.pq = pq.NewGenericWriter[T](f, options...)
	return nil
}

// flush hands the batch on, and ends the row group when that is big enough.
func (w *tableWriter[T]) flush() error {
	n, err := w.pq.Write(w.batch)
	if err == nil && n < len(w.batch) {
		err = fmt.Errorf("%d of %d rows taken", n, len(w.batch))
	}
	if err != nil {
		return w.failed(err)
	}
	w.rows += int64(len(w.batch))
	w.group += w.weight
	clear(w.batch) // lets go of texts
	w.batch, w.weight = w.batch[:0], 0
	if w.group < groupBytes {
		return nil
	}
	w.group = 0
	if err := w.pq.Flush(); err != nil {
		return w.failed(err)
	}
	return nil
}

func (w *tableWriter[T]) finish(meta []keyValue, empty bool) (*finishedFile, error) {
	if w.file == nil {
		if !empty {
			return nil, nil
		}
		if err := w.begin(); err != nil {
			return nil, err
		}
	}
	if err := w.flush(); err != nil {
		return nil, err
	}
	for _, kv := range slices.Concat(meta, w.docs) {
		w.pq.SetKeyValueMetadata(kv.key, kv.value)
	}
	if err := w.pq.Close(); err != nil {
		return nil, w.failed(err)
	}
	info, err := w.file.Stat()
	if err != nil {
		return nil, w.failed(err)
	}
	f := &finishedFile{file: w.file, rows: w.rows, bytes: info.Size()}
	w.file, w.pq = nil, nil
	return f, nil
}

func (w *tableWriter[T]) failed(err error) error {
	return outputError{fmt.Errorf("write %s: %w", w.file.Name(), err)}
}

func (w *tableWriter[T]) abort() {
	if w.file == nil {
		return
	}
	_ = w.file.Close()
	_ = os.Remove(w.file.Name())
	w.file, w.pq = nil, nil
	clear(w.batch)
	w.batch = w.batch[:0]
}

// columnDocs describes the table in its files' footers.
func columnDocs[T any](t Table) []keyValue {
	return []keyValue{
		{"ownlog.table", string(t)},
		{"ownlog.export_schema", fmt.Sprint(tables.Version)},
		{"ownlog.columns", tables.ColumnDocs[T]()},
	}
}

// outputError is an error about the files being written, as against one about a
// log being read: it ends the export.
type outputError struct{ error }

func (e outputError) Unwrap() error { return e.error }
