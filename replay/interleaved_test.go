package replay_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ownlog/ownlog/format"
	"github.com/ownlog/ownlog/replay"
	"github.com/ownlog/ownlog/replay/provider/scripted"
	"github.com/ownlog/ownlog/schema"
)

// crowdedStore lets somebody else append just before an executor's n-th append.
type crowdedStore struct {
	format.Store
	mu       sync.Mutex
	left     int
	somebody func()
}

func (s *crowdedStore) Append(ctx context.Context, log format.LogID, at int64, entries [][]byte) (int64, error) {
	s.mu.Lock()
	if len(entries) > 0 {
		s.left--
	}
	now := s.left == 0 && len(entries) > 0
	s.mu.Unlock()
	if now {
		s.somebody()
	}
	return s.Store.Append(ctx, log, at, entries)
}

// TestSomebodyElseAppends lets a person append in front of every append of an
// executor. What has happened stays, what was about to happen is decided anew, and
// whoever watches the executor sees the log as it is.
func TestSomebodyElseAppends(t *testing.T) {
	say := func(tr *trial) { tr.say("and one more thing") }
	interrupt := func(tr *trial) {
		if _, err := tr.inbox.Interrupt(tr.t.Context(), tr.log, "enough"); err != nil {
			tr.t.Error(err)
		}
	}
	for _, s := range scenarios {
		for name, somebody := range map[string]func(*trial){"message": say, "interrupt": interrupt} {
			t.Run(s.name+" "+name, func(t *testing.T) {
				for n := 1; ; n++ {
					tr := newTrial(t)
					tr.say("go")
					s := s
					s.steps = append(slices.Clip(s.steps), scripted.Say("that, too"))
					store := &crowdedStore{Store: tr.store, left: n, somebody: func() { somebody(tr) }}
					shown := make(map[int64]string)
					for range 20 {
						x := tr.executorFor(s)
						x.Store = store
						x.OnEvent = func(_ format.LogID, seq int64, ev *schema.Event) {
							if shown[seq] != "" {
								t.Errorf("append %d: entry %d is shown twice", n, seq)
							}
							shown[seq] = ev.ID
						}
						out, err := x.Run(t.Context(), tr.log)
						if err != nil {
							t.Fatalf("append %d: %v\n%s", n, err, strings.Join(tr.story(), "\n"))
						}
						if out.Status == replay.StatusIdle {
							break
						}
						for _, p := range out.Standing.Permissions {
							if _, err := tr.inbox.Decide(t.Context(), tr.log, replay.Answer{Call: p.Key, Decision: schema.DecisionAllow}); err != nil {
								t.Fatal(err)
							}
						}
					}
					where := fmt.Sprintf("somebody else before append %d", n)
					tr.checkCalls(where)
					tr.checkShown(where, shown)
					outputs, requests := map[string]int{}, map[string]bool{}
					for _, ev := range tr.events() {
						switch ev.Type {
						case schema.TypeModelOutput:
							outputs[fmt.Sprint(ev.Turn, "/", ev.Step)]++
						case schema.TypeModelRequested:
							requests[fmt.Sprint(ev.Turn, "/", ev.Step)] = true
						}
					}
					for step := range requests {
						if outputs[step] != 1 && s.name != "failing" {
							t.Errorf("%s: step %s has %d responses\n%s", where, step, outputs[step], strings.Join(tr.story(), "\n"))
						}
					}
					if store.left > 0 {
						break // it has no n-th append
					}
				}
			})
		}
	}
}

// checkShown checks that an executor has shown its own entries, and all as they are.
func (tr *trial) checkShown(where string, shown map[int64]string) {
	tr.t.Helper()
	for seq, ev := range tr.events() {
		id, ok := shown[int64(seq)]
		if own := ev.Epoch > 0 && ev.Type != schema.TypeLeaseAcquired; ok && id != ev.ID || !ok && own {
			tr.t.Errorf("%s: entry %d is %s %s, shown was %q", where, seq, ev.Type, ev.ID, id)
		}
	}
}

// narrowStore takes one entry at a time.
type narrowStore struct{ format.Store }

func (s narrowStore) Caps() format.Caps {
	c := s.Store.Caps()
	c.MaxBatch = 1
	return c
}

func (s narrowStore) Append(ctx context.Context, log format.LogID, at int64, entries [][]byte) (int64, error) {
	if len(entries) > 1 {
		return 0, fmt.Errorf("%d entries at once", len(entries))
	}
	return s.Store.Append(ctx, log, at, entries)
}

func TestStoreOfSmallBatches(t *testing.T) {
	for _, s := range scenarios {
		wide := newTrial(t)
		wide.say("go")
		wide.finish(s)
		narrow := newTrial(t)
		narrow.store = narrowStore{narrow.store}
		narrow.say("go")
		narrow.finish(s)
		if diff := cmp.Diff(wide.essence(), narrow.essence()); diff != "" {
			t.Errorf("%s: (-any batch +one entry at a time):\n%s", s.name, diff)
		}
	}
}
