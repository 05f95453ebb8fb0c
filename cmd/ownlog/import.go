package main

import (
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/ownlog/ownlog/convert"
	"github.com/ownlog/ownlog/format"
)

// importVerb finds sessions and mirrors them into the store.
func (s *session) importVerb() *cli.Command {
	return &cli.Command{
		Name:      "import",
		Usage:     "find sessions and bring them into the store",
		ArgsUsage: "[PATH...|-]",
		Description: "Without a PATH it looks where Claude Code, Codex and OpenCode keep their sessions on this machine.\n" +
			"Importing again adds only what is new. The sources are read, never changed.",
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "from", Usage: "only this vendor: claude-code, codex or opencode"},
			&cli.BoolFlag{Name: "dry-run", Usage: "say what would be done and write nothing"},
			&cli.StringFlag{Name: "project", Usage: "only sessions that worked in this folder or below it"},
			&cli.StringFlag{Name: "since", Usage: "only files modified since then: a date, a time (RFC 3339) or an age such as 48h"},
			&cli.BoolFlag{Name: "final", Usage: "take an unfinished last record as damaged instead of waiting for its rest"},
			&cli.BoolFlag{Name: "events", Usage: "opencode: the tool's own history of row snapshots, too"},
			&cli.BoolFlag{Name: "verbose", Aliases: []string{"v"}, Usage: "a line for every file, refused ones included"},
		},
		Action: s.runImport,
	}
}

// importMemory is the memory, in bytes, above which an import rather collects its
// garbage early: long records come one at a time, but leave much behind.
const importMemory = 160 << 20

func (s *session) runImport(c *cli.Context) (err error) {
	opts := convert.ImportOptions{
		Roots: c.Args().Slice(), Vendor: c.String("from"), Final: c.Bool("final"), DryRun: c.Bool("dry-run"),
		Env: convert.Environment{Home: s.Home, Getenv: s.Getenv},
	}
	if c.Bool("events") {
		opts.Options = map[string]string{"events": "true"}
	}
	if opts.Projects, err = projectFolders(c.String("project")); err != nil {
		return err
	}
	if opts.Since, err = parseSince(c.String("since"), time.Now()); err != nil {
		return usageError(err)
	}
	if opts.Vendor != "" && registry().Lookup(opts.Vendor) == nil {
		return usageError(fmt.Errorf("--from %s: no such vendor; claude-code, codex and opencode are known", opts.Vendor))
	}
	if slices.Contains(opts.Roots, "-") {
		spooled, err := spool(s.In)
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, os.RemoveAll(filepath.Dir(spooled))) }()
		opts.Roots[slices.Index(opts.Roots, "-")] = spooled
	}
	store, imports, err := s.openStore(c)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, store.Close()) }()
	if old := debug.SetMemoryLimit(-1); old == math.MaxInt64 { // nor does the user say (GOMEMLIMIT)
		debug.SetMemoryLimit(importMemory)
		defer debug.SetMemoryLimit(old)
	}

	view := newImportView(s, c)
	opts.Progress = view.file
	summary, err := convert.Import(c.Context, store, imports, registry(), opts)
	if err != nil {
		return err
	}
	if !opts.DryRun {
		// What is sealed was read back from the disk and compared.
		for log, sealed := range view.grown {
			if sealed {
				continue
			}
			if _, err := store.Seal(c.Context, log); err != nil {
				return fmt.Errorf("seal log %s: %w", log, err)
			}
		}
	}
	if err := view.finish(summary); err != nil {
		return err
	}
	if !summary.Complete() {
		return checkFailed(fmt.Errorf("%d files are not accounted for, see above; everything else is imported", summary.Files[convert.FileFailed]))
	}
	return nil
}

// spool copies standard input to a file of its own, since sources are opened by
// name. The caller removes its folder.
func spool(r io.Reader) (string, error) {
	dir, err := os.MkdirTemp("", "ownlog-stdin-")
	if err != nil {
		return "", err
	}
	f, err := os.OpenFile(filepath.Join(dir, "stdin"), os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err == nil {
		_, err = io.Copy(f, r)
		err = errors.Join(err, f.Close())
	}
	if err != nil {
		return "", errors.Join(err, os.RemoveAll(dir))
	}
	return filepath.Join(dir, "stdin"), nil
}

// projectFolders returns the spellings of a project's folder: as it was given, made
// absolute, and what symbolic links in it lead to, since tools note either.
func projectFolders(dir string) (convert.Projects, error) {
	if dir == "" {
		return nil, nil
	}
	// A session may come from a machine with paths of another kind.
	if foreign := strings.HasPrefix(dir, "/") || len(dir) > 2 && dir[1] == ':'; !foreign {
		var err error
		if dir, err = filepath.Abs(dir); err != nil {
			return nil, err
		}
	}
	projects := convert.Projects{dir}
	if resolved, err := filepath.EvalSymlinks(dir); err == nil && resolved != dir {
		projects = append(projects, resolved)
	}
	return projects, nil
}

// parseSince reads a date, a time or an age.
func parseSince(s string, now time.Time) (time.Time, error) {
	if s == "" {
		return time.Time{}, nil
	}
	if age, err := time.ParseDuration(s); err == nil {
		return now.Add(-age), nil
	}
	for _, layout := range []string{time.RFC3339, time.DateOnly} {
		if t, err := time.ParseInLocation(layout, s, time.Local); err == nil {
			return t, nil
		}
	}
	return time.Time{}, fmt.Errorf("--since %s: want a date (2026-01-31), a time (RFC 3339) or an age (48h)", s)
}

func compareLogs(a, b format.LogID) int { return slices.Compare(a[:], b[:]) }
