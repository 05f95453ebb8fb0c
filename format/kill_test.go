package format_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/ownlog/ownlog/format"
	"github.com/ownlog/ownlog/format/storetest"
)

// appenderEnv makes the test binary a process that appends until it is killed.
const appenderEnv = "OWNLOG_TEST_APPENDER"

func TestMain(m *testing.M) {
	if args := os.Getenv(appenderEnv); args != "" {
		if err := appendForever(args); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

// appendForever appends entries in batches of one to four and says on stdout
// what was acknowledged. Now and then it seals, or holds the lock for a while. A
// share of its syncs fails.
func appendForever(args string) error {
	var dir, id, writer, lost string
	var share float64
	if _, err := fmt.Sscan(args, &dir, &id, &writer, &lost, &share); err != nil {
		return err
	}
	log, err := format.ParseLogID(id)
	if err != nil {
		return err
	}
	s, err := format.OpenDirStore(dir, format.WithRollSize(4000), format.WithFailingSyncs(share, lost))
	if err != nil {
		return err
	}
	ctx, at := context.Background(), int64(0)
	release, held := func() error { return nil }, 0
	for i := 0; ; {
		if held--; held == 0 {
			if err := release(); err != nil {
				return err
			}
		} else if held < 0 && at > 0 && rand.IntN(10) == 0 {
			r, err := s.Hold(ctx, log)
			switch {
			case err == nil:
				release, held = r, 1+rand.IntN(10)
			case !errors.Is(err, syscall.EIO):
				return err
			}
		}
		batch := make([][]byte, 1+rand.IntN(4))
		for k := range batch {
			batch[k] = fmt.Appendf(nil, `{"w":%q,"i":%d,"pad":"%s"}`, writer, i+k, strings.Repeat("p", rand.IntN(300)))
		}
		size, err := s.Append(ctx, log, at, batch)
		for errors.Is(err, format.ErrUnknown) {
			size, err = format.Settle(ctx, s, log, at, batch)
		}
		mine := len(batch)
		var c *format.ConflictError
		switch {
		case errors.As(err, &c):
			// What stands before others' entries is ours and durable.
			mine, size = int(c.At-at), c.Size
		case errors.Is(err, syscall.EIO):
			continue // nothing of the batch was written
		case err != nil:
			return err
		}
		for k := range mine {
			fmt.Println(at+int64(k), i+k)
		}
		i += mine
		at = size
		if held <= 0 && rand.IntN(20) == 0 {
			if _, err := s.Seal(ctx, log); err != nil && !errors.Is(err, syscall.EIO) {
				return err
			}
		}
	}
}

// TestKilledProcesses lets several processes append to one log at once, some
// with syncs that fail, and kills them at any moment: nothing acknowledged is
// lost, doubled or reordered. OWNLOG_SOAK sets how many rounds.
func TestKilledProcesses(t *testing.T) {
	rounds := 3
	if text := os.Getenv("OWNLOG_SOAK"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil {
			t.Fatal(err)
		}
		rounds = n
	}
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	dir, lost, log := t.TempDir(), t.TempDir(), format.NewLogID()
	losses := 0
	acked := map[int64]string{}
	var mu sync.Mutex
	for round := range rounds {
		var wg sync.WaitGroup
		for p := range 3 {
			writer := fmt.Sprintf("%d.%d", round, p)
			cmd := exec.Command(exe) // #nosec G204 -- this binary
			cmd.Env = append(os.Environ(), fmt.Sprintf("%s=%s %s %s %s %g", appenderEnv, dir, log, writer, lost, []float64{0, 0.02, 0.15}[p]))
			out, err := cmd.StdoutPipe()
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
			enough := 1 + rand.IntN(60) // acknowledged entries, then it dies at any moment
			wg.Add(1)
			go func() {
				defer wg.Done()
				for lines := bufio.NewScanner(out); lines.Scan(); enough-- {
					if enough == 1 {
						time.AfterFunc(time.Duration(rand.IntN(10_000))*time.Microsecond, kill)
					}
					var seq int64
					var i int
					if n, _ := fmt.Sscan(lines.Text(), &seq, &i); n < 2 {
						continue // the writer died while it wrote the line
					}
					mu.Lock()
					if before, there := acked[seq]; there {
						t.Errorf("entry %d was acknowledged to %s and to %s", seq, before, writer)
					}
					acked[seq] = fmt.Sprintf(`{"w":%q,"i":%d,`, writer, i)
					mu.Unlock()
				}
				_ = cmd.Wait() // it was killed
				if !late.Stop() {
					t.Errorf("writer %s had %d entries to go after a minute", writer, enough)
				}
				if stderr.Len() > 0 {
					t.Errorf("writer %s: %s", writer, &stderr)
				}
			}()
		}
		wg.Wait()
		n, err := format.LoseUnsynced(lost)
		if err != nil {
			t.Fatal(err)
		}
		losses += n
		s := openDir(t, dir)
		all := storetest.ReadAll(t, s, log, 0)
		mu.Lock()
		for seq, begin := range acked {
			if seq >= int64(len(all)) || !strings.HasPrefix(string(all[seq]), begin) {
				t.Fatalf("round %d: entry %d was acknowledged as %s and is not there: %d entries", round, seq, begin, len(all))
			}
		}
		mu.Unlock()
		next := map[string]int{}
		for seq, e := range all {
			var w string
			var i int
			if _, err := fmt.Sscanf(string(e), `{"w":%q,"i":%d,`, &w, &i); err != nil {
				t.Fatal(err)
			}
			if i != next[w] {
				t.Fatalf("round %d: entry %d is number %d of writer %s, want %d", round, seq, i, w, next[w])
			}
			next[w]++
		}
		if r, problems := verify(t, s, log, format.VerifyOptions{Strict: true}); !r.OK() {
			t.Fatalf("round %d: %s:\n%s", round, r.Status, problems)
		}
	}
	if len(acked) == 0 {
		t.Error("nothing was ever acknowledged")
	}
	t.Logf("%d rounds, %d deaths, %d entries acknowledged; %d files lost something at the end of a round", rounds, 3*rounds, len(acked), losses)
}
