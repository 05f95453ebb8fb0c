package main

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/ownlog/ownlog/format"
	"github.com/ownlog/ownlog/replay"
	"github.com/ownlog/ownlog/replay/provider/scripted"
	"github.com/ownlog/ownlog/replay/tool"
	"github.com/ownlog/ownlog/schema"
)

// remote is a tool whose work goes on elsewhere.
type remote struct{}

func (remote) Definition() schema.ToolDefinition { return schema.ToolDefinition{Name: "remote"} }

func (remote) Run(context.Context, tool.Call) (tool.Result, error) {
	return tool.Result{Detached: true}, nil
}

// waitingSession is a session in a store that waits: for a permission, or, with
// rules that allow all, for a result from elsewhere.
func waitingSession(t *testing.T, policy replay.Policy) (dir string, store *format.DirStore, x *replay.Executor, log format.LogID) {
	t.Helper()
	dir = filepath.Join(t.TempDir(), "store")
	store, _, err := openStoreAt(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { store.Close() })
	inbox := &replay.Inbox{Store: store}
	if log, err = inbox.Create(t.Context(), schema.SessionOpened{}); err == nil {
		_, err = inbox.Say(t.Context(), log, schema.TextPart("go"))
	}
	if err != nil {
		t.Fatal(err)
	}
	x = &replay.Executor{
		Store: store, Model: "m", Tools: tool.NewSet(remote{}), Policy: policy,
		Provider: scripted.New(scripted.Call("", "remote", `{}`), scripted.Step{Expect: "from afar", Blocks: scripted.Say("done").Blocks}),
	}
	if _, err := x.Run(t.Context(), log); err != nil {
		t.Fatal(err)
	}
	return dir, store, x, log
}

// runCommand runs the command line with an input.
func runCommand(t *testing.T, in string, args ...string) (code int, out, errOut string) {
	t.Helper()
	var stdout, stderr bytes.Buffer
	code = run(t.Context(), append([]string{"ownlog"}, args...), console{
		In: strings.NewReader(in), Out: &stdout, Err: &stderr, Getenv: func(string) string { return "" },
	})
	return code, stdout.String(), stderr.String()
}

// The result of a call that finished elsewhere is delivered by whoever holds the
// token, once; then the session goes on.
func TestResultVerb(t *testing.T) {
	dir, store, x, log := waitingSession(t, &replay.Rules{Rules: []replay.Rule{{Action: replay.Allow}}})
	st, err := replay.Look(t.Context(), store, log)
	if err != nil || len(st.Detached) != 1 {
		t.Fatalf("%+v, %v", st, err)
	}
	token := st.Detached[0].Token
	if code, _, errOut := runCommand(t, "x", "result", log.String(), "nonsense", "--store", dir); code != exitEnvironment || !strings.Contains(errOut, "not open") {
		t.Errorf("a wrong token: code %d, %s", code, errOut)
	}
	if code, _, _ := runCommand(t, "x", "result", log.String(), token, "--status", "fine", "--store", dir); code != exitUsage {
		t.Errorf("a wrong status: code %d", code)
	}
	if code, out, errOut := runCommand(t, "from afar", "result", log.String(), token, "--store", dir); code != 0 || !strings.HasPrefix(out, log.String()+"@") {
		t.Fatalf("code %d, %s%s", code, out, errOut)
	}
	if code, _, _ := runCommand(t, "again", "result", log.String(), token, "--store", dir); code != exitEnvironment {
		t.Errorf("a second result: code %d", code)
	}
	if out, err := x.Run(t.Context(), log); err != nil || out.Status != replay.StatusIdle {
		t.Errorf("%+v, %v", out, err)
	}
}

// A question that is on the screen is let go when somebody else answers it.
func TestQuestionAnsweredElsewhere(t *testing.T) {
	_, store, _, log := waitingSession(t, nil)
	st, err := replay.Look(t.Context(), store, log)
	if err != nil || len(st.Permissions) != 1 {
		t.Fatalf("%+v, %v", st, err)
	}
	s := &session{console: console{Err: new(bytes.Buffer)}}
	inbox := &replay.Inbox{Store: store}
	asked := make(chan error, 1)
	go func() {
		goOn, err := s.askAll(t.Context(), make(chan string), inbox, log, st)
		if err == nil && !goOn {
			err = replay.ErrNotOpen
		}
		asked <- err
	}()
	if _, err := inbox.Decide(t.Context(), log, replay.Answer{Decision: schema.DecisionAllow}); err != nil {
		t.Fatal(err)
	}
	if err := <-asked; err != nil {
		t.Errorf("the question was not let go: %v", err)
	}
}

