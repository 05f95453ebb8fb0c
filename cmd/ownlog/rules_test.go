package main

import (
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// ruleRow is a row of a table of docs/rules.md.
var ruleRow = regexp.MustCompile("(?m)^\\| `([a-z0-9/-]+)` \\| (error|warning|note|error or warning) \\| .+ \\| .+ \\|$")

// TestEveryRuleIsDocumented compares the rule ids in the code with docs/rules.md.
func TestEveryRuleIsDocumented(t *testing.T) {
	want := map[string]bool{ruleExpect: true, rulePack: true}
	root := filepath.Join("..", "..")
	for _, code := range []struct{ file, prefix string }{
		{"format/rule.go", "rule"},
		{"schema/check.go", "Problem"},
		{"schema/validate.go", "Problem"},
	} {
		before := len(want)
		for _, id := range stringConstants(t, filepath.Join(root, filepath.FromSlash(code.file)), code.prefix) {
			want[id] = true
		}
		if len(want) == before {
			t.Errorf("%s declares no %s constants: the test looks in the wrong place", code.file, code.prefix)
		}
	}
	for _, code := range findingCodes(t, filepath.Join(root, "convert")) {
		want[sourceRules+code] = true
	}
	want[sourceUnreadable], want[sourceUnfinished] = true, true
	page, err := os.ReadFile(filepath.Join(root, "docs", "rules.md"))
	if err != nil {
		t.Fatal(err)
	}
	var documented []string
	for _, m := range ruleRow.FindAllStringSubmatch(string(page), -1) {
		documented = append(documented, m[1])
	}
	slices.Sort(documented)
	if diff := cmp.Diff(slices.Sorted(maps.Keys(want)), documented); diff != "" {
		t.Errorf("rules of the code (-) and of docs/rules.md (+):\n%s", diff)
	}
}

// stringConstants returns the values of a file's string constants whose names
// begin with prefix.
func stringConstants(t *testing.T, file, prefix string) []string {
	t.Helper()
	parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	var values []string
	ast.Inspect(parsed, func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if !ok || !strings.HasPrefix(spec.Names[0].Name, prefix) || len(spec.Values) != 1 {
			return true
		}
		if lit, ok := spec.Values[0].(*ast.BasicLit); ok && lit.Kind == token.STRING {
			value, err := strconv.Unquote(lit.Value)
			if err != nil {
				t.Fatal(err)
			}
			values = append(values, value)
		}
		return true
	})
	return values
}

// findingSites are the ways in which importers say the code of a finding.
var findingSites = []*regexp.Regexp{
	regexp.MustCompile(`(?:[fF]indings(?:\(\))?\.Add|\.found|\.find)\("([a-z-]+)"`),
	regexp.MustCompile(`\bFinding[A-Z]\w* += "([a-z-]+)"`),
	regexp.MustCompile(`\.unreadable\(.*"([a-z-]+)"\)`),
	regexp.MustCompile(`\bfinding: "([a-z-]+)"`),
	regexp.MustCompile(`\bpartWithoutMessage = "([a-z-]+)"`),
	regexp.MustCompile(`(?m)^\t*return "([a-z]+-[a-z-]+)"$`), // findingCode
}

// findingCodes returns the codes of findings in the source of the importers.
func findingCodes(t *testing.T, folder string) []string {
	t.Helper()
	codes := make(map[string]bool)
	for _, vendor := range []string{"", "claudecode", "codex", "opencode"} {
		files, err := filepath.Glob(filepath.Join(folder, vendor, "*.go"))
		if err != nil {
			t.Fatal(err)
		}
		before := len(codes)
		for _, file := range files {
			if strings.HasSuffix(file, "_test.go") {
				continue
			}
			source, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			for i, site := range findingSites {
				if i == len(findingSites)-1 && filepath.Base(file) != "mapper.go" {
					continue
				}
				for _, m := range site.FindAllStringSubmatch(string(source), -1) {
					codes[m[1]] = true
				}
			}
		}
		if len(codes) == before {
			t.Errorf("no findings in %s: the test looks in the wrong place", filepath.Join(folder, vendor))
		}
	}
	return slices.Sorted(maps.Keys(codes))
}
