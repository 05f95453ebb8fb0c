package claudecode

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/ownlog/ownlog/convert"
)

// TestProjectDir: as the real tool named folders (2.1.330).
func TestProjectDir(t *testing.T) {
	long := "/home/dev/" + strings.Repeat("L", 120) + "/" + strings.Repeat("M", 120)
	for cwd, want := range map[string]string{
		"/home/dev/proj":                       "-home-dev-proj",
		"/home/dev/a b.c_d@é日(x)~":             "-home-dev-a-b-c-d----x--",
		"/home/dev/emoji😀x":                    "-home-dev-emoji--x",
		long:                                   "-home-dev-" + strings.Repeat("L", 120) + "-" + strings.Repeat("M", 69) + "-tsb8tw",
		"/home/dev/" + strings.Repeat("é", 95): "-home-dev-" + strings.Repeat("-", 95),
		"/home/dev/" + strings.Repeat("a/", 95) + "z": "-home-dev-" + strings.Repeat("a-", 95) + "-aorzzh",
	} {
		if got := projectDir(cwd); got != want {
			t.Errorf("projectDir(%q)\n got %s\nwant %s", cwd, got, want)
		}
	}
}

// TestSidePlace: side files are known by where they lie, and go back there.
func TestSidePlace(t *testing.T) {
	const sid = "33333333-3333-4333-8333-333333333333"
	for path, want := range map[string]sideFile{
		"/h/.claude/projects/-p/" + sid + "/subagents/agent-a1.meta.json": {"/h/.claude/", sid, "subagents/agent-a1.meta.json"},
		"/h/.claude/projects/-p/" + sid + "/tool-results/b.txt":           {"/h/.claude/", sid, "tool-results/b.txt"},
		"/h/.claude/projects/-p/" + sid + "/custom-title.json":            {"/h/.claude/", sid, "custom-title.json"},
		"/h/.claude/tasks/" + sid + "/1.json":                             {"/h/.claude/", sid, "tasks/1.json"},
		"/h/.claude/file-history/" + sid + "/00ff@v2":                     {"/h/.claude/", sid, "file-history/00ff@v2"},
		"/h/.claude/todos/" + sid + "-agent-x.json":                       {"/h/.claude/", sid, "todos/agent-x.json"},
		"tasks/" + sid + "/1.json":                                        {"", sid, "tasks/1.json"},
	} {
		got, ok := sidePlace(path)
		if !ok || got != want {
			t.Errorf("sidePlace(%q) = %+v, %v; want %+v", path, got, ok, want)
			continue
		}
		if back := got.home + sidePath(got.id, "-p", got.session); back != path {
			t.Errorf("%q goes back to %q", path, back)
		}
	}
	for _, path := range []string{
		"/h/.claude/projects/-p/" + sid + ".jsonl",
		"/h/.claude/projects/-p/memory/notes.md",
		"/h/" + sid + "/anything.txt",
		"/h/.claude/tasks/1.json",
	} {
		if got, ok := sidePlace(path); ok {
			t.Errorf("sidePlace(%q) = %+v; want none", path, got)
		}
	}
}

