package opencode

import (
	"testing"

	"github.com/ownlog/ownlog/convert"
)

func TestFilesWithKeysAreNotOpened(t *testing.T) {
	var guard convert.Guard = Vendor{}
	for rel, guarded := range map[string]bool{
		"auth.json": true, "opencode/mcp-auth.json": true, "opencode.db": false, "storage/session/auth/ses_1.json": false,
	} {
		if got := guard.Guarded(convert.File{Rel: rel}) != ""; got != guarded {
			t.Errorf("%s: guarded %t, want %t", rel, got, guarded)
		}
	}
}
