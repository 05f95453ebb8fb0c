package providers

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v5"

	conformance "github.com/ownlog/ownlog/conformance/replay"
	"github.com/ownlog/ownlog/replay/provider/chat"
)

// TestOutsiders lets outsiders judge what is said to models and heard from them.
func TestOutsiders(t *testing.T) {
	dir := packages(t)
	t.Run("requests", func(t *testing.T) { testRequests(t, dir) })
	t.Run("mock", func(t *testing.T) { testMock(t, dir) })
}

// testRequests lets them judge the requests of every row.
func testRequests(t *testing.T, dir string) {
	store, logs, err := conformance.Fixtures(t.Context(), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	schemas := compile(t, dir)
	readers := readers()
	samples := make(map[api][]request)
	used := make(map[string]int) // exceptions, by api and path
	for _, r := range rows() {
		t.Run(r.name, func(t *testing.T) {
			requests := r.requests(t, store, logs)
			j := judge{row: &r, schema: schemas[r.api], read: readers[r.api], used: used}
			for i := range requests {
				j.types(t, &requests[i])
				j.reader(t, &requests[i])
			}
			t.Logf("%d requests of %d sessions and %d histories", len(requests), len(logs), histories)
			samples[r.api] = append(samples[r.api], requests...)
		})
	}
	t.Run("exceptions", func(t *testing.T) { unused(t, used) })
	for api, schema := range schemas {
		t.Run("misspelt "+string(api), func(t *testing.T) { misspelt(t, api, schema, samples[api]) })
	}
}

// judge holds the requests of a row against the vendor's types and SDK.
type judge struct {
	row    *row
	schema *jsonschema.Schema
	read   reader
	used   map[string]int
}

// untyped are members that a server wants and that OpenAI's types, which its API
// follows, do not have.
func (r *row) untyped() []exception {
	q, ok := chat.QuirksOf(strings.TrimPrefix(r.name, "chat: "))
	if !ok || q.Reasoning != "back" {
		return nil
	}
	return []exception{{".messages[].reasoning_content", nil, "the server makes reasoning in a field of its own and wants it back there"}}
}

// types holds a request against the schema of the vendor's types.
func (j *judge) types(t *testing.T, r *request) {
	t.Helper()
	v, err := readValue(r.body)
	if err != nil {
		t.Errorf("%s: %v", r.from, err)
		return
	}
	for _, e := range j.row.untyped() {
		v = j.drop(v, e)
	}
	if err := j.schema.Validate(v); err != nil {
		t.Errorf("%s: the vendor's types do not fit:\n%s", r.from, reasons(err))
	}
}

// reader lets the vendor's SDK read a request and write it again.
func (j *judge) reader(t *testing.T, r *request) {
	t.Helper()
	body := r.body
	if j.row.api == generateContent {
		body = standardAlphabet(body)
	}
	again, err := j.read(body)
	if err != nil {
		t.Errorf("%s: the vendor's SDK does not read it: %v", r.from, err)
		return
	}
	want, err := readValue(body)
	if err != nil {
		t.Error(err)
		return
	}
	got, err := readValue(again)
	if err != nil {
		t.Error(err)
		return
	}
	for _, e := range append(j.row.untyped(), lostByReaders()[j.row.api]...) {
		want = j.drop(want, e)
	}
	if diff := differences("", want, got); len(diff) > 0 {
		t.Errorf("%s: the vendor's SDK reads something else:\n%s", r.from, strings.Join(diff[:min(len(diff), 8)], "\n"))
	}
}

func (j *judge) drop(v value, e exception) value {
	v, n := without(v, e.path, e.only)
	j.used[string(j.row.api)+e.path] += n
	return v
}

// unused reports exceptions that no request needed.
func unused(t *testing.T, used map[string]int) {
	for _, r := range rows() {
		for _, e := range append(r.untyped(), lostByReaders()[r.api]...) {
			if used[string(r.api)+e.path] == 0 {
				t.Errorf("%s: the exception %s (%s) was never needed", r.name, e.path, e.why)
			}
		}
	}
}

// reasons are the innermost failures of a validation, those deepest in the value
// first: the branches of a union that was not meant fail early.
func reasons(err error) string {
	var all []string
	deepest := 0
	var walk func(e *jsonschema.ValidationError)
	walk = func(e *jsonschema.ValidationError) {
		if len(e.Causes) == 0 {
			depth := strings.Count(e.InstanceLocation, "/")
			if depth > deepest {
				deepest, all = depth, nil
			}
			line := fmt.Sprintf("%s: %s", e.InstanceLocation, e.Message)
			if depth == deepest && len(all) < 12 && !slices.Contains(all, line) {
				all = append(all, line)
			}
			return
		}
		for _, c := range e.Causes {
			walk(c)
		}
	}
	if e, ok := err.(*jsonschema.ValidationError); ok {
		walk(e)
	} else {
		return err.Error()
	}
	return strings.Join(all, "\n")
}
