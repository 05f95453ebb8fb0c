package parquet

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/ownlog/ownlog/format"
)

// maxPlacings is of how many logs the files wait for the disk at once, while
// the workers go on: waiting takes longer than writing.
const maxPlacings = 8

// logFiles are the files of a log, complete under their temporary names.
type logFiles struct {
	head  format.Head
	date  string
	files map[Table]*finishedFile // nil for a table without rows
}

// drop closes the files and leaves them to be swept.
func (l *logFiles) drop() {
	if l == nil {
		return
	}
	for _, f := range l.files {
		if f != nil {
			_ = f.file.Close()
		}
	}
}

// finish completes the files of the log that was projected last.
func (w *worker) finish(head format.Head) (*logFiles, error) {
	x := w.x
	date := noDate
	if w.started != nil {
		date = time.UnixMicro(*w.started).UTC().Format(time.DateOnly)
	}
	if !isDate(date) {
		date = noDate // a year beyond 9999 or before 0
	}
	meta := []keyValue{{"ownlog.heads", `["` + head.String() + `"]`}}
	if p := x.opts.Rows.Prices; p != nil {
		meta = append(meta, keyValue{"ownlog.prices", p.Version})
	}
	l := &logFiles{head: head, date: date, files: make(map[Table]*finishedFile)}
	for _, t := range x.opts.Tables {
		f, err := w.writers[t].finish(meta, false)
		if err != nil {
			return l, err
		}
		l.files[t] = f
	}
	return l, nil
}

// place moves the files of a log to where they belong and notes them. Tables
// that are not exported now keep what they have only if the head is the same:
// a log's tables are all of one head.
func (x *exporter) place(l *logFiles) error {
	now := &exported{head: l.head, date: l.date, parts: make(map[Table]part)}
	// Together, because the time goes to waiting for the disk.
	var group sync.WaitGroup
	errs := make([]error, len(x.opts.Tables))
	for i, t := range x.opts.Tables {
		p := part{variant: x.variant(t)}
		if f := l.files[t]; f != nil {
			p.rows, p.bytes = f.rows, f.bytes
			group.Go(func() { errs[i] = x.settle(f, logPath(t, l.date, l.head.Log)) })
		}
		now.parts[t] = p
	}
	group.Wait()
	if err := errors.Join(errs...); err != nil {
		return err
	}
	x.note(now)
	return nil
}

// settle makes a finished file durable and puts it in its place.
func (x *exporter) settle(f *finishedFile, rel string) error {
	temp := f.file.Name()
	if err := f.file.Sync(); err != nil {
		_ = f.file.Close()
		return outputError{err}
	}
	if err := f.file.Close(); err != nil {
		return outputError{err}
	}
	name := filepath.Join(x.opts.Out, filepath.FromSlash(rel))
	folder := filepath.Dir(name)
	if err := x.makeFolder(folder); err != nil {
		return outputError{err}
	}
	if err := os.Rename(temp, name); err != nil {
		return outputError{err}
	}
	return nil
}

// makeFolder makes the folder of a file, whose names are to be made durable at
// the end.
func (x *exporter) makeFolder(folder string) error {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.folders[folder] {
		return nil
	}
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return err
	}
	x.folders[folder] = true
	x.folders[filepath.Dir(folder)] = true
	return nil
}

func (x *exporter) note(now *exported) {
	x.mu.Lock()
	defer x.mu.Unlock()
	for t, p := range now.parts {
		x.result.Rows[t] += p.rows
		x.result.Bytes[t] += p.bytes
	}
	if was := x.old[now.head.Log]; was != nil && was.head == now.head && was.date == now.date {
		for t, p := range was.parts {
			if _, ok := now.parts[t]; !ok {
				now.parts[t] = p
			}
		}
	}
	x.old[now.head.Log] = now
}

// replaceFile writes a file in the output folder anew: temporary file, sync, rename.
func replaceFile(out, name string, write func(io.Writer) error) error {
	f, err := os.CreateTemp(out, tempPrefix+"*")
	if err != nil {
		return fmt.Errorf("write %s: %w", name, err)
	}
	defer os.Remove(f.Name())
	w := bufio.NewWriter(f)
	err = errors.Join(write(w), w.Flush())
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err == nil {
		err = os.Rename(f.Name(), filepath.Join(out, name))
	}
	if err != nil {
		return fmt.Errorf("write %s: %w", name, err)
	}
	return syncDir(out)
}
