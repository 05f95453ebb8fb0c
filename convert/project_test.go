package convert

import "testing"

func TestProjectsHold(t *testing.T) {
	tests := []struct {
		folder string
		want   bool
	}{
		{"/home/dev/proj", true},
		{"/home/dev/proj/", true},
		{"/home/dev/proj/sub/folder", true},
		{"/home/dev/project", false},
		{"/home/dev", false},
		{"", false},
		{`C:\work\proj`, true},
		{`C:\work\proj\sub`, true},
		{`C:\work\project`, false},
	}
	projects := Projects{"/home/dev/proj/", `C:\work\proj`}
	for _, tt := range tests {
		if got := projects.Hold(tt.folder); got != tt.want {
			t.Errorf("%q in %q: %v, want %v", tt.folder, projects, got, tt.want)
		}
		if !(Projects)(nil).Hold(tt.folder) {
			t.Errorf("%q is left out by no limit at all", tt.folder)
		}
		if root := (Projects{"/"}).Hold(tt.folder); root != (tt.folder != "" && tt.folder[0] == '/') {
			t.Errorf("%q in /: %v", tt.folder, root)
		}
	}
}
