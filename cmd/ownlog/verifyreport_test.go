package main

import (
	"bytes"
	"encoding/xml"
	"strings"
	"testing"

	"github.com/go-json-experiment/json"
	"github.com/google/go-cmp/cmp"
)

// hostileText is what a log may say to break out of a report.
const hostileText = "first\n::error::forged]]>\r\"<failure/>&\x1b[31m \x00%0A end"

// hostileLog is a log with a finding of that text, a known one, and a file whose
// name breaks out, too.
func hostileLog() verifyLog {
	seq, offset := int64(7), int64(40)
	return verifyLog{
		Log: "9b43b6e8-c1b5-5aa8-8d62-95c8fb12e077", Status: "corrupt", Failed: true,
		Findings: []verifyFinding{
			{Level: "error", Rule: "line-crc", File: "a b,c:d\n%.jsonl", Line: 3, Seq: &seq, Offset: &offset, Message: hostileText},
			{Level: "note", Rule: "blob-gone", Message: "a note", Known: true},
			{Level: "error", Rule: "line-crc", File: "/x/0000000000000000.jsonl.zst", Line: 4, Message: "again"},
		},
	}
}

func render(t *testing.T, name string, docs ...verifyLog) string {
	t.Helper()
	var out bytes.Buffer
	r, err := newVerifyReport(name, &out)
	if err != nil {
		t.Fatal(err)
	}
	failed := 0
	for _, doc := range docs {
		if doc.Failed {
			failed++
		}
		if err := r.log(doc); err != nil {
			t.Fatal(err)
		}
	}
	if err := r.finish(failed == 0); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

func TestGitHubReportEscapes(t *testing.T) {
	want := "::error file=a b%2Cc%3Ad%0A%25.jsonl,line=3,title=ownlog line-crc::9b43b6e8-c1b5-5aa8-8d62-95c8fb12e077: " +
		"first%0A::error::forged]]>%0D\"<failure/>&\x1b[31m \x00%250A end\n" +
		"::error file=/x/0000000000000000.jsonl.zst,title=ownlog line-crc::9b43b6e8-c1b5-5aa8-8d62-95c8fb12e077: again\n"
	if diff := cmp.Diff(want, render(t, formatGitHub, hostileLog())); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestTextReportKeepsItsLines(t *testing.T) {
	if got := strings.Count(render(t, formatText, hostileLog()), "\n"); got != 4 {
		t.Errorf("%d lines, want one for each finding and one for the log", got)
	}
}

func TestJUnitReportDecodes(t *testing.T) {
	out := render(t, formatJUnit, hostileLog(), verifyLog{Log: "fine", Status: "ok"})
	var got junitSuites
	if err := xml.Unmarshal([]byte(out), &got); err != nil {
		t.Fatalf("%v in:\n%s", err, out)
	}
	suite := got.Suites[0]
	if got.Tests != 2 || got.Failures != 1 || suite.Tests != 2 || suite.Failures != 1 || len(suite.Cases) != 2 {
		t.Errorf("2 tests of which 1 fails are counted as %+v", got)
	}
	if suite.Cases[1].Failure != nil {
		t.Errorf("a log that is fine fails: %+v", suite.Cases[1])
	}
	failure := suite.Cases[0].Failure
	if failure == nil || failure.Type != "line-crc" {
		t.Fatalf("failure %+v, want one of type line-crc", failure)
	}
	// What XML cannot hold is replaced; everything else comes back.
	text := strings.NewReplacer("\x1b", "\ufffd", "\x00", "\ufffd").Replace(hostileText)
	if !strings.Contains(failure.Text, text) || !strings.Contains(failure.Text, "blob-gone: a note (known)") {
		t.Errorf("failure text %q does not hold %q", failure.Text, text)
	}
}

// TestSARIFReport asserts what section 3 of the SARIF 2.1.0 specification (OASIS)
// requires of the members that are written.
func TestSARIFReport(t *testing.T) {
	var got struct {
		Schema  string `json:"$schema"`
		Version string
		Runs    []struct {
			Tool struct {
				Driver struct {
					Name  string
					Rules []struct{ ID string }
				}
			}
			Results []struct {
				RuleID    string
				RuleIndex int
				Level     string
				Message   struct{ Text string }
				Locations []struct {
					PhysicalLocation *struct {
						ArtifactLocation struct{ URI string }
						Region           *struct{ StartLine int64 }
					}
					LogicalLocations []struct{ FullyQualifiedName string }
				}
				PartialFingerprints map[string]string
				Suppressions        []struct{ Kind string }
			}
		}
	}
	if err := json.Unmarshal([]byte(render(t, formatSARIF, hostileLog())), &got, json.MatchCaseInsensitiveNames(true)); err != nil {
		t.Fatal(err)
	}
	if got.Version != "2.1.0" || got.Schema == "" || len(got.Runs) != 1 {
		t.Fatalf("version %q, schema %q, %d runs", got.Version, got.Schema, len(got.Runs))
	}
	run := got.Runs[0]
	if run.Tool.Driver.Name != "ownlog" || len(run.Tool.Driver.Rules) != 2 {
		t.Errorf("driver %+v, want 2 rules of ownlog", run.Tool.Driver)
	}
	var uris []string
	prints := make(map[string]bool)
	for _, res := range run.Results {
		if run.Tool.Driver.Rules[res.RuleIndex].ID != res.RuleID {
			t.Errorf("rule index %d is not that of %s", res.RuleIndex, res.RuleID)
		}
		if res.Level != "error" && res.Level != "warning" && res.Level != "note" {
			t.Errorf("level %q", res.Level)
		}
		if res.Message.Text == "" || len(res.Locations) != 1 || len(res.PartialFingerprints) != 1 {
			t.Errorf("result %+v lacks a text, a location or a fingerprint", res)
		}
		for _, print := range res.PartialFingerprints {
			prints[print] = true
		}
		loc := res.Locations[0]
		if len(loc.LogicalLocations) != 1 || loc.LogicalLocations[0].FullyQualifiedName != hostileLog().Log {
			t.Errorf("logical locations %+v, want the log", loc.LogicalLocations)
		}
		if loc.PhysicalLocation == nil {
			uris = append(uris, "")
			continue
		}
		uris = append(uris, loc.PhysicalLocation.ArtifactLocation.URI)
		if region := loc.PhysicalLocation.Region; (region != nil) != (res.Message.Text == hostileText) {
			t.Errorf("%s: region %+v; only lines of text files are regions", loc.PhysicalLocation.ArtifactLocation.URI, region)
		}
	}
	want := []string{"./a%20b,c:d%0A%25.jsonl", "", "file:///x/0000000000000000.jsonl.zst"}
	if diff := cmp.Diff(want, uris); diff != "" {
		t.Errorf("places (-want +got):\n%s", diff)
	}
	if len(prints) != len(run.Results) {
		t.Errorf("%d fingerprints of %d results", len(prints), len(run.Results))
	}
	if s := run.Results[1].Suppressions; len(s) != 1 || s[0].Kind != "external" {
		t.Errorf("suppressions of the known finding: %+v", s)
	}
}

// TestEmptySARIFReport: results and rules are arrays even when there are none,
// which says that the check ran.
func TestEmptySARIFReport(t *testing.T) {
	out := render(t, formatSARIF)
	if !strings.Contains(out, `"results":[]`) || !strings.Contains(out, `"rules":[]`) {
		t.Errorf("no empty arrays in %s", out)
	}
}

func TestBaselineCounts(t *testing.T) {
	doc := hostileLog()
	known := make(baseline)
	known[findingKey(&doc, &doc.Findings[0])]++
	v := &verification{known: known, failOn: levelRank("error")}
	for i, want := range []bool{true, false} {
		var again verifyLog
		again.Log = doc.Log
		v.found(&again, doc.Findings[0])
		if got := again.Findings[0].Known; got != want || again.Failed == want {
			t.Errorf("time %d: known %v, failed %v; want known %v", i+1, got, again.Failed, want)
		}
	}
}
