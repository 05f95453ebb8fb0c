package tool

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"regexp"
	"sync"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/ownlog/ownlog/schema"
)

// Shell runs a command in the working directory. It is not confined; see the
// package documentation.
type Shell struct{}

// Definition implements [Tool].
func (Shell) Definition() schema.ToolDefinition {
	return definition("shell", "Run a shell command in the working directory and return its output, standard error included.",
		`{"type":"object","properties":{"command":{"type":"string","description":"The command line."},"timeout_ms":{"type":"integer","description":"The longest it may take, in milliseconds."}},"required":["command"]}`,
		schema.EffectEffectful)
}

// Run implements [Tool].
func (Shell) Run(ctx context.Context, call Call) (Result, error) {
	in, problem := arguments(call)
	if problem != "" {
		return errorResult(problem), nil
	}
	argv := shellCommand(in.Cmd)
	var line string
	var words []string
	switch in.Command.Kind() {
	case '"':
		if json.Unmarshal(in.Command, &line) == nil {
			argv = shellCommand(line)
		}
	case '[':
		if json.Unmarshal(in.Command, &words) == nil {
			argv = words
		}
	}
	dir := ""
	if in.Workdir != "" && call.Workspace != nil {
		if dir, problem = inside(call.Workspace, in.Workdir); problem != "" {
			return errorResult(problem), nil
		}
		if _, err := call.Workspace.root.Stat(dir); err != nil { // a symbolic link may lead elsewhere
			return fileError(in.Workdir, err), nil
		}
	}
	if patch, ok := patchCommand(argv); ok {
		return applyPatch(call.Workspace, patch), nil
	}
	limit := time.Duration(max(number(in.Timeout), number(in.TimeoutMS))) * time.Millisecond
	return runCommand(ctx, call, argv, dir, limit), nil
}

// heredoc is a command line that gives apply_patch its patch.
var heredoc = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`(?s)^\s*(?:apply_patch|applypatch)\s*<<\s*(['"]?)(\w+)(['"]?)\n(.*)\n(\w+)\s*$`)
})

// patchCommand returns the patch of a command that is apply_patch: Codex takes
// such commands for calls of that tool, and there is no program of that name.
func patchCommand(argv []string) (patch string, ok bool) {
	if len(argv) == 2 && (argv[0] == "apply_patch" || argv[0] == "applypatch") {
		return argv[1], true
	}
	if len(argv) != 3 || argv[1] != "-c" && argv[1] != "-lc" {
		return "", false
	}
	m := heredoc().FindStringSubmatch(argv[2])
	if m == nil || m[1] != m[3] || m[2] != m[5] {
		return "", false
	}
	return m[4], true
}

// WriteInput stands for the way to feed a process that an earlier call left
// running. None is: commands run to their end, within the call's limits.
type WriteInput struct{}

// Definition implements [Tool].
func (WriteInput) Definition() schema.ToolDefinition {
	return definition("write_stdin", "Write to a process that is still running. Commands run to their end here, so there is none.",
		`{"type":"object","properties":{"session_id":{"type":"number"},"chars":{"type":"string"}},"required":["session_id"]}`, schema.EffectReadonly)
}

// Run implements [Tool].
func (WriteInput) Run(_ context.Context, call Call) (Result, error) {
	in, problem := arguments(call)
	if problem != "" {
		return errorResult(problem), nil
	}
	return errorResult(fmt.Sprintf("There is no running process %s. Commands run to their end before their call returns; run the command again, with its input in it.",
		clip(printable(in.Session), 40))), nil
}

// runCommand runs a command in dir of the working directory, with the call's
// limits and for at most limit, if that is positive.
func runCommand(ctx context.Context, call Call, argv []string, dir string, limit time.Duration) Result {
	if call.Workspace == nil {
		return errorResult("There is no working directory to run commands in.")
	}
	if len(argv) == 0 || argv[0] == "" {
		return errorResult("There is no command to run.")
	}
	most := call.Limits.time()
	if limit > 0 && limit < most {
		most = limit
	}
	under, cancel := context.WithTimeout(ctx, most)
	defer cancel()
	cmd := exec.CommandContext(under, argv[0], argv[1:]...)
	cmd.Dir = filepath.Join(call.Workspace.Dir(), dir)
	out := &tailBuffer{limit: 2 * call.Limits.output()}
	cmd.Stdout, cmd.Stderr = out, out
	cmd.WaitDelay = time.Second // a grandchild may hold the pipes open
	ownGroup(cmd)
	err := cmd.Run()
	text := clip(printable(out.bytes()), call.Limits.output())
	res := Result{Status: schema.StatusOK}
	var exit *exec.ExitError
	switch {
	case ctx.Err() != nil:
		res.Status = schema.StatusCancelled
	case under.Err() != nil:
		res.Status = schema.StatusTimeout
		text += fmt.Sprintf("\n[stopped after %s]", most)
	case errors.As(err, &exit):
		res.Status = schema.StatusError
		res.ExitCode = schema.Int(int64(exit.ExitCode()))
		text += fmt.Sprintf("\n[exit code %d]", exit.ExitCode())
	case err != nil && !errors.Is(err, exec.ErrWaitDelay):
		return errorResult("The command could not be run: " + err.Error())
	default:
		res.ExitCode = schema.Int(0)
	}
	res.Content = []schema.Part{schema.TextPart(text)}
	return res
}

// tailBuffer keeps the first and the last part of what is written, so that a
// command cannot fill the memory.
type tailBuffer struct {
	mu    sync.Mutex
	limit int
	head  bytes.Buffer
	tail  []byte
	lost  int64
}

func (b *tailBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	n := len(p)
	if room := b.limit - b.head.Len(); room > 0 {
		k := min(room, len(p))
		b.head.Write(p[:k])
		p = p[k:]
	}
	b.tail = append(b.tail, p...)
	if over := len(b.tail) - b.limit; over > 0 {
		b.lost += int64(over)
		b.tail = append(b.tail[:0], b.tail[over:]...)
	}
	return n, nil
}

func (b *tailBuffer) bytes() []byte {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.lost == 0 {
		return append(bytes.Clone(b.head.Bytes()), b.tail...)
	}
	out := bytes.Clone(b.head.Bytes())
	out = fmt.Appendf(out, "\n[... %d bytes left out ...]\n", b.lost)
	return append(out, b.tail...)
}
