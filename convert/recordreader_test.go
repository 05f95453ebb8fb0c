package convert

import (
	"bytes"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"
)

// split is what a source falls into, separators marked.
func split(t *testing.T, src io.Reader, final bool) (parts []string, end string) {
	t.Helper()
	r := NewRecordReader(src, final)
	for first := true; ; first = false {
		rec, err := r.Next()
		if err == io.EOF {
			return parts, string(r.End())
		}
		if err != nil {
			t.Fatal(err)
		}
		p := ""
		if rec.HasSep {
			p = "<" + string(rec.Sep) + ">"
		} else if !first {
			p = "~"
		}
		if rec.Damaged {
			p += "!"
		}
		parts = append(parts, p+string(rec.Bytes))
	}
}

func TestRecordReader(t *testing.T) {
	tests := []struct {
		name, src string
		final     bool
		want      []string
		end       string
	}{
		{name: "empty"},
		{name: "one line", src: "{\"a\":1}\n", want: []string{`{"a":1}`}, end: "\n"},
		{name: "no final newline", src: "{\"a\":1}\n{\"b\":2}", want: []string{`{"a":1}`, `~{"b":2}`}},
		{name: "crlf", src: "{}\r\n{}\r\n", want: []string{"{}", "<\r\n>{}"}, end: "\r\n"},
		{name: "byte order mark", src: "\ufeff{}\n{}", want: []string{"<\ufeff>{}", "~{}"}},
		{name: "blank lines", src: "\n{}\n\n {} \n", want: []string{"<\n>{}", "<\n\n >{}"}, end: " \n"},
		{name: "glued", src: "{\"a\":1}{\"b\":2}\n{}", want: []string{`{"a":1}`, `<>{"b":2}`, "~{}"}},
		{name: "over several lines", src: "{\n\"a\": 1\n}\n{}", want: []string{"{\n\"a\": 1\n}", "~{}"}},
		{name: "torn in the middle", src: "{\"a\":\"x\n{\"b\":2}\n", want: []string{`!{"a":"x`, `~{"b":2}`}, end: "\n"},
		{name: "torn inside an array", src: "{\"a\":[\n{\"b\":2}\n{\"c\":3}\n", want: []string{`!{"a":[`, `~{"b":2}`, `~{"c":3}`}, end: "\n"},
		{name: "torn at the end waits", src: "{}\n{\"a\":", want: []string{"{}"}, end: "\n{\"a\":"},
		{name: "torn at the end, final", src: "{}\n{\"a\":", final: true, want: []string{"{}", `~!{"a":`}},
		{name: "garbage after an object", src: "{} x\n{}", want: []string{"{}", "< >!x", "~{}"}},
		{name: "nul block", src: "{}\n\x00\x00\x00\n{}\n", want: []string{"{}", "~!\x00\x00\x00", "~{}"}, end: "\n"},
		{name: "invalid utf-8 is still an object", src: "{\"a\":\"\xff\"}\n", want: []string{"{\"a\":\"\xff\"}"}, end: "\n"},
		{name: "not an object", src: "[1]\n\"s\"\n", want: []string{"![1]", "~!\"s\""}, end: "\n"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, end := split(t, strings.NewReader(tt.src), tt.final)
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("records (-want +got):\n%s", diff)
			}
			if end != tt.end {
				t.Errorf("end %q, want %q", end, tt.end)
			}
			slow, slowEnd := split(t, iotest.OneByteReader(strings.NewReader(tt.src)), tt.final)
			if diff := cmp.Diff(got, slow); diff != "" || slowEnd != end {
				t.Errorf("read byte by byte (-at once +slow), end %q:\n%s", slowEnd, diff)
			}
		})
	}
}

func TestRecordReaderKeepsLongLinesWithoutReadingThem(t *testing.T) {
	long := "{\"a\":\"" + strings.Repeat("x", MaxRecord) + "\"}"
	r := NewRecordReader(strings.NewReader(long+"\n{}\n"), false)
	var back bytes.Buffer
	damaged := 0
	for {
		rec, err := r.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if rec.Damaged {
			damaged++
		}
		if rec.HasSep {
			back.Write(rec.Sep)
		} else if back.Len() > 0 {
			back.WriteByte('\n')
		}
		back.Write(rec.Bytes)
	}
	back.Write(r.End())
	if back.String() != long+"\n{}\n" {
		t.Error("the pieces do not make up the source")
	}
	if damaged == 0 {
		t.Error("a line of over MaxRecord bytes was read as JSON")
	}
}

// FuzzRecordReader: records, separators and end make up the source, and the
// records of a prefix are a prefix of the records.
func FuzzRecordReader(f *testing.F) {
	for _, s := range []string{"{}\n{}\n", "{\"a\":[\n{\"b\":2}\n{", "\ufeff{}x\r\n\r\n{}{}", "{\"a\":\"\\ud800\"}\n\x00\n"} {
		f.Add([]byte(s), 3)
	}
	f.Fuzz(func(t *testing.T, src []byte, cut int) {
		var back bytes.Buffer
		whole := NewRecordReader(bytes.NewReader(src), false)
		var records []string
		for first := true; ; first = false {
			rec, err := whole.Next()
			if err == io.EOF {
				break
			}
			if rec.HasSep {
				back.Write(rec.Sep)
			} else if !first {
				back.WriteByte('\n')
			}
			if rec.Offset != int64(back.Len()) {
				t.Fatalf("record %d at offset %d, says %d", len(records), back.Len(), rec.Offset)
			}
			if want := 1 + bytes.Count(src[:rec.Offset], []byte{'\n'}); rec.Line != int64(want) {
				t.Fatalf("record %d on line %d, says %d", len(records), want, rec.Line)
			}
			back.Write(rec.Bytes)
			records = append(records, string(rec.Sep)+"|"+string(rec.Bytes))
		}
		back.Write(whole.End())
		if !bytes.Equal(back.Bytes(), src) {
			t.Fatalf("put together %q, want %q", back.Bytes(), src)
		}
		if cut < 0 || cut > len(src) {
			return
		}
		part := NewRecordReader(bytes.NewReader(src[:cut]), false)
		for i := 0; ; i++ {
			rec, err := part.Next()
			if err == io.EOF {
				return
			}
			if got := string(rec.Sep) + "|" + string(rec.Bytes); i >= len(records) || got != records[i] {
				t.Fatalf("record %d of the first %d bytes is %q, of the whole something else", i, cut, got)
			}
		}
	})
}

func TestIsBase64(t *testing.T) {
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
	for c := range 256 {
		if want := strings.IndexByte(alphabet, byte(c)) >= 0; isBase64(byte(c)) != want {
			t.Errorf("%q: %v, want %v", byte(c), !want, want)
		}
	}
}
