package tables

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ownlog/ownlog/convert/tables/samplelog"
	"github.com/ownlog/ownlog/format"
	"github.com/ownlog/ownlog/schema"
)

// FuzzEvent checks that the fast reader never panics, and that of the entries a
// store takes it reads what schema.Decode reads.
func FuzzEvent(f *testing.F) {
	store := new(format.MemStore)
	if err := samplelog.Fill(f.Context(), store); err != nil {
		f.Fatal(err)
	}
	for _, log := range samplelog.Logs() {
		for e, err := range store.Read(f.Context(), log, 0) {
			if err != nil {
				f.Fatal(err)
			}
			f.Add(e.Bytes)
		}
	}
	f.Add([]byte(`{"data":{"text":"x"},"type":"note.added","v":1,"actor":{"kind":"user"}}`))
	f.Add([]byte(`{"v":1,"type":"note.added","actor":{"kind":"user"},"data":1}`))
	f.Fuzz(func(t *testing.T, entry []byte) {
		var d decoder
		got, err := d.event(entry, func(schema.Type) bool { return true })
		if err != nil || format.CheckEntry(entry) != nil {
			return
		}
		norm, _, err := format.CutRaw(nil, entry)
		if err != nil {
			t.Fatal(err)
		}
		want, err := schema.Decode(norm)
		if err != nil {
			return // the fast reader does not look at what stands behind the data
		}
		if _, unknown := want.Data.(*schema.Unknown); unknown {
			want.Data, got.Data = nil, nil
		}
		// Members that no table needs are passed over.
		want.Epoch, want.Crit, want.Causes, want.Side = got.Epoch, got.Crit, got.Causes, got.Side
		want.Raw64, want.RawBlob, want.RawParts = "", nil, nil
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("entry %s (-schema.Decode +fast):\n%s", entry, diff)
		}
	})
}
