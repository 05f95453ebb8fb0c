package codex

import (
	"bytes"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ownlog/ownlog/convert"
	"github.com/ownlog/ownlog/fixtures"
	"github.com/ownlog/ownlog/schema"
)

var update = flag.Bool("update", false, "write the golden files anew")

// mapAll maps a whole rollout and returns the bytes of its events, a run after
// the other.
func mapAll(t testing.TB, m convert.Mapper, content []byte) (runs [][][]byte) {
	t.Helper()
	r := convert.NewRecordReader(bytes.NewReader(content), true)
	for {
		rec, err := r.Next()
		if err == io.EOF {
			return runs
		}
		if err != nil {
			t.Fatal(err)
		}
		if rec.Damaged {
			runs = append(runs, nil)
			continue
		}
		runs = append(runs, mapRecord(t, m, rec))
	}
}

func mapRecord(t testing.TB, m convert.Mapper, rec convert.Record) (events [][]byte) {
	t.Helper()
	run := convert.Run{Record: rec}
	m.Map(&rec, &run)
	if len(run.Events) == 0 {
		t.Fatalf("line %d: no event", rec.Line)
	}
	for i, ev := range run.Events {
		ev.Source = &schema.Source{Vendor: Name, Line: rec.Line, Part: int64(i)}
		b, err := schema.Encode(nil, ev)
		if err != nil {
			t.Fatalf("line %d: %v", rec.Line, err)
		}
		events = append(events, b)
	}
	return events
}

// rollouts calls f with every uncompressed rollout of the fixtures.
func rollouts(t testing.TB, f func(name string, content []byte)) {
	t.Helper()
	err := fs.WalkDir(fixtures.FS, "codex", func(name string, d fs.DirEntry, err error) error {
		if err != nil || path.Ext(name) != ".jsonl" {
			return err
		}
		content, err := fs.ReadFile(fixtures.FS, name)
		if err == nil {
			f(name, content)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// TestEventsOfRecordings pins the events of whole rollouts to the byte.
func TestEventsOfRecordings(t *testing.T) {
	golden := []string{"tools", "approval-kill", "compact", "code-mode", "subagent-v2", "errors", "old-0.25.0", "old-0.98.0"}
	for _, name := range golden {
		t.Run(name, func(t *testing.T) {
			var got bytes.Buffer
			rollouts(t, func(file string, content []byte) {
				if strings.Split(file, "/")[1] != name {
					return
				}
				found := new(convert.FindingCounts)
				for _, run := range mapAll(t, NewMapper(found, Base{}), content) {
					for _, ev := range run {
						fmt.Fprintf(&got, "%s\n", ev)
					}
				}
				for _, f := range found.List() {
					fmt.Fprintf(&got, "finding %s: %d, first at %s\n", f.Code, f.Count, f.Where)
				}
			})
			checkGolden(t, name+".events.jsonl", got.Bytes())
		})
	}
}

func checkGolden(t *testing.T, name string, got []byte) {
	t.Helper()
	file := filepath.Join("testdata", name)
	if *update {
		if err := os.MkdirAll("testdata", 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, got, 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(strings.Split(string(want), "\n"), strings.Split(string(got), "\n")); diff != "" {
		t.Errorf("differs from %s (-want +got); run with -update if this is intended:\n%s", file, diff)
	}
}

// TestEventsDependOnThePrefixAlone maps every prefix that ends with a record:
// its events must be the first ones of the whole.
func TestEventsDependOnThePrefixAlone(t *testing.T) {
	rollouts(t, func(name string, content []byte) {
		whole := mapAll(t, NewMapper(new(convert.FindingCounts), Base{}), content)
		for n, end := 0, 0; ; n++ {
			i := bytes.IndexByte(content[end:], '\n')
			if i < 0 {
				break
			}
			end += i + 1
			part := mapAll(t, NewMapper(new(convert.FindingCounts), Base{}), content[:end])
			if !reflect.DeepEqual(whole[:len(part)], part) {
				t.Fatalf("%s: the first %d lines give other events alone:\n%s", name, n+1, cmp.Diff(whole[:len(part)], part))
			}
		}
	})
}

// TestKeysAndResults checks that no call key is claimed twice and that results
// name calls that were made.
func TestKeysAndResults(t *testing.T) {
	rollouts(t, func(name string, content []byte) {
		checkKeys(t, name, mapAll(t, NewMapper(new(convert.FindingCounts), Base{}), content))
	})
}

func checkKeys(t testing.TB, name string, runs [][][]byte) {
	t.Helper()
	calls, nested := map[schema.CallKey]bool{}, map[schema.CallKey]bool{}
	for _, run := range runs {
		for _, b := range run {
			ev, err := schema.Decode(b)
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			switch d := ev.Data.(type) {
			case *schema.ModelOutput:
				if ev.Step == 0 {
					t.Errorf("%s: a model.output without a step: %s", name, b)
				}
				for _, block := range d.Blocks {
					if block.Type != schema.BlockToolCall {
						continue
					}
					if calls[block.CallKey] {
						t.Errorf("%s: call key %s is claimed twice", name, block.CallKey)
					}
					calls[block.CallKey] = true
				}
			case *schema.ToolResult:
				key := d.CallKey
				if d.Nested {
					if nested[key] {
						t.Errorf("%s: nested key %s is claimed twice", name, key)
					}
					nested[key] = true
					outer, _, _ := strings.Cut(string(key), ".")
					key = schema.CallKey(outer)
				}
				if !calls[key] {
					t.Errorf("%s: a result names call %s, which was not made before", name, key)
				}
			}
		}
	}
}

// FuzzMap feeds records of any shape: the mapper must give events that are
// events, and never fail.
func FuzzMap(f *testing.F) {
	f.Add([]byte(`{"type":"session_meta","payload":{"id":"x"}}`))
	for _, line := range oddLines {
		f.Add([]byte(line))
	}
	rollouts(f, func(_ string, content []byte) {
		if len(content) < 8<<10 {
			f.Add(content)
		}
	})
	f.Fuzz(func(t *testing.T, content []byte) {
		runs := mapAll(t, NewMapper(new(convert.FindingCounts), Base{}), content)
		checkKeys(t, "fuzz", runs)
	})
}
