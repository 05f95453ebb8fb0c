package providers

import (
	"context"
	"crypto/sha256"
	"fmt"
	"math/rand/v2"
	"testing"

	conformance "github.com/ownlog/ownlog/conformance/replay"
	"github.com/ownlog/ownlog/format"
	"github.com/ownlog/ownlog/replay"
	"github.com/ownlog/ownlog/replay/provider"
	"github.com/ownlog/ownlog/replay/provider/anthropic"
	"github.com/ownlog/ownlog/replay/provider/chat"
	"github.com/ownlog/ownlog/replay/provider/gemini"
	"github.com/ownlog/ownlog/replay/provider/openai"
	"github.com/ownlog/ownlog/replay/provider/providertest"
)

// api is one of the four APIs, by the name of the type of its request in
// requests.ts.
type api string

const (
	messages        api = "Messages"
	openAIResponses api = "Responses"
	chatCompletions api = "Chat"
	generateContent api = "GenerateContent"
)

// row is a way to reach an API whose requests are judged: an API, with the
// quirks of a server or the generation of a model.
type row struct {
	name    string
	api     api
	model   string
	style   providertest.Style
	connect func(url string) provider.Provider
}

func rows() []row {
	out := []row{
		{"anthropic", messages, "claude-t", providertest.MessagesStyle(), func(url string) provider.Provider {
			return anthropic.New(anthropic.Config{BaseURL: url, Key: providertest.Key})
		}},
		{"openai", openAIResponses, "gpt-t", providertest.ResponsesStyle(), func(url string) provider.Provider {
			return openai.New(openai.Config{BaseURL: url, Key: providertest.Key})
		}},
		{"google", generateContent, "gemini-3-t", providertest.GenerateStyle(), connectGemini},
		{"google, before 3", generateContent, "gemini-2.5-t", providertest.GenerateStyle(), connectGemini},
	}
	for _, server := range chat.Servers() {
		q, _ := chat.QuirksOf(server)
		out = append(out, row{
			"chat: " + server, chatCompletions, "m-t", providertest.ChatStyle(providertest.ChatRules{NoUsageOption: q.NoUsageOption}),
			func(url string) provider.Provider {
				return chat.New(chat.Config{Quirks: q, BaseURL: url, Key: providertest.Key})
			},
		})
	}
	for i := range out {
		// What the strict servers judge is tested elsewhere: here others judge.
		out[i].style.Check = func([]byte) error { return nil }
	}
	return out
}

func connectGemini(url string) provider.Provider {
	return gemini.New(gemini.Config{BaseURL: url, Key: providertest.Key})
}

// request is a body as it went over the wire, or would have.
type request struct {
	row  *row
	from string
	body []byte
}

// requests makes the requests of a row: every recording gone on with, captured
// by a server; every step of every recording; random and hostile histories.
// Bodies that repeat are left out.
func (r *row) requests(t *testing.T, store format.Store, logs []format.LogID) []request {
	t.Helper()
	c := &collector{row: r, seen: make(map[[sha256.Size]byte]bool)}
	for _, log := range logs {
		server := providertest.NewServer(t, r.style, providertest.Reply{Reasoning: "hm", Text: "Going on."}, providertest.Reply{Text: "Still here."})
		p := r.connect(server.URL)
		x := &replay.Executor{Store: store, Provider: p, Model: r.model, Tools: conformance.Tools()}
		if err := conformance.GoOn(t.Context(), x, log); err != nil {
			t.Fatalf("%s: log %s: %v", r.name, log, err)
		}
		server.Close()
		for i, body := range server.Bodies {
			c.add(fmt.Sprintf("log %s, request %d", log, i), body)
		}
		if len(server.Bodies) != 2 {
			t.Errorf("%s: log %s: %d requests, want 2", r.name, log, len(server.Bodies))
		}
		if err := c.steps(t.Context(), store, log, p); err != nil {
			t.Fatalf("%s: log %s: %v", r.name, log, err)
		}
	}
	for seed := range uint64(histories) {
		h := &providertest.History{Rand: rand.New(rand.NewPCG(seed, 2)), Model: r.model, Hostile: seed%2 == 1}
		view, _ := h.Make(1 + int(seed%6))
		req, err := r.connect("").Project(t.Context(), view)
		if err != nil {
			t.Fatalf("%s: history %d: %v", r.name, seed, err)
		}
		c.add(fmt.Sprintf("history %d", seed), req.Body)
	}
	return c.requests
}

// histories is how many random histories are tried.
const histories = 40

type collector struct {
	row      *row
	seen     map[[sha256.Size]byte]bool
	requests []request
}

func (c *collector) add(from string, body []byte) {
	sum := sha256.Sum256(body)
	if c.seen[sum] {
		return
	}
	c.seen[sum] = true
	c.requests = append(c.requests, request{c.row, from, body})
}

// steps adds the request of every recorded step.
func (c *collector) steps(ctx context.Context, store format.Store, log format.LogID, p provider.Provider) error {
	n := &replay.NextStep{Store: store, Log: log, Size: -1, Provider: p, Model: c.row.model, DryRun: true}
	compared, err := n.Compare(ctx)
	if err != nil {
		return err
	}
	for _, s := range compared.Steps {
		c.add(fmt.Sprintf("log %s, step %d/%d", log, s.Turn, s.Step), s.Request)
	}
	return nil
}
