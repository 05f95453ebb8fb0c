package convert

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"math/rand"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ownlog/ownlog/format"
	"github.com/ownlog/ownlog/schema"
)

// lineMapper makes a note of each record and, of every third, a second event.
type lineMapper struct{ n int }

func (m *lineMapper) Map(rec *Record, run *Run) {
	m.n++
	note := func(s string) *schema.Event {
		return &schema.Event{Actor: schema.Actor{Kind: schema.ActorUser}, Data: &schema.NoteAdded{Text: schema.String(s)}}
	}
	run.Events = append(run.Events, note(string(rec.Bytes)))
	if m.n%3 == 0 {
		run.Events = append(run.Events, note("third"))
	}
}

func mirrorString(t *testing.T, m *Mirror, content string) Outcome {
	t.Helper()
	out, err := tryMirror(m, content)
	if err != nil && !errors.Is(err, ErrNothing) {
		t.Fatal(err)
	}
	return out
}

func tryMirror(m *Mirror, content string) (Outcome, error) {
	return m.MirrorTranscript(context.Background(), Transcript{
		Vendor: "toy", Path: "toy.jsonl", Content: strings.NewReader(content),
		Identify:  func(*Record) (LogName, bool) { return LogName{Vendor: "toy", Kind: LogSession, ID: "s"}, true },
		NewMapper: func(Findings) Mapper { return new(lineMapper) },
	})
}

