package main

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/ownlog/ownlog/format"
	"github.com/ownlog/ownlog/replay"
	"github.com/ownlog/ownlog/schema"
)

// recoverVerb makes a new log of what is readable of a damaged one.
func (s *session) recoverVerb() *cli.Command {
	return &cli.Command{
		Name:        "recover",
		Usage:       "make a new log of what is readable of a damaged one",
		ArgsUsage:   "LOG",
		Description: "Every entry keeps its place; each lost one is a log.gap entry. The damaged log is left as it is. It exits\nwith 1 if entries were lost.",
		Action:      s.runRecover,
	}
}

func (s *session) runRecover(c *cli.Context) (err error) {
	ref, err := s.damagedLog(c)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, ref.Store.Close()) }()
	ids := replay.RandomIDs{}
	report, err := ref.Store.Recover(c.Context, ref.Log, format.NewLogID(), format.RecoverOptions{
		Gap: func(seq int64, reason string) ([]byte, error) {
			return schema.Encode(nil, &schema.Event{
				Time: time.Now().UTC().Format(time.RFC3339Nano), Actor: schema.Actor{Kind: schema.ActorExecutor}, ID: ids.EntryID(),
				Data: &schema.LogGap{Seq: seq, Reason: reason},
			})
		},
	})
	if err != nil {
		return err
	}
	if c.Bool("json") {
		err = printJSON(s.Out, recoverJSON{"ownlog.recover/1", ref.Log.String(), report.Head.String(), report.Kept, report.Lost, report.Holes})
	} else {
		_, err = fmt.Fprintf(s.Out, "%s\n%d entries kept, %d lost\n", report.Head, report.Kept, report.Lost)
	}
	if err == nil && report.Lost > 0 {
		err = checkFailed(fmt.Errorf("%d entries of log %s are lost; log %s has a gap for each", report.Lost, ref.Log, report.Head.Log))
	}
	return err
}

// damagedLog takes a log by its whole id or its session's, since a damaged one may
// not open.
func (s *session) damagedLog(c *cli.Context) (logRef, error) {
	if c.NArg() != 1 {
		return logRef{}, usageError(errors.New("recover takes one LOG"))
	}
	name := c.Args().First()
	store, imports, err := s.openStore(c)
	if err != nil {
		return logRef{}, err
	}
	for id, err := range store.List(c.Context) {
		if err != nil {
			return logRef{}, errors.Join(err, store.Close())
		}
		if id.String() == name || slices.Contains(mirrorsOf(name), id) {
			return logRef{Store: store, Imports: imports, Log: id, Size: -1}, nil
		}
	}
	if err := store.Close(); err != nil {
		return logRef{}, err
	}
	return s.oneLog(c)
}

type recoverJSON struct {
	Schema string `json:"schema"`
	From   string `json:"from"`
	Head   string `json:"head"`
	Kept   int64  `json:"kept"`
	Lost   int64  `json:"lost"`
	Holes  int64  `json:"holes,omitzero"`
}
