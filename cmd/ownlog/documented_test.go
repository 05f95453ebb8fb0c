package main

import (
	"bytes"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/ownlog/ownlog/fixtures"
)

// elsewhere are the documented commands that need more than this test has, and the
// tests that run them.
var elsewhere = map[string]string{
	"go run ./cmd/ownlog demo":                         "TestScripts",
	"go install ./cmd/ownlog":                          "TestScripts",
	"go test ./...":                                    "TestDocumentedCommands",
	"go test ./schema":                                 "TestDocumentedCommands",
	"go test ./cmd/ownlog -run TestDirections -update": "TestDirections",
	"zstd -dc FILE":                                    "TestOrdinaryToolsReadSealedSegments",
	"OWNLOG_CORPUS=DIR go test -tags 'conformance speed' ./conformance/analytics -run Speed -v -timeout 1h":                               "TestSpeed",
	"OWNLOG_CORPUS=DIR OWNLOG_CCUSAGE=DIR go test -tags conformance ./conformance/analytics -run Ccusage -v":                              "TestTokensBesideCcusage",
	"OWNLOG_CORPUS=DIR go test -tags 'conformance speed' ./conformance/corpus -run 'TestSpeed$' -v -timeout 1h":                           "TestSpeed",
	"OWNLOG_CORPUS=DIR go test -tags 'conformance speed' ./conformance/corpus -run SpeedParts -v -timeout 1h":                             "TestSpeedParts",
	"OWNLOG_CORPUS=DIR go test -tags 'conformance speed' ./conformance/corpus -run Memory -v -timeout 1h":                                 "TestMemory",
	"OWNLOG_CORPUS=DIR go test -tags 'conformance speed' ./conformance/corpus -run Unchanged -v":                                          "TestUnchanged",
	"OWNLOG_VENDORS=DIR go test -tags 'conformance speed' ./conformance/opencode -run '^TestSpeed$' -v -timeout 30m":                      "TestSpeed",
	"OWNLOG_VENDORS=DIR OWNLOG_CORPUS=DIR go test -tags 'conformance speed' ./conformance/opencode -run SpeedOfRealTexts -v -timeout 30m": "TestSpeedOfRealTexts",
	"OWNLOG_CORPUS=DIR go test -tags 'conformance speed' ./conformance/opencode -run IsLikeReal -v":                                       "TestGeneratedIsLikeReal",
	"go test ./replay -run '^$' -bench . -benchtime 20x":                                                                                  "BenchmarkWarmStep",
}

// otherExit are the commands that are documented for when something is wrong.
var otherExit = map[string]int{}

// TestDocumentedCommands runs every command of README.md and docs/ in the order in
// which it stands on its page, in a home with sessions of the three vendors and
// tools that only say what they were told. Providers are scripts.
func TestDocumentedCommands(t *testing.T) {
	if _, err := os.Stat("/bin/sh"); err != nil {
		t.Skip("the tools here are shell scripts")
	}
	pages, err := filepath.Glob(filepath.Join("..", "..", "docs", "*.md"))
	if err != nil {
		t.Fatal(err)
	}
	pages = append(pages, filepath.Join("..", "..", "README.md"))
	unused := maps.Clone(elsewhere)
	ran := 0
	for _, page := range pages {
		content, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		commands := documentedCommands(string(content))
		if len(commands) == 0 {
			continue
		}
		t.Run(filepath.Base(page), func(t *testing.T) {
			h := newDocumentedHome(t)
			for _, line := range commands {
				if strings.Contains(line, "STORE") || strings.HasPrefix(line, "wc ") { // readme.txtar follows these, with what they print
					continue
				}
				if _, ok := elsewhere[line]; ok {
					delete(unused, line)
					continue
				}
				h.run(line)
				ran++
			}
		})
	}
	for line := range unused {
		t.Errorf("%q is on no page any more", line)
	}
	if ran < 50 {
		t.Errorf("%d commands were found: the test looks in the wrong place", ran)
	}
	tests := testNames(t)
	for line, name := range elsewhere {
		if !tests[name] {
			t.Errorf("%s is to be run by %s, which is not there", line, name)
		}
	}
}

