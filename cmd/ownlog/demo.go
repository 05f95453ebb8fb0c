package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"text/tabwriter"

	"github.com/urfave/cli/v2"

	"github.com/ownlog/ownlog/convert"
	"github.com/ownlog/ownlog/convert/parquet"
	"github.com/ownlog/ownlog/convert/timeline"
	"github.com/ownlog/ownlog/fixtures"
	"github.com/ownlog/ownlog/format"
	"github.com/ownlog/ownlog/replay"
	"github.com/ownlog/ownlog/replay/provider/scripted"
	"github.com/ownlog/ownlog/replay/tool"
	"github.com/ownlog/ownlog/schema"
)

// demoVerb goes the whole path on the bundled recordings.
func (s *session) demoVerb() *cli.Command {
	return &cli.Command{
		Name:  "demo",
		Usage: "the whole path on bundled recordings, offline",
		Description: "It imports recordings of three vendors' tools into a store of its own, checks them, gives them back, resumes\n" +
			"one with another model through a permission prompt, and writes tables. Every figure it prints is computed.",
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

// resume goes on with a session of another vendor: a model that is a script wants
// to write a file, which needs permission, which comes from elsewhere.
func (d *demo) resume() (err error) {
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
	workspace, err := tool.OpenWorkspace(work)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, workspace.Close()) }()
	inbox := &replay.Inbox{Store: d.store}
	log, _, err := inbox.Prepare(d.c.Context, mirror, "demo")
	if err != nil {
		return err
	}
	if _, err := inbox.Say(d.c.Context, log, schema.TextPart("Write down that the log is ours now.")); err != nil {
		return err
	}
	const note = "the log is ours\n"
	d.say("resumed on a fork by another model:\n")
	x := &replay.Executor{
		Store: d.store, Model: "demo", Tools: tool.Builtin(), Workspace: workspace, Hints: replay.DirHints{Dir: d.store.Dir()},
		Provider: scripted.New(
			scripted.Call("I will write it down.", "write", `{"path":"note.txt","content":"the log is ours\n"}`),
			scripted.Say("It is written in note.txt.")),
		OnEvent: func(_ format.LogID, seq int64, ev *schema.Event) {
			line := timeline.Describe(ev)
			d.say("%6d  %-10s %s\n", seq, line.Who, oneLine(line.Text, 90))
		},
	}
	waiting, err := x.Run(d.c.Context, log)
	if err != nil {
		return err
	}
	if waiting.Status != replay.StatusPermission || len(waiting.Standing.Permissions) == 0 {
		return fmt.Errorf("the session is %s instead of waiting for permission", waiting.Status)
	}
	if _, err := inbox.Decide(d.c.Context, log, replay.Answer{Decision: schema.DecisionAllow, By: "demo"}); err != nil {
		return err
	}
	done, err := x.Run(d.c.Context, log)
	if err != nil {
		return err
	}
	if got, err := os.ReadFile(filepath.Join(work, "note.txt")); err != nil || string(got) != note {
		return errors.Join(checkFailed(errors.New("the tool did not write what the model asked for")), err)
	}
	after, err := d.store.Head(d.c.Context, mirror, -1)
	if err != nil {
		return err
	}
	if after != before {
		return checkFailed(fmt.Errorf("the mirror %s changed to %s", before, after))
	}
	head, err := d.store.Head(d.c.Context, log, -1)
	if err != nil {
		return err
	}
	d.say("\n")
	d.did("resume", fmt.Sprintf("a session of %s on a fork, %d responses, 1 permission asked and answered: %s",
		f.Vendor, waiting.Steps+done.Steps, done.Status), filepath.Join(work, "note.txt"))
	d.did("", head.String(), "")
	return nil
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
