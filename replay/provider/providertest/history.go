package providertest

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/ownlog/ownlog/format"
	"github.com/ownlog/ownlog/replay/provider"
	"github.com/ownlog/ownlog/schema"
)

// History makes random histories: views such as a fold gives, and with Hostile
// such as none should. The same source gives the same history.
type History struct {
	Rand *rand.Rand
	// Issue makes the seal that the provider under test gives a block, nil for
	// blocks it does not seal. Nil: no seals of its own.
	Issue func(b *schema.Block, n int) *schema.Seal
	// Model is the id that the provider's own responses name.
	Model string
	// Params are the model's parameters.
	Params jsontext.Value
	// Hostile: results before their calls, repeated keys, orphans, nonsense.
	Hostile bool

	store format.MemStore
	seq   int64
	turn  int64
	step  int64
	ids   []string
	out   []schema.Message
}

// Make returns a view of n exchanges, ending in something to answer, and the
// lengths at which it could have been sent before.
func (h *History) Make(n int) (view *provider.View, points []int) {
	h.out, h.seq, h.turn = nil, 0, 0
	if h.Hostile && h.Rand.IntN(4) == 0 {
		h.model()
	}
	for range n {
		h.exchange()
		points = append(points, len(h.out))
		for h.Rand.IntN(3) > 0 {
			if h.model() == 0 {
				break
			}
			if h.Rand.IntN(5) == 0 {
				h.user(schema.OriginQueued)
			}
			points = append(points, len(h.out))
		}
	}
	h.exchange()
	points = append(points, len(h.out))
	if h.Hostile {
		h.damage()
		points = points[len(points)-1:]
		points[0] = len(h.out)
	}
	return &provider.View{
		Definition: h.definition(), Messages: h.out, Model: h.Model, Blobs: &h.store,
	}, points
}

func (h *History) definition() schema.Definition {
	return schema.Definition{
		Model:  &schema.Model{Params: h.Params},
		System: []string{"You are a test.", ""},
		Tools: []schema.ToolDefinition{
			{Name: "shell", Description: "runs", Schema: jsontext.Value(`{"type":"object","properties":{"command":{"type":"string"}}}`)},
			{Name: "weird tool/ü", Schema: jsontext.Value(`{"type":"object","properties":{}}`)},
			{Name: "apply_patch", VendorType: "custom", Item: jsontext.Value(`{"type":"custom","name":"apply_patch","description":"patches"}`)},
			{Name: "shell", Description: "a second one"},
		},
	}
}

func (h *History) next() int64 {
	h.seq += 1 + h.Rand.Int64N(3)
	return h.seq
}

func (h *History) pick(of ...string) string { return of[h.Rand.IntN(len(of))] }

func (h *History) text() string {
	return h.pick("hello", "a longer text\n\nwith two paragraphs", "  ", "", "bad \xff bytes", "trailing space ", strings.Repeat("x", 300), "\u0000 nul", "{\"json\":true}")
}

func (h *History) image() schema.Part {
	digest, size, err := h.store.PutBlob(context.Background(), strings.NewReader("\x89PNG\r\n\x1a\n"+h.text()))
	if err != nil {
		panic(err) // a MemStore takes every blob
	}
	media := h.pick("image/png", "image/png", "image/tiff", "text/plain")
	kind := schema.PartImage
	if media == "text/plain" {
		kind = schema.PartFile
	}
	return schema.Part{Type: kind, Name: "it", Blob: &schema.Blob{Digest: provider.Digest(digest), Size: size, Media: media}}
}

func (h *History) parts() []schema.Part {
	out := []schema.Part{}
	for range h.Rand.IntN(3) {
		out = append(out, schema.TextPart(h.text()))
	}
	switch h.Rand.IntN(8) {
	case 0:
		out = append(out, h.image())
	case 1:
		out = append(out, schema.Part{Type: schema.PartOpaque, VendorType: "x", Item: jsontext.Value("{}")})
	case 2:
		out = append(out, schema.Part{Type: schema.PartImage, Blob: &schema.Blob{Digest: "sha256:" + strings.Repeat("0", 64)}})
	}
	return out
}

func (h *History) user(origin schema.Origin) {
	m := schema.Message{Role: schema.RoleUser, Seq: h.next(), Turn: h.turn, Origin: origin, Content: h.parts()}
	m.Content = append(m.Content, schema.TextPart("say something"))
	h.out = append(h.out, m)
}

// exchange is what a person says, with injected context and now and then a
// compaction before it.
func (h *History) exchange() {
	h.turn++
	h.step = 0
	if h.Rand.IntN(12) == 0 && !h.Hostile {
		h.out = append(h.out, schema.Message{
			Role: schema.RoleUser, Seq: h.next(), Summary: true, Content: []schema.Part{schema.TextPart("a summary")},
		})
	}
	h.user(schema.OriginTyped)
	if h.Rand.IntN(3) == 0 {
		roles := []schema.Role{schema.RoleSystem, schema.RoleDeveloper, schema.RoleUser}
		h.out = append(h.out, schema.Message{
			Role: roles[h.Rand.IntN(3)], Seq: h.next(), Injected: true, Turn: h.turn, Kind: "reminder",
			Content: append(h.parts(), schema.TextPart("context")),
		})
	}
}

