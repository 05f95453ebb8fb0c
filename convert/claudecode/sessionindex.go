package claudecode

import (
	"bytes"
	"context"
	"errors"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/ownlog/ownlog/convert"
	"github.com/ownlog/ownlog/schema"
)

// tableIndex is the table of rows that are entries of a project's index of
// sessions; the id is the session's.
const tableIndex = "sessions-index"

// importIndex takes the entries of a project's index into the assets logs of their
// sessions, each with its own bytes. Versions that are no longer around wrote it;
// {"version":1,"entries":[{"sessionId","firstPrompt","summary",...}]}.
func importIndex(ctx context.Context, m *convert.Mirror, src convert.Source, f convert.File) (err error) {
	r, err := src.Open(ctx, f)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, r.Close()) }()
	content, err := readSide(r, f)
	if err != nil {
		return err
	}
	index := bytes.TrimSpace(content)
	if !jsontext.Value(index).IsValid(jsontext.AllowInvalidUTF8(true), jsontext.AllowDuplicateNames(true)) {
		return &convert.RefusedError{Reason: "an index of sessions that is not JSON; the sessions are imported themselves"}
	}
	entries := make(map[string][]byte) // by session
	var sessions []string
	list := convert.ElementsOf(member(index, "entries"))
	for {
		entry, ok := list.Next()
		if !ok {
			break
		}
		session, _ := unquote(member(entry, "sessionId"))
		if session == "" {
			continue
		}
		if _, twice := entries[session]; !twice {
			sessions = append(sessions, session)
		}
		entries[session] = entry
	}
	for _, earlier := range m.Earlier(f.Path) {
		if _, there := entries[earlier]; !there {
			sessions = append(sessions, earlier)
		}
	}
	if len(sessions) == 0 {
		return convert.ErrNothing
	}
	var other *convert.RefusedError
	wanted := 0
	for _, session := range sessions {
		if err := m.WantSide(ctx, src.Projects, Name, session); errors.As(err, &other) {
			continue
		} else if err != nil {
			return err
		}
		wanted++
		if err := putIndexEntry(ctx, m, f.Path, session, entries[session]); err != nil {
			return err
		}
	}
	if wanted == 0 {
		return other
	}
	return nil
}

// putIndexEntry mirrors one session's entry; nil: it is not there any more.
func putIndexEntry(ctx context.Context, m *convert.Mirror, path, session string, entry []byte) error {
	rows, err := m.OpenRows(ctx, convert.LogName{Vendor: Name, Kind: convert.LogAssets, ID: session}, path, nil)
	if err != nil {
		return err
	}
	defer rows.Release()
	row := schema.Row{Table: tableIndex, ID: session}
	if entry != nil {
		if _, _, same := rows.Seen(row, entry); !same {
			run := sideRun(session, entry, tableIndex)
			run.Row = &row
			err = rows.Put(ctx, run)
		}
	}
	if err == nil {
		err = rows.PutGone(ctx)
	}
	if err != nil {
		return err
	}
	_, err = rows.Close(ctx)
	return err
}
