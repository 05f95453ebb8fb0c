package parquet

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ownlog/ownlog/convert/tables"
	"github.com/ownlog/ownlog/convert/tables/samplelog"
	"github.com/ownlog/ownlog/format"
	"github.com/ownlog/ownlog/schema"
)

func samplePrices(t *testing.T, version string) *schema.PriceTable {
	t.Helper()
	prices, err := samplelog.Prices(version)
	if err != nil {
		t.Fatal(err)
	}
	return prices
}

// snapshot lists the files of a folder with size and time of change.
func snapshot(t *testing.T, dir string) map[string]string {
	t.Helper()
	files := make(map[string]string)
	err := filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(dir, name)
		files[filepath.ToSlash(rel)] = fmt.Sprint(info.Size(), info.ModTime())
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

func changed(before, after map[string]string) []string {
	var names []string
	for name, state := range after {
		if before[name] != state && name != ManifestName && name != ".lock" {
			names = append(names, name)
		}
	}
	for name := range before {
		if _, ok := after[name]; !ok {
			names = append(names, "-"+name)
		}
	}
	slices.Sort(names)
	return names
}

func TestExportTwiceAddsNothing(t *testing.T) {
	store := sampleStore(t)
	out := t.TempDir()
	first := export(t, store, Options{Out: out})
	if want := int64(len(samplelog.Logs())); first.Exported != want || first.Rows[Sessions] != want {
		t.Errorf("first export: %+v, want %d logs", first, want)
	}
	manifest, err := os.ReadFile(filepath.Join(out, ManifestName))
	if err != nil {
		t.Fatal(err)
	}
	before := snapshot(t, out)
	second := export(t, store, Options{Out: out})
	if second.Exported != 0 || second.Unchanged != first.Exported {
		t.Errorf("second export: %+v, want nothing exported", second)
	}
	if diff := changed(before, snapshot(t, out)); diff != nil {
		t.Errorf("the second export changed %v", diff)
	}
	again, err := os.ReadFile(filepath.Join(out, ManifestName))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(manifest), string(again)); diff != "" {
		t.Errorf("manifest: %s", diff)
	}
}

func TestExportAfterAppend(t *testing.T) {
	store := sampleStore(t)
	out := t.TempDir()
	export(t, store, Options{Out: out})
	before := snapshot(t, out)
	if err := samplelog.Append(t.Context(), store, samplelog.Timeless, samplelog.Grow(2, 3, 40)...); err != nil {
		t.Fatal(err)
	}
	r := export(t, store, Options{Out: out})
	if r.Exported != 1 {
		t.Errorf("exported %d logs, want the one that grew", r.Exported)
	}
	// The log has times now, so its files move to the partition of its start.
	log := samplelog.Timeless.String() + ".parquet"
	var want []string
	for _, table := range []Table{Blocks, Events, ModelCalls, Sessions} {
		want = append(want, "-"+logPathIn(table, noDate, log), logPathIn(table, "2026-11-20", log))
	}
	slices.Sort(want)
	if diff := cmp.Diff(want, changed(before, snapshot(t, out))); diff != "" {
		t.Errorf("files changed (-want +got):\n%s", diff)
	}
	checkAll(t, out, projectAll(t, store))
}

func logPathIn(table Table, date, name string) string {
	return string(table) + "/date=" + date + "/" + name
}

func projectAll(t *testing.T, store format.Store) *sourceRows {
	return project(t, store, tables.Options{})
}