// model adds a response with the results of its calls and returns how many there
// were.
func (h *History) model() int {
	h.step++
	m := schema.Message{Role: schema.RoleModel, Seq: h.next(), Turn: h.turn, Step: h.step, Model: h.Model}
	own := h.Issue != nil && h.Rand.IntN(2) == 0
	if !own {
		m.Provider, m.API, m.Model = "elsewhere", "other", "m-1"
	}
	var results []schema.Message
	calls := 0
	for range 1 + h.Rand.IntN(4) {
		b := h.block(int64(calls))
		if own {
			b.Seal = h.Issue(&b, h.Rand.IntN(1000))
		} else if h.Rand.IntN(3) == 0 {
			b.Seal = &schema.Seal{Provider: "elsewhere", API: "other", Model: "m-1", Kind: schema.SealEncrypted, Item: jsontext.Value(`{"foreign":1}`)}
		}
		m.Blocks = append(m.Blocks, b)
		if b.Type == schema.BlockToolCall && b.Kind != schema.CallServer {
			calls++
			results = append(results, h.result(&b))
		}
	}
	h.out = append(h.out, m)
	h.out = append(h.out, results...)
	return calls
}

func (h *History) block(index int64) schema.Block {
	switch h.Rand.IntN(10) {
	case 0, 1:
		return schema.Block{Type: schema.BlockText, Text: schema.String(h.text()), Phase: h.pick("", "", "commentary")}
	case 2, 3:
		return schema.Block{Type: schema.BlockReasoning, Text: schema.String("thinking " + h.text())}
	case 4:
		return schema.Block{Type: schema.BlockRefusal, Text: schema.String("no")}
	case 5:
		switch h.Rand.IntN(3) {
		case 0:
			return schema.Block{Type: schema.BlockOpaque, VendorType: "mystery"}
		case 1:
			return schema.Block{Type: schema.BlockToolCall, Kind: schema.CallServer, Name: "web_search_call", CallKey: schema.NewCallKey(h.turn, h.step, 100+index)}
		}
	}
	b := schema.Block{
		Type: schema.BlockToolCall, Kind: schema.CallFunction, Index: schema.Int(index), CallKey: schema.NewCallKey(h.turn, h.step, index),
		Name: h.pick("shell", "shell", "weird tool/ü", "never_declared", strings.Repeat("n", 90), "apply_patch"), VendorID: h.id(),
	}
	switch {
	case b.Name == "apply_patch":
		b.Kind, b.ArgsRaw = schema.CallCustom, schema.String("*** Begin Patch")
	case h.Rand.IntN(6) == 0:
		b.ArgsRaw = schema.String(h.pick("{not json", "", `"a string"`, `[1]`))
	default:
		b.Args = jsontext.Value(h.pick(`{"command":"ls"}`, `{}`, `{"n":1.50,"u":"\u00e9"}`))
	}
	return b
}

// id returns a vendor's call id: new, used before, or one no API takes.
func (h *History) id() string {
	if len(h.ids) > 0 && h.Rand.IntN(4) == 0 {
		return h.ids[h.Rand.IntN(len(h.ids))]
	}
	id := h.pick("", "call|"+h.text(), strings.Repeat("i", 70))
	if h.Rand.IntN(2) == 0 {
		id = fmt.Sprintf("call_v%d", h.Rand.IntN(10_000))
	}
	h.ids = append(h.ids, id)
	return id
}

func (h *History) result(b *schema.Block) schema.Message {
	r := &schema.Result{CallKey: b.CallKey, VendorID: b.VendorID, Name: b.Name}
	switch h.Rand.IntN(8) {
	case 0: // open for good
	case 1:
		r.Recovered, r.Status, r.ExitCode = true, schema.StatusOK, schema.Int(0)
	case 2:
		r.Status, r.Content = schema.StatusError, append(h.parts(), h.image())
	case 3:
		r.Status, r.Content = schema.StatusDenied, []schema.Part{}
	default:
		r.Status, r.Content = schema.StatusOK, h.parts()
	}
	return schema.Message{Role: schema.RoleTool, Seq: h.next(), Turn: h.turn, Step: h.step, Result: r}
}

// damage does to a view what no fold does.
func (h *History) damage() {
	for range 1 + h.Rand.IntN(4) {
		i := h.Rand.IntN(len(h.out))
		switch h.Rand.IntN(5) {
		case 0:
			j := h.Rand.IntN(len(h.out))
			h.out[i], h.out[j] = h.out[j], h.out[i]
		case 1:
			h.out = append(h.out[:i:i], h.out[i+1:]...)
			if len(h.out) == 0 {
				h.user(schema.OriginTyped)
			}
		case 2:
			h.out = append(h.out[:i:i], append([]schema.Message{h.out[i]}, h.out[i:]...)...)
		case 3:
			h.out = append(h.out, schema.Message{Role: schema.RoleTool, Seq: h.next(), Result: &schema.Result{
				CallKey: "99/9/9", Name: "gone", Status: schema.StatusOK, Content: h.parts(),
			}})
		case 4:
			h.out = append(h.out, schema.Message{Role: schema.RoleModel, Seq: h.next(), Turn: h.turn, Step: 1 + h.Rand.Int64N(3), Blocks: []schema.Block{h.block(0)}})
		}
	}
}

// jsonObject reads any JSON object.
func jsonObject(b []byte) (map[string]jsontext.Value, error) {
	var m map[string]jsontext.Value
	if err := json.Unmarshal(b, &m); err != nil {
		return nil, fmt.Errorf("want a JSON object: %w", err)
	}
	return m, nil
}
