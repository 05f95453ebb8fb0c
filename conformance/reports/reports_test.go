//go:build conformance

package reports

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/go-json-experiment/json"
	"github.com/santhosh-tekuri/jsonschema/v5"

	"github.com/ownlog/ownlog/fixtures"
)

// record is a line of a Claude Code transcript; the second of the two is torn.
const record = `{"type":"user","uuid":"0a0a0a0a-0000-4000-8000-000000000001","parentUuid":null,"sessionId":"0a0a0a0a-0000-4000-8000-000000000009",` +
	`"timestamp":"2026-11-23T01:00:00.000Z","cwd":"/home/dev/x","version":"2.1.330","message":{"role":"user","content":"hello"}}`

// command is the built command with a home and a store of its own.
type command struct {
	*testing.T
	binary, dir string
}

func build(t *testing.T) *command {
	t.Helper()
	c := &command{t, filepath.Join(t.TempDir(), "ownlog"), t.TempDir()}
	if out, err := exec.Command("go", "build", "-o", c.binary, "github.com/ownlog/ownlog/cmd/ownlog").CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	if err := os.CopyFS(filepath.Join(c.dir, "rec"), fixtures.FS); err != nil {
		t.Fatal(err)
	}
	// What a session is called must not break a report.
	hostile := filepath.Join(c.dir, "sessions", "a b%2F&<x>\"'\x1b[31m\n]]>.jsonl")
	if err := os.MkdirAll(filepath.Dir(hostile), 0o700); err != nil {
		t.Fatal(err)
	}
	content := record + "\n" + record[:60] + record + "\n" + `{"type":"hologram\u0000","sessionId":"0a0a0a0a-0000-4000-8000-000000000009"}` + "\n" + record[:40]
	if err := os.WriteFile(hostile, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	c.run("import", "rec")
	return c
}

// run runs the command and returns what it prints. An exit code of 1 is fine: what
// is checked here is the report.
func (c *command) run(args ...string) []byte {
	c.Helper()
	cmd := exec.Command(c.binary, args...)
	cmd.Dir = c.dir
	cmd.Env = append(os.Environ(), "HOME="+c.dir, "OWNLOG_STORE="+filepath.Join(c.dir, "store"))
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	var exit *exec.ExitError
	if err != nil && (!errors.As(err, &exit) || exit.ExitCode() != 1) {
		c.Fatalf("ownlog %q: %v\n%s", args, err, &stderr)
	}
	return out
}

// each makes reports in a format of what is fine, empty, damaged, known, and named to
// break them.
func (c *command) each(name string, check func(what string, report []byte)) {
	c.Helper()
	check("an empty store", c.run("verify", "--format", name, "--store", "none"))
	check("a sound store", c.run("verify", "--strict", "--format", name))
	check("sessions with names that break reports", c.run("verify", "--format", name, "sessions"))
	segments, err := filepath.Glob(filepath.Join(c.dir, "store", "logs", "*", "*.zst"))
	if err != nil || len(segments) < 5 {
		c.Fatalf("segments %v: %v", segments, err)
	}
	for _, segment := range segments[:5] {
		b, err := os.ReadFile(segment)
		if err != nil {
			c.Fatal(err)
		}
		b[len(b)/2] ^= 1
		if err := os.WriteFile(segment, b, 0o600); err != nil {
			c.Fatal(err)
		}
	}
	check("a damaged store", c.run("verify", "--format", name))
	known := filepath.Join(c.dir, "known.json")
	if err := os.WriteFile(known, c.run("verify", "--json"), 0o600); err != nil {
		c.Fatal(err)
	}
	check("known damage", c.run("verify", "--format", name, "--baseline", known,
		"--expect", "00000000-0000-4000-8000-000000000000@1#AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"))
}

func schemaFile(t *testing.T, name string) string {
	t.Helper()
	dir := os.Getenv("OWNLOG_REPORT_SCHEMAS")
	if dir == "" {
		if os.Getenv("OWNLOG_CONFORMANCE") != "" {
			t.Fatal("OWNLOG_REPORT_SCHEMAS is not set")
		}
		t.Skip("OWNLOG_REPORT_SCHEMAS is not set")
	}
	return filepath.Join(dir, name)
}

// TestSARIF validates against the JSON Schema of SARIF 2.1.0.
func TestSARIF(t *testing.T) {
	b, err := os.ReadFile(schemaFile(t, "sarif.json"))
	if err != nil {
		t.Fatal(err)
	}
	compiler := jsonschema.NewCompiler()
	if err := compiler.AddResource("sarif.json", bytes.NewReader(b)); err != nil {
		t.Fatal(err)
	}
	schema, err := compiler.Compile("sarif.json")
	if err != nil {
		t.Fatal(err)
	}
	validate := func(report []byte) error {
		var doc any
		if err := json.Unmarshal(report, &doc); err != nil {
			return err
		}
		return schema.Validate(doc)
	}
	results, reports := 0, 0
	build(t).each("sarif", func(what string, report []byte) {
		reports++
		results += bytes.Count(report, []byte(`"ruleId"`))
		if err := validate(report); err != nil {
			t.Errorf("%s: %#v\n%s", what, err, report)
		}
		// What the schema does not know, it must refuse: else nothing was checked.
		for _, change := range [][2]string{{`"level":"error"`, `"level":"fatal"`}, {`"version":"2.1.0"`, `"version":"2"`}, {`"runs":`, `"run":`}} {
			wrong := bytes.Replace(report, []byte(change[0]), []byte(change[1]), 1)
			if !bytes.Equal(wrong, report) && validate(wrong) == nil {
				t.Errorf("%s: %s is valid, too", what, change[1])
			}
		}
	})
	if results < 10 {
		t.Errorf("%d results in all: the reports say too little to be checked", results)
	}
	t.Logf("%d reports with %d results are valid SARIF 2.1.0", reports, results)
}

// TestJUnit validates against the XML Schema of the reports that Jenkins reads.
func TestJUnit(t *testing.T) {
	xsd := schemaFile(t, "junit.xsd")
	validate := func(report []byte) ([]byte, error) {
		lint := exec.Command("xmllint", "--noout", "--nonet", "--schema", xsd, "-")
		lint.Stdin = bytes.NewReader(report)
		return lint.CombinedOutput()
	}
	cases, reports := 0, 0
	build(t).each("junit", func(what string, report []byte) {
		reports++
		cases += bytes.Count(report, []byte("<testcase"))
		if out, err := validate(report); err != nil {
			t.Errorf("%s: %v\n%s\n%s", what, err, out, report)
		}
		wrong := strings.Replace(string(report), "<testsuite ", "<testsuite severity=\"1\" ", 1)
		if _, err := validate([]byte(wrong)); err == nil {
			t.Errorf("%s: an attribute that no schema has is valid, too", what)
		}
	})
	if cases < 10 {
		t.Errorf("%d test cases in all: the reports say too little to be checked", cases)
	}
	t.Logf("%d reports with %d test cases are valid", reports, cases)
}
