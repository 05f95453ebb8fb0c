//go:build conformance && speed

package opencode

import (
	"iter"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"
)

// TestGeneratedIsLikeReal prints what sessions of the corpus are like, and the
// generated ones: per response, how many parts of a kind there are and how long they
// are, and what is left of those of a session when they are compressed.
//
//	OWNLOG_CORPUS=DIR go test -tags 'conformance speed' ./conformance/opencode -run IsLikeReal -v
func TestGeneratedIsLikeReal(t *testing.T) {
	real := measureTexts(corpusSessions(t, os.Getenv("OWNLOG_CORPUS")))
	generated := measureTexts(generatedSessions())
	t.Logf("responses in a session: real %.0f, generated %.0f", real["response"].share, generated["response"].share)
	t.Logf("%-10s %30s %30s %22s", "", "per response", "bytes: half below, average", "compressed to 1 in")
	for _, kind := range []string{"reasoning", "signature", "text", "input", "output", "all"} {
		r, g := real[kind], generated[kind]
		t.Logf("%-10s real %.2f, generated %.2f; %d, %d real, %d, %d generated; %.1f real, %.1f generated", kind, r.share, g.share, r.median, r.mean, g.median, g.mean, r.ratio, g.ratio)
	}
}

type textFacts struct {
	share        float64
	median, mean int
	ratio        float64
}

// measureTexts looks at as many sessions as the corpus has.
func measureTexts(sessions iter.Seq[sessionText]) map[string]textFacts {
	enc, err := zstd.NewWriter(nil)
	if err != nil {
		panic(err) // without options there is no error
	}
	const most = 75
	lengths, packed := make(map[string][]int), make(map[string]int)
	responses, n := 0, 0
	for s := range sessions {
		if n++; n > most {
			break
		}
		texts := make(map[string][]string)
		add := func(kind, text string) {
			if text != "" {
				lengths[kind] = append(lengths[kind], len(text))
				texts[kind], texts["all"] = append(texts[kind], text), append(texts["all"], text)
			}
		}
		for _, r := range s.responses {
			responses++
			add("reasoning", r.reasoning)
			add("signature", r.signature)
			add("text", r.text)
			for _, c := range r.calls {
				add("input", c.input)
				add("output", c.output)
			}
		}
		for kind, list := range texts {
			packed[kind] += len(enc.EncodeAll([]byte(strings.Join(list, "\n")), nil))
		}
	}
	facts := make(map[string]textFacts)
	var all []int
	for kind, list := range lengths {
		all = append(all, list...)
		facts[kind] = factsOf(list, responses, packed[kind])
	}
	facts["all"] = factsOf(all, responses, packed["all"])
	facts["response"] = textFacts{share: float64(responses) / most}
	return facts
}

func factsOf(lengths []int, responses, packed int) textFacts {
	slices.Sort(lengths)
	sum := 0
	for _, n := range lengths {
		sum += n
	}
	return textFacts{float64(len(lengths)) / float64(responses), lengths[len(lengths)/2], sum / len(lengths), float64(sum) / float64(packed)}
}
