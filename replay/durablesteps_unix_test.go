//go:build unix

package replay_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/ownlog/ownlog/format"
	"github.com/ownlog/ownlog/replay"
	"github.com/ownlog/ownlog/replay/provider"
	"github.com/ownlog/ownlog/replay/provider/anthropic"
	"github.com/ownlog/ownlog/replay/provider/scripted"
	"github.com/ownlog/ownlog/replay/tool"
	"github.com/ownlog/ownlog/schema"
)

// BenchmarkDurableSteps lets a worker advance sessions in a store that syncs, in
// their second turn, and then makes the very same appends, side by side in the
// same way, without an executor. The share is what is left of the bare loop's
// speed. A step is a request, a response that calls a tool, and its result.
func BenchmarkDurableSteps(b *testing.B) {
	const sessions, steps, hands = 64, 8, 16
	instant := action{"readonly", schema.EffectReadonly, func(context.Context, tool.Call) (tool.Result, error) {
		return tool.Result{Status: schema.StatusOK, Content: []schema.Part{schema.TextPart("done")}}, nil
	}}
	ctx := context.Background()
	var worked, bare stretch
	appends := 0
	for b.Loop() {
		dir := directory(b)
		store := &recordingStore{Store: dir}
		logs := crowd(b, store, sessions)
		worker := &replay.Worker{
			Store: store, Sessions: hands, UntilIdle: true,
			Executor: &replay.Executor{
				Provider: instantModel{anthropic.New(anthropic.Config{}), steps}, Model: "claude-t", Tools: tool.NewSet(instant),
				Hints: replay.DirHints{Dir: dir.Dir()},
			},
		}
		if err := worker.Work(ctx); err != nil {
			b.Fatal(err)
		}
		inbox := &replay.Inbox{Store: store}
		for _, log := range logs {
			if _, err := inbox.Say(ctx, log, schema.TextPart("go on")); err != nil {
				b.Fatal(err)
			}
		}
		setup := store.taken()
		worked.add(func() {
			if err := worker.Work(ctx); err != nil {
				b.Fatal(err)
			}
		})
		made := store.taken()

		other := directory(b)
		for _, log := range logs {
			appendAll(b, other, log, 0, setup[log])
		}
		bare.add(func() {
			todo := make(chan format.LogID)
			var wg sync.WaitGroup
			for range hands {
				wg.Go(func() {
					for log := range todo {
						appendAll(b, other, log, sizeOf(setup[log]), made[log])
					}
				})
			}
			for _, log := range logs {
				appends += len(made[log])
				todo <- log
			}
			close(todo)
			wg.Wait()
		})
		if err := errors.Join(dir.Close(), other.Close()); err != nil { // of many rounds they would be too many open files
			b.Fatal(err)
		}
	}
	total := float64(b.N * sessions * steps)
	b.ReportMetric(total/worked.wall.Seconds(), "steps/s")
	b.ReportMetric(total/bare.wall.Seconds(), "bare-steps/s")
	b.ReportMetric(100*bare.wall.Seconds()/worked.wall.Seconds(), "%-of-bare")
	b.ReportMetric(float64(appends)/total, "syncs/step")
	b.ReportMetric(float64(worked.processor.Microseconds())/total, "cpu-µs/step")
	b.ReportMetric(float64(bare.processor.Microseconds())/total, "bare-cpu-µs/step")
	b.ReportMetric(0, "ns/op") // counts the making of the stores, too
}

// instantModel takes no time: it says hello, then calls a tool until the turn has
// so many steps. It projects like its provider.
type instantModel struct {
	*anthropic.Provider
	steps int
}

func (m instantModel) Send(_ context.Context, req *provider.Request, _ provider.Stream) (*provider.Response, error) {
	step := scripted.Say("done")
	switch said := bytes.Count(req.Body, []byte(`"role":"assistant"`)); {
	case said > m.steps:
		return nil, fmt.Errorf("%d responses before this one, want at most %d", said, m.steps)
	case said > 0 && said < m.steps:
		step = calls("readonly")
	}
	return &provider.Response{Model: req.Model, Blocks: step.Blocks, StopReason: step.StopReason}, nil
}

// stretch is time that something has taken, on the clock and of the processor.
type stretch struct{ wall, processor time.Duration }

func (s *stretch) add(f func()) {
	began, used := time.Now(), processorTime()
	f()
	s.wall += time.Since(began)
	s.processor += processorTime() - used
}

// processorTime is what the process has used, in the system and outside.
func processorTime() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		panic(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func sizeOf(batches [][][]byte) (n int64) {
	for _, batch := range batches {
		n += int64(len(batch))
	}
	return n
}

func appendAll(b *testing.B, store format.Store, log format.LogID, at int64, batches [][][]byte) {
	for _, batch := range batches {
		next, err := store.Append(context.Background(), log, at, batch)
		if err != nil {
			b.Error(err)
			return
		}
		at = next
	}
}

// recordingStore keeps what is appended, batch by batch.
type recordingStore struct {
	format.Store
	batches sync.Map // by log, of *[][][]byte; appends to one log come one after the other
}

func (s *recordingStore) Append(ctx context.Context, log format.LogID, at int64, entries [][]byte) (int64, error) {
	next, err := s.Store.Append(ctx, log, at, entries)
	if err == nil && len(entries) > 0 {
		kept, ok := s.batches.Load(log)
		if !ok {
			kept, _ = s.batches.LoadOrStore(log, new([][][]byte))
		}
		batches := kept.(*[][][]byte)
		*batches = append(*batches, entries) // an executor does not use them again
	}
	return next, err
}

// taken returns what was kept and forgets it.
func (s *recordingStore) taken() map[format.LogID][][][]byte {
	out := make(map[format.LogID][][][]byte)
	s.batches.Range(func(log, batches any) bool {
		out[log.(format.LogID)] = *batches.(*[][][]byte)
		return true
	})
	s.batches.Clear()
	return out
}
