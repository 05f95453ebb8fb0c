//go:build conformance && speed

package analytics

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/ownlog/ownlog/convert"
	"github.com/ownlog/ownlog/convert/claudecode"
	"github.com/ownlog/ownlog/convert/codex"
	"github.com/ownlog/ownlog/convert/opencode"
	"github.com/ownlog/ownlog/convert/parquet"
	"github.com/ownlog/ownlog/convert/tables/samplelog"
	"github.com/ownlog/ownlog/format"
)

// TestSpeed exports real sessions, several times over, beside DuckDB making the
// same tables from the same segments, in turn, and prints what both took:
//
//	OWNLOG_CORPUS=DIR go test -tags 'conformance speed' ./conformance/analytics -run Speed -v -timeout 1h
//
// The best of three runs counts. The export must not be slower, and must stay
// below 400 MiB of memory. Run it on a machine with nothing else to do.
func TestSpeed(t *testing.T) {
	const child = "OWNLOG_SPEED_EXPORT"
	if dir := os.Getenv(child); dir != "" {
		exportStore(t, filepath.Join(dir, "store"), filepath.Join(dir, "out"))
		return
	}
	dir := t.TempDir()
	bytesOfText := fillSpeedStore(t, filepath.Join(dir, "store"))
	home := readers(t)
	for _, name := range []string{"speed.mjs", "speed.sql"} {
		if err := copyFile(name, filepath.Join(home, name)); err != nil {
			t.Fatal(err)
		}
	}
	ours, theirs := usage{wall: time.Hour}, usage{wall: time.Hour}
	for range 3 {
		if err := os.RemoveAll(filepath.Join(dir, "out")); err != nil {
			t.Fatal(err)
		}
		cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestSpeed$")
		cmd.Env = append(os.Environ(), child+"="+dir)
		ours.keep(measure(t, cmd))
		target := t.TempDir()
		cmd = exec.CommandContext(t.Context(), "node", filepath.Join(home, "speed.mjs"), filepath.Join(home, "speed.sql"),
			filepath.Join(dir, "store", "logs", "*", "*.jsonl*"), target)
		theirs.keep(measure(t, cmd))
	}
	t.Logf("%d MB of text; export: %v; DuckDB: %v", bytesOfText/1e6, ours, theirs)
	if ours.wall > theirs.wall {
		t.Errorf("the export took %v, DuckDB %v", ours.wall, theirs.wall)
	}
	if ours.memory > 400<<20 {
		t.Errorf("the export took %d MiB of memory, at most 400 are allowed", ours.memory>>20)
	}
}

// TestMemory exports one log of long texts: 600 MB of it.
//
//	go test -tags 'conformance speed' ./conformance/analytics -run Memory -v
func TestMemory(t *testing.T) {
	const child = "OWNLOG_MEMORY_EXPORT"
	if dir := os.Getenv(child); dir != "" {
		exportStore(t, filepath.Join(dir, "store"), filepath.Join(dir, "out"))
		return
	}
	dir := t.TempDir()
	store, err := format.OpenDirStore(filepath.Join(dir, "store"))
	if err != nil {
		t.Fatal(err)
	}
	log := format.NewLogID()
	for turn := int64(1); turn <= 3000; turn += 50 {
		if err := samplelog.Append(t.Context(), store, log, samplelog.Grow(turn, 50, 100_000)...); err != nil {
			t.Fatal(err)
		}
	}
	if err := store.Close(); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestMemory$")
	cmd.Env = append(os.Environ(), child+"="+dir)
	used := measure(t, cmd)
	t.Logf("one log of 600 MB: %v", used)
	if used.memory > 400<<20 {
		t.Errorf("%d MiB of memory, at most 400 are allowed", used.memory>>20)
	}
}

// fillSpeedStore imports the corpus and copies its logs; it returns the bytes of
// all entries.
func fillSpeedStore(t *testing.T, dir string) (size int64) {
	t.Helper()
	const copies = 3
	corpus := os.Getenv("OWNLOG_CORPUS")
	memory := new(format.MemStore)
	_, err := convert.Import(t.Context(), memory, convert.OpenImports(""), convert.NewRegistry(claudecode.Vendor{}, codex.Vendor{}, opencode.Vendor{}),
		convert.ImportOptions{Roots: []string{corpus}})
	if err != nil {
		t.Fatal(err)
	}
	store, err := format.OpenDirStore(dir)
	if err != nil {
		t.Fatal(err)
	}
	for log, err := range memory.List(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		var entries [][]byte
		for e, err := range memory.Read(t.Context(), log, 0) {
			if err != nil {
				t.Fatal(err)
			}
			entries = append(entries, bytes.Clone(e.Bytes))
			size += copies * int64(len(e.Bytes))
		}
		for range copies {
			id := format.NewLogID()
			at := int64(0)
			for batch := range slices.Chunk(entries, 1000) {
				if at, err = store.Append(t.Context(), id, at, batch); err != nil {
					t.Fatal(err)
				}
			}
			if _, err := store.Seal(t.Context(), id); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := store.Close(); err != nil {
		t.Fatal(err)
	}
	return size
}

func exportStore(t *testing.T, dir, out string) {
	t.Helper()
	store, err := format.OpenDirStore(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	logs := func(yield func(format.LogID) bool) {
		for id, err := range store.List(t.Context()) {
			if err != nil || !yield(id) {
				return
			}
		}
	}
	r, err := parquet.Export(t.Context(), store, logs, parquet.Options{Out: out})
	if err != nil || len(r.Failed) > 0 {
		t.Fatal(err, r.Failed)
	}
}

// usage is what a process took.
type usage struct {
	wall, cpu time.Duration
	memory    int64 // bytes at most
	said      string
}

// keep takes the faster run, and the larger memory.
func (u *usage) keep(o usage) {
	memory := max(u.memory, o.memory)
	if o.wall < u.wall {
		*u = o
	}
	u.memory = memory
}

func (u usage) String() string {
	return strings.TrimSpace(fmt.Sprintf("%v wall, %v processor, %d MiB %s",
		u.wall.Round(10*time.Millisecond), u.cpu.Round(10*time.Millisecond), u.memory>>20, u.said))
}

func measure(t *testing.T, cmd *exec.Cmd) usage {
	t.Helper()
	start := time.Now()
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %v\n%s", cmd.Args, err, out)
	}
	u := usage{wall: time.Since(start), cpu: cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()}
	if r, ok := cmd.ProcessState.SysUsage().(*syscall.Rusage); ok {
		u.memory = r.Maxrss << 10 // Linux counts in KiB
	}
	if cmd.Args[0] == "node" {
		u.said = "(" + strings.Join(strings.Fields(string(out)), " ") + ")"
	}
	return u
}