func TestClaim(t *testing.T) {
	const sid = "33333333-3333-4333-8333-333333333333"
	for _, test := range []struct {
		name, path, head string
		want             convert.ClaimKind
	}{
		{"transcript", "/h/.claude/projects/-p/" + sid + ".jsonl", `{"type":"user","message":{"role":"user","content":"x"}}`, convert.ClaimTranscript},
		{"transcript anywhere", "/x/copy.txt", "\xef\xbb\xbf{\"type\":\"mode\",\"mode\":\"x\",\"sessionId\":\"s\"}\r\n", convert.ClaimTranscript},
		{"transcript with a damaged line", "/x/y.jsonl", "garbage\n{\"type\":\"summary\",\"summary\":\"s\",\"leafUuid\":\"u\"}\n", convert.ClaimTranscript},
		{"record longer than the head", "/x/y.jsonl", `{"parentUuid":null,"isSidechain":false,"message":{"content":"` + strings.Repeat("x", 1000), convert.ClaimTranscript},
		{"message longer than the head", "/x/y.jsonl", `{"type":"user","uuid":"u","sessionId":"s","message":{"content":"` + strings.Repeat("x", 1000), convert.ClaimTranscript},
		{"subagent", "/h/.claude/projects/-p/" + sid + "/subagents/agent-a.jsonl", `{"type":"user","agentId":"a","message":{}}`, convert.ClaimTranscript},
		{"side file", "/h/.claude/projects/-p/" + sid + "/tool-results/x.txt", "anything", convert.ClaimSide},
		{"lock of a task list", "/h/.claude/tasks/" + sid + "/.lock", "", convert.ClaimRefused},
		{"prompts of all sessions", "/h/.claude/history.jsonl", `{"display":"hi","pastedContents":{},"timestamp":1,"project":"/p","sessionId":"s"}`, convert.ClaimRefused},
		{"settings", "/h/.claude/settings.json", `{}`, convert.ClaimRefused},
		{"index", "/h/.claude/projects/-p/sessions-index.json", `{}`, convert.ClaimSide},
		{"index elsewhere", "/h/.claude/sessions-index.json", `{}`, convert.ClaimRefused},
		{"registry", "/h/.claude/sessions/12.json", `{"pid":12}`, convert.ClaimRefused},
		{"Codex", "/h/.codex/sessions/r.jsonl", `{"timestamp":"t","type":"session_meta","payload":{"id":"x"}}`, convert.ClaimNone},
		{"Codex of 2025", "/x/r.jsonl", `{"type":"message","role":"user","content":[]}`, convert.ClaimNone},
		{"other JSON", "/x/settings.json", `{"a":1}`, convert.ClaimNone},
	} {
		got := Vendor{}.Claim(convert.File{Path: test.path, Head: []byte(test.head)})
		if got.Kind != test.want {
			t.Errorf("%s: claimed as %q (%s), want %q", test.name, got.Kind, got.Reason, test.want)
		}
		if got.Kind == convert.ClaimRefused && got.Reason == "" {
			t.Errorf("%s: refused without a reason", test.name)
		}
	}
}

// TestGuarded: what holds secrets is refused by its place alone.
func TestGuarded(t *testing.T) {
	for path, guarded := range map[string]bool{
		"/h/.claude/.credentials.json": true,
		"/h/.claude/sessions/12.key":   true,
		"/h/.claude.json":              true,
		"/h/.claude/projects/-p/a.key": false,
		"/h/.claude/history.jsonl":     false,
	} {
		if reason := (Vendor{}).Guarded(convert.File{Path: path}); (reason != "") != guarded {
			t.Errorf("Guarded(%q) = %q", path, reason)
		}
	}
}

func TestDefaultRoots(t *testing.T) {
	env := convert.Environment{Home: "/h", Getenv: func(string) string { return "" }}
	if got := (Vendor{}).DefaultRoots(env); len(got) != 1 || got[0] != filepath.Join("/h", ".claude") {
		t.Errorf("DefaultRoots = %v", got)
	}
	env.Getenv = func(name string) string { return map[string]string{"CLAUDE_CONFIG_DIR": "/c"}[name] }
	if got := (Vendor{}).DefaultRoots(env); len(got) != 1 || got[0] != "/c" {
		t.Errorf("DefaultRoots with CLAUDE_CONFIG_DIR = %v", got)
	}
}

func TestIdentify(t *testing.T) {
	for line, want := range map[string]string{
		`{"type":"mode","sessionId":"s"}`:                                   "session s",
		`{"type":"user","sessionId":"s","agentId":"a","isSidechain":true}`:  "agent s/a",
		`{"type":"api-request","sessionId":"s","agentId":"a"}`:              "agent s/a",
		`{"type":"user","sessionId":"s","agentId":"a","isSidechain":false}`: "session s",
		`{"type":"user","message":{}}`:                                      "session ",
		`{"type":"summary","leafUuid":"x"}`:                                 "",
		`{"type":"file-history-snapshot"}`:                                  "",
	} {
		name, ok := identifyRecord(&convert.Record{Bytes: []byte(line)})
		got := string(name.Kind) + " " + name.ID
		if !ok {
			got = ""
		}
		if got != want {
			t.Errorf("%s: %q, want %q", line, got, want)
		}
	}
}
