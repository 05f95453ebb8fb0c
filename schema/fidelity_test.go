package schema

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestFidelity(t *testing.T) {
	var f, other Fidelity
	f.Add(Dropped, "state-usage", 4, "entry 2")
	f.Add(Dropped, "image-content", 1, "entry 9")
	f.Add(Preserved, "record", 0, "nothing")
	other.Add(Dropped, "image-content", 2, "entry 3")
	other.Add(Preserved, "record", 7, "")
	f.Merge(&other)
	want := []FidelityItem{
		{Preserved, "record", 7, ""},
		{Dropped, "image-content", 3, "entry 9"},
		{Dropped, "state-usage", 4, "entry 2"},
	}
	if diff := cmp.Diff(want, f.Items()); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	if got := f.ContentLost(); got != 3 {
		t.Errorf("ContentLost = %d, want 3: usage is no content", got)
	}
	if got := f.Count(Dropped); got != 7 {
		t.Errorf("Count(Dropped) = %d, want 7", got)
	}
}
