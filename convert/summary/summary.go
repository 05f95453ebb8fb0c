// Package summary tells what a log is about without its whole story: what lists
// of sessions show.
//
// Summaries are derived from the logs and may be dropped at any time; a cached
// one is used only while its log has the size it was made from.
package summary

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/ownlog/ownlog/convert"
	"github.com/ownlog/ownlog/format"
	"github.com/ownlog/ownlog/schema"
)

// Summary is what a list shows of a log.
type Summary struct {
	Log      string           `json:"log"`
	Size     int64            `json:"size"` // entries
	Parent   string           `json:"parent,omitzero"`
	ForkSize int64            `json:"fork_size,omitzero"`
	Vendor   string           `json:"vendor,omitzero"` // empty: written natively
	Kind     convert.LogKind  `json:"kind,omitzero"`
	Session  string           `json:"session,omitzero"` // the vendor's id
	Agent    string           `json:"agent,omitzero"`
	Title    string           `json:"title,omitzero"`
	Prompt   string           `json:"prompt,omitzero"` // the first thing a person said, cut
	CWD      string           `json:"cwd,omitzero"`
	Started  string           `json:"started,omitzero"` // earliest time of an entry
	Ended    string           `json:"ended,omitzero"`   // latest time of an entry
	Turns    int64            `json:"turns"`
	Steps    int64            `json:"steps"` // model responses
	Models   []string         `json:"models,omitzero"`
	State    schema.TurnState `json:"state,omitzero"`
	Input    int64            `json:"input"` // tokens, cache included
	Output   int64            `json:"output"`
}

// promptLength is how many bytes of a first prompt are kept.
const promptLength = 200

// Of folds a log into its summary.
func Of(ctx context.Context, store format.Store, log format.LogID) (Summary, error) {
	info, err := store.Info(ctx, log)
	if err != nil {
		return Summary{}, err
	}
	sum := Summary{Log: log.String(), Size: info.Size}
	if info.Fork != nil {
		sum.Parent, sum.ForkSize = info.Fork.Log.String(), info.Fork.Size
	}
	state := new(schema.State)
	var rows, sideRows bool
	err = convert.WalkEvents(ctx, store, log, 0, info.Size, func(e convert.LogEvent) error {
		if e.Event == nil {
			state.ApplyHole(e.Seq)
			return nil
		}
		state.Apply(e.Seq, e.Event)
		sum.take(e.Event)
		if src := e.Event.Source; src != nil && src.Row != nil {
			rows, sideRows = true, sideRows || src.Row.Table == "file"
		}
		return nil
	})
	if err != nil {
		return Summary{}, err
	}
	sum.describe(state)
	// What sessions share has rows, and nobody says anything.
	sum.Kind = kindOf(sum, sideRows || rows && sum.Session == "" && sum.Turns == 0 && sum.Steps == 0)
	return sum, nil
}

// take notes what the fold does not keep.
func (sum *Summary) take(ev *schema.Event) {
	if sum.Vendor == "" {
		sum.Vendor = ev.Source.VendorName()
	}
	if ev.Time != "" {
		if sum.Started == "" || ev.Time < sum.Started {
			sum.Started = ev.Time
		}
		sum.Ended = max(sum.Ended, ev.Time)
	}
	if m, ok := ev.Data.(*schema.UserMessage); ok && sum.Prompt == "" && m.Origin == schema.OriginTyped {
		for _, p := range m.Content {
			if p.Type == schema.PartText && p.Text.Inline != "" {
				sum.Prompt = cut(p.Text.Inline)
				break
			}
		}
	}
}

func (sum *Summary) describe(state *schema.State) {
	info := state.Info()
	sum.Session, sum.Agent = info.VendorSession, info.Agent
	sum.Title, sum.CWD = info.Title, info.CWD
	sum.Turns, sum.State = state.Turns(), state.TurnState()
	total := state.Usage()
	sum.Steps = total.Responses
	sum.Input, sum.Output = total.Input+total.CacheRead+total.CacheWrite, total.Output
	for _, m := range state.UsageByModel() {
		if m.Model != "" {
			sum.Models = append(sum.Models, m.Model)
		}
	}
}

func kindOf(sum Summary, sideRows bool) convert.LogKind {
	switch {
	case sideRows:
		return convert.LogAssets
	case sum.Agent != "":
		return convert.LogAgent
	}
	return convert.LogSession
}

func cut(s string) string {
	if len(s) <= promptLength {
		return s
	}
	for end := promptLength; end > promptLength-4; end-- {
		if s[end]&0xc0 != 0x80 {
			return s[:end]
		}
	}
	return s[:promptLength]
}

// Cache keeps summaries in a folder.
type Cache struct{ Dir string }

// Of returns the summary of a log, from the cache if the log has not grown.
func (c Cache) Of(ctx context.Context, store format.Store, log format.LogID) (Summary, error) {
	info, err := store.Info(ctx, log)
	if err != nil {
		return Summary{}, err
	}
	name := filepath.Join(c.Dir, log.String()+".json")
	if b, err := os.ReadFile(name); err == nil {
		var sum Summary
		if json.Unmarshal(b, &sum) == nil && sum.Log == log.String() && sum.Size == info.Size {
			return sum, nil
		}
	}
	sum, err := Of(ctx, store, log)
	if err != nil {
		return Summary{}, err
	}
	return sum, c.put(name, sum)
}

// put writes a summary; a store that cannot be written to is no reason to fail.
func (c Cache) put(name string, sum Summary) error {
	b, err := json.Marshal(sum, jsontext.AllowInvalidUTF8(true))
	if err != nil {
		return err
	}
	return ignoreReadOnly(convert.ReplaceFile(name, b))
}

func ignoreReadOnly(err error) error {
	if errors.Is(err, fs.ErrPermission) {
		return nil
	}
	return err
}
