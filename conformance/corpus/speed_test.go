//go:build conformance && speed

package corpus

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"fmt"
	"io"
	"math/rand"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// usage is what a process took.
type usage struct {
	wall   time.Duration
	cpu    time.Duration // user and system
	memory int64         // bytes at most
}

func (u usage) String() string {
	return fmt.Sprintf("%.2f s of processor, %.2f s of wall time, %d MiB", u.cpu.Seconds(), u.wall.Seconds(), u.memory>>20)
}

// perSecond returns megabytes per second of processor time.
func (u usage) perSecond(bytes int64) float64 { return float64(bytes) / 1e6 / u.cpu.Seconds() }

// measure runs a command and counts what it prints.
func measure(t *testing.T, cmd *exec.Cmd) (u usage, printed int64) {
	t.Helper()
	var stderr bytes.Buffer
	var out counter
	cmd.Stdout, cmd.Stderr = &out, &stderr
	start := time.Now()
	if err := cmd.Run(); err != nil {
		t.Fatalf("%s: %v\n%s", cmd.Args[0], err, &stderr)
	}
	u.wall = time.Since(start)
	u.cpu = cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
	if r, ok := cmd.ProcessState.SysUsage().(*syscall.Rusage); ok {
		u.memory = r.Maxrss << 10 // Linux counts in KiB
	}
	return u, int64(out)
}

type counter int64

func (c *counter) Write(p []byte) (int, error) {
	*c += counter(len(p))
	return len(p), nil
}

// best keeps the run that took the least processor time.
func best(a, b usage) usage {
	if a.cpu == 0 || b.cpu < a.cpu {
		return b
	}
	return a
}

// TestSpeed imports the corpus beside zstd -3 compressing the same files one by
// one, and ccusage 20.0.24 counting the tokens of the Claude Code and Codex
// sessions among them, in turn, and prints what each took; the best of three
// counts:
//
//	OWNLOG_CORPUS=DIR go test -tags 'conformance speed' ./conformance/corpus -run 'TestSpeed$' -v -timeout 1h
//
// It asserts nothing: what is wanted is at least 0.4 of zstd's megabytes per
// second of processor time, and a store of at most 1.15 of the compressed files.
func TestSpeed(t *testing.T) {
	dir := corpusDir(t)
	files, size := sessionFiles(t, dir)
	ccusage, claude, codex := ccusageTree(t, files)
	var ours, zstd, theirs usage
	var compressed, stored int64
	for range 3 {
		store := t.TempDir()
		u, _ := measure(t, exec.Command(command, "import", "--store", store, dir))
		ours, stored = best(ours, u), treeSize(t, store)
		u, compressed = measure(t, exec.Command("zstd", append([]string{"-3", "-q", "-c", "--single-thread"}, files...)...))
		zstd = best(zstd, u)
		count := exec.Command(ccusage, "daily", "--offline", "--json")
		count.Env = append(os.Environ(), "CLAUDE_CONFIG_DIR="+claude, "CODEX_HOME="+codex)
		u, _ = measure(t, count)
		theirs = best(theirs, u)
	}
	t.Logf("%d session files of %d bytes", len(files), size)
	t.Logf("import:  %v: %.1f MB per second of processor", ours, ours.perSecond(size))
	t.Logf("zstd -3: %v: %.1f MB per second of processor", zstd, zstd.perSecond(size))
	t.Logf("ccusage: %v: %.1f MB per second of processor", theirs, theirs.perSecond(size))
	t.Logf("import per zstd -3: %.3f", zstd.cpu.Seconds()/ours.cpu.Seconds())
	t.Logf("store: %d bytes, the files compressed one by one: %d: %.3f", stored, compressed, float64(stored)/float64(compressed))
}

// sessionFiles returns the transcripts of the corpus, as the import finds them.
func sessionFiles(t *testing.T, dir string) (names []string, size int64) {
	t.Helper()
	for _, f := range importCorpus(t, t.TempDir(), dir) {
		if f.Status == "imported" {
			names = append(names, f.Path)
			size += f.Bytes
		}
	}
	return names, size
}

