package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"syscall"
	"time"

	"github.com/tidwall/wal"
	etcdwal "go.etcd.io/etcd/server/v3/storage/wal"
	"go.etcd.io/raft/v3/raftpb"
	"go.uber.org/zap"

	"github.com/ownlog/ownlog/format"
)

// appendResult is how long it took to append a number of entries.
type appendResult struct {
	Appends int
	Wall    time.Duration
	CPU     time.Duration // of all threads
}

func perAppend(r appendResult) time.Duration    { return r.Wall / time.Duration(r.Appends) }
func cpuPerAppend(r appendResult) time.Duration { return r.CPU / time.Duration(r.Appends) }

// chunk is how many appends one contender makes before it is the other's turn.
const chunk = 25

// measureDurable is the part that appends to two logs, one of them held, and to a
// bare file in turns, a chunk at a time, so that all meet the same disk: DIR COUNT
// TEXT. It returns the three medians.
func measureDurable(args []string) (_ any, err error) {
	list, err := someEntries(args[1], args[2])
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(args[0], 0o700); err != nil {
		return nil, err
	}
	shared, err := openOwnlog(filepath.Join(args[0], "shared"), list[0])
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, shared.store.Close()) }()
	held, err := openOwnlog(filepath.Join(args[0], "held"), list[0])
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, held.store.Close()) }()
	release, err := held.store.Hold(context.Background(), held.log)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, release()) }()
	bare, err := os.Create(filepath.Join(args[0], "bare"))
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, bare.Close()) }()
	off := int64(0)
	contenders := []func(entry, line []byte) error{
		func(entry, _ []byte) error { return shared.append(entry) },
		func(entry, _ []byte) error { return held.append(entry) },
		func(_, line []byte) error {
			if _, err := bare.WriteAt(line, off); err != nil {
				return err
			}
			off += int64(len(line))
			return datasync(bare)
		},
	}
	runs := make([][]appendResult, len(contenders))
	for part := range slices.Chunk(list, chunk) {
		lines := make([][]byte, len(part))
		for i, e := range part {
			lines[i] = fmt.Appendf(nil, `{"seq":%d,"ack":%d,"crc":"00000000","entry":%s}`+"\n", off, off, e)
		}
		for c, do := range contenders {
			r, err := timed(len(part), func(i int) error { return do(part[i], lines[i]) })
			if err != nil {
				return nil, err
			}
			runs[c] = append(runs[c], r)
		}
	}
	var medians []time.Duration
	for _, r := range runs {
		medians = append(medians, median(r, perAppend))
	}
	return medians, nil
}

// ownlogAppender appends to a log that is there.
type ownlogAppender struct {
	store *format.DirStore
	log   format.LogID
	at    int64
}

func openOwnlog(dir string, first []byte, opts ...format.DirOption) (*ownlogAppender, error) {
	store, err := format.OpenDirStore(dir, opts...)
	if err != nil {
		return nil, err
	}
	a := &ownlogAppender{store: store, log: format.DeriveLogID("bench")}
	return a, a.append(first)
}

func (a *ownlogAppender) append(entries ...[]byte) (err error) {
	a.at, err = a.store.Append(context.Background(), a.log, a.at, entries)
	return err
}

// batchSize is how many entries one call appends where calls append several.
const batchSize = 32

// appenders are the ways to append entries, one a call unless they say that a
// call takes a batch; dir is new.
var appenders = map[string]func(dir string, list [][]byte) (appendResult, error){
	"ownlog":    func(dir string, list [][]byte) (appendResult, error) { return appendOwnlog(dir, list, 1) },
	"ownlog 64": func(dir string, list [][]byte) (appendResult, error) { return appendOwnlog(dir, list, 64) },
	"ownlog unsynced": func(dir string, list [][]byte) (appendResult, error) {
		return appendOwnlog(dir, list, 1, format.WithoutSync())
	},
	"ownlog unsynced held":   appendOwnlogHeld,
	"ownlog unsynced batch":  appendOwnlogBatches,
	"etcd unsynced":          func(dir string, list [][]byte) (appendResult, error) { return appendEtcd(dir, list, 1) },
	"etcd unsynced batch":    func(dir string, list [][]byte) (appendResult, error) { return appendEtcd(dir, list, batchSize) },
	"tidwall unsynced":       appendTidwall,
	"tidwall unsynced batch": appendTidwallBatches,
}

