//go:build conformance

package codex

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/klauspost/compress/zstd"
)

// cli is the real tool in a scratch home, with a provider of ours on the loopback
// interface. Keys are fake, and proxies point at a closed port.
type cli struct {
	command  string
	home     string
	cwd      string
	env      []string
	provider *httptest.Server

	mu       sync.Mutex
	requests []request
	asked    chan<- struct{} // told of the next request, unless nil
	held     <-chan struct{} // which then waits for this
}

// request is what the tool sent to the provider.
type request struct {
	thread string
	Input  []map[string]any `json:"input"`
}

// cliPatience is how long one run of the tool may take.
const cliPatience = 90 * time.Second

// installedCLIs are the folders with the tool, the pinned version first, then
// older ones.
func installedCLIs(t *testing.T) []string {
	t.Helper()
	dirs := filepath.SplitList(os.Getenv("OWNLOG_CODEX_CLI"))
	if len(dirs) == 0 {
		t.Fatal("OWNLOG_CODEX_CLI: want folders; see the package's documentation")
	}
	return dirs
}

func newCLI(t *testing.T, dir string, old bool) *cli {
	t.Helper()
	c := &cli{command: filepath.Join(dir, "node_modules", ".bin", "codex")}
	if _, err := os.Stat(c.command); err != nil {
		t.Fatalf("the tool is not installed: %v", err)
	}
	base := t.TempDir()
	c.home, c.cwd = filepath.Join(base, "codex-home"), filepath.Join(base, "proj")
	user := filepath.Join(base, "user")
	for _, dir := range []string{c.home, c.cwd, user} {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	c.provider = httptest.NewServer(http.HandlerFunc(c.answer))
	t.Cleanup(c.provider.Close)
	c.configure(t, old)
	dead := "http://" + closedPort(t)
	c.env = []string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + user, "CODEX_HOME=" + c.home, "TZ=UTC", "TERM=dumb", "NO_COLOR=1", "RUST_LOG=error",
		"SCRIPTED_KEY=fake", "OPENAI_API_KEY=fake", "CODEX_API_KEY=fake", "OTEL_SDK_DISABLED=true",
		"HTTP_PROXY=" + dead, "HTTPS_PROXY=" + dead, "ALL_PROXY=" + dead, "NO_PROXY=127.0.0.1,localhost",
		"http_proxy=" + dead, "https_proxy=" + dead, "all_proxy=" + dead, "no_proxy=127.0.0.1,localhost",
	}
	return c
}

func closedPort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// configure writes the tool's settings; old versions know fewer.
func (c *cli) configure(t *testing.T, old bool) {
	t.Helper()
	catalog, err := filepath.Abs(filepath.Join("testdata", "catalog.json"))
	if err != nil {
		t.Fatal(err)
	}
	if old {
		catalog = ""
	}
	config := fmt.Sprintf(`model = "scripted-model"
model_provider = "mock"
openai_base_url = "%[1]s/v1"
model_catalog_json = "%[2]s"
approval_policy = "never"
sandbox_mode = "danger-full-access"
check_for_update_on_startup = false
web_search = "disabled"
include_permissions_instructions = false
include_apps_instructions = false
cli_auth_credentials_store = "file"
[analytics]
enabled = false
[feedback]
enabled = false
[otel]
exporter = "none"
metrics_exporter = "none"
[skills]
include_instructions = false
[skills.bundled]
enabled = false
[features]
apps = false
plugins = false
daemon_auto_start = false
shell_snapshot = false
[projects."%[3]s"]
trust_level = "trusted"
[model_providers.mock]
name = "mock"
base_url = "%[1]s/v1"
wire_api = "responses"
env_key = "SCRIPTED_KEY"
request_max_retries = 1
stream_max_retries = 1
supports_websockets = false
`, c.provider.URL, catalog, c.cwd)
	if old {
		config = oldConfig(config)
	}
	if err := os.WriteFile(filepath.Join(c.home, "config.toml"), []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(c.home, "auth.json"), []byte(`{"OPENAI_API_KEY":"fake"}`), 0o600); err != nil {
		t.Fatal(err)
	}
}

