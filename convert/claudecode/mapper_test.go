package claudecode

import (
	"bytes"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ownlog/ownlog/convert"
	"github.com/ownlog/ownlog/fixtures"
	"github.com/ownlog/ownlog/schema"
)

var update = flag.Bool("update", false, "write golden files anew")

// mapped is what a transcript became.
type mapped struct {
	lines    []string // entries without the vendor's bytes
	events   []*schema.Event
	findings []convert.Finding
}

// mapAll maps the records of a transcript.
func mapAll(t testing.TB, content []byte) mapped {
	t.Helper()
	var out mapped
	findings := new(convert.FindingCounts)
	m := newMapper(findings)
	reader := convert.NewRecordReader(bytes.NewReader(content), false)
	for {
		rec, err := reader.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if rec.Damaged {
			continue
		}
		run := convert.Run{Record: rec}
		m.Map(&rec, &run)
		if len(run.Events) == 0 {
			t.Fatalf("line %d: no event", rec.Line)
		}
		for part, ev := range run.Events {
			ev.Source = &schema.Source{Vendor: Name, Line: rec.Line, Part: int64(part)}
			b, err := schema.Encode(nil, ev)
			if err != nil {
				t.Fatalf("line %d: %v", rec.Line, err)
			}
			out.lines = append(out.lines, string(b))
			out.events = append(out.events, ev)
		}
	}
	m.End()
	out.findings = findings.List()
	return out
}

// transcripts returns the fixtures' transcripts by a short name.
func transcripts(t testing.TB) map[string][]byte {
	t.Helper()
	found := make(map[string][]byte)
	err := fs.WalkDir(fixtures.FS, "claude-code/projects", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || path.Ext(name) != ".jsonl" {
			return err
		}
		b, err := fs.ReadFile(fixtures.FS, name)
		project := strings.TrimPrefix(strings.Split(name, "/")[2], "-home-dev-")
		if agent, ok := strings.CutPrefix(path.Base(name), "agent-"); ok {
			project += "-" + agent[:4]
		}
		found[project] = b
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func TestMapGolden(t *testing.T) {
	for name, content := range transcripts(t) {
		t.Run(name, func(t *testing.T) {
			m := mapAll(t, content)
			got := strings.Join(m.lines, "\n") + "\n"
			for _, f := range m.findings {
				got += fmt.Sprintf("finding %s %d %s\n", f.Code, f.Count, f.Where)
			}
			golden := filepath.Join("testdata", name+".golden")
			if *update {
				if err := os.WriteFile(golden, []byte(got), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(strings.Split(string(want), "\n"), strings.Split(got, "\n")); diff != "" {
				t.Errorf("-want +got (go test -update writes %s):\n%s", golden, diff)
			}
		})
	}
}

// TestMapPrefix: what a record becomes depends on nothing after it.
func TestMapPrefix(t *testing.T) {
	for name, content := range transcripts(t) {
		whole := mapAll(t, content)
		for end := range content {
			if content[end] != '\n' {
				continue
			}
			part := mapAll(t, content[:end+1])
			if len(part.lines) > len(whole.lines) {
				t.Fatalf("%s: %d bytes become more entries than all", name, end+1)
			}
			if diff := cmp.Diff(whole.lines[:len(part.lines)], part.lines); diff != "" {
				t.Fatalf("%s: first %d bytes -whole +part:\n%s", name, end+1, diff)
			}
		}
	}
}

func TestMapInvariants(t *testing.T) {
	for name, content := range transcripts(t) {
		checkInvariants(t, name, mapAll(t, content).events)
	}
}

// checkInvariants checks what the validator asks of events alone.
func checkInvariants(t testing.TB, name string, events []*schema.Event) {
	t.Helper()
	claimed := make(map[schema.CallKey]bool)
	for i, ev := range events {
		if ev.Time != "" {
			if _, err := schema.ParseTime(ev.Time); err != nil {
				t.Errorf("%s, event %d: %v", name, i, err)
			}
		}
		switch d := ev.Data.(type) {
		case *schema.ModelOutput:
			for _, b := range d.Blocks {
				if b.Type != schema.BlockToolCall {
					continue
				}
				if claimed[b.CallKey] {
					t.Errorf("%s, event %d: call %s twice", name, i, b.CallKey)
				}
				claimed[b.CallKey] = true
				if want := schema.NewCallKey(ev.Turn, ev.Step, *b.Index); b.CallKey != want {
					t.Errorf("%s, event %d: call %s in response %d/%d", name, i, b.CallKey, ev.Turn, ev.Step)
				}
			}
		case *schema.ToolResult:
			if !claimed[d.CallKey] {
				t.Errorf("%s, event %d: result of unknown call %s", name, i, d.CallKey)
			}
			if d.Content == nil {
				t.Errorf("%s, event %d: an answer without content", name, i)
			}
		case *schema.PermissionDecided:
			if !claimed[d.CallKey] {
				t.Errorf("%s, event %d: decision about unknown call %s", name, i, d.CallKey)
			}
		}
	}
}

// FuzzMap: no record makes the mapper panic, fail to produce events, or break
// an invariant.
func FuzzMap(f *testing.F) {
	for _, content := range transcripts(f) {
		for line := range bytes.Lines(content) {
			if len(line) < 3000 {
				f.Add(bytes.TrimSpace(line))
			}
		}
	}
	for _, s := range []string{
		`{}`, `{"type":null}`, `{"type":"user"}`, `{"type":"user","message":{"content":[[]]}}`,
		`{"type":"assistant","message":{"content":[{"type":"tool_use","input":{"a":1,"a":2}}]}}`,
		"{\"type\":\"user\",\"message\":{\"content\":\"\xff\\ud800\"}}",
		`{"type":"system","subtype":"turn_duration","durationMs":1e99}`,
		`{"type":"assistant","uuid":"a","parentUuid":"a","message":{"content":[]},"apiBlockIndex":9007199254740993}`,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, line []byte) {
		// Three times, so that ids repeat.
		content := bytes.Join([][]byte{line, line, line}, []byte{'\n'})
		checkInvariants(t, "fuzz", mapAll(t, content).events)
	})
}
