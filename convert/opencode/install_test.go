package opencode

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ownlog/ownlog/convert"
)

// TestRegisterComparesWhatTheToolStored runs a stand-in for the tool, whose
// export prints a given file.
func TestRegisterComparesWhatTheToolStored(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("the stand-in is a shell script")
	}
	dir := t.TempDir()
	sent := `{"info":{"id":"ses_a","directory":"` + dir + `"},"messages":[{"info":{"id":"msg_1","role":"user"},"parts":[{"id":"prt_1","text":"a","n":1},{"id":"prt_2"}]}]}`
	tests := []struct {
		name, stored     string
		missing, changed []string
	}{
		{"all of it", strings.ReplaceAll(sent, `"text":"a","n":1`, `"n":1.0,"text":"a"`), nil, nil},
		{"a part is missing", strings.ReplaceAll(sent, `,{"id":"prt_2"}`, ``), []string{"prt_2"}, nil},
		{"a part has another text", strings.ReplaceAll(sent, `"a"`, `"b"`), nil, []string{"prt_1"}},
		{"nothing", `{"info":{},"messages":[]}`, []string{"msg_1", "prt_1", "prt_2"}, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			home := t.TempDir()
			file, tool := filepath.Join(home, "ses_a.json"), filepath.Join(home, "opencode")
			writeFile(t, file, sent)
			writeFile(t, filepath.Join(home, "stored"), "Exporting\n"+tt.stored)
			script := "#!/bin/sh\ncase \"$1\" in import) test -f \"$2\";; export) cat '" + home + "/stored';; esac\n"
			if err := os.WriteFile(tool, []byte(script), 0o700); err != nil {
				t.Fatal(err)
			}
			err := Vendor{Command: tool}.Register(context.Background(), convert.Installed{Root: home, Files: []string{file}})
			var failed *InstallError
			if errors.As(err, &failed) {
				err = nil
			} else {
				failed = new(InstallError)
			}
			if err != nil || !cmp.Equal(tt.missing, failed.Missing) || !cmp.Equal(tt.changed, failed.Changed) {
				t.Errorf("missing %v, changed %v, %v; want %v, %v", failed.Missing, failed.Changed, err, tt.missing, tt.changed)
			}
		})
	}
	gone := strings.ReplaceAll(sent, dir, filepath.ToSlash(filepath.Join(dir, "gone")))
	file := filepath.Join(t.TempDir(), "ses_a.json")
	writeFile(t, file, gone)
	if err := (Vendor{Command: "false"}).Register(context.Background(), convert.Installed{Files: []string{file}}); err == nil || !strings.Contains(err.Error(), "--cwd") {
		t.Errorf("a folder that is not there: %v", err)
	}
}