// measureAppend is the part that appends one way: HOW DIR COUNT TEXT.
func measureAppend(args []string) (any, error) {
	list, err := someEntries(args[2], args[3])
	if err != nil {
		return nil, err
	}
	return appenders[args[0]](args[1], list)
}

// someEntries takes count entries of the usual size: large ones measure the disk.
func someEntries(count, text string) ([][]byte, error) {
	n, err := strconv.Atoi(count)
	if err != nil {
		return nil, err
	}
	all, err := entries(text)
	if err != nil {
		return nil, err
	}
	var list [][]byte
	for e := range all {
		if len(e) > 4096 {
			continue
		}
		if list = append(list, e); len(list) == n {
			break
		}
	}
	return list, nil
}

// timed measures n calls of do.
func timed(n int, do func(i int) error) (appendResult, error) {
	return stopwatch(n, func() error {
		for i := range n {
			if err := do(i); err != nil {
				return err
			}
		}
		return nil
	})
}

// timedBatches measures calls of do with the entries of list, batchSize a call.
func timedBatches(list [][]byte, do func(first int, batch [][]byte) error) (appendResult, error) {
	return stopwatch(len(list), func() error {
		first := 0
		for batch := range slices.Chunk(list, batchSize) {
			if err := do(first, batch); err != nil {
				return err
			}
			first += len(batch)
		}
		return nil
	})
}

// stopwatch measures do, which appends n entries.
func stopwatch(n int, do func() error) (appendResult, error) {
	began, used := time.Now(), processTime()
	err := do()
	return appendResult{n, time.Since(began), processTime() - used}, err
}

// processTime is the processor time that this process took so far.
func processTime() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		panic(err) // it knows no error for its own process
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func appendOwnlog(dir string, list [][]byte, appenders int, opts ...format.DirOption) (res appendResult, err error) {
	log, err := openOwnlog(dir, list[0], opts...)
	if err != nil {
		return res, err
	}
	defer func() { err = errors.Join(err, log.store.Close()) }()
	if appenders == 1 {
		return timed(len(list), func(i int) error { return log.append(list[i]) })
	}
	errs := make([]error, appenders)
	return stopwatch(len(list), func() error {
		var all sync.WaitGroup
		for a := range appenders {
			all.Go(func() {
				for i := a; i < len(list) && errs[a] == nil; i += appenders {
					_, _, errs[a] = log.store.AppendTail(context.Background(), log.log, list[i:i+1])
				}
			})
		}
		all.Wait()
		return errors.Join(errs...)
	})
}

// appendOwnlogHeld keeps the log's lock from the first append to the last, as
// etcd's wal does that of its files while it is open.
func appendOwnlogHeld(dir string, list [][]byte) (res appendResult, err error) {
	log, err := openOwnlog(dir, list[0], format.WithoutSync())
	if err != nil {
		return res, err
	}
	release, err := log.store.Hold(context.Background(), log.log)
	if err != nil {
		return res, errors.Join(err, log.store.Close())
	}
	defer func() { err = errors.Join(err, release(), log.store.Close()) }()
	return timed(len(list), func(i int) error { return log.append(list[i]) })
}

func appendOwnlogBatches(dir string, list [][]byte) (res appendResult, err error) {
	log, err := openOwnlog(dir, list[0], format.WithoutSync())
	if err != nil {
		return res, err
	}
	defer func() { err = errors.Join(err, log.store.Close()) }()
	return timedBatches(list, func(_ int, batch [][]byte) error { return log.append(batch...) })
}

// appendEtcd appends size entries a call. Each call writes what it has to the file.
func appendEtcd(dir string, list [][]byte, size int) (res appendResult, err error) {
	w, err := etcdwal.Create(zap.NewNop(), dir, nil)
	if err != nil {
		return res, err
	}
	defer func() { err = errors.Join(err, w.Close()) }()
	w.SetUnsafeNoFsync()
	term := uint64(1)
	entry := func(i int) *raftpb.Entry {
		index := uint64(i + 1)
		return &raftpb.Entry{Term: &term, Index: &index, Data: list[i]}
	}
	if size == 1 {
		return timed(len(list), func(i int) error { return w.Save(&raftpb.HardState{}, []*raftpb.Entry{entry(i)}) })
	}
	return timedBatches(list, func(first int, batch [][]byte) error {
		entries := make([]*raftpb.Entry, len(batch))
		for i := range batch {
			entries[i] = entry(first + i)
		}
		return w.Save(&raftpb.HardState{}, entries)
	})
}

