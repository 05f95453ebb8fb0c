package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"text/tabwriter"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/ownlog/ownlog/convert"
	"github.com/ownlog/ownlog/convert/parquet"
	"github.com/ownlog/ownlog/convert/timeline"
	"github.com/ownlog/ownlog/fixtures"
	"github.com/ownlog/ownlog/format"
	"github.com/ownlog/ownlog/replay"
	"github.com/ownlog/ownlog/schema"
)

// demoVerb goes the whole path on the bundled recordings.
func (s *session) demoVerb() *cli.Command {
	return &cli.Command{
		Name:  "demo",
		Usage: "the whole path on bundled recordings, offline",
		Description: "It imports recordings of three vendors' tools into a store of its own, checks them, gives them back, resumes\n" +
			"one with another model through a permission prompt that outlives its process, and writes tables. Every figure it prints is computed.",
		Flags:  []cli.Flag{&cli.StringFlag{Name: "dir", Usage: "folder to work in (default: a temporary one, which is kept)"}},
		Action: s.runDemo,
	}
}

// demo is one run of the demo.
type demo struct {
	*session
	c       *cli.Context
	dir     string
	store   *format.DirStore
	imports *convert.Imports
	files   []convert.FileResult
	steps   []demoStep
}

// demoStep is a line of the table at the end.
type demoStep struct {
	Step   string `json:"step"`
	Result string `json:"result"`
	Where  string `json:"where,omitzero"`
}

func (s *session) runDemo(c *cli.Context) (err error) {
	if c.NArg() > 0 {
		return usageError(errors.New("demo takes no operands"))
	}
	d := &demo{session: s, c: c, dir: c.String("dir")}
	if d.dir == "" {
		if d.dir, err = os.MkdirTemp("", "ownlog-demo-"); err != nil {
			return err
		}
	} else if err := os.MkdirAll(d.dir, 0o700); err != nil {
		return err
	}
	if d.store, d.imports, err = openStoreAt(filepath.Join(d.dir, "store")); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, d.store.Close()) }()
	for _, step := range []func() error{d.layOut, d.importAll, d.verify, d.showTimeline, d.giveBack, d.resume, d.tables} {
		if err := step(); err != nil {
			return err
		}
	}
	return d.table()
}

// did notes a step for the table.
func (d *demo) did(step, result, where string) {
	d.steps = append(d.steps, demoStep{step, result, where})
}

// say prints what people see and programs do not.
func (d *demo) say(format string, args ...any) {
	if !d.c.Bool("json") {
		fmt.Fprintf(d.Out, format, args...)
	}
}

// layOut writes the recordings to files, as the vendors' tools left them.
func (d *demo) layOut() error {
	root := filepath.Join(d.dir, "recordings")
	return fs.WalkDir(fixtures.FS, ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		target := filepath.Join(root, filepath.FromSlash(name))
		if entry.IsDir() {
			return os.MkdirAll(target, 0o700)
		}
		content, err := fs.ReadFile(fixtures.FS, name)
		if err != nil {
			return err
		}
		return os.WriteFile(target, content, 0o600)
	})
}

func (d *demo) importAll() error {
	root := filepath.Join(d.dir, "recordings")
	summary, err := convert.Import(d.c.Context, d.store, d.imports, registry(), convert.ImportOptions{
		Roots: []string{root}, Env: convert.Environment{Getenv: d.Getenv},
		Progress: func(r convert.FileResult) { d.files = append(d.files, r) },
	})
	if err != nil {
		return err
	}
	if !summary.Complete() {
		return checkFailed(fmt.Errorf("%d recordings are not accounted for", summary.Files[convert.FileFailed]))
	}
	vendors := make(map[string]int)
	for _, f := range d.files {
		if f.Status == convert.FileImported {
			vendors[f.Vendor]++
		}
	}
	d.did("import", fmt.Sprintf("%d files of %d vendors, %d bytes: %d entries in %d logs",
		summary.Files[convert.FileImported], len(vendors), summary.Bytes[convert.FileImported], summary.Appended, d.logs()), root)
	return nil
}

// logs counts the logs that the import wrote.
func (d *demo) logs() int {
	seen := make(map[format.LogID]bool)
	for _, f := range d.files {
		for _, o := range f.Outcomes {
			seen[o.Log] = true
		}
	}
	return len(seen)
}

