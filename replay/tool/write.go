package tool

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"strings"

	"github.com/ownlog/ownlog/schema"
)

// Write writes a whole file.
type Write struct{}

// Definition implements [Tool].
func (Write) Definition() schema.ToolDefinition {
	return definition("write", "Write a file of the working directory, in place of what it held before. Directories are made as needed.",
		`{"type":"object","properties":{"path":{"type":"string","description":"The file, relative to the working directory."},"content":{"type":"string","description":"The whole new content."}},"required":["path","content"]}`,
		schema.EffectIdempotent)
}

// Run implements [Tool].
func (Write) Run(_ context.Context, call Call) (Result, error) {
	in, problem := arguments(call)
	if problem != "" {
		return errorResult(problem), nil
	}
	if in.Content == nil {
		return errorResult("There is no content to write."), nil
	}
	change, err := call.Workspace.replace(in.file(), []byte(*in.Content))
	if err != nil {
		return fileError(in.file(), err), nil
	}
	res := textResult(fmt.Sprintf("Wrote %d bytes to %s.", len(*in.Content), in.file()))
	res.Files = []schema.FileChanged{change}
	return res, nil
}

// Edit replaces text in a file.
type Edit struct{}

// Definition implements [Tool]. An edit repeated may change what it made, so it
// is effectful.
func (Edit) Definition() schema.ToolDefinition {
	return definition("edit", "Replace a text in a file of the working directory. The old text must occur exactly once, unless replace_all is set.",
		`{"type":"object","properties":{"path":{"type":"string","description":"The file, relative to the working directory."},"old_string":{"type":"string"},"new_string":{"type":"string"},"replace_all":{"type":"boolean"}},"required":["path","old_string","new_string"]}`,
		schema.EffectEffectful)
}

// Run implements [Tool].
func (Edit) Run(_ context.Context, call Call) (Result, error) {
	in, problem := arguments(call)
	if problem != "" {
		return errorResult(problem), nil
	}
	edits := in.Edits
	if len(edits) == 0 {
		old, text := in.Old, in.New
		if old == nil {
			old = in.OldCamel
		}
		if text == nil {
			text = in.NewCamel
		}
		if old == nil || text == nil {
			return errorResult("An edit needs the old and the new text."), nil
		}
		edits = []inputEdit{{*old, *text, in.All || in.AllCamel}}
	}
	path := in.file()
	content, err := call.Workspace.read(path)
	if errors.Is(err, fs.ErrNotExist) && len(edits) == 1 && edits[0].Old == "" {
		content, err = nil, nil // an empty old text makes a new file
	}
	if err != nil {
		return fileError(path, err), nil
	}
	text := string(content)
	for i, e := range edits {
		var problem string
		if text, problem = e.apply(text); problem != "" {
			return errorResult(fmt.Sprintf("%s: edit %d: %s Nothing was changed.", path, i+1, problem)), nil
		}
	}
	change, err := call.Workspace.replace(path, []byte(text))
	if err != nil {
		return fileError(path, err), nil
	}
	res := textResult(fmt.Sprintf("Edited %s.", path))
	res.Files = []schema.FileChanged{change}
	return res, nil
}

func (e *inputEdit) apply(text string) (out, problem string) {
	switch n := strings.Count(text, e.Old); {
	case e.Old == "" && text == "":
		return e.New, ""
	case e.Old == "":
		return text, "the old text is empty."
	case e.Old == e.New:
		return text, "the old and the new text are the same."
	case n == 0:
		return text, "the old text does not occur."
	case n > 1 && !e.All:
		return text, fmt.Sprintf("the old text occurs %d times; give more of it, or set replace_all.", n)
	}
	return strings.ReplaceAll(text, e.Old, e.New), ""
}

// read returns the content of a regular file of at most maxFile bytes.
func (w *Workspace) read(path string) ([]byte, error) {
	name, problem := inside(w, path)
	if problem != "" {
		return nil, errors.New(problem)
	}
	f, err := w.openFile(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err == nil && len(b) > maxFile {
		return nil, fmt.Errorf("larger than %d bytes", maxFile)
	}
	return b, err
}

// replace writes a file anew: whole or not at all. The mode of an existing file
// stays.
func (w *Workspace) replace(path string, content []byte) (schema.FileChanged, error) {
	var none schema.FileChanged
	name, problem := inside(w, path)
	if problem != "" {
		return none, errors.New(problem)
	}
	change := schema.FileChanged{Path: filepath.ToSlash(name), Change: "add", After: digest(content)}
	mode := fs.FileMode(0o644)
	if info, err := w.root.Stat(name); err == nil {
		if !info.Mode().IsRegular() {
			return none, errNotRegular
		}
		mode = info.Mode().Perm()
		change.Change = "update"
		if before, err := w.read(path); err == nil {
			change.Before = digest(before)
		}
	}
	if dir := filepath.Dir(name); dir != "." {
		if err := w.root.MkdirAll(dir, 0o755); err != nil {
			return none, err
		}
	}
	tmp := filepath.Join(filepath.Dir(name), ".tmp-"+rand.Text())
	err := w.root.WriteFile(tmp, content, mode)
	if err == nil {
		err = w.root.Rename(tmp, name)
	}
	if err != nil {
		_ = w.root.Remove(tmp)
		return none, err
	}
	return change, nil
}

func digest(content []byte) string {
	sum := sha256.Sum256(content)
	return "sha256:" + hex.EncodeToString(sum[:])
}
