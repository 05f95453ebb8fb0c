// Command ownlog keeps, checks, converts and resumes the logs of AI agents.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"
)

func main() { os.Exit(process()) }

// process runs the command line of this process. An interrupt, or being told to
// end, cancels what runs.
func process() int {
	reportFileLimit()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	return run(ctx, os.Args, console{In: os.Stdin, Out: os.Stdout, Err: os.Stderr, Getenv: os.Getenv, Home: homeDir()})
}

// homeDir returns the person's home, empty if the system does not say.
func homeDir() string {
	home, err := os.UserHomeDir()
	if err != nil {
		return ""
	}
	return home
}
