package schema

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// blobs takes spilled content.
type blobs struct{ put []string }

func (b *blobs) add(data []byte, media string) (Blob, error) {
	sum := sha256.Sum256(data)
	b.put = append(b.put, string(data[:1])+" "+media)
	return Blob{Digest: "sha256:" + hex.EncodeToString(sum[:]), Size: int64(len(data)), Media: media}, nil
}

func TestSpill(t *testing.T) {
	long := func(c string, n int) string { return strings.Repeat(c, n) }
	object := `{"k":"` + long("v", 5000) + `"}`
	for _, test := range []struct {
		name  string
		data  Data
		limit int
		want  []string // what became a blob
		err   error
	}{
		{"short", &NoteAdded{Text: String("short")}, 1 << 20, nil, nil},
		{"over the longest string", &NoteAdded{Text: String(long("a", MaxString+1))}, 1 << 20, []string{"a text/plain"}, nil},
		{"the longest string", &NoteAdded{Text: String(long("a", MaxString))}, 1 << 20, nil, nil},
		{"escapes count", &NoteAdded{Text: String(long("\x01", 200_000))}, 1_000_000, []string{"\x01 text/plain"}, nil},
		{"largest first", &UserMessage{Content: []Part{TextPart(long("a", 3000)), TextPart(long("b", 5000)), TextPart(long("c", 4000))}}, 5000,
			[]string{"b text/plain", "c text/plain"}, nil},
		{"first of equals", &UserMessage{Content: []Part{TextPart(long("a", 3000)), TextPart(long("b", 3000))}}, 5000, []string{"a text/plain"}, nil},
		{"arguments", &ModelOutput{Blocks: []Block{{Type: BlockToolCall, Args: []byte(object)}}}, 2000, []string{"{ application/json"}, nil},
		{"arguments as written", &ModelOutput{Blocks: []Block{{Type: BlockToolCall, ArgsRaw: String(" " + object), Args: []byte(object)}}}, 2000, []string{"  text/plain"}, nil},
		{"seal", &ModelOutput{Blocks: []Block{{Type: BlockReasoning, Seal: &Seal{Kind: SealEncrypted, Item: []byte(object)}}}}, 2000, []string{"{ application/json"}, nil},
		{"nothing to spill", &ModelRequested{RequestID: "r", Params: []byte(object)}, 2000, nil, ErrTooLong},
		{"vendor JSON over the longest string", &ToolResult{Structured: []byte(`"` + long("x", MaxString) + `"`)}, 1 << 20, nil, ErrTooLong},
	} {
		t.Run(test.name, func(t *testing.T) {
			ev := &Event{Data: test.data}
			var put blobs
			err := Spill(ev, test.limit, put.add)
			if !errors.Is(err, test.err) {
				t.Fatalf("error %v, want %v", err, test.err)
			}
			if d := cmp.Diff(test.want, put.put); d != "" {
				t.Errorf("blobs (-want +got):\n%s", d)
			}
			if err != nil {
				return
			}
			encoded, err := Encode(nil, ev)
			if err != nil || len(encoded) > test.limit {
				t.Errorf("encoded to %d bytes, %v; want at most %d", len(encoded), err, test.limit)
			}
			if got := slices.Collect(BlobRefs(ev)); len(got) != len(test.want) {
				t.Errorf("BlobRefs gives %v, want %d", got, len(test.want))
			}
		})
	}
}

// A store that cannot keep the blob fails the import, not the record.
func TestSpillPutFails(t *testing.T) {
	full := errors.New("disk full")
	err := Spill(&Event{Data: &NoteAdded{Text: String(strings.Repeat("a", MaxString+1))}}, 1<<20,
		func([]byte, string) (Blob, error) { return Blob{}, full })
	if !errors.Is(err, full) || errors.Is(err, ErrTooLong) {
		t.Errorf("error %v, want %v and not ErrTooLong", err, full)
	}
}
