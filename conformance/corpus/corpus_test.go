//go:build conformance

package corpus

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"math/rand"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/google/go-cmp/cmp"
)

var command string // the built command

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "ownlog-corpus-")
	if err != nil {
		panic(err)
	}
	command = filepath.Join(dir, "ownlog")
	build := exec.Command("go", "build", "-o", command, "github.com/ownlog/ownlog/cmd/ownlog")
	if out, err := build.CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "build the command: %v\n%s", err, out)
		os.Exit(1)
	}
	code := m.Run()
	if err := os.RemoveAll(dir); err != nil {
		fmt.Fprintln(os.Stderr, err)
	}
	os.Exit(code)
}

// corpusDir returns the folder of session files.
func corpusDir(t *testing.T) string {
	t.Helper()
	dir := os.Getenv("OWNLOG_CORPUS")
	if st, err := os.Stat(dir); err != nil || !st.IsDir() {
		t.Fatalf("OWNLOG_CORPUS=%q: want a folder of session files", dir)
	}
	return dir
}

// fileResult is what `import --json` says of a file.
type fileResult struct {
	Path     string `json:"path"`
	Vendor   string `json:"vendor"`
	Kind     string `json:"kind"`
	Bytes    int64  `json:"bytes"`
	Status   string `json:"status"`
	Reason   string `json:"reason"`
	Outcomes []struct {
		Log    string `json:"log"`
		Kind   string `json:"kind"`
		Head   string `json:"head"`
		SHA256 string `json:"sha256"`
	} `json:"outcomes"`
}

// ownlog runs the command and returns what it printed.
func ownlog(t *testing.T, store string, args ...string) []byte {
	t.Helper()
	out, err := try(store, args...)
	if err != nil {
		t.Fatalf("ownlog %s: %v", strings.Join(args, " "), err)
	}
	return out
}

func try(store string, args ...string) ([]byte, error) {
	cmd := exec.Command(command, append(args, "--store", store)...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		err = fmt.Errorf("%w\n%s", err, &stderr)
	}
	return out, err
}

func importCorpus(t *testing.T, store, dir string) []fileResult {
	t.Helper()
	var files []fileResult
	for line := range bytes.Lines(ownlog(t, store, "import", "--json", dir)) {
		if !bytes.HasPrefix(line, []byte(`{"schema":"ownlog.import.file/1"`)) {
			continue
		}
		var f fileResult
		if err := json.Unmarshal(line, &f); err != nil {
			t.Fatalf("%v in %s", err, line)
		}
		files = append(files, f)
	}
	return files
}

// TestEveryByteIsAccountedForAndGivenBack imports everything, exports every
// transcript to its own vendor and compares the digests.
func TestEveryByteIsAccountedForAndGivenBack(t *testing.T) {
	dir, store := corpusDir(t), t.TempDir()
	onDisk := make(map[string]int64)
	err := filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		st, err := d.Info()
		onDisk[name] = st.Size()
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	files := importCorpus(t, store, dir)
	count, size := make(map[string]int), make(map[string]int64)
	for _, f := range files {
		if onDisk[f.Path] != f.Bytes {
			t.Errorf("%s: %d bytes reported, %d there", f.Path, f.Bytes, onDisk[f.Path])
		}
		delete(onDisk, f.Path)
		count[f.Status]++
		size[f.Status] += f.Bytes
		if f.Status == "refused" && f.Reason == "" {
			t.Errorf("%s: refused without a reason", f.Path)
		}
	}
	for name := range onDisk {
		t.Errorf("%s: not reported", name)
	}
	for status := range count {
		t.Logf("%s: %d files, %d bytes", status, count[status], size[status])
	}

	var transcripts []fileResult
	for _, f := range files {
		if f.Status == "imported" && f.Kind == "transcript" {
			transcripts = append(transcripts, f)
		}
	}
	same, bytesSame := giveBack(t, store, transcripts)
	t.Logf("given back with equal SHA-256: %d of %d transcripts, %d bytes", same, len(transcripts), bytesSame)

	if again := importCorpus(t, store, dir); slices.ContainsFunc(again, func(f fileResult) bool { return f.Status == "imported" }) {
		t.Error("a second import of the same files imported some again")
	}
	heads := ownlog(t, store, "head")
	// Without its records of sources the import compares every byte.
	if err := os.Remove(filepath.Join(store, "imports", "records.jsonl")); err != nil {
		t.Fatal(err)
	}
	importCorpus(t, store, dir)
	if diff := cmp.Diff(string(heads), string(ownlog(t, store, "head"))); diff != "" {
		t.Errorf("heads after importing the same bytes again (-first +again):\n%s", diff)
	}
}

