package opencode

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ownlog/ownlog/convert"
	"github.com/ownlog/ownlog/schema"
)

// TestRowsTooBigForMemory: rows above the limit are kept byte for byte, and mean
// what they would mean if they were small.
func TestRowsTooBigForMemory(t *testing.T) {
	const maxInline = 1 << 20
	x := newTestDB(t)
	smallSession(x)
	u, a := madeID("msg", 0), madeID("msg", 10)
	line := "é \"quoted\"\n"
	output := strings.Repeat(line, maxInline/len(line)+1000)
	diffs := strings.Repeat(`{"file":"a","patch":"x"},`, maxInline/25+100)
	rows := map[string]string{
		u:                 strings.TrimSuffix(userData, "}") + `,"summary":{"text":"` + strings.Repeat("y", maxInline) + `"}}`,
		"prt_big_output":  `{"type":"tool","tool":"bash","callID":"c","state":{"status":"completed","input":{"command":"ls"},"output":` + string(appendQuoted(nil, output)) + `,"time":{"start":1,"end":2}}}`,
		"prt_big_diffs":   `{"type":"text","text":"t","diffs":[` + strings.TrimSuffix(diffs, ",") + `]}`,
		"prt_big_damaged": `{"type":"text","text":"` + strings.Repeat("z", maxInline),
		"prt_big_lines":   "{\"type\":\"text\",\n\"text\":\"" + strings.Repeat("w", maxInline) + "\"}",
	}
	x.message(u, "ses_a", 0, rows[u])
	n := int64(20)
	for _, id := range []string{"prt_big_output", "prt_big_diffs", "prt_big_damaged", "prt_big_lines"} {
		n++
		x.part(id, a, "ses_a", n, rows[id])
	}
	in := newTestImport()
	in.vendor.limit = maxInline
	in.run(t, nil, x.path)
	in.ok(t)
	size := len(in.events(t, sessionLogID("ses_a")))
	in.run(t, nil, x.path)
	x.exec("UPDATE session SET title = 'Title'")
	x.exec("PRAGMA user_version = 7") // the file changes, its rows do not
	in.run(t, nil, x.path)
	if again := len(in.events(t, sessionLogID("ses_a"))); again != size {
		t.Errorf("the same rows again added %d entries", again-size)
	}

	found := 0
	err := convert.LatestRows(context.Background(), in.store, sessionLogID("ses_a"), -1, func(row schema.Row, record []byte) error {
		want, big := rows[row.ID]
		if !big {
			return nil
		}
		found++
		_, cells, err := parseRow(record)
		if err != nil {
			return err
		}
		names, values, err := columns(cells)
		if err != nil {
			return err
		}
		if got := pick(names, values, "data"); got != want {
			t.Errorf("%s did not come back as it was", row.ID)
		}
		if whole := appendRow(nil, row.Table, names, datums(values)); string(whole) != string(record) {
			t.Errorf("%s: the streamed bytes are not those of a row read whole", row.ID)
		}
		return nil
	})
	if err != nil || found != len(rows) {
		t.Fatalf("%d of %d rows found: %v", found, len(rows), err)
	}
	streamed, report := in.exported(t, sessionLogID("ses_a"), nil)
	limited := in.vendor
	in.vendor = Vendor{}
	whole, wholeReport := in.exported(t, sessionLogID("ses_a"), nil)
	in.vendor = limited
	if streamed["ses_a.json"] != whole["ses_a.json"] || !strings.Contains(whole["ses_a.json"], strings.Repeat("y", maxInline)) {
		t.Error("exported as a stream and from memory, the session is not the same")
	}
	if diff := cmp.Diff(wholeReport.Items(), report.Items()); diff != "" {
		t.Errorf("reports: from memory (-), as a stream (+):\n%s", diff)
	}
	said := strings.Join(in.said(t, sessionLogID("ses_a")), "\n")
	for what, text := range map[string]string{"the output": output, "a text over two lines": strings.Repeat("w", maxInline), "the user's text": "hello"} {
		if !strings.Contains(said, text) {
			t.Errorf("%s is not in the view", what)
		}
	}
	if got, want := fmt.Sprint(in.findings()), "map[]"; got != want {
		// The last import saw nothing new; what the first one found is in its log.
		t.Errorf("findings %s, want %s", got, want)
	}
	kinds := make(map[string]string)
	for _, ev := range in.events(t, sessionLogID("ses_a")) {
		if vr, ok := ev.Data.(*schema.VendorRecord); ok {
			kinds[ev.Source.Row.ID] = vr.Finding
		}
	}
	if kinds["prt_big_damaged"] != "data not json" || kinds["prt_big_diffs"] != "row too big" {
		t.Errorf("findings %v", kinds)
	}
}
