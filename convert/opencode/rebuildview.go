package opencode

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/ownlog/ownlog/convert"
	"github.com/ownlog/ownlog/schema"
)

// view inserts a log that has no rows of its own: the files that `opencode import`
// would be given, in a private folder, are read back message by message.
func (b *rebuilder) view(ctx context.Context, req convert.ExportRequest) error {
	dir, err := os.MkdirTemp("", "ownlog-opencode-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	out := &convert.FolderOutput{Dir: dir}
	req.Out = out
	options := make(map[string]string)
	for name, value := range req.Options {
		if name != optionTo {
			options[name] = value
		}
	}
	req.Options = options
	if err := (Vendor{}).Export(ctx, req); err != nil {
		return err
	}
	for _, file := range out.Written {
		if err := b.file(ctx, file); err != nil {
			return fmt.Errorf("log %s: %w", req.Log, err)
		}
	}
	return nil
}

// file inserts the session of one import file.
func (b *rebuilder) file(ctx context.Context, path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	session := ""
	var message messageInfo
	err = readImportFile(f, func(table string, data jsontext.Value) error {
		if session != "" && b.sessions[session] != path {
			return nil // of a subagent that was exported on its own and with its parent
		}
		row := schema.Row{Table: table}
		names, values, err := fileColumns(row, data, session)
		if err != nil {
			return fmt.Errorf("%s: %s: %w", filepath.Base(path), table, err)
		}
		switch table {
		case tableSession:
			session = asText(pick(names, values, "id"))
			if b.sessions[session] == fromRows {
				b.report.Add(schema.Dropped, "session-from-rows", 1, session)
				return nil
			}
			if b.sessions[session] != "" {
				return b.adopt(ctx, session, pick(names, values, "parent_id"))
			}
			b.sessions[session] = path
			b.projects[asText(pick(names, values, "project_id"))] = asText(pick(names, values, "directory"))
		case tableMessage:
			message = messageInfo{}
			if err := unmarshal(data, &message); err != nil {
				return err
			}
		case tablePart:
			b.timePart(names, values, message.Time.Created)
		}
		row.ID = asText(pick(names, values, "id"))
		return b.insert(ctx, row, names, values)
	})
	return err
}

// adopt gives a session that is there already the parent that it turned out to have.
func (b *rebuilder) adopt(ctx context.Context, session string, parent any) error {
	if parent == nil {
		return nil
	}
	_, err := b.tx.ExecContext(ctx, "UPDATE session SET parent_id = ? WHERE id = ?", parent, session)
	return err
}

// placeSessions moves sessions that no database had into the project in whose folder
// they are, if the database has it. The tool lists a session in its project alone, and
// moves by itself only those of a project's very folder (seen with 1.18.33).
func (b *rebuilder) placeSessions(ctx context.Context) error {
	for session, file := range b.sessions {
		if file == fromRows {
			continue
		}
		_, err := b.tx.ExecContext(ctx, `UPDATE session SET project_id = p.id, path = substr(directory, length(p.worktree) + 2)
			FROM (SELECT project.id, worktree FROM project, session s WHERE s.id = ?1 AND project.id <> ?2
				AND (s.directory = worktree OR substr(s.directory, 1, length(worktree) + 1) = worktree || '/')
				ORDER BY length(worktree) DESC, project.id LIMIT 1) p
			WHERE session.id = ?1 AND project_id = ?2`, session, noProject)
		if err != nil {
			return fmt.Errorf("place session %s: %w", session, err)
		}
	}
	return nil
}

// timePart gives a part that has no time of its own that of its message.
func (b *rebuilder) timePart(names []string, values []any, created jsontext.Value) {
	ms := milliseconds(created)
	for i, name := range names {
		if (name == "time_created" || name == "time_updated") && values[i] == int64(0) && ms != nil {
			values[i] = *ms
		}
	}
}

// readImportFile calls visit with the session, the messages and the parts of a file
// for `opencode import`, in order. It holds one of them at a time.
func readImportFile(f *os.File, visit func(table string, data jsontext.Value) error) error {
	dec := jsontext.NewDecoder(bufio.NewReaderSize(f, 256<<10), lenient...)
	object := func(member func(name string) error) error {
		if tok, err := dec.ReadToken(); err != nil || tok.Kind() != '{' {
			return errors.Join(errImportFile, err)
		}
		for dec.PeekKind() == '"' {
			name, err := dec.ReadToken()
			if err != nil {
				return err
			}
			if err := member(name.String()); err != nil {
				return err
			}
		}
		_, err := dec.ReadToken()
		return err
	}
	array := func(element func() error) error {
		if tok, err := dec.ReadToken(); err != nil || tok.Kind() != '[' {
			return errors.Join(errImportFile, err)
		}
		for dec.PeekKind() != ']' {
			if err := element(); err != nil {
				return err
			}
		}
		_, err := dec.ReadToken()
		return err
	}
	value := func(table string) error {
		v, err := dec.ReadValue()
		if err != nil {
			return err
		}
		return visit(table, v)
	}
	return object(func(name string) error {
		switch name {
		case "info":
			return value(tableSession)
		case "messages":
			return array(func() error {
				return object(func(name string) error {
					switch name {
					case "info":
						return value(tableMessage)
					case "parts":
						return array(func() error { return value(tablePart) })
					}
					return dec.SkipValue()
				})
			})
		}
		return dec.SkipValue()
	})
}

// errImportFile: not the form of a file for `opencode import`.
var errImportFile = errors.New(`not {"info":...,"messages":[{"info":...,"parts":[...]}]}`)
