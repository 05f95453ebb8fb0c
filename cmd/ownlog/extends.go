package main

import (
	"errors"
	"fmt"

	"github.com/urfave/cli/v2"

	"github.com/ownlog/ownlog/format"
)

// extendsVerb proves that a head continues an older one.
func (s *session) extendsVerb() *cli.Command {
	return &cli.Command{
		Name:        "extends",
		Usage:       "prove that head NEW continues head OLD of the same log",
		ArgsUsage:   "OLD NEW",
		Description: "The proof (RFC 6962, consistency) is made from the store; with --json it is printed and can be checked without.",
		Action:      s.runExtends,
	}
}

func (s *session) runExtends(c *cli.Context) (err error) {
	if c.NArg() != 2 {
		return usageError(errors.New("extends takes two heads, OLD and NEW"))
	}
	older, err := format.ParseHead(c.Args().Get(0))
	if err != nil {
		return usageError(err)
	}
	newer, err := format.ParseHead(c.Args().Get(1))
	if err != nil {
		return usageError(err)
	}
	if older.Log != newer.Log || older.Size > newer.Size {
		return checkFailed(fmt.Errorf("%s does not continue %s", newer, older))
	}
	store, _, err := s.openStore(c)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, store.Close()) }()
	proof, err := format.ProveExtension(c.Context, store, newer.Log, older.Size, newer.Size)
	if err != nil {
		return err
	}
	if err := format.CheckExtension(proof, older, newer); err != nil {
		return checkFailed(fmt.Errorf("%s does not continue %s: %w", newer, older, err))
	}
	if c.Bool("json") {
		doc := extendsJSON{Schema: "ownlog.extends/1", Old: older.String(), New: newer.String(), Proof: []string{}}
		for _, h := range proof {
			doc.Proof = append(doc.Proof, h.String())
		}
		return printJSON(s.Out, doc)
	}
	_, err = fmt.Fprintf(s.Out, "%s continues %s\n", newer, older)
	return err
}

type extendsJSON struct {
	Schema string   `json:"schema"`
	Old    string   `json:"old"`
	New    string   `json:"new"`
	Proof  []string `json:"proof"` // hexadecimal hashes
}
