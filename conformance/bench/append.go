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

// chunk is how many appends one contender makes before it is the other's turn.
const chunk = 25

// measureDurable is the part that appends to a log and to a bare file in turns, a
// chunk at a time, so that both meet the same disk: DIR COUNT TEXT. It returns
// the two medians.
func measureDurable(args []string) (any, error) {
	list, err := someEntries(args[1], args[2])
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(args[0], 0o700); err != nil {
		return nil, err
	}
	log, err := openOwnlog(filepath.Join(args[0], "store"), list[0])
	if err != nil {
		return nil, err
	}
	bare, err := os.Create(filepath.Join(args[0], "bare"))
	if err != nil {
		return nil, err
	}
	off := int64(0)
	var ours, peer []appendResult
	for part := range slices.Chunk(list, chunk) {
		r, err := timed(len(part), func(i int) error { return log.append(part[i]) })
		if err != nil {
			return nil, err
		}
		ours = append(ours, r)
		lines := make([][]byte, len(part))
		for i, e := range part {
			lines[i] = fmt.Appendf(nil, `{"seq":%d,"ack":%d,"crc":"00000000","entry":%s}`+"\n", off, off, e)
		}
		r, err = timed(len(part), func(i int) error {
			if _, err := bare.WriteAt(lines[i], off); err != nil {
				return err
			}
			off += int64(len(lines[i]))
			return datasync(bare)
		})
		if err != nil {
			return nil, err
		}
		peer = append(peer, r)
	}
	return []time.Duration{median(ours, perAppend), median(peer, perAppend)}, errors.Join(log.store.Close(), bare.Close())
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

func (a *ownlogAppender) append(entry []byte) (err error) {
	a.at, err = a.store.Append(context.Background(), a.log, a.at, [][]byte{entry})
	return err
}

// appenders are the ways to append entries, one at a time; dir is new.
var appenders = map[string]func(dir string, list [][]byte) (appendResult, error){
	"ownlog":    func(dir string, list [][]byte) (appendResult, error) { return appendOwnlog(dir, list, 1) },
	"ownlog 64": func(dir string, list [][]byte) (appendResult, error) { return appendOwnlog(dir, list, 64) },
	"ownlog unsynced": func(dir string, list [][]byte) (appendResult, error) {
		return appendOwnlog(dir, list, 1, format.WithoutSync())
	},
	"etcd unsynced":    appendEtcd,
	"tidwall unsynced": appendTidwall,
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
	began := time.Now()
	for i := range n {
		if err := do(i); err != nil {
			return appendResult{}, err
		}
	}
	return appendResult{n, time.Since(began)}, nil
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
	began := time.Now()
	var all sync.WaitGroup
	for a := range appenders {
		all.Go(func() {
			for i := a; i < len(list) && errs[a] == nil; i += appenders {
				_, _, errs[a] = log.store.AppendTail(context.Background(), log.log, list[i:i+1])
			}
		})
	}
	all.Wait()
	return appendResult{len(list), time.Since(began)}, errors.Join(errs...)
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
	dir := filepath.Join(b.dir, "append")
	part := func(result any, name string, args ...string) error {
		return errors.Join(b.part(result, name, args...), os.RemoveAll(dir))
	}
	var pairs [][]time.Duration
	for range b.rounds {
		var pair []time.Duration
		if err := part(&pair, "durable", dir, "500", b.text); err != nil {
			return err
		}
		pairs = append(pairs, pair)
	}
	ours := median(pairs, func(p []time.Duration) time.Duration { return p[0] })
	bare := median(pairs, func(p []time.Duration) time.Duration { return p[1] })
	share := median(pairs, func(p []time.Duration) float64 { return float64(p[1]) / float64(p[0]) })
	b.add("durable append of one entry", microseconds(ours), microseconds(bare)+" (a bare loop of write and fdatasync)", fmt.Sprintf("%.0f %%", 100*share), "at least 95 %", share >= 0.95)

	// turns runs each way in turn; count is of appends.
	turns := func(count map[string]int, how ...string) ([]time.Duration, error) {
		runs := make([][]appendResult, len(how))
		for range b.rounds {
			for i, h := range how {
				var r appendResult
				if err := part(&r, "append", h, dir, strconv.Itoa(count[h]), b.text); err != nil {
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
	many, err := turns(map[string]int{"ownlog": 300, "ownlog 64": 5000}, "ownlog", "ownlog 64")
	if err != nil {
		return err
	}
	times := float64(many[0]) / float64(many[1])
	b.add("64 appenders in one process beside one", microseconds(many[1]), microseconds(many[0])+" (one appender)", fmt.Sprintf("%.1f times", times), "at least 10 times", times >= 10)
	const unsynced = 20_000
	each, err := turns(map[string]int{"ownlog unsynced": unsynced, "etcd unsynced": unsynced, "tidwall unsynced": unsynced}, "ownlog unsynced", "etcd unsynced", "tidwall unsynced")
	if err != nil {
		return err
	}
	for i, peer := range []string{"etcd's wal", "tidwall/wal"} {
		times := float64(each[i+1]) / float64(each[0])
		b.add("append of one entry, not synced", microseconds(each[0]), microseconds(each[i+1])+" ("+peer+")", fmt.Sprintf("%.2f times", times), "at least 1.00 times", times >= 1)
	}
	return nil
}

func microseconds(d time.Duration) string {
	return strconv.FormatFloat(float64(d.Nanoseconds())/1000, 'f', 1, 64) + " µs"
}