func (d *demo) verify() error {
	var logs []format.LogID
	var entries int64
	for id, err := range d.store.List(d.c.Context) {
		if err != nil {
			return err
		}
		info, err := d.store.Info(d.c.Context, id)
		if err != nil {
			return err
		}
		entries += info.Size
		logs = append(logs, id)
	}
	if err := verifyLogs(d.c.Context, d.store, logs); err != nil {
		return err
	}
	d.did("verify", fmt.Sprintf("%d logs, %d entries: every checksum and hash holds", len(logs), entries), d.store.Dir())
	return nil
}

// pick returns the first import of a vendor's session whose recording has a call
// without an answer, else any session of the vendor.
func (d *demo) pick(vendor string) (convert.FileResult, error) {
	var found *convert.FileResult
	for i, f := range d.files {
		if f.Vendor != vendor || f.Kind == convert.ClaimSide || len(f.Outcomes) == 0 {
			continue
		}
		if found == nil {
			found = &d.files[i]
		}
		state := new(schema.State)
		if err := convert.Fold(d.c.Context, d.store, f.Outcomes[0].Log, 0, -1, state); err != nil {
			return convert.FileResult{}, err
		}
		if len(state.OpenCalls()) > 0 {
			return f, nil
		}
	}
	if found == nil {
		return convert.FileResult{}, fmt.Errorf("no recording of %s", vendor)
	}
	return *found, nil
}

// timelineLines is how many entries of a timeline the demo shows.
const timelineLines = 24

func (d *demo) showTimeline() error {
	f, err := d.pick("codex")
	if err != nil {
		return err
	}
	log := f.Outcomes[0].Log
	d.say("%s, a recording of %s:\n", filepath.Base(f.Path), f.Vendor)
	var text bytes.Buffer
	if err := timeline.Write(d.c.Context, &text, d.store, log, timeline.Options{To: timelineLines, Width: 80}); err != nil {
		return err
	}
	d.say("%s\n", &text)
	d.did("timeline", fmt.Sprintf("%d lines of log %s", bytes.Count(text.Bytes(), []byte{'\n'}), log), "")
	return nil
}

// giveBack exports every transcript and compares the bytes with the recording.
func (d *demo) giveBack() error {
	tried, same, total := 0, 0, int64(0)
	for _, f := range d.files {
		if f.Kind != convert.ClaimTranscript || len(f.Outcomes) == 0 {
			continue
		}
		tried++
		o := f.Outcomes[0]
		hash := sha256.New()
		err := registry().Lookup(f.Vendor).Export(d.c.Context, convert.ExportRequest{
			Store: d.store, Imports: d.imports, Log: o.Log, Size: o.Head.Size, SHA256: o.SHA256,
			Options: map[string]string{"only": "transcript"}, Out: &convert.WriterOutput{W: hash}, Report: new(schema.Fidelity),
		})
		if err != nil {
			return fmt.Errorf("give back %s: %w", f.Path, err)
		}
		if got := hex.EncodeToString(hash.Sum(nil)); got != o.SHA256 {
			return checkFailed(fmt.Errorf("%s: gave back SHA-256 %s, imported %s", f.Path, got, o.SHA256))
		}
		same++
		total += o.Bytes
	}
	d.did("give back", fmt.Sprintf("%d of %d transcripts, %d bytes: SHA-256 equal", same, tried, total), "")
	return nil
}

// demoScript is what the model of the demo answers.
const demoScript = `{"steps":[
 {"blocks":[{"type":"text","text":"I will write it down."},
            {"type":"tool_call","name":"write","args":{"path":"note.txt","content":"the log is ours\n"}}]},
 {"blocks":[{"type":"text","text":"It is written in note.txt."}]}
]}
`

const demoNote = "the log is ours\n"

// resume goes on with a session of another vendor: a model that is a script wants
// to write a file, which needs permission. The process that asked is killed; the
// answer comes from another, and a third goes on.
func (d *demo) resume() error {
	f, err := d.pick("claude-code")
	if err != nil {
		return err
	}
	mirror := f.Outcomes[0].Log
	before, err := d.store.Head(d.c.Context, mirror, -1)
	if err != nil {
		return err
	}
	work := filepath.Join(d.dir, "workspace")
	if err := os.MkdirAll(work, 0o700); err != nil {
		return err
	}
	script := filepath.Join(d.dir, "script.json")
	if err := os.WriteFile(script, []byte(demoScript), 0o600); err != nil {
		return err
	}
	inbox := &replay.Inbox{Store: d.store}
	log, _, err := inbox.Prepare(d.c.Context, mirror, "demo")
	if err != nil {
		return err
	}
	flags := []string{log.String(), "--provider", "scripted", "--script", script, "--model", "demo", "--workdir", work}
	d.say("resumed on a fork by another model, in a process of its own:\n")
	ask := append([]string{"resume", "--prompt", "Write down that the log is ours now.", "--no-ask", "--wait"}, flags...)
	if err := d.killAtPrompt(log, ask); err != nil {
		return err
	}
	note := filepath.Join(work, "note.txt")
	if _, err := os.Stat(note); err == nil {
		return checkFailed(errors.New("the tool ran before it was allowed"))
	}
	d.say("that process was killed. The question is in the log; another process answers it, a third goes on:\n")
	for _, args := range [][]string{{"allow", log.String(), "--by", "demo"}, append([]string{"resume"}, flags...)} {
		if err := d.other(args); err != nil {
			return err
		}
	}
	if got, err := os.ReadFile(note); err != nil || string(got) != demoNote {
		return errors.Join(checkFailed(errors.New("the tool did not write what the model asked for")), err)
	}
	return d.resumed(f.Vendor, log, before, note)
}

