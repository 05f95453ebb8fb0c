package main

import (
	"errors"

	"github.com/urfave/cli/v2"

	"github.com/ownlog/ownlog/convert"
	"github.com/ownlog/ownlog/convert/timeline"
	"github.com/ownlog/ownlog/schema"
)

// showVerb shows a log's timeline.
func (s *session) showVerb() *cli.Command {
	return &cli.Command{
		Name:      "show",
		Usage:     "show what happened, a line an event",
		ArgsUsage: "LOG",
		Description: "Vendor records that say nothing else are left out unless --records is given. --view shows the conversation as a\n" +
			"model is shown it, --uncompacted as it was before any compaction. --branches shows the tree of forks and\n" +
			"branches that the log is in, each with its size, its model and what was said last.",
		Flags: []cli.Flag{
			&cli.Int64Flag{Name: "from", Usage: "first entry"},
			&cli.IntFlag{Name: "width", Usage: "characters of text in a line", Value: 100},
			&cli.BoolFlag{Name: "records", Usage: "show vendor records, too"},
			&cli.BoolFlag{Name: "view", Usage: "show the messages of the conversation, as a model is shown them"},
			&cli.BoolFlag{Name: "uncompacted", Usage: "show the messages as if none had ever been compacted"},
			&cli.BoolFlag{Name: "branches", Usage: "show the tree of forks and branches"},
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
	views := 0
	for _, name := range []string{"branches", "view", "uncompacted"} {
		if c.Bool(name) {
			views++
		}
	}
	switch {
	case views > 1:
		return usageError(errOneView)
	case c.Bool("branches"):
		return s.showBranches(c, ref)
	case c.Bool("view"):
		return s.showConversation(c, ref)
	case c.Bool("uncompacted"):
		return s.showConversation(c, ref, schema.Uncompacted())
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
