package chat_test

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/google/go-cmp/cmp"

	"github.com/ownlog/ownlog/format"
	"github.com/ownlog/ownlog/replay/provider"
	"github.com/ownlog/ownlog/replay/provider/chat"
	"github.com/ownlog/ownlog/schema"
)

var update = flag.Bool("update", false, "write the golden files")

// oneOfEach is a view with one of each thing that servers differ in: a system
// prompt, context injected later, reasoning of the server itself, a call id that is
// long, arguments that are no object, an image.
func oneOfEach(t *testing.T, server string) *provider.View {
	t.Helper()
	store := new(format.MemStore)
	digest, size, err := store.PutBlob(t.Context(), strings.NewReader("\x89PNG"))
	if err != nil {
		t.Fatal(err)
	}
	image := schema.Part{Type: schema.PartImage, Name: "a.png", Blob: &schema.Blob{Digest: provider.Digest(digest), Size: size, Media: "image/png"}}
	call := func(index int64, id string, args string) schema.Block {
		return schema.Block{
			Type: schema.BlockToolCall, Kind: schema.CallFunction, Index: schema.Int(index), CallKey: schema.NewCallKey(1, 1, index),
			Name: "look", VendorID: id, ArgsRaw: schema.String(args),
		}
	}
	result := func(seq, index int64, text string) schema.Message {
		return schema.Message{Role: schema.RoleTool, Seq: seq, Turn: 1, Step: 1, Result: &schema.Result{
			CallKey: schema.NewCallKey(1, 1, index), Name: "look", Status: schema.StatusOK, Content: []schema.Part{schema.TextPart(text)},
		}}
	}
	return &provider.View{
		Definition: schema.Definition{
			System: []string{"You are a test."},
			Tools:  []schema.ToolDefinition{{Name: "look", Description: "looks", Schema: jsontext.Value(`{"type":"object","properties":{}}`)}},
		},
		Model: "m-t", Blobs: store,
		Messages: []schema.Message{
			{Role: schema.RoleUser, Seq: 1, Turn: 1, Content: []schema.Part{schema.TextPart("look at this"), image}},
			{Role: schema.RoleDeveloper, Seq: 2, Turn: 1, Injected: true, Content: []schema.Part{schema.TextPart("It is Monday.")}},
			{Role: schema.RoleModel, Seq: 3, Turn: 1, Step: 1, Provider: server, API: chat.API, Model: "m-t", Blocks: []schema.Block{
				{
					Type: schema.BlockReasoning, Text: schema.String("hm"),
					Seal: &schema.Seal{Provider: server, API: chat.API, Model: "m-t", Kind: schema.SealSignature, Item: jsontext.Value(`{"reasoning_content":"hm"}`)},
				},
				call(0, "call_"+strings.Repeat("7", 50), `{"path":"a"}`),
				call(1, "call_2", `[1]`),
			}},
			result(4, 0, "an a"),
			result(5, 1, "nothing"),
			{Role: schema.RoleUser, Seq: 6, Turn: 2, Content: []schema.Part{schema.TextPart("and?")}},
		},
	}
}

// TestQuirks compares the request for one view with what each server takes. The
// files in testdata are written with -update and were checked by hand against the
// servers' references.
func TestQuirks(t *testing.T) {
	for _, server := range chat.Servers() {
		t.Run(server, func(t *testing.T) {
			q, _ := chat.QuirksOf(server)
			req, err := chat.New(chat.Config{Quirks: q}).Project(t.Context(), oneOfEach(t, server))
			if err != nil {
				t.Fatal(err)
			}
			got := jsontext.Value(req.Body).Clone()
			if err := got.Indent(); err != nil {
				t.Fatal(err)
			}
			var losses []string
			for _, l := range req.Losses {
				losses = append(losses, l.Code)
			}
			text := string(got) + "\nlosses: " + strings.Join(losses, ", ") + "\n"
			file := filepath.Join("testdata", "requests", server+".txt")
			if *update {
				if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), text); diff != "" {
				t.Errorf("-golden +got:\n%s", diff)
			}
		})
	}
}
