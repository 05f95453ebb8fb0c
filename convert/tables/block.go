package tables

import (
	"strings"

	"github.com/ownlog/ownlog/schema"
)

// blocks gives out the rows of an event's content.
func (p *projection) blocks(at place) error {
	switch data := at.ev.Data.(type) {
	case *schema.UserMessage:
		return p.parts(at, data.Content, p.names.ptr(string(data.Origin)), nil)
	case *schema.SystemMessage:
		return p.parts(at, data.Content, p.names.ptr(data.Kind), nil)
	case *schema.ToolResult:
		return p.parts(at, data.Content, nil, some(string(data.CallKey)))
	case *schema.ModelOutput:
		for i := range data.Blocks {
			if err := p.sink.Block(p.modelBlock(at, i, &data.Blocks[i])); err != nil {
				return err
			}
		}
	}
	return nil
}

func (p *projection) block(at place, index int, kind string) *Block {
	row := p.key.blockRow(at.seq)
	row.Index, row.EventType, row.Kind, row.Sent = int64(index), string(at.ev.Type), kind, true
	row.Time, row.Turn, row.Step = at.time, at.turn, at.step
	return &row
}

func (p *projection) parts(at place, parts []schema.Part, origin, call *string) error {
	for i := range parts {
		part := &parts[i]
		row := p.block(at, i, string(part.Type))
		row.Origin, row.CallKey = origin, call
		row.Name, row.VendorType = p.names.ptr(part.Name), p.names.ptr(part.VendorType)
		if part.Sent != nil {
			row.Sent = *part.Sent
		}
		p.content(row, part.Text, part.Blob)
		if err := p.sink.Block(row); err != nil {
			return err
		}
	}
	return nil
}

func (p *projection) modelBlock(at place, index int, b *schema.Block) *Block {
	row := p.block(at, index, string(b.Type))
	row.CallKey = some(string(b.CallKey))
	row.Name, row.VendorType = p.names.ptr(b.Name), p.names.ptr(b.VendorType)
	if b.Seal != nil {
		row.Seal = p.names.ptr(string(b.Seal.Kind))
	}
	p.content(row, b.Text, b.Blob)
	if b.Type == schema.BlockToolCall {
		row.Bytes, row.BlobDigest = argumentsSize(b)
	}
	if b.Summary != nil && !p.opts.NoText {
		texts := make([]string, len(b.Summary))
		for i := range b.Summary {
			texts[i] = b.Summary[i].Inline
		}
		row.Summary = ptr(strings.Join(texts, "\n\n"))
	}
	return row
}

// content fills in the text or the blob, whichever the block has.
func (p *projection) content(row *Block, t schema.Text, blob *schema.Blob) {
	if t.Blob != nil {
		blob = t.Blob
	}
	switch {
	case blob != nil:
		row.Bytes, row.BlobDigest, row.Media = ptr(blob.Size), p.names.ptr(blob.Digest), p.names.ptr(blob.Media)
	case t.Set:
		row.Bytes = ptr(int64(len(t.Inline)))
		if !p.opts.NoText {
			row.Text = ptr(t.Inline)
		}
	}
}