// resumed checks that the mirror is as it was and notes how the session stands.
func (d *demo) resumed(vendor string, log format.LogID, before format.Head, note string) error {
	after, err := d.store.Head(d.c.Context, before.Log, -1)
	if err != nil {
		return err
	}
	if after != before {
		return checkFailed(fmt.Errorf("the mirror %s changed to %s", before, after))
	}
	at, err := replay.Look(d.c.Context, d.store, log)
	if err != nil {
		return err
	}
	if at.Running || len(at.Permissions) > 0 {
		return checkFailed(errors.New("the resumed session has not come to an end"))
	}
	head, err := d.store.Head(d.c.Context, log, -1)
	if err != nil {
		return err
	}
	d.say("\n")
	d.did("resume", fmt.Sprintf("a session of %s on a fork: 1 prompt, its process killed, answered by another, finished by a third", vendor), note)
	d.did("", head.String(), "")
	return nil
}

// other runs this command in another process, on the demo's store.
func (d *demo) other(args []string) error {
	cmd, err := d.command(args)
	if err != nil {
		return err
	}
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("ownlog %s: %w", args[0], err)
	}
	return nil
}

func (d *demo) command(args []string) (*exec.Cmd, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(d.c.Context, self, append(args, "--store", d.store.Dir())...)
	cmd.Args[0] = os.Args[0]
	cmd.Stderr = d.Err
	if !d.c.Bool("json") {
		cmd.Stdout = d.Out
	}
	return cmd, nil
}

// killAtPrompt runs this command in another process until it waits for permission
// in a log, and kills it there.
func (d *demo) killAtPrompt(log format.LogID, args []string) error {
	cmd, err := d.command(args)
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	for {
		select {
		case err := <-ended:
			return fmt.Errorf("the process ended before it asked: %w", err)
		case <-time.After(20 * time.Millisecond):
		}
		at, err := replay.Look(d.c.Context, d.store, log)
		if err != nil {
			return errors.Join(err, cmd.Process.Kill())
		}
		// It gives the lease back before it waits.
		if len(at.Permissions) == 0 || at.Held {
			continue
		}
		if err := cmd.Process.Kill(); err != nil {
			return err
		}
		if err := <-ended; err == nil {
			return checkFailed(errors.New("the process ended instead of being killed"))
		}
		return nil
	}
}

func (d *demo) tables() error {
	var logs []format.LogID
	for id, err := range d.store.List(d.c.Context) {
		if err != nil {
			return err
		}
		logs = append(logs, id)
	}
	out := filepath.Join(d.dir, "parquet")
	res, err := parquet.Export(d.c.Context, d.store, slices.Values(logs), parquet.Options{Out: out})
	if err != nil {
		return err
	}
	if len(res.Failed) > 0 {
		return checkFailed(res.Failed[0])
	}
	d.did("parquet", fmt.Sprintf("%d tables: %d sessions, %d events, %d tool calls",
		len(res.Rows), res.Rows[parquet.Sessions], res.Rows[parquet.Events], res.Rows[parquet.ToolCalls]), out)
	return nil
}

func (d *demo) table() error {
	if d.c.Bool("json") {
		return printJSON(d.Out, struct {
			Schema string     `json:"schema"`
			Dir    string     `json:"dir"`
			Steps  []demoStep `json:"steps"`
		}{"ownlog.demo/1", d.dir, d.steps})
	}
	w := tabwriter.NewWriter(d.Out, 0, 0, 2, ' ', 0)
	for _, step := range d.steps {
		fmt.Fprintf(w, "%s\t%s\t%s\n", step.Step, step.Result, step.Where)
	}
	return w.Flush()
}
