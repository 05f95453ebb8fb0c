package main

import (
	"errors"
	"path/filepath"
	"runtime"

	"github.com/urfave/cli/v2"

	"github.com/ownlog/ownlog/convert"
	"github.com/ownlog/ownlog/format"
)

// openStore opens the store that the command line names, with its import
// records. The caller closes the store.
func (s *session) openStore(c *cli.Context) (*format.DirStore, *convert.Imports, error) {
	dir, err := s.storeDir(c)
	if err != nil {
		return nil, nil, err
	}
	return openStoreAt(dir)
}

func openStoreAt(dir string) (*format.DirStore, *convert.Imports, error) {
	store, err := format.OpenDirStore(dir)
	if err != nil {
		return nil, nil, err
	}
	return store, convert.OpenImports(filepath.Join(dir, "imports")), nil
}

// storeDir returns where the store is: --store, else $OWNLOG_STORE, else the data
// folder of the account (XDG base directories; local application data on Windows).
func (s *session) storeDir(c *cli.Context) (string, error) {
	if dir := c.String("store"); dir != "" {
		return filepath.Abs(dir)
	}
	if dir := s.Getenv("OWNLOG_STORE"); dir != "" {
		return filepath.Abs(dir)
	}
	if runtime.GOOS == "windows" {
		if dir := s.Getenv("LocalAppData"); dir != "" {
			return filepath.Join(dir, "ownlog"), nil
		}
	}
	if dir := s.Getenv("XDG_DATA_HOME"); filepath.IsAbs(dir) {
		return filepath.Join(dir, "ownlog"), nil
	}
	if s.Home == "" {
		return "", usageError(errors.New("no home folder is known; name the store with --store DIR"))
	}
	return filepath.Join(s.Home, ".local", "share", "ownlog"), nil
}
