package parquet

import (
	"bytes"
	_ "embed"
	"io"
	"os"
	"path/filepath"
)

// ViewsName is the file in the output folder with views for DuckDB.
const ViewsName = "views.sql"

//go:embed views.sql
var views []byte

// writeViews puts the views beside the tables, if they are not there already.
func writeViews(out string) error {
	name := filepath.Join(out, ViewsName)
	if have, err := os.ReadFile(name); err == nil && bytes.Equal(have, views) {
		return nil
	}
	return replaceFile(out, ViewsName, func(w io.Writer) error {
		_, err := w.Write(views)
		return err
	})
}
