//go:build unix

package format_test

import (
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/ownlog/ownlog/format"
)

// A named pipe in the place of a segment would keep whoever opens it waiting for
// ever.
func TestPipeIsNoSegment(t *testing.T) {
	dir, log := t.TempDir(), format.NewLogID()
	s := openDir(t, dir, format.WithoutSync(), format.WithRollSize(100))
	for i := range int64(3) {
		if _, err := s.Append(t.Context(), log, i, [][]byte{fmt.Appendf(nil, `{"n":%d}`, i)}); err != nil {
			t.Fatal(err)
		}
	}
	segment := filepath.Join(dir, "logs", log.String(), "0000000000000001.jsonl")
	if err := os.Remove(segment); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mkfifo(segment, 0o600); err != nil {
		t.Skip(err)
	}
	if r, problems := verify(t, openDir(t, dir, format.ReadOnly()), log, format.VerifyOptions{}); r.Status != format.SeverityIncomplete {
		t.Errorf("status %s: %s", r.Status, problems)
	}
}
