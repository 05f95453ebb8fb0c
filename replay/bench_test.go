package replay_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/ownlog/ownlog/format"
	"github.com/ownlog/ownlog/replay"
	"github.com/ownlog/ownlog/replay/provider"
	"github.com/ownlog/ownlog/replay/provider/anthropic"
	"github.com/ownlog/ownlog/replay/provider/scripted"
	"github.com/ownlog/ownlog/schema"
)

// longSession makes an imported session of about 10 MB in 3,000 entries, half of
// it the vendor's own records.
func longSession(b *testing.B) (format.Store, format.LogID, int64) {
	store := new(format.MemStore)
	log := format.DeriveLogID("ownlog:1:claude-code:session:long")
	bytes, line := int64(0), int64(0)
	var batch [][]byte
	put := func(turn, step int64, data schema.Data, rawSize int) {
		line++
		ev := &schema.Event{
			Type: data.EventType(), Time: "2026-01-02T03:04:05.678Z", Actor: schema.Actor{Kind: schema.ActorModel}, Turn: turn, Step: step,
			ID: fmt.Sprintf("00000000-0000-4000-8000-%012d", line), Source: &schema.Source{Vendor: "claude-code", Line: line}, Data: data,
		}
		if line > 1 {
			ev.Parent = schema.Parent{Known: true, ID: fmt.Sprintf("00000000-0000-4000-8000-%012d", line-1)}
		}
		norm, err := schema.Encode(nil, ev)
		if err != nil {
			b.Fatal(err)
		}
		raw := []byte(`{"record":"` + strings.Repeat("x", rawSize) + `"}`)
		batch = append(batch, format.JoinRaw(nil, norm, raw))
		bytes += int64(len(batch[len(batch)-1]))
	}
	text := strings.Repeat("some words of a result \\n", 64)
	for turn := int64(1); turn <= 100; turn++ {
		put(turn, 0, &schema.UserMessage{Content: []schema.Part{schema.TextPart("do the next thing")}, Origin: schema.OriginTyped}, 200)
		for step := int64(1); step <= 10; step++ {
			put(turn, step, &schema.ModelOutput{
				Provider: "anthropic", API: "messages", Model: "claude-t", ResponseID: fmt.Sprint("msg_", line), Block: schema.Int(0),
				Blocks: []schema.Block{{Type: schema.BlockText, Text: schema.String("Looking at the next file. " + text[:400])}},
			}, 900)
			put(turn, step, &schema.ModelOutput{
				Provider: "anthropic", API: "messages", Model: "claude-t", ResponseID: fmt.Sprint("msg_", line-1), Block: schema.Int(1), StopReason: "tool_use",
				Blocks: []schema.Block{{
					Type: schema.BlockToolCall, Index: schema.Int(0), CallKey: schema.NewCallKey(turn, step, 0), VendorID: fmt.Sprint("toolu_", line),
					Name: "Read", Kind: schema.CallFunction, Args: jsontext.Value(`{"file_path":"/somewhere/file.go","offset":10}`),
				}},
				Usage: &schema.Usage{Input: schema.Int(3), CacheRead: schema.Int(50_000), CacheWrite: schema.Int(700), Output: schema.Int(90)},
			}, 900)
			put(turn, step, &schema.ToolResult{CallKey: schema.NewCallKey(turn, step, 0), Status: schema.StatusOK, Content: []schema.Part{schema.TextPart(strings.Repeat(text, 2))}}, 3_000)
		}
	}
	if _, err := store.Append(context.Background(), log, 0, batch); err != nil {
		b.Fatal(err)
	}
	return store, log, bytes
}

// BenchmarkColdFoldAndProject is the cold way to a request: read, fold and
// project a session of 10 MB.
func BenchmarkColdFoldAndProject(b *testing.B) {
	store, log, size := longSession(b)
	p := anthropic.New(anthropic.Config{})
	b.SetBytes(size)
	for b.Loop() {
		if _, err := replay.ProjectNow(context.Background(), store, log, p, "claude-t", nil); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkWarmStep is one more model step in a session of 10 MB, beside the
// model.
func BenchmarkWarmStep(b *testing.B) {
	store, log, _ := longSession(b)
	inbox := &replay.Inbox{Store: store}
	live, _, err := inbox.Prepare(context.Background(), log, "bench")
	if err != nil {
		b.Fatal(err)
	}
	steps := 0
	var began time.Time
	var spent time.Duration
	p := pausing{Provider: anthropic.New(anthropic.Config{}), more: func() bool {
		if steps > 0 {
			spent += time.Since(began)
		}
		steps++
		return steps <= b.N
	}, done: func() { began = time.Now() }}
	if _, err := inbox.Say(context.Background(), live, schema.TextPart("go")); err != nil {
		b.Fatal(err)
	}
	x := &replay.Executor{Store: store, Provider: p, Model: "claude-t"}
	b.ResetTimer()
	if _, err := x.Run(context.Background(), live); err != nil {
		b.Fatal(err)
	}
	b.ReportMetric(float64(spent.Microseconds())/float64(max(steps-1, 1)), "µs/step")
}

// pausing is a model that asks to be called again as long as more says so.
type pausing struct {
	provider.Provider
	more func() bool
	done func()
}

func (p pausing) Send(_ context.Context, req *provider.Request, _ provider.Stream) (*provider.Response, error) {
	defer p.done()
	stop := "end_turn"
	if p.more() {
		stop = "pause_turn"
	}
	return &provider.Response{Model: req.Model, Blocks: scripted.Say("ok").Blocks, StopReason: stop}, nil
}
