package opencode

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/ownlog/ownlog/convert"
	"github.com/ownlog/ownlog/schema"
)

// skeleton reads a row that is too big to be read whole, from its blob: the row
// without its long strings, which is enough to sort it and to check it. It is nil
// if the row is not JSON, or has too much besides long strings.
func (s *sessionRows) skeleton(ctx context.Context, ref *schema.Blob) ([]byte, error) {
	in, err := s.openBlob(ctx, ref)
	if err != nil {
		return nil, err
	}
	e := newElider(in, discard)
	e.limit, e.spaced = s.limit/2, true
	err = e.run()
	if errors.Is(err, errNotJSON) || e.tooBig {
		e.skeleton, err = nil, nil
	}
	return e.skeleton, errors.Join(err, in.Close())
}

func (s *sessionRows) openBlob(ctx context.Context, ref *schema.Blob) (io.ReadCloser, error) {
	digest, err := convert.BlobDigest(*ref)
	if err != nil {
		return nil, err
	}
	return s.req.Store.OpenBlob(ctx, digest)
}

// exportedRow is a message or part as the import file has it: its data with its
// ids behind.
type exportedRow struct {
	value jsontext.Value // nil: the data is no JSON object
	// Of a row that is too big to be held, value is the skeleton, in which the
	// data's closing brace stood at brace.
	blob  *schema.Blob
	brace int
}

// write writes the row.
func (s *sessionRows) write(ctx context.Context, out *bufio.Writer, r exportedRow) error {
	if r.blob == nil {
		_, err := out.Write(r.value)
		return err
	}
	in, err := s.openBlob(ctx, r.blob)
	if err != nil {
		return err
	}
	err = copyData(out, bufio.NewReaderSize(in, 256<<10))
	if err = errors.Join(err, in.Close()); err != nil {
		return fmt.Errorf("blob %s: %w", r.blob.Digest, err)
	}
	_, err = out.Write(r.value[r.brace:])
	return err
}

// copyData writes the data of a row, or the whole of a file, without its closing
// brace.
func copyData(out io.Writer, in *bufio.Reader) error {
	begin, err := in.Peek(len(rowBegin))
	if err != nil {
		return err
	}
	if !isRow(begin) {
		for {
			c, err := in.ReadByte()
			if err != nil {
				return err
			}
			if c == '{' {
				break
			}
		}
		return errors.Join(in.UnreadByte(), copyOpen(out, &valueReader{in: in}))
	}
	// A row has no whitespace between its members.
	for {
		if _, err := in.Discard(1); err != nil { // the brace, or a comma
			return err
		}
		name, err := io.ReadAll(&valueReader{in: in})
		if err != nil {
			return err
		}
		if _, err := in.Discard(1); err != nil { // the colon
			return err
		}
		value := &valueReader{in: in}
		if string(name) == `"`+dataColumn+`"` {
			return copyOpen(out, value)
		}
		if _, err := io.Copy(io.Discard, value); err != nil {
			return err
		}
	}
}

// copyOpen copies all of an object but its last byte.
func copyOpen(out io.Writer, in io.Reader) error {
	buf := make([]byte, 64<<10)
	held := false // buf[0] was read before
	for {
		from := 0
		if held {
			from = 1
		}
		n, err := in.Read(buf[from:])
		if n += from; n > 0 {
			if _, err := out.Write(buf[:n-1]); err != nil {
				return err
			}
			buf[0], held = buf[n-1], true
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
	}
}
