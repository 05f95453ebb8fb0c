package schema

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

// The specification has a section for every type, and names every member and
// every code of a problem.
func TestSpecIsComplete(t *testing.T) {
	b, err := os.ReadFile(filepath.Join("..", "spec", "events.md"))
	if err != nil {
		t.Fatal(err)
	}
	spec := string(b)
	for _, typ := range Types() {
		_, section, ok := strings.Cut(spec, "\n### "+string(typ)+"\n")
		if !ok {
			t.Errorf("no section on %s", typ)
			continue
		}
		section, _, _ = strings.Cut(section, "\n##")
		data := reflect.TypeOf(NewData(typ)).Elem()
		for i := range data.NumField() {
			name, _, _ := strings.Cut(data.Field(i).Tag.Get("json"), ",")
			if !strings.Contains(section, "| `"+name+"`") {
				t.Errorf("the section on %s lacks member %s", typ, name)
			}
		}
	}
	for _, code := range []string{
		ProblemMissing, ProblemKind, ProblemValue, ProblemSeq, ProblemTime, ProblemNoTime, ProblemEpoch, ProblemFenced,
		ProblemCallClaimed, ProblemCallKey, ProblemNoCallKey, ProblemUnknownCall, ProblemCallAnswered, ProblemNoPermission,
		ProblemRequest, ProblemRun, ProblemRunBytes, ProblemCovers, ProblemCause, ProblemForkHead, ProblemBlob, ProblemHole,
		ProblemNotHole, ProblemGap, ProblemNumbering, ProblemUnknownType, ProblemCritical, ProblemNotCanonical,
	} {
		if !strings.Contains(spec, "`"+code+"`") {
			t.Errorf("the invariants lack %s", code)
		}
	}
}
