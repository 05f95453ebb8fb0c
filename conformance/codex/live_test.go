//go:build conformance

package codex

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/google/go-cmp/cmp"

	"github.com/ownlog/ownlog/convert"
	"github.com/ownlog/ownlog/convert/codex"
	"github.com/ownlog/ownlog/format"
	"github.com/ownlog/ownlog/schema"
)

// TestImportUnderTheLiveWriter imports a session while the real tool waits for its
// provider in the middle of it: nothing in the tool's home changes, no file comes
// or goes, and the tool goes on and ends as if nobody had looked. What it adds is
// appended by the next import.
func TestImportUnderTheLiveWriter(t *testing.T) {
	tool := newCLI(t, installedCLIs(t)[0], false)
	asked, goOn := tool.hold()
	defer goOn()
	ctx, cancel := context.WithTimeout(t.Context(), cliPatience)
	defer cancel()
	cmd := exec.CommandContext(ctx, tool.command, "exec", "--skip-git-repo-check", "the first words")
	cmd.Dir, cmd.Env = tool.cwd, tool.env
	cmd.WaitDelay = 5 * time.Second
	var out strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	select {
	case <-asked:
	case err := <-ended:
		t.Fatalf("the tool ended before it asked its provider: %v\n%s", err, &out)
	}
	locks, err := filepath.Glob(filepath.Join(tool.home, "thread-writer-locks", "*"))
	if err != nil || len(locks) == 0 {
		t.Errorf("the tool holds no lock, %v; the test proves less than it says", err)
	}
	before := settled(t, tool.home)

	live := &imported{store: new(format.MemStore), imports: convert.OpenImports("")}
	first := live.importHome(t, tool.home)
	if diff := cmp.Diff(before, listing(t, tool.home)); diff != "" {
		t.Errorf("the tool's home (-before the import +after):\n%s", diff)
	}
	if first == nil || first.Status != convert.OutcomeNew {
		t.Fatalf("the running session became %+v", first)
	}

	goOn()
	if err := <-ended; err != nil {
		t.Errorf("the tool: %v\n%s", err, &out)
	}
	second := live.importHome(t, tool.home)
	if second == nil || second.Status != convert.OutcomeGrown || second.Log != first.Log || second.Head.Size <= first.Head.Size {
		t.Fatalf("the ended session became %+v, the running one was %+v", second, first)
	}
	sum := sha256.Sum256(live.export(t, *second))
	if hex.EncodeToString(sum[:]) != second.SHA256 {
		t.Error("not the bytes that the tool wrote")
	}
	t.Logf("%d entries while the tool ran, %d when it had ended; %d files of its home as they were", first.Head.Size, second.Head.Size, len(before))
}

// importHome imports a home and returns what became of its one session.
func (in *imported) importHome(t *testing.T, home string) (session *convert.Outcome) {
	t.Helper()
	_, err := convert.Import(t.Context(), in.store, in.imports, convert.NewRegistry(codex.Vendor{}), convert.ImportOptions{
		Roots: []string{home},
		Progress: func(r convert.FileResult) {
			if r.Status == convert.FileFailed {
				t.Errorf("%s: %v", r.Path, r.Err)
			}
			for _, o := range r.Outcomes {
				if o.Name.Kind == convert.LogSession {
					session = &o
				}
			}
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	return session
}

// listing names the files of a folder, with size, time and number.
func listing(t *testing.T, dir string) (files []string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		inode := uint64(0)
		if st, ok := info.Sys().(*syscall.Stat_t); ok {
			inode = st.Ino
		}
		files = append(files, fmt.Sprintf("%s %v %d bytes, %s, inode %d", name, info.Mode(), info.Size(), info.ModTime().Format(time.RFC3339Nano), inode))
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// settled waits until a folder has been the same for a while and lists it: the tool
// writes a little behind its requests.
func settled(t *testing.T, dir string) []string {
	t.Helper()
	last, same := listing(t, dir), 0
	for end := time.Now().Add(time.Minute); time.Now().Before(end); {
		time.Sleep(200 * time.Millisecond)
		now := listing(t, dir)
		if same++; !slices.Equal(last, now) {
			same = 0
		}
		if last = now; same == 10 {
			return now
		}
	}
	t.Fatalf("%s goes on changing", dir)
	return nil
}

// TestLongOutputsAreSentWhole: an output longer than the tool sends of its own is
// sent whole, as the export raises the limit of its record.
func TestLongOutputsAreSentWhole(t *testing.T) {
	store := new(format.MemStore)
	log := format.NewLogID()
	long := strings.Repeat("0123456789abcde\n", 20_000)
	ev := func(step int64, kind schema.ActorKind, data schema.Data) *schema.Event {
		return &schema.Event{Time: "2026-11-24T00:00:00Z", Actor: schema.Actor{Kind: kind}, Turn: 1, Step: step, Data: data}
	}
	blob := convert.NewBlob([]byte(long), "text/plain")
	if _, _, err := store.PutBlob(t.Context(), strings.NewReader(long)); err != nil {
		t.Fatal(err)
	}
	var entries [][]byte
	for _, e := range []*schema.Event{
		ev(0, schema.ActorUser, &schema.UserMessage{Origin: schema.OriginTyped, Content: []schema.Part{schema.TextPart("print it all")}}),
		ev(1, schema.ActorModel, &schema.ModelOutput{Provider: "acme", Blocks: []schema.Block{
			{Type: schema.BlockToolCall, CallKey: "1/1/0", Name: "print", Kind: schema.CallFunction, Args: jsontext.Value(`{}`)},
		}}),
		ev(1, schema.ActorTool, &schema.ToolResult{CallKey: "1/1/0", Status: schema.StatusOK, Content: []schema.Part{{Type: schema.PartText, Text: schema.Text{Blob: &blob.Ref, Set: true}}}}),
		ev(2, schema.ActorModel, &schema.ModelOutput{Provider: "acme", Blocks: []schema.Block{{Type: schema.BlockText, Text: schema.String("Done.")}}}),
	} {
		b, err := schema.Encode(nil, e)
		if err != nil {
			t.Fatal(err)
		}
		entries = append(entries, b)
	}
	if _, err := store.Append(t.Context(), log, 0, entries); err != nil {
		t.Fatal(err)
	}
	tool := newCLI(t, installedCLIs(t)[0], false)
	rollout := exportTo(t, &imported{store: store, imports: convert.OpenImports("")}, log, tool.home, map[string]string{codex.OptionProvider: "mock"})
	content, err := os.ReadFile(rollout)
	if err != nil {
		t.Fatal(err)
	}
	thread, _ := written(t, content)
	for _, item := range tool.resume(t, thread, "please go on") {
		if item["type"] == "function_call_output" {
			if item["output"] != long {
				t.Errorf("%d characters were sent of %d", len(fmt.Sprint(item["output"])), len(long))
			}
			return
		}
	}
	t.Error("no output was sent")
}
