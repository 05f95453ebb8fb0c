package replay_test

import (
	"context"
	"encoding/base64"
	"fmt"
	"sync"
	"testing"

	"github.com/ownlog/ownlog/format"
	"github.com/ownlog/ownlog/schema"
)

// schemasOnce compiles the JSON Schemas.
var schemasOnce = sync.OnceValues(schema.NewSchemas)

// checkValid checks a log against the invariants of the event model, its forks
// and blobs included, and its entries against their JSON Schemas.
func checkValid(t *testing.T, store format.Store, log format.LogID) {
	t.Helper()
	var problems []string
	report := func(p schema.Problem) { problems = append(problems, fmt.Sprintf("%+v", p)) }
	schemas, err := schemasOnce()
	if err != nil {
		t.Fatal(err)
	}
	v := schema.NewValidator(schema.ValidatorOptions{
		Report: report, Canonical: true,
		Blob: func(b schema.Blob) error {
			digest, err := format.ParseHash(b.Digest[len("sha256:"):])
			if err != nil {
				return err
			}
			r, err := store.OpenBlob(context.Background(), digest)
			if err != nil {
				return err
			}
			return r.Close()
		},
		Head: func(parent string, size int64) (string, error) {
			id, err := format.ParseLogID(parent)
			if err != nil {
				return "", err
			}
			head, err := store.Head(context.Background(), id, size)
			return base64.RawURLEncoding.EncodeToString(head.Root[:]), err
		},
	})
	for e, err := range store.Read(context.Background(), log, 0) {
		if err != nil {
			t.Fatal(err)
		}
		norm, raw, err := format.CutRaw(nil, e.Bytes)
		if err != nil {
			t.Fatal(err)
		}
		v.Entry(e.Seq, norm, raw != nil)
		schemas.Validate(e.Seq, norm, report)
	}
	v.Close()
	for _, p := range problems {
		t.Errorf("log %s: %s", log, p)
	}
}
