package main

import (
	"crypto/sha256"
	"encoding/hex"
	"io"
	"net/url"
	"path/filepath"
	"strings"
)

// sarifReport is a log of the Static Analysis Results Interchange Format,
// version 2.1.0 (OASIS).
type sarifReport struct {
	w     io.Writer
	run   sarifRun
	rules map[string]int
}

func newSARIFReport(w io.Writer) *sarifReport {
	r := &sarifReport{w: w, rules: make(map[string]int)}
	r.run.Tool.Driver.Name = "ownlog"
	r.run.Tool.Driver.Rules = []sarifRule{}
	r.run.Results = []sarifResult{}
	return r
}

func (r *sarifReport) log(doc verifyLog) error {
	for i := range doc.Findings {
		r.run.Results = append(r.run.Results, r.result(&doc, &doc.Findings[i]))
	}
	return nil
}

func (r *sarifReport) result(doc *verifyLog, f *verifyFinding) sarifResult {
	index, ok := r.rules[f.Rule]
	if !ok {
		index = len(r.run.Tool.Driver.Rules)
		r.rules[f.Rule] = index
		r.run.Tool.Driver.Rules = append(r.run.Tool.Driver.Rules, sarifRule{f.Rule})
	}
	sum := sha256.Sum256([]byte(findingKey(doc, f)))
	res := sarifResult{
		RuleID: f.Rule, RuleIndex: index, Level: f.Level, Message: sarifMessage{f.Message},
		Locations:    []sarifLocation{sarifPlace(doc, f)},
		Fingerprints: map[string]string{"ownlogFinding/v1": hex.EncodeToString(sum[:])},
		Properties:   sarifProperties{doc.Log, f.Seq, f.Line, f.Offset},
	}
	if f.Known {
		res.Suppressions = []sarifSuppression{{"external"}}
	}
	return res
}

// sarifPlace says where a finding is. Lines of sealed segments are those of the
// text in them, so that they are no region of the file.
func sarifPlace(doc *verifyLog, f *verifyFinding) sarifLocation {
	file := f.File
	if file == "" {
		file = doc.File
	}
	if file == "" {
		return sarifLocation{Logical: []sarifLogical{{doc.Log}}}
	}
	place := &sarifPhysical{Artifact: sarifArtifact{fileURI(file)}}
	if f.Line > 0 && strings.HasSuffix(file, ".jsonl") {
		place.Region = &sarifRegion{f.Line}
	}
	loc := sarifLocation{Physical: place}
	if doc.Log != "" {
		loc.Logical = []sarifLogical{{doc.Log}}
	}
	return loc
}

// fileURI is a path as a URI (RFC 8089) or a relative reference (RFC 3986).
func fileURI(name string) string {
	slashed := filepath.ToSlash(name)
	if !filepath.IsAbs(name) {
		return (&url.URL{Path: slashed}).String()
	}
	if !strings.HasPrefix(slashed, "/") {
		slashed = "/" + slashed
	}
	return (&url.URL{Scheme: "file", Path: slashed}).String()
}

// finish prints the document.
func (r *sarifReport) finish(bool) error {
	return printJSON(r.w, sarifLog{"https://json.schemastore.org/sarif-2.1.0.json", "2.1.0", []sarifRun{r.run}})
}

type sarifLog struct {
	Schema  string     `json:"$schema"`
	Version string     `json:"version"`
	Runs    []sarifRun `json:"runs"`
}

type sarifRun struct {
	Tool struct {
		Driver struct {
			Name  string      `json:"name"`
			Rules []sarifRule `json:"rules"`
		} `json:"driver"`
	} `json:"tool"`
	Results []sarifResult `json:"results"`
}

type sarifRule struct {
	ID string `json:"id"`
}

type sarifResult struct {
	RuleID       string             `json:"ruleId"`
	RuleIndex    int                `json:"ruleIndex"`
	Level        string             `json:"level"`
	Message      sarifMessage       `json:"message"`
	Locations    []sarifLocation    `json:"locations"`
	Fingerprints map[string]string  `json:"partialFingerprints"`
	Suppressions []sarifSuppression `json:"suppressions,omitzero"`
	Properties   sarifProperties    `json:"properties"`
}

type sarifMessage struct {
	Text string `json:"text"`
}

type sarifLocation struct {
	Physical *sarifPhysical `json:"physicalLocation,omitzero"`
	Logical  []sarifLogical `json:"logicalLocations,omitzero"`
}

type sarifPhysical struct {
	Artifact sarifArtifact `json:"artifactLocation"`
	Region   *sarifRegion  `json:"region,omitzero"`
}

type sarifArtifact struct {
	URI string `json:"uri"`
}

type sarifRegion struct {
	StartLine int64 `json:"startLine"`
}

type sarifLogical struct {
	Name string `json:"fullyQualifiedName"`
}

type sarifSuppression struct {
	Kind string `json:"kind"`
}

// sarifProperties say where in the log: entry, and line and offset in the text.
type sarifProperties struct {
	Log    string `json:"log,omitzero"`
	Seq    *int64 `json:"seq,omitzero"`
	Line   int64  `json:"line,omitzero"`
	Offset *int64 `json:"offset,omitzero"`
}
