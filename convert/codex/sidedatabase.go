package codex

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
	_ "modernc.org/sqlite" // database/sql driver "sqlite"

	"github.com/ownlog/ownlog/convert"
	"github.com/ownlog/ownlog/schema"
)

// sideTables are the tables with session state that is not in the rollouts, as
// 0.169.0 makes them.
var sideTables = map[string]sideTable{
	sideGoals: {name: "thread_goals", session: "thread_id", id: "thread_id"},
	sideQueue: {name: "queued_items", session: "thread_id", id: "id"},
}

type sideTable struct{ name, session, id string }

// importDatabase mirrors the rows of a small database. It works on a copy, so
// that the CLI's own files are neither locked nor changed.
func importDatabase(ctx context.Context, m *convert.Mirror, src convert.Source) (err error) {
	dir, err := os.MkdirTemp("", "ownlog-codex-") // 0700
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	var name, path string
	for _, f := range src.Files {
		base := filepath.Base(f.Path)
		if strings.HasSuffix(base, "-shm") {
			continue // an index into the -wal file, made anew
		}
		if err := copyFile(ctx, src, f, filepath.Join(dir, base)); err != nil {
			return fmt.Errorf("%s: %w", f.Path, err)
		}
		if strings.HasSuffix(base, ".sqlite") {
			name, path = filepath.Join(dir, base), f.Path
		}
	}
	if name == "" {
		return fmt.Errorf("%s: the database of this file is not there", src.Files[0].Path)
	}
	table := sideTables[sideKind(src.Group)]
	rows, err := readTable(ctx, name, table)
	if err != nil {
		return fmt.Errorf("%s, table %s: %w", path, table.name, err)
	}
	rows.complete = true
	return rows.put(ctx, m, src.Projects, path)
}

func copyFile(ctx context.Context, src convert.Source, f convert.File, target string) error {
	in, err := src.Open(ctx, f)
	if err != nil {
		return err
	}
	out, err := os.OpenFile(target, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return errors.Join(err, in.Close())
	}
	_, err = io.Copy(out, in)
	return errors.Join(err, out.Close(), in.Close())
}

// readTable reads all rows of a table; a database that does not have it has none.
func readTable(ctx context.Context, name string, table sideTable) (found *sideRows, err error) {
	dsn := url.URL{Scheme: "file", OmitHost: true, Path: filepath.ToSlash(name)}
	db, err := sql.Open("sqlite", dsn.String())
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	found = new(sideRows)
	var exists int
	if err := db.QueryRowContext(ctx, "SELECT count(*) FROM sqlite_master WHERE type = 'table' AND name = ?", table.name).Scan(&exists); err != nil {
		return nil, err
	}
	if exists == 0 {
		return found, nil
	}
	rows, err := db.QueryContext(ctx, `SELECT * FROM "`+table.name+`" ORDER BY rowid`)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	columns, err := rows.Columns()
	if err != nil {
		return nil, err
	}
	values := make([]any, len(columns))
	into := make([]any, len(columns))
	for i := range values {
		into[i] = &values[i]
	}
	for rows.Next() {
		if err := rows.Scan(into...); err != nil {
			return nil, err
		}
		record, err := rowRecord(table.name, columns, values)
		if err != nil {
			return nil, err
		}
		session, id := column(columns, values, table.session), column(columns, values, table.id)
		if session == "" || id == "" {
			continue
		}
		found.add(session, sideRow{
			row:    schema.Row{Table: table.name, ID: id},
			record: record,
			data:   &schema.VendorRecord{Kind: table.name},
		})
	}
	return found, rows.Err()
}

// column returns a text column's value.
func column(columns []string, values []any, name string) string {
	for i, c := range columns {
		if s, ok := values[i].(string); ok && c == name {
			return s
		}
	}
	return ""
}

// rowRecord spells a row as {"table":T,<columns in schema order>}.
func rowRecord(table string, columns []string, values []any) ([]byte, error) {
	out := append([]byte(`{"table":`), quote(table)...)
	for i, c := range columns {
		out = append(append(append(out, ','), quote(c)...), ':')
		switch v := values[i].(type) {
		case nil:
			out = append(out, "null"...)
		case int64:
			out = fmt.Appendf(out, "%d", v)
		case bool:
			out = fmt.Appendf(out, "%t", v)
		case float64:
			out = append(out, jsontext.Float(v).String()...)
		case string:
			out = append(out, quote(v)...)
		case []byte:
			out = append(out, quote(string(v))...)
		default:
			return nil, fmt.Errorf("column %s: values of type %T are not read", c, v)
		}
	}
	return append(out, '}'), nil
}

// quote spells a string as JSON; what is not UTF-8 becomes U+FFFD.
func quote(s string) []byte {
	out, err := jsontext.AppendQuote(nil, s)
	if err != nil {
		out, _ = jsontext.AppendQuote(nil, strings.ToValidUTF8(s, "\ufffd"))
	}
	return out
}
