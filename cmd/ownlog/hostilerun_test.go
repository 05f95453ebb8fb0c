package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ownlog/ownlog/convert"
	"github.com/ownlog/ownlog/convert/summary"
	"github.com/ownlog/ownlog/fixtures"
	"github.com/ownlog/ownlog/format"
	"github.com/ownlog/ownlog/schema"
)

// hostileInput is something that nobody should have to fear, and what the command
// says about it.
type hostileInput struct {
	name string
	lay  func(h *hostileRun) // lays the input out
	// args is the command line. IN, STORE and OUT stand for folders.
	args  string
	stdin string
	code  int
	out   string // pattern in standard output; empty: any
	err   string // pattern in standard error; empty: it must be empty
	// kept are files below IN that a later export must give back byte for byte.
	kept  []string
	after func(h *hostileRun) // checks more
}

// hostileRun is one hostile input being tried. IN is what others wrote, STORE a
// store with a sound log, OUT where a command may write besides.
type hostileRun struct {
	*testing.T
	dir, in, store, out string
	stdout, stderr      bytes.Buffer
	outTo               io.Writer // where results go; nil: stdout
}

// soundSession is the session whose log each store holds at the start.
const soundSession = "44444444-4444-4444-8444-444444444444"

const soundTranscript = "claude-code/projects/-home-dev-proj-s03/" + soundSession + ".jsonl"

// TestHostileInputs tries everything of the lists: the exit code and the message
// are as said, nothing is written outside the store and where the command was
// told to, what others wrote is as it was, and nothing that a store held is lost.
func TestHostileInputs(t *testing.T) {
	inputs := slices.Concat(hostileTranscripts, hostileFiles, hostileDatabases, hostileStores, hostilePacks, hostileArguments, hostileSystem)
	sound := soundStore(t)
	seen := make(map[string]bool)
	for _, input := range inputs {
		if seen[input.name] {
			t.Errorf("two inputs are called %q", input.name)
		}
		seen[input.name] = true
		t.Run(input.name, func(t *testing.T) { tryHostile(t, sound, input) })
	}
	if len(inputs) < 40 {
		t.Errorf("%d hostile inputs, at least 40 were promised", len(inputs))
	}
}

// soundStore makes the store that every try starts with.
func soundStore(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	content, err := fixtures.FS.ReadFile(soundTranscript)
	if err != nil {
		t.Fatal(err)
	}
	source := filepath.Join(dir, "source.jsonl")
	if err := os.WriteFile(source, content, 0o600); err != nil {
		t.Fatal(err)
	}
	h := &hostileRun{T: t, dir: dir, store: filepath.Join(dir, "store")}
	if code := h.command("import "+source, ""); code != exitFine {
		t.Fatalf("the sound session is not imported: %s", &h.stderr)
	}
	return h.store
}

