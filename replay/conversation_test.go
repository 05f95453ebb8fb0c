package replay

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"testing"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/google/go-cmp/cmp"

	"github.com/ownlog/ownlog/replay/provider"
	"github.com/ownlog/ownlog/replay/provider/anthropic"
	"github.com/ownlog/ownlog/replay/provider/chat"
	"github.com/ownlog/ownlog/replay/provider/gemini"
	"github.com/ownlog/ownlog/replay/provider/openai"
	"github.com/ownlog/ownlog/schema"
)

// randomLog makes the entries of a log, ordinary ones and such as no log should
// have: imported records of a tree and rows with revisions, then a session that
// goes on natively, with compactions, holes and switches of the branch.
type randomLog struct {
	*rand.Rand
	turn, step int64
	open       []schema.CallKey // without an answer
	old        []schema.CallKey // answered
	line       int64
	native     bool
}

func (l *randomLog) chance(n int) bool { return l.IntN(n) == 0 }

// entry returns the next entry; nil is a hole.
func (l *randomLog) entry() *schema.Event {
	if !l.native && l.chance(12) {
		l.native = true
	}
	ev := l.event()
	if ev == nil {
		return nil
	}
	ev.Type = ev.Data.EventType()
	if l.native && !l.chance(60) {
		if ev.ID = fmt.Sprint("native-", l.IntN(1_000_000)); l.chance(40) {
			ev.ID = fmt.Sprint("n", l.IntN(30)) // an id that a record may wait for
		}
		return ev
	}
	l.line++
	if l.chance(3) {
		ev.Source = &schema.Source{Vendor: "opencode", Row: &schema.Row{Table: "part", ID: fmt.Sprint("row", l.IntN(12))}, Rev: int64(l.IntN(3)), Part: int64(l.IntN(2))}
		return ev
	}
	ev.Source = &schema.Source{Vendor: "claude-code", Line: l.line}
	ev.ID = fmt.Sprint("n", l.line)
	ev.Side = l.chance(10)
	if !l.chance(4) {
		ev.Parent = schema.Parent{Known: true, ID: fmt.Sprint("n", max(l.line-1-l.Int64N(3)+l.Int64N(2), 1))}
	}
	return ev
}

func (l *randomLog) key() schema.CallKey {
	switch {
	case len(l.open) > 0 && !l.chance(10):
		return l.open[l.IntN(len(l.open))]
	case len(l.old) > 0:
		return l.old[l.IntN(len(l.old))]
	}
	return "9/9/9"
}

func (l *randomLog) text() []schema.Part {
	return []schema.Part{schema.TextPart(fmt.Sprint("text ", l.IntN(1_000)))}
}

func (l *randomLog) about(data schema.Data) *schema.Event {
	return &schema.Event{Turn: l.turn, Step: l.step, Data: data}
}

func (l *randomLog) event() *schema.Event {
	switch l.IntN(24) {
	case 0, 1:
		l.turn, l.step = l.turn+1, 0
		return &schema.Event{Turn: l.turn, Data: &schema.UserMessage{Content: l.text(), Origin: schema.OriginTyped}}
	case 2:
		d := &schema.UserMessage{Content: l.text(), Origin: schema.OriginQueued}
		if l.chance(4) {
			d.MessageID = fmt.Sprint("m", l.IntN(3))
		}
		if l.chance(6) {
			d.Origin = schema.OriginSummary
		}
		return &schema.Event{Turn: l.turn, Data: d}
	case 3, 4, 5, 6, 7:
		return l.output()
	case 8, 9, 10, 11:
		key := l.key()
		if i := slices.Index(l.open, key); i >= 0 {
			l.open, l.old = slices.Delete(l.open, i, i+1), append(l.old, key)
		}
		d := &schema.ToolResult{CallKey: key, Status: schema.StatusOK, Content: l.text()}
		if l.chance(8) {
			d.Content, d.ExitCode = nil, schema.Int(1)
		}
		return l.about(d)
	case 12, 13:
		return l.about(&schema.ToolStarted{CallKey: l.key(), Attempt: 1, Effect: schema.EffectReadonly})
	case 14:
		return l.about(&schema.PermissionRequested{CallKey: l.key()})
	case 15:
		return l.about(&schema.PermissionDecided{CallKey: l.key(), Decision: schema.DecisionAllow})
	case 16, 17:
		return &schema.Event{Turn: l.turn, Step: l.step + 1, Data: &schema.ModelRequested{RequestID: fmt.Sprint("r", l.IntN(4)), Attempt: 1}}
	case 18:
		return &schema.Event{Turn: l.turn, Data: &schema.SystemMessage{Role: schema.RoleSystem, Content: l.text()}}
	case 19:
		return &schema.Event{Data: &schema.LeaseAcquired{Holder: "x"}}
	case 20:
		return &schema.Event{Data: &schema.NoteAdded{Text: schema.String("a note")}}
	case 21:
		if l.chance(3) {
			return l.compaction()
		}
		return &schema.Event{Turn: l.turn, Data: &schema.TurnFinished{Reason: schema.TurnEnd}}
	case 22:
		switch l.IntN(8) {
		case 0:
			return nil
		case 1:
			return &schema.Event{Data: &schema.BranchSelected{Leaf: fmt.Sprint("n", l.IntN(40))}}
		case 2:
			return &schema.Event{Data: &schema.BranchSelected{DropUserTurns: 1}}
		case 3:
			return &schema.Event{Turn: l.turn, Data: &schema.ModelFailed{Class: schema.ErrorServer, MessageID: fmt.Sprint("m", l.IntN(3))}}
		case 4:
			return &schema.Event{Data: &schema.LogGap{}}
		}
		return &schema.Event{Data: &schema.UserInterrupt{}}
	}
	return &schema.Event{Data: &schema.SessionUpdated{Title: "t"}}
}

