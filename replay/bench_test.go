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
	"github.com/ownlog/ownlog/replay/tool"
	"github.com/ownlog/ownlog/schema"
)

// longSession makes an imported session of about 10 MB in 3,000 entries, half of
// it the vendor's own records.
func longSession(b *testing.B, store format.Store) (format.LogID, int64) {
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
	return log, bytes
}

// directory returns a store in a directory; unsynced it costs what an executor
// adds beside syncs.
func directory(b *testing.B, options ...format.DirOption) *format.DirStore {
	store, err := format.OpenDirStore(b.TempDir(), options...)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { store.Close() })
	return store
}

// BenchmarkColdFoldAndProject is the cold way to a request: read, fold and
// project a session of 10 MB.
func BenchmarkColdFoldAndProject(b *testing.B) {
	for name, store := range map[string]format.Store{"memory": new(format.MemStore), "directory": directory(b, format.WithoutSync())} {
		log, size := longSession(b, store)
		p := anthropic.New(anthropic.Config{})
		b.Run(name, func(b *testing.B) {
			b.SetBytes(size)
			for b.Loop() {
				if _, err := replay.ProjectNow(context.Background(), store, log, p, "claude-t", nil, false); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkWarmStep is one more step in a session of 10 MB: a response that calls
// a tool, the tool's result, the next request, in four appends. Model, tool and
// syncs take no time here, so all of it is what an executor adds; in a directory
// that is the writing of its files, too.
func BenchmarkWarmStep(b *testing.B) {
	b.Run("memory", func(b *testing.B) { warmSteps(b, new(format.MemStore), nil) })
	b.Run("directory", func(b *testing.B) {
		store := directory(b, format.WithoutSync())
		warmSteps(b, store, replay.DirHints{Dir: store.Dir()})
	})
}

func warmSteps(b *testing.B, store format.Store, hints replay.Hints) {
	log, _ := longSession(b, store)
	inbox := &replay.Inbox{Store: store}
	live, _, err := inbox.Prepare(context.Background(), log, "bench")
	if err != nil {
		b.Fatal(err)
	}
	if _, err := inbox.Say(context.Background(), live, schema.TextPart("go")); err != nil {
		b.Fatal(err)
	}
	m := &stopwatch{Provider: anthropic.New(anthropic.Config{}), steps: b.N + 1}
	x := &replay.Executor{
		Store: store, Provider: m, Model: "claude-t", Tools: tool.NewSet(newEffects("readonly", schema.EffectReadonly)), Hints: hints,
	}
	if _, err := x.Run(context.Background(), live); err != nil {
		b.Fatal(err)
	}
	b.ReportMetric(float64(m.between.Microseconds())/float64(b.N), "µs/step")
	b.ReportMetric(0, "ns/op") // counts the first, cold, request too
}

// stopwatch is a model that calls a tool so many times, and the time between its
// responses and the next requests. It projects like its provider.
type stopwatch struct {
	*anthropic.Provider
	steps   int
	asked   int
	left    time.Time
	between time.Duration
}

func (s *stopwatch) Send(_ context.Context, req *provider.Request, _ provider.Stream) (*provider.Response, error) {
	if s.asked++; s.asked > 1 {
		s.between += time.Since(s.left)
	}
	defer func() { s.left = time.Now() }()
	step := scripted.Say("done")
	if s.asked <= s.steps-1 {
		step = calls("readonly")
	}
	return &provider.Response{Model: req.Model, Blocks: step.Blocks, StopReason: step.StopReason}, nil
}
