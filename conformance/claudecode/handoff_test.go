//go:build conformance

package claudecode

import (
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestHandoffRuns has the command hand a Codex session over and run the real tool,
// which goes on with it: what the tool sends begins with what was said in Codex.
func TestHandoffRuns(t *testing.T) {
	tool := installTool(t)
	home, project, bin := t.TempDir(), t.TempDir(), t.TempDir()
	binary := filepath.Join(bin, "ownlog")
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-o", binary, "github.com/ownlog/ownlog/cmd/ownlog").CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	if err := os.Symlink(tool, filepath.Join(bin, "claude")); err != nil {
		t.Fatal(err)
	}
	p := startProvider(t)
	environment := append(toolEnvironment(home, t.TempDir(), p), "OWNLOG_STORE="+filepath.Join(home, "store"), "ANTHROPIC_MODEL="+askedModel)
	for i, variable := range environment {
		if path, ok := strings.CutPrefix(variable, "PATH="); ok {
			environment[i] = "PATH=" + bin + string(os.PathListSeparator) + path
		}
	}
	command := func(stdin string, args ...string) string {
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
		defer cancel()
		cmd := exec.CommandContext(ctx, binary, args...)
		cmd.Dir, cmd.Env, cmd.Stdin = project, environment, strings.NewReader(stdin)
		// The tool starts processes of its own; they end with its group.
		cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
		cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
		var stdout, stderr bytes.Buffer
		cmd.Stdout, cmd.Stderr = &stdout, &stderr
		if err := cmd.Run(); err != nil {
			t.Fatalf("ownlog %q: %v\n%s%s", args, err, &stdout, &stderr)
		}
		if err := syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL); err != nil && !errors.Is(err, syscall.ESRCH) {
			t.Fatal(err)
		}
		return stdout.String()
	}
	command("", "import", filepath.Join(copyFixtures(t), "codex", "tools"))
	const prompt = "conformance: handed over, go on"
	said := command(prompt, "handoff", "01a2060b-1d63-7932-a52a-d42c5f450146", "--to", "claude-code", "--cwd", project, "--run")
	if !strings.Contains(said, "claude --resume ") || !strings.Contains(said, "Understood.") {
		t.Errorf("the command and the tool say %q", said)
	}
	got := saidOnWire(t, p.sent(t, prompt))
	if len(got) < 5 || !strings.HasPrefix(got[0], "user ") || got[len(got)-1] != "user text "+prompt {
		t.Errorf("the tool sent %q", got)
	}
}
