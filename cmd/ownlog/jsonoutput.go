package main

import (
	"io"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// printJSON prints one JSON document on a line. Every document of this command
// has a member schema: a name and the version of its shape. Members may be added
// without a new version; nothing is taken away or changes its meaning.
func printJSON(w io.Writer, doc any) error {
	b, err := json.Marshal(doc, json.Deterministic(true), jsontext.AllowInvalidUTF8(true))
	if err != nil {
		return err
	}
	_, err = w.Write(append(b, '\n'))
	return err
}