// giveBack exports transcripts, some at a time, and counts those that are equal.
func giveBack(t *testing.T, store string, files []fileResult) (same int, total int64) {
	var wg sync.WaitGroup
	var mu sync.Mutex
	slots := make(chan struct{}, runtime.NumCPU())
	for _, f := range files {
		o := f.Outcomes[0]
		at, _, _ := strings.Cut(o.Head, "#")
		wg.Add(1)
		slots <- struct{}{}
		go func() {
			defer func() { <-slots; wg.Done() }()
			out, err := try(store, "export", at, "--sha256", o.SHA256, "--only", "transcript")
			sum := sha256.Sum256(out)
			mu.Lock()
			defer mu.Unlock()
			switch {
			case err != nil:
				t.Errorf("%s: %v", f.Path, err)
			case hex.EncodeToString(sum[:]) != o.SHA256:
				t.Errorf("%s: gave back SHA-256 %x, imported %s", f.Path, sum, o.SHA256)
			default:
				same++
				total += int64(len(out))
			}
		}()
	}
	wg.Wait()
	return same, total
}

// growthPairs returns, of files whose content begins with that of another, the
// pairs from short to long.
func growthPairs(t *testing.T, dir string) [][2]string {
	t.Helper()
	var pairs [][2]string
	groups, err := filepath.Glob(filepath.Join(dir, "*", "claude-growth", "*"))
	if err != nil {
		t.Fatal(err)
	}
	for _, g := range groups {
		steps, err := filepath.Glob(filepath.Join(g, "*.jsonl"))
		if err != nil {
			t.Fatal(err)
		}
		slices.Sort(steps)
		for i := 1; i < len(steps); i++ {
			pairs = append(pairs, [2]string{steps[i-1], steps[i]})
		}
	}
	if len(pairs) == 0 {
		t.Fatal("the corpus has no growth pairs")
	}
	return pairs
}

// TestGrowthInStepsIsAsAtOnce imports each pair in two steps and its second file
// at once: the same head.
func TestGrowthInStepsIsAsAtOnce(t *testing.T) {
	pairs := growthPairs(t, corpusDir(t))
	for _, pair := range pairs {
		steps, once := t.TempDir(), t.TempDir()
		first := importCorpus(t, steps, pair[0])
		second := importCorpus(t, steps, pair[1])
		whole := importCorpus(t, once, pair[1])
		if second[0].Outcomes[0].Head != whole[0].Outcomes[0].Head {
			t.Errorf("%s: head in steps %s, at once %s", pair[1], second[0].Outcomes[0].Head, whole[0].Outcomes[0].Head)
		}
		giveBack(t, steps, append(first, second...))
	}
	t.Logf("%d growth pairs", len(pairs))
}

// TestOrdinaryToolsReadSealedSegments: `zstd -dc | jq` over every sealed segment
// gives as many entries as the logs have.
func TestOrdinaryToolsReadSealedSegments(t *testing.T) {
	dir, store := corpusDir(t), t.TempDir()
	importCorpus(t, store, dir)
	segments, err := filepath.Glob(filepath.Join(store, "logs", "*", "*.jsonl.zst"))
	if err != nil || len(segments) == 0 {
		t.Fatalf("no sealed segments in the store (%v)", err)
	}
	var want int64
	var ls struct {
		Logs []struct {
			Size     int64 `json:"size"`
			ForkSize int64 `json:"fork_size"`
		} `json:"logs"`
	}
	if err := json.Unmarshal(ownlog(t, store, "ls", "--assets", "--json"), &ls); err != nil {
		t.Fatal(err)
	}
	for _, l := range ls.Logs {
		want += l.Size - l.ForkSize
	}
	var got int64
	for _, s := range segments {
		out, err := exec.Command("sh", "-c", `zstd -dc "$1" | jq -c 'select(.entry) | .entry.v' | wc -l`, "sh", s).Output()
		if err != nil {
			t.Fatalf("%s: %v", s, err)
		}
		var n int64
		if _, err := fmt.Sscan(string(out), &n); err != nil {
			t.Fatalf("%s: %v", s, err)
		}
		got += n
	}
	if got != want {
		t.Errorf("zstd and jq read %d entries, the logs have %d", got, want)
	}
	t.Logf("zstd -dc | jq: %d entries in %d sealed segments", got, len(segments))
}