// What is typed answers the question, at last with what it takes.
func TestQuestionAnsweredHere(t *testing.T) {
	for typed, want := range map[string]schema.Decision{"y": schema.DecisionAllow, "what\nA": schema.DecisionAllow, "no": schema.DecisionDeny, "l": "", "": ""} {
		_, store, _, log := waitingSession(t, nil)
		st, err := replay.Look(t.Context(), store, log)
		if err != nil {
			t.Fatal(err)
		}
		s := &session{console: console{Err: new(bytes.Buffer), In: strings.NewReader(typed + "\n")}}
		if typed == "" {
			s.In = strings.NewReader("")
		}
		goOn, err := s.askAll(t.Context(), s.lines(), &replay.Inbox{Store: store}, log, st)
		if err != nil || goOn != (want != "") {
			t.Errorf("typed %q: goes on %t, %v", typed, goOn, err)
		}
		var got schema.Decision
		for e, err := range store.Read(t.Context(), log, st.Size) {
			if err != nil {
				t.Fatal(err)
			}
			ev, err := schema.Decode(e.Bytes)
			if err != nil {
				t.Fatal(err)
			}
			if d, ok := ev.Data.(*schema.PermissionDecided); ok {
				got = d.Decision
			}
		}
		if got != want {
			t.Errorf("typed %q: decided %q, want %q", typed, got, want)
		}
	}
}

// Recorded requests that are not what was sent make the check fail.
func TestReplayVerifyFails(t *testing.T) {
	dir, store, _, log := waitingSession(t, nil)
	if code, out, _ := runCommand(t, "", "replay", log.String(), "--mode", "verify", "--store", dir); code != 0 || !strings.Contains(out, "1 requests equal") {
		t.Fatalf("code %d, %s", code, out)
	}
	copied, at := format.NewLogID(), int64(0)
	for e, err := range store.Read(t.Context(), log, 0) {
		if err != nil {
			t.Fatal(err)
		}
		entry := bytes.Replace(e.Bytes, []byte(`"text":"go"`), []byte(`"text":"no"`), 1)
		if at, err = store.Append(t.Context(), copied, at, [][]byte{entry}); err != nil {
			t.Fatal(err)
		}
	}
	code, out, errOut := runCommand(t, "", "replay", log.String(), copied.String(), "--mode", "verify", "--store", dir)
	if code != exitCheckFailed || !strings.Contains(out, "0 requests equal, 1 different") || !strings.Contains(errOut, "1 requests are not") {
		t.Errorf("code %d, %s%s", code, out, errOut)
	}
}

// A worker that is told to stop lets the step under way finish, cuts none off, and
// gives the lease back.
func TestWorkIsToldToStop(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("a process cannot be told to stop")
	}
	dir := filepath.Join(t.TempDir(), "store")
	store, _, err := openStoreAt(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	inbox := &replay.Inbox{Store: store}
	log, err := inbox.Create(t.Context(), schema.SessionOpened{})
	if err == nil {
		_, err = inbox.Say(t.Context(), log, schema.TextPart("go"))
	}
	if err != nil {
		t.Fatal(err)
	}
	script := filepath.Join(t.TempDir(), "script.json")
	steps := strings.Repeat(`{"delay_ms":300,"blocks":[{"type":"tool_call","name":"list","args":{}}]},`, 200)
	if err := os.WriteFile(script, []byte(`{"steps":[`+strings.TrimSuffix(steps, ",")+`]}`), 0o600); err != nil {
		t.Fatal(err)
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(self, "work", "--store", dir, "--provider", "scripted", "--script", script, "--model", "m", "--workdir", t.TempDir())
	cmd.Args[0], cmd.Stderr = "ownlog", os.Stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer cmd.Process.Kill() //nolint:errcheck // it has ended, as a rule
	count := func(kind schema.Type) (n int, last schema.Type) {
		for e, err := range store.Read(t.Context(), log, 0) {
			if err != nil {
				t.Fatal(err)
			}
			ev, err := schema.Decode(e.Bytes)
			if err != nil {
				t.Fatal(err)
			}
			if last = ev.Type; ev.Type == kind {
				n++
			}
		}
		return n, last
	}
	for n := 0; n == 0; n, _ = count(schema.TypeModelRequested) {
		time.Sleep(time.Millisecond)
	}
	if err := cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err != nil {
		t.Fatalf("the worker ended: %v", err)
	}
	asked, last := count(schema.TypeModelRequested)
	answered, _ := count(schema.TypeModelOutput)
	if asked != answered || asked >= 200 || last != schema.TypeLeaseReleased {
		t.Errorf("%d requests, %d responses, the last entry is a %s: want no step cut off, the turn open, the lease given back", asked, answered, last)
	}
}
