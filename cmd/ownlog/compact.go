package main

import (
	"errors"

	"github.com/urfave/cli/v2"

	"github.com/ownlog/ownlog/replay"
	"github.com/ownlog/ownlog/schema"
)

// compactVerb makes a log that begins with a summary of another.
func (s *session) compactVerb() *cli.Command {
	return &cli.Command{
		Name:      "compact",
		Usage:     "make a new log that begins with a summary of LOG and its last turns",
		ArgsUsage: "LOG[@SIZE]",
		Description: "LOG stays as it is; the new log says where it comes from. The summary is made by a model with --provider,\n" +
			"else by rule: what was asked, which tools were called, what was said last.",
		Flags: append([]cli.Flag{
			&cli.IntFlag{Name: "keep", Value: 1, Usage: "how many turns are kept as they were"},
		}, providerFlags()...),
		Action: s.runCompact,
	}
}

func (s *session) runCompact(c *cli.Context) (err error) {
	ref, err := s.oneLog(c)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, ref.Store.Close()) }()
	summarize := replay.Summarizer(replay.Extract)
	if c.String("provider") != "" {
		p, err := s.newProvider(c)
		if err != nil {
			return err
		}
		if c.String("model") == "" {
			return usageError(errors.New("say --model with --provider"))
		}
		params, err := modelParams(c)
		if err != nil {
			return err
		}
		summarize = replay.BySummary(p, c.String("model"), schema.Definition{Model: &schema.Model{Params: params}})
	}
	inbox := replay.Inbox{Store: ref.Store}
	child, err := inbox.Compact(c.Context, ref.Log, ref.Size, c.Int("keep"), summarize)
	if err != nil {
		return err
	}
	return s.printChild(c, "ownlog.compact/1", ref, child)
}
