package codex

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"

	"github.com/ownlog/ownlog/convert"
	"github.com/ownlog/ownlog/format"
	"github.com/ownlog/ownlog/schema"
)

// basePoint is where in the store the history of a rollout begins that names
// another one as its base.
type basePoint struct{ fork format.Fork }

// findBase finds the entries that a history base covers: the records of the
// parent's file that end at or before the byte offset, and the parent's own base.
// Nil: the parent, or so much of it, is not in the store.
func findBase(ctx context.Context, store format.Store, base historyBase) (*basePoint, error) {
	logs, err := sessionLogs(ctx, store, base.thread)
	if err != nil {
		return nil, err
	}
	for _, log := range logs {
		size, err := entriesUpTo(ctx, store, log, base.offset)
		if err != nil {
			return nil, err
		}
		if size >= 0 {
			return &basePoint{fork: format.Fork{Log: log, Size: size}}, nil
		}
	}
	return nil, nil
}

// sessionLogs returns the logs that hold a session, the likeliest first: the one
// named after it, and those that hold it as the fork of another session. A log
// that stands alone because its own base was missing comes last.
func sessionLogs(ctx context.Context, store format.Store, session string) ([]format.LogID, error) {
	var logs []format.LogID
	plain := convert.LogName{Vendor: Name, Kind: convert.LogSession, ID: session}.LogID()
	_, err := store.Info(ctx, plain)
	found := err == nil
	if err != nil && !errors.Is(err, format.ErrNotFound) {
		return nil, err
	}
	if found {
		whole, err := hasWholeHistory(ctx, store, plain)
		if err != nil {
			return nil, err
		}
		if whole {
			return []format.LogID{plain}, nil
		}
	}
	for log, err := range store.List(ctx) {
		if err != nil {
			return nil, err
		}
		info, err := store.Info(ctx, log)
		if err != nil {
			return nil, err
		}
		if info.Fork != nil && forkName(session, *info.Fork).LogID() == log {
			logs = append(logs, log)
		}
	}
	if found {
		logs = append(logs, plain)
	}
	return logs, nil
}

// hasWholeHistory reports whether a log does not say that its base was missing.
func hasWholeHistory(ctx context.Context, store format.Store, log format.LogID) (bool, error) {
	whole := true
	err := convert.WalkEvents(ctx, store, log, 0, maxSessionRun, func(e convert.LogEvent) error {
		if e.Event == nil {
			return nil
		}
		if f, ok := e.Event.Data.(*schema.SessionForked); ok && f.Base != "" {
			whole = false
		}
		return nil
	})
	return whole, err
}

// maxSessionRun is how many entries the run of a first record has at most.
const maxSessionRun = 3

// entriesUpTo returns how many entries of a log cover the file's first offset
// bytes: a record counts if it ends there or before, its line feed aside. It is
// negative if the log has fewer bytes than that.
func entriesUpTo(ctx context.Context, store format.Store, log format.LogID, offset int64) (int64, error) {
	start, err := ownStart(ctx, store, log)
	if err != nil {
		return 0, err
	}
	var pos int64 // in the file, behind the records so far
	covered, size := start, start
	past := false
	err = convert.WalkEvents(ctx, store, log, start, -1, func(e convert.LogEvent) error {
		if e.Event == nil || e.Event.Source == nil {
			return fmt.Errorf("log %s, entry %d: not the entry of a record, so the bytes before it cannot be counted", log, e.Seq)
		}
		if past {
			return nil
		}
		size = e.Seq + 1
		if e.Event.Source.Part > 0 {
			covered = size
			return nil
		}
		pos += sepLength(e.Event.Source, e.Seq == start) + recordLength(e.Event, e.Raw)
		if past = pos > offset; !past {
			covered = size
		}
		return nil
	})
	if err != nil {
		return 0, err
	}
	if !past && offset > pos+1 {
		return -1, nil
	}
	return covered, nil
}

// ownStart returns the first entry of a session's own file in its log: behind the
// history that it took over by a history base.
func ownStart(ctx context.Context, store format.Store, log format.LogID) (int64, error) {
	info, err := store.Info(ctx, log)
	if err != nil || info.Fork == nil {
		return 0, err
	}
	start := int64(0)
	err = convert.WalkEvents(ctx, store, log, info.Fork.Size, info.Fork.Size+maxSessionRun, func(e convert.LogEvent) error {
		if e.Event == nil {
			return nil
		}
		if f, ok := e.Event.Data.(*schema.SessionForked); ok && f.From != nil && f.From.Log != "" {
			start = info.Fork.Size
		}
		return nil
	})
	if err != nil || start > 0 {
		return start, err
	}
	// A content that differs from its parent log's: what the parent's own file is
	// is the same here.
	return ownStart(ctx, store, info.Fork.Log)
}

// sepLength is how many bytes stand before a record.
func sepLength(src *schema.Source, first bool) int64 {
	switch {
	case src.Sep != nil:
		return int64(len(*src.Sep))
	case src.Sep64 != "":
		return decodedLength(src.Sep64)
	case first:
		return 0
	}
	return 1
}

// recordLength is how many bytes the record has that an entry carries.
func recordLength(ev *schema.Event, raw []byte) int64 {
	switch {
	case raw != nil:
		return int64(len(raw))
	case ev.Raw64 != "":
		return decodedLength(ev.Raw64)
	case ev.RawBlob != nil:
		return ev.RawBlob.Size
	}
	n := int64(0)
	for _, p := range ev.RawParts {
		if p.Blob != nil {
			n += (p.Blob.Size + 2) / 3 * 4
		} else {
			n += int64(len(p.Inline))
		}
	}
	return n
}

func decodedLength(s string) int64 {
	n := base64.StdEncoding.DecodedLen(len(s))
	for i := len(s) - 1; i >= 0 && s[i] == '='; i-- {
		n--
	}
	return int64(n)
}

// mapper prepares mappers that go on where the base ends.
func (b *basePoint) mapper(ctx context.Context, store format.Store) (func(convert.Findings) convert.Mapper, error) {
	state, err := replay(ctx, store, b.fork)
	if err != nil {
		return nil, err
	}
	return func(findings convert.Findings) convert.Mapper {
		state.findings = findings
		return state
	}, nil
}

// replay maps the records of a log's first entries, so that the mapper is in the
// state in which they left it.
func replay(ctx context.Context, store format.Store, fork format.Fork) (*Mapper, error) {
	m := NewMapper(new(convert.FindingCounts), Base{Log: fork.Log.String(), Size: fork.Size})
	err := convert.WalkEvents(ctx, store, fork.Log, 0, fork.Size, func(e convert.LogEvent) error {
		if e.Event == nil || e.Event.Source == nil {
			return fmt.Errorf("log %s, entry %d: not the entry of a record, so numbers cannot go on behind it", fork.Log, e.Seq)
		}
		if e.Event.Source.Part > 0 {
			return nil
		}
		if d, ok := e.Event.Data.(*schema.VendorRecord); ok && d.Damaged {
			return nil
		}
		record, err := convert.RecordBytes(ctx, store, e.Event, e.Raw)
		if err != nil {
			return fmt.Errorf("log %s, entry %d: %w", fork.Log, e.Seq, err)
		}
		if _, ok := e.Event.Data.(*schema.SessionOpened); ok {
			m.NextFile()
		}
		rec := convert.Record{Bytes: record, Line: e.Event.Source.Line}
		m.Map(&rec, &convert.Run{Record: rec})
		return nil
	})
	m.NextFile()
	return m, err
}
