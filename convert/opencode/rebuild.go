package opencode

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/ownlog/ownlog/convert"
	"github.com/ownlog/ownlog/format"
	"github.com/ownlog/ownlog/schema"
)

// The option that picks the form of an export, and its value for a database.
const (
	optionTo       = "to"
	targetDatabase = "opencode-db"
)

// databaseName is the name of an exported database.
const databaseName = "opencode.db"

// ExportDatabase makes a database of logs: that of the request and more. Logs that
// mirror OpenCode sessions are rebuilt row for row; any other log gets the rows that
// the tool's import of its exported files would make, with those of its subagents.
// The tables are those of 1.18.33; rows
// of older releases leave the newer columns at their defaults, and columns that
// 1.18.33 does not have are added. Files of a legacy tree become rows. The
// database is built in a private folder and handed over when it is complete.
func ExportDatabase(ctx context.Context, req convert.ExportRequest, more ...format.LogID) error {
	dir, err := os.MkdirTemp("", "ownlog-opencode-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, databaseName)
	if err := rebuild(ctx, req, path, append([]format.LogID{req.Log}, more...)); err != nil {
		return err
	}
	in, err := os.Open(path)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := req.Out.Create(databaseName)
	if err != nil {
		return err
	}
	if _, err := io.Copy(out, in); err != nil {
		return err
	}
	return out.Close()
}

func rebuild(ctx context.Context, req convert.ExportRequest, path string, logs []format.LogID) (err error) {
	db, err := sql.Open("sqlite", path+"?_pragma=foreign_keys(0)&_pragma=synchronous(0)&_pragma=journal_mode(off)")
	if err != nil {
		return err
	}
	db.SetMaxOpenConns(1)
	defer func() { err = errors.Join(err, db.Close()) }()
	for _, statement := range layoutSQL() {
		if _, err := db.ExecContext(ctx, statement); err != nil {
			return fmt.Errorf("make the tables: %w", err)
		}
	}
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	b := &rebuilder{tx: tx, report: req.Report, columns: make(map[string][]string), projects: make(map[string]string), sessions: make(map[string]string)}
	for m := range strings.FieldsSeq(migrations) {
		if _, err := tx.ExecContext(ctx, `INSERT INTO migration (id, time_completed) VALUES (?, 0)`, m); err != nil {
			return errors.Join(err, tx.Rollback())
		}
	}
	// Rows of a database come first: files that were exported from it, in logs of
	// their own, tell of the same sessions.
	var without []convert.ExportRequest
	for i, log := range logs {
		one := req
		if one.Log = log; i > 0 {
			one.Size = -1
		}
		s, err := indexRows(ctx, one, maxInline)
		switch {
		case err != nil:
		case s.foreign || s.lines || s.native >= 0 || s.empty():
			without = append(without, one)
		default:
			err = b.log(ctx, one)
		}
		if err != nil {
			return errors.Join(err, tx.Rollback())
		}
	}
	for _, one := range without {
		if err := b.view(ctx, one); err != nil {
			return errors.Join(err, tx.Rollback())
		}
	}
	if err := b.allProjects(ctx, req.Store); err != nil {
		return errors.Join(err, tx.Rollback())
	}
	if err := b.placeSessions(ctx); err != nil {
		return errors.Join(err, tx.Rollback())
	}
	return tx.Commit()
}

// rebuilder inserts rows into a new database.
type rebuilder struct {
	tx       *sql.Tx
	report   *schema.Fidelity
	columns  map[string][]string // by table
	projects map[string]string   // by id: a session's folder
	sessions map[string]string   // by id: the file it was read from, or fromRows
}

// fromRows stands for the file of a session whose log has rows.
const fromRows = "rows"

// log inserts the rows of one session's log.
func (b *rebuilder) log(ctx context.Context, req convert.ExportRequest) error {
	session := ""
	return convert.LatestRows(ctx, req.Store, req.Log, req.Size, func(row schema.Row, record []byte) error {
		names, values, err := b.rowValues(row, record, session)
		if err != nil {
			b.report.Add(schema.Dropped, row.Table+"-not-a-row", 1, row.ID)
			return nil
		}
		if row.Table == tableSession {
			session = asText(pick(names, values, "id"))
			b.sessions[session] = fromRows
			b.projects[asText(pick(names, values, "project_id"))] = asText(pick(names, values, "directory"))
		}
		if row.Table == tableEvent {
			if err := b.eventSequence(ctx, names, values); err != nil {
				return err
			}
		}
		return b.insert(ctx, row, names, values)
	})
}

// rowValues gives a row's columns back, or makes them of a legacy file.
func (b *rebuilder) rowValues(row schema.Row, record []byte, session string) ([]string, []any, error) {
	if isRow(record) {
		_, cells, err := parseRow(record)
		if err != nil {
			return nil, nil, err
		}
		return columns(cells)
	}
	return fileColumns(row, record, session)
}

// eventSequence keeps the counter that event rows hang on.
func (b *rebuilder) eventSequence(ctx context.Context, names []string, values []any) error {
	_, err := b.tx.ExecContext(ctx, `INSERT INTO event_sequence (aggregate_id, seq) VALUES (?1, ?2) ON CONFLICT DO UPDATE SET seq = max(seq, ?2)`,
		pick(names, values, "aggregate_id"), pick(names, values, "seq"))
	return err
}

// insert adds a row, and first the columns that its table lacks.
func (b *rebuilder) insert(ctx context.Context, row schema.Row, names []string, values []any) error {
	known, err := b.tableColumns(ctx, row.Table)
	if err != nil {
		return err
	}
	if known == nil || row.Table == tablePermission && !slices.Contains(names, "id") {
		b.report.Add(schema.Dropped, row.Table+"-row", 1, row.ID)
		return nil
	}
	for _, name := range names {
		if slices.Contains(known, name) {
			continue
		}
		if _, err := b.tx.ExecContext(ctx, "ALTER TABLE "+quoteName(row.Table)+" ADD COLUMN "+quoteName(name)); err != nil {
			return fmt.Errorf("%s %s: column %q: %w", row.Table, row.ID, name, err)
		}
		b.report.Add(schema.Transformed, "column-added", 1, row.Table+"."+name)
		known = append(known, name)
		b.columns[row.Table] = known
	}
	quoted := make([]string, len(names))
	for i, name := range names {
		quoted[i] = quoteName(name)
	}
	query := "INSERT INTO " + quoteName(row.Table) + " (" + strings.Join(quoted, ", ") + ") VALUES (?" + strings.Repeat(", ?", len(names)-1) + ")"
	if _, err := b.tx.ExecContext(ctx, query, values...); err != nil {
		b.report.Add(schema.Dropped, row.Table+"-refused", 1, row.ID+": "+err.Error())
		return nil
	}
	b.report.Add(schema.Preserved, row.Table+"-row", 1, row.ID)
	return nil
}

func (b *rebuilder) tableColumns(ctx context.Context, name string) ([]string, error) {
	if known, ok := b.columns[name]; ok || !slices.Contains(readTables, name) {
		return known, nil
	}
	rows, err := b.tx.QueryContext(ctx, `SELECT name FROM pragma_table_info(?) ORDER BY cid`, name)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var column string
		if err := rows.Scan(&column); err != nil {
			return nil, err
		}
		b.columns[name] = append(b.columns[name], column)
	}
	return b.columns[name], rows.Err()
}

