package main

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestReorderFlags(t *testing.T) {
	tests := []struct{ line, want string }{
		{"ownlog", "ownlog"},
		{"ownlog ls", "ownlog ls"},
		{"ownlog show LOG --width 80", "ownlog show --width 80 -- LOG"},
		{"ownlog show LOG --width=80 --json", "ownlog show --width=80 --json -- LOG"},
		{"ownlog --json show LOG", "ownlog show --json -- LOG"},
		{"ownlog --store DIR show LOG", "ownlog show --store DIR -- LOG"},
		{"ownlog --store=DIR show LOG", "ownlog show --store=DIR -- LOG"},
		{"ownlog export A -o out B --to codex", "ownlog export -o out --to codex -- A B"},
		{"ownlog import -", "ownlog import -- -"},
		{"ownlog import a -- --json -x", "ownlog import -- a --json -x"},
		{"ownlog show --from 3 LOG@5", "ownlog show --from 3 -- LOG@5"},
		{"ownlog resume LOG --prompt -v", "ownlog resume --prompt -v -- LOG"},
		{"ownlog result LOG -79eRGT3g6T_DKYeTXb6vw --status ok", "ownlog result --status ok -- LOG -79eRGT3g6T_DKYeTXb6vw"},
		{"ownlog result LOG --9eRGT3g6T_DKYeTXb6vw", "ownlog result -- LOG --9eRGT3g6T_DKYeTXb6vw"},
		{"ownlog result LOG -79eRGT3g6T_DKYeTXb6vx", "ownlog result -79eRGT3g6T_DKYeTXb6vx -- LOG"}, // not 16 bytes
		{"ownlog --help", "ownlog --help"},
		{"ownlog show --unknown LOG", "ownlog show --unknown -- LOG"},
		{"ownlog nosuch --json", "ownlog --json -- nosuch"},
	}
	for _, tt := range tests {
		t.Run(tt.line, func(t *testing.T) {
			got := reorderFlags(newApp(new(session)), strings.Fields(tt.line))
			if diff := cmp.Diff(strings.Fields(tt.want), got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}
