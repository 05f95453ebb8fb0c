package claudecode

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ownlog/ownlog/convert"
	"github.com/ownlog/ownlog/schema"
)

// TestSessionIndex: entries of the index that older versions kept are rows of
// their sessions' assets logs, and marked when they are gone.
func TestSessionIndex(t *testing.T) {
	const first, second = "11111111-1111-4111-8111-111111111111", "22222222-2222-4222-8222-222222222222"
	one := `{"sessionId":"` + first + `", "summary":"one"}`
	two := `{"sessionId":"` + second + `","summary":"two"}`
	store := newTestStore()
	home := writeHome(t, map[string]string{"projects/-p/sessions-index.json": `{"version":1,"entries":[` + one + ",\n" + two + `]}`})
	store.importDir(t, home)
	index := filepath.Join(home, "projects", "-p", "sessions-index.json")
	if err := os.WriteFile(index, []byte(`{"version":1,"entries":[`+two+`]}`), 0o600); err != nil {
		t.Fatal(err)
	}
	store.importDir(t, home)
	store.importDir(t, home)
	for session, want := range map[string][]string{first: {one, "gone"}, second: {two}} {
		log := convert.LogName{Vendor: Name, Kind: convert.LogAssets, ID: session}.LogID()
		var got []string
		err := convert.WalkEvents(context.Background(), &store.MemStore, log, 0, -1, func(e convert.LogEvent) error {
			if e.Event.Data.(*schema.VendorRecord).Kind == schema.KindGone {
				got = append(got, "gone")
			} else {
				got = append(got, string(e.Raw))
			}
			return nil
		})
		if diff := cmp.Diff(want, got); err != nil || diff != "" {
			t.Errorf("session %s, %v (-want +got):\n%s", session, err, diff)
		}
		_, report := store.export(t, log, -1, nil)
		if dropped := report.Count(schema.Dropped); dropped != int64(len(want)%2) {
			t.Errorf("session %s: %d entries of the index are reported as dropped", session, dropped)
		}
	}
}
