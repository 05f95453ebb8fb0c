package replay

import (
	"bytes"
	"context"
	"fmt"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/ownlog/ownlog/format"
	"github.com/ownlog/ownlog/replay/provider"
	"github.com/ownlog/ownlog/schema"
)

// shrink moves what is too long for an entry into blobs.
func shrink(ctx context.Context, store format.Store, ev *schema.Event) error {
	return schema.Spill(ev, format.MaxEntry, func(data []byte, media string) (schema.Blob, error) {
		return putBlob(ctx, store, data, media)
	})
}

func putBlob(ctx context.Context, store format.Store, data []byte, media string) (schema.Blob, error) {
	digest, size, err := store.PutBlob(ctx, bytes.NewReader(data))
	if err != nil {
		return schema.Blob{}, fmt.Errorf("store a blob: %w", err)
	}
	return schema.Blob{Digest: provider.Digest(digest), Size: size, Media: media}, nil
}

// fitBlocks makes the JSON in a provider's blocks fit to stand in an event. A
// seal that cannot stand there, because it is not I-JSON, becomes a blob: it
// must go back byte for byte.
func fitBlocks(ctx context.Context, store format.Store, blocks []schema.Block) error {
	for i := range blocks {
		b := &blocks[i]
		b.Citations, b.Item = fitJSON(b.Citations), fitJSON(b.Item)
		s := b.Seal
		if s == nil || len(s.Item) == 0 {
			continue
		}
		if fit := fitJSON(s.Item); bytes.Equal(fit, s.Item) {
			continue
		}
		blob, err := putBlob(ctx, store, s.Item, "application/json")
		if err != nil {
			return err
		}
		s.Item, s.ItemBlob = nil, &blob
	}
	return nil
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
