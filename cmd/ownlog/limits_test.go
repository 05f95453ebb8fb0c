package main

import (
	"bytes"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/ownlog/ownlog/fixtures"
	"github.com/ownlog/ownlog/replay/provider/providertest"
)

// TestLimitsOfTheCommand: a turn ends when it has used what the flags allow, and a
// comparison stops when its money is spent, and goes on later with what is left.
func TestLimitsOfTheCommand(t *testing.T) {
	look := providertest.Reply{Calls: []providertest.ReplyCall{{ID: "toolu_1", Name: "update_plan", Args: `{"plan":[]}`}}}
	replies := []providertest.Reply{look, look, look}
	for range 20 {
		replies = append(replies, providertest.Reply{Text: "So it is."})
	}
	api := providertest.NewServer(t, providertest.MessagesStyle(), replies...)
	front := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		rec := httptest.NewRecorder()
		api.Config.Handler.ServeHTTP(rec, r)
		w.Header().Set("Content-Type", rec.Header().Get("Content-Type"))
		w.WriteHeader(rec.Code)
		// Under the name of a model that has a price.
		_, _ = w.Write(bytes.ReplaceAll(rec.Body.Bytes(), []byte("claude-t-20260101"), []byte("claude-sonnet-4-5")))
	}))
	defer front.Close()

	home := t.TempDir()
	b, err := fs.ReadFile(fixtures.FS, "codex/tools/sessions/2026/11/23/rollout-2026-11-23T01-35-21-01a2060b-1d63-7932-a52a-d42c5f450146.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	session := filepath.Join(home, "rollout-2026-11-23T01-35-21-01a2060b-1d63-7932-a52a-d42c5f450146.jsonl")
	if err := os.WriteFile(session, b, 0o600); err != nil {
		t.Fatal(err)
	}
	env := map[string]string{"OWNLOG_STORE": filepath.Join(home, "store"), "ANTHROPIC_API_KEY": providertest.Key}
	call := func(want int, args ...string) string {
		t.Helper()
		var out bytes.Buffer
		code := run(t.Context(), append([]string{"ownlog"}, args...), console{
			In: strings.NewReader(""), Out: &out, Err: &out, Home: home, Getenv: func(name string) string { return env[name] },
		})
		if code != want {
			t.Fatalf("ownlog %s: exit code %d, want %d\n%s", strings.Join(args, " "), code, want, out.String())
		}
		return out.String()
	}
	call(0, "import", session)
	reach := []string{"--provider", "anthropic", "--model", "claude-sonnet-4-5", "--base-url", front.URL}
	for i, limit := range [][]string{{"--max-steps", "1"}, {"--max-tokens", "5"}, {"--max-cost", "0.0000001"}} {
		args := append([]string{"resume", "ed18380f", "--prompt", "go on", "--workdir", home, "--no-ask"}, reach...)
		if out := call(0, append(args, limit...)...); !strings.Contains(out, "budget") || len(api.Bodies) != i+1 {
			t.Errorf("%v: %d requests in all\n%s", limit, len(api.Bodies), out)
		}
	}
	compare := append([]string{"replay", "ed18380f", "--parallel", "1"}, reach...)
	out := call(exitEnvironment, append(compare, "--max-cost", "0.0000001")...)
	first := regexp.MustCompile(`run ([0-9a-f-]+): 1 of (\d+) steps answered`).FindStringSubmatch(out)
	if first == nil || len(api.Bodies) != 4 {
		t.Fatalf("%d requests in all\n%s", len(api.Bodies), out)
	}
	out = call(0, append(compare, "--run", first[1])...)
	if !strings.Contains(out, "run "+first[1]+": "+first[2]+" of "+first[2]+" steps answered") {
		t.Errorf("the run did not go on:\n%s", out)
	}
	if steps, err := strconv.Atoi(first[2]); err != nil || len(api.Bodies) != 3+steps {
		t.Errorf("%d requests in all, want 3 and one for each of %s steps", len(api.Bodies), first[2])
	}
}