// TestKilledImportsGoOn kills imports at random moments; whoever comes next goes
// on, and the heads are those of an undisturbed import.
func TestKilledImportsGoOn(t *testing.T) {
	dir, undisturbed, store := corpusDir(t), t.TempDir(), t.TempDir()
	importCorpus(t, undisturbed, dir)
	whole := storeSize(t, undisturbed)
	rng := rand.New(rand.NewSource(1)) //nolint:gosec // a test wants the same numbers each time
	rounds := 12
	for range rounds {
		cmd := exec.Command(command, "import", "--store", store, dir)
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		done := make(chan struct{})
		go func() {
			defer close(done)
			_ = cmd.Wait() // killed or complete
		}()
		enough := storeSize(t, store) + rng.Int63n(whole/int64(rounds))
		for running := true; running && storeSize(t, store) < enough; {
			select {
			case <-done:
				running = false
			case <-time.After(time.Millisecond):
			}
		}
		if err := cmd.Process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
			t.Fatal(err)
		}
		<-done
	}
	importCorpus(t, store, dir)
	if diff := cmp.Diff(string(ownlog(t, undisturbed, "head")), string(ownlog(t, store, "head"))); diff != "" {
		t.Errorf("heads (-undisturbed +killed %d times):\n%s", rounds, diff)
	}
	ownlog(t, store, "verify")
}

// storeSize is the size of all files of a store that an import may be writing.
func storeSize(t *testing.T, store string) int64 {
	t.Helper()
	size := int64(0)
	err := filepath.WalkDir(store, func(_ string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			var info fs.FileInfo
			if info, err = d.Info(); err == nil {
				size += info.Size()
			}
		}
		if errors.Is(err, fs.ErrNotExist) {
			return nil // gone a moment ago
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return size
}

// TestFlippedBitsAreFound flips bits all over a store's files: verify exits with 1
// and names the file.
func TestFlippedBitsAreFound(t *testing.T) {
	dir, store := corpusDir(t), t.TempDir()
	pair := growthPairs(t, dir)[0]
	importCorpus(t, store, pair[0])
	var files []string
	for _, below := range []string{"logs", "blobs"} {
		err := filepath.WalkDir(filepath.Join(store, below), func(name string, d fs.DirEntry, err error) error {
			if base := filepath.Base(name); err == nil && !d.IsDir() && base != "lock" && base != "lease" {
				files = append(files, name)
			}
			return err
		})
		if err != nil && !os.IsNotExist(err) {
			t.Fatal(err)
		}
	}
	rng := rand.New(rand.NewSource(2)) //nolint:gosec // a test wants the same numbers each time
	flips := 60
	for range flips {
		name := files[rng.Intn(len(files))]
		content, err := os.ReadFile(name)
		if err != nil || len(content) == 0 {
			t.Fatalf("%s: %d bytes, %v", name, len(content), err)
		}
		bit := rng.Intn(8 * len(content))
		content[bit/8] ^= 1 << (bit % 8)
		if err := os.WriteFile(name, content, 0o600); err != nil {
			t.Fatal(err)
		}
		said, err := try(store, "verify")
		var exit *exec.ExitError
		if !errors.As(err, &exit) || exit.ExitCode() != 1 || !bytes.Contains(said, []byte(filepath.Base(name))) {
			t.Errorf("%s, bit %d: verify says %v, %s; want exit 1 and the file's name", name, bit, err, said)
		}
		content[bit/8] ^= 1 << (bit % 8)
		if err := os.WriteFile(name, content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("%d flipped bits found", flips)
}
