package replay

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/ownlog/ownlog/convert"
	"github.com/ownlog/ownlog/convert/claudecode"
	"github.com/ownlog/ownlog/convert/codex"
	"github.com/ownlog/ownlog/convert/opencode"
	"github.com/ownlog/ownlog/fixtures"
	"github.com/ownlog/ownlog/format"
	"github.com/ownlog/ownlog/replay"
	"github.com/ownlog/ownlog/replay/tool"
	"github.com/ownlog/ownlog/schema"
)

// Fixtures imports the recordings of all vendors and returns the logs that hold
// a conversation. dir is an empty folder for copies of the recordings.
func Fixtures(ctx context.Context, dir string) (*format.MemStore, []format.LogID, error) {
	if err := os.CopyFS(dir, fixtures.FS); err != nil {
		return nil, nil, err
	}
	// Embedded files may have lost the modes that a database needs.
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			err = os.Chmod(path, 0o600)
		}
		return err
	})
	if err != nil {
		return nil, nil, err
	}
	store := new(format.MemStore)
	reg := convert.NewRegistry(&claudecode.Vendor{}, &codex.Vendor{}, &opencode.Vendor{})
	summary, err := convert.Import(ctx, store, convert.OpenImports(""), reg, convert.ImportOptions{Roots: []string{dir}})
	if err != nil {
		return nil, nil, fmt.Errorf("import the fixtures: %w: %+v", err, summary)
	}
	var logs []format.LogID
	for id, err := range store.List(ctx) {
		if err != nil {
			return nil, nil, err
		}
		talk, err := conversation(ctx, store, id)
		if err != nil {
			return nil, nil, err
		}
		if talk {
			logs = append(logs, id)
		}
	}
	if len(logs) < fewestSessions {
		return nil, nil, fmt.Errorf("the fixtures hold %d conversations, want %d or more", len(logs), fewestSessions)
	}
	return store, logs, nil
}

// fewestSessions is how many conversations the fixtures hold at least.
const fewestSessions = 15

// conversation reports whether a log holds messages, and not assets only.
func conversation(ctx context.Context, store format.Store, log format.LogID) (bool, error) {
	for e, err := range store.Read(ctx, log, 0) {
		if err != nil {
			return false, err
		}
		norm, _, err := format.CutRaw(nil, e.Bytes)
		if err != nil {
			return false, err
		}
		ev, err := schema.Decode(norm)
		if err != nil {
			return false, err
		}
		if ev.Type == schema.TypeUserMessage {
			return true, nil
		}
	}
	return false, nil
}

// noTool stands in for every tool: what sessions of others ask for is not run
// here.
type noTool struct{ tool.Tool }

// Run implements [tool.Tool].
func (noTool) Run(context.Context, tool.Call) (tool.Result, error) {
	return tool.Result{Status: schema.StatusOK, Content: []schema.Part{schema.TextPart("ok")}}, nil
}

// Tools are all that sessions know, and do nothing.
func Tools() *tool.Set {
	set := new(tool.Set)
	for _, d := range tool.Known().Definitions() {
		t, _ := tool.Known().Lookup(d.Name)
		set.Add(d.Name, noTool{t})
	}
	return set
}

// GoOn forks a session, says two things in it, one after the other, and answers
// prompts with yes.
func GoOn(ctx context.Context, x *replay.Executor, mirror format.LogID) error {
	inbox := &replay.Inbox{Store: x.Store}
	log, forked, err := inbox.Prepare(ctx, mirror, "resume")
	if err != nil {
		return err
	}
	if !forked {
		return fmt.Errorf("log %s is a mirror and was not forked", mirror)
	}
	for _, text := range []string{"go on", "and again"} {
		if _, err := inbox.Say(ctx, log, schema.TextPart(text)); err != nil {
			return err
		}
		if err := Advance(ctx, x, inbox, log); err != nil {
			return err
		}
	}
	return nil
}

// mostRuns bounds how often a turn may stop for permissions.
const mostRuns = 10

// Advance runs a turn to its end, and answers prompts with yes.
func Advance(ctx context.Context, x *replay.Executor, inbox *replay.Inbox, log format.LogID) error {
	for range mostRuns {
		out, err := x.Run(ctx, log)
		if err != nil {
			return err
		}
		if f := out.Finished; f != nil && f.Reason != schema.TurnEnd {
			return fmt.Errorf("the turn ended %s %s %s", f.Reason, f.Class, f.Message.Inline)
		}
		if out.Status == replay.StatusIdle {
			if out.Steps == 0 {
				return errors.New("no model was asked")
			}
			return nil
		}
		for _, p := range out.Standing.Permissions {
			if _, err := inbox.Decide(ctx, log, replay.Answer{Call: p.Key, Decision: schema.DecisionAllow}); err != nil {
				return err
			}
		}
	}
	return fmt.Errorf("the turn has stopped %d times and is not over", mostRuns)
}
