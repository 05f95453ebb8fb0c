package format

import (
	"io"
	"os"
)

// textFile is a text segment that is open for reading, as it was when it was
// opened. A short one is read at once and whole: who looks at a log looks at the
// end, at the beginning and then at the rest of it.
type textFile struct {
	fsFile
	store *DirStore
	path  string
	first int64
	// open is set for the last segment of a log.
	open bool
	stat fsStat
	head []byte // all of the file; nil if that is too long
}

// maxTextHead is how long a text segment may be to be read at once.
const maxTextHead = 64 << 10

// openText opens a text segment.
func (s *DirStore) openText(f span) (*textFile, error) {
	file, err := s.fs.Open(f.path, os.O_RDONLY)
	if err != nil {
		return nil, err
	}
	t := &textFile{fsFile: file, store: s, path: f.path, first: f.first, open: f.end == openEnd}
	if t.stat, err = file.Stat(); err == nil && t.stat.Size <= maxTextHead {
		err = t.readHead()
	}
	if err != nil {
		_ = t.Close() // only read from
		return nil, err
	}
	return t, nil
}

func (t *textFile) readHead() error {
	buf, ok := t.store.heads.Get().(*[maxTextHead]byte)
	if !ok {
		buf = new([maxTextHead]byte)
	}
	t.head = buf[:t.stat.Size]
	return readFull(t.fsFile, t.head, 0)
}

// Close lets go of the file and of the memory. The readers are of no use after
// it. To close it once more does nothing.
func (t *textFile) Close() error {
	if t.head != nil {
		t.store.heads.Put((*[maxTextHead]byte)(t.head[:maxTextHead]))
		t.head = nil
	}
	file := t.fsFile
	if file == nil {
		return nil
	}
	t.fsFile = nil
	return file.Close()
}

// Stat returns what the file was when it was opened.
func (t *textFile) Stat() (fsStat, error) { return t.stat, nil }

// ReadAt implements [io.ReaderAt].
func (t *textFile) ReadAt(p []byte, off int64) (int, error) {
	if t.head == nil {
		return t.fsFile.ReadAt(p, off)
	}
	if off >= int64(len(t.head)) {
		return 0, io.EOF
	}
	n := copy(p, t.head[off:])
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

// reader returns a reader of the segment from its beginning. Those of a short
// file scribble in the same memory, each in a line it has read, which it leaves as
// it was.
func (t *textFile) reader() *segmentReader {
	r := &segmentReader{path: t.path, open: t.open}
	if t.head != nil {
		r.src = &wholeText{data: t.head}
	} else {
		r.src = newTextBlocks(t, 0)
	}
	return r
}

// wholeText gives out a text at once.
type wholeText struct {
	data []byte
	end  bool
}

func (w *wholeText) next() ([]byte, int64, error) {
	if w.end || len(w.data) == 0 {
		return nil, int64(len(w.data)), io.EOF
	}
	w.end = true
	return w.data, 0, nil
}
