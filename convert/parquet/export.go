package parquet

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"os"
	"path"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"time"

	"github.com/parquet-go/parquet-go/compress/zstd"

	"github.com/ownlog/ownlog/convert/tables"
	"github.com/ownlog/ownlog/format"
)

// Options say what is exported and where to.
type Options struct {
	// Out is the output folder. It is made if it does not exist.
	Out string
	// Tables to export; none: all. Tables exported before stay as they are.
	Tables []Table
	// Since and Until select logs by the start of their session: not before
	// Since, before Until. Zero: no bound. Others, and logs without any time if
	// there is a bound, are left as they are.
	Since, Until time.Time
	// Rows says what rows contain.
	Rows tables.Options
	// Compact joins the files of a table and date into one.
	Compact bool
	// Prune removes the rows of logs that the store has no more. The folder is
	// then of this store alone: rows of another one's logs would go, too.
	Prune bool
	// Workers is how many logs are read at once; 0: one for each processor.
	Workers int
	// Progress, if not nil, is called after each log, by one goroutine at a time.
	Progress func(log format.LogID)
}

// Result says what an export did.
type Result struct {
	Logs      int64 // that were looked at
	Exported  int64 // of them written
	Unchanged int64 // of them as the manifest says already
	Outside   int64 // of them not between Since and Until
	Removed   int64 // logs that the store has no more, whose rows were removed
	// Rows and Bytes are those written, by table.
	Rows, Bytes map[Table]int64
	// Failed are the logs that could not be read; their files stay as they were.
	Failed []LogError
}

// LogError is a log that could not be exported.
type LogError struct {
	Log format.LogID
	Err error
}

func (e LogError) Error() string { return fmt.Sprintf("log %s: %v", e.Log, e.Err) }

// Unwrap returns the cause.
func (e LogError) Unwrap() error { return e.Err }

// ErrBusy: another export writes to the same folder. Wait for it to end.
var ErrBusy = errors.New("another export is writing to the folder")

// Export writes the rows of the logs to Parquet files. Logs that cannot be read
// are listed in the result and do not stop it; an error that stops it leaves
// whole files, which the next export takes up. A log may be yielded twice.
func Export(ctx context.Context, store format.Store, logs iter.Seq[format.LogID], opts Options) (Result, error) {
	x, err := open(store, opts)
	if err != nil {
		return Result{}, err
	}
	defer x.lock.Close()
	if err := x.run(ctx, logs); err != nil {
		return x.result, err
	}
	if err := x.prune(ctx); err != nil {
		return x.result, err
	}
	return x.result, x.commit()
}

// exporter is one export.
type exporter struct {
	store format.Store
	opts  Options
	lock  *os.File
	codec zstd.Codec // its encoders are large: all writers share them

	placings sync.WaitGroup
	places   chan struct{}           // one for each log whose files are being placed
	stop     context.CancelCauseFunc // ends the export

	mu      sync.Mutex // guards what follows
	old     manifest   // what counts
	result  Result
	folders map[string]bool // with new files whose names are not durable yet
}

