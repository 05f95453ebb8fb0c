package main

import "testing"

func TestShownCell(t *testing.T) {
	for _, tt := range []struct {
		column string
		value  any
		want   string
	}{
		{"cost_nusd", int64(1_234_567_890), "$1.2345"},
		{"cost_nusd", int64(0), "$0.0000"},
		{"cost_nusd", nil, "-"},
		{"mean_wait_us", int64(61_500_000), "1m1.5s"},
		{"failure_rate", 0.125, "12.5%"},
		{"calls", int64(7), "7"},
		{"model", "two\nlines", "two lines"},
	} {
		if got := shownCell(tt.column, tt.value); got != tt.want {
			t.Errorf("%s %v: %q, want %q", tt.column, tt.value, got, tt.want)
		}
	}
}
