package opencode

import (
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ownlog/ownlog/convert"
)

// TestEveryDatabaseOfTheToolIsFound: those of all release channels, the one that
// OPENCODE_DB names, and the tree of older releases; nothing that is not there.
func TestEveryDatabaseOfTheToolIsFound(t *testing.T) {
	home := t.TempDir()
	data := filepath.Join(home, "share", "opencode")
	elsewhere := filepath.Join(home, "elsewhere [1]")
	for _, dir := range []string{data, elsewhere} {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	database := func(session, path string) {
		x := newTestDB(t)
		x.session(session, "")
		if filepath.Base(path) == "opencode-dev.db" { // all of it in the -wal
			x.exec("PRAGMA journal_mode = WAL")
			x.exec("PRAGMA wal_autocheckpoint = 0")
		}
		x.message("msg_"+session, session, 0, userData)
		for _, suffix := range []string{"", walSuffix} {
			if b, err := os.ReadFile(x.path + suffix); err == nil {
				writeFile(t, path+suffix, string(b))
			}
		}
		x.db.Close()
	}
	database("ses_latest", filepath.Join(data, "opencode.db"))
	database("ses_stable", filepath.Join(data, "opencode-stable.db"))
	database("ses_dev", filepath.Join(data, "opencode-dev.db"))
	database("ses_relative", filepath.Join(data, "mine.db"))
	database("ses_absolute", filepath.Join(elsewhere, "any name"))
	root, _ := smallTree(t, "out")
	if err := os.Rename(root, filepath.Join(data, treeFolder)); err != nil {
		t.Fatal(err)
	}
	always := []string{"ses_a", "ses_dev", "ses_latest", "ses_stable"}
	tests := []struct {
		name, variable string
		more           []string
	}{
		{"not set", "", nil},
		{"in memory", ":memory:", nil},
		{"relative to the data folder", "mine.db", []string{"ses_relative"}},
		{"absolute", filepath.Join(elsewhere, "any name"), []string{"ses_absolute"}},
		{"one that is found anyway", "opencode-stable.db", nil},
		{"not there", "gone.db", nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			env := map[string]string{"XDG_DATA_HOME": filepath.Join(home, "share"), "OPENCODE_DB": tt.variable}
			in := newTestImport()
			in.runWith(t, convert.ImportOptions{Env: convert.Environment{Home: home, Getenv: func(name string) string { return env[name] }}})
			var got []string
			for _, r := range in.ok(t).results {
				for _, o := range r.Outcomes {
					if o.Name.Kind == convert.LogSession && !slices.Contains(got, o.Name.ID) {
						got = append(got, o.Name.ID)
					}
				}
			}
			slices.Sort(got)
			want := append(slices.Clone(tt.more), always...)
			slices.Sort(want)
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("sessions: want (-), got (+):\n%s", diff)
			}
			messages := 0
			for _, ev := range in.events(t, sessionLogID("ses_dev")) {
				if ev.Source.Row.Table == tableMessage {
					messages++
				}
			}
			if messages != 1 {
				t.Errorf("%d messages in the database whose rows are in its -wal, want 1", messages)
			}
		})
	}
}
