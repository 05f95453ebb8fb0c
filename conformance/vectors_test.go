package conformance

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/go-json-experiment/json"

	"github.com/ownlog/ownlog/format"
)

// sidecar is what stands beside a vector; README.md describes it.
type sidecar struct {
	Why     string   `json:"why"`
	Path    string   `json:"path"`
	Args    []string `json:"args"`
	Status  string   `json:"status"`
	Size    *int64   `json:"size"`
	Root    string   `json:"root"`
	Head    string   `json:"head"`
	Finding *place   `json:"finding"`
}

// place is the part of a finding that a sidecar may ask for.
type place struct {
	File   string `json:"file"`
	Rule   string `json:"rule"` // empty: several rules are broken, any may be named
	Offset *int64 `json:"offset"`
	Line   *int64 `json:"line"`
	Seq    *int64 `json:"seq"`
}

func (p place) String() string {
	s := p.File + " " + p.Rule
	for _, m := range []struct {
		name  string
		value *int64
	}{{"offset", p.Offset}, {"line", p.Line}, {"seq", p.Seq}} {
		if m.value != nil {
			s += fmt.Sprintf(" %s %d", m.name, *m.value)
		}
	}
	return s
}

// isAt tells whether the problem is what p asks for.
func (p place) isAt(problem format.Problem) bool {
	same := func(want *int64, got int64) bool { return want == nil || *want == got }
	return filepath.Base(problem.Path) == p.File && (p.Rule == "" || problem.Rule == p.Rule) &&
		same(p.Offset, problem.Offset) && same(p.Line, problem.Line) && same(p.Seq, problem.Seq)
}

// minVectors is how many there must be at least: an empty folder proves nothing.
const minVectors = 250

// Package format says about every vector what its sidecar demands.
func TestVectors(t *testing.T) {
	sidecars, err := filepath.Glob(filepath.Join("vectors", "*.json"))
	if err != nil {
		t.Fatal(err)
	}
	if len(sidecars) < minVectors {
		t.Fatalf("%d vectors, want at least %d", len(sidecars), minVectors)
	}
	for _, path := range sidecars {
		name := strings.TrimSuffix(filepath.Base(path), ".json")
		t.Run(name, func(t *testing.T) {
			data, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			var want sidecar
			if err := json.Unmarshal(data, &want, json.RejectUnknownMembers(true)); err != nil {
				t.Fatal(err)
			}
			report, problems := verifyVector(t, strings.TrimSuffix(path, ".json"), want)
			checkVector(t, want, report, problems)
		})
	}
}

// verifyVector runs the Go reader as a sidecar asks.
func verifyVector(t *testing.T, dir string, want sidecar) (format.VerifyReport, []format.Problem) {
	t.Helper()
	var problems []format.Problem
	opts := format.VerifyOptions{Problem: func(p format.Problem) { problems = append(problems, p) }}
	for i := 0; i < len(want.Args); i++ {
		switch want.Args[i] {
		case "--strict":
			opts.Strict = true
		case "--expect":
			i++
			head, err := format.ParseHead(want.Args[i])
			if err != nil {
				t.Fatal(err)
			}
			opts.Expect = append(opts.Expect, head)
		default:
			t.Fatalf("unknown argument %q", want.Args[i])
		}
	}
	if filepath.Ext(want.Path) == ".tar" {
		return unpackVector(t, filepath.Join(dir, want.Path))
	}
	if strings.Contains(filepath.Base(want.Path), ".jsonl") {
		report, err := format.VerifyFile(t.Context(), filepath.Join(dir, want.Path), opts)
		if err != nil {
			t.Fatal(err)
		}
		return report, problems
	}
	log, err := format.ParseLogID(filepath.Base(want.Path))
	if err != nil {
		t.Fatal(err)
	}
	store, err := format.OpenDirStore(dir, format.ReadOnly())
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	report, err := store.Verify(t.Context(), log, opts)
	if err != nil {
		t.Fatal(err)
	}
	return report, problems
}

// unpackVector unpacks a pack, and says what became of it as of a log.
func unpackVector(t *testing.T, path string) (report format.VerifyReport, problems []format.Problem) {
	t.Helper()
	s, err := format.OpenDirStore(t.TempDir(), format.WithoutSync())
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	packed, err := s.Unpack(t.Context(), f, format.UnpackOptions{})
	switch {
	case errors.Is(err, format.ErrPack):
		report.Status = format.SeverityCorrupt
	case errors.Is(err, format.ErrUnsupported):
		report.Status = format.SeverityUnsupported
	case err != nil:
		t.Fatal(err)
	default:
		report.Head = packed.Heads[0]
		return report, nil
	}
	for log := range s.List(t.Context()) {
		t.Errorf("a pack that was refused left log %s", log)
	}
	return report, []format.Problem{{Severity: report.Status, CorruptError: &format.CorruptError{Path: path, Offset: -1, Seq: -1, Rule: "pack", Reason: err.Error()}}}
}

func checkVector(t *testing.T, want sidecar, report format.VerifyReport, problems []format.Problem) {
	t.Helper()
	if got := report.Status.String(); got != want.Status {
		t.Errorf("status is %s, want %s", got, want.Status)
	}
	if want.Size != nil && report.Head.Size != *want.Size {
		t.Errorf("size is %d, want %d", report.Head.Size, *want.Size)
	}
	if want.Root != "" && report.Head.Root.String() != want.Root {
		t.Errorf("root is %v, want %s", report.Head.Root, want.Root)
	}
	if want.Head != "" && report.Head.String() != want.Head {
		t.Errorf("head is %v, want %s", report.Head, want.Head)
	}
	found := want.Finding == nil
	for _, p := range problems {
		found = found || want.Finding.isAt(p)
		if want.Finding == nil && p.Severity != format.SeverityOK {
			t.Errorf("found %v in a log without fault", p.CorruptError)
		}
	}
	if !found {
		t.Errorf("no finding %v", want.Finding)
	}
	if t.Failed() {
		t.Logf("the vector proves: %s", want.Why)
		for _, p := range problems {
			t.Logf("found: %v %s offset %d line %d seq %d: %v", p.Severity, p.Rule, p.Offset, p.Line, p.Seq, p.CorruptError)
		}
	}
}