func open(store format.Store, opts Options) (*exporter, error) {
	if opts.Out == "" {
		return nil, errors.New("parquet export: no output folder")
	}
	if len(opts.Tables) == 0 {
		opts.Tables = Tables()
	}
	for _, t := range opts.Tables {
		if _, err := ParseTable(string(t)); err != nil {
			return nil, err
		}
	}
	if opts.Workers <= 0 {
		opts.Workers = runtime.GOMAXPROCS(0)
	}
	if err := os.MkdirAll(opts.Out, 0o700); err != nil {
		return nil, err
	}
	lock, err := os.OpenFile(filepath.Join(opts.Out, ".lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	ok, err := tryLock(lock)
	if err == nil && !ok {
		err = ErrBusy
	}
	if err != nil {
		_ = lock.Close()
		return nil, fmt.Errorf("lock %s: %w", opts.Out, err)
	}
	old, err := readManifest(opts.Out)
	if err != nil {
		_ = lock.Close()
		return nil, err
	}
	return &exporter{
		store: store, opts: opts, lock: lock, codec: zstd.Codec{Level: zstd.SpeedFastest}, old: old,
		folders: make(map[string]bool), places: make(chan struct{}, maxPlacings),
		result: Result{Rows: make(map[Table]int64), Bytes: make(map[Table]int64)},
	}, nil
}

// run exports the logs, one a worker.
func (x *exporter) run(ctx context.Context, logs iter.Seq[format.LogID]) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	x.stop = cancel
	queue := make(chan format.LogID)
	var workers sync.WaitGroup
	for range x.opts.Workers {
		workers.Go(func() {
			w := newWorker(x)
			for log := range queue {
				if err := w.export(ctx, log); err != nil {
					cancel(err)
					return
				}
			}
		})
	}
	feed(ctx, queue, logs)
	workers.Wait()
	x.placings.Wait()
	return context.Cause(ctx)
}

// feed puts each log into the queue once.
func feed(ctx context.Context, queue chan<- format.LogID, logs iter.Seq[format.LogID]) {
	defer close(queue)
	seen := make(map[format.LogID]bool)
	for log := range logs {
		if seen[log] {
			continue
		}
		seen[log] = true
		select {
		case queue <- log:
		case <-ctx.Done():
			return
		}
	}
}

// prune forgets the logs that are no longer in the store; their files are swept.
func (x *exporter) prune(ctx context.Context) error {
	if !x.opts.Prune {
		return nil
	}
	for id := range x.old {
		_, err := x.store.Info(ctx, id)
		switch {
		case errors.Is(err, format.ErrNotFound):
			delete(x.old, id)
			x.result.Removed++
		case ctx.Err() != nil:
			return ctx.Err()
		}
	}
	return nil
}

// commit makes the new state the one that counts.
func (x *exporter) commit() error {
	w := newWorker(x)
	for _, t := range x.opts.Tables {
		if err := w.empty(t); err != nil {
			return err
		}
	}
	if err := x.join(); err != nil {
		return err
	}
	if err := writeViews(x.opts.Out); err != nil {
		return err
	}
	for folder := range x.folders {
		if err := syncDir(folder); err != nil {
			return err
		}
	}
	if err := x.old.write(x.opts.Out); err != nil {
		return err
	}
	return x.sweep()
}

// variant says under which rules a table's rows are made.
func (x *exporter) variant(t Table) string {
	v := []string{fmt.Sprintf("rows=%d", tables.Version)}
	if x.opts.Rows.NoText {
		v = append(v, "no-text")
	}
	if x.opts.Rows.Payload && t == Events {
		v = append(v, "payload")
	}
	if x.opts.Rows.Prices != nil && t == ModelCalls {
		v = append(v, "prices="+x.opts.Rows.Prices.Version)
	}
	return strings.Join(v, " ")
}

// sweep removes files of exports that no longer count, and temporary ones.
func (x *exporter) sweep() error {
	joined := x.old.joined()
	for _, t := range Tables() {
		temps, err := filepath.Glob(filepath.Join(x.opts.Out, string(t), tempPrefix+"*"))
		if err != nil {
			return err
		}
		files, err := filepath.Glob(filepath.Join(x.opts.Out, string(t), "date=*", "*.parquet"))
		if err != nil {
			return err
		}
		for _, name := range files {
			rel, err := filepath.Rel(x.opts.Out, name)
			if err != nil {
				return err
			}
			if rel = filepath.ToSlash(rel); ours(rel) && !x.old.counts(rel, joined) {
				temps = append(temps, name)
			}
		}
		for _, name := range temps {
			if err := os.Remove(name); err != nil {
				return fmt.Errorf("remove what no longer counts: %w", err)
			}
			_ = os.Remove(filepath.Dir(name)) // only if it is empty now
		}
	}
	temps, err := filepath.Glob(filepath.Join(x.opts.Out, tempPrefix+"*"))
	if err != nil {
		return err
	}
	for _, name := range temps {
		if err := os.Remove(name); err != nil {
			return err
		}
	}
	return nil
}

// worker exports one log after another; its writers keep their buffers.
type worker struct {
	x       *exporter
	sink    tables.Sink
	writers map[Table]fileWriter
	started *int64 // of the log at hand
}

func newWorker(x *exporter) *worker {
	w := &worker{x: x, writers: make(map[Table]fileWriter)}
	sessions := newTableWriter(x.opts.Out, sessionLayout(), &x.codec)
	events := newTableWriter(x.opts.Out, eventLayout(), &x.codec)
	blocks := newTableWriter(x.opts.Out, blockLayout(), &x.codec)
	models := newTableWriter(x.opts.Out, modelCallLayout(), &x.codec)
	tools := newTableWriter(x.opts.Out, toolCallLayout(), &x.codec)
	touches := newTableWriter(x.opts.Out, fileTouchLayout(), &x.codec)
	compactions := newTableWriter(x.opts.Out, compactionLayout(), &x.codec)
	w.sink.Begin = func(log format.Info) {
		for _, writer := range w.writers {
			writer.expect(log.Size)
		}
	}
	w.sink.Session = func(row *tables.Session) error {
		w.started = row.Started
		if w.writers[Sessions] == nil {
			return nil
		}
		return sessions.write(row)
	}
	for _, t := range x.opts.Tables {
		switch t {
		case Sessions:
			w.writers[t] = sessions
		case Events:
			w.writers[t], w.sink.Event = events, events.write
		case Blocks:
			w.writers[t], w.sink.Block = blocks, blocks.write
		case ModelCalls:
			w.writers[t], w.sink.ModelCall = models, models.write
		case ToolCalls:
			w.writers[t], w.sink.ToolCall = tools, tools.write
		case FileTouches:
			w.writers[t], w.sink.FileTouch = touches, touches.write
		case Compactions:
			w.writers[t], w.sink.Compaction = compactions, compactions.write
		}
	}
	return w
}

// export brings a log's files up to date. The error is one that ends the export.
func (w *worker) export(ctx context.Context, log format.LogID) error {
	x := w.x
	did, files, err := w.update(ctx, log)
	var output outputError
	if errors.As(err, &output) || ctx.Err() != nil {
		files.drop()
		return err
	}
	if files == nil {
		x.count(log, did, err)
		return nil
	}
	x.placings.Add(1)
	x.places <- struct{}{}
	go func() {
		defer x.placings.Done()
		defer func() { <-x.places }()
		if err := x.place(files); err != nil {
			x.stop(err)
			return
		}
		x.count(log, did, nil)
	}()
	return nil
}

// count notes what became of a log.
func (x *exporter) count(log format.LogID, did deed, err error) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.result.Logs++
	switch {
	case err != nil:
		x.result.Failed = append(x.result.Failed, LogError{log, err})
	case did == wrote:
		x.result.Exported++
	case did == outside:
		x.result.Outside++
	default:
		x.result.Unchanged++
	}
	if x.opts.Progress != nil {
		x.opts.Progress(log)
	}
}

