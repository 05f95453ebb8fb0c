package codex

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"testing"

	"github.com/ownlog/ownlog/convert"
	"github.com/ownlog/ownlog/schema"
)

// findings counts what a mapper found.
type findings map[string]int

func (f findings) Add(code, where string) { f[code]++ }

// mapAll maps a whole rollout and returns the events' bytes, one run after another.
func mapAll(t testing.TB, m convert.Mapper, content []byte) [][][]byte {
	t.Helper()
	r := convert.NewRecordReader(bytes.NewReader(content), true)
	var runs [][][]byte
	for {
		rec, err := r.Next()
		if err == io.EOF {
			return runs
		}
		if err != nil {
			t.Fatal(err)
		}
		if rec.Damaged {
			runs = append(runs, nil)
			continue
		}
		run := convert.Run{Record: rec}
		m.Map(&rec, &run)
		var events [][]byte
		for i, ev := range run.Events {
			ev.Source = &schema.Source{Vendor: VendorName, Line: rec.Line, Part: int64(i)}
			b, err := schema.Encode(nil, ev)
			if err != nil {
				t.Fatalf("line %d: %v", rec.Line, err)
			}
			events = append(events, b)
		}
		runs = append(runs, events)
	}
}

func TestDump(t *testing.T) {
	b, _ := os.ReadFile(os.Getenv("DUMP"))
	f := findings{}
	for _, run := range mapAll(t, NewMapper(f, Base{}), b) {
		for _, e := range run {
			fmt.Println(string(e))
		}
	}
	fmt.Println(f)
}
