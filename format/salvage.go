package format

import (
	"bytes"
	"cmp"
	"io"
	"os"
	"path/filepath"
	"slices"
)

// salvage reads what is still readable of a log's own files, in order, whatever
// is damaged between. Its order is that of positions; what is lost is passed over.
type salvage struct {
	store *DirStore
	log   LogID
	files []salvageFile // in ascending order of first
	open  []*salvageReader
	// proven is the size up to which the files show that there were entries.
	proven int64
}

// salvageFile is one form of a segment.
type salvageFile struct {
	first, limit int64 // lines at or after limit are dead
	path         string
	sealed       bool
}

func (s *DirStore) newSalvage(log LogID) (*salvage, error) {
	dir := s.logDir(log)
	list, err := listSegments(s.fs, dir)
	if err != nil {
		return nil, err
	}
	v := &salvage{store: s, log: log}
	for i, f := range list {
		v.proven = max(v.proven, f.first)
		limit := int64(openEnd)
		if i+1 < len(list) {
			limit = list[i+1].first
		}
		if f.sealed {
			v.files = append(v.files, salvageFile{f.first, openEnd, filepath.Join(dir, segmentName(f.first, sealedSuffix)), true})
		}
		if f.text {
			v.files = append(v.files, salvageFile{f.first, limit, filepath.Join(dir, segmentName(f.first, textSuffix)), false})
		}
	}
	return v, nil
}

// next returns the readable line with the least position from seq on, and false
// if there is none. Its bytes are valid until the next call.
func (v *salvage) next(seq int64) (line, bool, error) {
	for {
		if err := v.openUpTo(seq); err != nil {
			return line{}, false, err
		}
		var best *salvageReader
		for _, r := range v.open {
			if err := r.advance(seq); err != nil {
				return line{}, false, err
			}
			v.proven = max(v.proven, r.proven)
			if r.have && (best == nil || r.line.seq < best.line.seq) {
				best = r
			}
		}
		v.open = slices.DeleteFunc(v.open, func(r *salvageReader) bool { return !r.have && r.close() == nil })
		// A file that begins before the best line may have an earlier one.
		if len(v.files) > 0 && (best == nil || v.files[0].first <= best.line.seq) {
			seq = max(seq, v.files[0].first)
			if best != nil {
				seq = min(seq, best.line.seq)
			}
			if err := v.openUpTo(max(seq, v.files[0].first)); err != nil {
				return line{}, false, err
			}
			continue
		}
		if best == nil {
			return line{}, false, nil
		}
		return best.line, true, nil
	}
}

// openUpTo opens the files that begin at or before seq.
func (v *salvage) openUpTo(seq int64) error {
	n, found := slices.BinarySearchFunc(v.files, seq, func(f salvageFile, seq int64) int { return cmp.Compare(f.first, seq) })
	for found && n < len(v.files) && v.files[n].first == seq {
		n++
	}
	for _, f := range v.files[:n] {
		file, err := v.store.fs.Open(f.path, os.O_RDONLY)
		if err != nil {
			return err
		}
		r := &salvageReader{file: file, limit: f.limit, sum: logSum(v.log), first: f.first}
		if f.sealed {
			r.src = &salvageFrames{f: file}
		} else {
			r.src = newTextBlocks(file, 0)
		}
		v.open = append(v.open, r)
	}
	v.files = v.files[n:]
	return nil
}

func (v *salvage) close() {
	for _, r := range v.open {
		_ = r.close() // only read from
	}
	v.open = nil
}

// salvageReader reads the valid lines of one file.
type salvageReader struct {
	file   fsFile
	src    blockSource
	sum    uint32
	first  int64
	limit  int64
	data   []byte
	line   line
	have   bool
	ended  bool
	proven int64
}

func (r *salvageReader) close() error { return r.file.Close() }

// advance goes to the first valid line at or after seq.
func (r *salvageReader) advance(seq int64) error {
	for !r.ended && (!r.have || r.line.seq < seq) {
		r.have = false
		for len(r.data) == 0 {
			data, _, err := r.src.next()
			if err == io.EOF {
				r.ended = true
				return nil
			}
			if err != nil {
				return err
			}
			r.data = data
		}
		raw := r.data
		n := bytes.IndexByte(raw, '\n')
		if n < 0 {
			r.data = nil
		} else {
			raw, r.data = raw[:n], raw[n+1:]
		}
		// A lost sector may end where no line does.
		raw = raw[bytes.LastIndexByte(raw, 0)+1:]
		l, f := parseLine(raw, r.sum)
		switch {
		case f != nil || l.seq < r.first || n < 0 && l.kind == lineSeal:
		case l.kind == lineSeal:
			r.proven = max(r.proven, min(l.seq, r.limit))
		case l.seq < r.limit:
			r.line, r.have = l, true
			r.proven = max(r.proven, l.seq+1)
		}
	}
	return nil
}

// salvageFrames gives the text of the frames that still decode.
type salvageFrames struct {
	f           io.ReaderAt
	off         int64
	buf, packed []byte
}

func (s *salvageFrames) next() ([]byte, int64, error) {
	for {
		off, err := findMagic(s.f, s.off)
		if err != nil {
			return nil, 0, err
		}
		_, stored, err := scanFrame(s.f, off)
		if err == nil {
			if int64(cap(s.packed)) < stored {
				s.packed = make([]byte, stored)
			}
			s.packed = s.packed[:stored]
			err = readFull(s.f, s.packed, off)
		}
		if err == nil {
			if text, f := decodeFrame(s.buf, s.packed); f == nil {
				s.buf, s.off = text, off+stored
				return text, 0, nil
			}
		} else if asCorrupt(err) == nil && err != io.ErrUnexpectedEOF {
			return nil, 0, err
		}
		// Its lengths may be what is damaged: look for the next frame inside.
		s.off = off + 1
	}
}

// findMagic returns where the next zstd frame may begin; io.EOF if nowhere.
func findMagic(f io.ReaderAt, off int64) (int64, error) {
	magic := []byte{0x28, 0xb5, 0x2f, 0xfd}
	buf := make([]byte, 64<<10)
	for {
		n, err := f.ReadAt(buf, off)
		if i := bytes.Index(buf[:n], magic); i >= 0 {
			return off + int64(i), nil
		}
		if err != nil {
			return 0, err
		}
		off += int64(n - len(magic) + 1)
	}
}
