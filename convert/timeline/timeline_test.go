package timeline

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ownlog/ownlog/format"
	"github.com/ownlog/ownlog/schema"
)

// TestDescribeSaysSomethingOfEveryType: no event is an empty line, whatever is
// missing in it.
func TestDescribeSaysSomethingOfEveryType(t *testing.T) {
	for _, typ := range schema.Types() {
		ev := &schema.Event{Type: typ, Data: schema.NewData(typ)}
		line := Describe(ev)
		if line.Who == "" {
			t.Errorf("%s: nobody did it", typ)
		}
	}
	if got := Describe(&schema.Event{Type: "x.y", Data: &schema.Unknown{Type: "x.y"}}); got.Text != "x.y" {
		t.Errorf("an unknown type is described as %q", got.Text)
	}
}

func TestWrite(t *testing.T) {
	store, log := new(format.MemStore), format.NewLogID()
	events := []*schema.Event{
		{Time: "2026-01-02T03:04:05.6Z", Turn: 1, Data: &schema.UserMessage{Content: []schema.Part{schema.TextPart("two\nlines  and more")}}},
		{Data: &schema.VendorRecord{Kind: "mode"}},
		{Turn: 1, Step: 1, Data: &schema.ModelOutput{Blocks: []schema.Block{
			{Type: schema.BlockReasoning},
			{Type: schema.BlockToolCall, CallKey: "1/1/0", Name: "read", Args: []byte(`{"path":"a"}`)},
		}}},
		{Turn: 1, Step: 1, Data: &schema.ToolResult{CallKey: "1/1/0", Status: schema.StatusOK, ExitCode: schema.Int(0), Content: []schema.Part{schema.TextPart("done")}}},
	}
	var entries [][]byte
	for _, ev := range events {
		b, err := schema.Encode(nil, ev)
		if err != nil {
			t.Fatal(err)
		}
		entries = append(entries, b)
	}
	if _, err := store.Append(t.Context(), log, 0, entries); err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name string
		opts Options
		want []string
	}{
		{"all that says something", Options{To: -1}, []string{
			"0 03:04:05 1 user two lines and more",
			`2 1/1 model (reasoning) call 1/1/0 read {"path":"a"}`,
			"3 1/1 tool result 1/1/0 ok exit 0 done",
		}},
		{"records, cut", Options{To: 2, Records: true, Width: 8}, []string{"0 03:04:05 1 user two lin…", "1 record mode"}},
		{"from the middle", Options{From: 3, To: -1}, []string{"3 1/1 tool result 1/1/0 ok exit 0 done"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var out strings.Builder
			if err := Write(t.Context(), &out, store, log, tt.opts); err != nil {
				t.Fatal(err)
			}
			var got []string
			for line := range strings.Lines(out.String()) {
				got = append(got, strings.Join(strings.Fields(line), " "))
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}
