package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/ownlog/ownlog/convert"
	"github.com/ownlog/ownlog/format"
	"github.com/ownlog/ownlog/schema"
)

// branchTree is a log in the tree of all that it shares history with: its own
// branches, and the logs that were forked off it or compacted from it. It is its
// JSON document, too.
type branchTree struct {
	Schema string `json:"schema,omitzero"`
	Log    string `json:"log"`
	// From is how many entries it shares with the log above; nil for the root.
	From *int64 `json:"from,omitzero"`
	// Compacted: it begins with a summary of those, not with the entries.
	Compacted bool         `json:"compacted,omitzero"`
	Asked     bool         `json:"asked,omitzero"` // the log that was asked for
	Size      int64        `json:"size"`
	Model     string       `json:"model,omitzero"`
	Tip       string       `json:"tip,omitzero"` // what was said last
	Branches  []logBranch  `json:"branches,omitzero"`
	Forks     []branchTree `json:"forks,omitzero"`
}

// logBranch is another branch of a log whose messages are a tree.
type logBranch struct {
	Leaf  int64  `json:"leaf"` // the entry it ends in
	From  int64  `json:"from"` // how far it is that of the live branch, in entries
	Nodes int64  `json:"nodes"`
	Side  bool   `json:"side,omitzero"`
	Model string `json:"model,omitzero"`
	Tip   string `json:"tip,omitzero"`
}

// showBranches prints the tree that a log is in.
func (s *session) showBranches(c *cli.Context, ref logRef) error {
	f, err := findForks(c.Context, ref.Store)
	if err != nil {
		return err
	}
	root := ref.Log
	for seen := map[format.LogID]bool{root: true}; ; seen[root] = true {
		up, ok := f.parent[root]
		if _, there := f.size[up.Log]; !ok || !there || seen[up.Log] {
			break
		}
		root = up.Log
	}
	tree, err := f.tree(c.Context, ref, root, make(map[format.LogID]bool))
	if err != nil {
		return err
	}
	if c.Bool("json") {
		tree.Schema = "ownlog.branches/1"
		return printJSON(s.Out, tree)
	}
	var b strings.Builder
	tree.write(&b, "", c.Int("width"))
	_, err = io.WriteString(s.Out, b.String())
	return err
}

// forks is how the logs of a store hang together.
type forks struct {
	store    *format.DirStore
	size     map[format.LogID]int64
	parent   map[format.LogID]format.Fork
	children map[format.LogID][]format.LogID
	copied   map[format.LogID]bool // the parent is summarised, not shared
}

func findForks(ctx context.Context, store *format.DirStore) (*forks, error) {
	f := &forks{
		store: store, size: make(map[format.LogID]int64), parent: make(map[format.LogID]format.Fork),
		children: make(map[format.LogID][]format.LogID), copied: make(map[format.LogID]bool),
	}
	for id, err := range store.List(ctx) {
		if err != nil {
			return nil, err
		}
		info, err := store.Info(ctx, id)
		if err != nil {
			return nil, fmt.Errorf("log %s: %w", id, err)
		}
		f.size[id] = info.Size
		up := info.Fork
		if up == nil && !id.Derived() {
			if up, err = compactedFrom(ctx, store, id); err != nil {
				return nil, err
			}
			f.copied[id] = up != nil
		}
		if up != nil {
			f.parent[id] = *up
			f.children[up.Log] = append(f.children[up.Log], id)
		}
	}
	for _, list := range f.children {
		slices.SortFunc(list, func(a, b format.LogID) int {
			return cmp.Or(cmp.Compare(f.parent[a].Size, f.parent[b].Size), strings.Compare(a.String(), b.String()))
		})
	}
	return f, nil
}

// compactedFrom reads where a log says that its summary comes from, which is
// among its first entries.
func compactedFrom(ctx context.Context, store format.Store, id format.LogID) (*format.Fork, error) {
	var state schema.State
	if err := convert.Fold(ctx, store, id, 0, 3, &state); err != nil {
		return nil, err
	}
	for _, fork := range state.Forks() {
		if !fork.Copied || fork.From == nil {
			continue
		}
		if from, err := format.ParseLogID(fork.From.Log); err == nil {
			return &format.Fork{Log: from, Size: fork.From.Size}, nil
		}
	}
	return nil, nil
}

// tree describes a log and everything below it; seen are the logs above.
func (f *forks) tree(ctx context.Context, asked logRef, id format.LogID, seen map[format.LogID]bool) (branchTree, error) {
	seen[id] = true
	t := branchTree{Log: id.String(), Asked: id == asked.Log, Size: f.size[id], Compacted: f.copied[id]}
	if t.Asked && asked.Size >= 0 {
		t.Size = asked.Size
	}
	if up, ok := f.parent[id]; ok {
		t.From = &up.Size
	}
	var state schema.State
	if err := convert.Fold(ctx, f.store, id, 0, t.Size, &state); err != nil {
		return t, err
	}
	load := convert.NewEventLoader(ctx, f.store, id)
	defer load.Close()
	m := state.Model()
	t.Model = modelName(m.Provider, m.ID)
	for _, b := range state.Branches() {
		model, tip, err := branchTip(&state, load, b)
		if err != nil {
			return t, fmt.Errorf("log %s: %w", id, err)
		}
		if b.Live {
			t.Tip = tip
			continue
		}
		t.Branches = append(t.Branches, logBranch{Leaf: b.Seq, From: b.Fork + 1, Nodes: b.Nodes, Side: b.Side, Model: model, Tip: tip})
	}
	for _, child := range f.children[id] {
		if seen[child] { // a circle that only a forged log can make
			continue
		}
		if f.parent[child].Size > t.Size { // it goes on from what was not asked for
			continue
		}
		below, err := f.tree(ctx, asked, child, seen)
		if err != nil {
			return t, err
		}
		t.Forks = append(t.Forks, below)
	}
	return t, nil
}

