//go:build conformance

package opencode

import (
	"bufio"
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
	"github.com/go-json-experiment/json/jsontext"
)

// cli is the real tool in a home of its own, talking to scripted providers on
// the loopback interface and to nothing else.
type cli struct {
	command string // a wrapper that starts the tool in that home
	data    string // its data folder
	project string
	server  string // address of the tool's own, once it serves

	mu   sync.Mutex
	sent []recorded
}

// recorded is a request that the tool sent.
type recorded struct {
	path string
	body struct {
		Model    string         `json:"model"`
		Messages jsontext.Value `json:"messages"`
		Input    jsontext.Value `json:"input"`
		Tools    []any          `json:"tools"`
	}
}

// cliTimeout bounds one run of the tool.
const cliTimeout = 5 * time.Minute

// newCLI prepares a home in which all providers and models are answered here. more
// are variables of the tool's environment.
func newCLI(t *testing.T, project string, models map[string][]string, more ...string) *cli {
	t.Helper()
	dir := os.Getenv("OWNLOG_OPENCODE_CLI")
	// The program itself, without the wrapper that wants a postinstall script.
	found, _ := filepath.Glob(filepath.Join(dir, "node_modules", "opencode-*", "bin", "opencode"))
	if dir == "" || len(found) == 0 {
		t.Fatalf("OWNLOG_OPENCODE_CLI=%q: want a folder in which npm installed opencode-ai@1.18.33", dir)
	}
	bin, err := filepath.Abs(found[0])
	if err != nil {
		t.Fatal(err)
	}
	home := t.TempDir()
	c := &cli{command: filepath.Join(home, "opencode"), data: filepath.Join(home, "data", "opencode"), project: project}
	server := httptest.NewServer(http.HandlerFunc(c.answer))
	t.Cleanup(server.Close)
	for _, d := range []string{"config/opencode", "data/opencode", "state", "cache", "tmp"} {
		if err := os.MkdirAll(filepath.Join(home, d), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	config, err := json.Marshal(c.config(server.URL, models))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(home, "config", "opencode", "opencode.json"), config, 0o600); err != nil {
		t.Fatal(err)
	}
	env := []string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + home, "TMPDIR=" + home + "/tmp", "XDG_DATA_HOME=" + home + "/data", "XDG_CONFIG_HOME=" + home + "/config",
		"XDG_STATE_HOME=" + home + "/state", "XDG_CACHE_HOME=" + home + "/cache", "CI=1", "NO_COLOR=1",
		"GIT_CONFIG_NOSYSTEM=1", "GIT_AUTHOR_NAME=dev", "GIT_AUTHOR_EMAIL=dev@example.invalid", "GIT_COMMITTER_NAME=dev", "GIT_COMMITTER_EMAIL=dev@example.invalid",
		"NO_PROXY=127.0.0.1,localhost", "no_proxy=127.0.0.1,localhost",
	}
	env = append(env, more...)
	closed := closedPort(t)
	for _, name := range []string{"HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy"} {
		env = append(env, name+"=http://"+closed)
	}
	for _, name := range []string{"MODELS_FETCH", "AUTOUPDATE", "SHARE", "LSP_DOWNLOAD", "DEFAULT_PLUGINS", "CLAUDE_CODE", "TERMINAL_TITLE", "EXTERNAL_SKILLS"} {
		env = append(env, "OPENCODE_DISABLE_"+name+"=1")
	}
	script := "#!/bin/sh\nexec env -i"
	for _, e := range env {
		script += " '" + e + "'"
	}
	script += " '" + bin + "' \"$@\"\n"
	if err := os.WriteFile(c.command, []byte(script), 0o700); err != nil {
		t.Fatal(err)
	}
	return c
}

// newProject makes the folder that all sessions belong to, a git repository.
func newProject(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for _, args := range [][]string{{"init", "-q", "-b", "main"}, {"-c", "user.name=dev", "-c", "user.email=dev@example.invalid", "commit", "-q", "--allow-empty", "-m", "init"}} {
		cmd := exec.Command("git", args...)
		cmd.Dir = dir
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("git: %v: %s", err, out)
		}
	}
	return dir
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

