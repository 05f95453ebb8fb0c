package main

import (
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const modulePath = "github.com/ownlog/ownlog"

// layers says what each top-level folder may import of ours. Imports point one
// way only: cmd to replay and convert, these to schema and format.
var layers = map[string][]string{
	"format":   {"format"},
	"schema":   {"schema"},
	"fixtures": {},
	"convert":  {"convert", "schema", "format"},
	"replay":   {"replay", "schema", "format"},
	"cmd":      {"cmd", "replay", "convert", "schema", "format", "fixtures"},
}

// forTests says what tests may import besides.
var forTests = []string{"fixtures"}

func TestImportsPointOneWay(t *testing.T) {
	root := filepath.Join("..", "..")
	packages := make(map[string]int)
	err := filepath.WalkDir(root, func(file string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() {
			return skipFolder(root, file, entry.Name())
		}
		if !strings.HasSuffix(file, ".go") {
			return nil
		}
		rel, err := filepath.Rel(root, file)
		if err != nil {
			return err
		}
		rel = filepath.ToSlash(rel)
		top, _, nested := strings.Cut(rel, "/")
		allowed, known := layers[top]
		if !nested || !known {
			t.Errorf("%s: in no known layer", rel)
			return nil
		}
		packages[top]++
		parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.ImportsOnly)
		if err != nil {
			return err
		}
		for _, spec := range parsed.Imports {
			name, err := strconv.Unquote(spec.Path.Value)
			if err != nil {
				return err
			}
			ours, found := strings.CutPrefix(name, modulePath+"/")
			if !found {
				continue
			}
			to, _, _ := strings.Cut(ours, "/")
			test := strings.HasSuffix(rel, "_test.go") && (slices.Contains(forTests, to) || ours == path.Dir(rel))
			if !test && !slices.Contains(allowed, to) {
				t.Errorf("%s imports %s; %s may import %v of this module", rel, ours, top, allowed)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for layer := range layers {
		if packages[layer] == 0 {
			t.Errorf("no Go file in %s: the test looks in the wrong place", layer)
		}
	}
}

// skipFolder leaves out what is not part of the module: hidden folders, test
// data, and modules of their own. conformance/ tests everything together.
func skipFolder(root, folder, name string) error {
	if folder == root {
		return nil
	}
	if strings.HasPrefix(name, ".") || name == "testdata" || folder == filepath.Join(root, "conformance") {
		return fs.SkipDir
	}
	if _, err := os.Stat(filepath.Join(folder, "go.mod")); err == nil {
		return fs.SkipDir
	}
	return nil
}