// ccusageTree installs ccusage and lays the sessions out where it looks for them.
func ccusageTree(t *testing.T, files []string) (program, claude, codex string) {
	t.Helper()
	dir := t.TempDir()
	install := exec.Command("npm", "install", "--prefix", dir, "ccusage@20.0.24")
	if out, err := install.CombinedOutput(); err != nil {
		t.Fatalf("npm install: %v\n%s", err, out)
	}
	claude, codex = filepath.Join(dir, "claude"), filepath.Join(dir, "codex")
	for i, f := range files {
		target := filepath.Join(claude, "projects", fmt.Sprintf("p%d", i), filepath.Base(f))
		if strings.Contains(f, "codex") {
			target = filepath.Join(codex, "sessions", "2026", fmt.Sprint(i), filepath.Base(f))
		}
		content, err := os.ReadFile(f)
		if err == nil {
			err = os.MkdirAll(filepath.Dir(target), 0o700)
		}
		if err == nil {
			err = os.WriteFile(target, content, 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return filepath.Join(dir, "node_modules", ".bin", "ccusage"), claude, codex
}

// treeSize adds up the files below a folder.
func treeSize(t *testing.T, dir string) (size int64) {
	t.Helper()
	err := filepath.Walk(dir, func(_ string, st os.FileInfo, err error) error {
		if err == nil && st.Mode().IsRegular() {
			size += st.Size()
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return size
}

// TestMemory imports what is hard to import in little memory, and prints how much
// it took; 256 MiB are wanted:
//
//	OWNLOG_CORPUS=DIR go test -tags 'conformance speed' ./conformance/corpus -run Memory -v -timeout 1h
//
// It makes up to 2 GB of files, one case after the other.
func TestMemory(t *testing.T) {
	for _, c := range []struct {
		name string
		make func(w *bufio.Writer)
	}{
		{"a line of 200 MB", func(w *bufio.Writer) { longLine(w, 200<<20) }},
		{"a line of 30 MB", func(w *bufio.Writer) { longLine(w, 30<<20) }},
		{"a Codex rollout of 1 GB, texts", func(w *bufio.Writer) { rollout(w, 1<<30, func(i int) string { return `"` + prose(i) + `"` }) }},
		{"a Codex rollout of 1 GB, one image", func(w *bufio.Writer) { rollout(w, 1<<30, image()) }},
		{"a Claude Code session of 1 GB", func(w *bufio.Writer) { session(w, 0, 1<<30) }},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			makeFile(t, filepath.Join(dir, "in", "rollout-2026-01-01T00-00-00-01a20609-0000-7000-8000-000000000000.jsonl"), c.make)
			importInMemory(t, dir)
		})
	}
	t.Run("a tree of 2 GB", func(t *testing.T) {
		dir := t.TempDir()
		for i := range 200 {
			makeFile(t, filepath.Join(dir, "in", fmt.Sprintf("s%d.jsonl", i)), func(w *bufio.Writer) { session(w, i, 10<<20) })
		}
		importInMemory(t, dir)
	})
}

func importInMemory(t *testing.T, dir string) {
	t.Helper()
	store := filepath.Join(dir, "store")
	u, _ := measure(t, exec.Command(command, "import", "--store", store, filepath.Join(dir, "in")))
	size := treeSize(t, filepath.Join(dir, "in"))
	t.Logf("%d bytes: %v, %.1f MB per second of processor, %d bytes stored", size, u, u.perSecond(size), treeSize(t, store))
}

// TestUnchanged imports 1,000 sessions, and then again without a change; 0.3 s
// are wanted for the second time:
//
//	OWNLOG_CORPUS=DIR go test -tags 'conformance speed' ./conformance/corpus -run Unchanged -v
func TestUnchanged(t *testing.T) {
	dir := t.TempDir()
	for i := range 1000 {
		makeFile(t, filepath.Join(dir, "in", fmt.Sprintf("s%d.jsonl", i)), func(w *bufio.Writer) { session(w, i, 20<<10) })
	}
	args := []string{"import", "--store", filepath.Join(dir, "store"), filepath.Join(dir, "in")}
	first, _ := measure(t, exec.Command(command, args...))
	again, _ := measure(t, exec.Command(command, args...))
	t.Logf("1,000 sessions: %v; unchanged: %v", first, again)
}

func makeFile(t *testing.T, name string, fill func(w *bufio.Writer)) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
		t.Fatal(err)
	}
	f, err := os.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	w := bufio.NewWriterSize(f, 1<<20)
	fill(w)
	if err := w.Flush(); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
}

// longLine writes a session one record of which is that long.
func longLine(w io.Writer, size int) {
	fmt.Fprintf(w, `{"type":"user","uuid":"u1","parentUuid":null,"sessionId":"00000000-0000-4000-8000-000000000000","cwd":"/p","message":{"role":"user","content":"`)
	for n := 0; n < size; n += 1 << 20 {
		for block := range 8 {
			fmt.Fprint(w, prose(n+block))
		}
	}
	fmt.Fprintln(w, `"}}`)
	fmt.Fprintln(w, `{"type":"assistant","uuid":"u2","parentUuid":"u1","sessionId":"00000000-0000-4000-8000-000000000000","cwd":"/p","message":{"id":"m1","role":"assistant","content":[{"type":"text","text":"done"}]}}`)
}

// rollout writes a Codex rollout of about that size with outputs of 100 KB and more.
func rollout(w io.Writer, size int, output func(i int) string) {
	fmt.Fprintln(w, `{"timestamp":"2026-01-01T00:00:00Z","type":"session_meta","payload":{"id":"01a20609-0000-7000-8000-000000000000","cwd":"/p","cli_version":"0.169.0","model_provider":"openai"}}`)
	for n, i := 0, 0; n < size; i++ {
		call := fmt.Sprintf(`{"timestamp":"2026-01-01T00:00:01Z","type":"response_item","payload":{"type":"function_call","name":"view","arguments":"{}","call_id":"c%d"}}`, i)
		out := output(i)
		answer := fmt.Sprintf(`{"timestamp":"2026-01-01T00:00:02Z","type":"response_item","payload":{"type":"function_call_output","call_id":"c%d","output":%s}}`, i, out)
		n += len(call) + len(answer) + 2
		fmt.Fprintln(w, call)
		fmt.Fprintln(w, answer)
	}
}

// prose returns 128 KiB of words, others for each number.
func prose(number int) string { return words(number, 128<<10) }

// words returns so many bytes of words, others for each number.
func words(number, size int) string {
	rng := rand.New(rand.NewSource(int64(number))) //nolint:gosec // the same words each time
	var b strings.Builder
	for b.Len() < size {
		word := rng.Int63()
		for range 2 + word%8 {
			b.WriteByte(byte('a' + word%26))
			word /= 7
		}
		b.WriteByte(' ')
	}
	return b.String()[:size]
}

// image returns the output of a tool that always shows the same picture.
func image() func(int) string {
	picture := make([]byte, 700<<10)
	rand.New(rand.NewSource(1)).Read(picture) //nolint:gosec // the same picture each time
	out := `[{"type":"input_image","image_url":"data:image/png;base64,` + base64.StdEncoding.EncodeToString(picture) + `"}]`
	return func(int) string { return out }
}

// session writes a Claude Code session of about that size with results of a few
// kilobytes.
func session(w io.Writer, number, size int) {
	parent := "null"
	for n, i := 0, 0; n < size; i++ {
		head := func(typ, id string) string {
			h := fmt.Sprintf(`{"type":%q,"uuid":%q,"parentUuid":%s,"sessionId":"00000000-0000-4000-8000-%012d","cwd":"/p","version":"2.1.330","timestamp":"2026-01-01T00:00:00.000Z"`, typ, id, parent, number)
			parent = `"` + id + `"`
			return h
		}
		lines := []string{
			head("assistant", fmt.Sprintf("a%d", i)) + fmt.Sprintf(`,"message":{"id":"m%d","role":"assistant","content":[{"type":"tool_use","id":"t%d","name":"Read","input":{"path":"/p/%d"}}]}}`, i, i, i),
			head("user", fmt.Sprintf("u%d", i)) + fmt.Sprintf(`,"message":{"role":"user","content":[{"type":"tool_result","tool_use_id":"t%d","content":%s}]}}`, i, `"`+words(i, 4<<10)+`"`),
		}
		if i == 0 {
			lines = append([]string{head("user", "first") + `,"message":{"role":"user","content":"go"}}`}, lines...)
		}
		for _, l := range lines {
			n += len(l) + 1
			fmt.Fprintln(w, l)
		}
	}
}
