package tables

import (
	"fmt"
	"os"
)

// argumentsInMemory is how much of the arguments of a log's calls is kept in
// memory until the calls' rows are complete; the rest waits in a file.
const argumentsInMemory = 8 << 20

// argumentStore keeps arguments until the end of a log. The zero value is ready.
type argumentStore struct {
	buf  []byte // the first bytes
	file *os.File
	size int64 // of the file
}

// argument is a stretch in an argumentStore; the zero one is empty.
type argument struct{ off, size int64 }

func (s *argumentStore) put(b []byte) (argument, error) {
	if len(b) == 0 {
		return argument{}, nil
	}
	if s.file == nil && len(s.buf)+len(b) <= argumentsInMemory {
		a := argument{int64(len(s.buf)), int64(len(b))}
		s.buf = append(s.buf, b...)
		return a, nil
	}
	if s.file == nil {
		f, err := os.CreateTemp("", "ownlog-arguments-*")
		if err != nil {
			return argument{}, fmt.Errorf("keep arguments of tool calls: %w", err)
		}
		s.file = f
	}
	if _, err := s.file.WriteAt(b, s.size); err != nil {
		return argument{}, fmt.Errorf("keep arguments of tool calls: %w", err)
	}
	a := argument{argumentsInMemory + s.size, int64(len(b))}
	s.size += int64(len(b))
	return a, nil
}

func (s *argumentStore) get(a argument) (string, error) {
	if a.off+a.size <= int64(len(s.buf)) {
		return string(s.buf[a.off : a.off+a.size]), nil
	}
	b := make([]byte, a.size)
	if _, err := s.file.ReadAt(b, a.off-argumentsInMemory); err != nil {
		return "", fmt.Errorf("read back arguments of a tool call: %w", err)
	}
	return string(b), nil
}

func (s *argumentStore) close() {
	if s.file != nil {
		_ = s.file.Close()
		_ = os.Remove(s.file.Name())
	}
}
