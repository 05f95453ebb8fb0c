package tool

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/ownlog/ownlog/schema"
)

// Patch applies a patch of the form that Codex's apply_patch takes: between
// `*** Begin Patch` and `*** End Patch`, files to add, update, move and delete.
type Patch struct{}

// Definition implements [Tool].
func (Patch) Definition() schema.ToolDefinition {
	return definition("apply_patch", "Change files by a patch: between `*** Begin Patch` and `*** End Patch`, sections `*** Add File: PATH` (lines begin with +), `*** Update File: PATH` "+
		"(optionally `*** Move to: PATH`; hunks begin with @@, their lines with a space, - or +) and `*** Delete File: PATH`.",
		`{"type":"object","properties":{"input":{"type":"string","description":"The patch."}},"required":["input"]}`,
		schema.EffectEffectful)
}

// Run implements [Tool].
func (Patch) Run(_ context.Context, call Call) (Result, error) {
	text := call.Text
	if call.Args != nil {
		in, problem := arguments(call)
		if problem != "" {
			return errorResult(problem), nil
		}
		text = cmp.Or(in.PatchInput, in.PatchText, in.Patch)
	}
	return applyPatch(call.Workspace, text), nil
}

func applyPatch(w *Workspace, text string) Result {
	files, err := parsePatch(text)
	if err != nil {
		return errorResult("The patch is not one: " + err.Error() + ". Nothing was changed.")
	}
	for i := range files {
		if err := files[i].prepare(w); err != nil {
			return errorResult(fmt.Sprintf("%s: %v. Nothing was changed.", files[i].path, err))
		}
	}
	res := Result{Status: schema.StatusOK}
	var done []string
	for i := range files {
		changes, err := files[i].write(w)
		res.Files = append(res.Files, changes...)
		if err != nil {
			res.Status = schema.StatusError
			done = append(done, fmt.Sprintf("%s: %v; the files after it were not changed", files[i].path, err))
			break
		}
		done = append(done, files[i].verb[:1]+" "+files[i].path)
	}
	res.Content = []schema.Part{schema.TextPart(strings.Join(done, "\n"))}
	return res
}

// patchedFile is what a patch does to one file.
type patchedFile struct {
	verb   string // Add, Update or Delete
	path   string
	moveTo string
	added  []string
	hunks  []hunk
	result string
}

// hunk replaces lines; context is a line that stands somewhere before them.
type hunk struct {
	context  string
	old, new []string
	atEnd    bool
}

func parsePatch(text string) ([]patchedFile, error) {
	lines := strings.Split(strings.ReplaceAll(strings.TrimSpace(text), "\r\n", "\n"), "\n")
	if len(lines) < 2 || strings.TrimSpace(lines[0]) != "*** Begin Patch" || strings.TrimSpace(lines[len(lines)-1]) != "*** End Patch" {
		return nil, errors.New("it must stand between *** Begin Patch and *** End Patch")
	}
	var files []patchedFile
	for n, line := range lines[1 : len(lines)-1] {
		if verb, path, ok := fileHeader(line); ok {
			files = append(files, patchedFile{verb: verb, path: path})
			continue
		}
		if len(files) == 0 {
			return nil, fmt.Errorf("line %d belongs to no file", n+2)
		}
		if err := files[len(files)-1].line(line); err != nil {
			return nil, fmt.Errorf("line %d: %w", n+2, err)
		}
	}
	if len(files) == 0 {
		return nil, errors.New("it names no file")
	}
	return files, nil
}

func fileHeader(line string) (verb, path string, ok bool) {
	for _, verb := range []string{"Add", "Update", "Delete"} {
		if path, ok := strings.CutPrefix(line, "*** "+verb+" File: "); ok {
			return verb, strings.TrimSpace(path), true
		}
	}
	return "", "", false
}

