package codex

import (
	"context"
	"testing"

	"github.com/ownlog/ownlog/format"
	"github.com/ownlog/ownlog/schema"
)

// TestImportsAreValid runs the validator over the logs of the recordings.
func TestImportsAreValid(t *testing.T) {
	rollouts(t, func(name string, content []byte) {
		l := importContent(t, content)
		v := schema.NewValidator(schema.ValidatorOptions{Canonical: true, Report: func(p schema.Problem) {
			if p.Level != schema.LevelNote {
				t.Errorf("%s, entry %d: %s %s: %s", name, p.Seq, p.Code, p.Path, p.Message)
			}
		}})
		for e, err := range l.store.Read(context.Background(), l.log, 0) {
			if err != nil {
				t.Fatal(err)
			}
			norm, raw, err := format.CutRaw(nil, e.Bytes)
			if err != nil {
				t.Fatal(err)
			}
			v.Entry(e.Seq, norm, raw != nil)
		}
		v.Close()
	})
}
