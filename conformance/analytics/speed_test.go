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
// The best of three runs counts, and the largest memory. The export must not be
// slower, and must take less than half the memory and less than 400 MiB. Run it
// on a machine with nothing else to do.
//
// The store is filled by a process of its own: the memory of a process is counted
// from that of the one that started it. Each export writes to a new folder: ext4
// is slow to make files where many were removed a moment ago.
func TestSpeed(t *testing.T) {
	if exportChild(t) {
		return
	}
	dir := t.TempDir()
	store := filepath.Join(dir, "store")
	fill := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestFillStore$", "-test.v")
	fill.Env = append(os.Environ(), fillStore+"="+store)
	filled, err := fill.CombinedOutput()
	if err != nil {
		t.Fatalf("fill the store: %v\n%s", err, filled)
	}
	home := readers(t)
	for _, name := range []string{"speed.mjs", "speed.sql"} {
		if err := copyFile(name, filepath.Join(home, name)); err != nil {
			t.Fatal(err)
		}
	}
	ours, theirs := usage{wall: time.Hour}, usage{wall: time.Hour}
	for i := range 3 {
		ours.keep(measureExport(t, store, filepath.Join(dir, fmt.Sprint("out", i))))
		cmd := exec.CommandContext(t.Context(), "node", filepath.Join(home, "speed.mjs"), filepath.Join(home, "speed.sql"),
			filepath.Join(store, "logs", "*", "*.jsonl*"), t.TempDir())
		theirs.keep(measure(t, cmd))
	}
	t.Logf("%s", filled)
	t.Logf("export: %v; DuckDB: %v", ours, theirs)
	if ours.wall > theirs.wall {
		t.Errorf("the export took %v, DuckDB %v", ours.wall, theirs.wall)
	}
	if ours.memory > 400<<20 || ours.memory > theirs.memory/2 {
		t.Errorf("the export took %d MiB of memory, DuckDB %d: at most 400 and half as much are allowed", ours.memory>>20, theirs.memory>>20)
	}
}

// fillStore and exportTo name, in the environment of a child process, the folder
// of the store and the output.
const (
	fillStore  = "OWNLOG_SPEED_FILL"
	exportFrom = "OWNLOG_SPEED_STORE"
	exportTo   = "OWNLOG_SPEED_OUT"
)

// TestFillStore is the child process that fills the store.
func TestFillStore(t *testing.T) {
	dir := os.Getenv(fillStore)
	if dir == "" {
		t.Skip("run by TestSpeed")
	}
	t.Logf("%d MB of text", fillSpeedStore(t, dir)/1e6)
}

// exportChild exports if this is the child process that does.
func exportChild(t *testing.T) bool {
	t.Helper()
	dir := os.Getenv(exportFrom)
	if dir != "" {
		exportStore(t, dir, os.Getenv(exportTo))
	}
	return dir != ""
}

// measureExport runs the test at hand again as a process that exports.
func measureExport(t *testing.T, store, out string) usage {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^"+t.Name()+"$")
	cmd.Env = append(os.Environ(), exportFrom+"="+store, exportTo+"="+out)
	return measure(t, cmd)
}

// TestMemory exports one log of long texts: 600 MB of it.
//
//	go test -tags 'conformance speed' ./conformance/analytics -run Memory -v
func TestMemory(t *testing.T) {
	if exportChild(t) {
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
	used := measureExport(t, filepath.Join(dir, "store"), filepath.Join(dir, "out"))
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
