package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"

	"github.com/urfave/cli/v2"

	"github.com/ownlog/ownlog/convert"
	"github.com/ownlog/ownlog/format"
	"github.com/ownlog/ownlog/schema"
)

// verifyVerb checks logs.
func (s *session) verifyVerb() *cli.Command {
	return &cli.Command{
		Name:      "verify",
		Usage:     "check that logs are whole and mean something",
		ArgsUsage: "[LOG|SEGMENT|PACK|PATH...]",
		Description: "Without operands it checks every log of the store: checksums, hashes, indexes and blobs, and what entries\n" +
			"mean (rules of spec/events.md). A SEGMENT is a segment file, checked alone; a PACK is what ownlog pack\n" +
			"wrote; any other PATH is a vendor's file, database or folder of them, which is read and never changed. It exits\n" +
			"with 1 if anything is wrong. Loss at the very end of a log shows only against a head that was kept: --expect. docs/rules.md\n" +
			"explains every rule. A baseline is what --format json printed before: what it lists does not fail again.",
		Flags: []cli.Flag{
			&cli.StringSliceFlag{Name: "expect", Usage: "head (id@size#root) that the log must have or extend; may be repeated"},
			&cli.BoolFlag{Name: "strict", Usage: "check the full grammar of every entry, too"},
			&cli.BoolFlag{Name: "schema", Usage: "check every entry against its JSON Schema, too (slow)"},
			&cli.BoolFlag{Name: "bytes-only", Usage: "check the stored bytes only, not what entries mean"},
			&cli.StringFlag{Name: "format", Usage: "text, json (as --json), sarif, junit or github (workflow annotations)", Value: formatText},
			&cli.StringFlag{Name: "fail-on", Usage: "lowest level that fails: error, warning or note", Value: string(schema.LevelError)},
			&cli.StringFlag{Name: "baseline", Usage: "file of known findings, which do not fail"},
		},
		Action: s.runVerify,
	}
}

func (s *session) runVerify(c *cli.Context) (err error) {
	v, err := newVerification(c, s.Out)
	if err != nil {
		return err
	}
	if c.Bool("schema") {
		if v.schemas, err = schema.NewSchemas(); err != nil {
			return err
		}
	}
	for _, text := range c.StringSlice("expect") {
		head, err := format.ParseHead(text)
		if err != nil {
			return usageError(fmt.Errorf("--expect: %w", err))
		}
		v.expect[head.Log] = append(v.expect[head.Log], head)
	}
	store, imports, err := s.openStore(c)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, store.Close()) }()
	if c.NArg() == 0 {
		for id, err := range store.List(c.Context) {
			if err != nil {
				return err
			}
			if err := v.log(c.Context, store, id); err != nil {
				return err
			}
		}
	}
	for _, name := range c.Args().Slice() {
		if isSegment(name) {
			if err := v.segment(c.Context, name); err != nil {
				return err
			}
			continue
		}
		if isPack(name) {
			if err := v.pack(c.Context, name); err != nil {
				return err
			}
			continue
		}
		ref, err := s.resolve(c.Context, store, imports, name)
		if errors.Is(err, errNotLogFolder) {
			if err := s.verifySource(c.Context, v, name); err != nil {
				return err
			}
			continue
		}
		if err != nil {
			return err
		}
		if ref.Size >= 0 {
			return usageError(fmt.Errorf("%s: verify checks whole logs; --expect checks what a log begins with", name))
		}
		if err := v.log(c.Context, ref.Store, ref.Log); err != nil {
			return err
		}
	}
	return v.finish()
}

// verifySource checks a path that is no log's: vendors' files, else a segment
// under another name.
func (s *session) verifySource(ctx context.Context, v *verification, name string) error {
	claimed, err := v.source(ctx, name, convert.Environment{Home: s.Home, Getenv: s.Getenv})
	switch {
	case err != nil || claimed:
		return err
	case hasSegmentSuffix(name):
		return v.segment(ctx, name)
	}
	return usageError(fmt.Errorf("%s: neither a log nor a session of a vendor", name))
}

// isSegment tells whether an operand is the file of a segment, by the name that
// every segment of a store has.
func isSegment(name string) bool {
	st, err := os.Stat(name)
	return err == nil && st.Mode().IsRegular() && segmentFileName().MatchString(filepath.Base(name))
}

