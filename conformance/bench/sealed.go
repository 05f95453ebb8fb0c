package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/ownlog/ownlog/format"
)

// verify compares the verification of a sealed log with decompressing and
// hashing it.
func (b *bench) verify() error {
	made, err := b.large()
	if err != nil {
		return err
	}
	files, err := segments(made.Store, ".zst")
	if err != nil {
		return err
	}
	runs, err := alternate(b.rounds,
		func() (usage, error) {
			return b.process(false, b.ownlog, "verify", "--store", made.Store, "--bytes-only", made.Log)
		},
		func() (usage, error) {
			return b.shell(false, `zstd -q -dc "$@" | openssl dgst -sha256`, files...)
		})
	if err != nil {
		return err
	}
	ours, peer := runs[0], runs[1]
	rate := megabytes(made.Text, median(ours, cpu))
	b.add(fmt.Sprintf("verify %d MB, sealed: text per second of processor", made.Text/1e6), fmt.Sprintf("%.0f MB", rate),
		fmt.Sprintf("%.0f MB (zstd -dc into openssl dgst -sha256)", megabytes(made.Text, median(peer, cpu))),
		fmt.Sprintf("%.2f", float64(median(peer, cpu))/float64(median(ours, cpu))), "600 MB", rate >= 600)
	w, p := median(ours, wall), median(peer, wall)
	b.add("verify, wall time", seconds(w), seconds(p), fmt.Sprintf("%.2f", float64(w)/float64(p)), "at most 1.00", w <= p)
	return nil
}

// seal compares sealing with compressing the same text in one piece.
func (b *bench) seal() error {
	made, err := b.makeLog("text", 128<<20, "text")
	if err != nil {
		return err
	}
	texts, err := segments(made.Store, ".jsonl")
	if err != nil {
		return err
	}
	whole := filepath.Join(b.dir, "whole.zst")
	sealed := filepath.Join(b.dir, "sealed")
	runs, err := alternate(b.rounds,
		func() (usage, error) {
			if err := os.RemoveAll(sealed); err != nil {
				return usage{}, err
			}
			if err := copyLog(made.Store, sealed); err != nil {
				return usage{}, err
			}
			return b.process(false, b.ownlog, "seal", "--store", sealed, made.Log)
		},
		// What sealing reads back, and a little more: what a verification takes.
		func() (usage, error) {
			return b.process(false, b.ownlog, "verify", "--store", sealed, "--bytes-only", made.Log)
		},
		func() (usage, error) {
			return b.shell(false, `out=$1; shift; cat "$@" | zstd -q -3 -f -o "$out"`, append([]string{whole}, texts...)...)
		})
	if err != nil {
		return err
	}
	ours, back, peer := median(runs[0], cpu), median(runs[1], cpu), median(runs[2], cpu)
	ratio := float64(ours-back) / float64(peer)
	b.add(fmt.Sprintf("seal %d MB: processor, without reading back", made.Text/1e6), seconds(ours-back)+" (with it "+seconds(ours)+")",
		seconds(peer)+" (`zstd -3` of the whole)", fmt.Sprintf("%.2f", ratio), "at most 1.50", ratio <= 1.5)
	size, err := sizeOf(sealed, ".zst")
	if err != nil {
		return err
	}
	st, err := os.Stat(whole)
	if err != nil {
		return err
	}
	ratio = float64(size) / float64(st.Size())
	b.add("seal, size", fmt.Sprintf("%.1f MB", float64(size)/1e6), fmt.Sprintf("%.1f MB", float64(st.Size())/1e6), fmt.Sprintf("%.3f", ratio), "at most 1.10", ratio <= 1.1)
	return nil
}

// tail times the last 20 entries of the large log, as a new process shows them.
func (b *bench) tail() error {
	made, err := b.large()
	if err != nil {
		return err
	}
	const what = "last %d entries of %d MB, sealed"
	var reads []time.Duration
	for range 3 * b.rounds {
		var took time.Duration
		if err := b.part(&took, "last", made.Store, made.Log); err != nil {
			return err
		}
		reads = append(reads, took)
	}
	read := median(reads, func(d time.Duration) time.Duration { return d })
	b.add(fmt.Sprintf(what+": read by a program that has just started", lastEntries, made.Text/1e6), milliseconds(read), "", "", "under 50 ms", read < 50*time.Millisecond)
	runs, err := alternate(3*b.rounds,
		func() (usage, error) {
			u, err := b.process(true, b.ownlog, "tail", "--store", made.Store, "-n", strconv.Itoa(lastEntries), made.Log)
			if err == nil && u.out == "" {
				err = fmt.Errorf("tail showed nothing")
			}
			return u, err
		},
		func() (usage, error) { return b.process(true, b.ownlog, "--help") })
	if err != nil {
		return err
	}
	figure := func(runs []usage) string {
		return milliseconds(median(runs, wall)) + " (processor " + milliseconds(median(runs, cpu)) + ")"
	}
	ours, start := median(runs[0], wall), median(runs[1], wall)
	b.add(fmt.Sprintf(what+": `ownlog tail`, its start included", lastEntries, made.Text/1e6), figure(runs[0]),
		figure(runs[1])+" (`ownlog --help`)", fmt.Sprintf("%.2f", float64(ours)/float64(start)), "under 50 ms", ours < 50*time.Millisecond)
	return nil
}

// lastEntries is how many entries are read from the end of a log.
const lastEntries = 20

// readLast is the part that opens a store and reads the end of a log: STORE LOG. It
// returns how long that took.
func readLast(args []string) (_ any, err error) {
	log, err := format.ParseLogID(args[1])
	if err != nil {
		return nil, err
	}
	began := time.Now()
	store, err := format.OpenDirStore(args[0])
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, store.Close()) }()
	ctx := context.Background()
	info, err := store.Info(ctx, log)
	if err != nil {
		return nil, err
	}
	n := 0
	for _, err := range store.Read(ctx, log, info.Size-lastEntries) {
		if err != nil {
			return nil, err
		}
		n++
	}
	if n != lastEntries {
		return nil, fmt.Errorf("read %d entries, want %d", n, lastEntries)
	}
	return time.Since(began), nil
}

func milliseconds(d time.Duration) string {
	return strconv.FormatFloat(float64(d.Microseconds())/1000, 'f', 1, 64) + " ms"
}

// memory looks at the peak memory of the commands that read everything.
func (b *bench) memory() error {
	made, err := b.large()
	if err != nil {
		return err
	}
	limit := int64(64<<20) + 6*int64(made.Largest)
	for _, verb := range [][]string{{"verify", "--bytes-only"}, {"cat"}} {
		args := append([]string{verb[0], "--store", made.Store}, verb[1:]...)
		runs, err := alternate(b.rounds, func() (usage, error) { return b.process(false, b.ownlog, append(args, made.Log)...) })
		if err != nil {
			return err
		}
		peak := median(runs[0], func(u usage) int64 { return u.memory })
		b.add(fmt.Sprintf("`ownlog %s` of %d MB, largest entry %d bytes: peak memory", strings.Join(verb, " "), made.Text/1e6, made.Largest),
			mebibytes(peak), "", fmt.Sprintf("%.2f", float64(peak)/float64(limit)), "at most "+mebibytes(limit), peak <= limit)
	}
	return nil
}

func mebibytes(n int64) string { return fmt.Sprintf("%.0f MiB", float64(n)/(1<<20)) }
