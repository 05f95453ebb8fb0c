package main

import (
	"fmt"
	"io"
	"unicode/utf8"
)

// escapeTerminal returns a writer that lets no control character through to a
// terminal but newline and tab: what a log says can neither move the cursor nor
// set colours, titles or the clipboard, nor turn text around. Such characters
// and invalid UTF-8 appear as \u00XX, which inside JSON strings is their own
// escaped form.
func escapeTerminal(w io.Writer) io.Writer { return &terminalEscaper{w: w} }

type terminalEscaper struct {
	w       io.Writer
	pending []byte // the beginning of a character whose rest is still to come
	out     []byte
}

func (e *terminalEscaper) Write(p []byte) (int, error) {
	in := p
	if len(e.pending) > 0 {
		in = append(e.pending, p...)
		e.pending = nil
	}
	e.out = e.out[:0]
	for len(in) > 0 {
		if !utf8.FullRune(in) {
			e.pending = append([]byte(nil), in...)
			break
		}
		r, size := utf8.DecodeRune(in)
		switch {
		case r == utf8.RuneError && size == 1:
			e.out = fmt.Appendf(e.out, `\u%04x`, in[0])
		case r == '\n' || r == '\t' || !steersTerminal(r):
			e.out = append(e.out, in[:size]...)
		default:
			e.out = fmt.Appendf(e.out, `\u%04x`, r)
		}
		in = in[size:]
	}
	if _, err := e.w.Write(e.out); err != nil {
		return 0, err
	}
	return len(p), nil
}

// steersTerminal tells the characters that do something instead of being shown:
// the C0 and C1 controls, and those that change the direction of text.
func steersTerminal(r rune) bool {
	switch {
	case r < 0x20, r >= 0x7f && r <= 0x9f:
		return true
	case r == 0x061c, r == 0x200e, r == 0x200f, r >= 0x202a && r <= 0x202e, r >= 0x2066 && r <= 0x2069:
		return true
	case r == 0x2028, r == 0x2029, r == 0xfeff:
		return true
	}
	return false
}

// isTerminalEscaper tells whether results go to a terminal.
func isTerminalEscaper(w io.Writer) bool {
	_, ok := w.(*terminalEscaper)
	return ok
}

// unescaped returns the writer below [escapeTerminal].
func unescaped(w io.Writer) io.Writer {
	if e, ok := w.(*terminalEscaper); ok {
		return e.w
	}
	return w
}
