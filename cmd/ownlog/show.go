package main

import (
	"errors"

	"github.com/urfave/cli/v2"

	"github.com/ownlog/ownlog/convert"
	"github.com/ownlog/ownlog/convert/timeline"
)

// showVerb shows a log's timeline.
func (s *session) showVerb() *cli.Command {
	return &cli.Command{
		Name:        "show",
		Usage:       "show what happened, a line an event",
		ArgsUsage:   "LOG",
		Description: "Vendor records that say nothing else are left out unless --records is given.",
		Flags: []cli.Flag{
			&cli.Int64Flag{Name: "from", Usage: "first entry"},
			&cli.IntFlag{Name: "width", Usage: "characters of text in a line", Value: 100},
			&cli.BoolFlag{Name: "records", Usage: "show vendor records, too"},
		},
		Action: s.runShow,
	}
}

func (s *session) runShow(c *cli.Context) (err error) {
	ref, err := s.oneLog(c)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, ref.Store.Close()) }()
	if c.Int("width") < 1 {
		return usageError(errors.New("--width: want at least 1"))
	}
	return s.showEntries(c, ref, c.Int64("from"), ref.Size)
}

// showEvent is the JSON document for an event: the timeline's line.
type showEvent struct {
	Schema string `json:"schema"`
	Seq    int64  `json:"seq"`
	Type   string `json:"type"`
	Time   string `json:"time,omitzero"`
	Turn   int64  `json:"turn,omitzero"`
	Step   int64  `json:"step,omitzero"`
	Who    string `json:"who"`
	Text   string `json:"text"`
}

func showEventJSON(e convert.LogEvent) showEvent {
	doc := showEvent{Schema: "ownlog.show/1", Seq: e.Seq, Type: "hole", Who: "hole"}
	if e.Event != nil {
		line := timeline.Describe(e.Event)
		doc.Type, doc.Time, doc.Turn, doc.Step = string(e.Event.Type), e.Event.Time, e.Event.Turn, e.Event.Step
		doc.Who, doc.Text = line.Who, line.Text
	}
	return doc
}
