package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/ownlog/ownlog/convert"
	"github.com/ownlog/ownlog/format"
)

// logRef is a log, or the first entries of one, in a store.
type logRef struct {
	Store   *format.DirStore
	Imports *convert.Imports
	Log     format.LogID
	// Size is how many entries are meant, negative for all.
	Size int64
	// there is how many the log had when it was found.
	there int64
}

// minPrefix is the shortest prefix of an id that names a log.
const minPrefix = 4

// oneLog resolves the only operand of a verb. The caller closes ref.Store.
func (s *session) oneLog(c *cli.Context) (logRef, error) {
	if c.NArg() != 1 {
		return logRef{}, usageError(fmt.Errorf("%s takes one LOG, not %d; see ownlog ls", c.Command.Name, c.NArg()))
	}
	store, imports, err := s.openStore(c)
	if err != nil {
		return logRef{}, err
	}
	ref, err := s.resolve(c.Context, store, imports, c.Args().First())
	if err != nil || ref.Store != store {
		err = errors.Join(err, store.Close())
	}
	return ref, err
}

// resolve finds the log that a person names: an id, a unique prefix of one, a
// vendor's session id, or the path of a log's folder or of a file in it; with
// @SIZE its first entries.
func (s *session) resolve(ctx context.Context, store *format.DirStore, imports *convert.Imports, name string) (logRef, error) {
	ref := logRef{Store: store, Imports: imports, Size: -1}
	base := name
	if at := strings.LastIndexByte(name, '@'); at > 0 {
		size, err := strconv.ParseInt(name[at+1:], 10, 64)
		_, missing := os.Stat(name)
		switch {
		case err == nil && size >= 0:
			base, ref.Size = name[:at], size
		case missing != nil:
			return ref, usageError(fmt.Errorf("%s: what follows @ is not a number of entries", name))
		}
	}
	found, err := s.find(ctx, &ref, base)
	if err != nil {
		return ref, err
	}
	if !found {
		return ref, fmt.Errorf("log %s: %w; ownlog ls shows what is there", base, format.ErrNotFound)
	}
	if ref.Size > ref.there {
		return ref, fmt.Errorf("log %s has %d entries, not %d", ref.Log, ref.there, ref.Size)
	}
	return ref, nil
}

func (s *session) find(ctx context.Context, ref *logRef, name string) (bool, error) {
	if id, err := format.ParseLogID(name); err == nil {
		if ok, err := ref.take(ctx, id); ok || err != nil {
			return ok, err
		}
	}
	if ok, err := findVendorSession(ctx, ref, name); ok || err != nil {
		return ok, err
	}
	if ok, err := findPrefix(ctx, ref, name); ok || err != nil {
		return ok, err
	}
	return findPath(ctx, ref, name)
}

// take makes ref mean a log of its store, if it is there.
func (ref *logRef) take(ctx context.Context, id format.LogID) (bool, error) {
	ref.Log = id
	info, err := ref.Store.Info(ctx, id)
	if errors.Is(err, format.ErrNotFound) {
		return false, nil
	}
	ref.there = info.Size
	return err == nil, err
}

// findVendorSession looks for a mirror of a session.
func findVendorSession(ctx context.Context, ref *logRef, name string) (bool, error) {
	for _, id := range mirrorsOf(name) {
		if ok, err := ref.take(ctx, id); ok || err != nil {
			return ok, err
		}
	}
	return false, nil
}

// mirrorsOf returns the ids that logs of a vendor's session of that id would have.
func mirrorsOf(session string) (ids []format.LogID) {
	for v := range registry().Vendors() {
		for _, kind := range []convert.LogKind{convert.LogSession, convert.LogAgent} {
			ids = append(ids, convert.LogName{Vendor: v.Name(), Kind: kind, ID: session}.LogID())
		}
	}
	return ids
}

func findPrefix(ctx context.Context, ref *logRef, prefix string) (bool, error) {
	if len(prefix) < minPrefix {
		return false, nil
	}
	var matches []format.LogID
	for id, err := range ref.Store.List(ctx) {
		if err != nil {
			return false, err
		}
		if strings.HasPrefix(id.String(), prefix) {
			matches = append(matches, id)
		}
	}
	switch len(matches) {
	case 0:
		return false, nil
	case 1:
		return ref.take(ctx, matches[0])
	}
	return false, usageError(fmt.Errorf("%s begins the ids of %d logs, %s and %s among them; give more of it", prefix, len(matches), matches[0], matches[1]))
}

// errNotLogFolder: a path is there and is no log's.
var errNotLogFolder = errors.New("not the folder of a log (want .../logs/<id>)")

// findPath takes <store>/logs/<id>, or a file in it, of any store.
func findPath(ctx context.Context, ref *logRef, name string) (bool, error) {
	st, err := os.Stat(name)
	if err != nil {
		return false, nil //nolint:nilerr // not a path: the caller says that nothing was found
	}
	dir, err := filepath.Abs(name)
	if err != nil {
		return false, err
	}
	if !st.IsDir() {
		dir = filepath.Dir(dir)
	}
	id, err := format.ParseLogID(filepath.Base(dir))
	if err != nil || filepath.Base(filepath.Dir(dir)) != "logs" {
		return false, usageError(fmt.Errorf("%s: %w", name, errNotLogFolder))
	}
	store, imports, err := openStoreAt(filepath.Dir(filepath.Dir(dir)))
	if err != nil {
		return false, err
	}
	ref.Store, ref.Imports = store, imports
	return ref.take(ctx, id)
}

// manyLogs resolves the operands of a verb, or every log of the store if there
// are none or --all is given. The caller closes store.
func (s *session) manyLogs(c *cli.Context) (store *format.DirStore, refs []logRef, err error) {
	store, imports, err := s.openStore(c)
	if err != nil {
		return nil, nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, store.Close())
		}
	}()
	if c.NArg() > 0 {
		for _, name := range c.Args().Slice() {
			ref, err := s.resolve(c.Context, store, imports, name)
			if err != nil {
				return nil, nil, err
			}
			refs = append(refs, ref)
		}
		return store, refs, nil
	}
	for id, err := range store.List(c.Context) {
		if err != nil {
			return nil, nil, err
		}
		refs = append(refs, logRef{Store: store, Imports: imports, Log: id, Size: -1})
	}
	return store, refs, nil
}
