//go:build conformance

package claudecode

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// The pinned tool: version 2.1.330 of the command line tool.
const (
	toolPackage = "@anthropic-ai/claude-agent-sdk-linux-"
	toolVersion = "0.3.330"
)

// olderPackage is what older versions are packed in.
const olderPackage = "@anthropic-ai/claude-code-linux-"

// toolArch is the processor in names of the tool's packages.
func toolArch(t *testing.T) string {
	t.Helper()
	arch := map[string]string{"amd64": "x64", "arm64": "arm64"}[runtime.GOARCH]
	if runtime.GOOS != "linux" || arch == "" {
		t.Fatalf("the pinned tool is not packaged for %s/%s", runtime.GOOS, runtime.GOARCH)
	}
	return arch
}

// olderTools returns the binaries of older versions, by the folder's name.
func olderTools(t *testing.T) map[string]string {
	t.Helper()
	older := make(map[string]string)
	for i, dir := range filepath.SplitList(os.Getenv("OWNLOG_CLAUDE_CLI")) {
		if i == 0 {
			continue // the pinned one
		}
		binary := filepath.Join(dir, "node_modules", filepath.FromSlash(olderPackage+toolArch(t)), "claude")
		if _, err := os.Stat(binary); err != nil {
			t.Fatalf("the older version is not installed: %v", err)
		}
		older[filepath.Base(dir)] = binary
	}
	if len(older) == 0 {
		t.Fatal("OWNLOG_CLAUDE_CLI names no older version; see the package's documentation")
	}
	return older
}

// fakeKey looks like a key and is none.
const fakeKey = "sk-ant-fake-0000000000000000000000000000"

// installTool puts the pinned tool below a folder, unless it is there, and returns
// the binary.
func installTool(t *testing.T) string {
	t.Helper()
	arch := toolArch(t)
	dir, _, _ := strings.Cut(os.Getenv("OWNLOG_CLAUDE_CLI"), string(os.PathListSeparator))
	if dir == "" {
		cache, err := os.UserCacheDir()
		if err != nil {
			t.Fatal(err)
		}
		dir = filepath.Join(cache, "ownlog-conformance", "claude-code-"+toolVersion)
	}
	binary := filepath.Join(dir, "node_modules", filepath.FromSlash(toolPackage+arch), "claude")
	if _, err := os.Stat(binary); err == nil {
		return binary
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	manifest := filepath.Join(dir, "package.json")
	if _, err := os.Stat(manifest); err != nil {
		if err := os.WriteFile(manifest, []byte("{\"private\":true}\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	npm := exec.CommandContext(ctx, "npm", "install", "--no-save", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error", toolPackage+arch+"@"+toolVersion)
	npm.Dir = dir
	if out, err := npm.CombinedOutput(); err != nil {
		t.Fatalf("npm install of the pinned tool: %v\n%s", err, out)
	}
	if _, err := os.Stat(binary); err != nil {
		t.Fatal(err)
	}
	return binary
}

// provider is a scripted Messages API on loopback. It keeps what it was sent and
// answers everything with one short text.
type provider struct {
	*httptest.Server
	mu       sync.Mutex
	requests []jsontext.Value
}

func startProvider(t *testing.T) *provider {
	p := new(provider)
	p.Server = httptest.NewServer(p)
	t.Cleanup(p.Close)
	return p
}

func (p *provider) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil || r.Method != http.MethodPost || !strings.HasPrefix(r.URL.Path, "/v1/messages") {
		http.NotFound(w, r)
		return
	}
	if strings.HasSuffix(r.URL.Path, "/count_tokens") {
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprint(w, `{"input_tokens":10}`)
		return
	}
	p.mu.Lock()
	p.requests = append(p.requests, body)
	n := len(p.requests)
	p.mu.Unlock()
	w.Header().Set("Content-Type", "text/event-stream")
	for _, event := range []struct{ name, data string }{
		{"message_start", fmt.Sprintf(`{"type":"message_start","message":{"id":"msg_conformance_%d","type":"message","role":"assistant","model":"m","content":[],"stop_reason":null,"stop_sequence":null,"usage":{"input_tokens":1,"output_tokens":1}}}`, n)},
		{"content_block_start", `{"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}`},
		{"content_block_delta", `{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"Understood."}}`},
		{"content_block_stop", `{"type":"content_block_stop","index":0}`},
		{"message_delta", `{"type":"message_delta","delta":{"stop_reason":"end_turn","stop_sequence":null},"usage":{"output_tokens":2}}`},
		{"message_stop", `{"type":"message_stop"}`},
	} {
		fmt.Fprintf(w, "event: %s\ndata: %s\n\n", event.name, event.data)
	}
}

// sent returns the messages of the newest request that holds a text.
func (p *provider) sent(t *testing.T, text string) []wireMessage {
	t.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	for i := len(p.requests) - 1; i >= 0; i-- {
		if !bytes.Contains(p.requests[i], []byte(text)) {
			continue
		}
		var body struct {
			Messages []wireMessage `json:"messages"`
		}
		if err := json.Unmarshal(p.requests[i], &body); err != nil {
			t.Fatal(err)
		}
		return body.Messages
	}
	t.Fatalf("%d requests, none holds %q", len(p.requests), text)
	return nil
}

// resume runs the tool in a folder, on a session of a home, until it has answered
// a prompt, and returns what it printed.
func resume(t *testing.T, tool, home, work, session, model, prompt string, p *provider) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 90*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, tool, "-p", prompt, "--resume", session, "--model", model, "--output-format", "json")
	cmd.Dir, cmd.Env = work, toolEnvironment(home, work, p)
	// The tool starts processes of its own; they end with its group.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	var out, errout bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errout
	if err := cmd.Run(); err != nil {
		t.Fatalf("the tool refused session %s: %v\n%s%s", session, err, out.Bytes(), errout.Bytes())
	}
	if err := syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL); err != nil && !errors.Is(err, syscall.ESRCH) {
		t.Fatal(err)
	}
	return out.String()
}

// toolEnvironment is what the tool runs in. Nothing leaves the machine: other
// traffic is off, and proxies lead nowhere.
func toolEnvironment(home, temporary string, p *provider) []string {
	const nowhere = "http://127.0.0.1:9"
	return []string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + home, "TMPDIR=" + temporary, "SHELL=/bin/sh", "LANG=C.UTF-8",
		"ANTHROPIC_BASE_URL=" + p.URL, "ANTHROPIC_API_KEY=" + fakeKey,
		"CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC=1", "DISABLE_TELEMETRY=1", "DISABLE_AUTOUPDATER=1",
		"DISABLE_ERROR_REPORTING=1", "DISABLE_BUG_COMMAND=1", "DO_NOT_TRACK=1", "IS_SANDBOX=1",
		"http_proxy=" + nowhere, "https_proxy=" + nowhere, "HTTP_PROXY=" + nowhere, "HTTPS_PROXY=" + nowhere,
		"no_proxy=127.0.0.1", "NO_PROXY=127.0.0.1",
	}
}
