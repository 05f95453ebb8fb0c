package replay

import (
	"fmt"

	"github.com/ownlog/ownlog/schema"
)

// conversation is the schema's fold of a log and the events it shows, in memory
// while an executor works on the session.
type conversation struct {
	state  schema.State
	events map[int64]*schema.Event
	sent   sentView
}

func newConversation() *conversation {
	return &conversation{
		events: make(map[int64]*schema.Event),
		sent: sentView{
			stale: true, calls: make(map[schema.CallKey]int64), responses: make(map[[2]int64]int64), summaries: make(map[[2]int64]bool),
		},
	}
}

func (c *conversation) skip(seq int64) {
	c.state.ApplyHole(seq)
	c.sent.stale = true
}

func (c *conversation) apply(seq int64, ev *schema.Event) {
	c.state.Apply(seq, ev)
	c.sent.note(seq, ev)
	switch ev.Data.(type) {
	case *schema.VendorRecord, *schema.Unknown, *schema.FileChanged, *schema.NoteAdded, *schema.ModelRequested:
		return // no view is made of them
	}
	c.events[seq] = ev
}

func (c *conversation) load(seq int64) (*schema.Event, error) {
	ev, ok := c.events[seq]
	if !ok {
		return nil, fmt.Errorf("entry %d has no part in the conversation", seq)
	}
	return ev, nil
}

// fewMessages is about how many messages a step adds.
const fewMessages = 4

// view returns the messages of the live branch.
func (c *conversation) view(options ...schema.ViewOption) ([]schema.Message, error) {
	room := len(c.events)
	if len(options) > 0 {
		room = min(room, fewMessages) // as a rule only what is new
	}
	out := make([]schema.Message, 0, room)
	for m, err := range c.state.View(c.load, options...) {
		if err != nil {
			return nil, err
		}
		out = append(out, m)
	}
	return out, nil
}

// sentView is the view as a model is sent it, kept from one request to the next:
// as a rule a session only grows at its end.
type sentView struct {
	messages []schema.Message
	size     int64 // entries of the log that it shows
	reorders int64 // see schema.State.Reorders
	stale    bool  // an entry since may say something of what is before

	calls     map[schema.CallKey]int64 // seq of each call's response
	responses map[[2]int64]int64       // seq of the first piece of each response
	summaries map[[2]int64]bool        // responses that are, or will be, summaries
}

// note takes note of an entry. Whatever is not known to add to the end makes the
// view stale.
func (v *sentView) note(seq int64, ev *schema.Event) {
	if ev.Source != nil || ev.Parent.Known || ev.Side {
		v.stale = true
	}
	switch d := ev.Data.(type) {
	case *schema.UserMessage:
		v.stale = v.stale || d.MessageID != "" || d.Origin == schema.OriginSummary
	case *schema.ModelOutput:
		at := [2]int64{ev.Turn, ev.Step}
		if first, ok := v.responses[at]; !ok {
			v.responses[at] = seq
		} else if first < v.size && ev.Step > 0 {
			v.stale = true
		}
		v.stale = v.stale || d.Summary || d.MessageID != "" || v.summaries[at]
		for i := range d.Blocks {
			if b := &d.Blocks[i]; b.Type == schema.BlockToolCall {
				if _, ok := v.calls[b.CallKey]; !ok {
					v.calls[b.CallKey] = seq
				}
			}
		}
	case *schema.ToolResult:
		v.about(d.CallKey)
	case *schema.ToolStarted:
		v.about(d.CallKey)
	case *schema.PermissionRequested:
		v.about(d.CallKey)
	case *schema.PermissionDecided:
		v.about(d.CallKey)
	case *schema.ContextCompacted:
		v.stale = true
		var at [2]int64
		if n, err := fmt.Sscanf(d.SummaryFrom, "%d/%d", &at[0], &at[1]); n == 2 && err == nil {
			v.summaries[at] = true
		}
	case *schema.ModelFailed:
		v.stale = v.stale || d.MessageID != ""
	case *schema.SystemMessage, *schema.UserInterrupt, *schema.ModelRequested, *schema.TurnStarted, *schema.TurnFinished,
		*schema.LeaseAcquired, *schema.LeaseReleased, *schema.SessionOpened, *schema.SessionDefined, *schema.SessionUpdated,
		*schema.SessionForked, *schema.SessionLinked, *schema.FileChanged, *schema.NoteAdded, *schema.VendorRecord:
	default:
		v.stale = true
	}
}

// about takes note of an entry that says something of a call.
func (v *sentView) about(key schema.CallKey) {
	if seq, ok := v.calls[key]; ok && seq < v.size {
		v.stale = true
	}
}

// asSent returns the view in the order in which a model is sent it, and how many
// of its messages are those of the last time. The messages are not to be changed.
// sent holds the last request of each turn and step. The options are the same each
// time.
func (c *conversation) asSent(sent map[[2]int64]int64, options ...schema.ViewOption) (messages []schema.Message, same int, err error) {
	v := &c.sent
	reorders, size := c.state.Reorders(), c.state.Size()
	if !v.stale && reorders == v.reorders {
		more, err := c.view(append(options, schema.Since(v.size))...)
		if err != nil {
			return nil, 0, err
		}
		if !v.reachBack(more, sent) {
			same = len(v.messages)
			v.messages = append(v.messages, asSent(more, sent)...)
			v.size = size
			return v.messages, same, nil
		}
	}
	view, err := c.view(options...)
	if err != nil {
		return nil, 0, err
	}
	v.messages = asSent(view, sent)
	v.size, v.reorders, v.stale = size, reorders, false
	return v.messages, 0, nil
}

// uncompactedRules stands behind the version of the rules of a projection that
// takes history as if it had never been compacted.
const uncompactedRules = "+uncompacted"

func viewOptions(uncompacted bool) []schema.ViewOption {
	if uncompacted {
		return []schema.ViewOption{schema.Uncompacted()}
	}
	return nil
}

// reachBack reports whether a response was asked for before something that is in
// the kept part: that would have to stand behind it.
func (v *sentView) reachBack(more []schema.Message, sent map[[2]int64]int64) bool {
	for i := range more {
		m := &more[i]
		if seq, ok := sent[[2]int64{m.Turn, m.Step}]; ok && m.Role == schema.RoleModel && seq < v.size {
			return true
		}
	}
	return false
}

// definition returns where the definition in force stands, nil if nowhere, and
// what patches it.
func (c *conversation) definition() (*schema.Blob, []int64) {
	ref, ok := c.state.Definition()
	if !ok {
		return nil, nil
	}
	return &ref.Blob, ref.Updates
}

func (c *conversation) update(seq int64) *schema.SessionUpdated {
	if ev := c.events[seq]; ev != nil {
		if u, ok := ev.Data.(*schema.SessionUpdated); ok {
			return u
		}
	}
	return nil
}
