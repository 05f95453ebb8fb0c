package format_test

import (
	"context"
	"fmt"
	"log"
	"os"
	"path/filepath"

	"github.com/ownlog/ownlog/format"
)

// A log is checked against a head that was kept elsewhere: it may have grown
// since, and nothing before may have changed.
func ExampleDirStore_Verify() {
	dir, err := os.MkdirTemp("", "example-")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	store, err := format.OpenDirStore(filepath.Join(dir, "store"))
	if err != nil {
		log.Fatal(err)
	}
	defer store.Close()
	ctx := context.Background()
	id, err := format.ParseLogID("6f776e6c-6f67-4000-8000-000000000001")
	if err != nil {
		log.Fatal(err)
	}

	if _, err := store.Append(ctx, id, 0, [][]byte{[]byte(`{"v":1,"type":"x.first","data":{}}`)}); err != nil {
		log.Fatal(err)
	}
	kept, err := store.Head(ctx, id, -1)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("kept", kept)
	if _, err := store.Append(ctx, id, 1, [][]byte{[]byte(`{"v":1,"type":"x.second","data":{}}`)}); err != nil {
		log.Fatal(err)
	}

	report, err := store.Verify(ctx, id, format.VerifyOptions{
		Expect:  []format.Head{kept},
		Problem: func(p format.Problem) { fmt.Println(p.Rule, p.CorruptError) },
	})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(report.Status, report.Head)
	// Output:
	// kept 6f776e6c-6f67-4000-8000-000000000001@1#MnCLYlIHqPWUO_Of5nKT-hoVndJQlwyb6r_nlPzh8nA
	// ok 6f776e6c-6f67-4000-8000-000000000001@2#qGY6eeu-SL4tKkJijT6uR1Gbov463w9KWkDNeIkww3o
}
