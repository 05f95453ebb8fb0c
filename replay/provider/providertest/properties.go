package providertest

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/ownlog/ownlog/replay/provider"
	"github.com/ownlog/ownlog/schema"
)

// Projection is what the properties of a projection are tested with.
type Projection struct {
	Provider provider.Provider
	Model    string
	// Issue: see [History].
	Issue func(b *schema.Block, n int) *schema.Seal
	// Params are the model's parameters.
	Params jsontext.Value
	// Check judges a body as the API does.
	Check func(body []byte) error
	// Flatten takes a body apart into the pieces a model reads, in order.
	Flatten func(body []byte) ([]string, error)
	// Members: a seal's members stand among those of its message, and one seal
	// of a response is all that goes back.
	Members bool
	// Rounds is how many random histories are tried; default 120. A short run
	// tries a quarter.
	Rounds int
}

// Run tests that the projection is pure, that the API takes whatever it makes of
// ordinary and of hostile histories, that it is prefix-stable, and that seals of
// its own go back byte for byte.
func (p Projection) Run(t *testing.T) {
	rounds := p.Rounds
	if rounds == 0 {
		rounds = 120
	}
	if testing.Short() {
		rounds /= 4 // as the race detector runs it
	}
	t.Run("random histories", func(t *testing.T) { p.histories(t, rounds, false) })
	t.Run("hostile histories", func(t *testing.T) { p.histories(t, rounds, true) })
	t.Run("no history", func(t *testing.T) {
		if _, err := p.Provider.Project(t.Context(), &provider.View{Model: p.Model}); !errors.Is(err, provider.ErrEmpty) {
			t.Errorf("projecting nothing: %v, want ErrEmpty", err)
		}
	})
}

func (p Projection) histories(t *testing.T, rounds int, hostile bool) {
	sealed := 0
	for seed := range uint64(rounds) {
		h := &History{Rand: rand.New(rand.NewPCG(seed, 1)), Issue: p.Issue, Model: p.Model, Params: p.Params, Hostile: hostile}
		view, points := h.Make(1 + int(seed%6))
		p.step(t, seed, h.Rand, view)
		full := p.project(t, seed, view, len(view.Messages))
		again := p.project(t, seed, view, len(view.Messages))
		if !bytes.Equal(full, again) {
			t.Fatalf("seed %d: two projections of one view differ", seed)
		}
		if hostile {
			continue
		}
		sealed += p.sealsKept(t, seed, view, full)
		whole, err := p.Flatten(full)
		if err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		for _, n := range points {
			part, err := p.Flatten(p.project(t, seed, view, n))
			if err != nil {
				t.Fatalf("seed %d: %v", seed, err)
			}
			if compactedAfter(view.Messages, n) {
				continue
			}
			if len(part) > len(whole) || !slices.Equal(part, whole[:len(part)]) {
				t.Fatalf("seed %d: the projection of the first %d of %d messages is no prefix of that of all:\n%s", seed, n, len(view.Messages), firstDifference(part, whole))
			}
		}
	}
	if !hostile && p.Issue != nil && sealed == 0 {
		t.Error("no seal was sent back in any history: the test proves nothing")
	}
}

func (p Projection) project(t *testing.T, seed uint64, view *provider.View, n int) []byte {
	t.Helper()
	v := *view
	v.Messages = view.Messages[:n]
	req, err := p.Provider.Project(t.Context(), &v)
	if err != nil {
		t.Fatalf("seed %d: %v", seed, err)
	}
	if err := p.Check(req.Body); err != nil {
		t.Fatalf("seed %d, %d messages: the API refuses the request: %v\n%s", seed, n, err, req.Body)
	}
	return req.Body
}

// step tests that a projector that is shown a history piece by piece makes what
// the provider makes of each piece at once, to the byte and to the loss; also
// after an edit of what it was shown before.
func (p Projection) step(t *testing.T, seed uint64, rnd *rand.Rand, view *provider.View) {
	t.Helper()
	projector := provider.NewProjector(p.Provider)
	v := *view
	v.Messages = slices.Clone(view.Messages)
	all, same := v.Messages, 0
	for n := 1 + rnd.IntN(3); n <= len(all); n += rnd.IntN(4) {
		if rnd.IntN(8) == 0 {
			same = rnd.IntN(n) // an edit, or a caller that does not know better
			all[same].Seq += 1_000
			all[same].Content = append(slices.Clone(all[same].Content), schema.TextPart("edited"))
		}
		if rnd.IntN(12) == 0 {
			v.Definition.System = []string{"You are another."}
		}
		v.Messages = all[:n]
		got, err := projector.Project(t.Context(), &v, min(same, n))
		if err != nil {
			t.Fatalf("seed %d, %d messages step by step: %v", seed, n, err)
		}
		want, err := p.Provider.Project(t.Context(), &v)
		if err != nil {
			t.Fatalf("seed %d, %d messages: %v", seed, n, err)
		}
		if body := slices.Concat(got.Body, got.Tail); !bytes.Equal(body, want.Body) || got.SHA256() != want.SHA256() || got.Size() != want.Size() {
			t.Fatalf("seed %d, %d messages: step by step the request is\n%s\nat once\n%s", seed, n, body, want.Body)
		}
		if d := cmp.Diff(want.Losses, got.Losses); d != "" {
			t.Fatalf("seed %d, %d messages: losses (-at once +step by step):\n%s", seed, n, d)
		}
		if d := cmp.Diff(want.Tools, got.Tools); d != "" {
			t.Fatalf("seed %d, %d messages: names of tools (-at once +step by step):\n%s", seed, n, d)
		}
		same = n
	}
}

// sealsKept counts the seals of the provider that stand in the body byte for
// byte; those that still hold must.
func (p Projection) sealsKept(t *testing.T, seed uint64, view *provider.View, body []byte) int {
	t.Helper()
	kept, due := 0, 0
	summary := int64(0)
	for i := range view.Messages {
		m := &view.Messages[i]
		if m.Summary {
			summary = m.Seq
		}
		for j := range m.Blocks {
			s := m.Blocks[j].Seal
			if s == nil || s.Provider != p.Provider.Describe().Provider || m.Seq < summary || m.Blocks[j].Type == schema.BlockToolCall {
				continue
			}
			later := slices.ContainsFunc(m.Blocks[j:], func(b schema.Block) bool {
				return b.Type == schema.BlockToolCall && b.Kind != schema.CallServer || b.Type == schema.BlockRefusal
			})
			if !later {
				continue // a response that ends in reasoning is cut by some projections
			}
			due++
			item := s.Item
			if p.Members {
				item = item[1 : len(item)-1]
			}
			if bytes.Contains(body, item) {
				kept++
			}
			if p.Members {
				break
			}
		}
	}
	if kept != due {
		t.Fatalf("seed %d: %d of %d seals went back byte for byte\n%s", seed, kept, due, body)
	}
	return kept
}

// compactedAfter reports whether a compaction comes after the first n messages:
// then the projection may change.
func compactedAfter(messages []schema.Message, n int) bool {
	return slices.ContainsFunc(messages[n:], func(m schema.Message) bool { return m.Summary })
}

func firstDifference(part, whole []string) string {
	for i := range part {
		if i >= len(whole) || part[i] != whole[i] {
			got := "(nothing)"
			if i < len(whole) {
				got = whole[i]
			}
			return "earlier: " + part[i] + "\nlater:   " + got
		}
	}
	return ""
}