func exportString(t *testing.T, m *Mirror, log format.LogID, size int64, sha string) string {
	t.Helper()
	var b bytes.Buffer
	req := ExportRequest{Store: m.Store(), Imports: m.Imports(), Log: log, Size: size, SHA256: sha}
	if _, err := ExportTranscript(context.Background(), req, TranscriptRange{To: size}, &b); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func newTestMirror() *Mirror { return NewMirror(new(format.MemStore), OpenImports(""), false) }

func TestMirrorTranscriptGrowsForksAndGivesBack(t *testing.T) {
	m := newTestMirror()
	steps := []struct {
		name, content string
		want          OutcomeStatus
		appended      int64
	}{
		{"new", "{\"a\":1}\n{\"b\":2}\n", OutcomeNew, 2},
		{"again", "{\"a\":1}\n{\"b\":2}\n", OutcomeUnchanged, 0},
		{"unfinished line", "{\"a\":1}\n{\"b\":2}\n{\"c\":", OutcomeUnchanged, 0},
		{"growth", "{\"a\":1}\n{\"b\":2}\n{\"c\":3}\r\nx\n", OutcomeGrown, 3},
		{"earlier state", "{\"a\":1}", OutcomePrefix, 0},
		{"other content", "{\"a\":1}\n{\"b\":9}\n", OutcomeDiverged, 1},
		{"other content again", "{\"a\":1}\n{\"b\":9}\n", OutcomeUnchanged, 0},
		{"other content grown", "{\"a\":1}\n{\"b\":9}\n\n{\"z\":0}", OutcomeDiverged, 2},
		{"nothing in common", "{\"q\":1}\n", OutcomeDiverged, 1},
	}
	var outs []Outcome
	for _, s := range steps {
		out := mirrorString(t, m, s.content)
		if out.Status != s.want || out.Appended != s.appended {
			t.Errorf("%s: %s, %d entries appended; want %s, %d", s.name, out.Status, out.Appended, s.want, s.appended)
		}
		head, err := m.Store().Head(context.Background(), out.Log, out.Head.Size)
		if err != nil {
			t.Fatalf("%s: %v", s.name, err)
		}
		if head != out.Head {
			t.Errorf("%s: head %s, the store says %s", s.name, out.Head, head)
		}
		outs = append(outs, out)
	}
	for i, out := range outs {
		if got := exportString(t, m, out.Log, out.Head.Size, out.SHA256); got != steps[i].content {
			t.Errorf("%s: gives back %q, want %q", steps[i].name, got, steps[i].content)
		}
	}
}

// TestMirrorTranscriptInStepsIsAsAtOnce: wherever an import stopped, the head is
// that of importing the whole at once.
func TestMirrorTranscriptInStepsIsAsAtOnce(t *testing.T) {
	content := "\ufeff{\"a\":1}\n{\"b\":[\n2]}{\"c\":3}\r\n\x00\x00\n{\"d\":\"\\ud800\"}\n{\"e\":" + strings.Repeat(" ", 50) + "5}\n\n{\"f\":6}"
	whole := mirrorString(t, newTestMirror(), content)
	rng := rand.New(rand.NewSource(1)) //nolint:gosec // a test wants the same numbers each time
	for range 50 {
		m := newTestMirror()
		var out Outcome
		for cut := 0; cut < len(content); {
			cut = min(len(content), cut+1+rng.Intn(20))
			out = mirrorString(t, m, content[:cut])
		}
		if out.Head != whole.Head {
			t.Fatalf("head in steps %s, at once %s", out.Head, whole.Head)
		}
		if got := exportString(t, m, out.Log, -1, ""); got != content {
			t.Fatalf("gives back %q, want %q", got, content)
		}
	}
}

func TestMirrorTranscriptKeepsAnyBytes(t *testing.T) {
	image := base64.StdEncoding.EncodeToString(bytes.Repeat([]byte("picture!"), 2000))
	records := map[string]string{
		"invalid utf-8":        "{\"a\":\"\xff\xfe\"}",
		"lone surrogate":       `{"a":"\ud83d"}`,
		"duplicate names":      `{"a":1,"a":2}`,
		"long base64":          `{"a":"data:image/png;base64,` + image + `","b":"` + image + `"}`,
		"base64, bad padding":  `{"a":"` + image + `A="}`,
		"base64 and long text": `{"a":"` + image + `","b":"` + strings.Repeat("long text, ", 30000) + `"}`,
		"over 256 KiB":         `{"a":"` + strings.Repeat("a b", 200000) + `"}`,
		"deep":                 strings.Repeat(`{"a":`, 99) + "1" + strings.Repeat("}", 99),
		"many escapes":         `{"a":"` + image + `","b":"` + strings.Repeat(`\"`, 100000) + `"}`,
		"whitespace inside":    "{ \"a\" :\t1 }",
	}
	for name, rec := range records {
		t.Run(name, func(t *testing.T) {
			m := newTestMirror()
			content := "{}\n" + rec + "\n{}\n"
			out := mirrorString(t, m, content)
			if got := exportString(t, m, out.Log, -1, ""); got != content {
				t.Errorf("gave back %d bytes that differ from the %d imported", len(got), len(content))
			}
		})
	}
}

func FuzzImportThenExportIsTheIdentity(f *testing.F) {
	f.Add([]byte("{}\n{\"a\":\"\\ud800\"}\n\x00{"))
	f.Add([]byte("\ufeff\r\n{} {}\n"))
	f.Fuzz(func(t *testing.T, content []byte) {
		m := newTestMirror()
		out := mirrorString(t, m, string(content))
		if out.Records == 0 {
			return
		}
		if got := exportString(t, m, out.Log, -1, ""); got != string(content) {
			t.Fatalf("gave back %q, want %q", got, content)
		}
	})
}

func TestRowsComeAgainWhenTheyChange(t *testing.T) {
	ctx := context.Background()
	m := newTestMirror()
	name := LogName{Vendor: "toy", Kind: LogSession, ID: "rows"}
	put := func(path string, rows ...string) Outcome {
		t.Helper()
		r, err := m.OpenRows(ctx, name, path, nil)
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range rows {
			id, body, _ := strings.Cut(s, "=")
			row := schema.Row{Table: "t", ID: id}
			if _, _, same := r.Seen(row, []byte(body)); same {
				continue
			}
			run := Run{Row: &row, Record: Record{Bytes: []byte(body)}}
			new(lineMapper).Map(&run.Record, &run)
			if err := r.Put(ctx, run); err != nil {
				t.Fatal(err)
			}
		}
		for _, row := range r.Missing() {
			gone := Run{Row: &row, Events: []*schema.Event{{Actor: schema.Actor{Kind: schema.ActorImport}, Data: &schema.VendorRecord{Kind: "gone"}}}}
			if err := r.Put(ctx, gone); err != nil {
				t.Fatal(err)
			}
		}
		out, err := r.Close(ctx)
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	steps := []struct {
		path     string
		rows     []string
		appended int64
	}{
		{"a.db", []string{`x={"v":1}`, `y={"v":1}`}, 2},
		{"a.db", []string{`x={"v":1}`, `y={"v":2}`}, 1},
		{"a.db", []string{`x={"v":1}`, `y={"v":2}`}, 0},
		{"b.db", []string{`x={"v":1}`, `y={"v":1}`}, 0}, // an older copy
		{"a.db", []string{`x={"v":1}`, `y={"v":1}`}, 1}, // went back
		{"a.db", []string{`x={"v":1}`}, 1},              // y is gone
		{"a.db", []string{`x={"v":1}`}, 0},
		{"a.db", []string{`x={"v":1}`, `y={"v":1}`}, 1}, // y is back
	}
	var out Outcome
	for i, s := range steps {
		out = put(s.path, s.rows...)
		if out.Appended != s.appended {
			t.Errorf("step %d: %d entries appended, want %d", i, out.Appended, s.appended)
		}
	}
	var got []string
	err := LatestRows(ctx, m.Store(), out.Log, -1, func(row schema.Row, record []byte) error {
		got = append(got, row.ID+"="+string(record))
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{`x={"v":1}`, `y={"v":1}`}, got); diff != "" {
		t.Errorf("latest rows (-want +got):\n%s", diff)
	}
}

// syncedStore notes which logs were made durable without an append.
type syncedStore struct {
	format.MemStore
	synced []format.LogID
}

func (s *syncedStore) Sync(ctx context.Context, log format.LogID) (int64, error) {
	s.synced = append(s.synced, log)
	info, err := s.Info(ctx, log)
	return info.Size, err
}

// TestMirrorSyncsWhatIsThere: entries that an import finds may be those of one that
// died before its sync; their source may be deleted once this one says that they are there.
func TestMirrorSyncsWhatIsThere(t *testing.T) {
	store := new(syncedStore)
	const content = "{\"n\":1}\n{\"n\":2}\n"
	first := mirrorString(t, NewMirror(store, OpenImports(""), false), content)
	if first.Status != OutcomeNew || len(store.synced) > 0 {
		t.Fatalf("a new log: %s, synced %v", first.Status, store.synced)
	}
	for _, c := range []struct {
		content string
		dryRun  bool
		status  OutcomeStatus
		syncs   int
	}{
		{content, true, OutcomeUnchanged, 0},
		{content, false, OutcomeUnchanged, 1},
		{content[:8], false, OutcomePrefix, 1},
		{content + "{\"n\":3}\n", false, OutcomeGrown, 0}, // by the append
	} {
		store.synced = nil
		got := mirrorString(t, NewMirror(store, OpenImports(""), c.dryRun), c.content)
		if got.Status != c.status || len(store.synced) != c.syncs {
			t.Errorf("%q, dry run %t: %s and %d syncs, want %s and %d", c.content, c.dryRun, got.Status, len(store.synced), c.status, c.syncs)
		}
	}
}
