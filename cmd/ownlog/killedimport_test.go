package main

import (
	"errors"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ownlog/ownlog/fixtures"
)

// TestKilledImports kills imports of the bundled recordings at any moment, again
// and again until one comes to its end. The heads are then those of an import
// that nobody disturbed. OWNLOG_SOAK says how many stores are filled so.
func TestKilledImports(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("processes are killed another way there")
	}
	rounds := 2
	if text := os.Getenv("OWNLOG_SOAK"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil {
			t.Fatal(err)
		}
		rounds = n
	}
	recordings, undisturbed := t.TempDir(), filepath.Join(t.TempDir(), "store")
	if err := os.CopyFS(recordings, fixtures.FS); err != nil {
		t.Fatal(err)
	}
	ownlogCommand(t, undisturbed, "import", recordings)
	want, whole := ownlogCommand(t, undisturbed, "head"), bytesBelow(t, undisturbed)
	rng := rand.New(rand.NewPCG(1, 2))
	kills := 0
	for range rounds {
		store := filepath.Join(t.TempDir(), "store")
		for importKilledAt(t, store, recordings, bytesBelow(t, store)+rng.Int64N(whole/3)) {
			kills++
		}
		if diff := cmp.Diff(want, ownlogCommand(t, store, "head")); diff != "" {
			t.Fatalf("heads (-undisturbed +killed):\n%s", diff)
		}
		ownlogCommand(t, store, "verify", "--strict", "--schema")
	}
	if kills == 0 {
		t.Error("no import was killed before its end")
	}
	t.Logf("%d stores, %d imports killed", rounds, kills)
}

// importKilledAt starts an import and kills it when the store has got to a size;
// false if it ended before.
func importKilledAt(t *testing.T, store, recordings string, size int64) bool {
	t.Helper()
	cmd := exec.Command("ownlog", "import", "--store", store, recordings)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- cmd.Wait() }()
	for bytesBelow(t, store) < size {
		select {
		case err := <-done:
			if err != nil {
				t.Fatal(err)
			}
			return false
		case <-time.After(time.Millisecond):
		}
	}
	_ = cmd.Process.Kill() // it may be at its end
	var exit *exec.ExitError
	if err := <-done; errors.As(err, &exit) && exit.ExitCode() == -1 {
		return true
	} else if err != nil {
		t.Fatal(err)
	}
	return false
}

// ownlogCommand runs the command on a store and returns what it printed.
func ownlogCommand(t *testing.T, store, verb string, args ...string) string {
	t.Helper()
	cmd := exec.Command("ownlog", append([]string{verb, "--store", store}, args...)...)
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v: %v\n%s", cmd.Args, err, out)
	}
	return string(out)
}

// bytesBelow adds up the sizes of the files below a directory, which may change
// meanwhile.
func bytesBelow(t *testing.T, dir string) (size int64) {
	t.Helper()
	err := filepath.WalkDir(dir, func(_ string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			var info fs.FileInfo
			if info, err = d.Info(); err == nil {
				size += info.Size()
			}
		}
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return size
}
