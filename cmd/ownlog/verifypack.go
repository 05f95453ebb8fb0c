package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/ownlog/ownlog/format"
	"github.com/ownlog/ownlog/schema"
)

// rulePack: a pack breaks a rule of spec/pack.md, or its logs are not those that
// its manifest names.
const rulePack = "pack"

// packStart is the name that every pack begins with.
const packStart = "ownlog-pack.json\x00"

// isPack tells whether an operand is a pack, by its first bytes.
func isPack(name string) bool {
	st, err := os.Stat(name)
	if err != nil || !st.Mode().IsRegular() {
		return false
	}
	f, err := os.Open(name)
	if err != nil {
		return false
	}
	defer f.Close()
	start := make([]byte, len(packStart))
	_, err = io.ReadFull(f, start)
	return err == nil && bytes.Equal(start, []byte(packStart))
}

// pack checks a pack by unpacking it into a store that is thrown away, and then
// each of its logs.
func (v *verification) pack(ctx context.Context, name string) (err error) {
	dir, err := os.MkdirTemp("", "ownlog-verify-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	store, err := format.OpenDirStore(dir)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, store.Close()) }()
	f, err := os.Open(name)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	_, err = store.Unpack(ctx, bufio.NewReaderSize(f, 1<<20), format.UnpackOptions{})
	if errors.Is(err, format.ErrPack) || errors.Is(err, io.ErrUnexpectedEOF) {
		doc := verifyLog{File: name, Status: "corrupt"}
		v.found(&doc, verifyFinding{Level: string(schema.LevelError), Rule: rulePack, File: name, Message: err.Error()})
		return v.show(doc)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	for id, err := range store.List(ctx) {
		if err != nil {
			return err
		}
		if err := v.log(ctx, store, id); err != nil {
			return err
		}
	}
	return nil
}
