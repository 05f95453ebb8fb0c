package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"text/tabwriter"

	"github.com/urfave/cli/v2"

	"github.com/ownlog/ownlog/convert"
	"github.com/ownlog/ownlog/convert/summary"
	"github.com/ownlog/ownlog/schema"
)

// handoffVerb lets a vendor's tool go on with a session.
func (s *session) handoffVerb() *cli.Command {
	return &cli.Command{
		Name:      "handoff",
		Usage:     "give a session to a vendor's tool and go on there",
		ArgsUsage: "LOG",
		Description: "It writes the session in the vendor's form into the place where the tool keeps sessions, never over\n" +
			"anything, has the tool list it where that is needed, and prints the tool's command to go on; --run runs it.\n" +
			"--all hands over every session of the store that the vendor does not have.",
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "to", Usage: "claude-code, codex or opencode", Required: true},
			&cli.BoolFlag{Name: "run", Usage: "run the tool's command instead of printing it"},
			&cli.BoolFlag{Name: "all", Usage: "every session of the store that is not the vendor's own"},
			&cli.StringFlag{Name: "cwd", Usage: "working folder the session gets (default: its own)"},
			&cli.BoolFlag{Name: "remap", Usage: "with --cwd: replace the old working folder in tool arguments, too"},
		},
		Action: s.runHandoff,
	}
}

func (s *session) runHandoff(c *cli.Context) (err error) {
	switch {
	case c.Bool("all") && (c.NArg() > 0 || c.Bool("run")):
		return usageError(errors.New("--all takes neither a LOG nor --run"))
	case !c.Bool("all") && c.NArg() != 1:
		return usageError(fmt.Errorf("handoff takes one LOG, not %d, or --all; see ownlog ls", c.NArg()))
	}
	h, err := s.newHandoff(c)
	if err != nil {
		return err
	}
	store, refs, err := s.manyLogs(c)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, store.Close()) }()
	h.cache = summary.Cache{Dir: filepath.Join(store.Dir(), "cache", "summaries")}
	if c.Bool("all") {
		return h.all(c.Context, refs)
	}
	defer func() {
		if refs[0].Store != store {
			err = errors.Join(err, refs[0].Store.Close())
		}
	}()
	sum, err := summary.Of(c.Context, refs[0].Store, refs[0].Log)
	if err != nil {
		return err
	}
	if c.Bool("run") {
		if err := checkFolder(cmp.Or(h.cwd, sum.CWD)); err != nil {
			return err
		}
	}
	done, err := h.one(c.Context, refs[0], sum)
	if err != nil {
		return fmt.Errorf("hand log %s to %s: %w", refs[0].Log, h.to, err)
	}
	if err := h.show(h.total, done); err != nil {
		return err
	}
	if c.Bool("run") {
		return s.runTool(c.Context, done)
	}
	return nil
}

// handoff is one run of the verb.
type handoff struct {
	*session
	to      string
	vendor  convert.Vendor
	tool    convert.Installer
	root    string // where the tool keeps sessions
	cwd     string
	options map[string]string
	json    bool
	cache   summary.Cache
	total   *schema.Fidelity
}

// handedOver is a session that the tool has.
type handedOver struct {
	Log     string   `json:"log"`
	Files   []string `json:"files"`
	Command []string `json:"command"`
	CWD     string   `json:"cwd"`
}

func (s *session) newHandoff(c *cli.Context) (*handoff, error) {
	h := &handoff{session: s, to: c.String("to"), cwd: c.String("cwd"), json: c.Bool("json"), total: new(schema.Fidelity)}
	if h.vendor = registry().Lookup(h.to); h.vendor == nil {
		return nil, usageError(fmt.Errorf("--to %s: want claude-code, codex or opencode", h.to))
	}
	tool, ok := h.vendor.(convert.Installer)
	if !ok {
		return nil, usageError(fmt.Errorf("--to %s: its sessions cannot be installed; see ownlog export", h.to))
	}
	h.tool = tool
	var err error
	if h.root, err = tool.InstallRoot(convert.Environment{Home: s.Home, Getenv: s.Getenv}); err != nil {
		return nil, err
	}
	h.options = exportOptions(c)
	h.options["install"] = "true"
	if h.cwd != "" {
		if h.cwd, err = filepath.Abs(h.cwd); err != nil {
			return nil, err
		}
		h.options["cwd"] = h.cwd
	}
	return h, nil
}

// install hands over the sessions that export --install names.
func (s *session) install(c *cli.Context, refs []logRef) error {
	h, err := s.newHandoff(c)
	if err != nil {
		return err
	}
	var done []handedOver
	for _, ref := range refs {
		sum, err := summary.Of(c.Context, ref.Store, ref.Log)
		if err != nil {
			return err
		}
		one, err := h.one(c.Context, ref, sum)
		if err != nil {
			return fmt.Errorf("hand log %s to %s: %w", ref.Log, h.to, err)
		}
		done = append(done, one)
	}
	return errors.Join(h.show(h.total, done...), checkLoss(c, h.total))
}