func appendTidwall(dir string, list [][]byte) (res appendResult, err error) {
	w, err := wal.Open(dir, &wal.Options{NoSync: true, NoCopy: true})
	if err != nil {
		return res, err
	}
	defer func() { err = errors.Join(err, w.Close()) }()
	return timed(len(list), func(i int) error { return w.Write(uint64(i+1), list[i]) })
}

func appendTidwallBatches(dir string, list [][]byte) (res appendResult, err error) {
	w, err := wal.Open(dir, &wal.Options{NoSync: true, NoCopy: true})
	if err != nil {
		return res, err
	}
	defer func() { err = errors.Join(err, w.Close()) }()
	var b wal.Batch
	return timedBatches(list, func(first int, batch [][]byte) error {
		for i, e := range batch {
			b.Write(uint64(first+i+1), e)
		}
		return w.WriteBatch(&b) // clears b
	})
}

// appends compares appending with what others do for as much.
func (b *bench) appends() error {
	dir := filepath.Join(b.dir, "append")
	part := func(result any, name string, args ...string) error {
		return errors.Join(b.part(result, name, args...), os.RemoveAll(dir))
	}
	var rounds [][]time.Duration
	for range b.rounds {
		var medians []time.Duration
		if err := part(&medians, "durable", dir, "500", b.text); err != nil {
			return err
		}
		rounds = append(rounds, medians)
	}
	bare := median(rounds, func(m []time.Duration) time.Duration { return m[2] })
	for i, what := range []string{"durable append of one entry, the lock taken for it", "durable append of one entry, the lock held"} {
		ours := median(rounds, func(m []time.Duration) time.Duration { return m[i] })
		share := median(rounds, func(m []time.Duration) float64 { return float64(m[2]) / float64(m[i]) })
		b.add(what, microseconds(ours), microseconds(bare)+" (a bare loop of write and fdatasync)", fmt.Sprintf("%.0f %%", 100*share), "at least 95 %", share >= 0.95)
	}

	// turns runs each way in turn, and returns the medians of wall and processor
	// time for an entry; count is of entries.
	turns := func(count map[string]int, how ...string) (walls, cpus []time.Duration, err error) {
		runs := make([][]appendResult, len(how))
		for range b.rounds {
			for i, h := range how {
				var r appendResult
				if err := part(&r, "append", h, dir, strconv.Itoa(count[h]), b.text); err != nil {
					return nil, nil, err
				}
				runs[i] = append(runs[i], r)
			}
		}
		for i := range how {
			walls = append(walls, median(runs[i], perAppend))
			cpus = append(cpus, median(runs[i], cpuPerAppend))
		}
		return walls, cpus, nil
	}
	many, _, err := turns(map[string]int{"ownlog": 300, "ownlog 64": 5000}, "ownlog", "ownlog 64")
	if err != nil {
		return err
	}
	times := float64(many[0]) / float64(many[1])
	b.add("64 appenders in one process beside one", microseconds(many[1]), microseconds(many[0])+" (one appender)", fmt.Sprintf("%.1f times", times), "at least 10 times", times >= 10)
	const unsynced = 20_000
	for _, kind := range []struct{ ours, peers, what string }{
		{" held", "", "one entry a call, not synced, the lock held as etcd's wal holds its: processor time of an entry"},
		{"", "", "the same, the lock taken for each call, so that other processes append in between"},
		{" batch", " batch", fmt.Sprintf("%d entries a call, not synced, the lock taken for each", batchSize)},
	} {
		how := []string{"ownlog unsynced" + kind.ours, "etcd unsynced" + kind.peers, "tidwall unsynced" + kind.peers}
		walls, cpus, err := turns(map[string]int{how[0]: unsynced, how[1]: unsynced, how[2]: unsynced}, how...)
		if err != nil {
			return err
		}
		figure := func(i int) string {
			return microseconds(cpus[i]) + " (wall " + microseconds(walls[i]) + ")"
		}
		for i, peer := range []string{"etcd's wal", "tidwall/wal"} {
			times := float64(cpus[i+1]) / float64(cpus[0])
			b.add(kind.what, figure(0), figure(i+1)+" ("+peer+")", fmt.Sprintf("%.2f times as fast", times), "at least 1.00", times >= 1)
		}
	}
	return nil
}

func microseconds(d time.Duration) string {
	return strconv.FormatFloat(float64(d.Nanoseconds())/1000, 'f', 1, 64) + " µs"
}