func TestExportUnderOtherOptions(t *testing.T) {
	store := sampleStore(t)
	out := t.TempDir()
	export(t, store, Options{Out: out, Tables: []Table{Sessions, ModelCalls}})
	if _, err := os.Stat(filepath.Join(out, string(Events))); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("events were exported unasked: %v", err)
	}
	steps := []struct {
		name     string
		opts     Options
		exported int64
	}{
		{"the rest of the tables", Options{}, 5},
		{"two of them again", Options{Tables: []Table{Sessions, Events}}, 0},
		{"with prices", Options{Rows: tables.Options{Prices: samplePrices(t, "1")}}, 5},
		{"prices do not concern events", Options{Tables: []Table{Events}}, 0},
		{"with newer prices", Options{Rows: tables.Options{Prices: samplePrices(t, "2")}}, 5},
		{"without texts", Options{Rows: tables.Options{NoText: true}}, 5},
		{"joined", Options{Rows: tables.Options{NoText: true}, Compact: true}, 0},
		{"joined again", Options{Rows: tables.Options{NoText: true}, Compact: true}, 0},
	}
	for _, step := range steps {
		step.opts.Out = out
		if r := export(t, store, step.opts); r.Exported != step.exported {
			t.Errorf("%s: exported %d logs, want %d", step.name, r.Exported, step.exported)
		}
	}
	for _, b := range readTable(t, out, Blocks, func(r *tables.Block) string { return r.LogID }) {
		if b.Text != nil || b.Summary != nil {
			t.Errorf("block %s/%d has a text", b.LogID, b.Seq)
		}
	}
	for _, c := range readTable(t, out, ToolCalls, func(r *tables.ToolCall) string { return r.LogID }) {
		if c.Arguments != nil || c.ArgumentsRaw != nil {
			t.Errorf("call %s/%s has arguments", c.LogID, c.CallKey)
		}
	}
}

func TestCompactFollowsGrowth(t *testing.T) {
	store := sampleStore(t)
	out := t.TempDir()
	for id := range 3 { // more logs of one day
		log := format.LogID{1, byte(id), 6: 0x40, 8: 0x80}
		if err := samplelog.Append(t.Context(), store, log, samplelog.Grow(1, 2, 20)...); err != nil {
			t.Fatal(err)
		}
	}
	all := func(opts Options) Result {
		var ids []format.LogID
		for id, err := range store.List(t.Context()) {
			if err != nil {
				t.Fatal(err)
			}
			ids = append(ids, id)
		}
		opts.Out = out
		r, err := Export(t.Context(), store, slices.Values(ids), opts)
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	all(Options{Compact: true})
	files, err := filepath.Glob(filepath.Join(out, string(Events), "date=2026-11-20", "*"))
	if err != nil || len(files) != 1 {
		t.Fatalf("%d files of the day, want one: %v %v", len(files), files, err)
	}
	for _, compact := range []bool{false, true, false} {
		grown := format.LogID{1, 1, 6: 0x40, 8: 0x80}
		if err := samplelog.Append(t.Context(), store, grown, samplelog.Grow(10, 1, 20)...); err != nil {
			t.Fatal(err)
		}
		if r := all(Options{Compact: compact}); r.Exported != 1 {
			t.Errorf("exported %d, want 1", r.Exported)
		}
		rows := readTable(t, out, Events, func(r *tables.Event) string { return r.LogID })
		seen := make(map[string]int64)
		for _, r := range rows {
			own := int64(0)
			if r.LogID == samplelog.Fork.String() && seen[r.LogID] == 0 {
				own = r.Seq
				seen[r.LogID] = own
			}
			if r.Seq != seen[r.LogID] {
				t.Fatalf("log %s: seq %d, want %d: a row is missing or twice", r.LogID, r.Seq, seen[r.LogID])
			}
			seen[r.LogID]++
		}
		for id, err := range store.List(t.Context()) {
			if err != nil {
				t.Fatal(err)
			}
			info, err := store.Info(t.Context(), id)
			if err != nil {
				t.Fatal(err)
			}
			if seen[id.String()] != info.Size {
				t.Errorf("log %s: rows up to %d, want %d", id, seen[id.String()], info.Size)
			}
		}
	}
}

func TestSinceUntil(t *testing.T) {
	store := sampleStore(t)
	day := func(d int) time.Time { return time.Date(2026, 11, d, 0, 0, 0, 0, time.UTC) }
	for _, tt := range []struct {
		since, until time.Time
		want         []format.LogID
	}{
		{day(20), day(21), []format.LogID{samplelog.Tree}},
		{day(21), time.Time{}, []format.LogID{samplelog.Rows, samplelog.Fork}},
		{time.Time{}, day(23), []format.LogID{samplelog.Tree, samplelog.Rows}},
		{day(1), day(2), nil},
	} {
		out := t.TempDir()
		export(t, store, Options{Out: out, Since: tt.since, Until: tt.until})
		m, err := readManifest(out)
		if err != nil {
			t.Fatal(err)
		}
		if len(m) != len(tt.want) {
			t.Errorf("from %v to %v: %d logs, want %d", tt.since, tt.until, len(m), len(tt.want))
		}
		for _, id := range tt.want {
			if m[id] == nil {
				t.Errorf("from %v to %v: log %s is missing", tt.since, tt.until, id)
			}
		}
	}
}

func TestDamagedFileIsExportedAgain(t *testing.T) {
	store := sampleStore(t)
	out := t.TempDir()
	export(t, store, Options{Out: out})
	name := filepath.Join(out, logPath(Events, "2026-11-20", samplelog.Tree))
	if err := os.Truncate(name, 10); err != nil {
		t.Fatal(err)
	}
	if r := export(t, store, Options{Out: out}); r.Exported != 1 {
		t.Errorf("exported %d logs, want the one whose file was cut short", r.Exported)
	}
	checkAll(t, out, projectAll(t, store))
}

func TestForeignFilesStay(t *testing.T) {
	store := sampleStore(t)
	out := t.TempDir()
	var names []string
	for _, rel := range []string{"events/notes.txt", "events/date=2026-11-20/mine.parquet", "events/date=2026-11-20/x/y.parquet"} {
		name := filepath.Join(out, filepath.FromSlash(rel))
		if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte("x"), 0o600); err != nil {
			t.Fatal(err)
		}
		names = append(names, name)
	}
	export(t, store, Options{Out: out})
	for _, name := range names {
		if _, err := os.Stat(name); err != nil {
			t.Errorf("a file that is not ours is gone: %v", err)
		}
	}
}

