package opencode

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ownlog/ownlog/convert"
	"github.com/ownlog/ownlog/schema"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// mapperCases are sessions whose rows, in order, become the events in
// testdata/mapper.golden.
var mapperCases = []struct {
	name string
	rows []string // bytes of database rows, or of legacy files
}{
	{"session", []string{
		`{"table":"session","id":"ses_a","project_id":"p","parent_id":"ses_p","directory":"/w","title":"T","version":"1.18.33","cost":0.5,"permission":"[{\"permission\":\"task\",\"pattern\":\"*\",\"action\":\"deny\"}]","model":"{\"id\":\"m\",\"providerID\":\"p\",\"variant\":\"v\"}","time_created":1790000000000}`,
		`{"table":"session","id":"ses_a","title":"oldest schema"}`,
		`{"table":"session","id":"ses_a","model":"[]"}`,
		`{"table":"session","id":"ses_a","permission":"cut ["}`,
		`{"id":"ses_a","projectID":"p","directory":"/w","title":"file","time":{"created":1760000000000}}`,
	}},
	{"user parts", []string{
		user("msg_1"),
		part("prt_1", "msg_1", `{"type":"text","text":"typed"}`),
		part("prt_2", "msg_1", `{"type":"text","text":"added","synthetic":true}`),
		part("prt_3", "msg_1", `{"type":"text","text":"not sent","ignored":true}`),
		part("prt_4", "msg_1", `{"type":"file","mime":"image/png","filename":"a.png","url":"data:image/png;base64,UE5H"}`),
		part("prt_5", "msg_1", `{"type":"file","mime":"text/plain","filename":"n.txt","url":"file:///w/n.txt"}`),
		part("prt_6", "msg_1", `{"type":"file","mime":"application/pdf","url":"data:application/pdf,%25PDF"}`),
		part("prt_7", "msg_1", `{"type":"file","mime":"image/png","url":"data:image/png;base64,???"}`),
		part("prt_8", "msg_1", `{"type":"agent","name":"build"}`),
		part("prt_9", "msg_1", `{"type":"subtask","prompt":"do","description":"d","agent":"general"}`),
		part("prt_a", "msg_1", `{"type":"tool","tool":"bash","state":{"status":"pending"}}`),
	}},
	{"response", []string{
		user("msg_1"),
		assistant("msg_2", "msg_1", `,"finish":"tool-calls","time":{"created":1,"completed":2}`),
		part("prt_1", "msg_2", `{"type":"step-start","snapshot":"abc"}`),
		part("prt_2", "msg_2", `{"type":"reasoning","text":"think","metadata":{"anthropic":{"signature":"c2ln"}}}`),
		part("prt_3", "msg_2", `{"type":"reasoning","text":"","metadata":{"anthropic":{"redactedData":"cmVk"}}}`),
		part("prt_4", "msg_2", `{"type":"reasoning","text":"sum","metadata":{"openai":{"itemId":"rs_1","reasoningEncryptedContent":"ZW5j"}}}`),
		part("prt_5", "msg_2", `{"type":"reasoning","text":"","metadata":{"openai":{"reasoningEncryptedContent":"ZW5j"}}}`),
		part("prt_6", "msg_2", `{"type":"reasoning","text":"bare","metadata":{"other":{"x":1}}}`),
		part("prt_7", "msg_2", `{"type":"text","text":"says \ud800 this"}`),
		part("prt_8", "msg_2", `{"type":"patch","hash":"h","files":["/w/a","/w/b"]}`),
		part("prt_9", "msg_2", `{"type":"snapshot","snapshot":"abc"}`),
		part("prt_a", "msg_2", `{"type":"retry","attempt":1,"error":{}}`),
		part("prt_b", "msg_2", `{"type":"step-finish","reason":"tool-calls","cost":0.0123,"tokens":{"input":10,"output":5,"reasoning":2,"cache":{"read":3,"write":4}}}`),
		part("prt_c", "msg_2", `{"type":"hologram","x":1}`),
		part("prt_d", "msg_2", `{"type":"file","mime":"image/png","url":"data:image/png;base64,UE5H"}`),
	}},
	{"tool states", []string{
		user("msg_1"),
		assistant("msg_2", "msg_1", ``),
		part("prt_1", "msg_2", `{"type":"tool","tool":"bash","callID":"c1","state":{"status":"pending","input":{},"raw":"{\"comm"}}`),
		part("prt_2", "msg_2", `{"type":"tool","tool":"bash","callID":"c2","state":{"status":"running","input":{"command": "ls"},"time":{"start":1790000000000}}}`),
		part("prt_3", "msg_2", `{"type":"tool","tool":"bash","callID":"c3","state":{"status":"completed","input":{"b":1,"a":1.50},"output":"out","metadata":{"exit":0},"time":{"start":1790000000000,"end":1790000000250},"attachments":[{"type":"file","mime":"image/png","url":"data:image/png;base64,UE5H"}]}}`),
		part("prt_4", "msg_2", `{"type":"tool","tool":"read","callID":"c3","state":{"status":"error","input":{},"error":"no such file","time":{"start":5,"end":4}}}`),
		part("prt_5", "msg_2", `{"type":"tool","tool":"bash","callID":"c5","state":{"status":"completed","input":{},"output":"old","time":{"start":1,"end":2,"compacted":9}}}`),
		part("prt_6", "msg_2", `{"type":"tool","tool":"bash","callID":"c6","state":{"status":"error","input":{},"error":"aborted","metadata":{"interrupted":true,"output":"half"},"time":{"start":1,"end":2}}}`),
		part("prt_7", "msg_2", `{"type":"tool","tool":"task","callID":"c7","state":{"status":"completed","input":{},"output":"o","metadata":{"sessionId":"ses_child"},"time":{"start":1,"end":2}}}`),
		part("prt_8", "msg_2", `{"type":"tool","tool":"web","callID":"c8","metadata":{"providerExecuted":true},"state":{"status":"completed","input":{"q":"x"},"output":"o","time":{"start":1,"end":2}}}`),
		part("prt_9", "msg_2", `{"type":"tool","tool":"invalid","callID":"c9","state":{"status":"completed","input":{"tool":"nope","error":"e"},"output":"o","time":{"start":1,"end":2}}}`),
		part("prt_a", "msg_2", `{"type":"tool","tool":"x","callID":"ca","state":{"status":"completed","input":{"a":1,"a":2},"output":"o","metadata":"odd","time":{"start":1,"end":2}}}`),
		part("prt_b", "msg_2", `{"type":"tool","tool":"x","callID":"cb","state":{"status":"melted","input":[1]}}`),
		part("prt_c", "msg_2", `{"type":"tool","tool":"x"}`),
	}},
	{"turns and steps", []string{
		assistant("msg_0", "", ``),
		user("msg_1"),
		user("msg_2"),
		assistant("msg_3", "msg_1", ``),
		assistant("msg_4", "msg_1", ``),
		assistant("msg_5", "msg_x", ``),
		part("prt_1", "msg_3", `{"type":"step-start"}`),
		part("prt_2", "msg_3", `{"type":"text","text":"first"}`),
		part("prt_3", "msg_3", `{"type":"step-start"}`),
		part("prt_4", "msg_3", `{"type":"text","text":"second"}`),
	}},
	{"compaction", []string{
		user("msg_1"),
		part("prt_1", "msg_1", `{"type":"compaction","auto":true,"overflow":false,"tail_start_id":"msg_0"}`),
		assistant("msg_2", "msg_1", `,"summary":true,"finish":"stop"`),
		user("msg_3"),
		part("prt_3", "msg_3", `{"type":"compaction","auto":false}`),
	}},
	{"errors", []string{
		user("msg_1"),
		assistant("msg_2", "msg_1", `,"error":{"name":"APIError","data":{"message":"bad","statusCode":400}}`),
		assistant("msg_3", "msg_1", `,"error":{"name":"MessageAbortedError","data":{"message":"stopped"}}`),
		assistant("msg_4", "msg_1", `,"error":{"name":"ContextOverflowError","data":{}}`),
		assistant("msg_5", "msg_1", `,"error":{"name":"UnknownError"}`),
	}},
	{"damaged", []string{
		`{"table":"message","id":"msg_1","data":null,"data_text":"{\"role\":"}`,
		`{"table":"message","id":"msg_2","data":{"role":"oracle"}}`,
		`{"table":"message","id":"msg_3","data":{"role":7}}`,
		part("prt_1", "msg_1", `{"type":"text","text":"orphan"}`),
		`{"table":"part","id":"prt_2","message_id":"msg_1","data":null,"data_text":"{\n\"type\":\"text\"}"}`,
		`{"table":"todo","session_id":"ses_a","position":0,"content":"c"}`,
		`{"table":"part"`,
	}},
}

