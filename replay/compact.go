package replay

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/ownlog/ownlog/format"
	"github.com/ownlog/ownlog/replay/provider"
	"github.com/ownlog/ownlog/schema"
)

// Summarizer says in words what a conversation has come to, for what is to be
// compacted.
type Summarizer func(ctx context.Context, view []schema.Message) (string, error)

// maxCompactions is how often a turn is compacted; one that still does not fit
// then ends in an error.
const maxCompactions = 2

// summaryLimit bounds a summary made without a model, in bytes.
const summaryLimit = 24 << 10

// Extract is the [Summarizer] that asks nobody: what was asked, which tools were
// called how often, which files they named, and what was said last. The same
// conversation gives the same text.
func Extract(_ context.Context, view []schema.Message) (string, error) {
	var asked, said []string
	tools := map[string]int{}
	var order []string
	for i := range view {
		m := &view[i]
		switch {
		case m.Role == schema.RoleUser && !m.Injected:
			if text := plainText(m.Content); text != "" {
				asked = append(asked, "- "+provider.Truncate(strings.ReplaceAll(text, "\n", " "), 600))
			}
		case m.Role == schema.RoleModel:
			for j := range m.Blocks {
				b := &m.Blocks[j]
				switch {
				case b.Type == schema.BlockToolCall:
					if tools[b.Name]++; tools[b.Name] == 1 {
						order = append(order, b.Name)
					}
				case b.Type == schema.BlockText && strings.TrimSpace(b.Text.Inline) != "":
					said = append(said, provider.Truncate(b.Text.Inline, 2_000))
				}
			}
		}
	}
	var out strings.Builder
	out.WriteString("The conversation so far was shortened. It stands whole in the session's log.\n\nThe user asked, oldest first:\n")
	for i, line := range asked {
		if out.Len() > summaryLimit/2 && i < len(asked)-3 {
			continue
		}
		out.WriteString(line + "\n")
	}
	if len(order) > 0 {
		out.WriteString("\nTools were called:")
		for _, name := range order {
			fmt.Fprintf(&out, " %s (%d)", name, tools[name])
		}
		out.WriteString("\n")
	}
	if n := len(said); n > 0 {
		out.WriteString("\nThe assistant last said:\n")
		for _, text := range said[max(0, n-3):] {
			out.WriteString(text + "\n")
		}
	}
	return provider.Truncate(out.String(), summaryLimit), nil
}

func plainText(parts []schema.Part) string {
	var texts []string
	for i := range parts {
		if parts[i].Type == schema.PartText && parts[i].Text.Inline != "" {
			texts = append(texts, parts[i].Text.Inline)
		}
	}
	return strings.Join(texts, "\n")
}

// BySummary returns a [Summarizer] that asks a model, and [Extract] when the
// model gives no answer.
func BySummary(p provider.Provider, model string, def schema.Definition) Summarizer {
	return func(ctx context.Context, view []schema.Message) (string, error) {
		ask := schema.Message{Role: schema.RoleUser, Content: []schema.Part{schema.TextPart(
			"Summarise this conversation for whoever goes on with it: what was asked, what was decided and done, which files matter, what is open. Do not call tools.",
		)}}
		if n := len(view); n > 0 {
			ask.Seq = view[n-1].Seq + 1
		}
		req, err := p.Project(ctx, &provider.View{Definition: def, Messages: append(view[:len(view):len(view)], ask), Model: model})
		if err == nil {
			var resp *provider.Response
			if resp, err = p.Send(ctx, req, nil); err == nil {
				var text strings.Builder
				for _, b := range resp.Blocks {
					if b.Type == schema.BlockText {
						text.WriteString(b.Text.Inline)
					}
				}
				if strings.TrimSpace(text.String()) != "" {
					return text.String(), nil
				}
			}
		}
		if ctx.Err() != nil {
			return "", context.Cause(ctx)
		}
		return Extract(ctx, view)
	}
}

