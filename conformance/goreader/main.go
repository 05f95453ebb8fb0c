// Goreader gives package format the command line of the conformance protocol
// (../README.md), so that conformance/run can compare it with other readers:
//
//	goreader [--strict] [--expect HEAD] PATH
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/ownlog/ownlog/format"
)

// Exit codes of the protocol.
const (
	exitFine        = 0
	exitFailed      = 1
	exitUsage       = 2
	exitEnvironment = 3
)

type report struct {
	Status   string    `json:"status"`
	Log      string    `json:"log"`
	Size     int64     `json:"size"`
	Root     string    `json:"root"`
	Head     string    `json:"head"`
	Findings []finding `json:"findings"`
}

type finding struct {
	Status   string `json:"status"`
	Rule     string `json:"rule"`
	Log      string `json:"log"`
	File     string `json:"file"`
	Offset   *int64 `json:"offset,omitzero"`
	Line     int64  `json:"line,omitzero"`
	Seq      *int64 `json:"seq,omitzero"`
	Reason   string `json:"reason"`
	Expected string `json:"expected,omitzero"`
	Actual   string `json:"actual,omitzero"`
}

func main() {
	os.Exit(run(os.Args[1:]))
}

func run(args []string) int {
	flags := flag.NewFlagSet("goreader", flag.ContinueOnError)
	strict := flags.Bool("strict", false, "check the entries' JSON in full")
	expect := flags.String("expect", "", "a `head` the log must hold or extend")
	if err := flags.Parse(args); err != nil {
		return exitUsage
	}
	if flags.NArg() != 1 {
		fmt.Fprintln(os.Stderr, "goreader: give one path: a log directory, a segment file or a pack")
		return exitUsage
	}
	opts := format.VerifyOptions{Strict: *strict}
	if *expect != "" {
		head, err := format.ParseHead(*expect)
		if err != nil {
			fmt.Fprintln(os.Stderr, "goreader:", err)
			return exitUsage
		}
		opts.Expect = []format.Head{head}
	}
	out := report{Findings: []finding{}}
	opts.Problem = func(p format.Problem) { out.Findings = append(out.Findings, newFinding(p)) }
	result, err := verify(context.Background(), flags.Arg(0), opts)
	if err != nil {
		fmt.Fprintln(os.Stderr, "goreader:", err)
		return exitEnvironment
	}
	out.Status = result.Status.String()
	out.Log, out.Head = result.Head.Log.String(), result.Head.String()
	out.Size, out.Root = result.Head.Size, result.Head.Root.String()
	if err := json.MarshalWrite(os.Stdout, out, jsontext.WithIndent(" ")); err != nil {
		fmt.Fprintln(os.Stderr, "goreader:", err)
		return exitEnvironment
	}
	if !result.OK() {
		return exitFailed
	}
	return exitFine
}

// verify checks a log directory inside a store, one segment file, or a pack.
func verify(ctx context.Context, path string, opts format.VerifyOptions) (format.VerifyReport, error) {
	st, err := os.Stat(path)
	if err != nil {
		return format.VerifyReport{}, err
	}
	if st.Mode().IsRegular() && filepath.Ext(path) == ".tar" {
		return verifyPack(ctx, path, opts)
	}
	if st.Mode().IsRegular() {
		return format.VerifyFile(ctx, path, opts)
	}
	path, err = filepath.Abs(path)
	if err != nil {
		return format.VerifyReport{}, err
	}
	log, err := format.ParseLogID(filepath.Base(path))
	if err != nil {
		return format.VerifyReport{}, err
	}
	store, found := strings.CutSuffix(filepath.Dir(path), string(filepath.Separator)+"logs")
	if !found {
		return format.VerifyReport{}, fmt.Errorf("%s is not a log directory of a store", path)
	}
	s, err := format.OpenDirStore(store, format.ReadOnly())
	if err != nil {
		return format.VerifyReport{}, err
	}
	defer s.Close() //nolint:errcheck // only read from
	return s.Verify(ctx, log, opts)
}

// verifyPack unpacks a pack into a store that is thrown away.
func verifyPack(ctx context.Context, path string, opts format.VerifyOptions) (report format.VerifyReport, err error) {
	dir, err := os.MkdirTemp("", "goreader-")
	if err != nil {
		return report, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	s, err := format.OpenDirStore(filepath.Join(dir, "store"), format.WithoutSync())
	if err != nil {
		return report, err
	}
	defer s.Close() //nolint:errcheck // thrown away
	f, err := os.Open(path)
	if err != nil {
		return report, err
	}
	defer f.Close() //nolint:errcheck // only read from
	packed, err := s.Unpack(ctx, f, format.UnpackOptions{})
	switch {
	case errors.Is(err, format.ErrPack):
		report.Status = format.SeverityCorrupt
	case errors.Is(err, format.ErrUnsupported):
		report.Status = format.SeverityUnsupported
	case err != nil:
		return report, err
	case len(packed.Heads) > 0:
		report.Head = packed.Heads[0]
	}
	if err != nil {
		opts.Problem(format.Problem{Severity: report.Status, CorruptError: &format.CorruptError{Path: path, Offset: -1, Seq: -1, Rule: "pack", Reason: err.Error()}})
	}
	return report, nil
}

func newFinding(p format.Problem) finding {
	f := finding{
		Status: p.Severity.String(), Rule: p.Rule,
		Log: p.Log.String(), File: filepath.Base(p.Path),
		Line: p.Line, Reason: p.Reason, Expected: p.Want, Actual: p.Got,
	}
	if p.Offset >= 0 {
		f.Offset = &p.Offset
	}
	if p.Seq >= 0 {
		f.Seq = &p.Seq
	}
	return f
}
