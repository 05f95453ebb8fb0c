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
	header  []byte
	lines   []checkedLine
	facts   []facts
	unended bool   // bytes without LF follow the lines, at end
	end     int64  // offset behind the last whole line, relative to data
	bad     *fault // the frame does not decode
	done    chan struct{}
}

// checkedBlocks keeps blocks with their buffers, some megabytes each.
var checkedBlocks = sync.Pool{New: func() any { return &checkedBlock{done: make(chan struct{}, 1)} }}

// blockChecker checks blocks on all processors and gives them out in order.
type blockChecker struct {
	sum    uint32
	strict bool
	facts  bool
}

// run reads blocks from next until io.EOF and calls use with each, in order,
// after it was checked. Buffers of blocks are used again after use returns.
func (c *blockChecker) run(ctx context.Context, next func(*checkedBlock) error, use func(*checkedBlock) error) error {
	ctx, cancel := context.WithCancel(ctx)
	workers := runtime.GOMAXPROCS(0)
	// One block more than workers keeps all of them busy while one is used.
	free := make(chan *checkedBlock, workers+1)
	for range workers + 1 {
		free <- checkedBlocks.Get().(*checkedBlock)
	}
	defer func() {
		for range workers + 1 {
			checkedBlocks.Put(<-free)
		}
	}()
	work := make(chan *checkedBlock, workers+1)
	order := make(chan *checkedBlock, workers+1)
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
	for range workers {
		wg.Add(1)
		go func() {
			defer wg.Done()
			for b := range work {
				c.check(b)
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
