package tool

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"regexp"
	"slices"
	"strings"

	"github.com/ownlog/ownlog/schema"
)

// Bounds of looking around.
const (
	maxListed  = 1_000   // entries of a listing
	maxMatches = 500     // lines or files found
	maxScanned = 4 << 20 // bytes of a file that is searched
	maxVisited = 200_000 // files looked at
	maxContext = 50      // lines shown before and after a match
)

// List shows a directory.
type List struct{}

// Definition implements [Tool].
func (List) Definition() schema.ToolDefinition {
	return definition("list", "List a directory of the working directory.",
		`{"type":"object","properties":{"path":{"type":"string","description":"The directory; the working directory itself if left out."}}}`,
		schema.EffectReadonly)
}

// Run implements [Tool].
func (List) Run(_ context.Context, call Call) (Result, error) {
	in, problem := arguments(call)
	if problem != "" {
		return errorResult(problem), nil
	}
	dir := in.file()
	if dir == "" {
		dir = "."
	}
	name, problem := inside(call.Workspace, dir)
	if problem != "" {
		return errorResult(problem), nil
	}
	entries, err := fs.ReadDir(call.Workspace.root.FS(), slash(name))
	if err != nil {
		return fileError(dir, err), nil
	}
	var out strings.Builder
	for i, e := range entries {
		if i == maxListed {
			fmt.Fprintf(&out, "[... %d more ...]\n", len(entries)-i)
			break
		}
		switch info, err := e.Info(); {
		case e.IsDir():
			fmt.Fprintf(&out, "%s/\n", e.Name())
		case err == nil:
			fmt.Fprintf(&out, "%s (%d bytes)\n", e.Name(), info.Size())
		default:
			fmt.Fprintf(&out, "%s\n", e.Name())
		}
	}
	if out.Len() == 0 {
		return textResult("[empty directory]"), nil
	}
	return textResult(clip(printable([]byte(out.String())), call.Limits.output())), nil
}

// Find names the files that fit a pattern.
type Find struct{}

// Definition implements [Tool].
func (Find) Definition() schema.ToolDefinition {
	return definition("find", "Find files by a pattern such as **/*.go.",
		`{"type":"object","properties":{"pattern":{"type":"string","description":"* any characters but /, ** any directories, ? one character."},"path":{"type":"string","description":"The directory to look in."}},"required":["pattern"]}`,
		schema.EffectReadonly)
}

// Run implements [Tool].
func (Find) Run(ctx context.Context, call Call) (Result, error) {
	in, problem := arguments(call)
	if problem != "" {
		return errorResult(problem), nil
	}
	fits, err := globPattern(in.Pattern)
	if err != nil || in.Pattern == "" {
		return errorResult("The pattern is not one."), nil
	}
	var out []string
	err = walk(ctx, call.Workspace, in.file(), func(name, below string) error {
		if fits.MatchString(below) {
			out = append(out, name)
		}
		if len(out) >= maxMatches {
			return fs.SkipAll
		}
		return nil
	})
	return found(call, out, err), nil
}

// Search finds lines that match a regular expression (RE2).
type Search struct{}

// Definition implements [Tool].
func (Search) Definition() schema.ToolDefinition {
	return definition("search", "Search the files of the working directory for a regular expression.",
		`{"type":"object","properties":{"pattern":{"type":"string","description":"A regular expression in RE2 syntax."},"path":{"type":"string","description":"The directory or file to look in."},"glob":{"type":"string","description":"Only files whose name fits, such as *.go."}},"required":["pattern"]}`,
		schema.EffectReadonly)
}

// Run implements [Tool].
func (Search) Run(ctx context.Context, call Call) (Result, error) {
	in, problem := arguments(call)
	if problem != "" {
		return errorResult(problem), nil
	}
	pattern := in.Pattern
	if in.IgnoreCase {
		pattern = "(?i)" + pattern
	}
	re, err := regexp.Compile(pattern)
	if err != nil || in.Pattern == "" {
		return errorResult("The pattern is not a regular expression."), nil
	}
	glob := in.Glob
	if glob == "" {
		glob = in.Include
	}
	fits, err := globPattern(glob)
	if err != nil {
		return errorResult("The glob is not a pattern."), nil
	}
	look := look{re: re}
	look.before, look.after = int(min(number(in.Before), maxContext)), int(min(number(in.After), maxContext))
	around := int(min(max(number(in.Around), number(in.Context)), maxContext))
	look.before, look.after = max(look.before, around), max(look.after, around)
	mode := in.OutputMode
	if mode == "" && call.Name == "Grep" {
		mode = "files_with_matches" // as it is where the name comes from
	}
	if mode == "files_with_matches" || mode == "count" {
		look.before, look.after = 0, 0
	}
	kind, known := fileKinds[in.Kind]
	if in.Kind != "" && !known {
		return errorResult("The type of files is not known; use a glob."), nil
	}
	most := maxMatches
	if n := number(in.HeadLimit); n > 0 && n < int64(most) {
		most = int(n)
	}
	var out []string
	err = walk(ctx, call.Workspace, in.file(), func(name, below string) error {
		if glob != "" && !fits.MatchString(below) && !fits.MatchString(path.Base(below)) {
			return nil
		}
		if in.Kind != "" && !slices.Contains(kind, path.Ext(below)) {
			return nil
		}
		lines := look.matches(call.Workspace, name, most-len(out))
		switch {
		case len(lines) == 0:
		case mode == "files_with_matches":
			out = append(out, name)
		case mode == "count":
			out = append(out, fmt.Sprintf("%s:%d", name, len(lines)))
		default:
			out = append(out, lines...)
		}
		if len(out) >= most {
			return fs.SkipAll
		}
		return nil
	})
	return found(call, out, err), nil
}

