package format

import (
	"bytes"
	"fmt"
)

// benchEntries returns about size bytes of entries as imports make them: a
// record kept verbatim and its content once more.
func benchEntries(size int) [][]byte {
	words := bytes.Fields([]byte("the tool returned an error and the file was not changed because its path is outside of the project so the model reads it again and then writes a smaller patch with tests that fail before and pass after"))
	var list [][]byte
	x := uint32(1)
	random := func(n int) int {
		x = x*1664525 + 1013904223
		return int(x>>8) % n
	}
	for i := 0; size > 0; i++ {
		var text []byte
		for range 20 + random(200) {
			text = append(append(text, words[random(len(words))]...), ' ')
			if random(30) == 0 {
				text = fmt.Appendf(text, `\"%x\"\n`, x)
			}
		}
		raw := fmt.Appendf(nil, `{"type":"assistant","uuid":"%08x-%04x","timestamp":"2026-01-02T03:04:%02d.%03dZ","message":{"role":"assistant","content":[{"type":"text","text":"%s"}],"usage":{"input_tokens":%d,"output_tokens":%d}}}`, x, i, i%60, i%1000, text, random(100000), random(1000))
		norm := fmt.Appendf(nil, `{"v":1,"type":"model.output","time":"2026-01-02T03:04:%02d.%03dZ","actor":{"kind":"model","id":"m-1"},"turn":%d,"step":1,"source":{"vendor":"x","line":%d},"data":{"blocks":[{"kind":"text","text":"%s"}]}}`, i%60, i%1000, i/10, i, text)
		e := JoinRaw(nil, norm, raw)
		list = append(list, e)
		size -= len(e)
	}
	return list
}

func total(entries [][]byte) (n int64) {
	for _, e := range entries {
		n += int64(len(e))
	}
	return n
}
