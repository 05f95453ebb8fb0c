package replay_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/ownlog/ownlog/format"
	"github.com/ownlog/ownlog/replay"
	"github.com/ownlog/ownlog/replay/provider"
	"github.com/ownlog/ownlog/replay/provider/scripted"
	"github.com/ownlog/ownlog/replay/tool"
	"github.com/ownlog/ownlog/schema"
)

// crowd makes sessions that each wait for an answer.
func crowd(t testing.TB, store format.Store, n int) []format.LogID {
	inbox := &replay.Inbox{Store: store}
	logs := make([]format.LogID, n)
	for i := range logs {
		log, err := inbox.Create(context.Background(), schema.SessionOpened{})
		if err == nil {
			_, err = inbox.Say(context.Background(), log, schema.TextPart("go"))
		}
		if err != nil {
			t.Fatal(err)
		}
		logs[i] = log
	}
	return logs
}

func TestWorkersShareAStore(t *testing.T) {
	const sessions, workers = 30, 3
	store := new(format.MemStore)
	logs := crowd(t, store, sessions)
	e := newEffects("effectful", schema.EffectEffectful)
	failing := calls("effectful")
	failing.Failures = []scripted.Failure{{Class: schema.ErrorOverloaded, RetryAfterMS: 5}}
	var mu sync.Mutex
	ran, fenced := map[string]int{}, 0
	count := action{"effectful", schema.EffectEffectful, func(ctx context.Context, call tool.Call) (tool.Result, error) {
		mu.Lock()
		defer mu.Unlock()
		ran[call.Token]++
		return e.Run(ctx, call)
	}}
	var wg sync.WaitGroup
	for w := range workers {
		wg.Add(1)
		go func() {
			defer wg.Done()
			worker := &replay.Worker{
				Store: store, Sessions: 8, Poll: 10 * time.Millisecond, UntilIdle: true,
				Executor: &replay.Executor{
					Provider: provider.Limit(scripted.New(failing, scripted.Say("done")), 4), Model: "script", Tools: tool.NewSet(count),
					Policy: fixedPolicy(replay.Allow), Holder: fmt.Sprint("worker ", w), Retry: replay.Retry{Base: time.Millisecond}, TTL: 10 * time.Minute,
				},
				OnOutcome: func(log format.LogID, _ replay.Outcome, err error) {
					if errors.Is(err, replay.ErrFenced) { // it was slower than its lease
						mu.Lock()
						fenced++
						mu.Unlock()
					} else if err != nil {
						t.Errorf("log %s: %v", log, err)
					}
				},
			}
			if err := worker.Work(t.Context()); err != nil {
				t.Error(err)
			}
		}()
	}
	wg.Wait()
	for _, log := range logs {
		st, err := replay.Look(t.Context(), store, log)
		if err != nil || st.Running || st.Held {
			t.Fatalf("log %s: %+v, %v", log, st, err)
		}
	}
	for token, n := range ran {
		if n > 1 {
			t.Errorf("call %s was dispatched %d times", token, n)
		}
	}
	// Who loses the lease just before a call leaves it undone for good.
	if len(ran) > sessions || len(ran) < sessions-fenced {
		t.Errorf("%d dispatches in %d sessions, %d times fenced", len(ran), sessions, fenced)
	}
}

func TestWorkerStopsBetweenSteps(t *testing.T) {
	store := new(format.MemStore)
	logs := crowd(t, store, 1)
	ctx, cancel := context.WithCancel(t.Context())
	finished := false
	slow := action{"readonly", schema.EffectReadonly, func(context.Context, tool.Call) (tool.Result, error) {
		cancel()
		time.Sleep(50 * time.Millisecond)
		finished = true
		return ok("done"), nil
	}}
	worker := &replay.Worker{Store: store, Executor: &replay.Executor{
		Provider: scripted.New(calls("readonly"), scripted.Say("done")), Model: "script", Tools: tool.NewSet(slow),
	}}
	if err := worker.Work(ctx); err != nil {
		t.Fatal(err)
	}
	st, err := replay.Look(t.Context(), store, logs[0])
	if err != nil || !finished || !st.Running || st.Held {
		t.Errorf("finished %t, %+v, %v: want the call finished, the turn open, the lease given back", finished, st, err)
	}
	worker.UntilIdle, worker.Poll = true, 10*time.Millisecond
	if err := worker.Work(t.Context()); err != nil {
		t.Fatal(err)
	}
	if st, err := replay.Look(t.Context(), store, logs[0]); err != nil || st.Running {
		t.Errorf("%+v, %v", st, err)
	}
}

// busy is a model that counts how many requests are under way and answers when
// told to.
type busy struct {
	provider.Provider
	mu        sync.Mutex
	now, most int
	arrived   chan struct{}
	gate      chan struct{}
}

func (b *busy) Send(ctx context.Context, req *provider.Request, stream provider.Stream) (*provider.Response, error) {
	b.mu.Lock()
	b.now++
	b.most = max(b.most, b.now)
	b.mu.Unlock()
	b.arrived <- struct{}{}
	<-b.gate
	b.mu.Lock()
	b.now--
	b.mu.Unlock()
	return b.Provider.Send(ctx, req, stream)
}

// TestWorkerWithItsHandsFull: a worker claims no lease of a session that it has no
// hand for, and sends a provider no more requests than it may.
func TestWorkerWithItsHandsFull(t *testing.T) {
	const sessions, hands, requests = 9, 4, 2
	store := new(format.MemStore)
	logs := crowd(t, store, sessions)
	model := &busy{Provider: scripted.New(scripted.Say("done")), arrived: make(chan struct{}, sessions), gate: make(chan struct{})}
	worker := &replay.Worker{
		Store: store, Sessions: hands, Poll: 10 * time.Millisecond, UntilIdle: true,
		Executor: &replay.Executor{Provider: provider.Limit(model, requests), Model: "script"},
	}
	done := make(chan error, 1)
	go func() { done <- worker.Work(t.Context()) }()
	for range requests {
		<-model.arrived
	}
	held := func() (n int) {
		for _, log := range logs {
			st, err := replay.Look(t.Context(), store, log)
			if err != nil {
				t.Error(err)
			}
			if st.Held {
				n++
			}
		}
		return n
	}
	for held() < hands { // the other hands get there, too
		time.Sleep(time.Millisecond)
	}
	if n := held(); n > hands {
		t.Errorf("%d leases are held by a worker with %d hands", n, hands)
	}
	close(model.gate)
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if model.most > requests {
		t.Errorf("%d requests were under way, want at most %d", model.most, requests)
	}
	for _, log := range logs {
		if st, err := replay.Look(t.Context(), store, log); err != nil || st.Running || st.Held {
			t.Errorf("log %s: %+v, %v", log, st, err)
		}
	}
}
