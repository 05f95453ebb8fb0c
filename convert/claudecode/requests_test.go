package claudecode

import (
	"bytes"
	"testing"

	"github.com/ownlog/ownlog/convert"
)

// TestCheckRequests: every request that the real tool logged rebuilds from
// entries to the digest it recorded.
func TestCheckRequests(t *testing.T) {
	store := newTestStore()
	var total int64
	for log, o := range store.importDir(t, writeHome(t, homeFiles(t))) {
		if o.Name.Kind == convert.LogAssets {
			continue
		}
		c, err := CheckRequests(t.Context(), &store.MemStore, log, -1, nil)
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range c.Problems {
			t.Errorf("%s, line %d: %s", o.Name.ID, p.Line, p.Reason)
		}
		var reported int64
		for _, item := range o.Report.Items() {
			if item.Code == CodeRequestVerified {
				reported = item.Count
			}
		}
		if reported != c.Verified {
			t.Errorf("%s: the import reports %d verified requests, want %d", o.Name.ID, reported, c.Verified)
		}
		total += c.Verified
	}
	if total < 25 {
		t.Errorf("%d requests verified, want those of four recordings", total)
	}
}

// TestCheckRequestsFindsChanges: a log in which a message was changed does not
// verify from the first request on that sends it.
func TestCheckRequestsFindsChanges(t *testing.T) {
	content := transcripts(t)["proj-s05"]
	l := newRequestLog()
	for line := range bytes.Lines(content) {
		l.add(1, line)
	}
	clean, err := l.check(nil)
	if err != nil || clean.Verified != clean.Total || clean.Total == 0 {
		t.Fatalf("unchanged: %+v, %v", clean, err)
	}
	l = newRequestLog()
	for line := range bytes.Lines(bytes.ReplaceAll(content, []byte("do deferred"), []byte("do it now"))) {
		l.add(1, line)
	}
	if c, err := l.check(nil); err != nil || c.Verified != 0 {
		t.Errorf("changed: %+v, %v", c, err)
	}
}

func TestAppendCanonical(t *testing.T) {
	for in, want := range map[string]string{
		` {"b": 1, "a" :[ 1.50, null,"x\u00e9\/" ] } `:            `{"a":[1.50,null,"xé/"],"b":1}`,
		`{"a":{"cache_control":1,"b":2},"cache_control":{"c":3}}`: `{"a":{"b":2}}`,
		`{"a":1,"a":2}`:    `{"a":2}`,
		`"\u0001\n\u2028"`: "\"\\u0001\\n\u2028\"",
	} {
		if got := string(appendCanonical(nil, bytes.TrimSpace([]byte(in)), "cache_control")); got != want {
			t.Errorf("%s\n got %s\nwant %s", in, got, want)
		}
	}
}

func TestWithMember(t *testing.T) {
	in := []byte(`{"m":[{"c":[{"a":1},{}]}],"s":2}`)
	for path, want := range map[string]string{
		`["m",0,"c",0]`: `{"m":[{"c":[{"a":1,"k":7},{}]}],"s":2}`,
		`["m",0,"c",1]`: `{"m":[{"c":[{"a":1},{"k":7}]}],"s":2}`,
		`[]`:            `{"k":7,"m":[{"c":[{"a":1},{}]}],"s":2}`,
		`["m",3]`:       ``,
		`["s"]`:         ``,
		`["x","y"]`:     ``,
	} {
		got, ok := withMember(nil, in, pathSteps([]byte(path)), "k", []byte("7"))
		if ok != (want != "") || ok && string(got) != want {
			t.Errorf("%s: %s, %v; want %s", path, got, ok, want)
		}
	}
}
