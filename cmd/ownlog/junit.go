package main

import (
	"encoding/xml"
	"fmt"
	"io"
	"strings"
)

// junitReport is a report as test runners write them: each log or file is a
// test case, in the shape that the Jenkins and Surefire readers share.
type junitReport struct {
	w     io.Writer
	suite junitSuite
}

func (r *junitReport) log(doc verifyLog) error {
	test := junitCase{Class: "ownlog.verify", Name: doc.name()}
	var lines strings.Builder
	first := doc.Status
	for _, f := range doc.Findings {
		known := ""
		if f.Known {
			known = " (known)"
		} else if first == doc.Status {
			first = f.Rule
		}
		fmt.Fprintf(&lines, "%s: %s: %s%s\n", f.Level, f.Rule, f.Message, known)
	}
	if doc.Left > 0 {
		fmt.Fprintf(&lines, "and %d more\n", doc.Left)
	}
	switch {
	case doc.Failed:
		test.Failure = &junitFailure{Type: first, Message: "status " + doc.Status, Text: lines.String()}
		r.suite.Failures++
	case lines.Len() > 0:
		test.Out = lines.String()
	}
	r.suite.Tests++
	r.suite.Cases = append(r.suite.Cases, test)
	return nil
}

// finish prints the document. Characters that XML cannot have become U+FFFD.
func (r *junitReport) finish(bool) error {
	r.suite.Name = "ownlog verify"
	doc := junitSuites{Tests: r.suite.Tests, Failures: r.suite.Failures, Suites: []junitSuite{r.suite}}
	b, err := xml.MarshalIndent(doc, "", "  ")
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(r.w, "%s%s\n", xml.Header, b)
	return err
}

type junitSuites struct {
	XMLName  xml.Name     `xml:"testsuites"`
	Tests    int          `xml:"tests,attr"`
	Failures int          `xml:"failures,attr"`
	Suites   []junitSuite `xml:"testsuite"`
}

type junitSuite struct {
	Name     string      `xml:"name,attr"`
	Tests    int         `xml:"tests,attr"`
	Failures int         `xml:"failures,attr"`
	Errors   int         `xml:"errors,attr"`
	Skipped  int         `xml:"skipped,attr"`
	Cases    []junitCase `xml:"testcase"`
}

type junitCase struct {
	Class   string        `xml:"classname,attr"`
	Name    string        `xml:"name,attr"`
	Failure *junitFailure `xml:"failure"`
	Out     string        `xml:"system-out,omitempty"`
}

type junitFailure struct {
	Type    string `xml:"type,attr"`
	Message string `xml:"message,attr"`
	Text    string `xml:",chardata"`
}