// branchTip returns the model that answered last on a branch, and what was said
// last.
func branchTip(state *schema.State, load *convert.EventLoader, b schema.Branch) (model, tip string, err error) {
	for m, err := range state.View(load.Load, schema.OfBranch(b), schema.Uncompacted()) {
		if err != nil {
			return "", "", err
		}
		if m.Role == schema.RoleModel && m.Model != "" {
			model = modelName(m.Provider, m.Model)
		}
		if text := messageText(&m); text != "" {
			tip = whose(&m) + ": " + oneLine(text, 200)
		}
	}
	return model, tip, nil
}

func modelName(provider, id string) string {
	if provider == "" || id == "" {
		return id
	}
	return provider + "/" + id
}

func (t *branchTree) write(b *strings.Builder, indent string, width int) {
	mark := " "
	if t.Asked {
		mark = "*"
	}
	fmt.Fprintf(b, "%s%s %s@%d", indent, mark, t.Log, t.Size)
	switch {
	case t.From != nil && t.Compacted:
		fmt.Fprintf(b, "  summary of %d", *t.From)
	case t.From != nil:
		fmt.Fprintf(b, "  from %d", *t.From)
	}
	writeTip(b, t.Model, t.Tip, width)
	for _, branch := range t.Branches {
		kind := "branch"
		if branch.Side {
			kind = "side branch"
		}
		fmt.Fprintf(b, "%s    %s to entry %d, from %d", indent, kind, branch.Leaf, branch.From)
		writeTip(b, branch.Model, branch.Tip, width)
	}
	for i := range t.Forks {
		t.Forks[i].write(b, indent+"  ", width)
	}
}

func writeTip(b *strings.Builder, model, tip string, width int) {
	if model != "" {
		b.WriteString("  " + oneLine(model, 60))
	}
	if tip != "" {
		b.WriteString("  " + oneLine(tip, width))
	}
	b.WriteByte('\n')
}

// showConversation prints the messages that a model would be shown.
func (s *session) showConversation(c *cli.Context, ref logRef, options ...schema.ViewOption) error {
	var state schema.State
	if err := convert.Fold(c.Context, ref.Store, ref.Log, 0, ref.Size, &state); err != nil {
		return err
	}
	load := convert.NewEventLoader(c.Context, ref.Store, ref.Log)
	defer load.Close()
	for m, err := range state.View(load.Load, options...) {
		if err != nil {
			return err
		}
		text := messageText(&m)
		if c.Bool("json") {
			err = printJSON(s.Out, messageJSON{"ownlog.message/1", m.Seq, m.Time, m.Turn, m.Step, whose(&m), m.Summary, text})
		} else {
			_, err = fmt.Fprintf(s.Out, "%6d  %-10s %s\n", m.Seq, whose(&m), oneLine(text, c.Int("width")))
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// messageJSON is the JSON document for a message of the conversation.
type messageJSON struct {
	Schema  string `json:"schema"`
	Seq     int64  `json:"seq"`
	Time    string `json:"time,omitzero"`
	Turn    int64  `json:"turn,omitzero"`
	Step    int64  `json:"step,omitzero"`
	Who     string `json:"who"`
	Summary bool   `json:"summary,omitzero"`
	Text    string `json:"text"`
}

func whose(m *schema.Message) string {
	switch {
	case m.Summary:
		return "summary"
	case m.Injected:
		return "context"
	}
	return string(m.Role)
}

// messageText is what a message says, in words.
func messageText(m *schema.Message) string {
	var texts []string
	add := func(text string) {
		if text != "" {
			texts = append(texts, text)
		}
	}
	parts := func(list []schema.Part) {
		for i := range list {
			if list[i].Type == schema.PartText {
				add(list[i].Text.Inline)
			} else {
				add("[" + string(list[i].Type) + " " + list[i].Name + "]")
			}
		}
	}
	parts(m.Content)
	for i := range m.Blocks {
		switch b := &m.Blocks[i]; b.Type {
		case schema.BlockText, schema.BlockRefusal:
			add(b.Text.Inline)
		case schema.BlockToolCall:
			add(strings.TrimSpace("calls " + b.Name + " " + cmp.Or(string(b.Args), b.ArgsRaw.Inline)))
		}
	}
	if r := m.Result; r != nil {
		add(string(r.CallKey) + " " + string(r.Status))
		parts(r.Content)
	}
	return strings.Join(texts, " ")
}

var errOneView = errors.New("--branches, --view and --uncompacted: one of them")