func TestBusyFolder(t *testing.T) {
	store := sampleStore(t)
	out := t.TempDir()
	x, err := open(store, Options{Out: out})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Export(t.Context(), store, slices.Values(samplelog.Logs()), Options{Out: out}); !errors.Is(err, ErrBusy) {
		t.Errorf("a second export at the same time: %v, want ErrBusy", err)
	}
	if err := x.lock.Close(); err != nil {
		t.Fatal(err)
	}
	export(t, store, Options{Out: out})
}

func TestUnknownLogFailsAlone(t *testing.T) {
	store := sampleStore(t)
	missing := format.LogID{9}
	r, err := Export(t.Context(), store, slices.Values([]format.LogID{missing, samplelog.Tree}), Options{Out: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	if len(r.Failed) != 1 || r.Failed[0].Log != missing || !errors.Is(r.Failed[0].Err, format.ErrNotFound) || r.Exported != 1 {
		t.Errorf("got %+v", r)
	}
}

// TestKilledExport kills an export, again and again, at arbitrary moments. What
// is there must be whole files, and a last export must make it complete.
func TestKilledExport(t *testing.T) {
	const child = "OWNLOG_TEST_EXPORT"
	if out := os.Getenv(child); out != "" {
		store := new(format.MemStore)
		crashLogs(t, store)
		for { // until killed
			exportAll(t, store, out)
			if err := os.Remove(filepath.Join(out, ManifestName)); err != nil {
				t.Fatal(err)
			}
		}
	}
	if runtime.GOOS == "windows" {
		t.Skip("processes are killed another way there")
	}
	out := t.TempDir()
	whole := 0
	for i := range 4 {
		before := eventFiles(t, out)
		cmd := exec.Command(os.Args[0], "-test.run=^TestKilledExport$")
		cmd.Env = append(os.Environ(), child+"="+out)
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		// Later rounds let more files be finished first, whatever time that takes:
		// one export finishes 8.
		waitFor(t, func() bool {
			if _, err := os.Stat(filepath.Join(out, ".lock")); err != nil {
				return false
			}
			return len(changed(before, eventFiles(t, out))) >= i*2
		})
		time.Sleep(time.Duration(rand.IntN(10_000)) * time.Microsecond) // to die anywhere
		if err := cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		_ = cmd.Wait()
		if err := os.Remove(filepath.Join(out, ".lock")); err != nil {
			t.Fatal(err)
		}
		for name := range eventFiles(t, out) {
			readFile[tables.Event](t, filepath.Join(out, name))
			whole++
		}
	}
	if whole == 0 {
		t.Fatal("no export got as far as a file: the test shows nothing")
	}
	store := new(format.MemStore)
	crashLogs(t, store)
	exportAll(t, store, out)
	temps, err := filepath.Glob(filepath.Join(out, "*", tempPrefix+"*"))
	if err != nil || len(temps) > 0 {
		t.Errorf("temporary files are left: %v %v", temps, err)
	}
	if n := len(readTable(t, out, Events, func(r *tables.Event) string { return r.LogID })); n != 8*400 {
		t.Errorf("%d rows of events, want %d", n, 8*400)
	}
}

// eventFiles is the snapshot of the finished files of events in out.
func eventFiles(t *testing.T, out string) map[string]string {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(out, string(Events), "date=*", "*.parquet"))
	if err != nil {
		t.Fatal(err)
	}
	files := make(map[string]string)
	for _, name := range names {
		info, err := os.Stat(name)
		if errors.Is(err, fs.ErrNotExist) {
			continue // replaced a moment ago
		}
		if err != nil {
			t.Fatal(err)
		}
		rel, err := filepath.Rel(out, name)
		if err != nil {
			t.Fatal(err)
		}
		files[rel] = fmt.Sprint(info.Size(), info.ModTime())
	}
	return files
}

// waitFor waits until something can be seen to have happened: for a minute,
// which no machine in use needs.
func waitFor(t *testing.T, happened func() bool) {
	t.Helper()
	for began := time.Now(); !happened(); time.Sleep(time.Millisecond) {
		if time.Since(began) > time.Minute {
			t.Fatal("nothing happened for a minute")
		}
	}
}

func crashLogs(t *testing.T, store *format.MemStore) {
	t.Helper()
	for i := range 8 {
		if err := samplelog.Append(t.Context(), store, format.LogID{2, byte(i), 6: 0x40, 8: 0x80}, samplelog.Grow(1, 200, 200)...); err != nil {
			t.Fatal(err)
		}
	}
}

func exportAll(t *testing.T, store *format.MemStore, out string) {
	t.Helper()
	var ids []format.LogID
	for id := range store.List(t.Context()) {
		ids = append(ids, id)
	}
	if _, err := Export(t.Context(), store, slices.Values(ids), Options{Out: out}); err != nil {
		t.Fatal(err)
	}
}

// TestPrune removes logs from the store: the next export that prunes takes their
// rows out of the manifest and the folder, also out of joined files. One that
// does not prune, and one that was not told of a log, leave all as it is.
func TestPrune(t *testing.T) {
	for _, compact := range []bool{false, true} {
		t.Run(fmt.Sprintf("compact %v", compact), func(t *testing.T) {
			store := sampleStore(t)
			out := t.TempDir()
			export(t, store, Options{Out: out, Compact: compact})
			before := snapshot(t, out)
			some := func(prune bool, logs ...format.LogID) Result {
				t.Helper()
				r, err := Export(t.Context(), store, slices.Values(logs), Options{Out: out, Compact: compact, Prune: prune})
				if err != nil || len(r.Failed) > 0 {
					t.Fatal(err, r.Failed)
				}
				return r
			}
			if r := some(true, samplelog.Rows); r.Removed != 0 {
				t.Errorf("%d logs removed that are in the store", r.Removed)
			}
			if diff := changed(before, snapshot(t, out)); diff != nil {
				t.Errorf("an export of one log changed %v", diff)
			}
			rest := new(format.MemStore)
			for _, log := range []format.LogID{samplelog.Tree, samplelog.Assets} {
				copyLog(t, store, rest, log)
			}
			store = rest
			if r := some(false, samplelog.Tree, samplelog.Assets); r.Removed != 0 {
				t.Errorf("%d logs removed unasked", r.Removed)
			}
			if r := some(true, samplelog.Tree, samplelog.Assets); r.Removed != 3 || r.Exported != 0 {
				t.Errorf("%+v, want 3 logs removed and none exported", r)
			}
			checkAll(t, out, project(t, store, tables.Options{}, samplelog.Tree, samplelog.Assets))
			m, err := readManifest(out)
			if err != nil {
				t.Fatal(err)
			}
			if len(m) != 2 {
				t.Errorf("the manifest has %d logs, want 2", len(m))
			}
			files := m.paths()
			for name := range snapshot(t, out) {
				if strings.HasSuffix(name, ".parquet") && !files[name] && filepath.Base(name) != emptyName {
					t.Errorf("%s is left", name)
				}
			}
		})
	}
}

func copyLog(t *testing.T, from, to *format.MemStore, log format.LogID) {
	t.Helper()
	var entries [][]byte
	for e, err := range from.Read(t.Context(), log, 0) {
		if err != nil {
			t.Fatal(err)
		}
		entries = append(entries, bytes.Clone(e.Bytes))
	}
	if _, err := to.Append(t.Context(), log, 0, entries); err != nil {
		t.Fatal(err)
	}
}