// allProjects inserts the projects of the sessions, made up where no log has one:
// a session needs its project's row.
func (b *rebuilder) allProjects(ctx context.Context, store format.Store) error {
	ids := make([]string, 0, len(b.projects))
	for id := range b.projects {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	for _, id := range ids {
		found := false
		err := convert.LatestRows(ctx, store, projectName(id).LogID(), -1, func(row schema.Row, record []byte) error {
			names, values, err := b.rowValues(row, record, "")
			if err != nil {
				return nil
			}
			found = found || row.Table == tableProject
			return b.insert(ctx, row, names, values)
		})
		if err != nil && !errors.Is(err, format.ErrNotFound) {
			return err
		}
		if found {
			continue
		}
		b.report.Add(schema.NotInSource, "project-row", 1, id)
		_, err = b.tx.ExecContext(ctx, `INSERT INTO project (id, worktree, time_created, time_updated, sandboxes) VALUES (?, ?, 0, 0, '[]')`, id, b.worktree(id))
		if err != nil {
			return err
		}
	}
	return nil
}

// noProject is the tool's own project for sessions outside of any repository.
const noProject = "global"

// worktree is the folder of a project that no log has: that of noProject is the whole
// file system.
func (b *rebuilder) worktree(project string) string {
	if project == noProject {
		return "/"
	}
	return b.projects[project]
}

func pick(names []string, values []any, name string) any {
	if i := slices.Index(names, name); i >= 0 {
		return values[i]
	}
	return nil
}

// fileColumns makes a row of a file of the legacy tree, as release 1.2 did: the
// ids and times go to columns, the rest is the data.
func fileColumns(row schema.Row, record []byte, session string) (names []string, values []any, err error) {
	rec := readRecord(row, record)
	if rec.data.Kind() != '{' {
		return nil, nil, errRow
	}
	add := func(name string, value any) {
		if value != nil {
			names, values = append(names, name), append(values, value)
		}
	}
	created := int64(0)
	if rec.created != nil {
		created = *rec.created
	}
	switch row.Table {
	case tableMessage, tablePart:
		add("id", ownID(rec))
		drop := []string{"id", "sessionID"}
		if row.Table == tablePart {
			add("message_id", rec.messageID)
			drop = append(drop, "messageID")
		}
		add("session_id", cmpOr(rec.sessionID, session))
		add("time_created", created)
		add("time_updated", created)
		add("data", string(without(rec.data, drop...)))
	case tableSession:
		return sessionColumns(rec)
	case tableProject:
		return projectColumns(rec)
	default:
		return nil, nil, errRow
	}
	return names, values, nil
}

// without copies an object without some of its members; the others stay as they
// are spelled.
func without(object jsontext.Value, drop ...string) jsontext.Value {
	var o objectWriter
	_ = members(object, func(name string, value jsontext.Value) error {
		if !slices.Contains(drop, name) {
			o.add(name, value)
		}
		return nil
	})
	out := o.close()
	if err := out.Compact(append(lenient, jsontext.PreserveRawStrings(true))...); err != nil {
		return object
	}
	return out
}

func sessionColumns(rec record) (names []string, values []any, err error) {
	var f struct {
		ID         string         `json:"id"`
		ProjectID  string         `json:"projectID"`
		ParentID   string         `json:"parentID"`
		Slug       string         `json:"slug"`
		Directory  string         `json:"directory"`
		Title      string         `json:"title"`
		Version    string         `json:"version"`
		Path       string         `json:"path"`
		Agent      string         `json:"agent"`
		Model      jsontext.Value `json:"model"`
		Metadata   jsontext.Value `json:"metadata"`
		Cost       jsontext.Value `json:"cost"`
		Tokens     *tokens        `json:"tokens"`
		Permission jsontext.Value `json:"permission"`
		Revert     jsontext.Value `json:"revert"`
		Summary    struct {
			Additions jsontext.Value `json:"additions"`
			Deletions jsontext.Value `json:"deletions"`
			Files     jsontext.Value `json:"files"`
		} `json:"summary"`
		Time struct {
			Created  jsontext.Value `json:"created"`
			Updated  jsontext.Value `json:"updated"`
			Archived jsontext.Value `json:"archived"`
		} `json:"time"`
	}
	if err := unmarshal(rec.data, &f); err != nil {
		return nil, nil, err
	}
	add := func(name string, value any) { names, values = append(names, name), append(values, value) }
	add("id", cmpOr(f.ID, rec.id))
	add("project_id", cmpOr(f.ProjectID, noProject))
	if f.ParentID != "" {
		add("parent_id", f.ParentID)
	}
	add("slug", cmpOr(f.Slug, cmpOr(f.ID, rec.id)))
	add("directory", f.Directory)
	add("title", f.Title)
	add("version", f.Version)
	for _, n := range []struct {
		name  string
		value jsontext.Value
	}{{"summary_additions", f.Summary.Additions}, {"summary_deletions", f.Summary.Deletions}, {"summary_files", f.Summary.Files}, {"time_archived", f.Time.Archived}} {
		if v, ok := integer(n.value); ok {
			add(n.name, v)
		}
	}
	for _, t := range []struct{ name, value string }{
		{"path", f.Path}, {"agent", f.Agent}, {"model", string(f.Model)}, {"metadata", string(f.Metadata)},
		{"permission", string(f.Permission)}, {"revert", string(f.Revert)},
	} {
		if t.value != "" {
			add(t.name, t.value)
		}
	}
	if cost := number(f.Cost); !math.IsNaN(cost) {
		add("cost", cost)
	}
	if f.Tokens != nil {
		for _, n := range []struct {
			name  string
			value jsontext.Value
		}{
			{"tokens_input", f.Tokens.Input}, {"tokens_output", f.Tokens.Output}, {"tokens_reasoning", f.Tokens.Reasoning},
			{"tokens_cache_read", f.Tokens.Cache.Read}, {"tokens_cache_write", f.Tokens.Cache.Write},
		} {
			if v, ok := integer(n.value); ok {
				add(n.name, v)
			}
		}
	}
	created, _ := integer(f.Time.Created)
	updated, ok := integer(f.Time.Updated)
	if !ok {
		updated = created
	}
	add("time_created", created)
	add("time_updated", updated)
	return names, values, nil
}

func projectColumns(rec record) (names []string, values []any, err error) {
	var f struct {
		ID        string         `json:"id"`
		Worktree  string         `json:"worktree"`
		VCS       string         `json:"vcs"`
		Sandboxes jsontext.Value `json:"sandboxes"`
		Time      struct {
			Created jsontext.Value `json:"created"`
			Updated jsontext.Value `json:"updated"`
		} `json:"time"`
	}
	if err := unmarshal(rec.data, &f); err != nil {
		return nil, nil, err
	}
	created, _ := integer(f.Time.Created)
	updated, _ := integer(f.Time.Updated)
	sandboxes := "[]"
	if len(f.Sandboxes) > 0 {
		sandboxes = string(f.Sandboxes)
	}
	names = []string{"id", "worktree", "time_created", "time_updated", "sandboxes"}
	values = []any{cmpOr(f.ID, rec.id), f.Worktree, created, max(created, updated), sandboxes}
	if f.VCS != "" {
		names, values = append(names, "vcs"), append(values, f.VCS)
	}
	return names, values, nil
}