func found(call Call, out []string, err error) Result {
	if err != nil {
		return errorResult(err.Error())
	}
	if len(out) == 0 {
		return textResult("[nothing found]")
	}
	return textResult(clip(printable([]byte(strings.Join(out, "\n"))), call.Limits.output()))
}

// walk visits the regular files below a directory in order, not those of version
// control and not through symbolic links. Names are relative to the working
// directory, below to where the walk began.
func walk(ctx context.Context, w *Workspace, from string, visit func(name, below string) error) error {
	if from == "" {
		from = "."
	}
	name, problem := inside(w, from)
	if problem != "" {
		return errors.New(problem)
	}
	start := slash(name)
	visited := 0
	return fs.WalkDir(w.root.FS(), start, func(p string, d fs.DirEntry, err error) error {
		switch {
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case err != nil && p == start:
			return fmt.Errorf("%s: %w", from, errors.Unwrap(err))
		case err != nil:
			return nil // what cannot be read holds no match
		case d.IsDir() && p != start && (d.Name() == ".git" || d.Name() == ".hg" || d.Name() == "node_modules"):
			return fs.SkipDir
		case !d.Type().IsRegular():
			return nil
		}
		if visited++; visited > maxVisited {
			return fs.SkipAll
		}
		return visit(p, strings.TrimPrefix(strings.TrimPrefix(p, start), "/"))
	})
}

// fileKinds are the types of files that a search knows by name.
var fileKinds = map[string][]string{
	"c": {".c", ".h"}, "cpp": {".cc", ".cpp", ".cxx", ".h", ".hpp"}, "css": {".css"}, "go": {".go"}, "html": {".html", ".htm"},
	"java": {".java"}, "js": {".js", ".jsx", ".mjs", ".cjs"}, "json": {".json"}, "md": {".md", ".markdown"}, "php": {".php"}, "py": {".py", ".pyi"},
	"ruby": {".rb"}, "rust": {".rs"}, "sh": {".sh", ".bash"}, "sql": {".sql"}, "ts": {".ts", ".tsx", ".mts", ".cts"}, "yaml": {".yaml", ".yml"},
}

// look is what a search looks for, and how many lines it shows before and after
// a match.
type look struct {
	re            *regexp.Regexp
	before, after int
}

// matches returns the matching lines of a text file, and those around them, at
// most most.
func (l look) matches(w *Workspace, name string, most int) []string {
	f, err := w.openFile(name)
	if err != nil {
		return nil
	}
	defer f.Close()
	in := bufio.NewReader(io.LimitReader(f, maxScanned))
	if start, _ := in.Peek(512); bytes.IndexByte(start, 0) >= 0 {
		return nil
	}
	var out, held []string // held: lines before a match that may come
	behind := 0            // lines still to be shown after one
	for n := 1; len(out) < most; n++ {
		line, err := boundedLine(in, 8<<10)
		if line == "" && err != nil {
			break
		}
		switch {
		case l.re.MatchString(line):
			out = append(append(out, held...), fmt.Sprintf("%s:%d:%s", name, n, clip(line, 400)))
			held, behind = held[:0], l.after
		case behind > 0:
			out = append(out, fmt.Sprintf("%s-%d-%s", name, n, clip(line, 400)))
			behind--
		case l.before > 0:
			if len(held) == l.before {
				held = held[1:]
			}
			held = append(held, fmt.Sprintf("%s-%d-%s", name, n, clip(line, 400)))
		}
		if err != nil {
			break
		}
	}
	return out[:min(len(out), most)]
}

// globPattern makes a regular expression of a pattern with *, ** and ?.
func globPattern(glob string) (*regexp.Regexp, error) {
	var re strings.Builder
	re.WriteString("^")
	for i := 0; i < len(glob); i++ {
		switch c := glob[i]; {
		case strings.HasPrefix(glob[i:], "**/"):
			re.WriteString("(?:.*/)?")
			i += 2
		case strings.HasPrefix(glob[i:], "**"):
			re.WriteString(".*")
			i++
		case c == '*':
			re.WriteString("[^/]*")
		case c == '?':
			re.WriteString("[^/]")
		case c == '{':
			re.WriteString("(?:")
		case c == '}':
			re.WriteString(")")
		case c == ',':
			if strings.LastIndexByte(glob[:i], '{') > strings.LastIndexByte(glob[:i], '}') {
				re.WriteString("|")
			} else {
				re.WriteString(",")
			}
		default:
			re.WriteString(regexp.QuoteMeta(string(c)))
		}
	}
	re.WriteString("$")
	return regexp.Compile(re.String())
}