var (
	inlineCode   = regexp.MustCompile("`((?:ownlog|go (?:run|install|test)|zstd -dc|duckdb) [^`]+)`")
	commandStart = regexp.MustCompile(`^(ownlog|go (run|install|test)|zstd|duckdb|[A-Z_]+=\S+) `)
	comment      = regexp.MustCompile(`\s+# .*$`)
	verbAlone    = regexp.MustCompile(`^ownlog [a-z]+$`)
)

// documentedCommands returns the commands of a page: lines of its blocks, and what
// stands in backquotes in its text.
func documentedCommands(page string) (commands []string) {
	var text strings.Builder
	fenced, shell := false, false
	flush := func() {
		for _, m := range inlineCode.FindAllStringSubmatch(text.String(), -1) {
			commands = append(commands, strings.Join(strings.Fields(m[1]), " "))
		}
		text.Reset()
	}
	for line := range strings.Lines(page) {
		language, fence := strings.CutPrefix(line, "```")
		switch {
		case fence:
			fenced, shell = !fenced, !fenced && strings.TrimSpace(language) == ""
		case fenced && shell, !fenced && strings.HasPrefix(line, "    "):
			flush()
			line = strings.TrimPrefix(strings.TrimSpace(line), "$ ")
			if commandStart.MatchString(line) {
				commands = append(commands, comment.ReplaceAllString(line, ""))
			}
		case !fenced:
			text.WriteString(line)
		}
	}
	flush()
	return commands
}

// documentedHome is the home of somebody who reads a page.
type documentedHome struct {
	*testing.T
	docs   string // the folder of the guides
	work   string
	script string
	head   string // of the session's log
	asks   string // log with an open permission
}

const (
	documentedSession  = "0a0a0a0a-0000-4000-8000-0000000000dd"
	documentedOpenCode = "16c22d35-082e-528a-8be5-a8a9dbc8708f"
)

func newDocumentedHome(t *testing.T) *documentedHome {
	home := t.TempDir()
	docs, err := filepath.Abs(filepath.Join("..", "..", "docs"))
	if err != nil {
		t.Fatal(err)
	}
	h := &documentedHome{T: t, docs: docs, work: filepath.Join(home, "work"), script: filepath.Join(home, "script.json")}
	t.Setenv("HOME", home)
	for _, name := range []string{"XDG_DATA_HOME", "XDG_CACHE_HOME", "XDG_CONFIG_HOME", "CLAUDE_CONFIG_DIR", "OPENCODE_DB", "OWNLOG_STORE"} {
		t.Setenv(name, "")
	}
	t.Setenv("CODEX_HOME", filepath.Join(home, ".codex"))
	t.Setenv("TMPDIR", t.TempDir())
	t.Setenv("PATH", filepath.Join(home, "bin")+string(os.PathListSeparator)+os.Getenv("PATH"))
	for _, project := range []string{"-home-dev-proj-s03", "-home-dev-proj-s04"} {
		h.copy("claude-code/projects/"+project, filepath.Join(home, ".claude", "projects", project))
	}
	h.copy("codex/tools", filepath.Join(home, ".codex"))
	h.copy("opencode/subagent", filepath.Join(home, ".local", "share", "opencode"))
	session := strings.ReplaceAll(strings.ReplaceAll(recordA, someSession, documentedSession), "/home/dev/x", filepath.ToSlash(h.work)) + "\n"
	h.write(".claude/projects/-work/"+documentedSession+".jsonl", session, 0o600)
	h.write("work/sessions/a.jsonl", strings.ReplaceAll(recordA, someSession, "0a0a0a0a-0000-4000-8000-0000000000ee")+"\n", 0o600)
	h.write("work/path/to/opencode.db", h.read("opencode/subagent/opencode.db"), 0o600)
	h.write("script.json", `{"steps":[`+strings.Repeat(`{"blocks":[{"type":"text","text":"done"}]},`, 30)+`{"blocks":[{"type":"text","text":"done"}]}]}`, 0o600)
	h.write("asks.json", `{"steps":[{"blocks":[{"type":"tool_call","name":"write","args":{"path":"note.txt","content":"x"}}]},`+
		`{"blocks":[{"type":"text","text":"done"}]},{"blocks":[{"type":"text","text":"done"}]}]}`, 0o600)
	h.write("prices.json", h.block("prices.md", "```json\n"), 0o600)
	for name, script := range h.toolScripts() {
		h.write("bin/"+name, script, 0o700)
	}
	t.Chdir(h.work)
	h.command("import")
	h.head = strings.TrimSpace(h.command("head", documentedSession))
	return h
}

