package schema_test

import (
	"fmt"
	"log"

	"github.com/ownlog/ownlog/schema"
)

// The fold turns the events of a log, one after the other, into the state of its
// session.
func ExampleState_Apply() {
	entries := []string{
		`{"v":1,"type":"session.opened","time":"2026-11-23T01:00:00Z","actor":{"kind":"executor"},"data":{"title":"Sums","cwd":"/home/dev/x"}}`,
		`{"v":1,"type":"user.message","time":"2026-11-23T01:00:00Z","actor":{"kind":"user"},"turn":1,"data":{"content":[{"type":"text","text":"What is 6 times 7?"}],"origin":"typed"}}`,
		`{"v":1,"type":"model.output","time":"2026-11-23T01:00:01Z","actor":{"kind":"model"},"turn":1,"step":1,"data":{"provider":"p","model":"m","blocks":[{"type":"text","text":"42"}],"stop_reason":"end_turn","usage":{"input":12,"output":3}}}`,
	}
	state := new(schema.State)
	for seq, entry := range entries {
		event, err := schema.Decode([]byte(entry))
		if err != nil {
			log.Fatal(err)
		}
		state.Apply(int64(seq), event)
	}
	usage := state.Usage()
	fmt.Println(state.Info().Title, "is", state.TurnState())
	fmt.Println(usage.Responses, "response,", usage.Input, "tokens in,", usage.Output, "out")
	// Output:
	// Sums is idle
	// 1 response, 12 tokens in, 3 out
}
