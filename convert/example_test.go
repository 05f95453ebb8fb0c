package convert_test

import (
	"bytes"
	"context"
	"fmt"
	"log"
	"os"
	"path/filepath"

	"github.com/ownlog/ownlog/convert"
	"github.com/ownlog/ownlog/convert/claudecode"
	"github.com/ownlog/ownlog/convert/codex"
	"github.com/ownlog/ownlog/convert/opencode"
	"github.com/ownlog/ownlog/format"
	"github.com/ownlog/ownlog/schema"
)

// transcript is a short session of Claude Code.
const transcript = `{"type":"user","uuid":"0a0a0a0a-0000-4000-8000-000000000001","parentUuid":null,"sessionId":"0a0a0a0a-0000-4000-8000-000000000009","timestamp":"2026-11-23T01:00:00.000Z","cwd":"/home/dev/x","version":"2.1.330","message":{"role":"user","content":"What is 6 times 7?"}}
{"type":"assistant","uuid":"0a0a0a0a-0000-4000-8000-000000000002","parentUuid":"0a0a0a0a-0000-4000-8000-000000000001","sessionId":"0a0a0a0a-0000-4000-8000-000000000009","timestamp":"2026-11-23T01:00:01.000Z","cwd":"/home/dev/x","version":"2.1.330","message":{"id":"msg_1","role":"assistant","model":"claude-sonnet-4-5","content":[{"type":"text","text":"42"}],"stop_reason":"end_turn","usage":{"input_tokens":12,"output_tokens":3}}}
`

// Sessions are imported into a store. The head of a log depends on the bytes of
// the session alone.
func ExampleImport() {
	dir, err := os.MkdirTemp("", "example-")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	if err := os.WriteFile(filepath.Join(dir, "session.jsonl"), []byte(transcript), 0o600); err != nil {
		log.Fatal(err)
	}

	store, err := format.OpenDirStore(filepath.Join(dir, "store"))
	if err != nil {
		log.Fatal(err)
	}
	defer store.Close()
	imports := convert.OpenImports(filepath.Join(dir, "store", "imports"))
	vendors := convert.NewRegistry(claudecode.Vendor{}, codex.Vendor{}, opencode.Vendor{})
	summary, err := convert.Import(context.Background(), store, imports, vendors, convert.ImportOptions{
		Roots: []string{filepath.Join(dir, "session.jsonl")},
		Progress: func(file convert.FileResult) {
			for _, o := range file.Outcomes {
				fmt.Println(o.Status, file.Vendor, o.Head)
			}
		},
	})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(summary.Appended, "entries; every byte is accounted for:", summary.Complete())
	// Output:
	// new claude-code 50217787-cfb3-5f60-8819-c97bd5b4922b@3#rWU6C0mHSln1eZOubwzg8PXUC8SPmx9sY29MmGnLVIA
	// 3 entries; every byte is accounted for: true
}

// A session is given back to its own vendor byte for byte; another vendor gets it
// written anew, with a report of what became of it.
func ExampleVendor_export() {
	dir, err := os.MkdirTemp("", "example-")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	source := filepath.Join(dir, "session.jsonl")
	if err := os.WriteFile(source, []byte(transcript), 0o600); err != nil {
		log.Fatal(err)
	}
	ctx := context.Background()
	store, imports := new(format.MemStore), convert.OpenImports("")
	vendors := convert.NewRegistry(claudecode.Vendor{}, codex.Vendor{}, opencode.Vendor{})
	if _, err := convert.Import(ctx, store, imports, vendors, convert.ImportOptions{Roots: []string{source}}); err != nil {
		log.Fatal(err)
	}

	session := convert.LogName{Vendor: claudecode.Name, Kind: convert.LogSession, ID: "0a0a0a0a-0000-4000-8000-000000000009"}
	for _, to := range []string{claudecode.Name, codex.Name} {
		report := new(schema.Fidelity)
		out := &convert.FolderOutput{Dir: filepath.Join(dir, to)}
		err := vendors.Lookup(to).Export(ctx, convert.ExportRequest{
			Store: store, Imports: imports, Log: session.LogID(), Size: -1, Out: out, Report: report,
		})
		if err != nil {
			log.Fatal(err)
		}
		written, err := os.ReadFile(out.Written[0])
		if err != nil {
			log.Fatal(err)
		}
		fmt.Printf("%s: the same bytes: %v\n", to, bytes.Equal(written, []byte(transcript)))
		for _, item := range report.Items() {
			fmt.Println(" ", item.Axis, item.Code, item.Count)
		}
	}
	// Output:
	// claude-code: the same bytes: true
	//   preserved entry 3
	// codex: the same bytes: false
	//   dropped state-stop-reason 1
	//   dropped state-usage 1
}
