package codex

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"

	"github.com/ownlog/ownlog/convert"
	"github.com/ownlog/ownlog/schema"
)

// importSide mirrors what a side file says about sessions into their assets logs.
func importSide(ctx context.Context, m *convert.Mirror, src convert.Source) error {
	switch sideKind(src.Group) {
	case sideIndex:
		for _, f := range src.Files {
			if err := importIndex(ctx, m, src, f); err != nil {
				return fmt.Errorf("%s: %w", f.Path, err)
			}
		}
		return nil
	case sideGoals, sideQueue:
		return importDatabase(ctx, m, src)
	}
	return fmt.Errorf("side file group %q is not known", src.Group)
}

// assetsName names the log of a session's side files.
func assetsName(session string) convert.LogName {
	return convert.LogName{Vendor: Name, Kind: convert.LogAssets, ID: session}
}

// sideRow is one row of a side file.
type sideRow struct {
	row    schema.Row
	record []byte
	data   schema.Data
	time   string
}

// sideRows are the rows of a side file, by session, in the order of the file.
type sideRows struct {
	sessions []string
	rows     map[string][]sideRow
	// complete: a row that was there before and is not now is gone.
	complete bool
}

func (s *sideRows) add(session string, row sideRow) {
	if s.rows == nil {
		s.rows = make(map[string][]sideRow)
	}
	if _, ok := s.rows[session]; !ok {
		s.sessions = append(s.sessions, session)
	}
	s.rows[session] = append(s.rows[session], row)
}

// put mirrors the rows into the assets logs of their sessions.
func (s *sideRows) put(ctx context.Context, m *convert.Mirror, projects convert.Projects, path string) error {
	sessions := s.sessions
	if s.complete {
		// Of some the last row may be gone.
		for _, earlier := range m.Earlier(path) {
			if _, there := s.rows[earlier]; !there {
				sessions = append(sessions, earlier)
			}
		}
	}
	if len(sessions) == 0 {
		return convert.ErrNothing
	}
	var other *convert.RefusedError
	wanted := 0
	for _, session := range sessions {
		if err := m.WantSide(ctx, projects, Name, session); errors.As(err, &other) {
			continue
		} else if err != nil {
			return err
		}
		wanted++
		if err := s.mirrorSession(ctx, m, path, session); err != nil {
			return err
		}
	}
	if wanted == 0 {
		return other
	}
	return nil
}

// mirrorSession brings the log of one session's side files up to date.
func (s *sideRows) mirrorSession(ctx context.Context, m *convert.Mirror, path, session string) error {
	rows, err := m.OpenRows(ctx, assetsName(session), path, nil)
	if err != nil {
		return err
	}
	defer rows.Release()
	for _, r := range s.rows[session] {
		if _, _, same := rows.Seen(r.row, r.record); same {
			continue
		}
		run := convert.Run{
			Record: convert.Record{Bytes: r.record},
			Row:    &r.row,
			Events: []*schema.Event{{Time: r.time, Actor: schema.Actor{Kind: schema.ActorExecutor}, Data: r.data}},
		}
		if err := rows.Put(ctx, run); err != nil {
			return err
		}
	}
	if s.complete {
		if err := rows.PutGone(ctx); err != nil {
			return err
		}
	}
	_, err = rows.Close(ctx)
	return err
}

// maxIndexLine is the longest line of a session index that is read.
const maxIndexLine = 1 << 20

// importIndex reads session_index.jsonl: {"id","thread_name","updated_at"}, of
// which the last line of an id counts. It only ever grows, so a session's n-th
// line is the row `<session>/<n>`.
func importIndex(ctx context.Context, m *convert.Mirror, src convert.Source, f convert.File) error {
	file, err := src.Open(ctx, f)
	if err != nil {
		return err
	}
	rows, err := readIndex(file)
	if err := errors.Join(err, file.Close()); err != nil {
		return err
	}
	return rows.put(ctx, m, src.Projects, f.Path)
}

func readIndex(r io.Reader) (*sideRows, error) {
	var rows sideRows
	var o object
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, maxIndexLine)
	for lines.Scan() {
		line := bytes.TrimSpace(lines.Bytes())
		o.parseText(line)
		id, name := o.str("id"), o.str("thread_name")
		if id == "" {
			continue
		}
		row := sideRow{
			row:    schema.Row{Table: "session_index", ID: id + "/" + strconv.Itoa(len(rows.rows[id])+1)},
			record: bytes.Clone(line),
			time:   eventTime(o.str("updated_at")),
			data:   &schema.SessionUpdated{Title: name},
		}
		if name == "" {
			row.data = &schema.VendorRecord{Kind: "session_index"}
		}
		rows.add(id, row)
	}
	return &rows, lines.Err()
}
