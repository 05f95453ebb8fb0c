package main

import (
	"context"
	"fmt"
	"io"
	"os"

	"github.com/urfave/cli/v2"
	"golang.org/x/term"

	"github.com/ownlog/ownlog/convert"
	"github.com/ownlog/ownlog/convert/claudecode"
	"github.com/ownlog/ownlog/convert/codex"
	"github.com/ownlog/ownlog/convert/opencode"
)

// console is the process as the command sees it: results go to Out, everything
// else to Err. Rules: messages begin with "ownlog:", are lower case and end
// without a full stop; a hint of what to do stands on a line of its own.
type console struct {
	In     io.Reader
	Out    io.Writer
	Err    io.Writer
	Getenv func(string) string
	Home   string
}

// run runs the command line and returns the exit code.
func run(ctx context.Context, args []string, con console) int {
	if isTerminal(con.Out) {
		con.Out = escapeTerminal(con.Out)
	}
	con.Err = escapeTerminal(con.Err)
	app := newApp(&session{console: con})
	return report(con.Err, app.RunContext(ctx, reorderFlags(app, args)))
}

// session is what the verbs share in one run of the command.
type session struct {
	console
}

func newApp(s *session) *cli.App {
	app := &cli.App{
		Name:  "ownlog",
		Usage: "own the logs of your AI agents",
		Description: "ownlog imports the sessions of Claude Code, Codex and OpenCode into logs that are yours: append-only,\n" +
			"checksummed, readable with zstd and jq. It gives them back byte for byte, moves them between vendors,\n" +
			"and resumes them on any model.\n\n" +
			"LOG is an id, a unique prefix of one, a vendor's session id, or a path; LOG@SIZE is its first SIZE entries.\n" +
			"The store is --store, else $OWNLOG_STORE, else the data folder of this account.\n\n" +
			"Exit codes: 0 fine; 1 the check failed (damage, loss over the limit, bytes not accounted for);\n" +
			"2 usage; 3 environment (missing file, permission, provider unreachable).",
		HideHelpCommand: true,
		HideVersion:     true,
		Reader:          s.In,
		Writer:          s.Out,
		ErrWriter:       s.Err,
		ExitErrHandler:  func(*cli.Context, error) {},
		OnUsageError:    func(_ *cli.Context, err error, _ bool) error { return usageError(err) },
		Action:          s.noVerb,
		Commands:        s.verbs(),
	}
	for _, c := range app.Commands {
		c.Flags = append(c.Flags, sharedFlags()...)
		c.HideHelpCommand = true
		c.OnUsageError = app.OnUsageError
	}
	return app
}

// noVerb is what the bare command does.
func (s *session) noVerb(c *cli.Context) error {
	if c.NArg() > 0 {
		return usageError(fmt.Errorf("no such verb: %s; see ownlog --help", c.Args().First()))
	}
	return cli.ShowAppHelp(c)
}

// sharedFlags are the flags that every verb takes.
func sharedFlags() []cli.Flag {
	return []cli.Flag{
		&cli.StringFlag{Name: "store", Usage: "folder of the store (default: $OWNLOG_STORE, else the data folder)"},
		&cli.BoolFlag{Name: "json", Usage: "print JSON, with a schema name and version"},
	}
}

// registry returns the vendors, in the order in which they are asked about files.
func registry() *convert.Registry {
	return convert.NewRegistry(claudecode.Vendor{}, codex.Vendor{}, opencode.Vendor{})
}

func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}