// config names every provider and model that occurs in the sessions.
func (c *cli) config(url string, models map[string][]string) object {
	packages := map[string]string{"messages": "@ai-sdk/anthropic", "responses": "@ai-sdk/openai", "chat": "@ai-sdk/openai-compatible"}
	limit := object{"context": 2000000, "output": 8000}
	options := object{"baseURL": url + "/v1", "apiKey": "none"}
	providers := object{"titles": object{"npm": packages["chat"], "name": "titles", "options": options, "models": object{"small": object{"name": "small", "limit": limit}}}}
	for provider, ids := range models {
		list := object{}
		for _, id := range ids {
			list[id] = object{
				"name": id, "reasoning": true, "attachment": true, "tool_call": true, "limit": limit,
				"modalities": object{"input": []string{"text", "image", "pdf"}, "output": []string{"text"}},
			}
		}
		providers[provider] = object{"npm": packages[apiOf(provider)], "name": provider, "options": options, "models": list}
	}
	return object{
		"autoupdate": false, "share": "disabled", "snapshot": false, "small_model": "titles/small",
		"permission": object{"*": "allow"}, "provider": providers,
	}
}

// answer records a request and says one thing to everything.
func (c *cli) answer(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	rec := recorded{path: r.URL.Path}
	if err == nil {
		err = json.Unmarshal(body, &rec.body, jsontext.AllowInvalidUTF8(true))
	}
	if err != nil || r.Method != http.MethodPost {
		http.Error(w, `{"error":{"message":"not here"}}`, http.StatusNotFound)
		return
	}
	c.mu.Lock()
	c.sent = append(c.sent, rec)
	c.mu.Unlock()
	w.Header().Set("Content-Type", "text/event-stream")
	event := func(kind, data string) { fmt.Fprintf(w, "event: %s\ndata: %s\n\n", kind, data) }
	switch {
	case strings.HasSuffix(r.URL.Path, "/messages"):
		event("message_start", `{"type":"message_start","message":{"id":"msg_1","type":"message","role":"assistant","model":"m","content":[],"stop_reason":null,"stop_sequence":null,"usage":{"input_tokens":1,"output_tokens":1}}}`)
		event("content_block_start", `{"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}`)
		event("content_block_delta", `{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"Scripted."}}`)
		event("content_block_stop", `{"type":"content_block_stop","index":0}`)
		event("message_delta", `{"type":"message_delta","delta":{"stop_reason":"end_turn","stop_sequence":null},"usage":{"output_tokens":1}}`)
		event("message_stop", `{"type":"message_stop"}`)
	case strings.HasSuffix(r.URL.Path, "/responses"):
		const item = `{"id":"msg_1","type":"message","status":"completed","role":"assistant","content":[{"type":"output_text","text":"Scripted.","annotations":[]}]}`
		const response = `"id":"resp_1","object":"response","created_at":1,"model":"m"`
		event("response.created", `{"type":"response.created","sequence_number":0,"response":{`+response+`,"status":"in_progress","output":[]}}`)
		event("response.output_item.added", `{"type":"response.output_item.added","sequence_number":1,"output_index":0,"item":{"id":"msg_1","type":"message","status":"in_progress","role":"assistant","content":[]}}`)
		event("response.output_text.delta", `{"type":"response.output_text.delta","sequence_number":2,"item_id":"msg_1","output_index":0,"content_index":0,"delta":"Scripted."}`)
		event("response.output_item.done", `{"type":"response.output_item.done","sequence_number":3,"output_index":0,"item":`+item+`}`)
		event("response.completed", `{"type":"response.completed","sequence_number":4,"response":{`+response+`,"status":"completed","output":[`+item+`],"usage":{"input_tokens":1,"input_tokens_details":{"cached_tokens":0},"output_tokens":1,"output_tokens_details":{"reasoning_tokens":0},"total_tokens":2}}}`)
	default:
		const chunk = `{"id":"c1","object":"chat.completion.chunk","created":1,"model":"m","choices":[{"index":0,`
		fmt.Fprintf(w, "data: %s\"delta\":{\"role\":\"assistant\",\"content\":\"Scripted.\"},\"finish_reason\":null}]}\n\n", chunk)
		fmt.Fprintf(w, "data: %s\"delta\":{},\"finish_reason\":\"stop\"}],\"usage\":{\"prompt_tokens\":1,\"completion_tokens\":1,\"total_tokens\":2}}\n\ndata: [DONE]\n\n", chunk)
	}
}

