//go:build linux

package format_test

import (
	"errors"
	"testing"

	"github.com/ownlog/ownlog/format"
)

// TestAppendWhereNothingCanBeMade: a file system that takes no folders says "not
// found"; that is no log without entries, and nothing is acknowledged.
func TestAppendWhereNothingCanBeMade(t *testing.T) {
	store, err := format.OpenDirStore("/proc/ownlog")
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	entry := []byte(`{"v":1,"type":"x.y","data":{}}`)
	var conflict *format.ConflictError
	if _, err := store.Append(t.Context(), format.NewLogID(), 0, [][]byte{entry}); err == nil || errors.As(err, &conflict) {
		t.Errorf("append: %v, want an error of the file system", err)
	}
	if a, err := store.AppendSealed(t.Context(), format.NewLogID(), 0); err == nil || errors.As(err, &conflict) {
		t.Errorf("append sealed: %v, %v, want an error of the file system", a, err)
	}
}
