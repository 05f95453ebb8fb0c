package convert

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/go-json-experiment/json"
	"github.com/google/go-cmp/cmp"

	"github.com/ownlog/ownlog/format"
	"github.com/ownlog/ownlog/schema"
)

func putSource(t *testing.T, im *Imports, rec SourceRecord) {
	t.Helper()
	if err := im.PutSource(rec); err != nil {
		t.Fatal(err)
	}
}

// The last record of a path counts, for who wrote it and for who comes later, and
// lines that a crash left torn count for nothing.
func TestSourceRecords(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "imports")
	journal := filepath.Join(dir, "records.jsonl")
	im := OpenImports(dir)
	want := make(map[string]SourceRecord)
	put := func(rec SourceRecord) {
		putSource(t, im, rec)
		want[rec.Path] = rec
	}
	check := func() {
		t.Helper()
		for _, reader := range []*Imports{im, OpenImports(dir)} {
			for path, rec := range want {
				got, ok := reader.Source(path)
				if diff := cmp.Diff(rec, got); !ok || diff != "" {
					t.Errorf("source %q: known: %v (-want +got):\n%s", path, ok, diff)
				}
			}
		}
	}
	if _, ok := im.Source("a"); ok {
		t.Error("a source is known that was never imported")
	}
	put(SourceRecord{Path: "a", Vendor: "v", Size: 1, Status: FileImported})
	put(SourceRecord{Path: "b \"quoted\"\n", Vendor: "v", Size: 1, Outcomes: []OutcomeRecord{{Log: "x", Entries: 3}}})
	put(SourceRecord{Path: "a", Vendor: "v", Size: 2, Group: string(bytes.Repeat([]byte("long "), 50_000))})
	put(SourceRecord{Path: "rows", Vendor: "v", Rows: map[string]string{"message:1": "digest"}})
	check()

	content, err := os.ReadFile(journal)
	if err != nil {
		t.Fatal(err)
	}
	for _, torn := range []string{`{"path":"a","vendor":"torn`, `{"path":`, `{`, "\x00\x00\x00", "\n\n"} {
		if err := os.WriteFile(journal, append(content[:len(content):len(content)], torn...), 0o600); err != nil {
			t.Fatal(err)
		}
		im = OpenImports(dir)
		put(SourceRecord{Path: "c", Vendor: torn})
		check()
	}
}

// A journal of lines that were replaced is rewritten, and loses nothing.
func TestRecordsAreRewritten(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "imports")
	im := OpenImports(dir)
	long := string(bytes.Repeat([]byte("x"), journalSlack/100))
	for i := range 200 {
		putSource(t, im, SourceRecord{Path: fmt.Sprint("p", i%3), Size: int64(i), Group: long})
	}
	size := func() int64 {
		st, err := os.Stat(filepath.Join(dir, "records.jsonl"))
		if err != nil {
			t.Fatal(err)
		}
		return st.Size()
	}
	if size() < journalSlack {
		t.Fatalf("%d bytes are too few for this test", size())
	}
	im = OpenImports(dir)
	putSource(t, im, SourceRecord{Path: "p3", Size: 3})
	if size() > journalSlack/10 {
		t.Errorf("%d bytes are left of three records", size())
	}
	for _, reader := range []*Imports{im, OpenImports(dir)} {
		for i, want := range []int64{198, 199, 197, 3} {
			if rec, ok := reader.Source(fmt.Sprint("p", i)); !ok || rec.Size != want {
				t.Errorf("record of p%d: size %d, known: %v; want %d", i, rec.Size, ok, want)
			}
		}
	}
}

// Stores of older versions have a file for each source and each report.
func TestRecordsOfOlderStores(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "imports")
	im := OpenImports(dir)
	place := func(name string, v any) {
		t.Helper()
		b, err := json.Marshal(v)
		if err == nil {
			err = ReplaceFile(name, b)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	log := format.LogID{1}
	rec := SourceRecord{Path: "a", Vendor: "v", Size: 1, Status: FileImported}
	report := Report{Records: 3, Fidelity: []schema.FidelityItem{{Axis: schema.Preserved, Code: "record", Count: 3}}}
	content := Content{SHA256: "aa", Bytes: 1, Entries: 2, End: []byte("\n")}
	place(im.sourcePath("a"), rec)
	place(im.reportPath(log), report)
	place(filepath.Join(dir, "logs", log.String()+".jsonl"), content)

	check := func(rec SourceRecord, report Report, contents ...Content) {
		t.Helper()
		im := OpenImports(dir)
		gotRec, _ := im.Source("a")
		gotReport, _, err := im.Report(log)
		if err != nil {
			t.Fatal(err)
		}
		gotContents, err := im.Contents(log)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff([]any{rec, report, contents}, []any{gotRec, gotReport, gotContents}); diff != "" {
			t.Errorf("records (-want +got):\n%s", diff)
		}
	}
	check(rec, report, content)

	rec.Size, report.Records = 2, 4
	more := Content{SHA256: "bb", Bytes: 2, Entries: 3, End: []byte{}}
	fidelity := new(schema.Fidelity)
	fidelity.Add(schema.Preserved, "record", 4, "")
	report.Fidelity = fidelity.Items()
	putSource(t, im, rec)
	if err := im.putReport(&Outcome{Log: log, Head: format.Head{Size: 3}, Records: 4, Report: fidelity}); err != nil {
		t.Fatal(err)
	}
	if err := im.AddContent(log, more); err != nil {
		t.Fatal(err)
	}
	check(rec, report, content, more)
}

// Several importers add to the same records at once, and none loses what another
// has acknowledged.
func TestRecordsOfSeveralImporters(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "imports")
	const importers, logs = 4, 30
	var wg sync.WaitGroup
	for n := range importers {
		im := OpenImports(dir)
		wg.Go(func() {
			for i := range logs {
				c := Content{SHA256: fmt.Sprint(n), Bytes: int64(n), Entries: int64(i), End: []byte("\n")}
				if err := im.AddContent(format.LogID{byte(i)}, c); err != nil {
					t.Error(err)
				}
				if err := im.PutSource(SourceRecord{Path: fmt.Sprint(n), Size: int64(i)}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	im := OpenImports(dir)
	for i := range logs {
		contents, err := im.Contents(format.LogID{byte(i)})
		if err != nil || len(contents) != importers {
			t.Errorf("log %d: %d contents, %v; want %d", i, len(contents), err, importers)
		}
	}
	for n := range importers {
		if rec, ok := im.Source(fmt.Sprint(n)); !ok || rec.Size != logs-1 {
			t.Errorf("source %d: size %d, known: %v", n, rec.Size, ok)
		}
	}
}