// compact puts a summary in the place of older history, in the log: the covered
// entries stay. It keeps the turn under way, or, when that is all there is, its
// last response and what came after.
func (r *run) compact(ctx context.Context, trigger string) error {
	s := r.session
	if err := s.flush(ctx); err != nil { // a summary may take its time
		return err
	}
	s.mu.Lock()
	view, err := s.state.view()
	turnSeq := s.progress.turnSeq
	tokens := s.progress.contextTokens
	s.mu.Unlock()
	if err != nil {
		return err
	}
	to, ok := covered(view, turnSeq)
	if !ok {
		return errNothingToCompact
	}
	var old []schema.Message
	for i := range view {
		if view[i].Seq <= to || view[i].Summary {
			old = append(old, view[i])
		}
	}
	summarize := r.Summarize
	if summarize == nil {
		summarize = Extract
	}
	text, err := summarize(ctx, old)
	if err != nil {
		return fmt.Errorf("log %s: summarise: %w", r.log, err)
	}
	d := &schema.ContextCompacted{Trigger: trigger, Covers: []int64{0, to}, Summary: []schema.Part{schema.TextPart(text)}}
	if tokens > 0 {
		d.TokensBefore = schema.Int(tokens)
	}
	ev := s.event(schema.ActorExecutor, d)
	ev.Turn = s.progress.turn
	return s.propose(ctx, ev)
}

var errNothingToCompact = errors.New("nothing can be left out of the conversation")

// covered says up to which entry history is covered: all before the turn's
// opener, else all before the last response.
func covered(view []schema.Message, turnSeq int64) (to int64, ok bool) {
	older, last := 0, int64(-1)
	for i := range view {
		m := &view[i]
		if m.Summary {
			continue
		}
		if m.Seq < turnSeq {
			older++
		}
		if m.Role == schema.RoleModel {
			last = m.Seq
		}
	}
	switch {
	case older > 0:
		return turnSeq - 1, true
	case last > turnSeq+1:
		return last - 1, true
	}
	return 0, false
}

// Compact makes a log of its own that begins with a summary of the first size
// entries of another, all if size < 0, and the last keepTurns turns as they
// were; it says where it comes from. The other log stays as it is.
func (in *Inbox) Compact(ctx context.Context, log format.LogID, size int64, keepTurns int, summarize Summarizer) (format.LogID, error) {
	s := &session{store: in.Store, log: log, clock: SystemClock{}, ids: RandomIDs{}, progress: newProgress(), state: newConversation()}
	err := eachEvent(ctx, in.Store, log, size, func(seq int64, ev *schema.Event) error {
		if ev == nil {
			s.progress.skip(seq)
			s.state.skip(seq)
		} else {
			s.fold(seq, ev)
		}
		return nil
	})
	if err != nil {
		return format.LogID{}, err
	}
	if s.progress.imported {
		s.progress.settle(&s.state.state)
	}
	head, err := in.Store.Head(ctx, log, s.progress.size)
	if err != nil {
		return format.LogID{}, err
	}
	view, err := s.state.view()
	if err != nil {
		return format.LogID{}, err
	}
	cut := keptFrom(view, keepTurns)
	if cut == 0 {
		return format.LogID{}, fmt.Errorf("log %s: %w", log, errNothingToCompact)
	}
	if summarize == nil {
		summarize = Extract
	}
	text, err := summarize(ctx, view[:cut])
	if err != nil {
		return format.LogID{}, fmt.Errorf("log %s: summarise: %w", log, err)
	}
	info := s.state.state.Info()
	w := in.begin()
	child := w.log
	evs := []*schema.Event{w.event(schema.ActorUser, &schema.SessionOpened{
		Title: info.Title, CWD: info.CWD, Link: &schema.SessionLink{Session: log.String(), Kind: "compaction"},
	}), w.event(schema.ActorExecutor, &schema.SessionForked{
		From:   &schema.ForkOrigin{Log: log.String(), Size: head.Size, Root: base64.RawURLEncoding.EncodeToString(head.Root[:])},
		Reason: "compaction", Copied: true,
	})}
	def, known, err := (&definitions{store: in.Store}).current(ctx, s.state)
	if err != nil {
		return child, err
	}
	if known {
		blob, err := writeDefinition(ctx, in.Store, &def)
		if err != nil {
			return child, err
		}
		evs = append(evs, w.event(schema.ActorExecutor, &schema.SessionDefined{Definition: blob}))
	}
	evs = append(evs, w.event(schema.ActorExecutor, &schema.ContextCompacted{Trigger: "manual", Summary: []schema.Part{schema.TextPart(text)}}))
	evs = append(evs, w.replayMessages(view[cut:])...)
	if !s.progress.running && cut < len(view) {
		end := w.event(schema.ActorExecutor, &schema.TurnFinished{Reason: schema.TurnEnd})
		for _, ev := range evs {
			end.Turn = max(end.Turn, ev.Turn)
		}
		evs = append(evs, end)
	}
	// As few batches as the store takes: a log that breaks off would be taken
	// for a whole one.
	batch := len(evs)
	if most := in.Store.Caps().MaxBatch; most > 0 {
		batch = min(batch, most)
	}
	for some := range slices.Chunk(evs, batch) {
		if err := w.propose(ctx, some...); err != nil {
			return child, err
		}
	}
	return child, nil
}

