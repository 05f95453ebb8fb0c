package codex

import (
	"bytes"
	"io"
	"strings"
	"testing"

	"github.com/ownlog/ownlog/convert"
)

// benchContent is a rollout of ordinary records, about 8 MB long.
func benchContent(b *testing.B) []byte {
	b.Helper()
	one := fixture(b, "tools")
	long := `{"timestamp":"2026-11-20T10:00:00.000Z","type":"response_item","payload":{"type":"function_call_output","call_id":"call_1","output":"` +
		strings.Repeat(`drwxr-xr-x 2 user user 4096 Nov 20 10:00 src\n`, 60) + `"}}` + "\n"
	var all bytes.Buffer
	for all.Len() < 8<<20 {
		all.Write(one)
		for range 20 {
			all.WriteString(long)
		}
	}
	return all.Bytes()
}

// BenchmarkMap measures mapping alone, on records that are split already.
func BenchmarkMap(b *testing.B) {
	content := benchContent(b)
	var records []convert.Record
	r := convert.NewRecordReader(bytes.NewReader(content), true)
	for {
		rec, err := r.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			b.Fatal(err)
		}
		rec.Bytes = bytes.Clone(rec.Bytes)
		records = append(records, rec)
	}
	b.SetBytes(int64(len(content)))
	b.ReportAllocs()
	for b.Loop() {
		m := NewMapper(new(convert.FindingCounts), Base{})
		for i := range records {
			run := convert.Run{Record: records[i]}
			m.Map(&records[i], &run)
		}
	}
}

// BenchmarkImport measures a whole import into memory.
func BenchmarkImport(b *testing.B) {
	content := benchContent(b)
	b.SetBytes(int64(len(content)))
	for b.Loop() {
		importContent(b, content)
	}
}
