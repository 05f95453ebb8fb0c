package provider_test

import (
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"

	"github.com/ownlog/ownlog/replay/provider"
)

func TestEventReader(t *testing.T) {
	tests := []struct {
		name, stream string
		want         []string // name|data
		end          error
	}{
		{"plain", "data: a\n\ndata:b\n\n", []string{"|a", "|b"}, io.EOF},
		{"names, comments, other fields", ": hi\nevent: x\nid: 7\nretry: 9\ndata: a\n\n", []string{"x|a"}, io.EOF},
		{"several data lines", "data: a\ndata:\ndata:  b\n\n", []string{"|a\n\n b"}, io.EOF},
		{"CR LF and a byte order mark", "\xef\xbb\xbfevent: x\r\ndata: a\r\n\r\n", []string{"x|a"}, io.EOF},
		{"no data, no event", "event: x\n\ndata: a\n\n", []string{"|a"}, io.EOF},
		{"ends inside an event", "data: a\n\ndata: b\n", []string{"|a"}, io.ErrUnexpectedEOF},
		{"ends inside a line", "data: a\n\ndata: b", []string{"|a"}, io.ErrUnexpectedEOF},
		{"a long line", "data: " + strings.Repeat("x", 100_000) + "\n\n", []string{"|" + strings.Repeat("x", 100_000)}, io.EOF},
		{"nothing", "", nil, io.EOF},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			for _, in := range []io.Reader{strings.NewReader(tt.stream), iotest.OneByteReader(strings.NewReader(tt.stream))} {
				r := provider.NewEventReader(in)
				var got []string
				for {
					ev, err := r.Next()
					if err != nil {
						if !errors.Is(err, tt.end) {
							t.Errorf("ended with %v, want %v", err, tt.end)
						}
						break
					}
					got = append(got, ev.Name+"|"+string(ev.Data))
				}
				if diff := cmp.Diff(tt.want, got); diff != "" {
					t.Errorf("-want +got:\n%s", diff)
				}
			}
		})
	}
}

func TestWireName(t *testing.T) {
	for name, want := range map[string]string{
		"shell": "shell", "mcp__a__b-c": "mcp__a__b-c",
	} {
		if got := provider.WireName(name); got != want {
			t.Errorf("%q becomes %q, want %q", name, got, want)
		}
	}
	seen := map[string]string{}
	for _, name := range []string{"", "a b", "a_b", "a/b", "ä", strings.Repeat("n", 64), strings.Repeat("n", 65), strings.Repeat("n", 66), "\xff"} {
		got := provider.WireName(name)
		if !provider.PlainID(got, 64) {
			t.Errorf("%q becomes %q, which is not legal", name, got)
		}
		if other, taken := seen[got]; taken {
			t.Errorf("%q and %q both become %q", name, other, got)
		}
		seen[got] = name
	}
}

func TestSameModel(t *testing.T) {
	tests := []struct {
		a, b string
		want bool
	}{
		{"claude-sonnet-4-5", "claude-sonnet-4-5-20250929", true},
		{"gpt-5", "gpt-5-2025-08-07", true},
		{"claude-3-7-sonnet-latest", "claude-3-7-sonnet-20250219", true},
		{"gpt-5", "gpt-5-mini", false},
		{"gemini-3-pro", "gemini-3-flash", false},
		{"20250929", "", false},
	}
	for _, tt := range tests {
		if got := provider.SameModel(tt.a, tt.b); got != tt.want {
			t.Errorf("%q and %q: %t, want %t", tt.a, tt.b, got, tt.want)
		}
	}
}

func TestStopOf(t *testing.T) {
	want := map[provider.Stop][]string{
		provider.StopEnd:       {"end_turn", "tool_use", "stop_sequence", "completed", "stop", "tool_calls", "STOP", "", "a word of tomorrow"},
		provider.StopMaxTokens: {"max_tokens", "model_context_window_exceeded", "max_output_tokens", "incomplete", "length", "MAX_TOKENS"},
		provider.StopRefusal:   {"refusal", "content_filter", "SAFETY", "RECITATION", "BLOCKLIST", "PROHIBITED_CONTENT", "SPII"},
		provider.StopPause:     {"pause_turn"},
	}
	for stop, reasons := range want {
		for _, reason := range reasons {
			if got := provider.StopOf(reason); got != stop {
				t.Errorf("%q: %d, want %d", reason, got, stop)
			}
		}
	}
}
