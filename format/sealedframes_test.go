package format

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestSealedFrames: a segment that fits into one frame has one, and a longer one has
// frames of 4 MiB.
func TestSealedFrames(t *testing.T) {
	const line = 100 << 10
	for _, c := range []struct {
		name  string
		lines int
		last  int // bytes of the last line
		want  []int64
	}{
		{"a full one", 41, line, []int64{41}},
		{"one and a half", 60, line, []int64{60}},
		{"to the last byte but those that are reserved", 61, 6<<20 - 60*line - lineOverhead + len(`{"seq":60,"ack":60,"crc":"00000000","entry":}`+"\n"), []int64{61}},
		{"a byte more", 61, 6<<20 - 60*line - lineOverhead + len(`{"seq":60,"ack":60,"crc":"00000000","entry":}`+"\n") + 1, []int64{41, 20}},
		{"two", 70, line, []int64{41, 29}},
		{"three", 83, line, []int64{41, 41, 1}},
	} {
		t.Run(c.name, func(t *testing.T) {
			var file growingFile
			h := header{log: fuzzLog}
			w, err := newSealWriter(&file, new(spareSealBuffers), &h, trimLF(appendHeader(nil, &h)))
			if err != nil {
				t.Fatal(err)
			}
			defer w.release()
			var text []byte
			text = append(text, appendHeader(nil, &h)...)
			for i := range c.lines {
				n := line
				if i == c.lines-1 {
					n = c.last
				}
				// Of one type each ten, and times that fall.
				begin := fmt.Sprintf(`{"type":"t%d","time":"2026-01-01T00:00:%02dZ","pad":"`, i/10, 59-i/2%60)
				frame, _ := appendEntryLine(nil, w.sum, int64(i), int64(i), []byte(begin+`"}`))
				e := []byte(begin + strings.Repeat("p", n-len(frame)) + `"}`)
				if _, err := w.append(int64(i), e); err != nil {
					t.Fatal(err)
				}
				text, _ = appendEntryLine(text, w.sum, int64(i), int64(i), e)
			}
			size, err := w.finish()
			if err != nil {
				t.Fatal(err)
			}
			s, err := openSealed(bytes.NewReader(file), size, "file", fuzzLog, 0)
			if err != nil {
				t.Fatal(err)
			}
			var counts []int64
			var back []byte
			for i := range s.blocks {
				b := &s.blocks[i]
				frame, err := s.decode(nil, b)
				if err != nil {
					t.Fatal(err)
				}
				back = append(back, frame...)
				if b.count == 0 {
					continue // the header's and the seal's
				}
				counts = append(counts, b.count)
				first, last := b.first, b.first+b.count-1
				want := indexBlock{
					tmin: fmt.Sprintf("2026-01-01T00:00:%02dZ", 59-last/2%60), tmax: fmt.Sprintf("2026-01-01T00:00:%02dZ", 59-first/2%60),
				}
				for n := first / 10; n <= last/10; n++ {
					want.types = append(want.types, fmt.Sprintf("t%d", n))
				}
				got := indexBlock{tmin: b.tmin, tmax: b.tmax, types: b.types}
				if d := cmp.Diff(want, got, cmp.AllowUnexported(indexBlock{})); d != "" {
					t.Errorf("block of entry %d (-want +got):\n%s", first, d)
				}
			}
			if d := cmp.Diff(c.want, counts); d != "" {
				t.Errorf("entries of the frames (-want +got):\n%s", d)
			}
			if !bytes.HasPrefix(back, text) {
				t.Error("the frames hold another text")
			}
		})
	}
}
