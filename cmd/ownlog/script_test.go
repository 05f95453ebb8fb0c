package main

import (
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

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
