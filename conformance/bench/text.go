package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"

	"github.com/ownlog/ownlog/format"
)

// maxRaw is the longest line that an entry keeps verbatim.
const maxRaw = 262_144

// entries yields entries without end: of the session files in dir, again and
// again, or of text that is made.
func entries(dir string) (iter.Seq[[]byte], error) {
	if dir == "" {
		return madeEntries, nil
	}
	var files []string
	err := filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() && strings.HasSuffix(name, ".jsonl") {
			files = append(files, name)
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	if len(files) == 0 {
		return nil, fmt.Errorf("%s: no *.jsonl files", dir)
	}
	return func(yield func([]byte) bool) {
		for n := 0; ; {
			before := n
			for _, name := range files {
				ok, err := fileEntries(name, &n, yield)
				if err != nil {
					fmt.Fprintln(os.Stderr, "bench:", err)
				}
				if !ok {
					return
				}
			}
			if n == before {
				fmt.Fprintln(os.Stderr, "bench: no line of the files can be kept")
				return
			}
		}
	}, nil
}

// fileEntries yields an entry for each line of a file that an entry can keep.
func fileEntries(name string, n *int, yield func([]byte) bool) (bool, error) {
	f, err := os.Open(name)
	if err != nil {
		return true, err
	}
	defer f.Close()
	lines := bufio.NewScanner(f)
	lines.Buffer(make([]byte, 64<<10), maxRaw)
	for lines.Scan() {
		if len(lines.Bytes()) == 0 {
			continue // no record
		}
		e := entry(*n, lines.Bytes())
		if format.CheckEntry(e) != nil {
			continue
		}
		*n++
		if !yield(e) {
			return false, nil
		}
	}
	if err := lines.Err(); !errors.Is(err, bufio.ErrTooLong) {
		return true, err
	}
	return true, nil // the rest of the file is left out
}

// entry keeps a line as imports do, with an envelope that the fold understands.
func entry(n int, line []byte) []byte {
	norm := fmt.Appendf(nil, `{"v":1,"type":"note.added","time":"2026-01-%02dT%02d:%02d:%02dZ","actor":{"kind":"system"},"source":{"vendor":"bench","seq":%d},"data":{"text":"line %d"}}`,
		1+n/86400%28, n/3600%24, n/60%60, n%60, n, n)
	return format.JoinRaw(nil, norm, line)
}

// madeEntries yields entries of made text: an answer or a tool's output each, of
// some hundred bytes to some hundred kilobytes.
func madeEntries(yield func([]byte) bool) {
	rng := rand.New(rand.NewPCG(1, 2))
	pool := madeText(rng, 32<<20)
	for n := 0; ; n++ {
		size := 200 + rng.IntN(1500)
		switch rng.IntN(100) {
		case 0:
			size = 20_000 + rng.IntN(180_000)
		case 1, 2, 3, 4, 5, 6, 7, 8, 9:
			size = 3_000 + rng.IntN(9_000)
		}
		at := rng.IntN(len(pool) - size)
		line := fmt.Appendf(nil, `{"type":"assistant","uuid":"%016x","timestamp":"2026-01-02T03:04:05.%03dZ","message":{"role":"assistant","content":[{"type":"text","text":"%s"}],"usage":{"input_tokens":%d,"output_tokens":%d}}}`,
			rng.Uint64(), n%1000, pool[at:at+size], rng.IntN(100_000), rng.IntN(2000))
		if !yield(entry(n, line)) {
			return
		}
	}
}

// madeText is about as hard to compress as sessions are: words of a language with
// rare ones, code, numbers, and what was said before.
func madeText(rng *rand.Rand, size int) []byte {
	common := strings.Fields("the a of to and in is that for it as with on be this was not are at by from or an if error file test line run func return nil string int the the of to")
	rare := make([]string, 20_000)
	for i := range rare {
		var b strings.Builder
		for range 3 + rng.IntN(8) {
			b.WriteByte("etaoinshrdlucmfwypvbgk"[min(rng.IntN(22), rng.IntN(22))])
		}
		rare[i] = b.String()
	}
	text := make([]byte, 0, size+100)
	for len(text) < size {
		switch rng.IntN(24) {
		case 0:
			text = fmt.Appendf(text, "%d ", rng.IntN(100_000))
		case 1:
			text = append(text, `\n\t`...)
		case 2:
			text = fmt.Appendf(text, "%s(%s, %s) ", rare[rng.IntN(len(rare))], common[rng.IntN(len(common))], rare[rng.IntN(2000)])
		case 3:
			if n := 20 + rng.IntN(200); len(text) > 1<<20 {
				from := len(text) - n - rng.IntN(1<<19)
				text = append(append(text, bytes.Trim(text[from:from+n], `\`)...), ' ')
			}
		case 4, 5, 6, 7, 8, 9:
			text = append(append(text, rare[min(rng.IntN(len(rare)), rng.IntN(len(rare)))]...), ' ')
		default:
			text = append(append(text, common[rng.IntN(len(common))]...), ' ')
		}
	}
	return bytes.ReplaceAll(text, []byte(`\`), nil)
}
