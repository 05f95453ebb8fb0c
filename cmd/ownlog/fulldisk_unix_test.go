//go:build unix

package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ownlog/ownlog/fixtures"
)

// TestFullDisk imports where files cannot grow beyond a limit, one after the other
// at several points of the work. It says so and exits with 1 or 3; what it says it
// imported is whole; and with room again the logs become those of an import that
// never had to stop.
func TestFullDisk(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	bin := t.TempDir()
	if err := os.Symlink(self, filepath.Join(bin, "ownlog")); err != nil {
		t.Fatal(err)
	}
	t.Setenv("TMPDIR", t.TempDir())
	recordings := t.TempDir()
	project := filepath.Join("projects", "-home-dev-proj-s04", "55555555-5555-4555-8555-555555555555.jsonl")
	for i, name := range []string{soundTranscript, "claude-code/" + filepath.ToSlash(project)} {
		content, err := fixtures.FS.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(recordings, fmt.Sprintf("%d.jsonl", i)), content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	h := &hostileRun{T: t, dir: t.TempDir(), in: recordings}
	fine := func(line string) string {
		if code := h.command(line, ""); code != exitFine {
			t.Errorf("%s: exit code %d: %s%s", line, code, &h.stdout, &h.stderr)
		}
		return h.stdout.String()
	}
	h.store = filepath.Join(h.dir, "whole")
	fine("import IN")
	want := fine("head")
	stopped := 0
	for _, blocks := range []int{0, 2, 6, 12, 24, 48, 100000} {
		h.store = filepath.Join(h.dir, fmt.Sprint(blocks))
		cmd := exec.Command("sh", "-c", fmt.Sprintf("ulimit -f %d; exec ownlog --store %s import %s", blocks, h.store, recordings))
		cmd.Env = append(os.Environ(), "PATH="+bin+":"+os.Getenv("PATH"))
		said, err := cmd.CombinedOutput()
		var exit *exec.ExitError
		if err != nil && !errors.As(err, &exit) {
			t.Fatal(err)
		}
		if code := cmd.ProcessState.ExitCode(); code != exitFine {
			stopped++
			if code != exitCheckFailed && code != exitEnvironment || !strings.Contains(string(said), "file too large") {
				t.Errorf("at %d blocks: exit code %d: %s", blocks, code, said)
			}
		}
		fine("verify --strict")
		fine("import IN")
		if diff := cmp.Diff(want, fine("head")); diff != "" {
			t.Errorf("after a stop at %d blocks (-whole +again):\n%s", blocks, diff)
		}
	}
	if stopped < 3 {
		t.Errorf("%d limits stopped the import: the test does not try what it says", stopped)
	}
	if left := treeOf(t, os.TempDir()); len(left) != 1 {
		t.Errorf("left in the temporary folder: %v", left)
	}
}

// TestFullOutput: to a device that is full no verb says that it was fine.
func TestFullOutput(t *testing.T) {
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Skip("Linux alone has /dev/full")
	}
	defer full.Close()
	sound := soundStore(t)
	h := &hostileRun{T: t, dir: t.TempDir(), in: t.TempDir(), store: sound}
	h.write("in.jsonl", recordA+"\n")
	for _, line := range []string{
		"ls", "ls --json", "head", "cat " + soundSession, "show " + soundSession, "tail " + soundSession, "stats", "verify", "verify --format sarif",
		"verify --format junit", "verify --json", "pack", "export --to jsonl " + soundSession, "export --only transcript " + soundSession, "gc", "gc --json",
		"rm " + soundSession, "import IN", "import IN --json", "extends 9b43b6e8-c1b5-5aa8-8d62-95c8fb12e077@0#47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU " +
			"9b43b6e8-c1b5-5aa8-8d62-95c8fb12e077@46#pI1GvQdPXA7O_-2BLkn0m_H39-JdnSGWTBjNYXPYSAM",
	} {
		h.outTo = full
		if code := h.command(line, ""); code != exitEnvironment || !strings.Contains(h.stderr.String(), "no space left on device") {
			t.Errorf("%s: exit code %d: %s", line, code, &h.stderr)
		}
	}
}
