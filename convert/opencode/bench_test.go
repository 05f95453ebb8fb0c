package opencode

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ownlog/ownlog/convert"
	"github.com/ownlog/ownlog/format"
)

// BenchmarkImportDatabase imports a generated database of 64 MB of rows into a
// store on disk; $OWNLOG_BENCH_MB asks for another size.
func BenchmarkImportDatabase(b *testing.B) {
	megabytes := 64
	if s := os.Getenv("OWNLOG_BENCH_MB"); s != "" {
		if _, err := fmt.Sscan(s, &megabytes); err != nil {
			b.Fatal(err)
		}
	}
	path, size := generate(b, int64(megabytes)<<20)
	b.SetBytes(size)
	for b.Loop() {
		dir := b.TempDir()
		store, err := format.OpenDirStore(dir)
		if err != nil {
			b.Fatal(err)
		}
		summary, err := convert.Import(context.Background(), store, convert.OpenImports(filepath.Join(dir, "imports")), convert.NewRegistry(Vendor{}), convert.ImportOptions{Roots: []string{path}})
		if err != nil || summary.Files[convert.FileImported] != 1 {
			b.Fatalf("%v %v", summary.Files, err)
		}
		if err := store.Close(); err != nil {
			b.Fatal(err)
		}
	}
}

// generate makes a database of sessions with 40 responses each, and returns the
// bytes of its rows.
func generate(b *testing.B, bytes int64) (path string, size int64) {
	x := newTestDB(b)
	x.exec("PRAGMA page_size = 4096")
	x.exec("VACUUM")
	x.exec("BEGIN")
	ms := int64(0)
	next := func() int64 { ms++; return ms }
	part := func(message, session, data string) {
		n := next()
		size += int64(len(data))
		x.part(madeID("prt", n), message, session, n, data)
	}
	text := strings.Repeat("Some words about the code, with \\\"quotes\\\" and lines.\\n", 20)
	for s := 0; size < bytes; s++ {
		session := fmt.Sprintf("ses_bench%06d", s)
		x.session(session, "")
		n := next()
		u := madeID("msg", n)
		x.message(u, session, n, userData)
		part(u, session, `{"type":"text","text":"question"}`)
		for range 40 {
			n := next()
			a := madeID("msg", n)
			x.message(a, session, n, assistantOf(u))
			part(a, session, `{"type":"step-start"}`)
			part(a, session, `{"type":"text","text":"`+text+`"}`)
			part(a, session, fmt.Sprintf(`{"type":"tool","tool":"bash","callID":"c%d","state":{"status":"completed","input":{"command":"cat file"},"output":"%s","metadata":{"exit":0},"time":{"start":1,"end":2}}}`, n, strings.Repeat(text, 4)))
			part(a, session, `{"type":"step-finish","reason":"tool-calls","cost":0.01,"tokens":{"input":10,"output":5,"reasoning":2,"cache":{"read":3,"write":4}}}`)
		}
	}
	x.exec("COMMIT")
	return x.path, size
}