func (l *randomLog) output() *schema.Event {
	if !l.chance(5) {
		l.step++ // else a further piece
	}
	d := &schema.ModelOutput{Provider: "anthropic", API: "messages", Model: "m", StopReason: "end_turn", Blocks: []schema.Block{}}
	if l.chance(6) {
		d.MessageID = fmt.Sprint("m", l.IntN(3))
	}
	if l.chance(2) {
		d.Blocks = append(d.Blocks, schema.Block{Type: schema.BlockText, Text: schema.String(fmt.Sprint("answer ", l.IntN(1_000)))})
	}
	for i := range l.IntN(3) {
		key := schema.NewCallKey(l.turn, l.step, int64(i))
		if !l.chance(20) {
			l.open = append(l.open, key)
		}
		name := "shell"
		if l.chance(10) {
			name = fmt.Sprint("tool", l.IntN(4))
		}
		d.Blocks = append(d.Blocks, schema.Block{
			Type: schema.BlockToolCall, Kind: schema.CallFunction, CallKey: key, VendorID: fmt.Sprint("id", l.IntN(50)), Name: name,
			Args: jsontext.Value(fmt.Sprintf(`{"n":%d}`, l.IntN(100))),
		})
	}
	return l.about(d)
}

func (l *randomLog) compaction() *schema.Event {
	d := &schema.ContextCompacted{}
	switch l.IntN(4) {
	case 0:
		d.Summary, d.Covers = l.text(), []int64{0, l.Int64N(40)}
	case 1:
		d.SummaryFrom, d.Marker = fmt.Sprintf("%d/%d", l.turn, l.step+1), schema.String("what did we do?")
	case 2:
		d.UserMessages = true
	}
	return &schema.Event{Turn: l.turn, Data: d}
}

// TestRequestsGoOn: whatever the log says, the request that is made of the one
// before and the new entries is the one that is made of all entries, to the byte
// and to the loss.
func TestRequestsGoOn(t *testing.T) {
	seeds := uint64(64)
	if os.Getenv("OWNLOG_SOAK") != "" {
		seeds = 600
	}
	vllm, _ := chat.QuirksOf("vllm")
	providers := []provider.Provider{
		anthropic.New(anthropic.Config{}), openai.New(openai.Config{}), chat.New(chat.Config{Quirks: vllm}), gemini.New(gemini.Config{}),
	}
	ctx := context.Background()
	def := schema.Definition{System: []string{"You are a test."}, Tools: []schema.ToolDefinition{{Name: "shell"}}}
	kept, all := 0, 0
	for seed := range seeds {
		l := &randomLog{Rand: rand.New(rand.NewPCG(seed, 3)), native: seed%2 == 0}
		p := providers[seed/2%4]
		projector := provider.NewProjector(p)
		c, progress := newConversation(), newProgress()
		var evs []*schema.Event
		for seq := range int64(20 + seed%60) {
			ev := l.entry()
			evs = append(evs, ev)
			applyTo(c, progress, seq, ev)
			if l.chance(3) {
				continue
			}
			whole, again := newConversation(), newProgress()
			for i, ev := range evs {
				applyTo(whole, again, int64(i), ev)
			}
			view, err := whole.view()
			if err != nil {
				t.Fatal(err)
			}
			view = asSent(view, again.sent)
			messages, same, err := c.asSent(progress.sent)
			if err != nil {
				t.Fatal(err)
			}
			if a, b := progress.next(), again.next(); a != b || progress.size != again.size || len(progress.open) != len(again.open) {
				t.Fatalf("seed %d, entry %d: two folds of one log ask for %d and %d", seed, seq, a, b)
			}
			if d := cmp.Diff(view, messages); d != "" {
				t.Fatalf("seed %d, entry %d (%s): view (-of all entries +gone on with):\n%s", seed, seq, nameOf(ev), d)
			}
			if len(view) == 0 {
				continue
			}
			all++
			if same > 0 {
				kept++
			}
			want, err := p.Project(ctx, &provider.View{Definition: def, Messages: view, Model: "m"})
			if err != nil {
				t.Fatal(err)
			}
			got, err := projector.Project(ctx, &provider.View{Definition: def, Messages: messages, Model: "m"}, same)
			if err != nil {
				t.Fatal(err)
			}
			if body := slices.Concat(got.Body, got.Tail); !bytes.Equal(want.Body, body) || want.SHA256() != got.SHA256() {
				t.Fatalf("seed %d, entry %d (%s), %d of %d messages kept: the request of all entries is\n%s\ngone on with\n%s", seed, seq, nameOf(ev), same, len(messages), want.Body, body)
			}
			if d := cmp.Diff(want.Losses, got.Losses); d != "" {
				t.Fatalf("seed %d, entry %d: losses (-of all entries +gone on with):\n%s", seed, seq, d)
			}
		}
	}
	t.Logf("%d requests, %d went on from the one before", all, kept)
	if kept < all/3 {
		t.Errorf("only %d of %d requests went on from the one before: the test proves little", kept, all)
	}
}

func applyTo(c *conversation, p *progress, seq int64, ev *schema.Event) {
	if ev == nil {
		c.skip(seq)
		p.skip(seq)
		return
	}
	c.apply(seq, ev)
	p.apply(seq, ev)
}

func nameOf(ev *schema.Event) schema.Type {
	if ev == nil {
		return "hole"
	}
	return ev.Type
}
