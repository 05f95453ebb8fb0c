package claudecode

import "github.com/ownlog/ownlog/schema"

// response identifies a model response in the log; of a record that is no piece of
// one it gives the turn, with step 0.
type response struct{ turn, step int64 }

func (r response) before(o response) bool {
	return r.turn < o.turn || r.turn == o.turn && r.step < o.step
}

// call is a tool call that a result may answer.
type call struct {
	response
	index int64
	open  bool
}

func (c *call) key() schema.CallKey { return schema.NewCallKey(c.turn, c.step, c.index) }

// calls are the tool calls seen, by the vendor's id, in log order. The same id
// may stand for several calls.
type calls map[string][]call

// find returns the call with the vendor's id that a result answers, nil if
// there is none: of the calls of the response near, if that has any, the first
// open one of the latest response; without an open one, the last.
func (c calls) find(vendorID string, near response) *call {
	candidates := c[vendorID]
	var found *call
	pick := func(accept func(*call) bool) {
		for i := range candidates {
			at := &candidates[i]
			if at.open && accept(at) && (found == nil || found.before(at.response)) {
				found = at
			}
		}
		for i := len(candidates) - 1; found == nil && i >= 0; i-- {
			if accept(&candidates[i]) {
				found = &candidates[i]
			}
		}
	}
	pick(func(at *call) bool { return at.response == near })
	if found == nil {
		pick(func(*call) bool { return true })
	}
	return found
}
