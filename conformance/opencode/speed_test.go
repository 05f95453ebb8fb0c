//go:build conformance && speed

package opencode

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"iter"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/go-json-experiment/json"

	"github.com/ownlog/ownlog/convert"
	"github.com/ownlog/ownlog/convert/opencode"
	"github.com/ownlog/ownlog/format"
	"github.com/ownlog/ownlog/schema"
)

// speedChild names the folder, in a process that only imports and is measured.
const speedChild = "OWNLOG_SPEED_IMPORT"

// speedExport names the folder, in a process that only exports; speedTo is the form.
const (
	speedExport = "OWNLOG_SPEED_EXPORT"
	speedTo     = "OWNLOG_SPEED_TO"
)

// What an import may take.
const (
	leastSpeed = 60        // MB of row data for a second of processor
	mostMemory = 256 << 20 // bytes
)

// TestSpeed generates a database and imports it as the command does, each log
// sealed at the end, in a process of its own:
//
//	go test -tags 'conformance speed' ./conformance/opencode -run '^TestSpeed$' -v -timeout 30m
//
// OWNLOG_SPEED_MB asks for another size than 1000 MB of row data. The database has
// the rows that the tool writes, with texts that are as long, as many and as
// compressible as those of real sessions, which TestGeneratedIsLikeReal shows.
func TestSpeed(t *testing.T) {
	importMeasured(t)
	checkSpeed(t, generatedSessions())
}

// TestSpeedOfRealTexts is TestSpeed with the texts of the sessions of Claude Code and
// Codex in the corpus, again and again:
//
//	OWNLOG_CORPUS=DIR go test -tags 'conformance speed' ./conformance/opencode -run SpeedOfRealTexts -v -timeout 30m
func TestSpeedOfRealTexts(t *testing.T) {
	importMeasured(t)
	checkSpeed(t, corpusSessions(t, os.Getenv("OWNLOG_CORPUS")))
}

func checkSpeed(t *testing.T, sessions iter.Seq[sessionText]) {
	t.Helper()
	megabytes := 1000
	if s := os.Getenv("OWNLOG_SPEED_MB"); s != "" {
		var err error
		if megabytes, err = strconv.Atoi(s); err != nil {
			t.Fatal(err)
		}
	}
	dir := t.TempDir()
	rows, size := generateDatabase(t, filepath.Join(dir, "opencode.db"), int64(megabytes)*1e6, sessions)
	cpu, memory := measureImport(t, dir)
	speed := float64(size) / 1e6 / cpu
	t.Logf("%d rows, %d MB of row data: %.1f s of processor, %.1f MB a second, %d MiB of memory", rows, size/1e6, cpu, speed, memory>>20)
	if speed < leastSpeed {
		t.Errorf("%.1f MB a second of processor, at least %d are wanted", speed, leastSpeed)
	}
	if memory > mostMemory {
		t.Errorf("%d MiB of memory, at most %d are allowed", memory>>20, mostMemory>>20)
	}
}

// TestHugeRow imports a database with one row of 461 MB, as users have them, and
// exports its session again. A database is built with each row in memory: what
// that takes is told.
//
//	go test -tags 'conformance speed' ./conformance/opencode -run HugeRow -v
func TestHugeRow(t *testing.T) {
	importMeasured(t)
	exportMeasured(t)
	dir := t.TempDir()
	path := filepath.Join(dir, "opencode.db")
	generateDatabase(t, path, 1e6, generatedSessions())
	db := openForWriting(t, path)
	if _, err := db.Exec(`UPDATE part SET data = '{"type":"text","text":"' || hex(zeroblob(230500000)) || '"}' WHERE rowid = (SELECT max(rowid) FROM part WHERE data LIKE '{"type":"text"%')`); err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	cpu, memory := measureImport(t, dir)
	t.Logf("a row of 461 MB: %.1f s of processor, %d MiB of memory", cpu, memory>>20)
	if memory > mostMemory {
		t.Errorf("%d MiB of memory, at most %d are allowed", memory>>20, mostMemory>>20)
	}
	for _, to := range []string{"opencode", "opencode-db"} {
		cpu, memory := measure(t, speedExport+"="+dir, speedTo+"="+to)
		t.Logf("exported to %s: %.1f s of processor, %d MiB of memory", to, cpu, memory>>20)
		if memory > mostMemory && to == "opencode" {
			t.Errorf("%d MiB of memory, at most %d are allowed", memory>>20, mostMemory>>20)
		}
	}
}

