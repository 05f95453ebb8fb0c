package replay

import (
	"github.com/ownlog/ownlog/schema"
)

// conversation is the messages of a log, in a line.
type conversation struct {
	messages []schema.Message
	model    map[[2]int64]int
	defined  *schema.SessionDefined
	updates  []*schema.SessionUpdated
}

func newConversation() *conversation { return &conversation{model: make(map[[2]int64]int)} }

func (c *conversation) skip(int64) {}

func (c *conversation) apply(seq int64, ev *schema.Event) {
	switch d := ev.Data.(type) {
	case *schema.SessionDefined:
		c.defined, c.updates = d, nil
	case *schema.SessionUpdated:
		c.updates = append(c.updates, d)
	case *schema.UserMessage:
		c.messages = append(c.messages, schema.Message{Role: schema.RoleUser, Seq: seq, Time: ev.Time, Turn: ev.Turn, Content: d.Content, Origin: d.Origin})
	case *schema.ModelOutput:
		at := [2]int64{ev.Turn, ev.Step}
		i, ok := c.model[at]
		if !ok {
			i = len(c.messages)
			c.model[at] = i
			c.messages = append(c.messages, schema.Message{Role: schema.RoleModel, Seq: seq, Time: ev.Time, Turn: ev.Turn, Step: ev.Step, Provider: d.Provider, API: d.API, Model: d.Model, ResponseID: d.ResponseID})
		}
		m := &c.messages[i]
		m.Blocks = append(m.Blocks, d.Blocks...)
		m.StopReason = d.StopReason
		for _, b := range d.Blocks {
			if b.Type == schema.BlockToolCall {
				c.messages = append(c.messages, schema.Message{Role: schema.RoleTool, Seq: seq, Turn: ev.Turn, Step: ev.Step, Result: &schema.Result{CallKey: b.CallKey, VendorID: b.VendorID, Name: b.Name, NotStarted: true}})
			}
		}
	case *schema.ToolResult:
		for i := range c.messages {
			if r := c.messages[i].Result; r != nil && r.CallKey == d.CallKey && d.Content != nil {
				r.Status, r.Content, r.ExitCode = d.Status, d.Content, d.ExitCode
			}
		}
	}
}

func (c *conversation) view() []schema.Message { return c.messages }
