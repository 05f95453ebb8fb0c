package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"time"

	"github.com/tidwall/wal"
	etcdwal "go.etcd.io/etcd/server/v3/storage/wal"
	"go.etcd.io/raft/v3/raftpb"
	"go.uber.org/zap"

	"github.com/ownlog/ownlog/format"
)

// appendResult is how long a number of appends took.
type appendResult struct {
	Appends int
	Wall    time.Duration
}

func perAppend(r appendResult) time.Duration { return r.Wall / time.Duration(r.Appends) }

// appenders are the ways to append n entries, one at a time; dir is new.
var appenders = map[string]func(dir string, list [][]byte) (appendResult, error){
	"ownlog":           func(dir string, list [][]byte) (appendResult, error) { return appendOwnlog(dir, list, 1, true) },
	"ownlog 64":        func(dir string, list [][]byte) (appendResult, error) { return appendOwnlog(dir, list, 64, true) },
	"bare":             appendBare,
	"ownlog unsynced":  func(dir string, list [][]byte) (appendResult, error) { return appendOwnlog(dir, list, 1, false) },
	"etcd unsynced":    appendEtcd,
	"tidwall unsynced": appendTidwall,
}

// measureAppend is the part that appends: HOW DIR COUNT TEXT.
func measureAppend(args []string) (any, error) {
	count, err := strconv.Atoi(args[2])
	if err != nil {
		return nil, err
	}
	all, err := entries(args[3])
	if err != nil {
		return nil, err
	}
	var list [][]byte
	for e := range all {
		if len(e) > 4096 { // the usual size; large ones measure the disk
			continue
		}
		if list = append(list, e); len(list) == count {
			break
		}
	}
	return appenders[args[0]](args[1], list)
}

// timed measures n calls of do.
func timed(n int, do func(i int) error) (appendResult, error) {
	began := time.Now()
	for i := range n {
		if err := do(i); err != nil {
			return appendResult{}, err
		}
	}
	return appendResult{n, time.Since(began)}, nil
}

func appendOwnlog(dir string, list [][]byte, appenders int, durable bool) (res appendResult, err error) {
	var opts []format.DirOption
	if !durable {
		opts = append(opts, format.WithoutSync())
	}
	store, err := format.OpenDirStore(dir, opts...)
	if err != nil {
		return res, err
	}
	defer func() { err = errors.Join(err, store.Close()) }()
	ctx, log := context.Background(), format.DeriveLogID("bench")
	if _, err := store.Append(ctx, log, 0, list[:1]); err != nil {
		return res, err
	}
	if appenders == 1 {
		at := int64(1)
		return timed(len(list), func(i int) (err error) {
			at, err = store.Append(ctx, log, at, list[i:i+1])
			return err
		})
	}
	errs := make([]error, appenders)
	began := time.Now()
	var all sync.WaitGroup
	for a := range appenders {
		all.Go(func() {
			for i := a; i < len(list) && errs[a] == nil; i += appenders {
				_, _, errs[a] = store.AppendTail(ctx, log, list[i:i+1])
			}
		})
	}
	all.Wait()
	return appendResult{len(list), time.Since(began)}, errors.Join(errs...)
}

// appendBare writes the same lines to a file and syncs after each.
func appendBare(dir string, list [][]byte) (res appendResult, err error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return res, err
	}
	f, err := os.Create(filepath.Join(dir, "bare"))
	if err != nil {
		return res, err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	off := int64(0)
	lines := make([][]byte, len(list))
	for i, e := range list {
		lines[i] = fmt.Appendf(nil, `{"seq":%d,"ack":%d,"crc":"00000000","entry":%s}`+"\n", i, i, e)
	}
	return timed(len(list), func(i int) error {
		if _, err := f.WriteAt(lines[i], off); err != nil {
			return err
		}
		off += int64(len(lines[i]))
		return datasync(f)
	})
}

func appendEtcd(dir string, list [][]byte) (res appendResult, err error) {
	w, err := etcdwal.Create(zap.NewNop(), dir, nil)
	if err != nil {
		return res, err
	}
	defer func() { err = errors.Join(err, w.Close()) }()
	w.SetUnsafeNoFsync()
	term := uint64(1)
	return timed(len(list), func(i int) error {
		index := uint64(i + 1)
		return w.Save(&raftpb.HardState{}, []*raftpb.Entry{{Term: &term, Index: &index, Data: list[i]}})
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

// appends compares appending with what others do for as much.
func (b *bench) appends() error {
	measure := func(how string, count int) (appendResult, error) {
		dir := filepath.Join(b.dir, "append")
		var r appendResult
		err := b.part(&r, "append", how, dir, strconv.Itoa(count), b.text)
		return r, errors.Join(err, os.RemoveAll(dir))
	}
	turns := func(count int, how ...string) ([]time.Duration, error) {
		runs := make([][]appendResult, len(how))
		for range 2*b.rounds - 1 {
			for i, h := range how {
				n := count
				if h == "ownlog 64" {
					n *= 8
				}
				r, err := measure(h, n)
				if err != nil {
					return nil, err
				}
				runs[i] = append(runs[i], r)
			}
		}
		each := make([]time.Duration, len(how))
		for i := range how {
			each[i] = median(runs[i], perAppend)
		}
		return each, nil
	}
	durable, err := turns(1000, "ownlog", "bare", "ownlog 64")
	if err != nil {
		return err
	}
	share := float64(durable[1]) / float64(durable[0])
	b.add("durable append of one entry", microseconds(durable[0]), microseconds(durable[1])+" (a bare loop of write and fdatasync)", fmt.Sprintf("%.0f %%", 100*share), "at least 95 %", share >= 0.95)
	times := float64(durable[0]) / float64(durable[2])
	b.add("64 appenders in one process beside one", microseconds(durable[2]), microseconds(durable[0])+" (one appender)", fmt.Sprintf("%.1f times", times), "at least 10 times", times >= 10)
	unsynced, err := turns(20_000, "ownlog unsynced", "etcd unsynced", "tidwall unsynced")
	if err != nil {
		return err
	}
	for i, peer := range []string{"etcd's wal", "tidwall/wal"} {
		times := float64(unsynced[i+1]) / float64(unsynced[0])
		b.add("append of one entry, not synced", microseconds(unsynced[0]), microseconds(unsynced[i+1])+" ("+peer+")", fmt.Sprintf("%.2f times", times), "at least 1.00 times", times >= 1)
	}
	return nil
}

func microseconds(d time.Duration) string {
	return strconv.FormatFloat(float64(d.Nanoseconds())/1000, 'f', 1, 64) + " µs"
}