// TestLongExportFile imports a file of `opencode export` of 1 GB and gives it back.
//
//	go test -tags 'conformance speed' ./conformance/opencode -run LongExport -v
func TestLongExportFile(t *testing.T) {
	importMeasured(t)
	exportMeasured(t)
	dir := t.TempDir()
	f, err := os.Create(filepath.Join(dir, "opencode.db")) // by its content it is none
	if err != nil {
		t.Fatal(err)
	}
	w := bufio.NewWriterSize(f, 1<<20)
	fmt.Fprint(w, `{"info":{"id":"ses_long","slug":"s","projectID":"p","directory":"/w","title":"T","version":"1.18.33","time":{"created":1,"updated":1}},"messages":[`)
	texts := newTextMaker()
	size := 0
	for n := 0; size < 1e9; n++ {
		fmt.Fprintf(w, `%s{"info":{"id":"msg_%08d","sessionID":"ses_long","role":"user","time":{"created":%d},"agent":"build","model":{"providerID":"p","modelID":"m"}},"parts":[`, strings.Repeat(",", min(n, 1)), n, n)
		for p := range 10 {
			text, err := json.Marshal(texts.prose(2000))
			if err != nil {
				t.Fatal(err)
			}
			size += len(text)
			fmt.Fprintf(w, `%s{"id":"prt_%08d_%d","sessionID":"ses_long","messageID":"msg_%08d","type":"text","text":%s}`, strings.Repeat(",", min(p, 1)), n, p, n, text)
		}
		fmt.Fprint(w, `]}`)
	}
	fmt.Fprint(w, "]}\n")
	if err := errors.Join(w.Flush(), f.Close(), os.Rename(f.Name(), filepath.Join(dir, "opencode.json"))); err != nil {
		t.Fatal(err)
	}
	cpu, memory := measureImport(t, dir)
	t.Logf("an export of %d MB: %.1f s of processor, %.1f MB a second, %d MiB of memory", size/1e6, cpu, float64(size)/1e6/cpu, memory>>20)
	if memory > mostMemory {
		t.Errorf("%d MiB of memory, at most %d are allowed", memory>>20, mostMemory>>20)
	}
	cpu, memory = measure(t, speedExport+"="+dir, speedTo+"=opencode")
	t.Logf("given back: %.1f s of processor, %d MiB of memory", cpu, memory>>20)
	if memory > mostMemory {
		t.Errorf("%d MiB of memory, at most %d are allowed", memory>>20, mostMemory>>20)
	}
}

// measureImport runs this test again, in a process that only imports.
func measureImport(t *testing.T, dir string) (cpuSeconds float64, memory int64) {
	t.Helper()
	return measure(t, speedChild+"="+dir)
}

// measure runs this test again, in a process of its own.
func measure(t *testing.T, variables ...string) (cpuSeconds float64, memory int64) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^"+t.Name()+"$")
	cmd.Env = append(os.Environ(), variables...)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	cpu := cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
	_, most, _ := strings.Cut(string(out), "VmHWM:")
	if _, err := fmt.Sscanf(most, "%d kB", &memory); err != nil {
		t.Fatalf("the import did not say how much memory it took: %v: %s", err, out)
	}
	return cpu.Seconds(), memory << 10
}

// importMeasured is what the process that is measured does.
func importMeasured(t *testing.T) {
	dir := os.Getenv(speedChild)
	if dir == "" {
		return
	}
	store, err := format.OpenDirStore(filepath.Join(dir, "store"))
	if err != nil {
		t.Fatal(err)
	}
	var logs []format.LogID
	source := filepath.Join(dir, "opencode.db")
	if _, err := os.Stat(source); err != nil {
		source = filepath.Join(dir, "opencode.json")
	}
	_, err = convert.Import(t.Context(), store, convert.OpenImports(filepath.Join(dir, "store", "imports")), convert.NewRegistry(opencode.Vendor{}), convert.ImportOptions{
		Roots: []string{source},
		Progress: func(r convert.FileResult) {
			if r.Status != convert.FileImported {
				t.Errorf("%s: %s", r.Status, r.Reason)
			}
			for _, o := range r.Outcomes {
				logs = append(logs, o.Log)
			}
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, log := range logs {
		if _, err := store.Seal(t.Context(), log); err != nil {
			t.Fatal(err)
		}
	}
	if err := store.Close(); err != nil || len(logs) == 0 {
		t.Fatalf("%d logs, %v", len(logs), err)
	}
	endMeasured(t)
}

// exportMeasured is what the process does of which an export is measured.
func exportMeasured(t *testing.T) {
	dir := os.Getenv(speedExport)
	if dir == "" {
		return
	}
	store, err := format.OpenDirStore(filepath.Join(dir, "store"))
	if err != nil {
		t.Fatal(err)
	}
	for log, err := range store.List(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		req := convert.ExportRequest{
			Store: store, Imports: convert.OpenImports(filepath.Join(dir, "store", "imports")), Log: log, Size: -1,
			Out: nowhere{}, Report: new(schema.Fidelity), Options: map[string]string{"to": os.Getenv(speedTo)},
		}
		if err := (opencode.Vendor{}).Export(t.Context(), req); err != nil && !strings.Contains(err.Error(), "no session row") {
			t.Fatal(err)
		}
	}
	endMeasured(t)
}

// nowhere takes files and keeps none.
type nowhere struct{}

func (nowhere) Create(string) (io.WriteCloser, error) { return nowhere{}, nil }
func (nowhere) Write(p []byte) (int, error)           { return len(p), nil }
func (nowhere) Close() error                          { return nil }

// endMeasured tells how much memory the process took, and ends it.
func endMeasured(t *testing.T) {
	// Linux's count of this process alone: what wait(2) tells begins with the parent's.
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		t.Fatal(err)
	}
	_, most, _ := strings.Cut(string(status), "VmHWM:")
	fmt.Println("VmHWM:", strings.TrimSpace(strings.SplitN(most, "\n", 2)[0]))
	os.Exit(0) // the parent generates, and nothing else is to be measured
}