// line takes a line of the file's section.
func (f *patchedFile) line(line string) error {
	if f.verb == "Add" {
		text, ok := strings.CutPrefix(line, "+")
		if !ok {
			return errors.New("a line of a new file begins with +")
		}
		f.added = append(f.added, text)
		return nil
	}
	if f.verb == "Delete" {
		return errors.New("nothing follows a file to delete")
	}
	if to, ok := strings.CutPrefix(line, "*** Move to: "); ok {
		f.moveTo = strings.TrimSpace(to)
		return nil
	}
	if rest, ok := strings.CutPrefix(line, "@@"); ok {
		f.hunks = append(f.hunks, hunk{context: strings.TrimSpace(rest)})
		return nil
	}
	if len(f.hunks) == 0 {
		f.hunks = append(f.hunks, hunk{})
	}
	h := &f.hunks[len(f.hunks)-1]
	switch {
	case line == "*** End of File":
		h.atEnd = true
	case line == "":
		h.old, h.new = append(h.old, ""), append(h.new, "")
	case line[0] == ' ':
		h.old, h.new = append(h.old, line[1:]), append(h.new, line[1:])
	case line[0] == '-':
		h.old = append(h.old, line[1:])
	case line[0] == '+':
		h.new = append(h.new, line[1:])
	default:
		return errors.New("a line of a hunk begins with a space, - or +")
	}
	return nil
}

// prepare works out the new content without writing it.
func (f *patchedFile) prepare(w *Workspace) error {
	if _, problem := inside(w, f.path); problem != "" {
		return errors.New(strings.TrimSuffix(problem, "."))
	}
	if f.verb == "Add" {
		f.result = strings.Join(f.added, "\n") + "\n"
		return nil
	}
	content, err := w.read(f.path)
	if err != nil || f.verb == "Delete" {
		return err
	}
	lines := strings.Split(string(content), "\n")
	at := 0
	for i := range f.hunks {
		if lines, at, err = f.hunks[i].apply(lines, at); err != nil {
			return fmt.Errorf("hunk %d: %w", i+1, err)
		}
	}
	f.result = strings.Join(lines, "\n")
	return nil
}

// apply replaces the hunk's old lines, looked for from a line on: as they are,
// then without regard to spaces at line ends.
func (h *hunk) apply(lines []string, from int) (out []string, next int, err error) {
	if h.context != "" {
		at := from
		for at < len(lines) && strings.TrimSpace(lines[at]) != h.context {
			at++
		}
		if at == len(lines) {
			return nil, 0, fmt.Errorf("the line %q does not occur", h.context)
		}
		from = at + 1
	}
	for _, equal := range []func(a, b string) bool{
		func(a, b string) bool { return a == b },
		func(a, b string) bool { return strings.TrimRight(a, " \t\r") == strings.TrimRight(b, " \t\r") },
	} {
		for at := from; at+len(h.old) <= len(lines); at++ {
			if len(h.old) == 0 {
				at = len(lines)
				if at > 0 && lines[at-1] == "" {
					at-- // before the end of the last line
				}
			}
			fits := true
			for i := range h.old {
				if !equal(lines[at+i], h.old[i]) {
					fits = false
					break
				}
			}
			if fits {
				out = append(append(append([]string{}, lines[:at]...), h.new...), lines[at+len(h.old):]...)
				return out, at + len(h.new), nil
			}
		}
	}
	return nil, 0, errors.New("its old lines do not occur")
}

func (f *patchedFile) write(w *Workspace) ([]schema.FileChanged, error) {
	switch {
	case f.verb == "Delete":
		change, err := w.remove(f.path)
		return []schema.FileChanged{change}, err
	case f.moveTo != "" && f.moveTo != f.path:
		made, err := w.replace(f.moveTo, []byte(f.result))
		if err != nil {
			return nil, err
		}
		gone, err := w.remove(f.path)
		gone.Change, gone.MovedTo = "move", made.Path
		return []schema.FileChanged{made, gone}, err
	}
	change, err := w.replace(f.path, []byte(f.result))
	if err != nil {
		return nil, err
	}
	return []schema.FileChanged{change}, nil
}

func (w *Workspace) remove(path string) (schema.FileChanged, error) {
	name, problem := inside(w, path)
	if problem != "" {
		return schema.FileChanged{}, errors.New(problem)
	}
	change := schema.FileChanged{Path: slash(name), Change: "delete"}
	if before, err := w.read(path); err == nil {
		change.Before = digest(before)
	}
	return change, w.root.Remove(name)
}
