package format_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ownlog/ownlog/format"
	"github.com/ownlog/ownlog/format/storetest"
)

func entry(n int) []byte { return fmt.Appendf(nil, `{"n":%d}`, n) }

// TestHold: nobody else appends while a log is held, everybody does after.
func TestHold(t *testing.T) {
	ctx, dir, log := t.Context(), t.TempDir(), format.NewLogID()
	ours, theirs := openDir(t, dir), openDir(t, dir)
	if _, err := ours.Hold(ctx, log); !errors.Is(err, format.ErrNotFound) {
		t.Fatalf("hold a log that is not there: %v", err)
	}
	if _, err := ours.Append(ctx, log, 0, [][]byte{entry(0)}); err != nil {
		t.Fatal(err)
	}
	release, err := ours.Hold(ctx, log)
	if err != nil {
		t.Fatal(err)
	}
	again, err := ours.Hold(ctx, log)
	if err != nil {
		t.Fatal(err)
	}
	for n := 1; n < 4; n++ {
		if size, err := ours.Append(ctx, log, int64(n), [][]byte{entry(n)}); err != nil || size != int64(n+1) {
			t.Fatalf("append %d: size %d, %v", n, size, err)
		}
		if err := again(); err != nil { // once is enough, twice does no harm
			t.Fatal(err)
		}
	}
	var conflict *format.ConflictError
	if _, err := ours.Append(ctx, log, 1, [][]byte{entry(9)}); !errors.As(err, &conflict) || conflict.Size != 4 {
		t.Fatalf("append at 1 of 4: %v", err)
	}

	// The other store tries, and would go on as long as it is held.
	waiting, stop := context.WithCancel(ctx)
	ended := make(chan error)
	go func() {
		_, _, err := theirs.AppendTail(waiting, log, [][]byte{entry(9)})
		ended <- err
	}()
	if all := storetest.ReadAll(t, ours, log, 0); len(all) != 4 {
		t.Fatalf("the holder reads %d entries of 4", len(all))
	}
	stop()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Fatalf("append to a held log: %v", err)
	}
	if err := release(); err != nil {
		t.Fatal(err)
	}
	if at, _, err := theirs.AppendTail(ctx, log, [][]byte{entry(4)}); err != nil || at != 4 {
		t.Fatalf("append after the release: at %d, %v", at, err)
	}
	if at, _, err := ours.AppendTail(ctx, log, [][]byte{entry(5)}); err != nil || at != 5 {
		t.Fatalf("append of the one that held it: at %d, %v", at, err)
	}
	if r, problems := verify(t, ours, log, format.VerifyOptions{Strict: true}); !r.OK() {
		t.Fatalf("%s:\n%s", r.Status, problems)
	}
	if segments, _ := filepath.Glob(filepath.Join(dir, "logs", log.String(), "*.jsonl")); len(segments) != 1 {
		t.Errorf("%d segments, want 1: a holder that releases leaves nothing to be copied", len(segments))
	}
}

// TestHolderDies: what was appended while the log was held is there, and goes on.
func TestHolderDies(t *testing.T) {
	t.Run("synced", func(t *testing.T) { testHolderDies(t, []bool{true, true, true}) })
	// Without a sync nothing is written but lines, until they are many.
	t.Run("not synced", func(t *testing.T) { testHolderDies(t, []bool{false, true, false}, format.WithoutSync()) })
}

// testHolderDies makes three appends and dies; recorded says after which of them
// the lock record is another one.
func testHolderDies(t *testing.T, recorded []bool, opts ...format.DirOption) {
	ctx, dir, log := t.Context(), t.TempDir(), format.NewLogID()
	record := func() string {
		b, err := os.ReadFile(filepath.Join(dir, "logs", log.String(), "lock"))
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	ours := openDir(t, dir, opts...)
	if _, err := ours.Append(ctx, log, 0, [][]byte{entry(0)}); err != nil {
		t.Fatal(err)
	}
	if _, err := ours.Hold(ctx, log); err != nil {
		t.Fatal(err)
	}
	before := record()
	size := int64(1)
	for n, pad := range []int{0, 600_000, 0} {
		e := fmt.Appendf(nil, `{"pad":"%s"}`, strings.Repeat("p", pad))
		var err error
		if size, err = ours.Append(ctx, log, size, [][]byte{e, e}); err != nil {
			t.Fatal(err)
		}
		now := record()
		if (now != before) != recorded[n] {
			t.Errorf("append %d: a new record: %t, want %t", n+1, now != before, recorded[n])
		}
		before = now
	}
	if err := ours.Close(); err != nil { // as death does, this gives the lock back and nothing else
		t.Fatal(err)
	}
	theirs := openDir(t, dir, opts...)
	if at, _, err := theirs.AppendTail(ctx, log, [][]byte{entry(4)}); err != nil || at != size {
		t.Fatalf("append after the death: at %d, %v", at, err)
	}
	if r, problems := verify(t, theirs, log, format.VerifyOptions{Strict: true}); !r.OK() || r.Head.Size != size+1 {
		t.Fatalf("%s, %d entries:\n%s", r.Status, r.Head.Size, problems)
	}
}
