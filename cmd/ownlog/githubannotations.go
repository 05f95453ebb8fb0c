package main

import (
	"fmt"
	"io"
	"strings"
)

// githubReport prints workflow commands, which GitHub shows as annotations.
// Known findings are left out.
type githubReport struct{ w io.Writer }

// A workflow command ends with its line, and its parameters with a colon or
// comma; what a log says must not begin a command of its own.
var (
	workflowText      = strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A")
	workflowParameter = strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A", ":", "%3A", ",", "%2C")
)

func (r *githubReport) log(doc verifyLog) error {
	for _, f := range doc.Findings {
		if f.Known {
			continue
		}
		if err := r.annotate(&doc, &f); err != nil {
			return err
		}
	}
	if doc.Left == 0 {
		return nil
	}
	_, err := fmt.Fprintf(r.w, "::notice::%s: and %d more findings\n", workflowText.Replace(doc.name()), doc.Left)
	return err
}

func (r *githubReport) annotate(doc *verifyLog, f *verifyFinding) error {
	command := f.Level
	if command == "note" {
		command = "notice"
	}
	file := f.File
	if file == "" {
		file = doc.File
	}
	place := ""
	if file != "" {
		place = "file=" + workflowParameter.Replace(file) + ","
		if f.Line > 0 && strings.HasSuffix(file, ".jsonl") {
			place += fmt.Sprintf("line=%d,", f.Line)
		}
	}
	_, err := fmt.Fprintf(r.w, "::%s %stitle=%s::%s\n", command, place,
		workflowParameter.Replace("ownlog "+f.Rule), workflowText.Replace(doc.name()+": "+f.Message))
	return err
}

func (r *githubReport) finish(bool) error { return nil }
