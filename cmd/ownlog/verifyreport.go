package main

import (
	"fmt"
	"io"
	"strings"

	"github.com/ownlog/ownlog/format"
	"github.com/ownlog/ownlog/schema"
)

// verifyReport shows what verify finds.
type verifyReport interface {
	// log takes what was found in one log or file.
	log(doc verifyLog) error
	// finish ends the report; ok says that nothing failed.
	finish(ok bool) error
}

// The formats of reports.
const (
	formatText   = "text"
	formatJSON   = "json"
	formatSARIF  = "sarif"
	formatJUnit  = "junit"
	formatGitHub = "github"
)

func newVerifyReport(name string, w io.Writer) (verifyReport, error) {
	switch name {
	case formatText:
		return &textReport{w}, nil
	case formatJSON:
		return &jsonReport{w: w}, nil
	case formatSARIF:
		return newSARIFReport(w), nil
	case formatJUnit:
		return &junitReport{w: w}, nil
	case formatGitHub:
		return &githubReport{w}, nil
	}
	return nil, fmt.Errorf("--format %s: want text, json, sarif, junit or github", name)
}

// levelRank orders the levels; negative for what is none.
func levelRank(level string) int {
	switch schema.Level(level) {
	case schema.LevelNote:
		return 0
	case schema.LevelWarning:
		return 1
	case schema.LevelError:
		return 2
	}
	return -1
}

// verifyLog is what was found in one log, segment file or vendor's file.
type verifyLog struct {
	Log      string          `json:"log"`
	File     string          `json:"file,omitzero"`
	Status   string          `json:"status"` // ok, torn, incomplete, unsupported, corrupt, invalid, unchecked
	Size     int64           `json:"size"`
	Root     string          `json:"root"`
	Head     string          `json:"head"`
	Failed   bool            `json:"failed,omitzero"` // by --fail-on and --baseline
	Findings []verifyFinding `json:"findings,omitzero"`
	Left     int             `json:"left,omitzero"` // findings beyond the first maxFindings

	broken bool // an error was found, known or not
}

// name is what people call it.
func (d *verifyLog) name() string {
	if d.File != "" {
		return d.File
	}
	return d.Log
}

type verifyFinding struct {
	Level   string `json:"level"` // error, warning or note
	Rule    string `json:"rule"`  // see docs/rules.md
	File    string `json:"file,omitzero"`
	Offset  *int64 `json:"offset,omitzero"`
	Line    int64  `json:"line,omitzero"`
	Seq     *int64 `json:"seq,omitzero"`
	Count   int64  `json:"count,omitzero"` // how often in a vendor's file; the place is the first
	Message string `json:"message"`
	Known   bool   `json:"known,omitzero"` // the baseline has it
}

// maxFindings is how many findings of a log are shown.
const maxFindings = 1000

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

// textReport is for people.
type textReport struct{ w io.Writer }

func (r *textReport) log(doc verifyLog) error {
	for _, f := range doc.Findings {
		known := ""
		if f.Known {
			known = " (known)"
		}
		if _, err := fmt.Fprintf(r.w, "%s: %s: %s%s\n", f.Level, f.Rule, singleLine(f.Message), known); err != nil {
			return err
		}
	}
	if doc.Left > 0 {
		if _, err := fmt.Fprintf(r.w, "and %d more\n", doc.Left); err != nil {
			return err
		}
	}
	head := doc.Head
	if head == "" {
		head = singleLine(doc.name())
	}
	_, err := fmt.Fprintf(r.w, "%-10s %s\n", doc.Status, head)
	return err
}

func (r *textReport) finish(bool) error { return nil }

// singleLine keeps a text from looking like several lines of a report.
func singleLine(s string) string { return strings.NewReplacer("\n", `\n`, "\r", `\r`).Replace(s) }

// jsonReport is one JSON document.
type jsonReport struct {
	w    io.Writer
	logs []verifyLog
}

func (r *jsonReport) log(doc verifyLog) error {
	r.logs = append(r.logs, doc)
	return nil
}

func (r *jsonReport) finish(ok bool) error {
	return printJSON(r.w, verifyJSON{schemaVerify, ok, r.logs})
}

// verifyJSON is the JSON document of verify.
type verifyJSON struct {
	Schema string      `json:"schema"`
	OK     bool        `json:"ok"`
	Logs   []verifyLog `json:"logs"`
}

const schemaVerify = "ownlog.verify/1"
