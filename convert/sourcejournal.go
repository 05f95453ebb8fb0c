package convert

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// sourceJournal keeps the records of sources in one file, a line each time one is
// imported; the last line of a path counts. Making a file for each of them takes
// longer than many a session. It is a cache: nothing is synced, and what is lost,
// also when two processes rewrite it at once, costs a comparison.
type sourceJournal struct {
	path string
	// lines are where the last lines of paths stand in the file.
	lines map[journalKey]journalLine
	live  int64 // bytes of these lines
	size  int64 // bytes of the file that were indexed
	open  bool  // the file was indexed
	tidy  bool  // it was looked whether the file is worth rewriting
}

// journalKey is the beginning of a path's digest: paths themselves take memory.
type journalKey [16]byte

type journalLine struct{ off, size int64 }

// A journal is rewritten when it has that many bytes, and half of them or more are
// of lines that later ones replaced.
const journalSlack = 1 << 20

func keyOfPath[T string | []byte](path T) journalKey {
	sum := sha256.Sum256([]byte(path))
	return journalKey(sum[:len(journalKey{})])
}

// find returns the record of a path.
func (j *sourceJournal) find(path string) (rec SourceRecord, ok bool) {
	if !j.open {
		j.index()
	}
	at, ok := j.lines[keyOfPath(path)]
	if !ok {
		return rec, false
	}
	f, err := os.Open(j.path)
	if err != nil {
		return rec, false
	}
	defer f.Close() //nolint:errcheck // only read from
	line := make([]byte, at.size)
	if _, err := f.ReadAt(line, at.off); err != nil {
		return rec, false
	}
	// It is another line if somebody rewrote the file.
	if json.Unmarshal(line, &rec, jsontext.AllowInvalidUTF8(true)) != nil || rec.Path != path {
		return SourceRecord{}, false
	}
	return rec, true
}

// put adds a record.
func (j *sourceJournal) put(rec SourceRecord) error {
	line, err := json.Marshal(rec, json.Deterministic(true), jsontext.AllowInvalidUTF8(true))
	if err != nil {
		return err
	}
	if !j.open {
		j.index()
	}
	if !j.tidy {
		j.tidy = true
		if j.size > journalSlack && 2*j.live < j.size {
			if err := j.rewrite(); err != nil {
				return err
			}
		}
	}
	end, err := appendLine(j.path, line, false)
	if err == nil {
		j.note(keyOfPath(rec.Path), journalLine{end - int64(len(line)) - 1, int64(len(line))})
	}
	return err
}

func (j *sourceJournal) note(key journalKey, at journalLine) {
	j.live += at.size - j.lines[key].size
	j.lines[key] = at
}

// index reads which lines there are. What cannot be read is not known.
func (j *sourceJournal) index() {
	j.open, j.lines, j.live, j.size = true, make(map[journalKey]journalLine), 0, 0
	f, err := os.Open(j.path)
	if err != nil {
		return
	}
	defer f.Close() //nolint:errcheck // only read from
	r := bufio.NewReaderSize(f, 64<<10)
	for {
		line, err := r.ReadSlice('\n')
		key, ok := journalLineKey(line)
		at, closed := journalLine{off: j.size}, false
		for {
			at.size += int64(len(line))
			if err != bufio.ErrBufferFull {
				closed = bytes.HasSuffix(line, []byte("}\n"))
				break
			}
			line, err = r.ReadSlice('\n')
		}
		j.size += at.size
		at.size--
		if ok && closed {
			j.note(key, at)
		}
		if err != nil {
			return
		}
	}
}

// journalLineKey returns the key of the path that a line begins with.
func journalLineKey(line []byte) (key journalKey, ok bool) {
	const begin = `{"path":`
	if !bytes.HasPrefix(line, []byte(begin)) {
		return key, false
	}
	line = line[len(begin):]
	if len(line) == 0 || line[0] != '"' {
		return key, false
	}
	end := SkipString(line, 0)
	if end < 0 {
		return key, false
	}
	path, err := jsontext.AppendUnquote(nil, line[:end])
	return keyOfPath(path), err == nil
}

// rewrite leaves the lines that count.
func (j *sourceJournal) rewrite() error {
	old, err := os.Open(j.path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer old.Close() //nolint:errcheck // only read from
	tmp, err := os.CreateTemp(filepath.Dir(j.path), ".tmp-*")
	if err != nil {
		return err
	}
	w := bufio.NewWriterSize(tmp, 64<<10)
	for _, at := range j.lines {
		if err == nil {
			_, err = io.Copy(w, io.NewSectionReader(old, at.off, at.size+1))
		}
	}
	if err == nil {
		err = w.Flush()
	}
	if err = errors.Join(err, tmp.Close()); err == nil {
		err = os.Rename(tmp.Name(), j.path)
	}
	if err != nil {
		return errors.Join(err, discard(tmp.Name()))
	}
	j.index()
	return nil
}
