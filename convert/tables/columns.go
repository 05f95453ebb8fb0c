package tables

import (
	"iter"
	"reflect"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// Column is one column of a table.
type Column struct {
	Name string
	Doc  string
	Null bool // the value may be absent
}

// Columns yields the columns of a row type in order.
func Columns[T any]() iter.Seq[Column] {
	return func(yield func(Column) bool) {
		for _, f := range reflect.VisibleFields(reflect.TypeFor[T]()) {
			name, _, _ := strings.Cut(f.Tag.Get("parquet"), ",")
			if !yield(Column{Name: name, Doc: f.Tag.Get("doc"), Null: f.Type.Kind() == reflect.Pointer}) {
				return
			}
		}
	}
}

// ColumnDocs returns a JSON object of the columns' names and what they mean.
func ColumnDocs[T any]() string {
	var b strings.Builder
	enc := jsontext.NewEncoder(&b)
	docs := make(map[string]string)
	for c := range Columns[T]() {
		docs[c.Name] = c.Doc
	}
	if err := json.MarshalEncode(enc, docs, json.Deterministic(true)); err != nil {
		return "{}" // strings are always JSON
	}
	return strings.TrimSpace(b.String())
}
