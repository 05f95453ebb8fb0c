package opencode

import (
	"bytes"
	"context"
	"database/sql"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ownlog/ownlog/convert"
)

// steppedContext calls a function each time it is asked whether it ended: the copy
// asks before it reads a file.
type steppedContext struct {
	context.Context
	looks int
	step  func(look int)
}

func (c *steppedContext) Err() error {
	c.looks++
	c.step(c.looks)
	return c.Context.Err()
}

// TestCopyOfALiveDatabase has another connection write, between the looks at the
// two files, in every way in which a database and its -wal change: the copy is
// sound and is a state that the database was in.
func TestCopyOfALiveDatabase(t *testing.T) {
	writes := map[string][]string{
		"a commit":                                 {"commit"},
		"a checkpoint":                             {"PRAGMA wal_checkpoint(PASSIVE)"},
		"a commit and a checkpoint":                {"commit", "PRAGMA wal_checkpoint(FULL)"},
		"a checkpoint, then the -wal from anew":    {"PRAGMA wal_checkpoint(RESTART)", "commit"},
		"a checkpoint that empties the -wal":       {"PRAGMA wal_checkpoint(TRUNCATE)"},
		"an emptied -wal that is written again":    {"PRAGMA wal_checkpoint(TRUNCATE)", "commit", "commit"},
		"rows written, checkpointed and rewritten": {"commit", "PRAGMA wal_checkpoint(RESTART)", "commit", "PRAGMA wal_checkpoint(PASSIVE)", "commit"},
	}
	for what, statements := range writes {
		for look := 1; look <= 2; look++ {
			x := newTestDB(t)
			x.exec("PRAGMA journal_mode = WAL")
			x.exec("PRAGMA wal_autocheckpoint = 0")
			x.session("ses_a", "")
			n := 0
			commit := func() {
				n++
				x.exec("BEGIN")
				for i := range 20 {
					x.message(fmt.Sprintf("msg_%d_%d", n, i), "ses_a", int64(n), userData)
					x.part(fmt.Sprintf("prt_%d_%d", n, i), fmt.Sprintf("msg_%d_%d", n, i), "ses_a", int64(n), `{"type":"text","text":"`+strings.Repeat("x", 300)+`"}`)
				}
				x.exec("UPDATE session SET title = ?", fmt.Sprint(n))
				x.exec("COMMIT")
			}
			commit()
			x.exec("PRAGMA wal_checkpoint(FULL)")
			commit()
			wrote := false
			ctx := &steppedContext{Context: context.Background(), step: func(at int) {
				if at != look || wrote {
					return
				}
				wrote = true
				for _, s := range statements {
					if s == "commit" {
						commit()
					} else {
						x.exec(s)
					}
				}
			}}
			copied, remove, err := snapshot(ctx, x.path)
			if err != nil || !wrote {
				t.Fatalf("%s at look %d: %v, wrote %t", what, look, err, wrote)
			}
			if _, err := os.Stat(copied + shmSuffix); err == nil {
				t.Error("the -shm was copied")
			}
			checkCopy(t, fmt.Sprintf("%s at look %d", what, look), copied, 2, n)
			remove()
			if _, err := os.Stat(filepath.Dir(copied)); err == nil {
				t.Error("the copy was left behind")
			}
			x.db.Close()
		}
	}
}

// checkCopy wants a sound database that holds all of commits 1 to n, for an n of
// from to to.
func checkCopy(t *testing.T, what, path string, from, to int) {
	t.Helper()
	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	var sound string
	var title, messages, parts int
	if err := db.QueryRow("PRAGMA integrity_check").Scan(&sound); err != nil || sound != "ok" {
		t.Errorf("%s: the copy is damaged: %s %v", what, sound, err)
		return
	}
	err = db.QueryRow("SELECT title, (SELECT count(*) FROM message), (SELECT count(*) FROM part) FROM session").Scan(&title, &messages, &parts)
	if err != nil || messages != 20*title || parts != messages || title < from || title > to {
		t.Errorf("%s: the copy has commit %d of %d, %d messages and %d parts: %v", what, title, to, messages, parts, err)
	}
}

// TestCopyOfADatabaseThatNeverRests ends in an error that says so.
func TestCopyOfADatabaseThatNeverRests(t *testing.T) {
	x := newTestDB(t)
	smallSession(x)
	n := int64(0)
	ctx := &steppedContext{Context: context.Background()}
	ctx.step = func(int) {
		n++
		if err := os.Truncate(x.path, 1<<20+n); err != nil { // another size each time
			t.Error(err)
		}
	}
	if _, _, err := snapshot(ctx, x.path); err == nil || !strings.Contains(err.Error(), "idle") {
		t.Errorf("got %v", err)
	}
}

