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
	sent := `{"info":{"id":"ses_a","slug":"s","projectID":"global","title":"T","version":"1","time":{"created":1,"updated":1},"directory":"` + dir + `"},` +
		`"messages":[{"info":{"id":"msg_1","sessionID":"ses_a","role":"user","time":{"created":1},"agent":"build","model":{"providerID":"p","modelID":"m"}},"parts":[` +
		`{"type":"text","text":"a","n":1,"id":"prt_1","sessionID":"ses_a","messageID":"msg_1"},` +
		`{"type":"text","text":"b","id":"prt_2","sessionID":"ses_a","messageID":"msg_1"}]}]}`
	tests := []struct {
		name, stored     string
		missing, changed []string
	}{
		{"all of it", strings.ReplaceAll(sent, `"text":"a","n":1`, `"n":1.0,"text":"a"`), nil, nil},
		{"a part is missing", strings.ReplaceAll(sent, `,{"type":"text","text":"b","id":"prt_2","sessionID":"ses_a","messageID":"msg_1"}`, ``), []string{"prt_2"}, nil},
		{"a part has another text", strings.ReplaceAll(sent, `"a"`, `"x"`), nil, []string{"prt_1"}},
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
	for what, change := range map[string][2]string{
		"a message without a model": {`,"model":{"providerID":"p","modelID":"m"}`, ``},
		"a part of unknown type":    {`"type":"text","text":"b"`, `"type":"hologram"`},
		"a session without a title": {`"title":"T",`, ``},
		"a tool without a state":    {`"type":"text","text":"b"`, `"type":"tool","tool":"bash","callID":"c"`},
		"a text that is a number":   {`"text":"b"`, `"text":7`},
	} {
		home := t.TempDir()
		file, tool, ran := filepath.Join(home, "ses_a.json"), filepath.Join(home, "opencode"), filepath.Join(home, "ran")
		bad := strings.ReplaceAll(sent, change[0], change[1])
		if bad == sent {
			t.Fatalf("%s: nothing was changed", what)
		}
		writeFile(t, file, bad)
		if err := os.WriteFile(tool, []byte("#!/bin/sh\ntouch '"+ran+"'\n"), 0o700); err != nil {
			t.Fatal(err)
		}
		err := Vendor{Command: tool}.Register(context.Background(), convert.Installed{Root: home, Files: []string{file}})
		if _, started := os.Stat(ran); err == nil || !strings.Contains(err.Error(), "nothing was handed to it") || started == nil {
			t.Errorf("%s: %v, tool started: %t", what, err, started == nil)
		}
	}
	gone := strings.ReplaceAll(sent, dir, filepath.ToSlash(filepath.Join(dir, "gone")))
	file := filepath.Join(t.TempDir(), "ses_a.json")
	writeFile(t, file, gone)
	if err := (Vendor{Command: "false"}).Register(context.Background(), convert.Installed{Files: []string{file}}); err == nil || !strings.Contains(err.Error(), "--cwd") {
		t.Errorf("a folder that is not there: %v", err)
	}
}
