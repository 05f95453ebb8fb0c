package opencode

import (
	"testing"

	"github.com/go-json-experiment/json/jsontext"
)

func TestNanoUSD(t *testing.T) {
	tests := []struct {
		in   string
		want int64
		ok   bool
	}{
		{"0", 0, true}, {"1", 1e9, true}, {"0.000000001", 1, true}, {"0.0000000005", 1, true}, {"0.0000000004", 0, true},
		{"1.2e-5", 12000, true}, {"12E+2", 1200e9, true}, {"-0.5", -5e8, true}, {"0.1", 1e8, true},
		{"0.30000000000000004", 3e8, true}, {"1e-999", 0, true}, {"9007199.254740991", 9007199254740991, true},
		{"9007200", 0, false}, {"1e400", 0, false}, {`"1"`, 0, false}, {"null", 0, false}, {"", 0, false},
	}
	for _, tt := range tests {
		got, ok := nanoUSD(jsontext.Value(tt.in))
		if got != tt.want || ok != tt.ok {
			t.Errorf("%s: got %d, %t; want %d, %t", tt.in, got, ok, tt.want, tt.ok)
		}
	}
}

func FuzzNanoUSD(f *testing.F) {
	for _, s := range []string{"1.5", "1e-5", "-0.1E+3", "1e99999999999999999999"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if jsontext.Value(s).IsValid() {
			nanoUSD(jsontext.Value(s))
		}
	})
}

func TestMilliseconds(t *testing.T) {
	for in, want := range map[string]string{
		"1795400675247": "2026-11-23T02:24:35.247Z", "0": "1970-01-01T00:00:00.000Z",
		"-1": "", "1e30": "", `"x"`: "", "null": "", "": "",
	} {
		if got := timeText(milliseconds(jsontext.Value(in))); got != want {
			t.Errorf("%s: got %q, want %q", in, got, want)
		}
	}
}
