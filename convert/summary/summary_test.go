package summary

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ownlog/ownlog/convert"
	"github.com/ownlog/ownlog/format"
	"github.com/ownlog/ownlog/schema"
)

func appendEvents(t *testing.T, store format.Store, log format.LogID, at int64, events ...*schema.Event) {
	t.Helper()
	var entries [][]byte
	for _, ev := range events {
		b, err := schema.Encode(nil, ev)
		if err != nil {
			t.Fatal(err)
		}
		entries = append(entries, b)
	}
	if _, err := store.Append(t.Context(), log, at, entries); err != nil {
		t.Fatal(err)
	}
}

func said(time, text string) *schema.Event {
	return &schema.Event{
		Time: time, Actor: schema.Actor{Kind: schema.ActorUser}, Turn: 1,
		Source: &schema.Source{Vendor: "toy", Line: 1},
		Data:   &schema.UserMessage{Content: []schema.Part{schema.TextPart(text)}, Origin: schema.OriginTyped},
	}
}

func TestSummaryAndItsCache(t *testing.T) {
	store, log := new(format.MemStore), format.NewLogID()
	cache := Cache{Dir: filepath.Join(t.TempDir(), "cache")}
	long := strings.Repeat("ö", promptLength)
	appendEvents(t, store, log, 0, said("2026-01-02T00:00:02Z", long), said("2026-01-02T00:00:01Z", "again"))
	want := Summary{
		Log: log.String(), Size: 2, Vendor: "toy", Kind: convert.LogSession, Prompt: strings.Repeat("ö", promptLength/2),
		Started: "2026-01-02T00:00:01Z", Ended: "2026-01-02T00:00:02Z", Turns: 1, State: schema.StateRunning,
	}
	for _, round := range []string{"made", "from the cache"} {
		got, err := cache.Of(t.Context(), store, log)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", round, diff)
		}
	}
	// A log that grew is read again; a cache that was spoiled does not matter.
	appendEvents(t, store, log, 2, said("2026-01-03T00:00:00Z", "more"))
	if err := os.WriteFile(filepath.Join(cache.Dir, log.String()+".json"), []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	got, err := cache.Of(t.Context(), store, log)
	if err != nil {
		t.Fatal(err)
	}
	if got.Size != 3 || got.Ended != "2026-01-03T00:00:00Z" {
		t.Errorf("after growth: %d entries until %s", got.Size, got.Ended)
	}
}
