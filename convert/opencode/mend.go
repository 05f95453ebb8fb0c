package opencode

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"io/fs"
	"os"
)

// What of a database's frame can be damaged without the rows: the header in front
// of its first page, and a -wal that is not its own. The copy is mended, never the
// original. Facts about the file are those of https://sqlite.org/fileformat2.html.
const (
	headerSize = 100
	leafPage   = 0x0d // of a table
	innerPage  = 0x05
)

// hasLostHeader tells whether a file's first bytes are those of a database whose
// header was overwritten with zeros: its first page goes on as one.
func hasLostHeader(head []byte) bool {
	return len(head) > headerSize && bytes.Count(head[:len(sqliteMagic)], []byte{0}) == len(sqliteMagic) &&
		(head[headerSize] == leafPage || head[headerSize] == innerPage)
}

// pageSizes are the sizes of pages that there are, the tool's first.
var pageSizes = []int{4096, 1024, 8192, 16384, 32768, 65536, 2048, 512}

// openMended opens a copy whose header is lost, with the first size of pages that
// makes sense of it.
func openMended(ctx context.Context, path string, limit int64) (*database, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	failed := error(errNotDatabase)
	for _, size := range pageSizes {
		if info.Size()%int64(size) != 0 {
			continue
		}
		if err := writeHeader(path, size, info.Size()/int64(size)); err != nil {
			return nil, err
		}
		db, err := openDatabase(ctx, path, limit, false)
		if err == nil {
			return db, nil
		}
		if failed = err; ctx.Err() != nil {
			break
		}
	}
	return nil, failed
}

// writeHeader makes a header for a database of UTF-8 texts.
func writeHeader(path string, pageSize int, pages int64) error {
	h := make([]byte, headerSize)
	copy(h, sqliteMagic)
	if pageSize == 65536 {
		pageSize = 1
	}
	binary.BigEndian.PutUint16(h[16:], uint16(pageSize))
	h[18], h[19] = 1, 1 // no -wal: one that is there has the header, too
	if _, err := os.Stat(path + walSuffix); err == nil {
		h[18], h[19] = 2, 2
	}
	h[21], h[22], h[23] = 64, 32, 32
	binary.BigEndian.PutUint32(h[24:], 1) // change counter
	binary.BigEndian.PutUint32(h[28:], uint32(pages))
	binary.BigEndian.PutUint32(h[40:], 1) // schema cookie
	binary.BigEndian.PutUint32(h[44:], 4) // schema format
	binary.BigEndian.PutUint32(h[56:], 1) // UTF-8
	binary.BigEndian.PutUint32(h[92:], 1) // the change counter for which the pages were counted
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = f.WriteAt(h, 0)
	return errors.Join(err, f.Close())
}

// readHead reads as much of a file's beginning as there is, at most n bytes; nil if
// there is no file.
func readHead(path string, n int) ([]byte, error) {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	head := make([]byte, n)
	n, err = io.ReadFull(f, head)
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		err = nil
	}
	return head[:n], err
}

// hasForeignWAL tells whether the beginning of a -wal is not that of one, so that
// SQLite reads nothing of it.
func hasForeignWAL(head []byte) bool {
	return len(head) == walHeader && binary.BigEndian.Uint32(head)&^1 != 0x377f0682
}

// removeWAL takes the -wal from a copy.
func removeWAL(path string) error {
	for _, suffix := range []string{walSuffix, shmSuffix} {
		if err := os.Remove(path + suffix); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}
