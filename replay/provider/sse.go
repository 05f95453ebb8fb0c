package provider

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
)

// MaxStreamEvent is the largest server-sent event, in bytes of data, that is
// taken from a provider.
const MaxStreamEvent = 32 << 20

// StreamEvent is one server-sent event.
type StreamEvent struct {
	Name string // of the event field; empty if there was none
	Data []byte // the data lines, joined by LF; valid until the next event
}

// EventReader reads server-sent events (WHATWG HTML, section 9.2) from the body
// of a response. It is not safe for concurrent use.
type EventReader struct {
	r    *bufio.Reader
	data []byte
	bom  bool
}

// NewEventReader returns a reader of events.
func NewEventReader(r io.Reader) *EventReader {
	return &EventReader{r: bufio.NewReaderSize(r, 32<<10)}
}

// Next returns the next event that has data. io.EOF: the stream ended between
// events; io.ErrUnexpectedEOF: in the middle of one.
func (r *EventReader) Next() (StreamEvent, error) {
	r.data = r.data[:0]
	var ev StreamEvent
	some := false
	for {
		line, err := r.line()
		if err != nil {
			if errors.Is(err, io.EOF) && some {
				return StreamEvent{}, io.ErrUnexpectedEOF
			}
			return StreamEvent{}, err
		}
		if len(line) == 0 {
			if some {
				ev.Data = bytes.TrimSuffix(r.data, []byte("\n"))
				return ev, nil
			}
			ev.Name = ""
			continue
		}
		field, value, _ := bytes.Cut(line, []byte(":"))
		value = bytes.TrimPrefix(value, []byte(" "))
		switch string(field) {
		case "event":
			ev.Name = string(value)
		case "data":
			if len(r.data)+len(value) > MaxStreamEvent {
				return StreamEvent{}, fmt.Errorf("stream: an event of more than %d bytes", MaxStreamEvent)
			}
			r.data = append(append(r.data, value...), '\n')
			some = true
		}
	}
}

// line returns a line without its end, which is LF, CR LF or CR. The slice is
// valid until the next call.
func (r *EventReader) line() ([]byte, error) {
	var line []byte
	for {
		piece, err := r.r.ReadSlice('\n')
		if len(line)+len(piece) > MaxStreamEvent {
			return nil, fmt.Errorf("stream: a line of more than %d bytes", MaxStreamEvent)
		}
		if err == nil && line == nil {
			line = piece
		} else {
			line = append(bytes.Clone(line), piece...)
		}
		if errors.Is(err, bufio.ErrBufferFull) {
			continue
		}
		if err != nil {
			if errors.Is(err, io.EOF) && len(line) > 0 {
				return nil, io.ErrUnexpectedEOF
			}
			return nil, err
		}
		line = bytes.TrimRight(line, "\r\n")
		if !r.bom {
			r.bom = true
			line = bytes.TrimPrefix(line, []byte("\xef\xbb\xbf"))
		}
		return line, nil
	}
}
