package convert

import (
	"fmt"
	"strings"
	"testing"

	"github.com/ownlog/ownlog/format"
	"github.com/ownlog/ownlog/schema"
)

// A source of rows that gives up half way drops them and leaves the log to the next
// one, which appends all in sealed form however many they are.
func TestRowsAreSealedAsTheyCome(t *testing.T) {
	store, err := format.OpenDirStore(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	m := NewMirror(store, OpenImports(t.TempDir()), false)
	name := LogName{Vendor: "toy", Kind: LogSession, ID: "long"}
	const count = 64
	put := func(n int) *Rows {
		t.Helper()
		r, err := m.OpenRows(t.Context(), name, "toy.db", nil)
		if err != nil {
			t.Fatal(err)
		}
		for i := range n {
			run := Run{
				Row:    &schema.Row{Table: "part", ID: fmt.Sprint(i)},
				Record: Record{Bytes: []byte(`{"text":"` + strings.Repeat(fmt.Sprint(i), 64<<10) + `"}`)},
				Events: []*schema.Event{{Actor: schema.Actor{Kind: schema.ActorUser}, Data: &schema.NoteAdded{Text: schema.String("n")}}},
			}
			if err := r.Put(t.Context(), run); err != nil {
				t.Fatal(err)
			}
		}
		return r
	}
	given := put(count - 1)
	given.Release()
	given.Release()
	if _, err := store.Info(t.Context(), name.LogID()); err == nil {
		t.Error("rows that were given up are in the log")
	}
	r := put(count)
	out, err := r.Close(t.Context())
	r.Release()
	if err != nil {
		t.Fatal(err)
	}
	if !out.Sealed || out.Appended != count || out.Head.Size != count {
		t.Errorf("sealed %t, %d appended, head %s; want %d in sealed form", out.Sealed, out.Appended, out.Head, count)
	}
	result, err := store.Verify(t.Context(), name.LogID(), format.VerifyOptions{})
	if err != nil || result.Head != out.Head {
		t.Errorf("verified %+v, %v; want %s", result, err, out.Head)
	}
}
