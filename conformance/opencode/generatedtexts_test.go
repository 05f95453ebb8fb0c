//go:build conformance && speed

package opencode

import (
	"encoding/base64"
	"fmt"
	"iter"
	"math"
	"math/rand/v2"
	"strings"

	"github.com/go-json-experiment/json"
)

// generatedSessions are sessions like those of the corpus, without end. What they
// have in common with them, and how nearly, TestGeneratedIsLikeReal prints: how many
// responses a session has, which parts they have, how long texts are, and how far
// those of a session can be compressed.
func generatedSessions() iter.Seq[sessionText] {
	return func(yield func(sessionText) bool) {
		g := newTextMaker()
		for yield(g.session()) {
		}
	}
}

// How long texts are: half of them shorter than median, and so spread that the
// average is mean.
type length struct{ median, mean, most float64 }

var (
	promptLength    = length{90, 900, 60_000}
	textLength      = length{160, 300, 4_700}
	reasoningLength = length{168, 480, 21_000}
	signatureLength = length{456, 999, 60_000}
	inputLength     = length{160, 420, 25_000}
	outputLength    = length{620, 3_700, 89_000}
)

// draw is a length of a log-normal distribution.
func (l length) draw(rng *rand.Rand) int {
	sigma := math.Sqrt(2 * math.Log(l.mean/l.median))
	return int(min(l.most, l.median*math.Exp(sigma*rng.NormFloat64())))
}

// textMaker makes texts. All of a session are about the same folder of source files,
// which its calls show again and again.
type textMaker struct {
	rng     *rand.Rand
	words   []string
	common  *rand.Zipf // which word comes next
	project []string   // lines
}

func newTextMaker() *textMaker {
	g := &textMaker{rng: rand.New(rand.NewPCG(1, 2))}
	const vocabulary = 4000
	for range vocabulary {
		w := make([]byte, 2+g.rng.IntN(9))
		for i := range w {
			w[i] = "etaoinshrdlucmfwypvbgkjqxz"[g.rng.IntN(1+g.rng.IntN(26))]
		}
		g.words = append(g.words, string(w))
	}
	g.common = rand.NewZipf(g.rng, 1.45, 6, vocabulary-1)
	return g
}

func (g *textMaker) word() string { return g.words[g.common.Uint64()] }

func (g *textMaker) session() sessionText {
	g.newProject()
	s := sessionText{prompt: g.prose(promptLength.draw(g.rng))}
	for range 126 {
		s.responses = append(s.responses, g.response())
	}
	return s
}

func (g *textMaker) response() responseText {
	var r responseText
	if g.rng.IntN(100) < 24 {
		r.reasoning = g.prose(reasoningLength.draw(g.rng))
		signature := make([]byte, signatureLength.draw(g.rng)*3/4)
		for i := range signature {
			signature[i] = byte(g.rng.Uint32())
		}
		r.signature = base64.StdEncoding.EncodeToString(signature)
	}
	if g.rng.IntN(100) < 39 {
		r.text = g.prose(textLength.draw(g.rng))
	}
	if g.rng.IntN(100) < 81 {
		r.calls = []callText{g.call()}
	}
	return r
}

// call is a call: most run a command.
func (g *textMaker) call() callText {
	input := func(members ...string) string {
		o := make(map[string]string)
		for i := 0; i < len(members); i += 2 {
			o[members[i]] = members[i+1]
		}
		b, err := json.Marshal(o, json.Deterministic(true))
		if err != nil {
			panic(err) // strings
		}
		return string(b)
	}
	path := "/home/dev/project/" + g.words[g.rng.IntN(40)] + "/" + g.words[g.rng.IntN(200)] + ".go"
	long, output := inputLength.draw(g.rng), g.source(outputLength.draw(g.rng), false)
	switch kind := g.rng.IntN(100); {
	case kind < 71:
		return callText{"bash", input("command", g.lines(g.project[:usedLines], long), "description", g.prose(20)), output}
	case kind < 78:
		return callText{"read", input("file_path", path), g.source(2*len(output), true)}
	case kind < 84:
		old := g.lines(g.project[:usedLines], long)
		return callText{"edit", input("file_path", path, "old_string", old, "new_string", old+g.source(long, false)), "Edit applied successfully."}
	case kind < 85:
		return callText{"write", input("file_path", path, "content", g.source(4*long, false)), "Wrote file successfully."}
	}
	return callText{"grep", input("pattern", g.word(), "path", path), output}
}

// prose is text for people, of about n bytes.
func (g *textMaker) prose(n int) string {
	var b strings.Builder
	for b.Len() < n {
		b.WriteString(g.word())
		b.WriteString([]string{" ", " ", " ", " ", " ", " ", " ", " ", " ", ", ", ". ", ".\n\n", "\n- ", " `", "` ", " (", ") "}[g.rng.IntN(17)])
	}
	return b.String()
}

// newProject writes the files that a session is about.
func (g *textMaker) newProject() {
	g.project = g.project[:0]
	for range 4500 {
		var b strings.Builder
		b.WriteString(strings.Repeat("\t", g.rng.IntN(4)))
		for range 1 + g.rng.IntN(8) {
			b.WriteString(g.word())
			b.WriteString([]string{" ", ".", "(", ")", " := ", ", ", "\"", "_", " {"}[g.rng.IntN(9)])
		}
		g.project = append(g.project, b.String())
	}
}

// usedLines is how many lines of the project commands and changes are made of.
const usedLines = 400

// lines is a stretch of lines of about n bytes.
func (g *textMaker) lines(from []string, n int) string {
	var b strings.Builder
	for at := g.rng.IntN(len(from)); b.Len() < n; at++ {
		line := from[at%len(from)]
		b.WriteString(line[:min(len(line), max(1, n-b.Len()))])
		b.WriteByte('\n')
	}
	return b.String()
}

// source is a stretch of the project of about n bytes, with line numbers if asked for.
func (g *textMaker) source(n int, numbered bool) string {
	var b strings.Builder
	for at := g.rng.IntN(len(g.project)); b.Len() < n; at++ {
		line := g.project[at%len(g.project)]
		if numbered {
			line = fmt.Sprintf("%d: %s", at+1, line)
		}
		b.WriteString(line[:min(len(line), max(1, n-b.Len()))])
		b.WriteByte('\n')
	}
	return b.String()
}
