package main

import (
	"io"
	"sync"

	"github.com/ownlog/ownlog/replay/provider"
)

// liveText shows a response as it streams in, and lines between responses. What a
// model says is shown escaped, wherever it goes: see [escapeTerminal].
type liveText struct {
	mu    sync.Mutex
	out   io.Writer
	text  io.Writer // out, escaped
	open  bool      // a text has begun and its line has not ended
	block int
}

func newLiveText(out io.Writer) *liveText {
	text := out
	if !isTerminalEscaper(out) {
		text = escapeTerminal(out)
	}
	return &liveText{out: out, text: text}
}

// delta shows a piece of text. Reasoning and arguments of calls are not shown: the
// log has them.
func (l *liveText) delta(d provider.Delta) {
	if d.Kind != provider.DeltaText || d.Text == "" {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.open && d.Block != l.block {
		l.end()
	}
	l.open, l.block = true, d.Block
	// What cannot be shown is in the log all the same.
	_, _ = io.WriteString(l.text, d.Text)
}

// line shows a line of its own.
func (l *liveText) line(text string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.open {
		l.end()
	}
	_, _ = io.WriteString(l.out, text+"\n")
}

func (l *liveText) end() {
	l.open = false
	_, _ = io.WriteString(l.out, "\n")
}
