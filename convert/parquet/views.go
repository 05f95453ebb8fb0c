package parquet

import (
	"bytes"
	"cmp"
	_ "embed"
	"fmt"
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
	f, err := os.CreateTemp(out, tempPrefix+"*")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	_, err = f.Write(views)
	if err = cmp.Or(err, f.Sync(), f.Close()); err != nil {
		_ = f.Close()
		return fmt.Errorf("write %s: %w", name, err)
	}
	return os.Rename(f.Name(), name)
}
