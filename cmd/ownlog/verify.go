package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/ownlog/ownlog/format"
	"github.com/ownlog/ownlog/schema"
)

// verifyVerb checks logs.
func (s *session) verifyVerb() *cli.Command {
	return &cli.Command{
		Name:      "verify",
		Usage:     "check that logs are whole and mean something",
		ArgsUsage: "[LOG|SEGMENT...]",
		Description: "Without operands it checks every log of the store: checksums, hashes, indexes and blobs, and what entries\n" +
			"mean (rules of spec/events.md). A SEGMENT is a segment file, checked alone. It exits with 1 if anything is\n" +
			"wrong. Loss at the very end of a log shows only against a head that was kept: --expect.",
		Flags: []cli.Flag{
			&cli.StringSliceFlag{Name: "expect", Usage: "head (id@size#root) that the log must have or extend; may be repeated"},
			&cli.BoolFlag{Name: "strict", Usage: "check the full grammar of every entry, too"},
			&cli.BoolFlag{Name: "schema", Usage: "check every entry against its JSON Schema, too (slow)"},
			&cli.BoolFlag{Name: "bytes-only", Usage: "check the stored bytes only, not what entries mean"},
		},
		Action: s.runVerify,
	}
}

func (s *session) runVerify(c *cli.Context) (err error) {
	v := &verification{out: s.Out, json: c.Bool("json"), strict: c.Bool("strict"), meaning: !c.Bool("bytes-only"), expect: make(map[format.LogID][]format.Head)}
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
		ref, err := s.resolve(c.Context, store, imports, name)
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

// isSegment tells whether an operand is the file of a segment.
func isSegment(name string) bool {
	st, err := os.Stat(name)
	return err == nil && st.Mode().IsRegular() && (strings.HasSuffix(name, ".jsonl") || strings.HasSuffix(name, ".jsonl.zst"))
}

// verification is one run of verify.
type verification struct {
	out     io.Writer
	json    bool
	strict  bool
	meaning bool
	schemas *schema.Schemas
	expect  map[format.LogID][]format.Head
	reports []verifyLog
	bad     int
}

// log checks one log.
func (v *verification) log(ctx context.Context, store *format.DirStore, id format.LogID) error {
	doc := verifyLog{Log: id.String()}
	broken := 0
	opts := format.VerifyOptions{Strict: v.strict, Expect: v.expect[id], Problem: func(p format.Problem) { doc.add(storageFinding(p)) }}
	delete(v.expect, id)
	closeMeaning := func() {}
	if v.meaning || v.schemas != nil {
		found := func(p schema.Problem) {
			if p.Level == schema.LevelError {
				broken++
			}
			doc.add(eventFinding(p))
		}
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
	if report.OK() && broken > 0 {
		doc.Status = "invalid"
	}
	return v.took(doc, report.OK() && broken == 0)
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
	report, err := format.VerifyFile(ctx, name, format.VerifyOptions{Strict: v.strict, Problem: func(p format.Problem) { doc.add(storageFinding(p)) }})
	if err != nil {
		return err
	}
	doc.Log, doc.Status, doc.Head = report.Head.Log.String(), report.Status.String(), report.Head.String()
	doc.Size, doc.Root = report.Head.Size, report.Head.Root.String()
	return v.took(doc, report.OK())
}

// took shows a report.
func (v *verification) took(doc verifyLog, ok bool) error {
	if !ok {
		v.bad++
	}
	if v.json {
		v.reports = append(v.reports, doc)
		return nil
	}
	for _, f := range doc.Findings {
		if _, err := fmt.Fprintf(v.out, "%s: %s: %s\n", f.Level, f.Rule, f.Message); err != nil {
			return err
		}
	}
	_, err := fmt.Fprintf(v.out, "%-10s %s\n", doc.Status, doc.Head)
	return err
}

func (v *verification) finish() error {
	for id := range v.expect {
		v.bad++
		if !v.json {
			fmt.Fprintf(v.out, "error: expect: log %s was to be checked against a head and was not among those checked\n", id)
		}
	}
	if v.json {
		if err := printJSON(v.out, verifyJSON{"ownlog.verify/1", v.bad == 0, v.reports}); err != nil {
			return err
		}
	}
	if v.bad > 0 {
		return checkFailed(fmt.Errorf("%d logs are not as they should be", v.bad))
	}
	return nil
}

// verifyJSON is the JSON document of verify.
type verifyJSON struct {
	Schema string      `json:"schema"`
	OK     bool        `json:"ok"`
	Logs   []verifyLog `json:"logs"`
}

type verifyLog struct {
	Log      string          `json:"log"`
	File     string          `json:"file,omitzero"`
	Status   string          `json:"status"` // ok, torn, incomplete, unsupported, corrupt, invalid
	Size     int64           `json:"size"`
	Root     string          `json:"root"`
	Head     string          `json:"head"`
	Findings []verifyFinding `json:"findings,omitzero"`
	Left     int             `json:"left,omitzero"` // findings beyond the first maxFindings
}

type verifyFinding struct {
	Level   string `json:"level"` // error, warning or note
	Rule    string `json:"rule"`
	File    string `json:"file,omitzero"`
	Offset  *int64 `json:"offset,omitzero"`
	Line    int64  `json:"line,omitzero"`
	Seq     *int64 `json:"seq,omitzero"`
	Message string `json:"message"`
}

// maxFindings is how many findings of a log are shown.
const maxFindings = 1000

func (d *verifyLog) add(f verifyFinding) {
	if len(d.Findings) == maxFindings {
		d.Left++
		return
	}
	d.Findings = append(d.Findings, f)
}

// storageFinding says what is wrong with stored bytes.
func storageFinding(p format.Problem) verifyFinding {
	f := verifyFinding{Level: "error", Rule: p.Rule, File: p.Path, Line: p.Line, Message: p.CorruptError.Error()}
	switch p.Severity {
	case format.SeverityOK:
		f.Level = "note"
	case format.SeverityTorn:
		f.Level = "warning"
	}
	if p.Offset >= 0 {
		f.Offset = &p.Offset
	}
	if p.Seq >= 0 {
		f.Seq = &p.Seq
	}
	return f
}

// eventFinding says what is wrong with what an entry means.
func eventFinding(p schema.Problem) verifyFinding {
	return verifyFinding{Level: string(p.Level), Rule: p.Code, Seq: &p.Seq, Message: fmt.Sprintf("entry %d: %s", p.Seq, p.Message)}
}

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
