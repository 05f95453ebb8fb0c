//go:build unix

package conformance

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ownlog/ownlog/format"
)

// appenderEnv makes the test binary an appending process: its value is the
// store's directory and the process's name.
const appenderEnv = "OWNLOG_TEST_APPENDER"

func TestMain(m *testing.M) {
	if job := os.Getenv(appenderEnv); job != "" {
		dir, name, _ := strings.Cut(job, "\n")
		if err := appendUntilKilled(dir, name); err != nil {
			fmt.Fprintln(os.Stderr, "appender:", err)
			os.Exit(1)
		}
	}
	os.Exit(m.Run())
}

func processLog() format.LogID { return format.DeriveLogID("processes") }

// appendUntilKilled appends batches of numbered entries and prints the position
// and name of each when it was acknowledged. Some processes seal now and then.
func appendUntilKilled(dir, name string) error {
	s, err := format.OpenDirStore(dir, format.WithRollSize(20_000))
	if err != nil {
		return err
	}
	number, ctx := 0, context.Background()
	for round := 0; ; round++ {
		var batch [][]byte
		var names []string
		for range 1 + round%3 {
			names = append(names, fmt.Sprintf("%s-%d", name, number))
			batch = append(batch, fmt.Appendf(nil, `{"v":1,"type":"note.added","actor":{"kind":"user"},"id":"%s","data":{"text":"%s"}}`, names[len(names)-1], strings.Repeat("x", number%300)))
			number++
		}
		at, _, err := s.AppendTail(ctx, processLog(), batch)
		if err != nil {
			return err
		}
		for i, n := range names {
			fmt.Printf("%d %s\n", at+int64(i), n)
		}
		if strings.HasSuffix(name, "0") && round%40 == 39 {
			if _, err := s.SealClosed(ctx, processLog()); err != nil {
				return err
			}
		}
	}
}

// ack is an entry that a process was told is durable.
type ack struct {
	seq  int64
	name string
}

// Several processes append to one log, roll and seal it, and are killed at any
// moment; nothing that was acknowledged is lost, doubled or moved.
// OWNLOG_SOAK says how many rounds of that are done.
func TestProcesses(t *testing.T) {
	dir := t.TempDir()
	rng := rand.New(rand.NewPCG(3, 5))
	rounds := soakRounds(t, 2)
	acked := []ack{createLog(t, dir)}
	deaths := 0
	for round := range rounds {
		got := runAppenders(t, dir, round, 3, rng)
		deaths += 3
		acked = append(acked, got...)
		if round%10 == 9 || round == rounds-1 {
			checkAcked(t, dir, acked)
		}
		if t.Failed() {
			t.Fatalf("round %d", round)
		}
	}
	if len(acked) == 1 {
		t.Fatal("no process ever had the time to append")
	}
	t.Logf("%d rounds, %d deaths, %d entries acknowledged", rounds, deaths, len(acked))
}

// createLog makes the log, with one entry.
func createLog(t *testing.T, dir string) ack {
	t.Helper()
	s, err := format.OpenDirStore(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	first := []byte(`{"v":1,"type":"note.added","actor":{"kind":"user"},"id":"first-0","data":{"text":""}}`)
	if _, err := s.Append(t.Context(), processLog(), 0, [][]byte{first}); err != nil {
		t.Fatal(err)
	}
	return ack{0, "first-0"}
}

// runAppenders runs n processes, kills them one after the other and returns
// what they said was acknowledged.
func runAppenders(t *testing.T, dir string, round, n int, rng *rand.Rand) []ack {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	var all []ack
	var mu sync.Mutex
	var wg sync.WaitGroup
	for i := range n {
		// It dies at any moment after some batches, whatever time they take.
		enough, delay := rng.IntN(60), time.Duration(rng.IntN(10_000))*time.Microsecond
		cmd := exec.CommandContext(t.Context(), self)
		cmd.Env = append(os.Environ(), fmt.Sprintf("%s=%s\nr%dp%d", appenderEnv, dir, round, i))
		stdout, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		var stderr strings.Builder
		cmd.Stderr = &stderr
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		kill := func() { _ = cmd.Process.Kill() }
		late := time.AfterFunc(time.Minute, kill)
		wg.Go(func() {
			acks := readAcks(stdout, enough, func() { time.AfterFunc(delay, kill) })
			if !late.Stop() {
				t.Errorf("an appender got only %d of %d entries acknowledged in a minute", len(acks), enough)
			}
			var exit *exec.ExitError
			if err := cmd.Wait(); !errors.As(err, &exit) || exit.ExitCode() != -1 {
				t.Errorf("an appender ended by itself: %v\n%s", err, stderr.String())
			}
			mu.Lock()
			defer mu.Unlock()
			all = append(all, acks...)
		})
	}
	wg.Wait()
	return all
}

// readAcks reads the lines of an appender; one without end does not count. Once
// there are enough it calls then.
func readAcks(r io.Reader, enough int, then func()) []ack {
	var acks []ack
	lines := bufio.NewReader(r)
	for {
		if len(acks) == enough {
			then()
		}
		line, err := lines.ReadString('\n')
		if err != nil {
			return acks
		}
		seq, name, _ := strings.Cut(strings.TrimSuffix(line, "\n"), " ")
		n, err := strconv.ParseInt(seq, 10, 64)
		if err != nil {
			return acks
		}
		acks = append(acks, ack{n, name})
	}
}

// checkAcked looks for every acknowledged entry at its place, and for any entry
// that is there twice or before an older one of its process.
func checkAcked(t *testing.T, dir string, acked []ack) {
	t.Helper()
	s, err := format.OpenDirStore(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	report, err := s.Verify(t.Context(), processLog(), format.VerifyOptions{
		Strict:  true,
		Problem: func(p format.Problem) { t.Logf("found %v: %v", p.Severity, p.CorruptError) },
	})
	if err != nil {
		t.Fatal(err)
	}
	if !report.OK() {
		t.Errorf("the log is %v", report.Status)
	}
	var names []string
	last := map[string]int{}
	for e, err := range s.Read(t.Context(), processLog(), 0) {
		if err != nil {
			t.Fatal(err)
		}
		_, rest, _ := strings.Cut(string(e.Bytes), `"id":"`)
		name, _, _ := strings.Cut(rest, `"`)
		names = append(names, name)
		process, digits, _ := strings.Cut(name, "-")
		number, err := strconv.Atoi(digits)
		if err != nil {
			t.Fatalf("entry %d has the id %q", e.Seq, name)
		}
		if before, seen := last[process]; seen && number <= before {
			t.Errorf("entry %d is %s, after number %d of the same process", e.Seq, name, before)
		}
		last[process] = number
	}
	for _, a := range acked {
		if a.seq >= int64(len(names)) {
			t.Errorf("%s was acknowledged at %d; the log has %d entries", a.name, a.seq, len(names))
		} else if names[a.seq] != a.name {
			t.Errorf("%s was acknowledged at %d; there stands %s", a.name, a.seq, names[a.seq])
		}
	}
}
