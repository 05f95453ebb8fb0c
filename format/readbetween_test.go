package format_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ownlog/ownlog/format"
	"github.com/ownlog/ownlog/format/storetest"
)

func TestReadBetween(t *testing.T) {
	s := openDir(t, t.TempDir(), format.WithoutSync(), format.WithRollSize(4000))
	log := format.NewLogID()
	start := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	const n = 300
	for i := range n {
		entry := fmt.Appendf(nil, `{"type":"x","time":%q,"n":%d}`, start.Add(time.Duration(i)*250*time.Millisecond).Format(time.RFC3339Nano), i)
		if i%7 == 0 {
			entry = fmt.Appendf(nil, `{"type":"timeless","n":%d}`, i)
		}
		storetest.MustAppend(t, s, log, int64(i), [][]byte{entry})
		if i == 200 {
			if _, err := s.Seal(t.Context(), log); err != nil {
				t.Fatal(err)
			}
		}
	}
	for _, r := range [][2]int{{0, n}, {10, 10}, {100, 130}, {190, 250}, {-50, -10}, {n + 1, n + 9}, {299, 400}} {
		from, to := start.Add(time.Duration(r[0])*250*time.Millisecond), start.Add(time.Duration(r[1])*250*time.Millisecond)
		var got, want []int64
		for e, err := range s.ReadBetween(t.Context(), log, from, to) {
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, e.Seq)
		}
		for i := max(r[0], 0); i <= min(r[1], n-1); i++ {
			if i%7 != 0 {
				want = append(want, int64(i))
			}
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("between %d and %d (-want +got):\n%s", r[0], r[1], diff)
		}
	}
}
