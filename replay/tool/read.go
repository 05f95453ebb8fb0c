package tool

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"

	"github.com/ownlog/ownlog/schema"
)

// maxFile is the largest file, in bytes, that a file tool takes whole.
const maxFile = 16 << 20

// Read shows a file, or a part of it, with line numbers. It shows an image as
// one.
type Read struct{}

// Definition implements [Tool].
func (Read) Definition() schema.ToolDefinition {
	return definition("read", "Read a file of the working directory. Lines are numbered from 1.",
		`{"type":"object","properties":{"path":{"type":"string","description":"The file, relative to the working directory."},"offset":{"type":"integer","description":"The first line to show, from 1."},"limit":{"type":"integer","description":"How many lines to show."}},"required":["path"]}`,
		schema.EffectReadonly)
}

// Run implements [Tool].
func (Read) Run(_ context.Context, call Call) (Result, error) {
	in, problem := arguments(call)
	if problem != "" {
		return errorResult(problem), nil
	}
	return readFile(call, in.file(), number(in.Offset), number(in.Limit)), nil
}

func readFile(call Call, path string, offset, limit int64) Result {
	name, problem := inside(call.Workspace, path)
	if problem != "" {
		return errorResult(problem)
	}
	f, err := call.Workspace.openFile(name)
	if err != nil {
		return fileError(path, err)
	}
	defer f.Close()
	start := make([]byte, 512)
	n, err := io.ReadFull(f, start)
	if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) && !errors.Is(err, io.EOF) {
		return fileError(path, err)
	}
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return fileError(path, err)
	}
	media := http.DetectContentType(start[:n])
	if strings.HasPrefix(media, "image/") {
		b, err := io.ReadAll(io.LimitReader(f, maxFile+1))
		if err != nil {
			return fileError(path, err)
		}
		if len(b) > maxFile {
			return errorResult(fmt.Sprintf("%s is larger than %d bytes.", path, maxFile))
		}
		return Result{Status: schema.StatusOK, Content: []schema.Part{}, Images: []Image{{Media: media, Bytes: b}}}
	}
	return numberedLines(f, path, max(offset, 1), limit, call.Limits.output())
}

// numberedLines shows lines from the first to at most limit of them, as far as
// the output limit allows. Lines are cut, files of any length are read.
func numberedLines(r io.Reader, path string, first, limit int64, most int) Result {
	var out strings.Builder
	in := bufio.NewReader(r)
	for n := int64(1); ; n++ {
		line, err := boundedLine(in, most)
		if err != nil && line == "" {
			if errors.Is(err, io.EOF) {
				break
			}
			return fileError(path, err)
		}
		if n < first {
			continue
		}
		if limit > 0 && n >= first+limit {
			break
		}
		if out.Len()+len(line) > most {
			fmt.Fprintf(&out, "[... more lines from %d on; ask for them by offset ...]\n", n)
			break
		}
		fmt.Fprintf(&out, "%6d\t%s\n", n, strings.ToValidUTF8(line, "\uFFFD"))
	}
	if out.Len() == 0 {
		return textResult("[the file has no lines there]")
	}
	return textResult(out.String())
}

// boundedLine reads to the end of a line and keeps at most most bytes of it.
func boundedLine(in *bufio.Reader, most int) (string, error) {
	var line []byte
	for {
		piece, err := in.ReadSlice('\n')
		if room := most/2 - len(line); room > 0 {
			line = append(line, piece[:min(room, len(piece))]...)
		}
		if errors.Is(err, bufio.ErrBufferFull) {
			continue
		}
		return strings.TrimRight(string(line), "\r\n"), err
	}
}

// inside makes a path that a model wrote one inside the working directory. An
// absolute path is taken if it lies there.
func inside(w *Workspace, path string) (name, problem string) {
	if w == nil {
		return "", "There is no working directory."
	}
	if path == "" {
		return "", "The path is empty."
	}
	name = filepath.FromSlash(path)
	if filepath.IsAbs(name) {
		rel, err := filepath.Rel(w.dir, name)
		if err != nil {
			return "", fmt.Sprintf("%s is outside the working directory.", path)
		}
		name = rel
	}
	name = filepath.Clean(name)
	if !filepath.IsLocal(name) {
		return "", fmt.Sprintf("%s is outside the working directory.", path)
	}
	return name, ""
}

func fileError(path string, err error) Result {
	var perr *os.PathError
	if errors.As(err, &perr) {
		err = perr.Err
	}
	return errorResult(fmt.Sprintf("%s: %v", path, err))
}

// slash spells a path as package io/fs wants it.
func slash(name string) string { return filepath.ToSlash(name) }