func tryHostile(t *testing.T, sound string, input hostileInput) {
	dir := t.TempDir()
	h := &hostileRun{T: t, dir: dir, in: filepath.Join(dir, "in"), store: filepath.Join(dir, "store"), out: filepath.Join(dir, "out")}
	temporary := filepath.Join(dir, "tmp")
	for _, d := range []string{h.in, h.out, temporary} {
		if err := os.Mkdir(d, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("TMPDIR", temporary)
	if err := os.CopyFS(h.store, os.DirFS(sound)); err != nil {
		t.Fatal(err)
	}
	if input.lay != nil {
		input.lay(h)
	}
	others, held := treeOf(t, dir, "store", "out"), heldBy(t, h.store)
	code := h.command(input.args, input.stdin)
	if code != input.code {
		t.Errorf("exit code %d, want %d", code, input.code)
	}
	h.says("standard output", h.stdout.String(), input.out)
	h.says("standard error", h.stderr.String(), input.err)
	if input.err == "" && h.stderr.Len() > 0 {
		t.Errorf("standard error is not empty")
	}
	if t.Failed() {
		t.Logf("ownlog %s\nstandard output:\n%.3000s\nstandard error:\n%.3000s", input.args, &h.stdout, &h.stderr)
	}
	if diff := cmp.Diff(others, treeOf(t, dir, "store", "out")); diff != "" {
		t.Errorf("outside the store (-before +after):\n%s", diff)
	}
	now := heldBy(t, h.store)
	for name, sum := range held {
		if now[name] != sum {
			t.Errorf("%s of the store was changed or lost", name)
		}
	}
	if len(input.kept) > 0 {
		given := h.givenBack()
		for _, name := range input.kept {
			if sum := fileDigest(t, filepath.Join(h.in, name)); !given[sum] {
				t.Errorf("%s does not come back byte for byte", name)
			}
		}
	}
	if input.after != nil {
		input.after(h)
	}
}

// command runs the command and returns its exit code.
func (h *hostileRun) command(line, stdin string) int {
	args := []string{"ownlog"}
	names := strings.NewReplacer("IN", h.in, "STORE", h.store, "OUT", h.out)
	for _, arg := range strings.Fields(line) {
		args = append(args, names.Replace(arg))
	}
	env := map[string]string{"OWNLOG_STORE": h.store}
	var out io.Writer = &h.stdout
	if h.outTo != nil {
		out = h.outTo
	}
	h.stdout.Reset()
	h.stderr.Reset()
	return run(h.Context(), args, console{
		In: strings.NewReader(stdin), Out: out, Err: &h.stderr,
		Getenv: func(name string) string { return env[name] }, Home: filepath.Join(h.dir, "home"),
	})
}

func (h *hostileRun) says(where, text, pattern string) {
	h.Helper()
	if !regexp.MustCompile("(?m)" + pattern).MatchString(text) {
		h.Errorf("%s does not say %q", where, pattern)
	}
	if strings.ContainsFunc(h.stderr.String(), func(r rune) bool { return r != '\n' && r != '\t' && steersTerminal(r) }) {
		h.Errorf("standard error steers the terminal: %q", h.stderr.String())
	}
}

// write writes a file below IN.
func (h *hostileRun) write(name, content string) {
	h.Helper()
	h.place(filepath.Join(h.in, name), content)
}

func (h *hostileRun) place(target, content string) {
	h.Helper()
	if err := os.MkdirAll(filepath.Dir(target), 0o700); err != nil {
		h.Fatal(err)
	}
	if err := os.WriteFile(target, []byte(content), 0o600); err != nil {
		h.Fatal(err)
	}
}

// fixture returns the content of a bundled recording.
func (h *hostileRun) fixture(name string) string {
	h.Helper()
	content, err := fixtures.FS.ReadFile(name)
	if err != nil {
		h.Fatal(err)
	}
	return string(content)
}

// segment returns the path of the sound log's segment.
func (h *hostileRun) segment() string {
	h.Helper()
	found, err := filepath.Glob(filepath.Join(h.store, "logs", "*", "*.jsonl.zst"))
	if err != nil || len(found) != 1 {
		h.Fatalf("segments %v: %v", found, err)
	}
	return found[0]
}

// givenBack exports every content that was imported to its own vendor and returns
// the digests of what was written.
func (h *hostileRun) givenBack() map[string]bool {
	h.Helper()
	store, imports, err := openStoreAt(h.store)
	if err != nil {
		h.Fatal(err)
	}
	defer store.Close()
	given := make(map[string]bool)
	for id, err := range store.List(h.Context()) {
		if err != nil {
			h.Fatal(err)
		}
		sum, err := summary.Of(h.Context(), store, id)
		if err != nil {
			h.Fatal(err)
		}
		vendor := registry().Lookup(sum.Vendor)
		if vendor == nil || sum.Kind == convert.LogAssets {
			continue
		}
		contents, err := imports.Contents(id)
		if err != nil {
			h.Fatal(err)
		}
		for _, content := range contents {
			out := &convert.FolderOutput{Dir: h.TempDir()}
			err = vendor.Export(h.Context(), convert.ExportRequest{
				Store: store, Imports: imports, Log: id, Size: content.Entries, SHA256: content.SHA256, Out: out,
				Report: new(schema.Fidelity), Options: map[string]string{"only": "transcript"},
			})
			if err != nil {
				h.Errorf("log %s does not come back: %v", id, err)
			}
			for _, name := range out.Written {
				given[fileDigest(h.T, name)] = true
			}
		}
	}
	return given
}

// logNames returns the ids of the logs in the store.
func (h *hostileRun) logNames() []string {
	h.Helper()
	store, err := format.OpenDirStore(h.store)
	if err != nil {
		h.Fatal(err)
	}
	defer store.Close()
	var names []string
	for id, err := range store.List(context.Background()) {
		if err != nil {
			h.Fatal(err)
		}
		names = append(names, id.String())
	}
	return names
}

// treeOf describes everything below a folder but for some names at its top.
func treeOf(t *testing.T, root string, except ...string) map[string]string {
	t.Helper()
	tree := make(map[string]string)
	err := filepath.WalkDir(root, func(name string, d fs.DirEntry, err error) error {
		rel, _ := filepath.Rel(root, name)
		if slices.Contains(except, rel) {
			return fs.SkipDir
		}
		if err != nil {
			tree[rel] = "unreadable"
			if errors.Is(err, fs.ErrPermission) && d != nil && d.IsDir() {
				return fs.SkipDir
			}
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		tree[rel] = info.Mode().String()
		switch {
		case info.Mode().IsRegular():
			tree[rel] += fmt.Sprintf(" %d bytes, %s", info.Size(), fileDigest(t, name))
		case info.Mode()&fs.ModeSymlink != 0:
			target, _ := os.Readlink(name)
			tree[rel] += " to " + target
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return tree
}

// heldBy returns the digests of what a store must never change: sealed segments
// and blobs.
func heldBy(t *testing.T, store string) map[string]string {
	t.Helper()
	held := make(map[string]string)
	for name, what := range treeOf(t, store) {
		if strings.HasSuffix(name, ".jsonl.zst") || strings.HasPrefix(filepath.ToSlash(name), "blobs/sha256/") {
			held[name] = what
		}
	}
	return held
}

func fileDigest(t *testing.T, name string) string {
	t.Helper()
	content, err := os.ReadFile(name)
	if errors.Is(err, fs.ErrPermission) {
		return "unreadable"
	}
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(content)
	return hex.EncodeToString(sum[:])
}
