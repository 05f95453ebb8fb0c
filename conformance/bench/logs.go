package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"

	"github.com/ownlog/ownlog/format"
)

// sealedBytes is the text of the large log.
const sealedBytes = 1 << 30

// madeLog is the result of the part log.
type madeLog struct {
	Store   string
	Log     string
	Text    int64 // bytes of the text form
	Largest int   // bytes of the largest entry
	Entries int64
}

// makeLog fills a store with one log: STORE BYTES SEAL TEXT.
func makeLog(args []string) (any, error) {
	size, err := strconv.ParseInt(args[1], 10, 64)
	if err != nil {
		return nil, err
	}
	all, err := entries(args[3])
	if err != nil {
		return nil, err
	}
	store, err := format.OpenDirStore(args[0], format.WithoutSync())
	if err != nil {
		return nil, err
	}
	defer store.Close()
	ctx, log := context.Background(), format.DeriveLogID("bench")
	made := madeLog{Store: args[0], Log: log.String()}
	var batch [][]byte
	for e := range all {
		batch = append(batch, e)
		made.Largest = max(made.Largest, len(e))
		made.Text += int64(len(e))
		if len(batch) < 1000 && made.Text < size {
			continue
		}
		if made.Entries, err = store.Append(ctx, log, made.Entries, batch); err != nil {
			return nil, err
		}
		if batch = nil; made.Text >= size {
			break
		}
	}
	if args[2] == "seal" {
		res, err := store.Seal(ctx, log)
		if err != nil {
			return nil, err
		}
		made.Text = res.TextBytes
		return made, nil
	}
	made.Text, err = sizeOf(args[0], ".jsonl")
	return made, err
}

// makeLog makes a log in a child.
func (b *bench) makeLog(name string, size int64, seal string) (madeLog, error) {
	var made madeLog
	err := b.part(&made, "log", filepath.Join(b.dir, name), strconv.FormatInt(size, 10), seal, b.text)
	return made, err
}

// large makes the large sealed log, once.
func (b *bench) large() (madeLog, error) {
	dir := filepath.Join(b.dir, "large")
	note := filepath.Join(b.dir, "large.txt")
	if kept, err := os.ReadFile(note); err == nil {
		made := madeLog{Store: dir}
		_, err := fmt.Sscan(string(kept), &made.Log, &made.Text, &made.Largest, &made.Entries)
		return made, err
	}
	made, err := b.makeLog("large", sealedBytes, "seal")
	if err != nil {
		return made, err
	}
	return made, os.WriteFile(note, fmt.Append(nil, made.Log, " ", made.Text, " ", made.Largest, " ", made.Entries), 0o600)
}

// segments lists the files of a store's one log with the ending given.
func segments(store, ending string) ([]string, error) {
	files, err := filepath.Glob(filepath.Join(store, "logs", "*", "*"+ending))
	if err == nil && len(files) == 0 {
		err = fmt.Errorf("%s: no *%s", store, ending)
	}
	return files, err
}

// sizeOf adds up their sizes.
func sizeOf(store, ending string) (int64, error) {
	files, err := segments(store, ending)
	total := int64(0)
	for _, name := range files {
		st, serr := os.Stat(name)
		if serr != nil {
			return 0, errors.Join(err, serr)
		}
		total += st.Size()
	}
	return total, err
}

// copyLog copies a store's one log into a new store.
func copyLog(from, to string) error {
	files, err := segments(from, ".jsonl")
	if err != nil {
		return err
	}
	for _, name := range files {
		rel, err := filepath.Rel(from, name)
		if err != nil {
			return err
		}
		target := filepath.Join(to, rel)
		if err := os.MkdirAll(filepath.Dir(target), 0o700); err != nil {
			return err
		}
		if err := copyFile(name, target); err != nil {
			return err
		}
	}
	return nil
}

// copyFile holds little in memory: the system counts what this process once
// took as the peak of the children that it starts.
func copyFile(from, to string) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	return errors.Join(err, out.Close())
}
