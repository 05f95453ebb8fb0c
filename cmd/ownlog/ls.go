package main

import (
	"cmp"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/urfave/cli/v2"

	"github.com/ownlog/ownlog/convert"
	"github.com/ownlog/ownlog/convert/summary"
	"github.com/ownlog/ownlog/format"
)

// lsVerb lists the logs of the store.
func (s *session) lsVerb() *cli.Command {
	return &cli.Command{
		Name:        "ls",
		Usage:       "list the logs of the store",
		ArgsUsage:   "[LOG...]",
		Description: "Newest last. Logs of side files are left out unless --assets is given.",
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "from", Usage: "only sessions of this vendor"},
			&cli.StringFlag{Name: "project", Usage: "only sessions that worked in this folder or below it"},
			&cli.StringFlag{Name: "sort", Usage: "time, size, title or vendor", Value: "time"},
			&cli.BoolFlag{Name: "reverse", Usage: "the other way round"},
			&cli.BoolFlag{Name: "assets", Usage: "list logs of side files, too"},
		},
		Action: s.runLs,
	}
}

func (s *session) runLs(c *cli.Context) (err error) {
	order, ok := map[string]func(a, b summary.Summary) int{
		"time":   func(a, b summary.Summary) int { return strings.Compare(a.Ended, b.Ended) },
		"size":   func(a, b summary.Summary) int { return cmp.Compare(a.Size, b.Size) },
		"title":  func(a, b summary.Summary) int { return strings.Compare(nameOf(a), nameOf(b)) },
		"vendor": func(a, b summary.Summary) int { return strings.Compare(a.Vendor, b.Vendor) },
	}[c.String("sort")]
	if !ok {
		return usageError(fmt.Errorf("--sort %s: want time, size, title or vendor", c.String("sort")))
	}
	projects, err := projectFolders(c.String("project"))
	if err != nil {
		return err
	}
	store, refs, err := s.manyLogs(c)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, store.Close()) }()
	var list []summary.Summary
	var damaged []format.LogID
	cache := summary.Cache{Dir: filepath.Join(store.Dir(), "cache", "summaries")}
	for _, ref := range refs {
		sum, err := cache.Of(c.Context, ref.Store, ref.Log)
		if exitCode(err) == exitCheckFailed {
			damaged = append(damaged, ref.Log)
			fmt.Fprintf(s.Err, "ownlog: log %s: %v\n", ref.Log, err)
			continue
		}
		if err != nil {
			return err
		}
		if wanted(c, projects, sum) {
			list = append(list, sum)
		}
	}
	slices.SortStableFunc(list, func(a, b summary.Summary) int { return cmp.Or(order(a, b), strings.Compare(a.Log, b.Log)) })
	if c.Bool("reverse") {
		slices.Reverse(list)
	}
	if err := s.showList(c, list); err != nil {
		return err
	}
	if len(damaged) > 0 {
		return checkFailed(fmt.Errorf("%d logs are damaged; ownlog verify says where, ownlog recover makes new ones", len(damaged)))
	}
	return nil
}

// showList prints the list.
func (s *session) showList(c *cli.Context, list []summary.Summary) error {
	if c.Bool("json") {
		return printJSON(s.Out, struct {
			Schema string            `json:"schema"`
			Logs   []summary.Summary `json:"logs"`
		}{"ownlog.ls/1", list})
	}
	w := tabwriter.NewWriter(s.Out, 0, 0, 2, ' ', 0)
	for _, sum := range list {
		fmt.Fprintf(w, "%s\t%s\t%s\t%d entries\t%d turns\t%s\t%s\n",
			sum.Log, cmp.Or(sum.Vendor, "native"), day(sum.Ended), sum.Size, sum.Turns, cmp.Or(sum.CWD, "-"), oneLine(nameOf(sum), 60))
	}
	return w.Flush()
}

// wanted tells whether a log passes the filters.
func wanted(c *cli.Context, projects convert.Projects, sum summary.Summary) bool {
	if sum.Kind == convert.LogAssets && !c.Bool("assets") && c.NArg() == 0 {
		return false
	}
	if v := c.String("from"); v != "" && v != sum.Vendor {
		return false
	}
	return projects.Hold(sum.CWD)
}

// nameOf is what a person would call a session.
func nameOf(sum summary.Summary) string { return cmp.Or(sum.Title, sum.Prompt, sum.Session) }

func day(time string) string {
	if len(time) < 16 {
		return "-"
	}
	return time[:10] + " " + time[11:16]
}

func oneLine(s string, width int) string {
	s = strings.Join(strings.Fields(s), " ")
	if r := []rune(s); len(r) > width {
		return string(r[:width-1]) + "…"
	}
	return s
}
