//go:build unix

package replay_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/ownlog/ownlog/format"
	"github.com/ownlog/ownlog/replay"
	"github.com/ownlog/ownlog/replay/provider/scripted"
	"github.com/ownlog/ownlog/schema"
)

// idleEnv names the store of a worker in a process of its own whose memory is
// measured.
const idleEnv = "OWNLOG_REPLAY_TEST_IDLE"

// BenchmarkIdleSessions measures the memory of a process that is a worker for
// 10,000 sessions that wait for people: when it has looked at all of them, and at
// most. The system must have /proc.
func BenchmarkIdleSessions(b *testing.B) {
	const sessions = 10_000
	store := directory(b, format.WithoutSync())
	for range sessions {
		idleSession(b, store)
	}
	for b.Loop() {
		cmd := exec.Command(os.Args[0], "-test.run=^$")
		cmd.Env = append(os.Environ(), idleEnv+"="+store.Dir())
		cmd.Stderr = os.Stderr
		out, err := cmd.Output()
		if err != nil {
			b.Fatal(err)
		}
		var resident, peak, seen float64
		if _, err := fmt.Sscan(string(out), &resident, &peak, &seen); err != nil || seen != sessions {
			b.Fatalf("%q: %v", out, err)
		}
		b.ReportMetric(resident/1e3, "MB-resident")
		b.ReportMetric(peak/1e3, "MB-at-most")
	}
}

// idleSession makes a session whose one turn is over.
func idleSession(b *testing.B, store format.Store) {
	clock := replay.SystemClock{}
	var batch [][]byte
	put := func(actor schema.ActorKind, turn, step int64, data schema.Data) {
		ev := &schema.Event{
			Type: data.EventType(), Time: clock.Now().UTC().Format(time.RFC3339Nano), Actor: schema.Actor{Kind: actor},
			ID: replay.RandomIDs{}.EntryID(), Turn: turn, Step: step, Data: data,
		}
		e, err := schema.Encode(nil, ev)
		if err != nil {
			b.Fatal(err)
		}
		batch = append(batch, e)
	}
	put(schema.ActorUser, 0, 0, &schema.SessionOpened{Title: "idle"})
	put(schema.ActorUser, 1, 0, &schema.UserMessage{Content: []schema.Part{schema.TextPart("hello")}, Origin: schema.OriginTyped})
	put(schema.ActorModel, 1, 1, &schema.ModelOutput{Provider: scripted.Name, API: scripted.API, Model: "m", StopReason: "end_turn", Blocks: scripted.Say("hello").Blocks})
	put(schema.ActorExecutor, 1, 0, &schema.TurnFinished{Reason: schema.TurnEnd})
	if _, err := store.Append(context.Background(), format.NewLogID(), 0, batch); err != nil {
		b.Fatal(err)
	}
}

// runIdle works on a store until it has looked at every session, then at the
// store some more times, and prints the memory it holds and held at most, in kB.
func runIdle(dir string) int {
	store, err := format.OpenDirStore(dir, format.WithoutSync())
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	logs := 0
	for range store.List(context.Background()) {
		logs++
	}
	const poll = time.Second
	ctx, cancel := context.WithCancel(context.Background())
	seen := 0
	worker := &replay.Worker{
		Store: store, Poll: poll, Executor: &replay.Executor{Provider: scripted.New(), Model: "m", Hints: replay.DirHints{Dir: dir}},
		OnOutcome: func(_ format.LogID, out replay.Outcome, err error) {
			if err == nil && out.Status == replay.StatusIdle {
				seen++
			}
			if seen == logs {
				time.AfterFunc(5*poll, cancel)
			}
		},
	}
	if err := worker.Work(ctx); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	memory := map[string]string{}
	for line := range strings.Lines(string(status)) {
		name, value, _ := strings.Cut(line, ":")
		memory[name] = strings.TrimSuffix(strings.TrimSpace(value), " kB")
	}
	fmt.Println(memory["VmRSS"], memory["VmHWM"], seen)
	return 0
}
