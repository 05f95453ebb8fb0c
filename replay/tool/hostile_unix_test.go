//go:build unix

package tool_test

import (
	"context"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/ownlog/ownlog/schema"
)

// TestStoppedCommand: stopping a command stops what it has started, too. A pipe
// that only its grandchild holds ends when that is gone.
func TestStoppedCommand(t *testing.T) {
	b := newBench(t)
	pipe := filepath.Join(b.dir, "pipe")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	ended := make(chan error, 1)
	go func() {
		r, err := os.Open(pipe) // waits for the grandchild
		if err == nil {
			cancel()
			_, err = io.ReadAll(r)
			r.Close()
		}
		ended <- err
	}()
	status, text, _ := b.runIn(ctx, "shell", object{"command": "sleep 3600 > pipe & wait"})
	if status != schema.StatusCancelled {
		t.Errorf("a stopped command: %s %s", status, text)
	}
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

// TestPipesAreNotRead: opening a pipe waits for its writer, so that a tool that did
// would never return.
func TestPipesAreNotRead(t *testing.T) {
	b := newBench(t)
	if err := syscall.Mkfifo(filepath.Join(b.dir, "pipe"), 0o600); err != nil {
		t.Fatal(err)
	}
	b.file("beside", "text\n")
	for name, args := range map[string]object{
		"read": {"path": "pipe"}, "view_image": {"path": "pipe"}, "write": {"path": "pipe", "content": "x"},
		"edit": {"path": "pipe", "old_string": "a", "new_string": "b"}, "search": {"pattern": ".", "path": "pipe"},
		"apply_patch": {"input": "*** Begin Patch\n*** Update File: pipe\n@@\n-a\n+b\n*** End Patch"},
	} {
		status, text, _ := b.run(name, args)
		if status == schema.StatusOK && text != "[nothing found]" {
			t.Errorf("%s of a pipe: %s %q", name, status, text)
		}
	}
	if _, text, _ := b.run("search", object{"pattern": "."}); text != "beside:1:text" {
		t.Errorf("search beside a pipe: %q", text)
	}
}

// TestFilesStayInsideWhileLinksChange: a name that is a directory when it is
// looked at, and a symbolic link to the outside when it is used, leads nowhere.
func TestFilesStayInsideWhileLinksChange(t *testing.T) {
	b := newBench(t)
	outside := filepath.Dir(b.secret)
	b.file("real/secret.txt", "harmless")
	b.file("keep", "")
	door := filepath.Join(b.dir, "door")
	stop := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		for i := 0; ; i++ {
			select {
			case <-stop:
				return
			default:
			}
			target := []string{outside, "real"}[i%2]
			next := door + ".next"
			if os.Symlink(target, next) == nil {
				_ = os.Rename(next, door)
			}
		}
	})
	for range 500 {
		for name, args := range map[string]object{
			"read":   {"path": "door/secret.txt"},
			"search": {"pattern": "SECRET", "path": "door"},
			"edit":   {"path": "door/secret.txt", "old_string": "SECRET", "new_string": "x"},
			"write":  {"path": "door/secret.txt", "content": "harmless"},
		} {
			if _, text, _ := b.run(name, args); strings.Contains(text, "SECRET") {
				t.Fatalf("%s shows the secret: %s", name, text)
			}
		}
	}
	close(stop)
	wg.Wait()
	if got, err := os.ReadFile(b.secret); err != nil || string(got) != "SECRET" {
		t.Errorf("the secret is now %q, %v", got, err)
	}
	if left, _ := filepath.Glob(filepath.Join(outside, ".tmp-*")); len(left) > 0 {
		t.Errorf("left outside: %v", left)
	}
	// A command does not begin outside through a link either.
	if err := os.Symlink(outside, filepath.Join(b.dir, "out")); err != nil {
		t.Fatal(err)
	}
	if status, text, _ := b.run("exec_command", object{"cmd": "cat secret.txt", "workdir": "out"}); status == schema.StatusOK || strings.Contains(text, "SECRET") {
		t.Errorf("a command in a directory outside: %s %s", status, text)
	}
}
