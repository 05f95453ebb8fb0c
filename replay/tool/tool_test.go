package tool_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/ownlog/ownlog/replay/tool"
	"github.com/ownlog/ownlog/schema"
)

// bench is a working directory, beside a secret that no tool may reach.
type bench struct {
	t      *testing.T
	dir    string
	secret string
	w      *tool.Workspace
	limits tool.Limits
}

func newBench(t *testing.T) *bench {
	top := t.TempDir()
	b := &bench{t: t, dir: filepath.Join(top, "work"), secret: filepath.Join(top, "secret.txt")}
	if err := os.Mkdir(b.dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(b.secret, []byte("SECRET"), 0o600); err != nil {
		t.Fatal(err)
	}
	w, err := tool.OpenWorkspace(b.dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { w.Close() })
	b.w = w
	return b
}

func (b *bench) file(name, content string) {
	b.t.Helper()
	path := filepath.Join(b.dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		b.t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		b.t.Fatal(err)
	}
}

func (b *bench) content(name string) string {
	b.t.Helper()
	content, err := os.ReadFile(filepath.Join(b.dir, name))
	if err != nil {
		b.t.Fatal(err)
	}
	return string(content)
}

func (b *bench) run(name string, args any) (schema.Status, string, tool.Result) {
	b.t.Helper()
	return b.runIn(b.t.Context(), name, args)
}

func (b *bench) runIn(ctx context.Context, name string, args any) (schema.Status, string, tool.Result) {
	b.t.Helper()
	call := tool.Call{Name: name, Workspace: b.w, Limits: b.limits}
	if text, ok := args.(string); ok {
		call.Text = text
	} else {
		raw, err := json.Marshal(args)
		if err != nil {
			b.t.Fatal(err)
		}
		call.Args = jsontext.Value(raw)
	}
	t, ok := tool.Known().Lookup(name)
	if !ok {
		b.t.Fatalf("no tool %q", name)
	}
	res, err := t.Run(ctx, call)
	if err != nil {
		b.t.Fatalf("%s: %v", name, err)
	}
	var text strings.Builder
	for _, p := range res.Content {
		text.WriteString(p.Text.Inline)
	}
	return res.Status, text.String(), res
}

type object = map[string]any

func TestFilesStayInside(t *testing.T) {
	b := newBench(t)
	if err := os.Symlink(b.secret, filepath.Join(b.dir, "link")); err != nil {
		t.Skipf("no symbolic links here: %v", err)
	}
	if err := os.Symlink(filepath.Dir(b.secret), filepath.Join(b.dir, "up")); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{"../secret.txt", b.secret, "link", "up/secret.txt", "x/../../secret.txt", "", "/etc/passwd"} {
		for name, args := range map[string]object{
			"read":        {"path": path},
			"Read":        {"file_path": path},
			"write":       {"path": path, "content": "x"},
			"edit":        {"path": path, "old_string": "SECRET", "new_string": "x"},
			"search":      {"pattern": "SECRET", "path": path},
			"list":        {"path": path},
			"apply_patch": {"input": "*** Begin Patch\n*** Delete File: " + path + "\n*** End Patch"},
		} {
			status, text, _ := b.run(name, args)
			if strings.Contains(text, "SECRET") && !strings.Contains(path, "SECRET") {
				t.Errorf("%s %q shows the secret: %s", name, path, text)
			}
			if path != "" && path != "link" && status == schema.StatusOK && !strings.Contains(text, "nothing found") {
				t.Errorf("%s %q: %s %s", name, path, status, text)
			}
		}
	}
	if got, err := os.ReadFile(b.secret); err != nil || string(got) != "SECRET" {
		t.Errorf("the secret is now %q, %v", got, err)
	}
}

func TestRead(t *testing.T) {
	b := newBench(t)
	b.file("a.txt", "one\ntwo\nthree\nfour\n")
	b.file("pic.png", "\x89PNG\r\n\x1a\n....")
	b.file("long.txt", strings.Repeat("y", 1<<20)+"\nlast\n")
	tests := []struct {
		name string
		args object
		want []string
		not  string
	}{
		{"read", object{"path": "a.txt"}, []string{"     1\tone", "     4\tfour"}, "     5"},
		{"Read", object{"file_path": filepath.Join(b.dir, "a.txt"), "offset": 2, "limit": 1}, []string{"     2\ttwo"}, "three"},
		{"read", object{"filePath": "a.txt", "offset": "3"}, []string{"     3\tthree"}, "two"},
		{"read", object{"path": "missing"}, []string{"missing: no such file"}, ""},
		{"read", object{"path": "a.txt", "offset": 9}, []string{"no lines there"}, ""},
		{"read", object{"path": "long.txt", "offset": 2}, []string{"last"}, "yyyy"},
	}
	for _, tt := range tests {
		_, text, _ := b.run(tt.name, tt.args)
		for _, want := range tt.want {
			if !strings.Contains(text, want) {
				t.Errorf("%s %v: %q lacks %q", tt.name, tt.args, text, want)
			}
		}
		if tt.not != "" && strings.Contains(text, tt.not) {
			t.Errorf("%s %v: %q has %q", tt.name, tt.args, text, tt.not)
		}
	}
	if _, _, res := b.run("read", object{"path": "pic.png"}); len(res.Images) != 1 || res.Images[0].Media != "image/png" {
		t.Errorf("an image was not shown as one: %+v", res)
	}
	b.limits.Output = 100
	if _, text, _ := b.run("read", object{"path": "long.txt"}); len(text) > 300 {
		t.Errorf("%d bytes of output, limit 100", len(text))
	}
}

func TestWriteAndEdit(t *testing.T) {
	b := newBench(t)
	status, _, res := b.run("write", object{"path": "d/e/f.txt", "content": "a b a"})
	if status != schema.StatusOK || b.content("d/e/f.txt") != "a b a" || len(res.Files) != 1 || res.Files[0].Change != "add" {
		t.Fatalf("write: %s %+v", status, res)
	}
	tests := []struct {
		name   string
		args   object
		status schema.Status
		want   string
	}{
		{"edit", object{"path": "d/e/f.txt", "old_string": "a", "new_string": "c"}, schema.StatusError, "a b a"},
		{"edit", object{"path": "d/e/f.txt", "old_string": "z", "new_string": "c"}, schema.StatusError, "a b a"},
		{"edit", object{"filePath": "d/e/f.txt", "oldString": "b", "newString": "B"}, schema.StatusOK, "a B a"},
		{"Edit", object{"file_path": "d/e/f.txt", "old_string": "a", "new_string": "x", "replace_all": true}, schema.StatusOK, "x B x"},
		{"MultiEdit", object{"file_path": "d/e/f.txt", "edits": []object{{"old_string": "B", "new_string": "1"}, {"old_string": "missing", "new_string": "2"}}}, schema.StatusError, "x B x"},
		{"MultiEdit", object{"file_path": "d/e/f.txt", "edits": []object{{"old_string": "B", "new_string": "1"}, {"old_string": "1", "new_string": "2"}}}, schema.StatusOK, "x 2 x"},
	}
	for _, tt := range tests {
		status, text, _ := b.run(tt.name, tt.args)
		if status != tt.status || b.content("d/e/f.txt") != tt.want {
			t.Errorf("%s %v: %s %q, the file holds %q, want %s and %q", tt.name, tt.args, status, text, b.content("d/e/f.txt"), tt.status, tt.want)
		}
	}
	if leftovers, _ := filepath.Glob(filepath.Join(b.dir, "d/e/.tmp-*")); len(leftovers) > 0 {
		t.Errorf("left behind: %v", leftovers)
	}
}

func TestPatch(t *testing.T) {
	b := newBench(t)
	b.file("one.txt", "a\nb\nc\nd\n")
	b.file("gone.txt", "x\n")
	b.file("old.txt", "p\nq  \n")
	patch := strings.Join([]string{
		"*** Begin Patch",
		"*** Add File: new/n.txt", "+hello", "+world",
		"*** Update File: one.txt", "@@ a", "-b", "+B", " c", "@@", "+e", "*** End of File",
		"*** Delete File: gone.txt",
		"*** Update File: old.txt", "*** Move to: moved.txt", "@@", " p", "-q", "+Q",
		"*** End Patch",
	}, "\n")
	if status, text, res := b.run("apply_patch", patch); status != schema.StatusOK || len(res.Files) != 5 {
		t.Fatalf("%s %s %+v", status, text, res.Files)
	}
	for name, want := range map[string]string{"new/n.txt": "hello\nworld\n", "one.txt": "a\nB\nc\nd\ne\n", "moved.txt": "p\nQ\n"} {
		if got := b.content(name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	for _, name := range []string{"gone.txt", "old.txt"} {
		if _, err := os.Stat(filepath.Join(b.dir, name)); err == nil {
			t.Errorf("%s is still there", name)
		}
	}
	// As OpenCode calls it, and as older versions of Codex do, as a command.
	again := "*** Begin Patch\n*** Update File: moved.txt\n@@\n-%s\n+%s\n*** End Patch"
	for i, call := range []struct {
		name string
		args func(patch string) object
	}{
		{"apply_patch", func(patch string) object { return object{"patchText": patch} }},
		{"apply_patch", func(patch string) object { return object{"input": patch} }},
		{"shell", func(patch string) object { return object{"command": []string{"apply_patch", patch}} }},
		{"shell", func(patch string) object {
			return object{"command": []string{"bash", "-lc", "apply_patch <<'EOF'\n" + patch + "\nEOF\n"}}
		}},
	} {
		from, to := fmt.Sprint("Q", i), fmt.Sprint("Q", i+1)
		if i == 0 {
			from = "Q"
		}
		if status, text, _ := b.run(call.name, call.args(fmt.Sprintf(again, from, to))); status != schema.StatusOK || b.content("moved.txt") != "p\n"+to+"\n" {
			t.Errorf("%s, way %d: %s %s, the file holds %q", call.name, i, status, text, b.content("moved.txt"))
		}
	}
	before := b.content("one.txt")
	for _, bad := range []string{
		"", "*** Begin Patch\n*** End Patch", "*** Begin Patch\nx\n*** End Patch",
		"*** Begin Patch\n*** Update File: one.txt\n@@\n-a\n+A\n*** Update File: one.txt\n@@\n-nowhere\n*** End Patch",
		"*** Begin Patch\n*** Update File: one.txt\n@@ nowhere\n-a\n*** End Patch",
		"*** Begin Patch\n*** Add File: ../out.txt\n+x\n*** End Patch",
	} {
		if status, text, _ := b.run("apply_patch", object{"input": bad}); status != schema.StatusError {
			t.Errorf("patch %q: %s %s", bad, status, text)
		}
	}
	if got := b.content("one.txt"); got != before {
		t.Errorf("a bad patch changed one.txt to %q", got)
	}
}

func TestLookingAround(t *testing.T) {
	b := newBench(t)
	b.file("a.go", "package a\nfunc Hello() {}\n")
	b.file("sub/b.go", "package b\nfunc hello() {}\n")
	b.file("sub/deep/c.txt", "hello\n")
	b.file(".git/config", "hello\n")
	b.file("bin", "\x00\x01hello\n")
	tests := []struct {
		name string
		args object
		want string
	}{
		{"list", object{}, ".git/\na.go (26 bytes)\nbin (8 bytes)\nsub/\n"},
		{"find", object{"pattern": "**/*.go"}, "a.go\nsub/b.go"},
		{"Glob", object{"pattern": "*.go"}, "a.go"},
		{"glob", object{"pattern": "**/*.{go,txt}", "path": "sub"}, "sub/b.go\nsub/deep/c.txt"},
		{"search", object{"pattern": "hello"}, "sub/b.go:2:func hello() {}\nsub/deep/c.txt:1:hello"},
		{"Grep", object{"pattern": "HELLO", "-i": true, "glob": "*.go", "output_mode": "files_with_matches"}, "a.go\nsub/b.go"},
		{"grep", object{"pattern": "hello", "include": "*.txt"}, "sub/deep/c.txt:1:hello"},
		{"Grep", object{"pattern": "hello"}, "sub/b.go\nsub/deep/c.txt"},
		{"Grep", object{"pattern": "hello", "output_mode": "content", "-n": true, "-B": 1, "type": "go"}, "sub/b.go-1-package b\nsub/b.go:2:func hello() {}"},
		{"Grep", object{"pattern": "package", "output_mode": "content", "-A": 3}, "a.go:1:package a\na.go-2-func Hello() {}\nsub/b.go:1:package b\nsub/b.go-2-func hello() {}"},
		{"Grep", object{"pattern": "hello", "output_mode": "count", "-C": 2}, "sub/b.go:1\nsub/deep/c.txt:1"},
		{"Grep", object{"pattern": "x", "type": "klingon"}, "The type of files is not known; use a glob."},
		{"search", object{"pattern": "nowhere"}, "[nothing found]"},
		{"search", object{"pattern": "("}, "The pattern is not a regular expression."},
		{"search", object{"pattern": "x", "path": "missing"}, "missing: file does not exist"},
	}
	for _, tt := range tests {
		_, text, _ := b.run(tt.name, tt.args)
		if text != tt.want && !(tt.name == "search" && tt.args["path"] == "missing" && strings.HasPrefix(text, "missing: ")) {
			t.Errorf("%s %v:\n got %q\nwant %q", tt.name, tt.args, text, tt.want)
		}
	}
}

func TestShell(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("needs a POSIX shell")
	}
	b := newBench(t)
	b.limits = tool.Limits{Time: 5 * time.Second, Output: 1000}
	b.file("sub/here", "")
	tests := []struct {
		name   string
		args   object
		status schema.Status
		want   string
	}{
		{"shell", object{"command": "echo out; echo err >&2"}, schema.StatusOK, "out\nerr\n"},
		{"Bash", object{"command": "exit 3"}, schema.StatusError, "\n[exit code 3]"},
		{"exec_command", object{"cmd": "ls", "workdir": "sub"}, schema.StatusOK, "here\n"},
		{"shell", object{"command": []string{"printf", "%s|", "a b", "c"}}, schema.StatusOK, "a b|c|"},
		{"exec_command", object{"cmd": "ls", "workdir": "../.."}, schema.StatusError, "../.. is outside the working directory."},
		{"bash", object{"command": "sleep 30", "timeout": 50}, schema.StatusTimeout, "\n[stopped after 50ms]"},
		{"write_stdin", object{"session_id": 12, "chars": "y\n"}, schema.StatusError, "There is no running process 12. Commands run to their end before their call returns; run the command again, with its input in it."},
		{"shell", object{"command": 7}, schema.StatusError, "There is no command to run."},
	}
	for _, tt := range tests {
		status, text, _ := b.run(tt.name, tt.args)
		if status != tt.status || text != tt.want {
			t.Errorf("%s %v: %s %q, want %s %q", tt.name, tt.args, status, text, tt.status, tt.want)
		}
	}
	_, text, _ := b.run("shell", object{"command": "yes | head -c 3000000"})
	if len(text) > 1200 || !strings.Contains(text, "left out") {
		t.Errorf("%d bytes of output, limit 1000", len(text))
	}
}

func TestVocabulariesAreComplete(t *testing.T) {
	known := tool.Known()
	for _, vendor := range []string{tool.VendorClaudeCode, tool.VendorCodex, tool.VendorOpenCode, ""} {
		for _, d := range tool.Vocabulary(vendor).Definitions() {
			if _, ok := known.Lookup(d.Name); !ok {
				t.Errorf("%s: %s is not known", vendor, d.Name)
			}
			if d.VendorType == "" {
				var s struct {
					Type string `json:"type"`
				}
				if err := json.Unmarshal(d.Schema, &s); err != nil || s.Type != "object" {
					t.Errorf("%s: the schema of %s is no object's: %v", vendor, d.Name, err)
				}
			}
			if d.Effect == "" || d.Description == "" {
				t.Errorf("%s: %s lacks an effect or a description", vendor, d.Name)
			}
		}
	}
}

func TestHostileArguments(t *testing.T) {
	b := newBench(t)
	for _, d := range tool.Known().Definitions() {
		for _, raw := range []string{`{}`, `{"path":null}`, `{"path":{"a":1}}`, `{"command":null,"cmd":""}`, `{"offset":-5,"limit":1e300,"path":"x"}`, `{"pattern":"[","path":"\u0000"}`, `{"edits":[{}],"path":"x"}`} {
			tl, _ := tool.Known().Lookup(d.Name)
			for _, call := range []tool.Call{
				{Args: jsontext.Value(raw), Workspace: b.w},
				{Args: jsontext.Value(raw)},
				{Text: raw, Workspace: b.w},
			} {
				res, err := tl.Run(t.Context(), call)
				if err != nil || res.Content == nil && len(res.Images) == 0 {
					t.Errorf("%s %s: %+v, %v", d.Name, raw, res, err)
				}
			}
		}
	}
	if entries, err := os.ReadDir(b.dir); err != nil || len(entries) > 1 {
		t.Errorf("left in the working directory: %v, %v", fmt.Sprint(entries), err)
	}
}

// counted is a tool that says how many of its calls run at once.
type counted struct{ now, most *atomic.Int64 }

func (counted) Definition() schema.ToolDefinition { return schema.ToolDefinition{Name: "counted"} }

func (c counted) Run(context.Context, tool.Call) (tool.Result, error) {
	n := c.now.Add(1)
	defer c.now.Add(-1)
	for {
		most := c.most.Load()
		if n <= most || c.most.CompareAndSwap(most, n) {
			break
		}
	}
	runtime.Gosched()
	return tool.Result{}, nil
}

// The names of one tool share its limit.
func TestLimitOfATool(t *testing.T) {
	c := counted{new(atomic.Int64), new(atomic.Int64)}
	set := tool.NewSet(c)
	set.Add("alias", c)
	if set.Limit("unknown", 1) {
		t.Error("an unknown tool was limited")
	}
	if !set.Limit("counted", 2) {
		t.Fatal("the tool was not limited")
	}
	var wg sync.WaitGroup
	for i := range 200 {
		wg.Go(func() {
			one, _ := set.Lookup([]string{"counted", "alias"}[i%2])
			if _, err := one.Run(t.Context(), tool.Call{}); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if most := c.most.Load(); most > 2 {
		t.Errorf("%d calls ran at once, want at most 2", most)
	}
	known := tool.Known()
	if !known.Limit("shell", 1) {
		t.Fatal("no shell")
	}
	for _, name := range []string{"shell", "Bash", "exec_command", "bash"} {
		if one, ok := known.Lookup(name); !ok || !strings.Contains(fmt.Sprintf("%T", one), "limited") {
			t.Errorf("%s is not limited with the shell: %T", name, one)
		}
	}
}