// keptFrom returns where the last n turns begin in a view.
func keptFrom(view []schema.Message, n int) int {
	for i := len(view) - 1; i >= 0; i-- {
		m := &view[i]
		if n <= 0 {
			return i + 1
		}
		if m.Role == schema.RoleUser && !m.Injected && m.Origin != schema.OriginQueued {
			if n--; n == 0 {
				return i
			}
		}
	}
	return 0
}

// replayMessages makes events of messages; turns are numbered from 1 again.
// Seals stay behind: they bind a history that is no longer there.
func (s *session) replayMessages(view []schema.Message) []*schema.Event {
	var evs []*schema.Event
	turns := make(map[int64]int64)
	turnOf := func(old int64) int64 {
		if old == 0 {
			return 0
		}
		if turns[old] == 0 {
			turns[old] = int64(len(turns) + 1)
		}
		return turns[old]
	}
	keyOf := func(m *schema.Message, key schema.CallKey) schema.CallKey {
		_, rest, ok := strings.Cut(string(key), "/")
		if !ok {
			return key
		}
		return schema.CallKey(fmt.Sprintf("%d/%s", turnOf(m.Turn), rest))
	}
	add := func(m *schema.Message, actor schema.ActorKind, data schema.Data) {
		ev := s.event(actor, data)
		ev.Turn, ev.Step = turnOf(m.Turn), m.Step
		if m.Time != "" {
			ev.Time = m.Time
		}
		evs = append(evs, ev)
	}
	for i := range view {
		m := &view[i]
		switch {
		case m.Injected:
			add(m, schema.ActorSystem, &schema.SystemMessage{Role: m.Role, Kind: m.Kind, Content: m.Content, Placement: m.Placement})
		case m.Role == schema.RoleUser:
			add(m, schema.ActorUser, &schema.UserMessage{Content: m.Content, Origin: m.Origin, From: m.From, To: m.To, Rendered: m.Rendered})
		case m.Role == schema.RoleModel:
			blocks := append([]schema.Block(nil), m.Blocks...)
			for j := range blocks {
				blocks[j].Seal = nil
				if blocks[j].CallKey != "" {
					blocks[j].CallKey = keyOf(m, blocks[j].CallKey)
				}
			}
			add(m, schema.ActorModel, &schema.ModelOutput{
				Provider: m.Provider, API: m.API, Model: m.Model, ResponseID: m.ResponseID, StopReason: m.StopReason,
				Blocks: blocks, Synthetic: m.Synthetic,
			})
		case m.Result != nil && m.Result.Content == nil && !m.Result.NotStarted:
			// In the new log nothing else says that it may have run.
			r := m.Result
			add(m, schema.ActorExecutor, &schema.ToolResult{
				CallKey: keyOf(m, r.CallKey), VendorID: r.VendorID, Status: schema.StatusUnknown, Content: []schema.Part{schema.TextPart(unknownText)},
			})
		case m.Result != nil && m.Result.Content != nil:
			r := m.Result
			add(m, schema.ActorTool, &schema.ToolResult{
				CallKey: keyOf(m, r.CallKey), VendorID: r.VendorID, Status: r.Status, Content: r.Content, ExitCode: r.ExitCode, Cleared: r.Cleared,
			})
		}
	}
	return evs
}
