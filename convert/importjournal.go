package convert

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/ownlog/ownlog/format"
)

// journal is a file of JSON lines to which the import records of many sources and
// logs are added: making a file for each of them takes longer than many a session.
// The first member of a line says what it is about. Any number of processes may
// add to it.
type journal struct {
	path    string
	indexed bool
	// lines are where the lines about something stand in the file, in order.
	lines map[journalKey][]journalLine
	// last is set if only the last line about something counts. Such a journal is
	// rewritten when most of it does not, and lines that another process adds
	// meanwhile are lost: it is for what can be made again.
	last bool
	tidy bool  // it was looked whether the file is worth rewriting
	live int64 // bytes of the lines that count
	size int64 // bytes of the file that were indexed
}

// journalKey is the beginning of the digest of a line's first member, without the
// brace in front of it: paths themselves take memory.
type journalKey [16]byte

type journalLine struct{ off, size int64 }

// A journal is rewritten when it has that many bytes, and more than half of them
// are of lines that later ones replaced.
const journalSlack = 1 << 20

// keyOf returns the key of the lines whose first member is this one.
func keyOf(name, value string) journalKey {
	quoted, _ := jsontext.AppendQuote(nil, value) // the error tells of replacements only
	return keyOfMember(fmt.Appendf(nil, "%q:%s", name, quoted))
}

func keyOfMember(member []byte) journalKey {
	sum := sha256.Sum256(member)
	return journalKey(sum[:len(journalKey{})])
}

// find returns the lines of a key.
func (j *journal) find(key journalKey) (found [][]byte, err error) {
	if err := j.index(); err != nil {
		return nil, err
	}
	lines := j.lines[key]
	if len(lines) == 0 {
		return nil, nil
	}
	f, err := os.Open(j.path)
	if err != nil {
		return nil, err
	}
	for _, at := range lines {
		line := make([]byte, at.size)
		if _, err := f.ReadAt(line, at.off); err != nil && err != io.EOF {
			return nil, errors.Join(err, f.Close())
		}
		// It is another line if somebody rewrote the file.
		if k, ok := keyOfLine(line); ok && k == key {
			found = append(found, line)
		}
	}
	return found, f.Close()
}

// add adds a line, durably if that is asked for.
func (j *journal) add(record any, durable bool) error {
	line, err := json.Marshal(record, json.Deterministic(true), jsontext.AllowInvalidUTF8(true))
	if err != nil {
		return err
	}
	if err := j.index(); err != nil {
		return err
	}
	if j.last && !j.tidy {
		j.tidy = true
		if j.size > journalSlack && 2*j.live < j.size {
			if err := j.rewrite(); err != nil {
				return err
			}
		}
	}
	end, err := appendLine(j.path, line, durable)
	if key, ok := keyOfLine(line); err == nil && ok {
		j.note(key, journalLine{end - int64(len(line)) - 1, int64(len(line))})
	}
	return err
}

func (j *journal) note(key journalKey, at journalLine) {
	if old := j.lines[key]; j.last && len(old) > 0 {
		j.live += at.size - old[0].size
		old[0] = at
		return
	}
	j.live += at.size
	j.lines[key] = append(j.lines[key], at)
}

// index reads which lines there are. Lines torn by a crash are none.
func (j *journal) index() (err error) {
	if j.indexed {
		return nil
	}
	j.lines, j.live, j.size = make(map[journalKey][]journalLine), 0, 0
	f, err := os.Open(j.path)
	if errors.Is(err, fs.ErrNotExist) {
		j.indexed = true
		return nil
	}
	if err != nil {
		return err
	}
	defer f.Close() //nolint:errcheck // only read from
	r := bufio.NewReaderSize(f, 64<<10)
	for {
		part, err := r.ReadSlice('\n')
		key, ok := keyOfLine(part)
		at := journalLine{off: j.size, size: int64(len(part))}
		for err == bufio.ErrBufferFull {
			part, err = r.ReadSlice('\n')
			at.size += int64(len(part))
		}
		j.size += at.size
		if ok && bytes.HasSuffix(part, []byte("}\n")) {
			at.size--
			j.note(key, at)
		}
		if err == io.EOF {
			j.indexed = true
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// keyOfLine returns the key of a line, which may lack its end.
func keyOfLine(line []byte) (key journalKey, ok bool) {
	if len(line) < 2 || line[0] != '{' || line[1] != '"' {
		return key, false
	}
	name := SkipString(line, 1)
	if name < 0 || name+1 >= len(line) || line[name] != ':' || line[name+1] != '"' {
		return key, false
	}
	end := SkipString(line, name+1)
	if end < 0 {
		return key, false
	}
	return keyOfMember(line[1:end]), true
}

// rewrite leaves the lines that count.
func (j *journal) rewrite() error {
	old, err := os.Open(j.path)
	if err != nil {
		return err
	}
	defer old.Close() //nolint:errcheck // only read from
	tmp, err := os.CreateTemp(filepath.Dir(j.path), ".tmp-*")
	if err != nil {
		return err
	}
	w := bufio.NewWriterSize(tmp, 64<<10)
	for _, lines := range j.lines {
		for _, at := range lines {
			if err == nil {
				_, err = io.Copy(w, io.NewSectionReader(old, at.off, at.size+1))
			}
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
	j.indexed = false
	return j.index()
}

// appendLine adds a line to a file, durably if that is asked for, and returns how
// long the file is then. A torn line before it is closed.
func appendLine(name string, line []byte, durable bool) (end int64, err error) {
	const flag = os.O_APPEND | os.O_RDWR
	f, err := os.OpenFile(name, flag, 0o600)
	made := errors.Is(err, fs.ErrNotExist)
	if made {
		if err = os.MkdirAll(filepath.Dir(name), 0o700); err == nil {
			f, err = os.OpenFile(name, flag|os.O_CREATE, 0o600)
		}
	}
	if err != nil {
		return 0, err
	}
	st, err := f.Stat()
	text := make([]byte, 0, len(line)+2)
	if err == nil && st.Size() > 0 {
		var last [1]byte
		if _, err = f.ReadAt(last[:], st.Size()-1); err == nil && last[0] != '\n' {
			text = append(text, '\n')
		}
	}
	if err == nil {
		_, err = f.Write(append(append(text, line...), '\n'))
	}
	if err == nil && durable {
		err = f.Sync()
	}
	if err == nil { // others may have written before it
		end, err = f.Seek(0, io.SeekCurrent)
	}
	if err = errors.Join(err, f.Close()); err == nil && made && durable {
		err = syncDir(filepath.Dir(name))
	}
	return end, err
}

// logKey is the key of what is kept of a log.
func logKey(log format.LogID) journalKey { return keyOf("log", log.String()) }
