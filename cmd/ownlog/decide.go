package main

import (
	"errors"
	"fmt"
	"io"

	"github.com/urfave/cli/v2"

	"github.com/ownlog/ownlog/replay"
	"github.com/ownlog/ownlog/schema"
)

// allowVerb allows a call that waits for permission.
func (s *session) allowVerb() *cli.Command {
	return &cli.Command{
		Name:        "allow",
		Usage:       "allow a call that waits for permission",
		ArgsUsage:   "LOG [CALL]",
		Description: "CALL may be left out if only one waits. Whoever runs the session goes on; or run ownlog resume LOG.",
		Flags: []cli.Flag{
			&cli.BoolFlag{Name: "always", Usage: "and every later call of the same tool in this session"},
			&cli.StringFlag{Name: "by", Usage: "who decides, for the record", Value: "user"},
		},
		Action: func(c *cli.Context) error { return s.runDecide(c, schema.DecisionAllow) },
	}
}

// denyVerb denies a call that waits for permission.
func (s *session) denyVerb() *cli.Command {
	return &cli.Command{
		Name:        "deny",
		Usage:       "deny a call that waits for permission",
		ArgsUsage:   "LOG [CALL]",
		Description: "CALL may be left out if only one waits.",
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "message", Usage: "what to tell the model"},
			&cli.BoolFlag{Name: "always", Usage: "and every later call of the same tool in this session"},
			&cli.StringFlag{Name: "by", Usage: "who decides, for the record", Value: "user"},
		},
		Action: func(c *cli.Context) error { return s.runDecide(c, schema.DecisionDeny) },
	}
}

func (s *session) runDecide(c *cli.Context, decision schema.Decision) error {
	answer := replay.Answer{Decision: decision, By: c.String("by"), Message: c.String("message")}
	if c.Bool("always") {
		answer.Scope = replay.ScopeSession
	}
	return s.toInbox(c, func(inbox *replay.Inbox, ref logRef, operand string) (int64, error) {
		answer.Call = schema.CallKey(operand)
		return inbox.Decide(c.Context, ref.Log, answer)
	})
}

// resultVerb delivers the result of a call that was dispatched elsewhere.
func (s *session) resultVerb() *cli.Command {
	return &cli.Command{
		Name:        "result",
		Usage:       "deliver the result of a call that finished elsewhere",
		ArgsUsage:   "LOG TOKEN",
		Description: "The content is read from standard input. TOKEN is the attempt token of the call's tool.started entry.",
		Flags:       []cli.Flag{&cli.StringFlag{Name: "status", Usage: "ok, error, cancelled or timeout", Value: string(schema.StatusOK)}},
		Action:      s.runResult,
	}
}

func (s *session) runResult(c *cli.Context) error {
	status := schema.Status(c.String("status"))
	switch status {
	case schema.StatusOK, schema.StatusError, schema.StatusCancelled, schema.StatusTimeout:
	default:
		return usageError(fmt.Errorf("--status %s: want ok, error, cancelled or timeout", status))
	}
	content, err := io.ReadAll(io.LimitReader(s.In, maxPrompt+1))
	if err != nil {
		return err
	}
	if len(content) > maxPrompt {
		return usageError(fmt.Errorf("the result has more than %d bytes", maxPrompt))
	}
	return s.toInbox(c, func(inbox *replay.Inbox, ref logRef, operand string) (int64, error) {
		return inbox.Deliver(c.Context, ref.Log, operand, schema.ToolResult{Status: status, Content: []schema.Part{schema.TextPart(string(content))}})
	})
}

// toInbox resolves LOG, appends by put, and prints the new head. The second
// operand is optional here; put knows whether it can do without.
func (s *session) toInbox(c *cli.Context, put func(inbox *replay.Inbox, ref logRef, operand string) (int64, error)) (err error) {
	if c.NArg() < 1 || c.NArg() > 2 {
		return usageError(fmt.Errorf("%s takes %s", c.Command.Name, c.Command.ArgsUsage))
	}
	store, imports, err := s.openStore(c)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, store.Close()) }()
	ref, err := s.resolve(c.Context, store, imports, c.Args().First())
	if err != nil {
		return err
	}
	seq, err := put(&replay.Inbox{Store: ref.Store}, ref, c.Args().Get(1))
	if err != nil {
		return err
	}
	head, err := ref.Store.Head(c.Context, ref.Log, -1)
	if err != nil {
		return err
	}
	if c.Bool("json") {
		return printJSON(s.Out, appendedJSON{"ownlog." + c.Command.Name + "/1", ref.Log.String(), seq, head.String()})
	}
	_, err = fmt.Fprintln(s.Out, head)
	return err
}

// appendedJSON is the JSON document for an entry that was appended.
type appendedJSON struct {
	Schema string `json:"schema"`
	Log    string `json:"log"`
	Seq    int64  `json:"seq"`
	Head   string `json:"head"`
}
