package main

import (
	"bytes"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// TestStartAllocatesLittle bounds what packages of ours do before main, by what
// they allocate: scripts run the command many times, and each page touched at
// the start is paid every time. Of this package the tests' own tables would count,
// so it is looked at by [TestNoPatternBeforeMain] alone.
func TestStartAllocatesLittle(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(self, "-test.run=^$")
	cmd.Env = append(os.Environ(), "GODEBUG=inittrace=1")
	var trace bytes.Buffer
	cmd.Stderr = &trace
	if err := cmd.Run(); err != nil {
		t.Fatalf("%v\n%s", err, trace.Bytes())
	}
	total, packages := 0, 0
	for _, m := range regexp.MustCompile(`(?m)^init (\S+) @.*, (\d+) bytes, \d+ allocs$`).FindAllSubmatch(trace.Bytes(), -1) {
		packages++
		if !bytes.HasPrefix(m[1], []byte(modulePath+"/")) || string(m[1]) == modulePath+"/cmd/ownlog" {
			continue
		}
		n, err := strconv.Atoi(string(m[2]))
		if err != nil {
			t.Fatal(err)
		}
		total += n
		// A map of some dozen strings is fine, a compiled pattern is not.
		if n > 8<<10 {
			t.Errorf("%s allocates %d bytes before main: compile patterns and build tables when they are first needed", m[1], n)
		}
	}
	if packages == 0 {
		t.Fatalf("no trace of initialization:\n%s", trace.Bytes())
	}
	if total > 24<<10 {
		t.Errorf("packages of ours allocate %d bytes before main", total)
	}
}

// TestNoPatternBeforeMain finds regular expressions that are compiled whether
// they are needed or not.
func TestNoPatternBeforeMain(t *testing.T) {
	root := filepath.Join("..", "..")
	files := 0
	err := filepath.WalkDir(root, func(file string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() {
			return skipFolder(root, file, entry.Name())
		}
		if !strings.HasSuffix(file, ".go") || strings.HasSuffix(file, "_test.go") {
			return nil
		}
		files++
		set := token.NewFileSet()
		parsed, err := parser.ParseFile(set, file, nil, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		for _, d := range parsed.Decls {
			vars, ok := d.(*ast.GenDecl)
			if !ok {
				continue
			}
			ast.Inspect(vars, func(n ast.Node) bool {
				if name, ok := n.(*ast.SelectorExpr); ok && name.Sel.Name == "MustCompile" {
					t.Errorf("%s: compiled before main: use sync.OnceValue", set.Position(n.Pos()))
				}
				_, inFunc := n.(*ast.FuncLit)
				return !inFunc
			})
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if files < 100 {
		t.Errorf("looked at %d files only", files)
	}
}