// segmentFileName is said in spec/store.md.
var segmentFileName = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^[0-9]{16}\.jsonl(\.zst)?$`) })

func hasSegmentSuffix(name string) bool {
	st, err := os.Stat(name)
	return err == nil && st.Mode().IsRegular() && (strings.HasSuffix(name, ".jsonl") || strings.HasSuffix(name, ".jsonl.zst"))
}

// verification is one run of verify.
type verification struct {
	report  verifyReport
	strict  bool
	meaning bool
	schemas *schema.Schemas
	expect  map[format.LogID][]format.Head
	failOn  int // rank of the lowest level that fails
	known   baseline
	failed  int // logs and files
}

func newVerification(c *cli.Context, out io.Writer) (*verification, error) {
	v := &verification{strict: c.Bool("strict"), meaning: !c.Bool("bytes-only"), expect: make(map[format.LogID][]format.Head)}
	name := c.String("format")
	if c.Bool("json") {
		if c.IsSet("format") && name != formatJSON {
			return nil, usageError(fmt.Errorf("--json and --format %s exclude each other", name))
		}
		name = formatJSON
	}
	var err error
	if v.report, err = newVerifyReport(name, out); err != nil {
		return nil, usageError(err)
	}
	if v.failOn = levelRank(c.String("fail-on")); v.failOn < 0 {
		return nil, usageError(fmt.Errorf("--fail-on %s: want error, warning or note", c.String("fail-on")))
	}
	if file := c.String("baseline"); file != "" {
		if v.known, err = readBaseline(file); err != nil {
			return nil, fmt.Errorf("--baseline: %w", err)
		}
	}
	return v, nil
}

// log checks one log.
func (v *verification) log(ctx context.Context, store *format.DirStore, id format.LogID) error {
	doc := verifyLog{Log: id.String()}
	opts := format.VerifyOptions{Strict: v.strict, Expect: v.expect[id], Problem: func(p format.Problem) { v.found(&doc, storageFinding(p)) }}
	delete(v.expect, id)
	closeMeaning := func() {}
	if v.meaning || v.schemas != nil {
		found := func(p schema.Problem) { v.found(&doc, eventFinding(p)) }
		meaning := schema.NewValidator(schema.ValidatorOptions{Report: found})
		opts.Entry = func(e format.Entry) error { return v.entry(e, meaning, found) }
		closeMeaning = meaning.Close
	}
	report, err := store.Verify(ctx, id, opts)
	if err != nil {
		return err
	}
	closeMeaning() // some problems show only at the end
	doc.Status, doc.Head, doc.Size, doc.Root = report.Status.String(), report.Head.String(), report.Head.Size, report.Head.Root.String()
	if report.OK() && doc.broken {
		doc.Status = "invalid"
	}
	return v.took(doc, report)
}

// entry checks what an entry means.
func (v *verification) entry(e format.Entry, meaning *schema.Validator, found func(schema.Problem)) error {
	if e.Hole {
		meaning.Hole(e.Seq, e.Leaf)
		return nil
	}
	norm, raw, err := format.CutRaw(nil, e.Bytes)
	if err != nil {
		found(schema.Problem{Code: schema.ProblemJSON, Level: schema.LevelError, Seq: e.Seq, Message: err.Error()})
		return nil
	}
	if v.meaning {
		meaning.Entry(e.Seq, norm, raw != nil)
	}
	if v.schemas != nil {
		v.schemas.Validate(e.Seq, norm, found)
	}
	return nil
}

// segment checks one file.
func (v *verification) segment(ctx context.Context, name string) error {
	doc := verifyLog{File: name}
	report, err := format.VerifyFile(ctx, name, format.VerifyOptions{Strict: v.strict, Problem: func(p format.Problem) { v.found(&doc, storageFinding(p)) }})
	if err != nil {
		return err
	}
	doc.Log, doc.Status, doc.Head = report.Head.Log.String(), report.Status.String(), report.Head.String()
	doc.Size, doc.Root = report.Head.Size, report.Head.Root.String()
	return v.took(doc, report)
}

// found notes a finding.
func (v *verification) found(doc *verifyLog, f verifyFinding) {
	f.Known = v.known.holds(doc, &f)
	doc.Failed = doc.Failed || !f.Known && levelRank(f.Level) >= v.failOn
	doc.broken = doc.broken || f.Level == string(schema.LevelError)
	if len(doc.Findings) == maxFindings {
		doc.Left++
		return
	}
	doc.Findings = append(doc.Findings, f)
}

// took shows what became of a log. One that is not fine fails even if nothing
// said why.
func (v *verification) took(doc verifyLog, report format.VerifyReport) error {
	doc.Failed = doc.Failed || !report.OK() && !doc.broken
	return v.show(doc)
}

func (v *verification) show(doc verifyLog) error {
	if doc.Failed {
		v.failed++
	}
	return v.report.log(doc)
}

// finish reports the heads that nothing was checked against, and fails if
// anything did.
func (v *verification) finish() error {
	for _, id := range slices.SortedFunc(maps.Keys(v.expect), compareLogs) {
		doc := verifyLog{Log: id.String(), Status: "unchecked", Head: v.expect[id][0].String()}
		v.found(&doc, verifyFinding{
			Level: string(schema.LevelError), Rule: ruleExpect,
			Message: fmt.Sprintf("log %s was to be checked against a head and was not among those checked", id),
		})
		if err := v.show(doc); err != nil {
			return err
		}
	}
	if err := v.report.finish(v.failed == 0); err != nil {
		return err
	}
	if v.failed > 0 {
		return checkFailed(fmt.Errorf("%d logs are not as they should be", v.failed))
	}
	return nil
}

// ruleExpect: a head was to be checked, and its log was not there.
const ruleExpect = "expect"

// verifyLogs checks the stored bytes of logs.
func verifyLogs(ctx context.Context, store *format.DirStore, logs []format.LogID) error {
	for _, log := range logs {
		var first *format.CorruptError
		report, err := store.Verify(ctx, log, format.VerifyOptions{Problem: func(p format.Problem) {
			if first == nil && p.Severity > format.SeverityTorn {
				first = p.CorruptError
			}
		}})
		if err != nil {
			return err
		}
		if !report.OK() {
			return checkFailed(fmt.Errorf("log %s is %s: %w", log, report.Status, first))
		}
	}
	return nil
}