// TestWhatLiesBesideADatabase: files beside a database that are not its own, or
// are damaged, cost no row of it, are named, and are left as they are.
func TestWhatLiesBesideADatabase(t *testing.T) {
	wal := func(t *testing.T, fill func(*testDB)) []byte { // of another database
		x := newTestDB(t)
		x.exec("PRAGMA journal_mode = WAL")
		x.exec("PRAGMA wal_checkpoint(TRUNCATE)")
		x.exec("PRAGMA wal_autocheckpoint = 0")
		fill(x)
		b, err := os.ReadFile(x.path + walSuffix)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	tests := []struct {
		name   string
		beside func(t *testing.T, path string)
		lost   string // part of the error; empty: none
	}{
		{"nothing", func(*testing.T, string) {}, ""},
		{"a -shm of something else", func(t *testing.T, path string) { writeFile(t, path+shmSuffix, strings.Repeat("shm", 20000)) }, ""},
		{"an empty -wal", func(t *testing.T, path string) { writeFile(t, path+walSuffix, "") }, ""},
		{"a -wal of text", func(t *testing.T, path string) { writeFile(t, path+walSuffix, strings.Repeat("text ", 1000)) }, "does not begin as one"},
		{"a -wal whose header is zeros", func(t *testing.T, path string) {
			b := wal(t, smallSession)
			writeFile(t, path+walSuffix, string(append(make([]byte, walHeader), b[walHeader:]...)))
		}, "does not begin as one"},
		{"a -wal of a database of something else", func(t *testing.T, path string) {
			writeFile(t, path+walSuffix, string(wal(t, func(x *testDB) {
				for _, table := range []string{"session", "message", "part", "todo"} {
					x.exec("DROP TABLE " + table)
				}
				x.exec("CREATE TABLE recipes (id)")
			})))
		}, "not of this database"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			x := newTestDB(t)
			smallSession(x)
			x.exec("PRAGMA journal_mode = WAL") // the header says so
			x.db.Close()
			tt.beside(t, x.path)
			before := folderState(t, filepath.Dir(x.path))
			in := newTestImport()
			in.run(t, nil, x.path)
			if diff := cmp.Diff(smallView, in.view(t, sessionLogID("ses_a"))); diff != "" {
				t.Errorf("view: want (-), got (+):\n%s", diff)
			}
			r := in.results[0]
			if failed := r.Status == convert.FileFailed; failed != (tt.lost != "") || !strings.Contains(r.Reason, tt.lost) {
				t.Errorf("%s: %s", r.Status, r.Reason)
			}
			if diff := cmp.Diff(before, folderState(t, filepath.Dir(x.path))); diff != "" {
				t.Errorf("the folder changed:\n%s", diff)
			}
		})
	}
}

// TestLostHeader: the rows of a database whose header was overwritten are all
// imported, whatever the size of its pages, and the header is named as lost.
func TestLostHeader(t *testing.T) {
	for _, size := range []int{512, 1024, 4096, 65536} {
		x := newTestDB(t)
		x.exec(fmt.Sprintf("PRAGMA page_size = %d", size))
		x.exec("VACUUM")
		smallSession(x)
		x.db.Close()
		whole, err := os.ReadFile(x.path)
		if err != nil {
			t.Fatal(err)
		}
		writeFile(t, x.path, string(append(make([]byte, headerSize), whole[headerSize:]...)))
		before := folderState(t, filepath.Dir(x.path))
		in := newTestImport()
		in.run(t, nil, x.path)
		if r := in.results[0]; r.Status != convert.FileFailed || !strings.Contains(r.Reason, "lost: the header of the file") || strings.Contains(r.Reason, "row") {
			t.Errorf("pages of %d: %s %s", size, r.Status, r.Reason)
			continue
		}
		if diff := cmp.Diff(smallView, in.view(t, sessionLogID("ses_a"))); diff != "" {
			t.Errorf("pages of %d; view: want (-), got (+):\n%s", size, diff)
		}
		if diff := cmp.Diff(before, folderState(t, filepath.Dir(x.path))); diff != "" {
			t.Errorf("the folder changed:\n%s", diff)
		}
	}
	path := filepath.Join(t.TempDir(), "opencode.db")
	writeFile(t, path, string(bytes.Repeat([]byte{0}, 8192)))
	in := newTestImport()
	in.run(t, nil, path)
	if r := in.results[0]; r.Status != convert.FileRefused {
		t.Errorf("a file of zeros: %s %s", r.Status, r.Reason)
	}
}
