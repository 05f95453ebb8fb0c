package replay

import (
	"context"
	"fmt"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/ownlog/ownlog/format"
	"github.com/ownlog/ownlog/replay/provider"
	"github.com/ownlog/ownlog/schema"
)

// shrink moves strings that are too long for an entry into blobs.
func shrink(ctx context.Context, store format.Store, ev *schema.Event) error {
	x := externaliser{ctx: ctx, store: store}
	switch d := ev.Data.(type) {
	case *schema.UserMessage:
		x.parts(d.Content)
	case *schema.SystemMessage:
		x.parts(d.Content)
	case *schema.ToolResult:
		x.parts(d.Content)
	case *schema.ModelFailed:
		x.text(&d.Message)
	case *schema.ContextCompacted:
		x.parts(d.Summary)
	case *schema.ModelOutput:
		for i := range d.Blocks {
			x.block(&d.Blocks[i])
		}
	}
	return x.err
}

type externaliser struct {
	ctx   context.Context
	store format.Store
	err   error
}

func (x *externaliser) put(content, media string) *schema.Blob {
	if x.err != nil {
		return nil
	}
	digest, size, err := x.store.PutBlob(x.ctx, strings.NewReader(content))
	if err != nil {
		x.err = fmt.Errorf("store a long string: %w", err)
		return nil
	}
	return &schema.Blob{Digest: provider.Digest(digest), Size: size, Media: media}
}

func (x *externaliser) text(t *schema.Text) {
	if t.Blob == nil && len(t.Inline) > schema.MaxString {
		if b := x.put(t.Inline, "text/plain"); b != nil {
			*t = schema.Text{Blob: b, Set: true}
		}
	}
}

func (x *externaliser) parts(parts []schema.Part) {
	for i := range parts {
		x.text(&parts[i].Text)
	}
}

func (x *externaliser) block(b *schema.Block) {
	x.text(&b.Text)
	x.text(&b.ArgsRaw)
	for i := range b.Summary {
		x.text(&b.Summary[i])
	}
	if len(b.Args) > schema.MaxString {
		b.ArgsRaw = schema.String(string(b.Args))
		b.Args = nil
		x.text(&b.ArgsRaw)
	}
	if s := b.Seal; s != nil && len(s.Item) > schema.MaxString {
		s.ItemBlob = x.put(string(s.Item), "application/json")
		s.Item = nil
	}
}

// outputPieces cuts a response into entries: one if it fits, else one a block.
func outputPieces(out schema.ModelOutput) []*schema.ModelOutput {
	size := 0
	for i := range out.Blocks {
		size += blockSize(&out.Blocks[i])
	}
	if size < format.MaxEntry/2 || len(out.Blocks) < 2 {
		return []*schema.ModelOutput{&out}
	}
	pieces := make([]*schema.ModelOutput, len(out.Blocks))
	for i := range out.Blocks {
		piece := out
		piece.Blocks = out.Blocks[i : i+1 : i+1]
		piece.Block = schema.Int(int64(i))
		pieces[i] = &piece
	}
	return pieces
}

func blockSize(b *schema.Block) int {
	n := 256 + len(b.Text.Inline) + len(b.ArgsRaw.Inline) + len(b.Args) + len(b.Citations) + len(b.Item)
	for _, s := range b.Summary {
		n += len(s.Inline)
	}
	if b.Seal != nil {
		n += len(b.Seal.Item)
	}
	return n
}

// fitJSON makes a provider's or a tool's JSON fit to stand in an event, nil if
// it cannot.
func fitJSON(v jsontext.Value) jsontext.Value {
	if len(v) == 0 {
		return nil
	}
	out, ok := schema.VendorJSON(v)
	if !ok {
		return nil
	}
	return out
}
