package convert

import (
	"io"
	"strings"
	"testing"
)

// TestPiecesAreNotAllHeld: a record too long to be read as JSON comes in pieces, and
// the search for a name does not hold them all.
func TestPiecesAreNotAllHeld(t *testing.T) {
	const pieces = 4
	long := io.MultiReader(strings.NewReader(`{"text":"`), io.LimitReader(endless('x'), pieces*MaxRecord), strings.NewReader("\"}\n{\"id\":\"a\"}\n"))
	held, name, err := identify(NewRecordReader(long, true), Transcript{Vendor: "v", Identify: func(*Record) (LogName, bool) {
		return LogName{Vendor: "v", ID: "a"}, true
	}})
	if err != nil || len(held) >= pieces || len(name.ID) != 64 {
		t.Errorf("%d pieces held, name %q, %v", len(held), name.ID, err)
	}
}

// endless is a reader of one byte, again and again.
type endless byte

func (e endless) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = byte(e)
	}
	return len(p), nil
}
