package codex

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/go-json-experiment/json"

	"github.com/ownlog/ownlog/convert"
	"github.com/ownlog/ownlog/format"
	"github.com/ownlog/ownlog/schema"
)

// maxLoaded is the longest blob that is loaded whole, in bytes.
const maxLoaded = 64 << 20

// loadBlob reads a blob of bounded length.
func loadBlob(ctx context.Context, store format.Store, ref *schema.Blob) ([]byte, error) {
	digest, err := convert.BlobDigest(*ref)
	if err != nil {
		return nil, err
	}
	if ref.Size > maxLoaded {
		return nil, fmt.Errorf("blob %s has %d bytes, at most %d are read at once", ref.Digest, ref.Size, int64(maxLoaded))
	}
	r, err := store.OpenBlob(ctx, digest)
	if err != nil {
		return nil, fmt.Errorf("blob %s: %w", ref.Digest, err)
	}
	b, err := io.ReadAll(io.LimitReader(r, maxLoaded+1))
	if err == nil && len(b) > maxLoaded {
		err = fmt.Errorf("more than %d bytes", int64(maxLoaded))
	}
	if err = errors.Join(err, r.Close()); err != nil {
		return nil, fmt.Errorf("blob %s: %w", ref.Digest, err)
	}
	return b, nil
}

// loadText returns a text, from its blob if it is one.
func loadText(ctx context.Context, store format.Store, t schema.Text) (string, error) {
	if t.Blob == nil {
		return t.Inline, nil
	}
	b, err := loadBlob(ctx, store, t.Blob)
	return string(b), err
}

func loadDefinition(ctx context.Context, store format.Store, ref *schema.Blob) (*schema.Definition, error) {
	def := new(schema.Definition)
	if ref == nil {
		return def, nil
	}
	b, err := loadBlob(ctx, store, ref)
	if err != nil {
		return nil, err
	}
	if err := json.Unmarshal(b, def); err != nil {
		return nil, fmt.Errorf("definition %s: %w", ref.Digest, err)
	}
	return def, nil
}
