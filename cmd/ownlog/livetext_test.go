package main

import (
	"bytes"
	"testing"

	"github.com/ownlog/ownlog/replay/provider"
)

// What a model says reaches a terminal without anything that steers it, however it
// is cut into pieces, and wherever else the lines go.
func TestLiveTextSteersNoTerminal(t *testing.T) {
	var out bytes.Buffer
	live := newLiveText(&out)
	for _, d := range []provider.Delta{
		{Kind: provider.DeltaReasoning, Text: "not shown"},
		{Kind: provider.DeltaText, Text: "red \x1b"}, {Kind: provider.DeltaText, Text: "[31m caf\xc3"}, {Kind: provider.DeltaText, Text: "\xa9\u202e\r"},
		{Kind: provider.DeltaText, Block: 1, Text: "next\nline \u009b0c"},
		{Kind: provider.DeltaToolCall, Block: 2, Tool: "shell", Text: "not shown"},
	} {
		live.delta(d)
	}
	live.line("     7  model      all of it")
	live.line("     8  turn       over")
	want := "red \\u001b[31m café\\u202e\\u000d\nnext\nline \\u009b0c\n     7  model      all of it\n     8  turn       over\n"
	if got := out.String(); got != want {
		t.Errorf("shown %q, want %q", got, want)
	}
}