func user(id string) string {
	return fmt.Sprintf(`{"table":"message","id":%q,"session_id":"ses_a","time_created":1790000000000,"data":{"role":"user","agent":"build","model":{"providerID":"p","modelID":"m"}}}`, id)
}

func assistant(id, parent, more string) string {
	return fmt.Sprintf(`{"table":"message","id":%q,"session_id":"ses_a","time_created":1790000001000,"data":{"role":"assistant","parentID":%q,"providerID":"p","modelID":"m"%s}}`, id, parent, more)
}

func part(id, message, data string) string {
	return fmt.Sprintf(`{"table":"part","id":%q,"message_id":%q,"session_id":"ses_a","time_created":1790000002000,"data":%s}`, id, message, data)
}

func TestMapperGolden(t *testing.T) {
	var got bytes.Buffer
	for _, c := range mapperCases {
		findings := new(convert.FindingCounts)
		m := newMapper(findings)
		fmt.Fprintf(&got, "# %s\n", c.name)
		for _, row := range c.rows {
			run := mapBytes(m, row)
			fmt.Fprintf(&got, "\n< %s\n", row)
			for _, ev := range run.Events {
				b, err := schema.Encode(nil, ev)
				if err != nil {
					t.Fatalf("%v in %s", err, row)
				}
				fmt.Fprintf(&got, "> %s\n", b)
			}
		}
		for _, f := range findings.List() {
			fmt.Fprintf(&got, "! %s %d, first %s\n", f.Code, f.Count, f.Where)
		}
		got.WriteByte('\n')
	}
	golden := filepath.Join("testdata", "mapper.golden")
	if *update {
		if err := os.WriteFile(golden, got.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got.String()); diff != "" {
		t.Errorf("golden (-), got (+); -update rewrites it:\n%s", diff)
	}
}

func mapBytes(m *mapper, row string) convert.Run {
	run := convert.Run{Record: convert.Record{Bytes: []byte(row)}}
	rec := fromRow("", []byte(row))
	if !isRow([]byte(row)) {
		rec = fromFile(tableSession, "", []byte(row))
	}
	for _, c := range rec.cells {
		if c.name == "id" {
			rec.id = textOf(c.value)
		}
	}
	m.mapRecord(rec, &run)
	return run
}

// FuzzMapper feeds two rows of any content behind a session: no panic, at least
// one event each, encodable, and no call key claimed by two rows.
func FuzzMapper(f *testing.F) {
	for _, c := range mapperCases {
		for i := 1; i < len(c.rows); i++ {
			f.Add([]byte(c.rows[i-1]), []byte(c.rows[i]))
		}
	}
	f.Fuzz(func(t *testing.T, a, b []byte) {
		m := newMapper(new(convert.FindingCounts))
		owner := make(map[schema.CallKey]string)
		for _, row := range []string{user("msg_1"), assistant("msg_2", "msg_1", ``), string(a), string(b), string(a)} {
			run := mapBytes(m, row)
			if len(run.Events) == 0 {
				t.Fatalf("no event of %q", row)
			}
			for _, ev := range run.Events {
				if _, err := schema.Encode(nil, ev); err != nil {
					t.Fatalf("%v in %q", err, row)
				}
				out, ok := ev.Data.(*schema.ModelOutput)
				if !ok {
					continue
				}
				for _, block := range out.Blocks {
					if other, claimed := owner[block.CallKey]; block.CallKey != "" && claimed && rowID(other) != rowID(row) {
						t.Fatalf("call %s claimed by %q and %q", block.CallKey, other, row)
					}
					owner[block.CallKey] = row
				}
			}
		}
	})
}

func rowID(row string) string {
	_, cells, _ := parseRow([]byte(row))
	return cellText(cells, "id")
}
