package convert

import (
	"context"
	"testing"

	"github.com/ownlog/ownlog/format"
	"github.com/ownlog/ownlog/schema"
)

// TestRecoveredOutput: what a command printed is found in the vendor's record,
// and nothing is made of a record that says something else there.
func TestRecoveredOutput(t *testing.T) {
	for record, want := range map[string]string{
		`{"type":"event_msg","payload":{"other":{"item":{"aggregated_output":"no"}},"item":{"id":"c1","aggregated_output":"two\nlines"}}}`: "two\nlines",
		`{"payload":{"item":{"aggregated_output":7}}}`:     "",
		`{"payload":{"item":[{"aggregated_output":"x"}]}}`: "",
		`{"payload":[{"item":{"aggregated_output":"x"}}]}`: "",
		`{"payload":{}}`: "",
	} {
		store, log := new(format.MemStore), format.DeriveLogID(record)
		ev := &schema.Event{
			Actor: schema.Actor{Kind: schema.ActorTool}, Source: &schema.Source{Vendor: "acme", Line: 1},
			Data: &schema.ToolResult{CallKey: "1/1/0", Status: schema.StatusOK, Structured: schema.At("/payload/item")},
		}
		norm, err := schema.Encode(nil, ev)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := store.Append(context.Background(), log, 0, [][]byte{format.JoinRaw(nil, norm, []byte(record))}); err != nil {
			t.Fatal(err)
		}
		if got, err := recoveredOutput(context.Background(), store, log, 0); err != nil || got != want {
			t.Errorf("%s: %q, %v; want %q", record, got, err, want)
		}
	}
}
