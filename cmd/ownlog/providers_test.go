package main

import (
	"bytes"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ownlog/ownlog/fixtures"
	"github.com/ownlog/ownlog/replay/provider/providertest"
)

// TestReachingAProvider resumes a session on a provider that is reached as flags and
// a file say. The key comes from the environment, and is nowhere afterwards: not in
// the store, not in what is printed, not even if the provider repeats it.
func TestReachingAProvider(t *testing.T) {
	style := providertest.ResponsesStyle()
	api := providertest.NewServer(t, style,
		providertest.Reply{Reasoning: "hm", Text: "Going on."},
		providertest.Reply{Fault: providertest.Fault{Status: 401, Body: style.Refuse("the key " + providertest.Key + " is wrong")}},
	)
	var headers []http.Header
	front := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		headers = append(headers, r.Header.Clone())
		api.Config.Handler.ServeHTTP(w, r)
	}))
	defer front.Close()

	home := t.TempDir()
	recording := "claude-code/projects/-home-dev-proj-v197/99999999-9999-4999-8999-999999999999.jsonl"
	b, err := fs.ReadFile(fixtures.FS, recording)
	if err != nil {
		t.Fatal(err)
	}
	write := func(name string, content []byte) string {
		path := filepath.Join(home, name)
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	session := write(filepath.Base(recording), b)
	file := write("providers.json", []byte(`{"providers":{"openai":{"base_url":"http://127.0.0.1:1","headers":{"X-From-File":"f"},"key_env":"OTHER_KEY",
		"params":{"reasoning": {"effort": "high"}, "model": "not this one"}}}}`))
	env := map[string]string{"OWNLOG_STORE": filepath.Join(home, "store"), "OTHER_KEY": providertest.Key}
	var printed bytes.Buffer
	call := func(want int, args ...string) string {
		t.Helper()
		var out bytes.Buffer
		code := run(t.Context(), append([]string{"ownlog"}, args...), console{
			In: strings.NewReader(""), Out: &out, Err: &printed, Home: home,
			Getenv: func(name string) string { return env[name] },
		})
		printed.Write(out.Bytes())
		if code != want {
			t.Fatalf("ownlog %s: exit code %d, want %d\n%s", strings.Join(args, " "), code, want, printed.String())
		}
		return out.String()
	}
	call(0, "import", session)
	reach := []string{
		"--provider", "openai", "--model", "gpt-t", "--providers", file, "--base-url", front.URL, "--header", "X-From-Flag: g",
		"--param", `reasoning={"effort":"low"}`, "--workdir", home, "--no-ask",
	}
	dry := call(0, append([]string{"resume", "3bfa571b", "--dry-run"}, reach...)...)
	call(0, append([]string{"resume", "3bfa571b", "--prompt", "go on"}, reach...)...)
	call(3, append([]string{"resume", "3bfa571b", "--prompt", "go on"}, reach...)...)

	if len(headers) != 2 || headers[0].Get("X-From-File") != "f" || headers[0].Get("X-From-Flag") != "g" || headers[0].Get("Authorization") != "Bearer "+providertest.Key {
		t.Errorf("headers sent: %v", headers)
	}
	for _, body := range []string{dry, string(api.Bodies[0])} {
		if !strings.Contains(body, `"reasoning":{"effort":"low"}`) || strings.Contains(body, "not this one") {
			t.Errorf("the request has other parameters: %s", body)
		}
	}
	if !strings.Contains(printed.String(), "is wrong") {
		t.Errorf("the provider's refusal is not shown:\n%s", printed.String())
	}
	if strings.Contains(printed.String(), providertest.Key) {
		t.Error("the key is in what was printed")
	}
	err = filepath.WalkDir(home, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		content, err := os.ReadFile(path)
		if bytes.Contains(content, []byte(providertest.Key)) {
			t.Errorf("the key is in %s", path)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}