func (h *documentedHome) copy(from, to string) {
	h.Helper()
	sub, err := fs.Sub(fixtures.FS, from)
	if err != nil {
		h.Fatal(err)
	}
	if err := os.CopyFS(to, sub); err != nil {
		h.Fatal(err)
	}
}

func (h *documentedHome) read(name string) string {
	h.Helper()
	b, err := fixtures.FS.ReadFile(name)
	if err != nil {
		h.Fatal(err)
	}
	return string(b)
}

func (h *documentedHome) write(name, content string, mode os.FileMode) {
	h.Helper()
	target := filepath.Join(filepath.Dir(h.work), filepath.FromSlash(name))
	if err := os.MkdirAll(filepath.Dir(target), 0o700); err != nil {
		h.Fatal(err)
	}
	if err := os.WriteFile(target, []byte(content), mode); err != nil {
		h.Fatal(err)
	}
}

// block returns the first block of a page that begins so.
func (h *documentedHome) block(page, begin string) string {
	h.Helper()
	b, err := os.ReadFile(filepath.Join(h.docs, page))
	if err != nil {
		h.Fatal(err)
	}
	_, rest, found := strings.Cut(string(b), begin)
	block, _, ended := strings.Cut(rest, "```\n")
	if !found || !ended {
		h.Fatalf("%s has no block that begins with %q", page, begin)
	}
	return block
}

// toolScripts returns the vendors' tools as handoff.txtar has them.
func (h *documentedHome) toolScripts() map[string]string {
	h.Helper()
	b, err := os.ReadFile(filepath.Join(h.docs, "..", "cmd", "ownlog", "testdata", "script", "handoff.txtar"))
	if err != nil {
		h.Fatal(err)
	}
	scripts := make(map[string]string)
	for _, name := range []string{"claude", "codex", "opencode"} {
		_, rest, found := strings.Cut(string(b), "-- "+name+".sh --\n")
		if !found {
			h.Fatalf("handoff.txtar has no %s.sh", name)
		}
		script, _, _ := strings.Cut(rest, "\n-- ")
		scripts[name] = script + "\n"
	}
	return scripts
}

// command runs the command as the tests of this package do, and fails the test if
// it fails.
func (h *documentedHome) command(args ...string) string {
	h.Helper()
	out, errs, code := h.try(args...)
	if code != exitFine {
		h.Errorf("ownlog %s: exit code %d: %s", strings.Join(args, " "), code, errs)
	}
	return out
}

func (h *documentedHome) try(args ...string) (stdout, stderr string, code int) {
	var out, errs bytes.Buffer
	code = run(h.Context(), append([]string{"ownlog"}, args...), console{
		In: strings.NewReader(""), Out: &out, Err: &errs, Getenv: os.Getenv, Home: filepath.Dir(h.work),
	})
	return out.String(), errs.String(), code
}

// run runs a documented command, its placeholders filled in.
func (h *documentedHome) run(line string) {
	h.Helper()
	if !strings.HasPrefix(line, "ownlog ") {
		h.Errorf("%q is run by no test: name one in elsewhere", line)
		return
	}
	if verbAlone.MatchString(line) { // the name of a verb, or it needs nothing more
		verb := strings.TrimPrefix(line, "ownlog ")
		if newApp(new(session)).Command(verb) == nil {
			h.Errorf("%s: no such verb", line)
			return
		}
		if slices.Contains([]string{"import", "ls", "head", "verify", "stats", "gc"}, verb) {
			h.command(verb)
		}
		return
	}
	words := h.words(line)
	target := ""
	if at := slices.Index(words, ">"); at > 0 && at == len(words)-2 {
		target, words = words[at+1], words[:at]
	}
	out, errs, code := h.try(words[1:]...)
	if code != otherExit[line] {
		h.Errorf("%s\nas %q\nexit code %d: %s", line, words, code, errs)
	}
	if target != "" {
		h.write("work/"+target, out, 0o600)
	}
}

