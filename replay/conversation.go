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
}

func newConversation() *conversation { return &conversation{events: make(map[int64]*schema.Event)} }

func (c *conversation) skip(seq int64) { c.state.ApplyHole(seq) }

func (c *conversation) apply(seq int64, ev *schema.Event) {
	c.state.Apply(seq, ev)
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

// view returns the messages of the live branch.
func (c *conversation) view(options ...schema.ViewOption) ([]schema.Message, error) {
	var out []schema.Message
	for m, err := range c.state.View(c.load, options...) {
		if err != nil {
			return nil, err
		}
		out = append(out, m)
	}
	return out, nil
}

// definition returns where the definition in force stands, nil if nowhere, and
// what patches it.
func (c *conversation) definition() (*schema.Blob, []*schema.SessionUpdated) {
	ref, ok := c.state.Definition()
	var blob *schema.Blob
	if ok {
		blob = &ref.Blob
	}
	var updates []*schema.SessionUpdated
	for _, seq := range ref.Updates {
		if ev := c.events[seq]; ev != nil {
			if u, ok := ev.Data.(*schema.SessionUpdated); ok {
				updates = append(updates, u)
			}
		}
	}
	return blob, updates
}