// one hands one session over. The files are written aside first, so that nothing
// is in place if the export fails.
func (h *handoff) one(ctx context.Context, ref logRef, sum summary.Summary) (done handedOver, err error) {
	aside, err := os.MkdirTemp("", "ownlog-handoff-")
	if err != nil {
		return done, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(aside)) }()
	out := &convert.FolderOutput{Dir: aside}
	report := new(schema.Fidelity)
	err = h.vendor.Export(ctx, convert.ExportRequest{
		Store: ref.Store, Imports: ref.Imports, Log: ref.Log, Size: ref.Size, Options: h.options, Out: out, Report: report,
	})
	if err != nil {
		return done, err
	}
	h.total.Merge(report)
	files, err := convert.PlaceFiles(out.Written, aside, h.root)
	if err != nil {
		return done, err
	}
	installed := convert.Installed{Root: h.root, Files: files, Title: sum.Title}
	done = handedOver{Log: ref.Log.String(), Files: files, CWD: cmp.Or(h.cwd, sum.CWD)}
	if done.Command, err = h.tool.ResumeCommand(installed); err != nil {
		return done, err
	}
	return done, h.tool.Register(ctx, installed)
}

// all hands over every session that the vendor does not have, and goes on when
// one fails.
func (h *handoff) all(ctx context.Context, refs []logRef) error {
	var done []handedOver
	failed, own := 0, 0
	for _, ref := range refs {
		if err := ctx.Err(); err != nil {
			return err
		}
		sum, err := h.cache.Of(ctx, ref.Store, ref.Log)
		if err == nil && (sum.Kind != convert.LogSession || sum.Vendor == h.to) {
			if sum.Kind == convert.LogSession {
				own++
			}
			continue
		}
		var one handedOver
		if err == nil {
			one, err = h.one(ctx, ref, sum)
		}
		if err != nil {
			failed++
			fmt.Fprintf(h.Err, "ownlog: log %s: %v\n", ref.Log, err)
			continue
		}
		done = append(done, one)
	}
	if err := h.show(h.total, done...); err != nil {
		return err
	}
	fmt.Fprintf(h.Err, "%d sessions handed over, %d failed, %d are of %s; %d pieces of the conversations dropped\n",
		len(done), failed, own, h.to, lostContent(h.total))
	if failed > 0 {
		return checkFailed(fmt.Errorf("%d sessions were not handed over, %d were", failed, len(done)))
	}
	return nil
}

// lostContent counts what is lost of conversations, not of the old tool's state.
func lostContent(report *schema.Fidelity) (lost int64) {
	for _, it := range report.Items() {
		if it.Axis == schema.Dropped && !strings.HasPrefix(it.Code, schema.StatePrefix) {
			lost += it.Count
		}
	}
	return lost
}

// show says how to go on, and what became of the content.
func (h *handoff) show(report *schema.Fidelity, done ...handedOver) error {
	if h.json {
		return printJSON(h.Out, handoffJSON{"ownlog.handoff/1", h.to, done, report.Items()})
	}
	for _, one := range done {
		if _, err := fmt.Fprintln(h.Out, one.line()); err != nil {
			return err
		}
	}
	w := tabwriter.NewWriter(h.Err, 0, 0, 2, ' ', 0)
	for _, it := range report.Items() {
		fmt.Fprintf(w, "%s\t%s\t%d\t%s\n", it.Axis, it.Code, it.Count, it.Example)
	}
	return w.Flush()
}

type handoffJSON struct {
	Schema   string                `json:"schema"`
	To       string                `json:"to"`
	Sessions []handedOver          `json:"sessions"`
	Fidelity []schema.FidelityItem `json:"fidelity"`
}

// line is the command for a POSIX shell. The folder is what a log says: it is
// quoted whatever it holds.
func (d *handedOver) line() string {
	command := strings.Join(d.Command, " ")
	if d.CWD == "" {
		return command
	}
	return "cd '" + strings.ReplaceAll(d.CWD, "'", `'\''`) + "' && " + command
}

// checkFolder tells whether a session's folder can be worked in.
func checkFolder(dir string) error {
	if st, err := os.Stat(dir); err != nil || !st.IsDir() || !filepath.IsAbs(dir) {
		return fmt.Errorf("the session's folder %q does not exist here; hand it over with --cwd", dir)
	}
	return nil
}

// runTool runs the tool's command in the session's folder, with this terminal.
func (s *session) runTool(ctx context.Context, d handedOver) error {
	cmd := exec.CommandContext(ctx, d.Command[0], d.Command[1:]...)
	// The tool gets the terminal itself: what it prints is not what a log says.
	cmd.Dir, cmd.Stdin, cmd.Stdout, cmd.Stderr = d.CWD, s.In, unescaped(s.Out), unescaped(s.Err)
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("%s: %w", d.Command[0], err)
	}
	return nil
}