// words splits a command line and fills in what stands for something.
func (h *documentedHome) words(line string) []string {
	h.Helper()
	log := documentedSession
	switch {
	case strings.Contains(line, "opencode-db"):
		log = documentedOpenCode
	case regexp.MustCompile(`^ownlog (show|allow|deny) LOG`).MatchString(line), line == "ownlog resume LOG ...":
		log = h.asking(line)
	case strings.Contains(line, "compact LOG"):
		log = "93b1c114" // long enough to leave something out
	case strings.Contains(line, "replay LOG"):
		log = h.continued()
	}
	home := filepath.Dir(h.work)
	file := filepath.Join(home, "prices.json")
	if strings.Contains(line, "verify") {
		file = "known.json"
	}
	places := strings.NewReplacer(
		"LOG...", log, "LOG", log, "DIR", h.TempDir(), "PROJECT", h.work, "NAME", "claude-sonnet-4-5", "TEXT", "go on", "FILE", file,
		"HEAD", h.head, "PATH...", "sessions", "PATH", "sessions", "VERB", "ls", "VENDOR", "codex", "~", home,
	)
	words := shellWords(h.T, line)
	for i := range words {
		words[i] = places.Replace(words[i])
	}
	joined := strings.Join(words, " ")
	words = slices.DeleteFunc(words, func(w string) bool { return w == "..." })
	switch verb := words[1]; verb {
	case "resume", "work", "replay":
		if strings.Contains(joined, "--mode verify") {
			break
		}
		if at := slices.Index(words, "--provider"); at > 0 {
			words[at+1] = "scripted"
			words = slices.Insert(words, at+2, "--script", h.script)
		} else {
			words = append(words, "--provider", "scripted", "--script", h.script, "--model", "claude-sonnet-4-5")
		}
		if verb == "work" {
			words = append(words, "--until-idle")
		}
		if verb != "replay" {
			words = append(words, "--workdir", h.work)
		}
		if verb == "resume" {
			words = append(words, "--no-ask")
		}
	}
	return words
}

// asking returns a log that waits for a permission; allow and deny each get one.
func (h *documentedHome) asking(line string) string {
	h.Helper()
	if h.asks == "" || !strings.HasPrefix(line, "ownlog show") && !strings.HasPrefix(line, "ownlog resume") {
		fork, _, _ := strings.Cut(h.command("fork", "9b43b6e8"), "@")
		out, errs, code := h.try("resume", fork, "--provider", "scripted", "--script", filepath.Join(filepath.Dir(h.work), "asks.json"),
			"--model", "m", "--prompt", "write it down", "--workdir", h.work, "--no-ask")
		if !strings.Contains(out, "3/1/0") {
			h.Fatalf("nothing asks for permission, exit code %d: %s%s", code, out, errs)
		}
		h.asks = fork
	}
	return h.asks
}

// continued returns a log with requests of its own.
func (h *documentedHome) continued() string {
	h.Helper()
	fork, _, _ := strings.Cut(h.command("fork", "9b43b6e8"), "@")
	h.command("resume", fork, "--provider", "scripted", "--script", h.script, "--model", "m", "--prompt", "go on", "--workdir", h.work, "--no-ask")
	return fork
}

// shellWords splits a line as a shell does, as far as the pages need it.
func shellWords(t *testing.T, line string) (words []string) {
	t.Helper()
	var word strings.Builder
	quote, open := rune(0), false
	for _, r := range line {
		switch {
		case quote != 0 && r == quote:
			quote = 0
		case quote != 0:
			word.WriteRune(r)
		case r == '"' || r == '\'':
			quote, open = r, true
		case r == ' ':
			if word.Len() > 0 || open {
				words = append(words, word.String())
			}
			word.Reset()
			open = false
		case strings.ContainsRune("|$;&`", r):
			t.Fatalf("%q needs a shell: name a test that runs it in elsewhere", line)
		default:
			word.WriteRune(r)
		}
	}
	if word.Len() > 0 || open {
		words = append(words, word.String())
	}
	return words
}

// testNames returns the names of all tests of this package and of conformance/.
func testNames(t *testing.T) map[string]bool {
	t.Helper()
	names := make(map[string]bool)
	for _, pattern := range []string{"*_test.go", "../../replay/*_test.go", "../../conformance/*/*_test.go"} {
		files, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range files {
			b, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			for _, m := range regexp.MustCompile(`(?m)^func ((?:Test|Benchmark)\w+)\(`).FindAllStringSubmatch(string(b), -1) {
				names[m[1]] = true
			}
		}
	}
	return names
}