// run runs the tool in its project and returns what it prints. That goes through a
// file: the tool may end before a pipe is drained.
func (c *cli) run(t *testing.T, stdin string, args ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), cliTimeout)
	defer cancel()
	printed, err := os.Create(filepath.Join(t.TempDir(), "printed"))
	if err != nil {
		t.Fatal(err)
	}
	defer printed.Close()
	cmd := exec.CommandContext(ctx, c.command, args...)
	cmd.Dir = c.project
	cmd.Stdin = strings.NewReader(stdin)
	cmd.WaitDelay = 5 * time.Second
	var said bytes.Buffer
	cmd.Stdout, cmd.Stderr = printed, &said
	err = cmd.Run()
	out, readErr := os.ReadFile(printed.Name())
	if err != nil || readErr != nil {
		said.Write(out)
		t.Fatalf("opencode %v: %v, %v: %s", args, err, readErr, said.String()[max(0, said.Len()-800):])
	}
	return string(out)
}

// serve starts the tool's own server: one start for many sessions.
func (c *cli) serve(t *testing.T) {
	t.Helper()
	_, port, err := net.SplitHostPort(closedPort(t))
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(c.command, "serve", "--hostname", "127.0.0.1", "--port", port)
	cmd.Dir = c.project
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	timer := time.AfterFunc(cliTimeout, func() { _ = cmd.Process.Kill() })
	defer timer.Stop()
	for lines := bufio.NewScanner(out); lines.Scan(); {
		if _, url, ok := strings.Cut(lines.Text(), "listening on "); ok {
			c.server = strings.TrimSpace(url)
			go func() { _, _ = io.Copy(io.Discard, out) }()
			return
		}
	}
	t.Fatal("the tool's server ended before it listened")
}

// ask calls the tool's server and returns what it answers.
func (c *cli) ask(t *testing.T, method, path string, body any) jsontext.Value {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), cliTimeout)
	defer cancel()
	content, err := json.Marshal(body)
	if err != nil {
		t.Fatal(err)
	}
	req, err := http.NewRequestWithContext(ctx, method, c.server+path, bytes.NewReader(content))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	answer, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode != http.StatusOK {
		t.Fatalf("%s %s: %s, %v: %s", method, path, res.Status, err, answer[:min(len(answer), 800)])
	}
	return answer
}

// stored is a session as the tool has it, in the form of its export.
func (c *cli) stored(t *testing.T, session string) []byte {
	t.Helper()
	info := c.ask(t, http.MethodGet, "/session/"+session, nil)
	messages := c.ask(t, http.MethodGet, "/session/"+session+"/message", nil)
	return fmt.Appendf(nil, `{"info":%s,"messages":%s}`, info, messages)
}

// fork copies a session inside the tool.
func (c *cli) fork(t *testing.T, session string) string {
	t.Helper()
	var forked struct {
		ID string `json:"id"`
	}
	if err := json.Unmarshal(c.ask(t, http.MethodPost, "/session/"+session+"/fork", object{}), &forked); err != nil {
		t.Fatal(err)
	}
	return forked.ID
}

// prompt is what every resumed session is asked.
const prompt = "What is next?"

// resume goes on with a session, through the tool's command or through its
// server, and returns the history that the tool sends, without what it puts in
// front of every request.
func (c *cli) resume(t *testing.T, session, provider, model string, command bool) (api string, messages []any) {
	t.Helper()
	c.mu.Lock()
	c.sent = nil
	c.mu.Unlock()
	if command {
		c.run(t, prompt, "run", "--format", "json", "-s", session, "-m", provider+"/"+model)
	} else {
		c.ask(t, http.MethodPost, "/session/"+session+"/message", object{
			"model": object{"providerID": provider, "modelID": model}, "parts": []object{{"type": "text", "text": prompt}},
		})
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, r := range c.sent {
		if r.body.Model != model || len(r.body.Tools) == 0 {
			continue
		}
		all := r.body.Messages
		if all == nil {
			all = r.body.Input
		}
		list, _ := withoutCacheMarks(plain(t, all)).([]any)
		for _, m := range list {
			if role := m.(object)["role"]; role != "system" && role != "developer" {
				messages = append(messages, m)
			}
		}
		return r.path, messages
	}
	t.Fatalf("the tool asked nobody for %s/%s: %d requests", provider, model, len(c.sent))
	return "", nil
}
