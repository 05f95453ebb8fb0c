package connect_test

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/ownlog/ownlog/replay/provider/connect"
)

// TestDocs holds the section on providers in docs/replay.md against what there is.
func TestDocs(t *testing.T) {
	page, err := os.ReadFile(filepath.Join("..", "..", "..", "docs", "replay.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, section, found := strings.Cut(string(page), "\n## Providers\n")
	section, _, ended := strings.Cut(section, "\n## ")
	if !found || !ended {
		t.Fatal("no section on providers")
	}
	documented := []string{}
	code := regexp.MustCompile("`([^`]+)`")
	words := func(cell string) (out []string) {
		for _, m := range code.FindAllStringSubmatch(cell, -1) {
			out = append(out, m[1])
		}
		return out
	}
	for line := range strings.Lines(section) {
		cells := strings.Split(line, "|")
		if len(cells) != 5 || len(words(cells[1])) == 0 || strings.Contains(cells[1], "--provider") {
			continue
		}
		names, keys := words(cells[1]), words(cells[3])
		for i, name := range names {
			documented = append(documented, name)
			key := ""
			if len(keys) > 0 && !strings.Contains(cells[3], "none") {
				key = keys[min(i, len(keys)-1)]
			}
			checkKey(t, name, key)
		}
	}
	for _, name := range connect.Names() {
		if !slices.Contains(documented, name) {
			t.Errorf("%s is in no table of docs/replay.md", name)
		}
	}
	_, example, _ := strings.Cut(section, "```json\n")
	example, _, _ = strings.Cut(example, "```")
	config, err := connect.ParseConfig([]byte(example))
	if err != nil || len(config.Providers) == 0 {
		t.Fatalf("the example is no configuration: %v", err)
	}
	for name, s := range config.Providers {
		if _, err := connect.Open(name, s, func(string) string { return "key" }); err != nil {
			t.Errorf("the example: %v", err)
		}
	}
}

// checkKey reports a provider that wants its key elsewhere than documented.
func checkKey(t *testing.T, name, variable string) {
	t.Helper()
	if name == "scripted" {
		return // the command's own
	}
	var asked []string
	_, err := connect.Open(name, connect.Settings{}, func(v string) string {
		asked = append(asked, v)
		return ""
	})
	switch {
	case variable == "" && len(asked) > 0:
		t.Errorf("%s reads %v, documented is no key", name, asked)
	case variable != "" && (err == nil || !slices.Equal(asked, []string{variable})):
		t.Errorf("%s reads %v and says %v, documented is %s", name, asked, err, variable)
	}
}
