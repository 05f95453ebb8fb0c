package main

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ownlog/ownlog/convert"
	"github.com/ownlog/ownlog/fixtures"
	"github.com/ownlog/ownlog/format"
)

// openWatch counts who opens files.
type openWatch struct {
	fd    int
	files map[int32]string
}

func watchOpens(t *testing.T, root string) *openWatch {
	t.Helper()
	fd, err := syscall.InotifyInit1(syscall.IN_NONBLOCK | syscall.IN_CLOEXEC)
	if err != nil {
		t.Fatal(err)
	}
	w := &openWatch{fd: fd, files: make(map[int32]string)}
	t.Cleanup(func() {
		if err := syscall.Close(fd); err != nil {
			t.Error(err)
		}
	})
	err = filepath.WalkDir(root, func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		id, err := syscall.InotifyAddWatch(fd, name, syscall.IN_OPEN)
		w.files[int32(id)] = strings.TrimPrefix(filepath.ToSlash(name), filepath.ToSlash(root)+"/")
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return w
}

// opened returns the files that were opened since the last call, each once.
func (w *openWatch) opened(t *testing.T) []string {
	t.Helper()
	var names []string
	buf := make([]byte, 64<<10)
	for {
		n, err := syscall.Read(w.fd, buf)
		if errors.Is(err, syscall.EAGAIN) {
			slices.Sort(names)
			return slices.Compact(names)
		}
		if err != nil {
			t.Fatal(err)
		}
		for events := buf[:n]; len(events) >= syscall.SizeofInotifyEvent; {
			name := w.files[int32(binary.NativeEndian.Uint32(events))]
			names = append(names, name)
			events = events[syscall.SizeofInotifyEvent+int(binary.NativeEndian.Uint32(events[12:])):]
		}
	}
}

// TestKeysAreNeverOpened puts what would be a session into the files in which the
// tools keep keys and credentials, and into the lock of a running tool.
func TestKeysAreNeverOpened(t *testing.T) {
	root := t.TempDir()
	const rollout = rolloutFirst + `{"timestamp":"2026-11-23T01:00:01.000Z","type":"response_item","payload":{"type":"message","role":"user","content":[{"type":"input_text","text":"SECRET"}]}}` + "\n"
	secret := said(someSession, uuidA, "", `"SECRET"`) + "\n"
	secrets := map[string]string{
		".claude.json": secret, ".claude/.credentials.json": secret, ".claude/sessions/12.key": secret,
		".codex/auth.json": rollout, ".codex/.credentials.json": rollout, "other-home/auth.json": rollout,
		".codex/thread-writer-locks/01a20619-0000-7000-8000-000000000001.lock": rollout,
		".local/share/opencode/auth.json":                                      secret, ".local/share/opencode/mcp-auth.json": secret,
	}
	sessions := map[string]string{
		".claude/projects/-home-dev-x/" + someSession + ".jsonl": recordA + "\n",
		".codex/" + rolloutName:                                  rolloutFirst,
	}
	for _, files := range []map[string]string{secrets, sessions} {
		for name, content := range files {
			name = filepath.Join(root, filepath.FromSlash(name))
			if err := errors.Join(os.MkdirAll(filepath.Dir(name), 0o700), os.WriteFile(name, []byte(content), 0o600)); err != nil {
				t.Fatal(err)
			}
		}
	}
	watch := watchOpens(t, root)
	store := new(format.MemStore)
	importFolder(t, store, root)
	opened := watch.opened(t)
	for name := range sessions {
		if !slices.Contains(opened, name) {
			t.Errorf("%s was not opened", name)
		}
	}
	for _, name := range opened {
		if _, is := secrets[name]; is {
			t.Errorf("%s was opened", name)
		}
	}
	for log, err := range store.List(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		for e, err := range store.Read(t.Context(), log, 0) {
			if err != nil || bytes.Contains(e.Bytes, []byte("SECRET")) {
				t.Errorf("log %s, entry %d, %v: %s", log, e.Seq, err, e.Bytes)
			}
		}
	}
}

// TestUnchangedFilesAreNotOpened: of files that did not change since they were
// imported, an import asks for size and time alone.
func TestUnchangedFilesAreNotOpened(t *testing.T) {
	root := t.TempDir()
	if err := os.CopyFS(root, fixtures.FS); err != nil {
		t.Fatal(err)
	}
	watch := watchOpens(t, root)
	store, imports := new(format.MemStore), convert.OpenImports("")
	imported := func() (changed, unchanged []string) {
		_, err := convert.Import(t.Context(), store, imports, registry(), convert.ImportOptions{
			Roots: []string{root}, Env: convert.Environment{Getenv: func(string) string { return "" }},
			Progress: func(r convert.FileResult) {
				name := strings.TrimPrefix(filepath.ToSlash(r.Path), filepath.ToSlash(root)+"/")
				switch r.Status {
				case convert.FileImported:
					changed = append(changed, name)
				case convert.FileUnchanged:
					unchanged = append(unchanged, name)
				}
			},
		})
		if err != nil {
			t.Fatal(err)
		}
		slices.Sort(changed)
		slices.Sort(unchanged)
		return changed, unchanged
	}
	first, _ := imported()
	opened := watch.opened(t)
	for _, name := range first {
		if !slices.Contains(opened, name) {
			t.Errorf("%s was imported and not opened", name)
		}
	}
	if len(first) < 30 {
		t.Errorf("only %d files were imported", len(first))
	}
	changed, unchanged := imported()
	if diff := cmp.Diff(first, unchanged); diff != "" || len(changed) > 0 {
		t.Errorf("imported again: %q; unchanged (-want +got):\n%s", changed, diff)
	}
	for _, name := range watch.opened(t) {
		if slices.Contains(unchanged, name) {
			t.Errorf("%s did not change and was opened", name)
		}
	}
}