// oldConfig leaves out what versions up to 0.130 do not know.
func oldConfig(config string) string {
	var kept []string
	known := true
	for line := range strings.Lines(config) {
		name, _, _ := strings.Cut(line, " ")
		if strings.HasPrefix(line, "[") {
			known = strings.HasPrefix(line, "[analytics]") || strings.HasPrefix(line, "[model_providers.") || strings.HasPrefix(line, "[projects.")
		}
		switch name {
		case "openai_base_url", "model_catalog_json", "web_search", "include_permissions_instructions", "include_apps_instructions",
			"cli_auth_credentials_store", "supports_websockets":
			continue
		}
		if known {
			kept = append(kept, line)
		}
	}
	return strings.Join(kept, "")
}

// answer is the provider: it keeps every request and says one sentence.
func (c *cli) answer(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodPost || !strings.HasSuffix(r.URL.Path, "/responses") {
		w.Header().Set("Content-Type", "application/json")
		if strings.Contains(r.URL.Path, "responses") {
			w.WriteHeader(http.StatusNotFound)
		}
		fmt.Fprint(w, `{"object":"list","data":[],"models":[]}`)
		return
	}
	body, err := readBody(r)
	var req request
	if err == nil {
		err = json.Unmarshal(body, &req)
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	req.thread = r.Header.Get("Thread-Id")
	if req.thread == "" {
		req.thread = r.Header.Get("Session_id")
	}
	c.mu.Lock()
	c.requests = append(c.requests, req)
	asked, held := c.asked, c.held
	c.asked, c.held = nil, nil
	c.mu.Unlock()
	if asked != nil {
		close(asked)
		<-held
	}
	w.Header().Set("Content-Type", "text/event-stream")
	item := `{"type":"message","id":"msg_1","status":"completed","role":"assistant","content":[{"type":"output_text","text":"Understood."}]}`
	for _, ev := range []string{
		`{"type":"response.created","response":{"id":"resp_1","object":"response","status":"in_progress","output":[]}}`,
		`{"type":"response.output_item.done","output_index":0,"item":` + item + `}`,
		`{"type":"response.completed","response":{"id":"resp_1","object":"response","status":"completed","output":[` + item + `],"usage":{"input_tokens":10,"input_tokens_details":{"cached_tokens":0},"output_tokens":5,"output_tokens_details":{"reasoning_tokens":0},"total_tokens":15}}}`,
	} {
		var kind struct {
			Type string `json:"type"`
		}
		if err := json.Unmarshal([]byte(ev), &kind); err != nil {
			return
		}
		fmt.Fprintf(w, "event: %s\ndata: %s\n\n", kind.Type, ev)
	}
}

// hold keeps the next request waiting until goOn is called, and tells when it came.
func (c *cli) hold() (asked <-chan struct{}, goOn func()) {
	told, held := make(chan struct{}), make(chan struct{})
	c.mu.Lock()
	defer c.mu.Unlock()
	c.asked, c.held = told, held
	return told, sync.OnceFunc(func() { close(held) })
}

func readBody(r *http.Request) ([]byte, error) {
	if r.Header.Get("Content-Encoding") != "zstd" {
		return io.ReadAll(r.Body)
	}
	dec, err := zstd.NewReader(r.Body)
	if err != nil {
		return nil, err
	}
	defer dec.Close()
	return io.ReadAll(dec)
}

// run runs the tool to its end.
func (c *cli) run(t *testing.T, args ...string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), cliPatience)
	defer cancel()
	cmd := exec.CommandContext(ctx, c.command, args...)
	cmd.Dir, cmd.Env = c.cwd, c.env
	cmd.WaitDelay = 5 * time.Second
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Run(); err != nil {
		t.Errorf("codex %s: %v\n%s", strings.Join(args, " "), err, lastBytes(out.String(), 1500))
	}
}

func lastBytes(s string, n int) string { return s[max(0, len(s)-n):] }

// resume goes on with a session and returns the input of the first request that
// the tool made for it: that of the prompt, or of a compaction before it where the
// tool thinks that the window is full.
func (c *cli) resume(t *testing.T, thread, prompt string) []map[string]any {
	t.Helper()
	c.mu.Lock()
	c.requests = nil
	c.mu.Unlock()
	c.run(t, "exec", "--skip-git-repo-check", "resume", thread, prompt)
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, r := range c.requests {
		if r.thread != "" && r.thread != thread {
			t.Errorf("the tool went on with session %s, not %s", r.thread, thread)
		}
		if n := len(r.Input); n > 0 && textOf(r.Input[n-1]) == prompt {
			return c.requests[0].Input
		}
	}
	t.Errorf("session %s: the tool made %d requests, none with the prompt", thread, len(c.requests))
	return nil
}
