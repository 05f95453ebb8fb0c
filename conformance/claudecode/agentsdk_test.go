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

	"github.com/google/go-cmp/cmp"

	"github.com/ownlog/ownlog/convert"
	"github.com/ownlog/ownlog/convert/claudecode"
	"github.com/ownlog/ownlog/format"
)

// sdkPackage is the Agent SDK for Node.js; the tool itself is a package of its own.
const sdkPackage = "@anthropic-ai/claude-agent-sdk"

// installSDK puts the Agent SDK beside the pinned tool, unless it is there, and
// returns its module.
func installSDK(t *testing.T, tool string) string {
	t.Helper()
	root, _, _ := strings.Cut(filepath.ToSlash(tool), "/node_modules/")
	dir := filepath.Join(filepath.FromSlash(root), "agent-sdk")
	module := filepath.Join(dir, "node_modules", filepath.FromSlash(sdkPackage), "sdk.mjs")
	if _, err := os.Stat(module); err == nil {
		return module
	}
	err := errors.Join(os.MkdirAll(dir, 0o700), os.WriteFile(filepath.Join(dir, "package.json"), []byte("{\"private\":true}\n"), 0o600))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	npm := exec.CommandContext(ctx, "npm", "install", "--no-save", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error",
		"--omit=optional", "--omit=peer", sdkPackage+"@"+toolVersion)
	npm.Dir = dir
	if out, err := npm.CombinedOutput(); err != nil {
		t.Fatalf("npm install of the Agent SDK: %v\n%s", err, out)
	}
	return module
}

// TestAgentSDK: sessions of the Claude Agent SDK are the same files. One that it
// made is imported, its requests verify, and it is given back byte for byte; one
// that came from another vendor is resumed by the SDK and sent whole.
func TestAgentSDK(t *testing.T) {
	tool := installTool(t)
	sdk := installSDK(t, tool)
	home, work := t.TempDir(), t.TempDir()
	p := startProvider(t)
	script, err := filepath.Abs(filepath.Join("testdata", "ask.mjs"))
	if err != nil {
		t.Fatal(err)
	}
	ask := func(prompt string, resume ...string) string {
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
		defer cancel()
		cmd := exec.CommandContext(ctx, "node", append([]string{script, sdk, tool, askedModel, prompt}, resume...)...)
		cmd.Dir, cmd.Env = work, toolEnvironment(home, work, p)
		// The SDK starts the tool; they end with their group.
		cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
		cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
		var out, errout bytes.Buffer
		cmd.Stdout, cmd.Stderr = &out, &errout
		if err := cmd.Run(); err != nil {
			t.Fatalf("the Agent SDK: %v\n%s%s", err, &out, &errout)
		}
		return strings.TrimSpace(out.String())
	}

	const first = "conformance: asked by a program"
	session := ask(first)
	store := new(format.MemStore)
	imports := convert.OpenImports("")
	var made convert.FileResult
	_, err = convert.Import(t.Context(), store, imports, convert.NewRegistry(claudecode.Vendor{}), convert.ImportOptions{
		Roots: []string{filepath.Join(home, ".claude", "projects")},
		Progress: func(r convert.FileResult) {
			if r.Kind == convert.ClaimTranscript && len(r.Outcomes) == 1 {
				made = r
			}
		},
	})
	if err != nil || len(made.Outcomes) == 0 || made.Outcomes[0].Name.ID != session {
		t.Fatalf("session %s is not among what was imported, %v: %+v", session, err, made)
	}
	o := made.Outcomes[0]
	content, err := os.ReadFile(made.Path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Contains(content, []byte(`"entrypoint":"sdk-ts"`)) {
		t.Error("the transcript does not say that the SDK wrote it; the test proves nothing")
	}
	if len(o.Findings) > 0 {
		t.Errorf("findings: %+v", o.Findings)
	}
	if diff := cmp.Diff([]string{"user text " + first, "assistant text Understood."}, saidInLog(t, store, o.Log, askedModel)); diff != "" {
		t.Errorf("view of the log (-want +got):\n%s", diff)
	}
	check, err := claudecode.CheckRequests(t.Context(), store, o.Log, -1, nil)
	if err != nil || check.Total == 0 || check.Verified != check.Total {
		t.Errorf("%d of %d requests verified, %v: %v", check.Verified, check.Total, err, check.Problems)
	}
	sameBytes(t, store, imports, made, o)

	for _, s := range importFixtures(t, store, imports) {
		if s.name.Vendor == claudecode.Name {
			continue
		}
		want := saidInLog(t, store, s.log, askedModel)
		if len(want) < 4 {
			continue
		}
		file := exportTo(t, store, imports, s.log, filepath.Join(home, ".claude"), claudecode.OptionCWD, work)
		ask(nextPrompt, strings.TrimSuffix(filepath.Base(file), ".jsonl"))
		if diff := cmp.Diff(append(want, "user text "+nextPrompt), saidOnWire(t, p.sent(t, nextPrompt))); diff != "" {
			t.Errorf("%s %s, -log +sent:\n%s", s.name.Vendor, s.name.ID, diff)
		}
		return
	}
	t.Error("no session of another vendor to resume")
}
