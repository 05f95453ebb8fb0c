package format

import (
	"bytes"
	"context"
	"encoding/binary"
	"hash/crc32"
	"io"
	"runtime"
	"sync"
)

// checkedLine is a line that was checked by itself.
type checkedLine struct {
	line
	leaf   Hash
	off    int64 // in the text
	bad    *fault
	strict error // what CheckEntry said
}

// checkedBlock is a piece of a segment on its way through the checks: a frame,
// or some whole lines of text.
type checkedBlock struct {
	// What is to be checked.
	first   bool // it begins with the segment's header
	data    []byte
	off     int64 // of data in the text, for text
	frame   indexBlock
	isFrame bool
	packed  []byte // the stored frame

	// What was found.
	size    int64 // bytes of the text
	header  []byte
	lines   []checkedLine
	facts   []facts
	unended bool   // bytes without LF follow the lines, at end
	end     int64  // offset behind the last whole line, relative to data
	bad     *fault // the frame does not decode
	done    chan struct{}
}

// checkBuffers are the buffers of one verification, some megabytes for each
// processor. Segment after segment is checked with the same ones.
type checkBuffers struct {
	blocks []*checkedBlock
	// texts are for decoded frames whose bytes are not needed after the check.
	texts [][]byte
}

// allCheckBuffers keeps them between verifications.
var allCheckBuffers = sync.Pool{New: func() any {
	workers := runtime.GOMAXPROCS(0)
	// One block more than workers keeps all of them busy while one is used.
	b := &checkBuffers{blocks: make([]*checkedBlock, workers+1), texts: make([][]byte, workers)}
	for i := range b.blocks {
		b.blocks[i] = &checkedBlock{done: make(chan struct{}, 1)}
	}
	return b
}}

// blockChecker checks blocks on all processors and gives them out in order.
type blockChecker struct {
	buffers *checkBuffers
	sum     uint32
	strict  bool
	facts   bool
	// texts says that the entries of the lines are needed after the check. Else
	// frames are decoded into one buffer for each processor: fresh memory costs as
	// much as decoding into it.
	texts bool
}

// run reads blocks from next until io.EOF and calls use with each, in order,
// after it was checked. Buffers of blocks are used again after use returns.
func (c *blockChecker) run(ctx context.Context, next func(*checkedBlock) error, use func(*checkedBlock) error) error {
	ctx, cancel := context.WithCancel(ctx)
	blocks := len(c.buffers.blocks)
	free := make(chan *checkedBlock, blocks)
	for _, b := range c.buffers.blocks {
		free <- b
	}
	work := make(chan *checkedBlock, blocks)
	order := make(chan *checkedBlock, blocks)
	var wg sync.WaitGroup
	var readErr error
	wg.Add(1)
	go func() {
		defer wg.Done()
		defer close(order)
		defer close(work)
		for {
			var b *checkedBlock
			select {
			case b = <-free:
			case <-ctx.Done():
				return
			}
			if readErr = next(b); readErr != nil {
				free <- b
				return
			}
			work <- b
			order <- b
		}
	}()
	for i := range c.buffers.texts {
		wg.Add(1)
		go func() {
			defer wg.Done()
			text := &c.buffers.texts[i]
			for b := range work {
				c.checkIn(b, text)
				b.done <- struct{}{}
			}
		}()
	}
	var err error
	for b := range order {
		<-b.done
		if err == nil {
			if err = ctx.Err(); err == nil {
				err = use(b)
			}
			if err != nil {
				cancel()
			}
		}
		free <- b
	}
	wg.Wait()
	outer := ctx.Err()
	cancel()
	switch {
	case err != nil:
		return err
	case readErr != nil && readErr != io.EOF:
		return readErr
	}
	return outer
}

// checkIn checks one block. If its text is not needed any more after that, it
// is decoded into the buffer given.
func (c *blockChecker) checkIn(b *checkedBlock, text *[]byte) {
	if !b.isFrame || b.first || c.texts {
		c.check(b)
		return
	}
	own := b.data
	b.data = *text
	c.check(b)
	if b.bad == nil {
		*text = b.data
	}
	b.data, b.header = own, nil
	for i := range b.lines {
		b.lines[i].entry, b.lines[i].framed = nil, nil
	}
}

// check checks one block.
func (c *blockChecker) check(b *checkedBlock) {
	b.header, b.lines, b.facts, b.unended, b.bad = nil, b.lines[:0], nil, false, nil
	b.frame.tmin, b.frame.tmax, b.frame.types = "", "", nil
	if b.isFrame {
		b.frame.crc = crc32.ChecksumIEEE(b.packed)
		var text []byte
		if text, b.bad = decodeFrame(b.data, b.packed); b.bad != nil {
			return
		}
		b.data = text
		b.frame.raw = int64(len(b.data))
	}
	var summary blockSummary
	data := b.data
	b.size = int64(len(data))
	if cap(b.lines) == 0 {
		const usual = 2 << 10 // bytes of a line, so that the slice seldom grows
		b.lines = make([]checkedLine, 0, len(data)/usual)
	}
	b.end = 0
	for len(data) > 0 {
		n := bytes.IndexByte(data, '\n')
		if n < 0 {
			b.unended = true
			break
		}
		raw := data[:n]
		data = data[n+1:]
		if b.first && b.header == nil {
			b.header = raw
			b.end += int64(n) + 1
			continue
		}
		l := checkedLine{off: b.off + b.end}
		b.end += int64(n) + 1
		l.line, l.bad = parseLine(raw, c.sum)
		if l.bad == nil {
			l.leaf = l.line.leaf()
			c.checkEntry(b, &l, &summary)
		}
		b.lines = append(b.lines, l)
	}
	summary.finish(&b.frame)
}

func (c *blockChecker) checkEntry(b *checkedBlock, l *checkedLine, summary *blockSummary) {
	if l.kind != lineEntry {
		return
	}
	if c.strict {
		l.strict = CheckEntry(l.entry)
	}
	m := topMembers(l.entry)
	if b.isFrame {
		summary.add(m)
	}
	if !c.facts {
		return
	}
	if f, ok := factsOf(l.seq, l.entry, m); ok {
		b.facts = append(b.facts, f)
	}
}

// textSource gives the blocks of a text segment.
func textSource(f io.ReaderAt) func(*checkedBlock) error {
	src := newTextBlocks(f, 0)
	first := true
	return func(b *checkedBlock) error {
		data, off, err := src.next()
		if err != nil {
			return err
		}
		b.data = append(b.data[:0], data...)
		b.off, b.first, b.isFrame = off, first, false
		first = false
		return nil
	}
}

// frameSource gives the frames of a sealed segment, found by scanning; end is
// where it stopped: at something that is no zstd frame.
func frameSource(f io.ReaderAt, end *int64) func(*checkedBlock) error {
	text := int64(0)
	return func(b *checkedBlock) error {
		off := *end
		var magic [4]byte
		if err := readFull(f, magic[:], off); err != nil {
			if err == io.ErrUnexpectedEOF {
				err = io.EOF
			}
			return err
		}
		if off > 0 && binary.LittleEndian.Uint32(magic[:]) != zstdMagic {
			return io.EOF
		}
		h, stored, err := scanFrame(f, off)
		if err != nil {
			return err
		}
		b.packed = room(b.packed, stored)[:stored]
		if err := readFull(f, b.packed, off); err != nil {
			return err
		}
		b.first, b.off, b.isFrame = off == 0, text, true
		text += h.content
		b.frame = indexBlock{off: off, stored: stored, raw: h.content}
		*end = off + stored
		return nil
	}
}
