package main

import (
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/testscript"

	"github.com/ownlog/ownlog/fixtures"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){
		"ownlog": func() { os.Exit(process()) },
	})
}

// TestScripts runs testdata/script: one file for each behaviour of the command,
// headed by the reason. Besides the usual commands a script has
//
//	recordings DIR   lays out the bundled recordings in DIR
//	block PAGE NAME  writes the block of docs/PAGE that begins with "# NAME" to NAME
//	transcript PAGE  runs what PAGE shows after "$ ", and compares what it shows below
//	flip STORE AT    flips a bit of the largest segment, at a share of its length
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir: filepath.Join("testdata", "script"),
		Setup: func(env *testscript.Env) error {
			env.Setenv("HOME", env.WorkDir)
			env.Setenv("OWNLOG_STORE", filepath.Join(env.WorkDir, "store"))
			for _, name := range []string{"XDG_DATA_HOME", "CLAUDE_CONFIG_DIR", "CODEX_HOME", "OPENCODE_DB"} {
				env.Setenv(name, "")
			}
			return nil
		},
		Cmds: map[string]func(ts *testscript.TestScript, neg bool, args []string){
			"recordings": layOutRecordings,
			"flip":       flipBit,
			"block":      writeBlock,
			"transcript": followTranscript,
		},
	})
}

func layOutRecordings(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: recordings DIR")
	}
	root := ts.MkAbs(args[0])
	ts.Check(fs.WalkDir(fixtures.FS, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		target := filepath.Join(root, filepath.FromSlash(name))
		if d.IsDir() {
			return os.MkdirAll(target, 0o700)
		}
		content, err := fs.ReadFile(fixtures.FS, name)
		if err != nil {
			return err
		}
		return os.WriteFile(target, content, 0o600)
	}))
}

func writeBlock(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: block PAGE NAME")
	}
	page, err := os.ReadFile(filepath.Join("..", "..", "docs", args[0]))
	ts.Check(err)
	_, rest, found := strings.Cut(string(page), "```yaml\n# "+args[1]+"\n")
	block, _, ended := strings.Cut(rest, "```\n")
	if !found || !ended {
		ts.Fatalf("docs/%s has no block that begins with # %s", args[0], args[1])
	}
	ts.Check(os.WriteFile(ts.MkAbs(args[1]), []byte(block), 0o600))
}

// followTranscript runs the commands of a page's blocks, one after the other. "..."
// stands for any lines, ~ for the home, STORE for the store. What needs a tool that
// is not here is left out, as is the installation of the command.
func followTranscript(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: transcript PAGE")
	}
	page, err := os.ReadFile(filepath.Join("..", "..", args[0]))
	ts.Check(err)
	home := ts.Getenv("HOME")
	store := filepath.Join(home, ".local", "share", "ownlog")
	var command string
	var want []string
	ran := 0
	follow := func() {
		defer func() { command, want = "", nil }()
		if command == "" || strings.HasPrefix(command, "go install ") {
			return
		}
		for _, tool := range []string{"zstd", "jq"} {
			if _, err := exec.LookPath(tool); err != nil && strings.Contains(command, tool+" ") {
				return
			}
		}
		ran++
		ts.Check(ts.Exec("sh", "-c", strings.NewReplacer("STORE", store, " ~/", " "+home+"/").Replace(command)))
		got := strings.Split(strings.TrimSuffix(strings.ReplaceAll(ts.ReadFile("stdout"), home, "~"), "\n"), "\n")
		if !shows(want, got) {
			ts.Fatalf("%s: %s shows (-page +now):\n%s", args[0], command, cmp.Diff(want, got))
		}
	}
	for line := range strings.Lines(string(page)) {
		line = strings.TrimSuffix(line, "\n")
		shown, inBlock := strings.CutPrefix(line, "    ")
		next, isCommand := strings.CutPrefix(shown, "$ ")
		switch {
		case inBlock && isCommand:
			follow()
			command = next
		case inBlock && command != "":
			want = append(want, shown)
		default:
			follow()
		}
	}
	follow()
	if ran == 0 {
		ts.Fatalf("%s shows no command", args[0])
	}
}

// shows tells whether lines are those that a page shows, where "..." stands for any.
func shows(page, lines []string) bool {
	if len(page) == 0 || page[0] != "..." {
		return len(page) == 0 && len(lines) == 0 || len(page) > 0 && len(lines) > 0 && page[0] == lines[0] && shows(page[1:], lines[1:])
	}
	for skipped := range len(lines) + 1 {
		if shows(page[1:], lines[skipped:]) {
			return true
		}
	}
	return false
}

func flipBit(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: flip STORE AT")
	}
	at, err := strconv.ParseFloat(args[1], 64)
	ts.Check(err)
	segments, err := filepath.Glob(ts.MkAbs(filepath.Join(args[0], "logs", "*", "*.zst")))
	ts.Check(err)
	var largest []byte
	var name string
	for _, s := range segments {
		content, err := os.ReadFile(s)
		ts.Check(err)
		if len(content) > len(largest) {
			largest, name = content, s
		}
	}
	if name == "" {
		ts.Fatalf("no segment in %s", args[0])
	}
	largest[int(at*float64(len(largest)))] ^= 1
	ts.Check(os.WriteFile(name, largest, 0o600))
}
