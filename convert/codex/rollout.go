package codex

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"

	"github.com/klauspost/compress/zstd"

	"github.com/ownlog/ownlog/convert"
)

// Limits of compressed rollouts. The CLI writes one frame with the default
// window of its level (at most 8 MiB); more is room for other writers.
const (
	maxWindow       = 64 << 20
	maxDecompressed = 64 << 30
	// Above maxUnasked bytes, content may be maxRatio times its compressed size at
	// most; sessions are 5 to 50 times.
	maxUnasked = 64 << 20
	maxRatio   = 1000
)

// errTooLong: a compressed rollout gives more bytes than any session has.
var errTooLong = errors.New("decompresses to more bytes than a session of its size has")

// openRollout opens a rollout's content, decompressed.
func openRollout(ctx context.Context, src convert.Source, f convert.File) (io.ReadCloser, error) {
	file, err := src.Open(ctx, f)
	if err != nil {
		return nil, err
	}
	var magic [4]byte
	n, err := io.ReadFull(file, magic[:])
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		return nil, errors.Join(err, file.Close())
	}
	content := io.MultiReader(bytes.NewReader(magic[:n]), file)
	if string(magic[:n]) != string(zstdMagic) {
		return &rollout{Reader: content, file: file}, nil
	}
	dec, err := zstd.NewReader(content, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(maxWindow), zstd.WithDecoderLowmem(true))
	if err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return &rollout{Reader: &bounded{r: dec, left: min(maxDecompressed, max(maxUnasked, f.Size*maxRatio))}, file: file, dec: dec}, nil
}

// rollout is an open rollout.
type rollout struct {
	io.Reader
	file io.Closer
	dec  *zstd.Decoder
}

func (r *rollout) Close() error {
	if r.dec != nil {
		r.dec.Close()
	}
	return r.file.Close()
}

// bounded fails instead of giving more than it may.
type bounded struct {
	r    io.Reader
	left int64
}

func (b *bounded) Read(p []byte) (int, error) {
	n, err := b.r.Read(p)
	if b.left -= int64(n); b.left < 0 {
		return 0, errTooLong
	}
	return n, err
}

// sessionHead is what the first records of a rollout say about where it belongs.
type sessionHead struct {
	id   string
	base *historyBase
}

// historyBase is session_meta.history_base: the history begins with the records
// of another rollout whose bytes end at or before an offset.
type historyBase struct {
	thread string
	offset int64
}

// identifier names the log of a rollout from its first records.
type identifier struct {
	seen  int
	first [sha256.Size]byte
	line  object
	body  object
}

// maxIdentify is after how many records without an id a rollout has none.
const maxIdentify = 100

// identify reads one more record; done tells that no more are needed.
func (i *identifier) identify(rec *convert.Record) (head sessionHead, done bool) {
	if i.seen++; i.seen == 1 {
		i.first = sha256.Sum256(rec.Bytes)
	}
	i.line.parse(rec.Bytes)
	kind := i.line.get("type")
	switch body := i.line.get("payload"); {
	case body == nil && kind == nil && i.line.get("id") != nil:
		head.id = i.line.str("id")
	case kind.text() == "session_meta":
		i.body.parse(body)
		if head.id = i.body.str("id"); head.id == "" {
			head.id = i.body.str("session_id")
		}
		if base := i.body.of("history_base", '{'); base != nil {
			head.base = i.readBase(base)
		}
	case body == nil || kind.text() == "response_item":
		i.body.parse(body)
		if body == nil {
			i.body.parse(rec.Bytes)
		}
		role := i.body.str("role")
		done = role == "user" || role == "assistant"
	}
	if head.id == "" && (done || i.seen == maxIdentify) {
		head.id, done = hex.EncodeToString(i.first[:]), true
	}
	return head, done || head.id != ""
}

func (i *identifier) readBase(v value) *historyBase {
	var o object
	o.parse(v)
	offset, _ := o.integer("end_byte_offset")
	base := &historyBase{thread: o.mustStr("thread_id"), offset: offset}
	if o.bad != "" {
		return nil
	}
	return base
}