// deed is what became of a log.
type deed int

const (
	unchanged deed = iota
	wrote
	outside
)

// update writes a log's files anew, under temporary names, if they are not up
// to date.
func (w *worker) update(ctx context.Context, log format.LogID) (deed, *logFiles, error) {
	x := w.x
	if in, err := x.selected(ctx, log); err != nil || !in {
		return outside, nil, err
	}
	current, err := x.current(ctx, log)
	if err != nil || current {
		return unchanged, nil, err
	}
	w.started = nil
	head, err := tables.Project(ctx, x.store, log, x.opts.Rows, w.sink)
	if err != nil {
		for _, writer := range w.writers {
			writer.abort()
		}
		return unchanged, nil, err
	}
	files, err := w.finish(head)
	return wrote, files, err
}

// selected reports whether a log's session starts between Since and Until.
func (x *exporter) selected(ctx context.Context, log format.LogID) (bool, error) {
	if x.opts.Since.IsZero() && x.opts.Until.IsZero() {
		return true, nil
	}
	start, err := tables.Started(ctx, x.store, log)
	if err != nil || start == nil {
		return false, err
	}
	t := time.UnixMicro(*start)
	return !t.Before(x.opts.Since) && (x.opts.Until.IsZero() || t.Before(x.opts.Until)), nil
}

// current reports whether the manifest has the log's tables as they would be
// written now, and their files are there.
func (x *exporter) current(ctx context.Context, log format.LogID) (bool, error) {
	x.mu.Lock()
	e := x.old[log]
	x.mu.Unlock()
	if e == nil {
		return false, nil
	}
	for _, t := range x.opts.Tables {
		p, ok := e.parts[t]
		if !ok || p.variant != x.variant(t) {
			return false, nil
		}
		name := e.path(t)
		if name == "" {
			continue
		}
		info, err := os.Stat(filepath.Join(x.opts.Out, filepath.FromSlash(name)))
		if err != nil || info.Size() != p.bytes {
			return false, nil
		}
	}
	head, err := x.store.Head(ctx, log, -1)
	if err != nil {
		return false, err
	}
	return head == e.head, nil
}

// empty writes a table's file without rows if it is not there.
func (w *worker) empty(t Table) error {
	rel := emptyPath(t)
	if _, err := os.Stat(filepath.Join(w.x.opts.Out, filepath.FromSlash(rel))); err == nil {
		return nil
	}
	f, err := w.writers[t].finish(nil, true)
	if err != nil {
		return err
	}
	return w.x.settle(f, path.Clean(rel))
}
