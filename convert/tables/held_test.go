package tables

import (
	"context"
	"fmt"
	"iter"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ownlog/ownlog/format"
)

// countingStore counts how often logs are read.
type countingStore struct {
	*format.MemStore
	reads int
}

func (s *countingStore) Read(ctx context.Context, log format.LogID, from int64) iter.Seq2[format.Entry, error] {
	s.reads++
	return s.MemStore.Read(ctx, log, from)
}

// TestSessionIDInEveryRow says the session's id late in the log: all rows have
// it, whether what came before was held or read again.
func TestSessionIDInEveryRow(t *testing.T) {
	for _, tt := range []struct {
		before, size int // entries in front of the one that names the session
		reads        int
	}{
		{0, 10, 1},
		{20, 1000, 1},
		{20, heldLimit / 10, 2},
		{scanLimit - 1, 10, 1},
	} {
		t.Run(fmt.Sprintf("%d entries of %d bytes", tt.before, tt.size), func(t *testing.T) {
			store := &countingStore{MemStore: new(format.MemStore)}
			log := format.LogID{7}
			var list [][]byte
			for range tt.before {
				list = append(list, []byte(`{"v":1,"type":"note.added","actor":{"kind":"user"},"data":{"text":"`+strings.Repeat("x", tt.size)+`"}}`))
			}
			list = append(list, []byte(`{"v":1,"type":"session.opened","actor":{"kind":"system"},"data":{"vendor_session":"late"}}`))
			list = append(list, list[0])
			if _, err := store.Append(t.Context(), log, 0, list); err != nil {
				t.Fatal(err)
			}
			var got, want []string
			for i := range list {
				want = append(want, fmt.Sprint(i, " late"))
			}
			head, err := Project(t.Context(), store, log, Options{}, Sink{Event: func(row *Event) error {
				got = append(got, fmt.Sprint(row.Seq, " ", text(row.SessionID)))
				return nil
			}})
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("rows (-want +got):\n%s", diff)
			}
			if wantHead, err := store.Head(t.Context(), log, -1); err != nil || head != wantHead {
				t.Errorf("head %v, want %v, %v", head, wantHead, err)
			}
			if store.reads != tt.reads {
				t.Errorf("read %d times, want %d", store.reads, tt.reads)
			}
		})
	}
}
