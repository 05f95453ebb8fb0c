// Command bench measures ownlog beside its peers, in one run, and prints a table
// in Markdown for docs/benchmarks.md.
//
//	cd conformance/bench && go run . [--text DIR] [--long] [--only NAME,...] [--dir DIR]
//
// It needs the zstd and openssl commands, about 4 GB in --dir (a new folder in
// the system's temporary one unless given, removed at the end) and about two
// minutes; with --long, which does each run three times as often, about five.
//
// The text is the session files in --text or in the folder that OWNLOG_CORPUS
// names, taken again and again, or text made to look like sessions. Each line of
// them becomes an entry that keeps the line verbatim.
//
// Ours and the peer take turns; figures are medians. Processor time is that of
// child processes, all threads, as the system accounts it. Large things live in
// child processes, so that the peak memory of the ones measured is theirs.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
)

// bench is one run of the command.
type bench struct {
	ctx    context.Context
	dir    string
	text   string // folder of session files, "": text is made
	rounds int
	self   string
	ownlog string
	rows   []row
}

// row is a line of the table.
type row struct {
	what, ours, peer, ratio, target string
	met                             bool
}

// stages in their order. Later ones use the log that the first has made.
var stages = []struct {
	name string
	run  func(*bench) error
}{
	{"append", (*bench).appends},
	{"seal", (*bench).seal},
	{"verify", (*bench).verify},
	{"tail", (*bench).tail},
	{"memory", (*bench).memory},
}

func main() {
	if len(os.Args) > 2 && os.Args[1] == partFlag {
		if err := runPart(os.Args[2], os.Args[3:]); err != nil {
			fmt.Fprintln(os.Stderr, "bench:", err)
			os.Exit(1)
		}
		return
	}
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run() (err error) {
	text := flag.String("text", os.Getenv("OWNLOG_CORPUS"), "`folder` of session files, unpacked; none: text is made")
	long := flag.Bool("long", false, "three times as many rounds")
	only := flag.String("only", "", "`stages` to run, with commas between: append, seal, verify, tail, memory")
	dir := flag.String("dir", "", "`folder` to work in")
	flag.Parse()
	if flag.NArg() > 0 {
		return fmt.Errorf("unknown argument %q", flag.Arg(0))
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	b := &bench{ctx: ctx, text: *text, rounds: 3}
	if *long {
		b.rounds = 9
	}
	if b.dir, err = os.MkdirTemp(*dir, "ownlog-bench-"); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(b.dir)) }()
	if err := b.build(); err != nil {
		return err
	}
	for _, s := range stages {
		if *only != "" && !slices.Contains(strings.Split(*only, ","), s.name) {
			continue
		}
		fmt.Fprintln(os.Stderr, "bench:", s.name)
		if err := s.run(b); err != nil {
			return fmt.Errorf("%s: %w", s.name, err)
		}
	}
	b.print()
	return nil
}

// build makes the ownlog command, in the module that this one stands in.
func (b *bench) build() (err error) {
	if b.self, err = os.Executable(); err != nil {
		return err
	}
	b.ownlog = filepath.Join(b.dir, "ownlog")
	cmd := exec.CommandContext(b.ctx, "go", "build", "-o", b.ownlog, "./cmd/ownlog")
	cmd.Dir = filepath.Join("..", "..")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	cmd.Stderr = os.Stderr
	return cmd.Run()
}

// add notes a line of the table.
func (b *bench) add(what, ours, peer, ratio, target string, met bool) {
	b.rows = append(b.rows, row{what, ours, peer, ratio, target, met})
	fmt.Fprintf(os.Stderr, "bench: %s: %s; %s; %s (%s)\n", what, ours, peer, ratio, target)
}

func (b *bench) print() {
	kind := "made to look like sessions"
	if b.text != "" {
		kind = "real session files"
	}
	fmt.Printf("Text: %s. %s/%s, %d processors, %s; medians of %d alternating rounds.\n\n", kind, runtime.GOOS, runtime.GOARCH, runtime.NumCPU(), runtime.Version(), b.rounds)
	fmt.Println("| | ownlog | peer | ratio | target | |")
	fmt.Println("|---|---|---|---|---|---|")
	for _, r := range b.rows {
		verdict := "missed"
		if r.met {
			verdict = "met"
		}
		fmt.Printf("| %s | %s | %s | %s | %s | %s |\n", r.what, r.ours, r.peer, r.ratio, r.target, verdict)
	}
}
