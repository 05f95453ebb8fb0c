package main

import (
	"bytes"
	"strings"
	"testing"
)

func TestEscapeTerminal(t *testing.T) {
	tests := []struct{ name, in, want string }{
		{"plain text, tab and newline", "héllo\t世界\n", "héllo\t世界\n"},
		{"escape sequence", "\x1b[31mred\x1b]0;title\x07", `\u001b[31mred\u001b]0;title\u0007`},
		{"carriage return hides a line", "safe\rrm -rf", `safe\u000drm -rf`},
		{"C1 control", "\u009b31m", `\u009b31m`},
		{"turns text around", "a\u202eb\u2066c", `a\u202eb\u2066c`},
		{"invalid utf-8", "a\xffb", `a\u00ffb`},
		{"nul and delete", "\x00\x7f", `\u0000\u007f`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var whole, pieces bytes.Buffer
			if _, err := escapeTerminal(&whole).Write([]byte(tt.in)); err != nil {
				t.Fatal(err)
			}
			if whole.String() != tt.want {
				t.Errorf("got %q, want %q", whole.String(), tt.want)
			}
			w := escapeTerminal(&pieces)
			for _, b := range []byte(tt.in) {
				if _, err := w.Write([]byte{b}); err != nil {
					t.Fatal(err)
				}
			}
			if pieces.String() != tt.want {
				t.Errorf("byte by byte: got %q, want %q", pieces.String(), tt.want)
			}
		})
	}
}

// FuzzEscapeTerminal: whatever a log says, nothing that steers a terminal passes.
func FuzzEscapeTerminal(f *testing.F) {
	f.Add("\x1b[2J\u009b\u202e\xff")
	f.Fuzz(func(t *testing.T, s string) {
		var out bytes.Buffer
		if _, err := escapeTerminal(&out).Write([]byte(s)); err != nil {
			t.Fatal(err)
		}
		if i := strings.IndexFunc(out.String(), func(r rune) bool { return r != '\n' && r != '\t' && steersTerminal(r) }); i >= 0 {
			t.Fatalf("%q passed as %q", s, out.String())
		}
	})
}
