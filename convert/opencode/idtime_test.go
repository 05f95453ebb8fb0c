package opencode

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// wrapMS is when ids wrapped last: 2026-08-14T11:19:55.136Z.
const wrapMS = int64(1786706395136)

func TestUnwrap(t *testing.T) {
	if (wrapMS*perMilli)%idWrap != 0 {
		t.Fatalf("ids do not wrap at %d", wrapMS)
	}
	for _, ms := range []int64{wrapMS - 1, wrapMS, wrapMS + 1, wrapMS - 1<<34, wrapMS + 1<<34, 1} {
		for _, near := range []int64{ms, ms - 1000, ms + 1000, ms + 300*86400000} {
			if near < 0 {
				continue
			}
			id := (ms*perMilli + 3) % idWrap
			if got, want := unwrap(id, near), ms*perMilli+3; got != want {
				t.Errorf("id of %d near %d: got %d, want %d", ms, near, got, want)
			}
		}
	}
	for _, near := range []int64{-1, 1 << 62} {
		if got := unwrap(5, near); got != 5 {
			t.Errorf("near %d: got %d", near, got)
		}
	}
}

func TestIDTime(t *testing.T) {
	tests := []struct {
		id   string
		want int64
		ok   bool
	}{
		{"prt_000000000fffOwnlogExample0", 0xfff, true},
		{"prt_ffffffffffffOwnlogExample0", idWrap - 1, true},
		{"prt_00000000000gOwnlogExample0", 0, false},
		{"prt_0000000fffOwnlogExample0", 0, false},
		{"msg_000000000fffOwnlogExample0", 0, false},
		{"001", 0, false},
	}
	for _, tt := range tests {
		if got, ok := idTime(tt.id, partPrefix); got != tt.want || ok != tt.ok {
			t.Errorf("%s: got %d, %t; want %d, %t", tt.id, got, ok, tt.want, tt.ok)
		}
	}
}

func TestPartOrder(t *testing.T) {
	before, after := "prt_fffffffff000OwnlogExample0", "prt_000000001000OwnlogExample0"
	tests := []struct {
		name string
		keys []partKey
		want []string
	}{
		{"over the wrap", []partKey{{after, 0}, {before, 9}}, []string{before, after}},
		{"foreign ids go by time", []partKey{{"b", 2}, {"a", 3}, {"c", 1}}, []string{"c", "b", "a"}},
		{"one foreign id is enough", []partKey{{after, 1}, {before, 3}, {"x", 2}}, []string{after, "x", before}},
		{"equal times go by id", []partKey{{"b", 1}, {"a", 1}}, []string{"a", "b"}},
	}
	for _, tt := range tests {
		toolMade := !slices.ContainsFunc(tt.keys, func(k partKey) bool { _, ok := idTime(k.id, partPrefix); return !ok })
		slices.SortFunc(tt.keys, comparePart(toolMade, wrapMS))
		var got []string
		for _, k := range tt.keys {
			got = append(got, k.id)
		}
		if diff := cmp.Diff(tt.want, got); diff != "" {
			t.Errorf("%s: %s", tt.name, diff)
		}
	}
}
