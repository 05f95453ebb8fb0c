package convert

import (
	"bufio"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"

	"github.com/ownlog/ownlog/format"
	"github.com/ownlog/ownlog/schema"
)

// LogEvent is an entry, decoded.
type LogEvent struct {
	Seq   int64
	Event *schema.Event // nil for a hole
	Raw   []byte        // the record kept verbatim in the entry, valid until the next one
}

// errStop ends a walk early without being an error of it.
var errStop = errors.New("stop")

// WalkEvents decodes the entries of a log from position from up to, not
// including, position to (negative: all), and calls visit for each.
func WalkEvents(ctx context.Context, store format.Store, log format.LogID, from, to int64, visit func(LogEvent) error) error {
	var scratch []byte
	for e, err := range store.Read(ctx, log, from) {
		if err != nil {
			return err
		}
		if to >= 0 && e.Seq >= to {
			return nil
		}
		le := LogEvent{Seq: e.Seq}
		if !e.Hole {
			norm, raw, err := format.CutRaw(scratch, e.Bytes)
			if err != nil {
				return fmt.Errorf("log %s, entry %d: %w", log, e.Seq, err)
			}
			scratch = norm
			if le.Event, err = schema.Decode(norm); err != nil {
				return fmt.Errorf("log %s, entry %d: %w", log, e.Seq, err)
			}
			le.Raw = raw
		}
		if err := visit(le); err != nil {
			if errors.Is(err, errStop) {
				return nil
			}
			return err
		}
	}
	return nil
}

// TranscriptRange says which records of a mirrored log are written.
type TranscriptRange struct {
	// From is the first entry: the size of the parent, for a fork whose file
	// does not repeat the parent's records; else 0.
	From int64
	// To is where to stop, negative for the end of the log.
	To int64
}

// ExportTranscript writes the records of a mirrored log as they were, separators
// and ending included: the identity of import. It stops before the first entry
// that was not imported and returns that entry's position, or the log's size; the
// ending that was seen is written only if there is no such entry.
func ExportTranscript(ctx context.Context, req ExportRequest, r TranscriptRange, w io.Writer) (next int64, err error) {
	out := bufio.NewWriterSize(w, 256<<10)
	first, native := true, false
	next = r.From
	err = WalkEvents(ctx, req.Store, req.Log, r.From, r.To, func(e LogEvent) error {
		if e.Event == nil {
			return fmt.Errorf("log %s, entry %d: redacted, its record cannot be given back", req.Log, e.Seq)
		}
		if e.Event.Source == nil {
			native = true
			return errStop
		}
		next = e.Seq + 1
		if e.Event.Source.Part > 0 {
			return nil
		}
		if err := writeSep(out, e.Event.Source, first); err != nil {
			return fmt.Errorf("log %s, entry %d: %w", req.Log, e.Seq, err)
		}
		first = false
		if err := writeRecord(ctx, req.Store, e.Event, e.Raw, out); err != nil {
			return fmt.Errorf("log %s, entry %d: %w", req.Log, e.Seq, err)
		}
		return nil
	})
	if err != nil {
		return next, err
	}
	end := []byte{'\n'}
	if !native {
		if end, err = ending(req, next); err != nil {
			return next, err
		}
	}
	if _, err := out.Write(end); err != nil {
		return next, err
	}
	return next, out.Flush()
}

// writeSep writes what stood before a record.
func writeSep(w io.Writer, src *schema.Source, first bool) error {
	sep := []byte{'\n'}
	switch {
	case src.Sep != nil:
		sep = []byte(*src.Sep)
	case src.Sep64 != "":
		var err error
		if sep, err = base64.StdEncoding.DecodeString(src.Sep64); err != nil {
			return fmt.Errorf("sep64: %w", err)
		}
	case first:
		return nil
	}
	_, err := w.Write(sep)
	return err
}

// ending returns the bytes after the last record of the content that a log of
// that size holds: those of the content asked for, else of the newest known,
// else one LF.
func ending(req ExportRequest, size int64) ([]byte, error) {
	if req.Imports == nil {
		if req.SHA256 != "" {
			return nil, fmt.Errorf("content %s: the store has no import records", req.SHA256)
		}
		return []byte{'\n'}, nil
	}
	known, err := req.Imports.Contents(req.Log)
	if err != nil {
		return nil, err
	}
	end, found := []byte{'\n'}, false
	for _, c := range known {
		if c.Entries == size && (req.SHA256 == "" || c.SHA256 == req.SHA256) {
			end, found = c.End, true
		}
	}
	if !found && req.SHA256 != "" {
		return nil, fmt.Errorf("log %s at %d entries: no content with SHA-256 %s was seen; export without naming one", req.Log, size, req.SHA256)
	}
	return end, nil
}
